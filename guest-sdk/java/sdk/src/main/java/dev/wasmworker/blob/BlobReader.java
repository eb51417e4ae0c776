package dev.wasmworker.blob;

import dev.wasmworker.Frame;
import java.io.InputStream;
import java.util.Objects;

/**
 * An object that is being read. It is buffered: the worker is asked for 64 KiB, or for what is read into if that is larger, up to 1 MiB.
 *
 * <p>Methods throw a {@link dev.wasmworker.PassthroughException} rather than an {@code IOException}.
 */
public final class BlobReader extends InputStream {
    private static final int LEAST = 64 << 10;
    private static final int MOST = 1 << 20;

    private final long number;
    private final BlobAttributes attributes;
    private byte[] chunk = new byte[0];
    private int at;
    private boolean end;
    private boolean closed;

    BlobReader(long number, BlobAttributes attributes) {
        this.number = number;
        this.attributes = attributes;
    }

    /** Returns what is known of the whole object. */
    public BlobAttributes getAttributes() {
        return attributes;
    }

    @Override
    public int read() {
        return fill(1) ? chunk[at++] & 0xff : -1;
    }

    @Override
    public int read(byte[] into) {
        return read(into, 0, into.length);
    }

    @Override
    public int read(byte[] into, int offset, int length) {
        Objects.checkFromIndexSize(offset, length, into.length);
        if (length == 0) {
            return 0;
        }
        if (!fill(length)) {
            return -1;
        }
        int count = Math.min(length, chunk.length - at);
        System.arraycopy(chunk, at, into, offset, count);
        at += count;
        return count;
    }

    /** Returns how many bytes are there without asking the worker. */
    @Override
    public int available() {
        return chunk.length - at;
    }

    /** Ends reading, wherever it is. It throws nothing. */
    @Override
    public void close() {
        if (!closed) {
            closed = true;
            end = true;
            at = chunk.length;
            Blob.closeQuietly("reader", number);
        }
    }

    /** Asks for more if nothing is left. Returns false at the end. */
    private boolean fill(int wanted) {
        while (at == chunk.length && !end) {
            Frame response = Blob.read(number, Math.max(LEAST, Math.min(wanted, MOST)));
            chunk = response.getBody();
            at = 0;
            end = response.getHead().has("end") && response.getHead().get("end").asBoolean();
        }
        return at < chunk.length;
    }
}
