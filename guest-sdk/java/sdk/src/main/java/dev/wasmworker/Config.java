package dev.wasmworker;

import dev.wasmworker.internal.Abi;
import dev.wasmworker.internal.Host;
import dev.wasmworker.internal.Imports;
import dev.wasmworker.internal.Utf8;
import java.util.Optional;

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
            return Optional.of(Utf8.decodeLoosely(Host.get().passthrough(Abi.MODULE_CONFIG, "get", Imports::configGet, Utf8.encode(name))));
        } catch (PassthroughException e) {
            if (e.getErrno() == Errno.ENOENT) {
                return Optional.empty();
            }
            throw e;
        }
    }
}
