// The conformance module in TypeScript, see ../../README.md.

import {
  activityInfo, ApplicationFailure, ApplicationFailureCategory, CancelledFailure, heartbeat, isCancelled, isWorkerStopping, lastHeartbeat, log,
  PassthroughError, RawPayload,
} from "wasmworker-sdk";
import { bucket } from "wasmworker-sdk/blob";
import * as configuration from "wasmworker-sdk/config";
import { fetch } from "wasmworker-sdk/http";
import { reveal } from "wasmworker-sdk/secret";
import { connection, type Value } from "wasmworker-sdk/sql";
import { deny, upper as upperBytes } from "wasmworker:conformance/v1";

export async function greet(input: { name: string }): Promise<{ greeting: string }> {
  if (input.name === "") throw ApplicationFailure.nonRetryable("the name is empty", "EmptyName");
  return { greeting: `Hello, ${input.name}!` };
}

export function add(a: number, b: number): number {
  return a + b;
}

function args(...payloads: RawPayload[]): string[] {
  return payloads.map((p) => `${p.encoding}:${p.text()}`);
}
export { args as arguments }; // a function cannot be declared by this name

export function echo(payload: RawPayload): RawPayload {
  return payload;
}

export function nothing(): void {}

export function bytes(n: number): Uint8Array {
  return Uint8Array.from({ length: n }, (_, i) => i);
}

export function info() {
  const i = activityInfo();
  return {
    activity_id: i.activityId,
    activity_type: i.activityType,
    attempt: i.attempt,
    namespace: i.namespace,
    task_queue: i.taskQueue,
    workflow_id: i.workflowExecution?.workflowId,
    workflow_type: i.workflowType,
    heartbeat_timeout_ms: i.heartbeatTimeoutMs,
  };
}

export function fail(kind: "plain" | "typed" | "final" | "later" | "benign" | "cause" | "several"): never {
  switch (kind) {
    case "plain":
      throw new Error("plain text");
    case "typed":
      throw ApplicationFailure.retryable("declined", "CardDeclined", { code: 51 }, "second");
    case "final":
      throw ApplicationFailure.nonRetryable("no such card", "NoCard");
    case "later":
      throw ApplicationFailure.create({ message: "try later", type: "Busy", nextRetryDelay: "123 s" });
    case "benign":
      throw ApplicationFailure.create({ message: "nothing to see", type: "Benign", category: ApplicationFailureCategory.BENIGN });
    case "cause":
      throw ApplicationFailure.create({ message: "outer", type: "Outer", cause: ApplicationFailure.retryable("the root", "Root") });
    case "several":
      throw new AggregateError([new Error("the first"), ApplicationFailure.retryable("the second", "Second")], "both failed");
  }
}

export async function crash(): Promise<void> {
  // A promise that nobody waits for is what takes a JavaScript program down.
  void Promise.reject(new Error("oh no"));
  await new Promise(() => {});
}

export function steps(n: number): number {
  const begin: number = lastHeartbeat()[0] ?? 0;
  for (let step = begin + 1; step <= n; step++) heartbeat(step);
  return begin;
}

export function cancel(): never {
  while (!isCancelled()) heartbeat();
  throw new CancelledFailure("asked to stop", ["cleaned up"]);
}

export function stopping(): string {
  while (!isWorkerStopping()) heartbeat();
  return "stopping";
}

export function logs(message: string): void {
  log.warn(message, { answer: 42 });
  log.debug("the end");
}

export function upper(text: string): string {
  return new TextDecoder().decode(upperBytes(text));
}

export function denied(): { errno: number; message: string } {
  try {
    deny();
  } catch (e) {
    if (e instanceof PassthroughError) return { errno: e.errno, message: e.message };
    throw e;
  }
  throw new Error("it was not denied");
}

let count = 0;

export function state(): number {
  return ++count;
}

Math.random();

export function draw(): string {
  return String(Math.random());
}

export function spin(): never {
  for (;;);
}

export async function http({ url, ...options }: { method?: string; url: string; headers?: Record<string, string>; body?: string }) {
  const response = await fetch(url, options);
  return { status: response.status, content_type: response.headers.get("Content-Type") ?? "", body: await response.text() };
}

export function config(name: string): string | null {
  return configuration.get(name) ?? null;
}

export function secret(name: string): string {
  return reveal(name);
}

type Hex = { hex: string };
const bytesOf = ({ hex }: Hex) => Uint8Array.from(hex.match(/../g) ?? [], (byte) => parseInt(byte, 16));
const hexOf = (bytes: Uint8Array): Hex => ({ hex: Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("") });

export function sql({ sql, args = [], batch, limit }: { sql: string; args?: (null | boolean | number | string | Hex)[]; batch?: number; limit?: number }) {
  const result = connection("db").query(sql, args.map((a) => (a !== null && typeof a === "object" ? bytesOf(a) : a)), { batchSize: batch });
  const rows: (Exclude<Value, Uint8Array> | Hex)[][] = [];
  for (const row of result.arrays()) {
    rows.push(row.map((value) => (value instanceof Uint8Array ? hexOf(value) : value)));
    if (rows.length === limit) break;
  }
  return { columns: result.columns.map((column) => column.name), rows };
}

export function transaction({ entry, end }: { entry: string; end: "commit" | "rollback" | "none" }) {
  const db = connection("db");
  const tx = db.begin();
  const affected = tx.exec("INSERT INTO ledger (entry) VALUES (?)", [entry]);
  if (end === "commit") tx.commit();
  if (end === "rollback") tx.rollback();
  const [row] = (tx.ended ? db : tx).query<{ n: number }>("SELECT count(*) AS n FROM ledger WHERE entry = ?", [entry]);
  return { affected, count: row?.n };
}

export function stream({ key, parts }: { key: string; parts: string[] }) {
  const box = bucket("box");
  const writer = box.create(key, { contentType: "text/plain; charset=utf-8", metadata: { made: "by hand" } });
  for (const part of parts) writer.write(part);
  writer.commit();
  const { size, contentType, metadata } = box.stat(key);
  const bytes: number[] = [];
  const reader = box.open(key);
  for (let chunk = reader.read(5); chunk !== undefined; chunk = reader.read(5)) bytes.push(...chunk);
  const keys = Array.from(box.list({ prefix: key }), (entry) => entry.key);
  box.delete(key);
  return { size, content_type: contentType, made: metadata.made, text: new TextDecoder().decode(Uint8Array.from(bytes)), keys };
}

export function object({ key, text, offset, length }: { key: string; text: string; offset: number; length: number }) {
  const box = bucket("box");
  box.put(key, text, { ifNoneMatch: true });
  let exists = false;
  try {
    box.put(key, text, { ifNoneMatch: true });
  } catch (e) {
    if (!(e instanceof PassthroughError && e.code === "EEXIST")) throw e;
    exists = true;
  }
  const range = box.get(key, { offset, length }).text();
  box.delete(key);
  return { exists, range };
}

export function exists(key: string, by: "get" | "stat" | "open" | "delete") {
  const box = bucket("box");
  try {
    if (by === "open") box.open(key).close();
    else box[by](key);
    return true;
  } catch (e) {
    if (!(e instanceof PassthroughError && e.code === "ENOENT")) throw e;
    return false;
  }
}
