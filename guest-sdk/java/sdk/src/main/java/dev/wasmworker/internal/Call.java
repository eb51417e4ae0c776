package dev.wasmworker.internal;

import dev.wasmworker.ApplicationFailure;
import dev.wasmworker.Payload;
import dev.wasmworker.json.Codec;
import dev.wasmworker.json.Json;
import dev.wasmworker.json.JsonException;
import dev.wasmworker.json.JsonWriter;
import java.util.Map;

/** One call of an activity, for generated code: arguments in, result out. */
public final class Call {
    private final Host host;

    Call(Host host) {
        this.host = host;
    }

    /** Reads an argument as JSON. */
    public <T> T json(int index, String name, Codec<T> codec) {
        try {
            if (index >= host.argCount()) {
                return codec.absent();
            }
            return codec.read(Payloads.json(payload(index)));
        } catch (JsonException e) {
            throw Payloads.invalid(describe(index, name), e);
        }
    }

    /** Reads an argument as bytes; null if it is not there or null, and may be. */
    public byte[] bytes(int index, String name, boolean nullable) {
        Payload payload = payload(index, name, nullable);
        try {
            return payload == null || nullable && payload.isNull() ? null : Payloads.bytes(payload);
        } catch (JsonException e) {
            throw Payloads.invalid(describe(index, name), e);
        }
    }

    /** Reads an argument as it is; null if it is not there, and may be. */
    public Payload payload(int index, String name, boolean nullable) {
        if (index < host.argCount()) {
            return payload(index);
        }
        if (nullable) {
            return null;
        }
        throw Payloads.invalid(describe(index, name), new JsonException("is missing"));
    }

    /** Reads all arguments from an index on. */
    public Payload[] payloads(int from) {
        int count = Math.max(0, host.argCount() - from);
        Payload[] payloads = new Payload[count];
        for (int i = 0; i < count; i++) {
            payloads[i] = payload(from + i);
        }
        return payloads;
    }

    private Payload payload(int index) {
        return new Payload(host.arg(index), host.argEncoding(index), () -> Payloads.metadata(host.argMetadata(index)));
    }

    private static String describe(int index, String name) {
        return "argument " + (index + 1) + " (" + name + ")";
    }

    /** Sets the result as JSON. */
    public <T> void result(T value, Codec<T> codec) {
        if (value == null) {
            result(Payload.ofNull());
            return;
        }
        JsonWriter writer = new JsonWriter();
        try {
            codec.write(writer, value);
        } catch (JsonException e) {
            throw ApplicationFailure.newNonRetryableFailure("the result: " + e.getMessage(), Abi.TYPE_INVALID_OUTPUT);
        }
        write(Utf8.encode(writer.toString()));
    }

    /** Sets the result as bytes. */
    public void result(byte[] bytes) {
        result(bytes == null ? Payload.ofNull() : Payload.ofBytes(bytes));
    }

    /** Sets the result as it is. */
    public void result(Payload payload) {
        if (payload == null) {
            payload = Payload.ofNull();
        }
        write(payload.getData());
        Map<String, byte[]> metadata = payload.getMetadata();
        if (metadata.size() == 1 && !payload.getEncoding().isEmpty()) {
            host.outputEncoding(payload.getEncoding());
        } else {
            host.outputMetadata(Payloads.metadata(metadata));
        }
    }

    private void write(byte[] data) {
        if (data.length > 0 && !host.outputWrite(data)) {
            throw ApplicationFailure.newNonRetryableFailure(
                    "the result of " + data.length + " bytes is larger than the worker allows", Abi.TYPE_OUTPUT_TOO_LARGE);
        }
    }
}
