// Objects in the buckets that the operator has defined: wasmworker:blob/v1.

import { exchange, Frame, handle } from "./frame";
import {
  blob_get, blob_put, blob_stat, blob_delete, blob_list, blob_open, blob_read, blob_create, blob_write, blob_commit, blob_close,
} from "./imports";
import { date } from "./info";
import { Kind, Value } from "./json/value";
import { Writer as JsonWriter } from "./json/writer";
import { HostFunction } from "./passthrough";
import { fail, ok, Result } from "./result";

// The most bytes of one write. A request has 16 MiB at most.
const PIECE = 4 << 20;

/** What an object is besides its bytes. */
export class Attributes {
  /** Of the whole object, in bytes. */
  size: i64 = 0;
  /** Empty if the store has none. */
  contentType: string = "";
  /** When the object was written, null if the store does not tell. */
  modified: Date | null = null;
  /** Changes with the object. Empty if the store has none. */
  etag: string = "";
  metadata: Map<string, string> = new Map();

  /** @internal */
  __take(head: Value): void {
    this.size = head.get("size").asInteger();
    this.contentType = head.get("content_type").asString();
    this.modified = date(head.get("modified").asString());
    this.etag = head.get("etag").asString();
    const metadata = head.get("metadata");
    const names = metadata.keys();
    for (let i = 0; i < names.length; i++) this.metadata.set(names[i], metadata.at(i).asString());
  }
}

/** Bytes of an object, with its attributes. */
export class StoredObject extends Attributes {
  /** @internal */
  constructor(readonly data: Uint8Array) { super(); }

  /** The bytes as text, if they are text in UTF-8. */
  get text(): string { return String.UTF8.decodeUnsafe(this.data.dataStart, this.data.length); }
}

/** How an object is written: `new blob.Options().withContentType("text/csv").withIfNoneMatch()`. */
export class Options {
  private contentType: string = "";
  private metadata: Map<string, string> = new Map();
  private ifNoneMatch: bool = false;

  /** Such as `text/plain; charset=utf-8`. */
  withContentType(contentType: string): Options {
    this.contentType = contentType;
    return this;
  }

  /** Adds a value of metadata. */
  withMetadata(name: string, value: string): Options {
    this.metadata.set(name, value);
    return this;
  }

  /** Writes the object only if there is none of that key (`EEXIST`). Otherwise one that is there is replaced. */
  withIfNoneMatch(): Options {
    this.ifNoneMatch = true;
    return this;
  }

  /** @internal */
  __write(w: JsonWriter): void {
    if (this.contentType.length > 0) w.member("content_type", this.contentType);
    if (this.metadata.size > 0) w.member("metadata", this.metadata);
    if (this.ifNoneMatch) w.member("if_none_match", true);
  }
}

/** A bucket by the operator's name for it. Nothing is sent until it is used. All that can fail does so with a `HostError`, see the README. */
export class Bucket {
  constructor(private name: string) {}

  /** The bytes of an object, or `length` of them from `offset` on. A negative length is the rest; beyond the object's end there are fewer. */
  get(key: string, offset: i64 = 0, length: i64 = -1): Result<StoredObject> {
    const frame = this.about(blob_get, key, offset, length);
    const error = frame.error;
    if (error) return fail<StoredObject>(error);
    const object = new StoredObject(frame.value.body);
    object.__take(frame.value.head);
    return ok(object);
  }

  /** Writes an object. Null if that went well. Beyond some MiB, use `create`: a request has 16 MiB at most. */
  put(key: string, data: Uint8Array, options: Options | null = null): Error | null { return this.make(blob_put, key, options, data).error; }

  /** Writes text as an object, in UTF-8. Null if that went well. */
  putText(key: string, text: string, options: Options | null = null): Error | null {
    return this.put(key, Uint8Array.wrap(String.UTF8.encode(text)), options);
  }

  /** An object's attributes. `ENOENT`: there is none. */
  stat(key: string): Result<Attributes> {
    const frame = this.about(blob_stat, key, 0, -1);
    const error = frame.error;
    if (error) return fail<Attributes>(error);
    const attributes = new Attributes();
    attributes.__take(frame.value.head);
    return ok(attributes);
  }

  /** Removes an object. Null if that went well. `ENOENT`: there was none. */
  delete(key: string): Error | null { return this.about(blob_delete, key, 0, -1).error; }

  /** The objects whose keys begin with a prefix. With a delimiter, such as `/`, what keys have before the next one is listed once. */
  list(prefix: string = "", delimiter: string = ""): Listing { return new Listing(this.name, prefix, delimiter); }

  /** Opens an object, or a part of it as of `get`, to be read piece by piece. */
  open(key: string, offset: i64 = 0, length: i64 = -1): Result<Reader> {
    const frame = this.about(blob_open, key, offset, length);
    const error = frame.error;
    return error ? fail<Reader>(error) : ok(new Reader(frame.value.head));
  }

  /** Begins an object that is written piece by piece. It is there once `commit` has returned, and not before. */
  create(key: string, options: Options | null = null): Result<Writer> {
    const frame = this.make(blob_create, key, options, new Uint8Array(0));
    const error = frame.error;
    return error ? fail<Writer>(error) : ok(new Writer(frame.value.head.get("writer").asInteger()));
  }

  private about(fn: HostFunction, key: string, offset: i64, length: i64): Result<Frame> {
    const w = this.head(key);
    if (offset != 0) w.member("offset", offset);
    if (length >= 0) w.member("length", length);
    w.endObject();
    return exchange(fn, w);
  }

  private make(fn: HostFunction, key: string, options: Options | null, body: Uint8Array): Result<Frame> {
    const w = this.head(key);
    if (options) options.__write(w);
    w.endObject();
    return exchange(fn, w, body);
  }

  private head(key: string): JsonWriter {
    const w = new JsonWriter();
    w.beginObject();
    w.member("bucket", this.name);
    w.member("key", key);
    return w;
  }
}

/** An object in a list, or what several have in common before the delimiter. */
export class Entry {
  constructor(
    readonly key: string,
    /** In bytes, 0 for a prefix. */
    readonly size: i64,
    /** Null for a prefix. */
    readonly modified: Date | null,
    readonly isPrefix: bool,
  ) {}
}

/**
 * Objects in the order of their keys, fetched page by page:
 *
 *     const list = box.list("2026/");
 *     while (list.next()) log.info(list.entry.key);
 *     if (list.error) return list.error;
 */
export class Listing {
  /** Why `next` found no further entry, null if there is none. */
  error: Error | null = null;
  private entries: Value = new Value(Kind.Null);
  private page: string = "";
  private at: i32 = -1;
  private last: bool = false;

  /** @internal */
  constructor(private bucket: string, private prefix: string, private delimiter: string) {}

  /** Goes to the next entry, at first to the first one. False if there is none, or `error` is set. */
  next(): bool {
    this.at++;
    while (this.at >= this.entries.length) {
      if (this.last) {
        this.at = this.entries.length; // and there it stays
        return false;
      }
      const w = new JsonWriter();
      w.beginObject();
      w.member("bucket", this.bucket);
      if (this.prefix.length > 0) w.member("prefix", this.prefix);
      if (this.delimiter.length > 0) w.member("delimiter", this.delimiter);
      if (this.page.length > 0) w.member("page", this.page);
      w.endObject();
      const frame = exchange(blob_list, w);
      const error = frame.error;
      this.last = true;
      this.at = 0;
      if (error) {
        this.entries = new Value(Kind.Null);
        this.error = error;
        return false;
      }
      const head = frame.value.head;
      this.entries = head.get("objects");
      this.page = head.get("next").asString();
      this.last = this.page.length == 0;
    }
    return true;
  }

  /** The entry that `next` has gone to. */
  get entry(): Entry {
    const e = this.entries.at(this.at);
    return new Entry(e.get("key").asString(), e.get("size").asInteger(), date(e.get("modified").asString()), e.get("prefix").asBool());
  }
}

/** An object that is open to be read. */
export class Reader {
  readonly attributes: Attributes = new Attributes();
  private number: i64;
  private ended: bool = false;

  /** @internal */
  constructor(head: Value) {
    this.attributes.__take(head);
    this.number = head.get("reader").asInteger();
  }

  /** The next bytes, at least 1 and at most `max`. None at the end, where the reader closes itself. */
  read(max: i32 = 1 << 20): Result<Uint8Array> {
    while (!this.ended) {
      const w = new JsonWriter();
      w.beginObject();
      w.member("reader", this.number);
      w.member("max", max);
      w.endObject();
      const frame = exchange(blob_read, w);
      const error = frame.error;
      if (error) return fail<Uint8Array>(error);
      if (frame.value.head.get("end").asBool()) {
        const problem = this.close();
        if (problem) return fail<Uint8Array>(problem);
      }
      if (frame.value.body.length > 0) return ok(frame.value.body);
    }
    return ok(new Uint8Array(0));
  }

  /** Closes the reader before its end. It may be called any number of times. Null if that went well. */
  close(): Error | null {
    if (this.ended) return null;
    this.ended = true;
    return exchange(blob_close, handle("reader", this.number)).error;
  }
}

/** An object that is being written. If it is not committed it is given up when the activity ends. */
export class Writer {
  private ended: bool = false;

  /** @internal */
  constructor(private number: i64) {}

  /** Writes what comes next. Each call goes to the host: many small pieces are better put together first. Null if that went well. */
  write(data: Uint8Array): Error | null {
    for (let at = 0; at < data.length; at += PIECE) {
      const error = exchange(blob_write, handle("writer", this.number), data.subarray(at, min(at + PIECE, data.length))).error;
      if (error) return error;
    }
    return null;
  }

  /** Writes text, in UTF-8. Null if that went well. */
  writeText(text: string): Error | null { return this.write(Uint8Array.wrap(String.UTF8.encode(text))); }

  /** Makes the object be there, as a whole. Null if that went well. */
  commit(): Error | null {
    const error = exchange(blob_commit, handle("writer", this.number)).error;
    if (!error) this.ended = true;
    return error;
  }

  /** Gives the object up, and leaves what was there before. Does nothing after `commit`. Null if that went well. */
  abort(): Error | null {
    if (this.ended) return null;
    this.ended = true;
    return exchange(blob_close, handle("writer", this.number)).error;
  }
}
