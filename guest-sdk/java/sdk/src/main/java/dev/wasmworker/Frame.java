package dev.wasmworker;

import dev.wasmworker.internal.Utf8;
import dev.wasmworker.json.Json;
import dev.wasmworker.json.JsonException;
import java.util.Arrays;

/**
 * What passthrough modules exchange when they have bytes to carry: a head, which is a JSON object, and a body. The worker's {@code http},
 * {@code sql} and {@code blob} do, and the SDK's classes make their frames; this is for modules of your own, and for tests.
 */
public final class Frame {
    private static final int PREFIX = 4;

    private final Json head;
    private final byte[] bytes;
    private final int bodyBegin;

    private Frame(Json head, byte[] bytes, int bodyBegin) {
        this.head = head;
        this.bytes = bytes;
        this.bodyBegin = bodyBegin;
    }

    /**
     * Makes the bytes of a frame.
     *
     * @param head what {@link Json#of} takes, and is an object in JSON
     * @param body the parts of the body, one after the other
     */
    public static byte[] encode(Object head, byte[]... body) {
        byte[] text = Utf8.encode(Json.stringify(head));
        int size = PREFIX + text.length;
        for (byte[] part : body) {
            size += part.length;
        }
        byte[] frame = new byte[size];
        for (int i = 0; i < PREFIX; i++) {
            frame[i] = (byte) (text.length >> 8 * i);
        }
        int at = PREFIX;
        System.arraycopy(text, 0, frame, at, text.length);
        at += text.length;
        for (byte[] part : body) {
            System.arraycopy(part, 0, frame, at, part.length);
            at += part.length;
        }
        return frame;
    }

    /**
     * Reads a frame.
     *
     * @throws JsonException if the bytes are none
     */
    public static Frame decode(byte[] bytes) {
        if (bytes.length < PREFIX) {
            throw new JsonException("expected a frame, got " + bytes.length + " bytes");
        }
        int size = 0;
        for (int i = PREFIX - 1; i >= 0; i--) {
            size = size << 8 | bytes[i] & 0xff;
        }
        if (size < 0 || size > bytes.length - PREFIX) {
            throw new JsonException("expected a frame, got bytes that end within its head");
        }
        return new Frame(Json.parse(Arrays.copyOfRange(bytes, PREFIX, PREFIX + size)), bytes, PREFIX + size);
    }

    /** Returns the head. */
    public Json getHead() {
        return head;
    }

    /** Returns a copy of the body. */
    public byte[] getBody() {
        return Arrays.copyOfRange(bytes, bodyBegin, bytes.length);
    }

    /**
     * Returns a copy of a part of the body.
     *
     * @throws JsonException if it is not within the body
     */
    public byte[] getBody(int offset, int length) {
        int size = bytes.length - bodyBegin;
        if (offset < 0 || length < 0 || offset > size || length > size - offset) {
            throw new JsonException("expected bytes within the body, which has " + size);
        }
        return Arrays.copyOfRange(bytes, bodyBegin + offset, bodyBegin + offset + length);
    }
}
