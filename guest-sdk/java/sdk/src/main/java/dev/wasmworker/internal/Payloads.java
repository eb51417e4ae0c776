package dev.wasmworker.internal;

import dev.wasmworker.ApplicationFailure;
import dev.wasmworker.Payload;
import dev.wasmworker.json.Codec;
import dev.wasmworker.json.Codecs;
import dev.wasmworker.json.Json;
import dev.wasmworker.json.JsonException;
import dev.wasmworker.json.JsonWriter;
import java.util.LinkedHashMap;
import java.util.Map;

/** From payloads to Java's values and back. */
public final class Payloads {
    private Payloads() {
    }

    /** Makes a payload of a value: as it is, binary/plain of bytes, binary/null of null, JSON of anything else. */
    public static Payload of(Object value) {
        if (value instanceof Payload) {
            return (Payload) value;
        } else if (value == null) {
            return Payload.ofNull();
        } else if (value instanceof byte[]) {
            return Payload.ofBytes((byte[]) value);
        }
        return Payload.ofJson(value);
    }

    /** Reads a payload as a class that has a codec, bytes, or a payload. Null for null. */
    public static <T> T to(Payload payload, Class<T> type) {
        if (type == Payload.class) {
            return type.cast(payload);
        }
        if (payload.isNull()) {
            return null;
        }
        if (type == byte[].class) {
            return type.cast(bytes(payload));
        }
        Codec<T> codec = Codecs.find(type);
        if (codec == null) {
            throw new IllegalArgumentException("cannot read JSON as " + type.getName() + ": make it a record with @JsonType");
        }
        Json json = json(payload);
        return json.isNull() ? null : codec.read(json);
    }

    static byte[] bytes(Payload payload) {
        if (!payload.getEncoding().equals(Payload.BINARY_PLAIN)) {
            throw new JsonException("expected the encoding binary/plain, got " + nameOf(payload));
        }
        return payload.getData();
    }

    static Json json(Payload payload) {
        String encoding = payload.getEncoding();
        if (payload.isNull()) {
            return Json.NULL;
        }
        if (!encoding.equals(Payload.JSON_PLAIN) && !encoding.equals("json/protobuf") && !encoding.isEmpty()) {
            throw new JsonException("expected JSON (json/plain), got " + nameOf(payload));
        }
        return Json.parse(payload.getData());
    }

    private static String nameOf(Payload payload) {
        return payload.getEncoding().isEmpty() ? "no encoding" : payload.getEncoding();
    }

    /** The failure for what somebody sent and cannot be used. */
    public static ApplicationFailure invalid(String what, JsonException problem) {
        return ApplicationFailure.newNonRetryableFailure(what + ": " + problem.getMessage(), Abi.TYPE_INVALID_INPUT);
    }

    static Map<String, byte[]> metadata(byte[] json) {
        Map<String, byte[]> metadata = new LinkedHashMap<>();
        for (Map.Entry<String, Json> entry : Json.parse(json).asMap().entrySet()) {
            Json value = entry.getValue();
            metadata.put(entry.getKey(), value.isObject() ? value.get("base64").asBytes() : Utf8.encode(value.asString()));
        }
        return metadata;
    }

    static byte[] metadata(Map<String, byte[]> metadata) {
        JsonWriter writer = new JsonWriter().beginObject();
        for (Map.Entry<String, byte[]> entry : metadata.entrySet()) {
            writer.name(entry.getKey());
            byte[] value = entry.getValue();
            String text = Utf8.decode(value, 0, value.length);
            if (text != null) {
                writer.string(text);
            } else {
                writer.beginObject().name("base64");
                writer.value(value);
                writer.endObject();
            }
        }
        return Utf8.encode(writer.endObject().toString());
    }
}
