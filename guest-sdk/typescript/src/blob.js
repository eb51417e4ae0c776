// See blob.d.ts.

import { close, commit, create, delete as remove, get, list, open, put, read, stat, write } from "wasmworker:blob/v1";
import { bytesOf, exchange } from "./internal/frame.js";

// The most bytes of one write. A request has 16 MiB at most.
const PIECE = 4 << 20;

export const bucket = (name) => new Bucket(name);

class Bucket {
  #name;

  constructor(name) { this.#name = name; }

  get(key, { offset, length } = {}) {
    const { head, body } = exchange(get, { ...this.#object(key), offset, length });
    return new StoredObject(head, body);
  }

  put(key, data, options) { exchange(put, { ...this.#object(key), ...created(options) }, bytesOf(data, "an object")); }

  stat(key) { return attributes(exchange(stat, this.#object(key)).head); }

  delete(key) { exchange(remove, this.#object(key)); }

  * list({ prefix, delimiter, pageSize } = {}) {
    let page;
    do {
      const { head } = exchange(list, { bucket: this.#name, prefix, delimiter, page, max: pageSize });
      for (const { key, size, modified, prefix: isPrefix } of head.objects ?? []) {
        yield isPrefix ? { key, isPrefix: true, size: 0, modified: undefined } : { key, isPrefix: false, size: size ?? 0, modified: time(modified) };
      }
      page = head.next;
    } while (page);
  }

  open(key, { offset, length } = {}) { return new Reader(exchange(open, { ...this.#object(key), offset, length }).head); }

  create(key, options) { return new Writer(exchange(create, { ...this.#object(key), ...created(options) }).head); }

  #object(key) { return { bucket: this.#name, key }; }
}

const created = ({ contentType, metadata, ifNoneMatch } = {}) => ({ content_type: contentType, metadata, if_none_match: ifNoneMatch });
const time = (text) => (text ? new Date(text) : undefined);

const attributes = (head) => ({
  size: head.size ?? 0, contentType: head.content_type ?? "", modified: time(head.modified), etag: head.etag ?? "", metadata: head.metadata ?? {},
});

class StoredObject {
  constructor(head, data) {
    Object.assign(this, attributes(head));
    this.data = data;
  }

  text() { return new TextDecoder().decode(this.data); }

  json() { return JSON.parse(this.text()); }
}

class Reader {
  #handle;
  #end = false;

  constructor(head) {
    this.attributes = attributes(head);
    this.#handle = { reader: head.reader };
  }

  read(max) {
    while (!this.#end) {
      const { head, body } = exchange(read, { ...this.#handle, max });
      if (head.end) this.close();
      if (body.length > 0) return body;
    }
    return undefined;
  }

  * [Symbol.iterator]() {
    try {
      for (let chunk = this.read(); chunk !== undefined; chunk = this.read()) yield chunk;
    } finally {
      this.close(); // also where the loop was left early
    }
  }

  close() {
    if (this.#end) return;
    this.#end = true;
    exchange(close, this.#handle);
  }
}

class Writer {
  #handle;
  #ended = false;

  constructor({ writer }) { this.#handle = { writer }; }

  write(data) {
    const bytes = bytesOf(data, "what is written");
    for (let at = 0; at < bytes.length; at += PIECE) exchange(write, this.#handle, bytes.subarray(at, at + PIECE));
  }

  commit() {
    exchange(commit, this.#handle);
    this.#ended = true;
  }

  abort() {
    if (this.#ended) return;
    this.#ended = true;
    exchange(close, this.#handle);
  }
}
