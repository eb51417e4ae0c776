/**
 * SQL, on the connections that the operator has defined: the host module `wasmworker:sql/v1`. Importing this is the request for it.
 *
 * ```ts
 * import { connection } from "wasmworker-sdk/sql";
 *
 * const db = connection("warehouse");
 * for (const { id, name } of db.query<{ id: number; name: string }>("SELECT id, name FROM customers WHERE city = $1", [city])) {
 *   log.info("customer", { id, name });
 * }
 * db.transaction((tx) => {
 *   tx.exec("UPDATE accounts SET cents = cents - $1 WHERE id = $2", [cents, from]);
 *   tx.exec("UPDATE accounts SET cents = cents + $1 WHERE id = $2", [cents, to]);
 * });
 * ```
 *
 * All calls return when the database has answered, and the whole instance waits for it. Each throws a `PassthroughError`:
 *
 * | code | |
 * |---|---|
 * | `EACCES` | the operator's policy denies it: no such connection for this module, a read-only one, or SQL that would end a transaction or leave the database |
 * | `EINVAL` | an argument or the isolation is not valid |
 * | `EBADF` | the transaction has ended |
 * | `EBUSY` | the transaction has rows open, and the database takes one statement at a time: read them to their end or close them |
 * | `EMFILE` | too many queries and transactions are open |
 * | `EMSGSIZE` | a row, or the rows of a query, are larger than the policy allows; SQL and arguments that are not bytes are above 1 MiB |
 * | `ETIMEDOUT` | the statement took longer than the policy allows |
 * | `ECANCELED` | the activity was interrupted |
 * | `EIO` | the database says no: the message begins with its SQLSTATE where it has one, `23505: duplicate key …`; or it cannot be reached |
 *
 * After an error inside of a transaction PostgreSQL takes nothing but a rollback. A statement that ended with `ETIMEDOUT`, `ECANCELED`, or `EIO` for a lost
 * connection may have been carried out.
 *
 * @module
 */

/**
 * A parameter of a statement. A whole number that fits 64 bits is an integer to the database, `bigint` is exact beyond 2^53, a `Date` becomes text as of RFC 3339, and
 * bytes are bytes. For everything else (decimals, UUIDs, JSON, arrays) pass the text that the database reads.
 *
 * @throws TypeError from the call that has it: it is of another type, or `NaN` or infinite
 */
export type Argument = null | boolean | number | bigint | string | Uint8Array | Date;

/**
 * A value in a row. Times are text as of RFC 3339; decimals, UUIDs, JSON and arrays are text as the database writes it, and so are `"NaN"`, `"Infinity"` and
 * `"-Infinity"`. Integers beyond 2^53 are not exact: let the database make text of them.
 */
export type Value = null | boolean | number | string | Uint8Array;

export interface QueryOptions {
  /**
   * How many rows the host hands over at a time, at least 1. More take more of the module's memory, fewer more calls. 1000 if left out. A batch ends
   * as well once it has 1 MiB.
   */
  batchSize?: number;
}

export interface TransactionOptions {
  /** Whether the database shall refuse writes. `false` if left out. */
  readOnly?: boolean;
  /** The database's own default if left out. */
  isolation?: "read committed" | "repeatable read" | "serializable";
}

/** What connections and transactions have in common. */
export interface Runner {
  /**
   * Runs a statement that returns rows. Parameters are in the database's own notation: `$1` for PostgreSQL, `?` or `?1` for SQLite.
   *
   * @typeParam Row what the rows are, for TypeScript; nothing checks it
   */
  query<Row = Record<string, Value>>(sql: string, args?: readonly Argument[], options?: QueryOptions): Rows<Row>;
  /** Runs a statement that returns none, and returns how many rows it affected. */
  exec(sql: string, args?: readonly Argument[]): number;
}

export interface Connection extends Runner {
  /**
   * Begins a transaction, does what the function does, and commits. If the function throws, or its promise rejects, it is rolled back, and the error thrown on. A function that
   * ends the transaction itself is left to it. Returns what the function returns; of a promise, another one that settles after the end.
   */
  transaction<T>(work: (tx: Transaction) => T, options?: TransactionOptions): T;
  /** Begins a transaction that is to be ended by its `commit` or `rollback`. Otherwise it is rolled back when the activity ends. */
  begin(options?: TransactionOptions): Transaction;
}

export interface Transaction extends Runner {
  /** Whether `commit` or `rollback` has succeeded. */
  readonly ended: boolean;
  commit(): void;
  rollback(): void;
}

/**
 * The rows of a query, as objects by the names of their columns. They are fetched batch by batch, and can be gone through once. The query is closed at its end, and
 * when a loop over it is left early; without a loop it stays open until `close`, or the activity's end.
 */
export interface Rows<Row = Record<string, Value>> extends Iterable<Row> {
  /** The columns, with the database's name of their type. */
  readonly columns: readonly { readonly name: string; readonly type: string }[];
  /** The same rows as arrays in the order of the columns, for queries in which several have one name. */
  arrays(): Iterable<Value[]>;
  /** Gives up the rest. May be called any number of times. */
  close(): void;
}

/** A connection by the operator's name for it. Nothing is sent yet. */
export declare function connection(name: string): Connection;
