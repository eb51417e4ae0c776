package dev.wasmworker;

import dev.wasmworker.internal.Host;
import dev.wasmworker.internal.Utf8;
import org.teavm.interop.Address;
import org.teavm.interop.Import;

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
        return Utf8.decodeLoosely(Host.get().passthrough("wasmworker:secret/v1", "reveal", Secret::reveal0, Utf8.encode(name)));
    }

    @Import(module = "wasmworker:secret/v1", name = "reveal")
    private static native long reveal0(Address request, int size);
}
