// Builds a module of workflows and runs it, activation by activation. Nearly all of the time is the build's.

import assert from "node:assert/strict";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import test from "node:test";
import { fileURLToPath } from "node:url";
import { BundleError, bundle } from "../lib/bundle.js";
import { Run } from "./workflow-host.js";

process.chdir(join(dirname(fileURLToPath(import.meta.url)), "workflows"));

const built = await bundle({ entry: "index.ts" });
const create = () => Run.create(built.wasm);
const without = (commands, ...names) => commands.filter((c) => !names.includes(c.command));

test("exports and imports", async () => {
  const run = await create();
  assert.deepEqual(Object.keys(run.exports).sort(), ["_initialize", "memory", ...built.workflows].sort());
  assert.deepEqual([...built.workflows].sort(), ["bytes", "everything", "next", "order", "race", "throws"]);
  assert.deepEqual([built.activities, built.imports, built.warnings], [[], [], []]);
  assert.deepEqual([...new Set(run.imports.map((i) => i.module))].sort(), ["wasi_snapshot_preview1", "wasmworker:log/v1", "wasmworker:workflow/v1"]);
  assert.deepEqual(run.imports.filter((i) => i.module === "wasmworker:workflow/v1").map((i) => i.name).sort(), ["activation", "commands", "last_error", "patched"]);
});

test("an activity and a timer", async () => {
  const run = await create();
  assert.deepEqual(run.start("order", "tea", { amount: 7 }), [{
    command: "activity", type: "charge", id: 1, args: ["tea", 7],
    options: { start_to_close_timeout_ms: 60000, heartbeat_timeout_ms: 1500, retry_policy: { initial_interval_ms: 2000, maximum_attempts: 3 }, cancellation_type: "wait" },
  }]);
  assert.deepEqual(run.activate({ job: "resolve", id: 1, result: { id: "c1" } }), [{ command: "timer", ms: 60000, summary: "settle", id: 2 }]);
  assert.deepEqual(run.logs, []);
  assert.deepEqual(run.activate({ job: "resolve", id: 2 }), [{ command: "complete", result: "c1 v" }]);
  assert.deepEqual(run.logs, [[0, "charged", { id: "c1" }]]);
});

test("arguments are checked against their types", async () => {
  for (const [args, message] of [[["tea"], "argument 2 (options) is missing"], [["tea", { amount: "7" }], "argument 2: options.amount must be a number, and is a string"]]) {
    const [{ command, failure }] = (await create()).start("order", ...args);
    assert.equal(command, "fail");
    assert.deepEqual([failure.type, failure.non_retryable, failure.message], ["InvalidInput", true, message]);
  }
  const run = await create();
  const [{ result }] = run.start("bytes", { data: Uint8Array.of(1, 2), encoding: "binary/plain" }, { data: "x", encoding: "a/b", metadata: { m: "1" } });
  assert.deepEqual(result, { bytes: [1, 2], encoding: "a/b", metadata: { m: "1", more: "m" } });
});

test("signals, queries, updates, children and others", async () => {
  const run = await create();
  const begun = run.start("everything");
  assert.deepEqual(without(begun, "describe"), [
    { command: "upsert_search_attributes", search_attributes: { Region: { type: "Keyword", value: "eu" } } },
    {
      command: "child", type: "python", id: 1, args: [1],
      options: { workflow_id: "c", parent_close_policy: "abandon", cancellation_type: "wait", memo: { a: { encoding: "binary/null" } }, search_attributes: { Region: { type: "Keyword", value: "us" } } },
    },
  ]);
  assert.deepEqual(begun.at(-1), { command: "describe", signals: [{ name: "go", description: "goes on" }], queries: [{ name: "seen" }], updates: [{ name: "name" }] });
  assert.deepEqual(run.activate({ job: "started", id: 1, run_id: "cr" }), [{ command: "signal_external", workflow_id: "c", child_only: true, id: 2, name: "stop", args: ["now"] }]);
  assert.deepEqual(run.activate({ job: "resolve", id: 2 }), [{ command: "cancel_external", workflow_id: "x", run_id: "run", id: 3 }]);
  const update = { update_id: "u", name: "name" };
  assert.deepEqual(run.activate({ job: "resolve", id: 3 }, { job: "update", ...update, args: ["ann"] }), []);
  // Two signals and the update together: what one changes, the conditions of the others see.
  assert.deepEqual(run.activate({ job: "signal", name: "go", args: [{ data: "?", encoding: "x/y" }, { data: Uint8Array.of(1), encoding: "binary/plain" }] }),
    [{ command: "updated", update_id: "u", result: "ANN" }]);
  assert.deepEqual(run.activate({ job: "resolve", id: 1, result: "done" }), []);
  assert.deepEqual(run.activate({ job: "signal", name: "go", args: [7] }), [{ command: "complete", result: [36, true, "eu", "done"] }]);
  assert.deepEqual([...run.patches], ["p"]);
});

// A query or validation ends an instance here: no host undoes what it did.
const asked = async (job) => {
  const run = await create();
  run.start("everything");
  const [{ command, ...answer }, ...more] = run.activate(job);
  assert.deepEqual([command, more], ["answer", []]);
  return answer;
};

test("queries and validators", async () => {
  assert.deepEqual(await asked({ job: "query", name: "seen", args: [] }), { result: [] });
  assert.deepEqual(await asked({ job: "query", name: "other", args: [1] }), { result: ["other", 1] });
  assert.match((await asked({ job: "query", name: "__stack_trace" })).result, /^waits for the child workflow python \(1\)$/);
  assert.deepEqual(await asked({ job: "validate", update_id: "u", name: "name", args: ["ann"] }), {});
  assert.equal((await asked({ job: "validate", update_id: "u", name: "name", args: [""] })).failure.type, "NoName");
  assert.deepEqual((({ type, message }) => [type, message])((await asked({ job: "validate", update_id: "u", name: "?" })).failure),
    ["UnknownUpdate", "there is no handler of the update ?; those that there are: name"]);
});

test("cancellation", async () => {
  const run = await create();
  assert.deepEqual(run.start("race").map((c) => [c.command, c.id]), [["timer", 1], ["activity", 2]]);
  assert.deepEqual(run.activate({ job: "resolve", id: 1 }), [{ command: "cancel", id: 2 }]); // it waits for the activity's end
  const failure = { kind: "activity", message: "activity error", activity_type: "charge", activity_id: "2", cause: { kind: "canceled", message: "canceled" } };
  assert.deepEqual(run.activate({ job: "resolve", id: 2, failure }), [{ command: "complete", result: "in time" }]);

  const cancelled = await create();
  cancelled.start("order", "tea", { amount: 7 });
  assert.deepEqual(cancelled.activate({ job: "cancel" }), [{ command: "cancel", id: 1 }]);
  assert.deepEqual(cancelled.activate({ job: "resolve", id: 1, failure: { ...failure, cause: { ...failure.cause, details: ["d"] } } }), [{ command: "canceled", details: ["d"] }]);
  const before = await create();
  before.start("order", "tea", { amount: 7 });
  before.activate({ job: "resolve", id: 1, result: { id: "c" } });
  assert.deepEqual(before.activate({ job: "cancel" }), [{ command: "cancel", id: 2 }, { command: "canceled", details: [] }]);
});

test("failures", async () => {
  const told = {
    kind: "activity", message: "activity error", activity_type: "charge", activity_id: "1", retry_state: "maximum_attempts_reached",
    cause: { kind: "timeout", message: "timed out", timeout_type: "heartbeat", details: [5] },
  };
  const run = await create();
  run.start("order", "tea", { amount: 7 });
  assert.deepEqual(run.activate({ job: "resolve", id: 1, failure: told }), [{ command: "fail", failure: told }]);

  const fault = await create();
  const [{ command, failure }] = fault.start("throws", "error");
  assert.deepEqual([fault.status, command, failure.type, failure.message], [1, "fail_task", "RangeError", "a fault"]);
  assert.match(failure.stack_trace, /index\.ts:\d+/);
  assert.equal((await create()).start("throws", "undefined")[0].command, "fail_task");
  assert.equal((await create()).start("throws", "cycle")[0].failure.type, "Cond");
});

test("continue as new", async () => {
  assert.deepEqual((await create()).start("next", 1), [{ command: "continue_as_new", args: [2], options: { task_queue: "other", memo: { n: 1 } } }]);
});

test("the same activations make the same memory", async () => {
  const states = [];
  for (let i = 0; i < 2; i++) {
    const run = await create();
    run.start("everything");
    run.activate({ job: "started", id: 1, run_id: "cr" }, { job: "signal", name: "go", args: [1] });
    states.push(Buffer.from(run.memory.buffer));
  }
  assert.ok(states[0].equals(states[1]));
});

test("what a module of workflows cannot be built of", async () => {
  const folder = await mkdtemp(join(tmpdir(), "wasmworker-test-"));
  const refused = async (source, message) => {
    await writeFile(join(folder, "index.ts"), source);
    await assert.rejects(bundle({ entry: join(folder, "index.ts"), check: false }), (e) => e instanceof BundleError && (assert.match(e.message, message), true));
  };
  try {
    await refused('import { log } from "wasmworker-sdk"; import { sleep } from "wasmworker-sdk/workflow"; export async function f() { await sleep(1); log.info("x"); }',
      /imports wasmworker-sdk\/workflow, and .*index\.ts imports wasmworker-sdk, which is for activities: a module has workflows or activities, and never both/);
    await refused('import { fetch } from "wasmworker-sdk/http"; import { sleep } from "wasmworker-sdk/workflow"; export async function f() { await sleep(1); fetch("x"); }', /imports wasmworker-sdk\/http/);
    await refused('import { f } from "wasmworker:x/v1"; import { sleep } from "wasmworker-sdk/workflow"; export async function g() { await sleep(1); f(""); }', /import wasmworker:x\/v1, which is for activities/);
    await refused('import { sleep } from "wasmworker-sdk/workflow"; await sleep(1); export async function f() {}', /Top-level await is not available/);
    await refused('import { sleep } from "wasmworker-sdk/workflow"; sleep(1); export async function f() {}', /there is no workflow here/);
    await refused('import { activation } from "wasmworker:workflow/v1"; export async function f() { activation(); }', /use the functions of wasmworker-sdk\/workflow/);
  } finally {
    await rm(folder, { recursive: true });
  }
});
