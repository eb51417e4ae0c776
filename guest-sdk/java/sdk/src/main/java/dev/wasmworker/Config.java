package dev.wasmworker;

import dev.wasmworker.internal.Host;
import dev.wasmworker.internal.Utf8;
import java.util.Optional;
import org.teavm.interop.Address;
import org.teavm.interop.Import;

/**
 * Settings that the worker's operator gives a module by name: {@code wasmworker:config/v1}.
 *
 * <pre>{@code
 * String region = Config.get("region").orElse("eu");
 * }</pre>
 */
public final class Config {
    private Config() {
    }

    /** Returns the value of a name; empty if the operator gave this module none. */
    public static Optional<String> get(String name) {
        try {
            return Optional.of(Utf8.decodeLoosely(Host.get().passthrough("wasmworker:config/v1", "get", Config::get0, Utf8.encode(name))));
        } catch (PassthroughException e) {
            if (e.getErrno() == Errno.ENOENT) {
                return Optional.empty();
            }
            throw e;
        }
    }

    @Import(module = "wasmworker:config/v1", name = "get")
    private static native long get0(Address request, int size);
}
