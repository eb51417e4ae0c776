import assert from "node:assert/strict";
import test from "node:test";
import { ApplicationFailure, CancelledFailure, milliseconds } from "../src/errors.js";
import { failureOf } from "../src/internal/failure.js";

const plain = (error) => JSON.parse(JSON.stringify(failureOf(error), (key, value) => (key === "stack_trace" ? undefined : value)));

test("durations", () => {
  for (const [text, ms] of [[0, 0], [1.2, 2], ["200ms", 200], ["1.5h", 5_400_000], ["2 minutes", 120_000], ["30 seconds", 30_000], ["123 s", 123_000], ["1d", 86_400_000], ["7", 7]]) {
    assert.equal(milliseconds(text), ms, String(text));
  }
  for (const bad of ["soon", "", -1, NaN, undefined, "1 month"]) assert.throws(() => milliseconds(bad), TypeError, String(bad));
});

test("errors become failures", () => {
  assert.deepEqual(plain(new TypeError("no")), { type: "TypeError", message: "no" });
  assert.deepEqual(plain(ApplicationFailure.retryable("declined", "CardDeclined", { code: 51 }, "second")),
    { type: "CardDeclined", message: "declined", details: [{ code: 51 }, "second"] });
  assert.deepEqual(plain(ApplicationFailure.create({ message: "m", type: "T", nonRetryable: true, nextRetryDelay: "2s", category: "BENIGN", cause: new Error("c") })),
    { type: "T", message: "m", non_retryable: true, next_retry_delay_ms: 2000, category: "benign", cause: { type: "Error", message: "c" } });
  assert.deepEqual(plain(new CancelledFailure("CANCELLED", [1])), { type: "CancelledFailure", message: "CANCELLED", details: [1] });
  assert.deepEqual(plain("text"), { type: "Error", message: "text" });
  assert.deepEqual(plain({ code: 7 }), { type: "Error", message: '{"code":7}' });
  assert.deepEqual(plain({ name: "Odd", message: "m" }), { type: "Odd", message: "m" });
  assert.deepEqual(plain(ApplicationFailure.retryable("m", "T", undefined, 1n)).details, [null, "1"]);
});

test("deep and endless causes", () => {
  const e = new Error("endless");
  e.cause = e;
  let depth = 0;
  for (let f = failureOf(e); f !== undefined; f = f.cause) depth++;
  assert.equal(depth, 17);
});

test("errors of several errors", () => {
  const a = ApplicationFailure.nonRetryable("a", "CardDeclined", 51);
  const causeOfA = { type: "CardDeclined", message: "a", non_retryable: true, details: [51] };
  assert.deepEqual(plain(new AggregateError([a, new RangeError("b"), "text", { code: 7 }], "all failed")),
    { type: "AggregateError", message: 'all failed (also: RangeError: b; Error: text; Error: {"code":7})', cause: causeOfA });
  assert.deepEqual(plain(new AggregateError([new Error("x"), new Error("y")])), { type: "AggregateError", message: "x (also: Error: y)", cause: { type: "Error", message: "x" } });
  assert.deepEqual(plain(new AggregateError([], "none")), { type: "AggregateError", message: "none" });
  assert.deepEqual(plain(new AggregateError([undefined, null], "nothing")), { type: "AggregateError", message: "nothing" });
  // Its own cause stays, and is not told twice.
  assert.deepEqual(plain(new AggregateError([a, new RangeError("b")], "m", { cause: a })), { type: "AggregateError", message: "m (also: RangeError: b)", cause: causeOfA });
  assert.deepEqual(plain(new AggregateError([a], "m", { cause: "c" })).message, "m (also: CardDeclined: a)");
  // What the message has already is not repeated.
  assert.deepEqual(plain(new AggregateError([a, new RangeError("no route"), new Error("later")], "a, no route")).message, "a, no route (also: Error: later)");
  // As a cause, and within another one.
  const outer = ApplicationFailure.fromError(new AggregateError([new AggregateError([new Error("1"), new Error("2")], "in"), new Error("3")], "out"), { type: "T" });
  assert.deepEqual(plain(outer), { type: "T", message: "out", cause: { type: "AggregateError", message: "out (also: Error: 3)", cause: { type: "AggregateError", message: "in (also: Error: 2)", cause: { type: "Error", message: "1" } } } });
  // Libraries have classes of their own.
  assert.deepEqual(plain(Object.assign(new Error("m"), { name: "MultiError", errors: [new Error("1"), "2"] })), { type: "MultiError", message: "m (also: Error: 2)", cause: { type: "Error", message: "1" } });
  for (const errors of ["text", [], [{ path: "/a" }], 7]) assert.deepEqual(plain(Object.assign(new Error("m"), { errors })), { type: "Error", message: "m" });
  assert.deepEqual(plain(Object.assign(new Error("m"), { name: "SuppressedError", error: new Error("close"), suppressed: new TypeError("body") })),
    { type: "SuppressedError", message: "m (also: Error: close)", cause: { type: "TypeError", message: "body" } });
  const others = JSON.parse(JSON.stringify(failureOf(new Error("m"), [new RangeError("r"), 7])));
  assert.equal(others.message, "m (also: RangeError: r; Error: 7)");
  assert.equal(failureOf("text", [new RangeError("r")]).message, "text (also: RangeError: r)");
});

test("what is listed of errors is bounded", () => {
  const many = failureOf(new AggregateError(Array.from({ length: 1000 }, (_, i) => new Error(`<${i}>`)), "many")).message;
  assert.equal(many, `many (also: ${Array.from({ length: 10 }, (_, i) => `Error: <${i + 1}>`).join("; ")}; and 989 more)`);
  const [long] = /🚀+/u.exec(failureOf(new AggregateError([1, new Error("🚀".repeat(10_000))], "m")).message);
  assert.ok(long.length <= 512 && long.isWellFormed(), long.length);
  let nested = new Error("bottom");
  for (let i = 0; i < 30; i++) nested = new AggregateError([nested, ...Array.from({ length: 20 }, (_, k) => new Error(`${i} ${k} ${"é".repeat(1000)}`))], "");
  let [size, depth] = [0, 0];
  for (let f = failureOf(nested); f !== undefined; f = f.cause) [size, depth] = [size + f.message.length, depth + 1];
  assert.ok(depth === 17 && size < 5000, `${size} in ${depth}`);
  const e = new AggregateError([], "endless");
  e.errors.push(e, e, e);
  assert.equal(failureOf(e).message, "endless");
});

test("a failure out of an error", () => {
  const cause = new RangeError("r");
  const f = ApplicationFailure.fromError(cause, { nonRetryable: true });
  assert.deepEqual([f.message, f.type, f.nonRetryable, f.cause], ["r", "RangeError", true, cause]);
});
