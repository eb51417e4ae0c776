package dev.wasmworker;

import dev.wasmworker.internal.Abi;
import dev.wasmworker.internal.Payloads;
import dev.wasmworker.internal.Utf8;
import dev.wasmworker.json.Json;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.function.Supplier;

/**
 * An argument, a result or a heartbeat detail as Temporal carries it: bytes, and metadata that tell how to read them.
 *
 * <p>The bytes are not copied: do not change them.
 */
public final class Payload {
    /** The encoding of JSON text. */
    public static final String JSON_PLAIN = Abi.ENCODING_JSON;
    /** The encoding of bytes without further meaning. */
    public static final String BINARY_PLAIN = Abi.ENCODING_BINARY;
    /** The encoding of nothing: null. */
    public static final String BINARY_NULL = Abi.ENCODING_NULL;

    private final byte[] data;
    private final String encoding;
    /** All metadata with the encoding, or null for the encoding alone. */
    private Map<String, byte[]> metadata;
    private Supplier<Map<String, byte[]>> lazyMetadata;

    /** Makes a payload of bytes of an encoding. */
    public Payload(byte[] data, String encoding) {
        this.data = data;
        this.encoding = encoding;
    }

    /** For the SDK itself: the metadata are read when somebody asks for them, within the activity. */
    public Payload(byte[] data, String encoding, Supplier<Map<String, byte[]>> metadata) {
        this(data, encoding);
        this.lazyMetadata = metadata;
    }

    private Payload(byte[] data, String encoding, Map<String, byte[]> metadata) {
        this(data, encoding);
        this.metadata = metadata;
    }

    /** Makes a payload of the JSON of a value that {@link Json#of} takes. */
    public static Payload ofJson(Object value) {
        return new Payload(Utf8.encode(Json.stringify(value)), JSON_PLAIN);
    }

    /** Makes a payload of bytes without further meaning. */
    public static Payload ofBytes(byte[] data) {
        return new Payload(data, BINARY_PLAIN);
    }

    /** Makes the payload that means null. */
    public static Payload ofNull() {
        return new Payload(new byte[0], BINARY_NULL);
    }

    /** Returns the bytes. */
    public byte[] getData() {
        return data;
    }

    /** Returns the bytes as text; what is not UTF-8 becomes U+FFFD. */
    public String getText() {
        return Utf8.decodeLoosely(data);
    }

    /** Returns the encoding; may be empty. */
    public String getEncoding() {
        return encoding;
    }

    /** Tells whether this is null. */
    public boolean isNull() {
        return encoding.equals(BINARY_NULL);
    }

    /**
     * Reads the payload.
     *
     * @param type a wrapper class, {@code String}, {@code byte[]} (for {@code binary/plain}), {@link Json}, or a record with a codec
     * @return the value, or null if this is null
     * @throws dev.wasmworker.json.JsonException if it is not of that type
     */
    public <T> T as(Class<T> type) {
        return Payloads.to(this, type);
    }

    /** Returns all metadata, the encoding among them. Details of heartbeats have no others. */
    public Map<String, byte[]> getMetadata() {
        Map<String, byte[]> copy = new LinkedHashMap<>();
        if (lazyMetadata != null) {
            metadata = lazyMetadata.get();
            lazyMetadata = null;
        }
        if (metadata != null) {
            copy.putAll(metadata);
        } else if (!encoding.isEmpty()) {
            copy.put("encoding", Utf8.encode(encoding));
        }
        return copy;
    }

    /** Returns the same payload with one more of the metadata. Kept for results, not for heartbeat details. */
    public Payload withMetadata(String name, byte[] value) {
        Map<String, byte[]> all = getMetadata();
        all.put(name, value);
        return new Payload(data, name.equals("encoding") ? Utf8.decodeLoosely(value) : encoding, all);
    }
}
