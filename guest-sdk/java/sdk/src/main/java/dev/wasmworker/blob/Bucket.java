package dev.wasmworker.blob;

import dev.wasmworker.Frame;
import dev.wasmworker.json.Codecs;
import dev.wasmworker.json.Json;
import java.util.Collections;
import java.util.Iterator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.NoSuchElementException;

/**
 * A bucket that the worker's operator has defined.
 *
 * <pre>{@code
 * Bucket exports = new Bucket("exports");
 * try (BlobWriter writer = exports.create("2026/orders.jsonl", new BlobOptions().setContentType("application/jsonl"))) {
 *     for (Order order : orders) {
 *         writer.write((Json.stringify(order) + "\n").getBytes(StandardCharsets.UTF_8));
 *     }
 *     writer.commit();                             // without it, close gives the object up
 * }
 * }</pre>
 *
 * <p>Keys are text without control characters, of 1 to 1024 bytes in UTF-8, not beginning with a slash, and without empty, {@code .} and
 * {@code ..} segments.
 *
 * <p>All methods wait for the worker, and throw a {@link dev.wasmworker.PassthroughException}: {@code EACCES} for what the operator's policy
 * denies, which is the bucket, the key, or writing; {@code ENOENT} for an object that is not there; {@code EEXIST}; {@code EINVAL} for a key that is not valid;
 * {@code EMFILE} for more than 256 readers and writers; {@code EMSGSIZE} for an object above the policy's limit; {@code ETIMEDOUT};
 * {@code ECANCELED}; and {@code EIO} when the store does not answer, or says no.
 */
public final class Bucket {
    private final String name;

    /**
     * Names a bucket. It costs nothing, and opens nothing.
     *
     * @param name as the operator has it
     */
    public Bucket(String name) {
        this.name = name;
    }

    /** Reads an object as a whole. */
    public BlobObject get(String key) {
        return get(head(key));
    }

    /**
     * Reads a part of an object. Beyond its end there are fewer bytes.
     *
     * @param offset the first byte, counted from 0
     * @param length bytes at most
     */
    public BlobObject get(String key, long offset, long length) {
        return get(range(key, offset, length));
    }

    private static BlobObject get(Map<String, Object> head) {
        Frame response = Blob.get(head);
        return new BlobObject(new BlobAttributes(response.getHead()), response.getBody());
    }

    /** Writes an object, in the place of one that may be there. */
    public void put(String key, byte[] data) {
        put(key, data, new BlobOptions());
    }

    /** Writes an object of 16 MiB at most. What is larger is written by {@link #create}. */
    public void put(String key, byte[] data, BlobOptions options) {
        Map<String, Object> head = head(key);
        options.write(head);
        Blob.put(head, data);
    }

    /** Returns what is known of an object. */
    public BlobAttributes stat(String key) {
        return new BlobAttributes(Blob.stat(head(key)).getHead());
    }

    /** Deletes an object. One that is not there is {@code ENOENT}. */
    public void delete(String key) {
        Blob.delete(head(key));
    }

    /** Lists the objects whose keys begin with a prefix, which may be empty, in the order of their keys. */
    public Iterable<BlobEntry> list(String prefix) {
        return list(prefix, "");
    }

    /**
     * Lists objects in the order of their keys. Each iteration asks anew, page by page of up to 1000 entries, and may throw what the other
     * methods do.
     *
     * @param prefix what the keys have to begin with; may be empty
     * @param delimiter what keys have before the next delimiter, after the prefix, is listed once, as a prefix. Usually {@code "/"};
     *     empty for all keys
     */
    public Iterable<BlobEntry> list(String prefix, String delimiter) {
        return () -> new Listing(prefix, delimiter);
    }

    /** Begins to read an object. Close the reader. */
    public BlobReader open(String key) {
        return open(head(key));
    }

    /** Begins to read a part of an object, as {@link #get(String, long, long)} has it. Close the reader. */
    public BlobReader open(String key, long offset, long length) {
        return open(range(key, offset, length));
    }

    private static BlobReader open(Map<String, Object> head) {
        Json response = Blob.open(head).getHead();
        return new BlobReader(response.field("reader", Codecs.LONG), new BlobAttributes(response));
    }

    /** Begins to write an object, which takes the place of one that may be there. Commit and close the writer. */
    public BlobWriter create(String key) {
        return create(key, new BlobOptions());
    }

    /** Begins to write an object of any size that the policy allows. Commit and close the writer. */
    public BlobWriter create(String key, BlobOptions options) {
        Map<String, Object> head = head(key);
        options.write(head);
        return new BlobWriter(Blob.create(head).getHead().field("writer", Codecs.LONG));
    }

    private Map<String, Object> head(String key) {
        Map<String, Object> head = new LinkedHashMap<>();
        head.put("bucket", name);
        head.put("key", key);
        return head;
    }

    private Map<String, Object> range(String key, long offset, long length) {
        Map<String, Object> head = head(key);
        head.put("offset", offset);
        head.put("length", length);
        return head;
    }

    private final class Listing implements Iterator<BlobEntry> {
        private final String prefix;
        private final String delimiter;
        private List<Json> entries = Collections.emptyList();
        private int index;
        /** Null: no more pages. Empty: none was asked for. */
        private String page = "";

        Listing(String prefix, String delimiter) {
            this.prefix = prefix;
            this.delimiter = delimiter;
        }

        @Override
        public boolean hasNext() {
            while (index == entries.size() && page != null) {
                Map<String, Object> head = new LinkedHashMap<>();
                head.put("bucket", name);
                head.put("prefix", prefix);
                if (!delimiter.isEmpty()) {
                    head.put("delimiter", delimiter);
                }
                if (!page.isEmpty()) {
                    head.put("page", page);
                }
                Json response = Blob.list(head).getHead();
                Json objects = response.get("objects");
                entries = objects.isNull() ? Collections.emptyList() : objects.asList();
                index = 0;
                page = response.get("next").isNull() || response.get("next").asString().isEmpty() ? null : response.get("next").asString();
            }
            return index < entries.size();
        }

        @Override
        public BlobEntry next() {
            if (!hasNext()) {
                throw new NoSuchElementException();
            }
            Json entry = entries.get(index++);
            return new BlobEntry(entry.field("key", Codecs.STRING), entry.has("prefix") && entry.get("prefix").asBoolean(),
                    entry.has("size") ? entry.get("size").asLong() : 0, BlobAttributes.time(entry));
        }
    }
}
