// SQL, on the connections that the operator has defined: wasmworker:sql/v1.

import { exchange, Frame, handle } from "./frame";
import { sql_query, sql_fetch, sql_exec, sql_begin, sql_commit, sql_rollback, sql_close } from "./imports";
import { Reader } from "./json/reader";
import { Kind, Value } from "./json/value";
import { Writer } from "./json/writer";
import { HostFunction } from "./passthrough";
import { fail, ok, Result } from "./result";

/**
 * The parameters of a statement, in their order. They can be used for any number of statements.
 *
 *     new sql.Args().add(order.id).add("paid").add<string | null>(null)
 */
export class Args {
  private json: Writer = new Writer();
  private parts: Array<Uint8Array> = [];
  private size: i32 = 0;
  private count: i32 = 0;

  constructor() { this.json.beginArray(); }

  /**
   * Adds one: a `bool`, an integer, a float, text, `Uint8Array`, a `JsonValue` that is neither array nor object, or null where the type has it. Times are
   * text (`date.toISOString()`), and so is everything else that the database can read: decimals, UUIDs, JSON, arrays.
   */
  add<T>(value: T): Args {
    this.count++;
    if (isFloat<T>()) {
      // @ts-ignore: T is a float
      if (!isFinite<T>(value)) this.wrong("is " + <string>value.toString() + ", which JSON has no number for: use what the database reads as text");
      else this.json.raw(<string>value.toString()); // unlike Writer, it keeps the fraction by which the host tells 2.0 from 2
    } else if (!isReference<T>() || isString<T>()) {
      this.json.write<T>(value);
    } else if (isNullable<T>()) {
      if (changetype<usize>(value) == 0) {
        this.json.raw("null");
      } else {
        this.count--;
        this.add<NonNullable<T>>(changetype<NonNullable<T>>(value));
      }
    } else if (value instanceof Uint8Array) {
      this.bytes(changetype<Uint8Array>(value));
    } else if (value instanceof Value) {
      const kind = changetype<Value>(value).kind;
      if (kind == Kind.Array || kind == Kind.Object) this.wrong("is an array or an object: use its text, as in value.toString()");
      else this.json.write<T>(value);
    } else {
      ERROR("a statement has no parameters of this type: use a bool, a number, text, Uint8Array or JsonValue");
    }
    return this;
  }

  private bytes(value: Uint8Array): void {
    this.json.beginObject();
    this.json.member<Array<i32>>("bytes", [this.size, value.length]);
    this.json.endObject();
    this.parts.push(value);
    this.size += value.length;
  }

  private wrong(problem: string): void {
    if (this.json.problem.length == 0) this.json.problem = "argument " + this.count.toString() + " " + problem;
  }

  /** @internal */
  get __problem(): string { return this.json.problem; }

  /** @internal The arguments as JSON. */
  __text(): string { return this.json.toString() + "]"; }

  /** @internal What the body of the request is. */
  __body(): Uint8Array {
    const body = new Uint8Array(this.size);
    for (let i = 0, at = body.dataStart; i < this.parts.length; i++) {
      memory.copy(at, this.parts[i].dataStart, this.parts[i].length);
      at += this.parts[i].length;
    }
    return body;
  }
}

/** What connections and transactions have in common. All that can fail does so with a `HostError`, see the README. */
export class Runner {
  /** @internal */
  constructor(private name: string, private transaction: i64) {}

  /**
   * Runs a statement that returns rows. Its parameters are in the database's own notation: `$1` for PostgreSQL, `?` or `?1` for SQLite.
   *
   * The host hands over `batch` rows at a time (1000 if it is 0), and fewer once they have 1 MiB: more take more of the module's memory, fewer more calls.
   */
  query(sql: string, args: Args | null = null, batch: i32 = 0): Result<Rows> {
    const frame = this.run(sql_query, sql, args, batch);
    const error = frame.error;
    return error ? fail<Rows>(error) : ok(new Rows(frame.value, batch));
  }

  /** Runs a statement that returns none. The value is how many rows it affected. */
  exec(sql: string, args: Args | null = null): Result<i64> {
    const frame = this.run(sql_exec, sql, args, 0);
    const error = frame.error;
    return error ? fail<i64>(error) : ok<i64>(frame.value.head.get("rows_affected").asInteger());
  }

  private run(fn: HostFunction, sql: string, args: Args | null, batch: i32): Result<Frame> {
    const w = new Writer();
    w.beginObject();
    if (this.transaction != 0) w.member("transaction", this.transaction);
    else w.member("connection", this.name);
    w.member("sql", sql);
    if (batch != 0) w.member("max_rows", batch);
    if (args === null) {
      w.endObject();
      return exchange(fn, w);
    }
    if (args.__problem.length > 0) return fail<Frame>(new Error(args.__problem));
    w.key("args");
    w.raw(args.__text());
    w.endObject();
    return exchange(fn, w, args.__body());
  }
}

/** A connection by the operator's name for it. Nothing is sent until it is used. */
export class Connection extends Runner {
  constructor(private connection: string) { super(connection, 0); }

  /**
   * Begins a transaction. Unless it is committed it is rolled back when the activity ends. `readOnly` makes the database refuse writes; `isolation` is
   * `read committed`, `repeatable read`, `serializable`, or empty for the database's default.
   */
  begin(readOnly: bool = false, isolation: string = ""): Result<Transaction> {
    const w = new Writer();
    w.beginObject();
    w.member("connection", this.connection);
    if (readOnly) w.member("read_only", true);
    if (isolation.length > 0) w.member("isolation", isolation);
    w.endObject();
    const frame = exchange(sql_begin, w);
    const error = frame.error;
    return error ? fail<Transaction>(error) : ok(new Transaction(frame.value.head.get("transaction").asInteger()));
  }
}

/** A transaction. After it has been ended it answers `EBADF`. */
export class Transaction extends Runner {
  /** @internal */
  constructor(private number: i64) { super("", number); }

  /** Ends the transaction and keeps what it did. Null if that went well. */
  commit(): Error | null { return exchange(sql_commit, handle("transaction", this.number)).error; }

  /** Ends the transaction and undoes what it did. Null if that went well. */
  rollback(): Error | null { return exchange(sql_rollback, handle("transaction", this.number)).error; }
}

/** A column of rows. */
export class Column {
  constructor(
    readonly name: string,
    /** The database's name of the type, such as `INT8`. */
    readonly type: string,
  ) {}
}

/**
 * The rows of a query. They are fetched batch by batch, one after the other:
 *
 *     while (rows.next()) {
 *       total += rows.value(0).asInteger();
 *     }
 *     if (rows.error) return fail<i64>(rows.error!);
 *
 * After the last one nothing is open any more. Who stops earlier closes them; otherwise they are closed when the activity ends.
 */
export class Rows {
  readonly columns: Array<Column> = [];
  /** Why `next` found no further row, null if there is none. */
  error: Error | null = null;
  private rows: Value;
  private body: Uint8Array;
  private cursor: i64;
  private at: i32 = -1;

  /** @internal */
  constructor(frame: Frame, private batch: i32) {
    this.rows = frame.head.get("rows");
    this.body = frame.body;
    this.cursor = frame.head.get("cursor").asInteger();
    const columns = frame.head.get("columns");
    for (let i = 0; i < columns.length; i++) this.columns.push(new Column(columns.at(i).get("name").asString(), columns.at(i).get("type").asString()));
  }

  /** Goes to the next row, at first to the first one. False if there is none, or `error` is set. */
  next(): bool {
    this.at++;
    while (this.at >= this.rows.length) {
      if (this.cursor == 0) {
        this.at = this.rows.length; // and there it stays
        return false;
      }
      const w = new Writer();
      w.beginObject();
      w.member("cursor", this.cursor);
      if (this.batch != 0) w.member("max_rows", this.batch);
      w.endObject();
      const frame = exchange(sql_fetch, w);
      const error = frame.error;
      if (error) {
        this.close(); // which may be done already: the reason is more than that
        this.error = error;
        return false;
      }
      const head = frame.value.head;
      this.rows = head.get("rows");
      this.body = frame.value.body;
      this.cursor = head.get("cursor").asInteger();
      this.at = 0;
    }
    return true;
  }

  /** The index of a column, -1 if there is none of that name. Of several, it is the first. */
  column(name: string): i32 {
    for (let i = 0; i < this.columns.length; i++) {
      if (this.columns[i].name == name) return i;
    }
    return -1;
  }

  /**
   * A value of the row, by the index of its column: `rows.value(0).asInteger()`. Times are text as of RFC 3339. Decimals, UUIDs, JSON and arrays are text as the
   * database writes it, and so are `NaN`, `Infinity` and `-Infinity`. For bytes see `bytes`.
   */
  value(column: i32): Value { return this.rows.at(this.at).at(column); }

  /** The bytes in a column of the row, null if something else is there. */
  bytes(column: i32): Uint8Array | null {
    const value = this.value(column);
    if (value.kind != Kind.Object) return null;
    const place = value.get("bytes");
    const from = <i32>place.at(0).asInteger();
    return this.body.slice(from, from + <i32>place.at(1).asInteger());
  }

  /**
   * The row as an object of a class with the decorator `@json`, whose fields are named as the columns are. Columns without a field are ignored, and bytes are
   * no field's type. The error is one of JSON: `total is a string, not a number`.
   */
  decode<T>(): Result<T> {
    const w = new Writer();
    w.beginObject();
    for (let i = 0; i < this.columns.length; i++) w.member<Value>(this.columns[i].name, this.value(i));
    w.endObject();
    const reader = new Reader(w.bytes);
    const value = reader.whole<T>();
    return reader.failed ? fail<T>(new Error("the row's " + reader.message)) : ok<T>(value);
  }

  /** Gives up the rest. It may be called any number of times. Null if that went well. */
  close(): Error | null {
    const cursor = this.cursor;
    this.cursor = 0;
    this.rows = new Value(Kind.Array);
    this.at = -1;
    return cursor == 0 ? null : exchange(sql_close, handle("cursor", cursor)).error;
  }
}
