package dev.wasmworker;

import dev.wasmworker.internal.Abi;
import dev.wasmworker.internal.Host;
import dev.wasmworker.internal.Imports;
import dev.wasmworker.internal.Utf8;

/**
 * Values of secrets: {@code wasmworker:secret/v1}. Most modules need none: <code>{{secret:NAME}}</code> in the header of a
 * {@linkplain dev.wasmworker.http.HttpRequest request} stands for a secret, and connections and buckets have theirs from the operator.
 */
public final class Secret {
    private Secret() {
    }

    /**
     * Returns the value of a secret. Keep it out of results, failures and logs: Temporal stores those.
     *
     * @throws PassthroughException {@link Errno#EACCES} if the operator's policy does not reveal it, whether there is one of that name or
     *     not; {@link Errno#EIO} if it cannot be read at the moment
     */
    public static String reveal(String name) {
        return Utf8.decodeLoosely(Host.get().passthrough(Abi.MODULE_SECRET, "reveal", Imports::secretReveal, Utf8.encode(name)));
    }
}
