package dev.wasmworker.blob;

import java.time.Instant;
import java.util.Optional;

/**
 * What a listing has.
 *
 * @param key an object's key, or what the keys of several begin with
 * @param prefix whether it is the latter, which has no size and time
 * @param size bytes
 * @param modified when the object was written last, if the store says that
 */
public record BlobEntry(String key, boolean prefix, long size, Optional<Instant> modified) {
}
