// The conformance module of the SDK for AssemblyScript; ../README.md says what each activity does.

import {
  ApplicationFailure, Attributes, call, callText, CancelledFailure, fail, Flag, heartbeat, heartbeatWith, HostError, info, lastHeartbeat, log, ok,
  Payload, Result, stopRequested,
} from "@wasmworker/assemblyscript";

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
function steps(n: i32): i32 {
  const begin = lastHeartbeat<i32>().or(0);
  for (let i = begin + 1; i <= n; i++) heartbeatWith(i);
  return begin;
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

@activity
function spin(): void {
  let x: u32 = 1;
  while (x != 0) x = x * 1664525 | 1;
}
