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

test("a failure out of an error", () => {
  const cause = new RangeError("r");
  const f = ApplicationFailure.fromError(cause, { nonRetryable: true });
  assert.deepEqual([f.message, f.type, f.nonRetryable, f.cause], ["r", "RangeError", true, cause]);
});
