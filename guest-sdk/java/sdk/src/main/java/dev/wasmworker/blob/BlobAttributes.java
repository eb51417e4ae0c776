package dev.wasmworker.blob;

import dev.wasmworker.internal.Times;
import dev.wasmworker.json.Codec;
import dev.wasmworker.json.Codecs;
import dev.wasmworker.json.Json;
import java.time.Instant;
import java.util.Collections;
import java.util.Map;
import java.util.Optional;

/** What is known of an object. */
public final class BlobAttributes {
    private static final Codec<Map<String, String>> STRINGS = Codecs.nullable(Codecs.map(Codecs.STRING));

    private final Json head;

    BlobAttributes(Json head) {
        this.head = head;
    }

    /** Returns the size of the whole object in bytes. */
    public long getSize() {
        return head.has("size") ? head.field("size", Codecs.LONG) : 0;
    }

    /** Returns the content type; empty if it has none. */
    public String getContentType() {
        return text("content_type");
    }

    /** Returns when it was written last, if the store says that. */
    public Optional<Instant> getModified() {
        return time(head);
    }

    /** Returns what changes whenever the object does; may be empty. */
    public String getEtag() {
        return text("etag");
    }

    /** Returns the metadata that it was written with. */
    public Map<String, String> getMetadata() {
        Map<String, String> metadata = head.field("metadata", STRINGS);
        return metadata == null ? Collections.emptyMap() : Collections.unmodifiableMap(metadata);
    }

    private String text(String name) {
        return head.has(name) ? head.field(name, Codecs.STRING) : "";
    }

    static Optional<Instant> time(Json object) {
        String text = object.field("modified", Codecs.nullable(Codecs.STRING));
        return text == null || text.isEmpty() ? Optional.empty() : Optional.of(Times.parse(text));
    }
}
