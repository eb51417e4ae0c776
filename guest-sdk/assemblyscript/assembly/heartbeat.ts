import { Flag } from "./abi";
import { invalidInput } from "./arguments";
import { now } from "./env";
import { CancelledFailure } from "./errors";
import * as host from "./host";
import * as imports from "./imports";
import { encode, Payload } from "./payload";
import { fail, Result } from "./result";

export { Flag };

/** The flags that are set, see `Flag`. It is cheap enough for a loop. */
export function status(): i32 { return imports.status(); }

/**
 * Null as long as the activity can go on, and otherwise the error to return:
 *
 *     const stop = stopRequested();
 *     if (stop) return fail<i32>(stop.withDetail(done));
 *
 * That ends the activity as cancelled, or, when it is the worker that stops, hands it to another worker. The host interrupts an
 * activity that goes on after a request for longer than the operator's grace period (default 10 s). An activity that would rather use
 * the graceful timeout of a stopping worker looks at `status()` and ignores `Flag.WorkerStopping`.
 */
export function stopRequested(): CancelledFailure | null {
  return stopOf(imports.status());
}

function stopOf(flags: i32): CancelledFailure | null {
  if (flags == 0) return null;
  if (flags & Flag.CancelRequested) return new CancelledFailure("cancelled");
  if (flags & Flag.Paused) return new CancelledFailure("paused");
  if (flags & Flag.Reset) return new CancelledFailure("reset");
  if (flags & Flag.Gone) return new CancelledFailure("Temporal does not wait for this attempt any more");
  return new CancelledFailure("the worker is shutting down");
}

/**
 * Tells Temporal that the activity is alive. Returns the flags of `status()`. The host throttles what it sends, so call it as often as
 * is convenient. From the first call on, `Info.heartbeatTimeoutMs` is the activity's to keep; before that, the host heartbeats for it.
 */
export function heartbeat(): i32 {
  return <i32>imports.heartbeat();
}

/** As `heartbeat`, with how far the activity has come. The next attempt gets it from `lastHeartbeat`. */
export function heartbeatWith<T>(detail: T): i32 {
  addHeartbeatDetail<T>(detail);
  return <i32>imports.heartbeat();
}

/** Adds a detail to the next heartbeat, for heartbeats of several. It aborts if it is too long (2 MiB in all, by default). */
export function addHeartbeatDetail<T>(detail: T): void {
  const result = encode<T>(detail);
  const error = result.error;
  if (error) throw new Error("the heartbeat's detail " + error.message);
  const payload = result.value;
  const encoding = String.UTF8.encode(payload.encoding);
  const n = imports.heartbeat_detail(payload.data.dataStart, payload.data.length, changetype<usize>(encoding), encoding.byteLength);
  if (n < 0) throw new Error("the heartbeat's detail was refused: " + host.lastError());
}

/** The number of details that the last heartbeat of the attempt before this one had; 0 in a first attempt. */
export function lastHeartbeatCount(): i32 { return imports.detail_count(); }

/**
 * A detail of the last heartbeat of the attempt before this one, to go on where it stopped:
 *
 *     let done = 0;
 *     if (lastHeartbeatCount() > 0) {
 *       const last = lastHeartbeat<i32>();
 *       if (last.error) return fail<i32>(last.error!);
 *       done = last.value;
 *     }
 *
 * A detail that cannot be decoded (another version of the activity may have left it, or it is encrypted) is a failure of type
 * `InvalidInput`, not retryable. `lastHeartbeat<i32>().or(0)` begins anew then, as if nothing had been done. `Payload` is a detail of any encoding.
 */
export function lastHeartbeat<T>(index: i32 = 0): Result<T> {
  if (<u32>index >= <u32>imports.detail_count()) return fail<T>(new Error("there is no detail " + index.toString() + " of a last heartbeat"));
  const result = new Payload(
    host.readAll(host.Source.Detail, index, 1024),
    host.readText(host.Source.DetailEncoding, index, 64),
  ).decode<T>();
  const error = result.error;
  return error ? fail<T>(invalidInput("detail " + (index + 1).toString() + " of the last heartbeat", error.message)) : result;
}

// What poll_oneoff is given: a subscription to the clock, room for the event and for their number.
const POLL: usize = memory.data(48 + 32 + 8, 8);

/**
 * Waits, and returns null; or as soon as the activity has been asked to stop (within 50 ms), and returns what `stopRequested` would. It
 * does not heartbeat.
 */
export function sleep(milliseconds: i64): CancelledFailure | null {
  const end = now() + milliseconds;
  while (true) {
    const stop = stopRequested();
    if (stop) return stop;
    const left = end - now();
    if (left <= 0) return null;
    memory.fill(POLL, 0, 48);
    store<u32>(POLL, 1, 16); // the monotonic clock
    store<i64>(POLL, min<i64>(left, 50) * 1_000_000, 24);
    imports.poll_oneoff(POLL, POLL + 48, 1, POLL + 80);
  }
}
