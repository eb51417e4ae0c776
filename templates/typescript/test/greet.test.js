import assert from "node:assert/strict";
import test from "node:test";
import { MockActivityEnvironment } from "wasmworker-sdk/testing";
import { greet } from "../src/index.js"; // index.ts

test("greets by name", async () => {
  const env = new MockActivityEnvironment({ attempt: 2 });
  assert.deepEqual(await env.run(greet, { name: "Ada" }), { greeting: "Hello, Ada!", attempt: 2 });
  assert.deepEqual(env.logs, [{ level: "INFO", message: "greeting", meta: { name: "Ada" } }]);
});

test("refuses an empty name", async () => {
  await assert.rejects(new MockActivityEnvironment().run(greet, { name: "" }), { type: "EmptyName", nonRetryable: true });
});
