package dev.wasmworker.blob;

import dev.wasmworker.internal.Utf8;

/** An object, or a part of it. */
public final class BlobObject {
    private final BlobAttributes attributes;
    private final byte[] data;

    BlobObject(BlobAttributes attributes, byte[] data) {
        this.attributes = attributes;
        this.data = data;
    }

    /** Returns what is known of the whole object. */
    public BlobAttributes getAttributes() {
        return attributes;
    }

    /** Returns the bytes, which are not copied. */
    public byte[] getData() {
        return data;
    }

    /** Returns the bytes as text; what is not UTF-8 becomes U+FFFD. */
    public String getText() {
        return Utf8.decodeLoosely(data);
    }
}
