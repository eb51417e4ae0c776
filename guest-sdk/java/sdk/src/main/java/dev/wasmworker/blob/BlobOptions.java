package dev.wasmworker.blob;

import java.util.LinkedHashMap;
import java.util.Map;

/** How an object is written. By default it has no content type and no metadata, and takes the place of one that is there. */
public final class BlobOptions {
    private String contentType = "";
    private final Map<String, String> metadata = new LinkedHashMap<>();
    private boolean ifNoneMatch;

    /** Sets the content type, such as {@code text/plain; charset=utf-8}. */
    public BlobOptions setContentType(String contentType) {
        this.contentType = contentType;
        return this;
    }

    /** Adds one of the metadata, which are kept with the object. */
    public BlobOptions addMetadata(String name, String value) {
        metadata.put(name, value);
        return this;
    }

    /** Creates the object only if there is none of its key; {@code EEXIST} otherwise. */
    public BlobOptions setIfNoneMatch(boolean ifNoneMatch) {
        this.ifNoneMatch = ifNoneMatch;
        return this;
    }

    void write(Map<String, Object> head) {
        if (!contentType.isEmpty()) {
            head.put("content_type", contentType);
        }
        if (!metadata.isEmpty()) {
            head.put("metadata", metadata);
        }
        if (ifNoneMatch) {
            head.put("if_none_match", true);
        }
    }
}
