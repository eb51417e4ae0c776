/**
 * Objects in the buckets that the operator has defined: the host module `wasmworker:blob/v1`. Importing this is the request for it.
 *
 * ```ts
 * import { bucket } from "wasmworker-sdk/blob";
 *
 * const reports = bucket("exports");
 * reports.put("2026/report.json", JSON.stringify(report), { contentType: "application/json" });
 * for (const { key, size } of reports.list({ prefix: "2026/" })) log.info("object", { key, size });
 *
 * const writer = reports.create("2026/all.csv", { contentType: "text/csv" });     // for what does not fit into memory
 * for (const row of rows) writer.write(`${row.id},${row.name}\n`);
 * writer.commit();
 * ```
 *
 * All calls return when the store has answered, and the whole instance waits for it. Each throws a `PassthroughError`:
 *
 * | code | |
 * |---|---|
 * | `EACCES` | the operator's policy denies it: no such bucket for this module, a key without one of its prefixes, or a bucket that is read-only for it |
 * | `ENOENT` | there is no such object |
 * | `EEXIST` | there is one already, and `ifNoneMatch` was set |
 * | `EINVAL` | a key is not valid: UTF-8 without control characters, 1 to 1024 bytes, not beginning with a slash, without empty, `.` and `..` segments |
 * | `EBADF` | the writer has ended |
 * | `EMFILE` | too many readers or writers are open |
 * | `EMSGSIZE` | the object is larger than the policy allows, or than 16 MiB for `put`: use a range, `open` or `create` |
 * | `ETIMEDOUT` | it took longer than the policy allows |
 * | `ECANCELED` | the activity was interrupted |
 * | `EIO` | the store does not answer, or says no |
 *
 * @module
 */

export interface Attributes {
  /** Of the whole object, in bytes. */
  readonly size: number;
  /** Empty if the store has none. */
  readonly contentType: string;
  /** When the object was written; `undefined` if the store does not tell. */
  readonly modified?: Date;
  /** Changes with the object. Empty if the store has none. */
  readonly etag: string;
  readonly metadata: Readonly<Record<string, string>>;
}

/** Bytes of an object, with its attributes. */
export interface StoredObject extends Attributes {
  readonly data: Uint8Array;
  /** The bytes as UTF-8. */
  text(): string;
  /** The bytes as JSON. @throws SyntaxError they are not */
  json(): any;
}

export interface Range {
  /** In bytes from the object's beginning; 0 if left out. */
  offset?: number;
  /** In bytes; the rest if left out. Beyond the object's end there are fewer. */
  length?: number;
}

export interface CreateOptions {
  /** Such as `"text/plain; charset=utf-8"`; none if left out. */
  contentType?: string;
  /** None if left out. */
  metadata?: Record<string, string>;
  /** Whether there must be no object of that key yet (`EEXIST` otherwise). `false` if left out: an object that is there is replaced. */
  ifNoneMatch?: boolean;
}

export interface ListOptions {
  /** What keys begin with; all keys if left out. */
  prefix?: string;
  /** Such as `"/"`: what keys have before the next one is listed once, as a prefix. None if left out. */
  delimiter?: string;
  /** How many entries are fetched at a time, 1 to 1000, which is the default. A small number suits who needs but a few. */
  pageSize?: number;
}

/** An object in a list, or what several have in common before a delimiter. */
export interface Entry {
  readonly key: string;
  readonly isPrefix: boolean;
  /** In bytes; 0 for a prefix. */
  readonly size: number;
  /** `undefined` for a prefix. */
  readonly modified?: Date;
}

export interface Bucket {
  /** The bytes of an object, or a part of them. */
  get(key: string, range?: Range): StoredObject;
  /** Writes an object. Text is UTF-8. */
  put(key: string, data: Uint8Array | string, options?: CreateOptions): void;
  stat(key: string): Attributes;
  /** Removes an object. `ENOENT` if there is none. */
  delete(key: string): void;
  /** Objects in the order of their keys, fetched page by page while they are gone through. */
  list(options?: ListOptions): Iterable<Entry>;
  /** Opens an object to be read piece by piece. */
  open(key: string, range?: Range): Reader;
  /** Begins an object that is written piece by piece. It is there once `commit` has returned, and not before. */
  create(key: string, options?: CreateOptions): Writer;
}

/** Gone through as an iterable, it has the object's bytes in chunks of at most 1 MiB, and is closed when the loop ends, however it does. */
export interface Reader extends Iterable<Uint8Array> {
  readonly attributes: Attributes;
  /** The next bytes, at least 1 and at most `max` (1 MiB if left out); `undefined` at the end, where the reader closes itself. */
  read(max?: number): Uint8Array | undefined;
  /** May be called any number of times. */
  close(): void;
}

/** An object that is being written. If it is not committed it is given up when the activity ends. */
export interface Writer {
  /** Each call goes to the host: many small pieces are better put together first. Text is UTF-8. */
  write(data: Uint8Array | string): void;
  commit(): void;
  /** Gives the object up, and leaves what was there before. Does nothing after `commit`, and may be called any number of times. */
  abort(): void;
}

/** A bucket by the operator's name for it. Nothing is sent yet. */
export declare function bucket(name: string): Bucket;
