// Everything but JSON, for activity.test.js.
import {
  addHeartbeatDetail, ApplicationFailure, argument, argumentCount, argumentMetadata, Arguments, Attributes, call, callJson, CancelledFailure, end, Errno, fail,
  heartbeat, HostError, info, lastHeartbeat, lastHeartbeatCount, log, now, ok, Payload, Result, sleep, status, stopRequested,
} from "wasmworker-sdk-assemblyscript";
export * from "./more";

@activity function plain(): Error | null { return new Error("plain"); }
@activity function custom(): Result<i32> {
  const e = new Error("m");
  e.name = "Mine";
  return fail<i32>(e);
}
@activity function done(): Error | null { return null; }
@activity function failure(): ApplicationFailure {
  return ApplicationFailure.nonRetryable("a \"b\" ☃", "T").withDetail(1).withDetail<string | null>(null).withDetail(new Attributes().set("k", "v"))
    .withNextRetryDelay(1500).asBenign().withCause(ApplicationFailure.retryable("c").withCause(new Error("d")));
}
@activity function deep(): Error {
  let e = ApplicationFailure.retryable("0");
  for (let i = 1; i < 40; i++) e = ApplicationFailure.retryable(i.toString()).withCause(e);
  return e;
}
@activity function long(): Error { return ApplicationFailure.nonRetryable("x".repeat(5000), "Long").withDetail("y".repeat(300_000)); }
@activity function propagate(): Result<string> {
  const r = inner();
  if (r.error) return fail<string>(r.error!);
  return ok(r.value.toString());
}
function inner(): Result<i32> { return fail<i32>(ApplicationFailure.retryable("inner", "Inner")); }
@activity function wrong_value(): i32 { return inner().value; }
@activity function otherwise(): i32 { return inner().or(7); }

@activity function stop(): Result<i32> {
  let i = 0;
  while (true) {
    heartbeat();
    const stop = stopRequested();
    if (stop) return fail<i32>(stop.withDetail(i).withDetail(stop.message));
    i++;
  }
}
@activity function cancelled(): Error { return new CancelledFailure(); }
@activity function wait(ms: i32): Error | null { return sleep(ms); }
@activity function beat(): i32 {
  addHeartbeatDetail(1);
  addHeartbeatDetail("two");
  addHeartbeatDetail(Uint8Array.wrap(String.UTF8.encode("3")));
  addHeartbeatDetail<string | null>(null);
  return heartbeat();
}
@activity function last(): string {
  return lastHeartbeatCount().toString() + " " + lastHeartbeat<i32>().or(-1).toString() + " " + lastHeartbeat<string>(1).or("none") + " " +
    lastHeartbeat<i32>(1).or(-2).toString();
}

@activity function resume(): Result<i32> { return lastHeartbeat<i32>(); }
@activity function last_payload(): Result<Payload> { return lastHeartbeat<Payload>(); }
@activity function number(n: i32): i32 { return n; }
@activity function nullable(s: string | null): string | null { return s; }
@activity function as_it_is(p: Payload): Payload { return p; }
@activity function payload(p: Payload): Payload { return new Payload(p.data, "", "{\"encoding\":\"json/protobuf\",\"messageType\":\"M\"}"); }
@activity function metadata(p: Payload): string { return argumentMetadata(0); }
@activity function maybe(p: Payload | null): Payload | null { return p; }
@activity function bytes(n: i32): Uint8Array | null { return n < 0 ? null : new Uint8Array(n); }

@activity function details(): string {
  const i = info();
  const r = i.retryPolicy!;
  return i.deadline!.toISOString() + " " + i.startedTime!.getTime().toString() + " " + (i.scheduledTime === null).toString() + " " + r.maximumAttempts.toString() + " " +
    r.backoffCoefficient.toString() + " " + r.nonRetryableErrorTypes.join("|") + " " + i.priority!.fairnessKey + " " + i.isLocalActivity.toString();
}

@activity function logs(): void {
  console.log("from console");
  console.error("wrong");
  log.info("i", new Attributes().set("a", 1).set("b", ["x"]).set("c", <string | null>null));
  log.error("e");
  log.write(2, "between");
}

@external("wasmworker:test/v1", "echo")
declare function echoOnHost(ptr: usize, len: i32): i64;

@activity function passthrough(data: Uint8Array): Result<Uint8Array> { return call(echoOnHost, data); }
@activity function passthrough_json(data: string[]): Result<string[]> { return callJson<string[], string[]>(echoOnHost, data); }
@activity function passthrough_error(): string {
  const e = call(echoOnHost, new Uint8Array(0)).error;
  return e instanceof HostError && (e as HostError).errno == Errno.ENOENT ? e!.message : "another";
}

@activity function random(): f64 { return Math.random(); }
@activity function clock(): i64 { return now(); }
@activity function stderr(): void { trace("here", 2, 1, 2.5); }
@activity function die(message: string): void { throw new Error(message); }
@activity function index(i: i32): i32 { return [1, 2, 3][i]; }
@activity function overflow(n: i32): string { return n.toString() + overflow(n + 1); }
@activity("renamed") export function other(): string { return "other"; }

let counter = 0;
@activity function state(): i32 { return ++counter; }
@activity function garbage(): i32 {
  const all: string[] = [];
  for (let i = 0; i < 1000; i++) all.push("text " + i.toString());
  return memory.size();
}

// Without the decorator.
export function by_hand(): i32 {
  const args = new Arguments();
  const a = args.next<i32>("a");
  const b = args.more ? args.next<i32>("b") : 10;
  if (args.failed) return args.end();
  log.debug(argumentCount().toString() + " " + argument(0).text);
  return end(a + b);
}
