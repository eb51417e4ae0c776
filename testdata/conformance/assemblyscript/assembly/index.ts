// The conformance module of the SDK for AssemblyScript; ../README.md says what each activity does.

import {
  ApplicationFailure, Attributes, blob, call, callText, CancelledFailure, config, Errno, fail, Flag, heartbeat, heartbeatWith, HostError, http, info, JSON,
  JsonKind, JsonValue, lastHeartbeat, lastHeartbeatCount, log, ok, Payload, Result, secret, sql, stopRequested,
} from "wasmworker-sdk-assemblyscript";

@json
class Greeting {
  name!: string;
}

@json
class Reply {
  constructor(public greeting: string) {}
}

@activity
function greet(input: Greeting): Result<Reply> {
  if (input.name == "") return fail<Reply>(ApplicationFailure.nonRetryable("the name is empty", "EmptyName"));
  return ok(new Reply("Hello, " + input.name + "!"));
}

@activity
function add(a: f64, b: f64): f64 {
  return a + b;
}

@activity("arguments")
function listArguments(payloads: Payload[]): string[] {
  return payloads.map<string>((p) => p.encoding + ":" + p.text);
}

@activity
function echo(payload: Payload): Payload {
  return payload;
}

@activity
function nothing(): void {}

@activity
function bytes(n: i32): Uint8Array {
  const all = new Uint8Array(n);
  for (let i = 0; i < n; i++) all[i] = <u8>i;
  return all;
}

@json
class Information {
  activity_id: string = "";
  activity_type: string = "";
  attempt: i32 = 0;
  namespace: string = "";
  @name("task_queue") taskQueue: string = "";
  @name("workflow_id") workflowId: string = "";
  @name("workflow_type") workflowType: string = "";
  @name("heartbeat_timeout_ms") heartbeatTimeout: i64 = 0;
}

@activity("info")
function information(): Information {
  const i = info();
  const out = new Information();
  out.activity_id = i.activityId;
  out.activity_type = i.activityType;
  out.attempt = i.attempt;
  out.namespace = i.namespace;
  out.taskQueue = i.taskQueue;
  out.workflowId = i.workflowId;
  out.workflowType = i.workflowType;
  out.heartbeatTimeout = i.heartbeatTimeoutMs;
  return out;
}

@json
class Code {
  constructor(public code: i32) {}
}

@activity("fail")
function failing(kind: string): Error | null {
  if (kind == "plain") return new Error("plain text");
  if (kind == "typed") return ApplicationFailure.retryable("declined", "CardDeclined").withDetail(new Code(51)).withDetail("second");
  if (kind == "final") return ApplicationFailure.nonRetryable("no such card", "NoCard");
  if (kind == "later") return ApplicationFailure.retryable("try later", "Busy").withNextRetryDelay(123_000);
  if (kind == "benign") return ApplicationFailure.retryable("nothing to see", "Benign").asBenign();
  if (kind == "cause") return ApplicationFailure.retryable("outer", "Outer").withCause(ApplicationFailure.retryable("the root", "Root"));
  return null;
}

@activity
function crash(): void {
  throw new Error("oh no");
}

@activity
function steps(n: i32): Result<i32> {
  let begin = 0;
  if (lastHeartbeatCount() > 0) {
    const last = lastHeartbeat<i32>();
    if (last.error) return last;
    begin = last.value;
  }
  for (let i = begin + 1; i <= n; i++) heartbeatWith(i);
  return ok(begin);
}

@activity
function cancel(): CancelledFailure | null {
  while (!(heartbeat() & Flag.CancelRequested)) {}
  const stop = stopRequested();
  return stop ? stop.withDetail("cleaned up") : null;
}

@activity
function stopping(): string {
  while (!(heartbeat() & Flag.WorkerStopping)) {}
  return "stopping";
}

@activity
function logs(message: string): void {
  log.warn(message, new Attributes().set("answer", 42));
  log.debug("the end");
}

@external("wasmworker:conformance/v1", "upper")
declare function upperOnHost(ptr: usize, len: i32): i64;

@external("wasmworker:conformance/v1", "deny")
declare function denyOnHost(ptr: usize, len: i32): i64;

@activity
function upper(text: string): Result<string> {
  return callText(upperOnHost, text);
}

@json
class Denial {
  constructor(public errno: i32, public message: string) {}
}

@activity
function denied(): Result<Denial> {
  const error = call(denyOnHost, new Uint8Array(0)).error;
  if (!(error instanceof HostError)) return fail<Denial>(new Error("it was not denied"));
  const denial = error as HostError;
  return ok(new Denial(denial.errno, denial.message));
}

let calls = 0;

@activity
function state(): i32 {
  return ++calls;
}

Math.random();

@activity
function draw(): string {
  return Math.random().toString();
}

@activity
function spin(): void {
  let x: u32 = 1;
  while (x != 0) x = x * 1664525 | 1;
}

@json
class HttpRequest {
  method: string = "GET";
  url!: string;
  headers: Map<string, string> = new Map();
  body: string = "";
}

@json
class HttpResponse {
  status: i32;
  content_type: string = "";
  body: string = "";
}

@activity("http")
function send(input: HttpRequest): Result<HttpResponse> {
  const request = new http.Request(input.url, input.method).withText(input.body);
  const names = input.headers.keys();
  for (let i = 0; i < names.length; i++) request.withHeader(names[i], input.headers.get(names[i]));
  const response = request.send();
  if (response.error) return fail<HttpResponse>(response.error!);
  const out = new HttpResponse();
  out.status = response.value.status;
  out.content_type = response.value.header("Content-Type");
  out.body = response.value.text;
  return ok(out);
}

@activity("config")
function configured(name: string): Result<string | null> {
  return config.get(name);
}

@activity("secret")
function revealed(name: string): Result<string> {
  return secret.reveal(name);
}

@json
class Hex {
  hex!: string;
}

function bytesOf(hex: string): Uint8Array {
  const all = new Uint8Array(hex.length / 2);
  for (let i = 0; i < all.length; i++) all[i] = <u8>U8.parseInt(hex.substring(2 * i, 2 * i + 2), 16);
  return all;
}

function hexOf(bytes: Uint8Array): Hex {
  const digits = new Uint8Array(2 * bytes.length);
  for (let i = 0; i < digits.length; i++) digits[i] = <u8>"0123456789abcdef".charCodeAt(bytes[i / 2] >> (i % 2 == 0 ? 4 : 0) & 15);
  const out = new Hex();
  out.hex = String.UTF8.decode(digits.buffer);
  return out;
}

@json
class Query {
  sql!: string;
  args: JsonValue[] = [];
  batch: i32 = 0;
  limit: i32 = 0;
}

@json
class Table {
  columns: string[] = [];
  rows: JsonValue[][] = [];
}

@activity("sql")
function query(input: Query): Result<Table> {
  const args = new sql.Args();
  for (let i = 0; i < input.args.length; i++) {
    const arg = input.args[i];
    if (arg.kind == JsonKind.Object) args.add(bytesOf(arg.get("hex").asString()));
    else args.add(arg);
  }
  const result = new sql.Connection("db").query(input.sql, args, input.batch);
  if (result.error) return fail<Table>(result.error!);
  const rows = result.value;
  const table = new Table();
  for (let c = 0; c < rows.columns.length; c++) table.columns.push(rows.columns[c].name);
  while (rows.next()) {
    const row: JsonValue[] = [];
    for (let c = 0; c < table.columns.length; c++) {
      const bytes = rows.bytes(c);
      row.push(bytes ? JSON.parse<JsonValue>(JSON.stringify(hexOf(bytes))).value : rows.value(c));
    }
    if (table.rows.push(row) == input.limit) break;
  }
  if (rows.error) return fail<Table>(rows.error!);
  const error = rows.close(); // for who stops early
  return error ? fail<Table>(error) : ok(table);
}

@json
class Entry {
  entry!: string;
  end!: string;
}

@json
class Counted {
  constructor(public affected: i64, public count: i64) {}
}

@activity
function transaction(input: Entry): Result<Counted> {
  const db = new sql.Connection("db");
  const begun = db.begin();
  if (begun.error) return fail<Counted>(begun.error!);
  const tx = begun.value;
  const args = new sql.Args().add(input.entry);
  const affected = tx.exec("INSERT INTO ledger (entry) VALUES (?)", args);
  if (affected.error) return fail<Counted>(affected.error!);
  let where: sql.Runner = tx;
  if (input.end != "none") {
    const error = input.end == "commit" ? tx.commit() : tx.rollback();
    if (error) return fail<Counted>(error);
    where = db;
  }
  const rows = where.query("SELECT count(*) FROM ledger WHERE entry = ?", args);
  if (rows.error) return fail<Counted>(rows.error!);
  if (!rows.value.next()) return fail<Counted>(rows.value.error!);
  return ok(new Counted(affected.value, rows.value.value(0).asInteger()));
}

@json
class Parts {
  key!: string;
  parts!: string[];
}

@json
class Streamed {
  size: i64 = 0;
  content_type: string = "";
  made: string = "";
  text: string = "";
  keys: string[] = [];
}

@activity
function stream(input: Parts): Result<Streamed> {
  const box = new blob.Bucket("box");
  const created = box.create(input.key, new blob.Options().withContentType("text/plain; charset=utf-8").withMetadata("made", "by hand"));
  if (created.error) return fail<Streamed>(created.error!);
  for (let i = 0; i < input.parts.length; i++) {
    const error = created.value.writeText(input.parts[i]);
    if (error) return fail<Streamed>(error);
  }
  let error = created.value.commit();
  if (error) return fail<Streamed>(error);

  const stat = box.stat(input.key);
  if (stat.error) return fail<Streamed>(stat.error!);
  const out = new Streamed();
  out.size = stat.value.size;
  out.content_type = stat.value.contentType;
  out.made = stat.value.metadata.get("made");

  const opened = box.open(input.key);
  if (opened.error) return fail<Streamed>(opened.error!);
  const all = new Uint8Array(<i32>out.size);
  for (let at = 0; ;) {
    const part = opened.value.read(5);
    if (part.error) return fail<Streamed>(part.error!);
    if (part.value.length == 0) break;
    all.set(part.value, at);
    at += part.value.length;
  }
  out.text = String.UTF8.decode(all.buffer);

  const list = box.list(input.key);
  while (list.next()) out.keys.push(list.entry.key);
  if (list.error) return fail<Streamed>(list.error!);
  error = box.delete(input.key);
  return error ? fail<Streamed>(error) : ok(out);
}

@json
class Put {
  key!: string;
  text!: string;
  offset!: i64;
  length!: i64;
}

@json
class Got {
  constructor(public exists: bool, public range: string) {}
}

@activity
function object(input: Put): Result<Got> {
  const box = new blob.Bucket("box");
  const onlyOnce = new blob.Options().withIfNoneMatch();
  let error = box.putText(input.key, input.text, onlyOnce);
  if (error) return fail<Got>(error);
  error = box.putText(input.key, input.text, onlyOnce);
  const exists = error instanceof HostError && (error as HostError).errno == Errno.EEXIST;
  if (error && !exists) return fail<Got>(error);
  const range = box.get(input.key, input.offset, input.length);
  if (range.error) return fail<Got>(range.error!);
  error = box.delete(input.key);
  return error ? fail<Got>(error) : ok(new Got(exists, range.value.text));
}

@activity
function exists(key: string, by: string): Result<bool> {
  const box = new blob.Bucket("box");
  let error: Error | null = null;
  if (by == "get") error = box.get(key).error;
  else if (by == "stat") error = box.stat(key).error;
  else if (by == "delete") error = box.delete(key);
  else {
    const reader = box.open(key);
    error = reader.error ? reader.error : reader.value.close();
  }
  if (error instanceof HostError && (error as HostError).errno == Errno.ENOENT) return ok(false);
  return error ? fail<bool>(error) : ok(true);
}
