// See sql.d.ts.

import { begin, close, commit, exec, fetch, query, rollback } from "wasmworker:sql/v1";
import { exchange } from "./internal/frame.js";

export const connection = (name) => new Connection({ connection: name });

// What a connection and a transaction have in common: the part of a head that says where a statement runs.
class Runner {
  #where;

  constructor(where) { this.#where = where; }

  query(sql, args = [], { batchSize } = {}) {
    const { head, body } = this.#run(query, sql, args, batchSize);
    return new Rows(head, body, batchSize);
  }

  exec(sql, args = []) { return this.#run(exec, sql, args).head.rows_affected ?? 0; }

  #run(f, sql, args, batchSize) {
    const parts = [];
    let size = 0;
    const list = args.map((value, i) => encode(value, i, (bytes) => {
      parts.push(bytes);
      size += bytes.length;
      return `{"bytes":[${size - bytes.length},${bytes.length}]}`;
    }));
    const body = new Uint8Array(size);
    let at = 0;
    for (const part of parts) {
      body.set(part, at);
      at += part.length;
    }
    // By hand, because JSON.stringify has neither large integers nor floating point that stays it.
    const head = JSON.stringify({ ...this.#where, sql, max_rows: batchSize });
    return exchange(f, `${head.slice(0, -1)},"args":[${list.join(",")}]}`, body);
  }
}

// The JSON of an argument. Messages name its place and its type, and never its value.
function encode(value, i, attach) {
  switch (typeof value) {
    case "string": case "boolean": return JSON.stringify(value);
    case "bigint": return String(value);
    case "number":
      if (!Number.isFinite(value)) throw new TypeError(`argument ${i + 1} is ${value}, which JSON has no number for: pass what the database reads as text`);
      // Without an exponent it would be taken for a whole number, and be too large for one.
      return Math.abs(value) >= 2 ** 63 ? value.toExponential() : String(value);
  }
  if (value === null) return "null";
  if (value instanceof Uint8Array) return attach(value);
  if (value instanceof Date) return JSON.stringify(value.toISOString());
  const type = typeof value === "object" ? "an object" : typeof value;
  throw new TypeError(`argument ${i + 1} is ${type}: use null, booleans, numbers, bigint, text, Uint8Array or Date, and text such as JSON.stringify makes for anything else`);
}

class Connection extends Runner {
  #name;

  constructor(where) {
    super(where);
    this.#name = where;
  }

  begin({ readOnly, isolation } = {}) {
    return new Transaction(exchange(begin, { ...this.#name, read_only: readOnly, isolation }).head);
  }

  transaction(work, options) {
    const tx = this.begin(options);
    const keep = (result) => {
      if (!tx.ended) tx.commit();
      return result;
    };
    const undo = (error) => {
      // What went wrong first is what the caller has to know. A commit that failed may have ended the transaction, or not: EBUSY.
      if (!tx.ended) try { tx.rollback(); } catch { /* the host does it when the activity ends */ }
      throw error;
    };
    try {
      const result = work(tx);
      return typeof result?.then === "function" ? Promise.resolve(result).then(keep).catch(undo) : keep(result);
    } catch (error) {
      return undo(error);
    }
  }
}

class Transaction extends Runner {
  #handle;
  #ended = false;

  constructor({ transaction }) {
    super({ transaction });
    this.#handle = { transaction };
  }

  get ended() { return this.#ended; }

  commit() { this.#end(commit); }

  rollback() { this.#end(rollback); }

  #end(f) {
    exchange(f, this.#handle);
    this.#ended = true;
  }
}

class Rows {
  #batch;
  #body;
  #next = 0;
  #cursor;
  #batchSize;

  constructor({ columns, rows, cursor }, body, batchSize) {
    this.columns = columns ?? [];
    this.#batch = rows ?? [];
    this.#body = body;
    this.#cursor = cursor;
    this.#batchSize = batchSize;
  }

  * [Symbol.iterator]() {
    for (const row of this.arrays()) yield Object.fromEntries(this.columns.map(({ name }, i) => [name, row[i]]));
  }

  * arrays() {
    try {
      for (;;) {
        while (this.#next < this.#batch.length) yield this.#batch[this.#next++].map((value) => this.#decode(value));
        if (!this.#cursor) return;
        this.#fetch();
      }
    } finally {
      this.close(); // also where the loop was left early
    }
  }

  close() {
    const cursor = this.#cursor;
    this.#cursor = 0;
    this.#batch = [];
    if (cursor) exchange(close, { cursor });
  }

  #fetch() {
    const cursor = this.#cursor;
    try {
      const { head, body } = exchange(fetch, { cursor, max_rows: this.#batchSize });
      this.#batch = head.rows ?? [];
      this.#body = body;
      this.#next = 0;
      this.#cursor = head.cursor;
    } catch (error) {
      // A cursor that is broken may be gone already. The reason is more than that.
      try { this.close(); } catch { /* see above */ }
      throw error;
    }
  }

  #decode(value) {
    if (typeof value !== "object" || value === null) return value;
    const [offset, length] = value.bytes;
    return this.#body.slice(offset, offset + length);
  }
}
