package dev.wasmworker.blob;

import dev.wasmworker.PassthroughException;
import java.io.OutputStream;
import java.util.Arrays;
import java.util.Objects;

/**
 * An object that is being written. It appears, as a whole, when {@link #commit} is called; {@link #close} without that gives it up, and what
 * was there before stays. It is buffered: the worker gets 64 KiB at once, and larger arrays in pieces of 1 MiB.
 *
 * <p>Methods throw a {@link PassthroughException} rather than an {@code IOException}. After one, nothing can be committed.
 */
public final class BlobWriter extends OutputStream {
    private static final int BUFFER = 64 << 10;
    private static final int MOST = 1 << 20;

    private final long number;
    private final byte[] buffer = new byte[BUFFER];
    private int size;
    /** The object would have a gap. */
    private PassthroughException failure;
    private boolean ended;

    BlobWriter(long number) {
        this.number = number;
    }

    @Override
    public void write(int b) {
        write(new byte[] {(byte) b}, 0, 1);
    }

    @Override
    public void write(byte[] data) {
        write(data, 0, data.length);
    }

    @Override
    public void write(byte[] data, int offset, int length) {
        Objects.checkFromIndexSize(offset, length, data.length);
        check();
        if (length > BUFFER - size) {
            flush();
        }
        int at = offset;
        int left = length;
        while (left > BUFFER) {
            int count = Math.min(left, MOST);
            send(data, at, count);
            at += count;
            left -= count;
        }
        System.arraycopy(data, at, buffer, size, left);
        size += left;
    }

    /** Hands what is buffered to the worker. The object does not appear yet. */
    @Override
    public void flush() {
        check();
        if (size > 0) {
            int count = size;
            size = 0;
            send(buffer, 0, count);
        }
    }

    /** Makes the object appear, with all that was written. Nothing can be written after that. */
    public void commit() {
        flush();
        Blob.commit(number);
        ended = true;
    }

    /** Gives the object up, unless it was committed. It throws nothing. */
    @Override
    public void close() {
        if (!ended) {
            ended = true;
            Blob.closeQuietly("writer", number);
        }
    }

    private void send(byte[] data, int offset, int length) {
        try {
            Blob.write(number, Arrays.copyOfRange(data, offset, offset + length));
        } catch (PassthroughException e) {
            failure = e;
            throw e;
        }
    }

    private void check() {
        if (failure != null) {
            throw failure;
        }
        if (ended) {
            throw new IllegalStateException("the object was committed or given up");
        }
    }
}
