import assert from "node:assert/strict";
import test from "node:test";
import { load } from "wasmworker-sdk-assemblyscript/testing";

const module = await load("my-activity.wasm");

test("greet", async () => {
  const { result, logs } = await module.with({ info: { attempt: 2 } }).run("greet", { name: "Ada" });
  assert.deepEqual(result, { greeting: "Hello, Ada!", attempt: 2 });
  assert.deepEqual(logs, [{ level: "info", message: "greeting", attributes: { name: "Ada" } }]);
});

test("an empty name", async () => {
  const { failure } = await module.run("greet", { name: "" });
  assert.deepEqual(failure, { type: "EmptyName", message: "the name is empty", non_retryable: true });
});
