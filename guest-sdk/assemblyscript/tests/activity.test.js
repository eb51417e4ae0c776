import assert from "node:assert/strict";
import test, { before } from "node:test";
import { binary, json, load } from "../testing/index.js";
import { compile, compiled } from "./compile.js";

let module;
before(async () => { module = await compiled("activity"); });

test("errors", async () => {
  assert.deepEqual((await module.run("plain")).failure, { message: "plain", type: "Error" });
  assert.deepEqual((await module.run("custom")).failure, { message: "m", type: "Mine" });
  assert.equal((await module.run("done")).encoding, "binary/null");
  assert.deepEqual((await module.run("failure")).failure, {
    message: "a \"b\" ☃", type: "T", non_retryable: true, next_retry_delay_ms: 1500, category: "benign", details: [1, null, { k: "v" }],
    cause: { message: "c", cause: { message: "d", type: "Error" } },
  });
  assert.deepEqual((await module.run("propagate")).failure, { message: "inner", type: "Inner" });
  assert.match((await module.run("wrong_value")).failure.message, /abort: inner in/);
  assert.equal((await module.run("otherwise")).result, 7);
});

test("failures that are too long or too deep", async () => {
  let depth = 0;
  for (let f = (await module.run("deep")).failure; f; f = f.cause) depth++;
  assert.equal(depth, 17);
  assert.deepEqual((await module.run("long")).failure, { message: "x".repeat(4096), type: "Long", non_retryable: true });
});

test("heartbeats", async () => {
  const { heartbeats, result } = await module.with({ flags: 2 }).run("beat");
  assert.equal(result, 2);
  assert.deepEqual(heartbeats, [[1, "two", new TextEncoder().encode("3"), null]]);
  assert.equal((await module.run("last")).result, "0 -1 none -2");
  assert.equal((await module.with({ details: [5, "s"] }).run("last")).result, "2 5 s -2");
  assert.equal((await module.with({ details: ["x", json(4)] }).run("last")).result, "2 -1 none 4");
});

test("encodings", async () => {
  const payload = (encoding, text, metadata) => ({ encoding, data: new TextEncoder().encode(text), metadata });
  const invalid = (failure, message) => assert.deepEqual(failure, { message, type: "InvalidInput", non_retryable: true });
  for (const encoding of ["json/plain", "json/protobuf", ""]) {
    assert.equal((await module.run("number", payload(encoding, "7", { messageType: "acme.Number" }))).result, 7);
    assert.equal((await module.run("nullable", payload(encoding, '"x"'))).result, "x");
    assert.equal((await module.run("nullable", payload(encoding, "null"))).result, null);
    assert.equal((await module.with({ details: [payload(encoding, "7")] }).run("resume")).result, 7);
    invalid((await module.run("number", payload(encoding, '"x"'))).failure, "argument 1 (n) is a string, not a number");
    invalid((await module.with({ details: [payload(encoding, '"x"')] }).run("resume")).failure, "detail 1 of the last heartbeat is a string, not a number");
  }
  for (const encoding of ["binary/plain", "binary/encrypted", "binary/protobuf", "json/plain+zlib", "JSON/plain", "json/"]) {
    for (const activity of ["number", "nullable"]) {
      invalid((await module.run(activity, payload(encoding, "7"))).failure, `argument 1 (${activity === "number" ? "n" : "s"}) has the encoding ${encoding}, not json/plain`);
    }
    const detailed = module.with({ details: [payload(encoding, "7")] });
    invalid((await detailed.run("resume")).failure, `detail 1 of the last heartbeat has the encoding ${encoding}, not json/plain`);
    assert.equal((await detailed.run("last_payload")).encoding, encoding);
  }
  assert.deepEqual((await module.run("as_it_is", payload("", "x"))).metadata, {});
});

test("requests to stop", async () => {
  for (const [flag, message] of [[1, /^cancelled/], [2, /shutting down/], [4, /paused/], [8, /reset/], [16, /does not wait/]]) {
    const { cancelled, details } = await module.with({ onHeartbeat: (n) => (n === 3 ? flag : 0) }).run("stop");
    assert.equal(cancelled, true);
    assert.equal(details[0], 2);
    assert.match(details[1], message);
  }
  assert.deepEqual((await module.run("cancelled")).details, null);
  assert.equal((await module.with({ flags: 1 }).run("wait", 60000)).cancelled, true);
  const began = Date.now();
  assert.equal((await module.run("wait", 120)).cancelled, undefined);
  assert.ok(Date.now() - began >= 119);
});

test("payloads", async () => {
  const { metadata, data } = await module.run("payload", { encoding: "x", data: Uint8Array.of(1, 2) });
  assert.deepEqual(metadata, { encoding: "json/protobuf", messageType: "M" });
  assert.deepEqual(data, Uint8Array.of(1, 2));
  const k = "v".repeat(1000);
  assert.deepEqual(JSON.parse((await module.run("metadata", { encoding: "x", data: Uint8Array.of(1), metadata: { k } })).result), { encoding: "x", k });
  assert.equal((await module.run("maybe", null)).encoding, "binary/null");
  assert.equal((await module.run("maybe")).encoding, "binary/null");
  assert.deepEqual((await module.run("maybe", binary([7]))).result, Uint8Array.of(7));
  assert.equal((await module.run("bytes", -1)).encoding, "binary/null");
  assert.equal((await module.run("bytes", 0)).encoding, "binary/plain");
  const { failure } = await module.with({ maxOutput: 10 }).run("bytes", 11);
  assert.equal(failure.type, "OutputTooLarge");
  assert.equal(failure.non_retryable, true);
  assert.equal(failure.message, "the result of 11 bytes is too long: more than 10 bytes");
  assert.match((await module.run("payload")).failure.message, /^argument 1 \(p\) is missing$/);
});

test("information", async () => {
  const info = {
    deadline: "2026-01-02T15:04:05.123456789Z", started_time: "1970-01-01T00:00:01Z", is_local_activity: true, priority: { fairness_key: "tenant" },
    retry_policy: { maximum_attempts: 3, backoff_coefficient: 1.5, non_retryable_error_types: ["A", "B"] },
  };
  assert.equal((await module.with({ info }).run("details")).result, "2026-01-02T15:04:05.123Z 1000 true 3 1.5 A|B tenant true");
});

test("logs", async () => {
  assert.deepEqual((await module.run("logs")).logs, [
    { level: "info", message: "from console", attributes: {} }, { level: "error", message: "wrong", attributes: {} },
    { level: "info", message: "i", attributes: { a: 1, b: ["x"], c: null } }, { level: "error", message: "e", attributes: {} },
    { level: "2", message: "between", attributes: {} },
  ]);
});

test("passthrough calls", async () => {
  const echo = module.with({ modules: { "wasmworker:test/v1": { echo: (request) => request } } });
  for (const size of [0, 1, 100000]) {
    const { result, openResponses } = await echo.run("passthrough", new Uint8Array(size).fill(9));
    assert.deepEqual(result, new Uint8Array(size).fill(9));
    assert.equal(openResponses, 0);
  }
  assert.deepEqual((await echo.run("passthrough_json", ["a", "ü"])).result, ["a", "ü"]);
  const garbage = module.with({ modules: { "wasmworker:test/v1": { echo: () => "[1]" } } });
  assert.equal((await garbage.run("passthrough_json", [])).failure.message, "the response [0] is a number, not a string");
  assert.deepEqual((await module.run("passthrough", new Uint8Array())).failure, { message: "the test has no such function", type: "HostError" });
  const denied = module.with({ modules: { "wasmworker:test/v1": { echo: () => { throw Object.assign(new Error("nowhere"), { errno: 44 }); } } } });
  assert.equal((await denied.run("passthrough_error")).result, "nowhere");
});

test("aborts say why", async () => {
  assert.match((await module.run("die", "oh no")).failure.message, /abort: oh no in assembly\/main\.ts\(\d+:\d+\)/);
  const text = "é€😀".repeat(1000);
  assert.ok((await module.run("die", text)).failure.message.includes(`abort: ${text} in`));
  assert.match((await module.run("index", 3)).failure.message, /abort: Index out of range in ~lib\/array\.ts/);
  assert.match((await module.run("overflow", 0)).failure.message, /stack|unreachable/i);
});

test("the environment", async () => {
  const a = (await module.run("random")).result;
  assert.ok(a >= 0 && a < 1 && a !== (await module.run("random")).result);
  assert.ok(Math.abs((await module.run("clock")).result - Date.now()) < 1000);
  await module.run("stderr");
});

test("other ways to export", async () => {
  assert.equal((await module.run("renamed")).result, "other");
  assert.equal((await module.run("far", 5)).result, 2.5);
  assert.equal((await module.run("empty")).encoding, "binary/null");
  assert.equal((await module.run("by_hand", 1, 2)).result, 3);
  assert.deepEqual((await module.run("by_hand", 1)).logs, [{ level: "debug", message: "1 1", attributes: {} }]);
  assert.equal((await module.run("by_hand")).failure.message, "argument 1 (a) is missing");
});

test("an instance that is used again neither leaks nor remembers", async () => {
  assert.equal((await module.run("state")).result, 1);
  assert.equal((await module.run("state")).result, 1);
  const again = module.with({ reuse: true, modules: { "wasmworker:test/v1": { echo: (request) => request } } });
  assert.equal((await again.run("state")).result, 1);
  assert.equal((await again.run("state")).result, 2);
  let pages = 0;
  for (let i = 0; i < 600; i++) {
    await again.run("passthrough", new Uint8Array(50000));
    assert.equal((await again.run("far", i)).result, i / 2);
    assert.equal((await again.run("far", "x")).failure.type, "InvalidInput");
    await again.run("failure");
    const now = (await again.run("garbage")).result;
    if (i === 100) pages = now;
    if (i > 100) assert.ok(now <= pages, `memory grew from ${pages} to ${now} pages`);
  }
});

test("exports and imports", async () => {
  const { wasm } = compile("@activity function f(): void {}");
  const m = new WebAssembly.Module(wasm);
  assert.deepEqual(WebAssembly.Module.exports(m).map((e) => e.name).sort(), ["_initialize", "f", "memory"]);
  // It imports something of wasmworker:activity/v1, by which the host tells its kind. abort is for the runtime's own assertions.
  assert.deepEqual(WebAssembly.Module.imports(m).map((i) => `${i.module} ${i.name}`).sort(), ["wasi_snapshot_preview1 fd_write", "wasmworker:activity/v1 arg_count"]);
  assert.equal((await (await load(wasm)).run("f")).result, null);
});

test("too many fields by inheritance", async () => {
  const fields = (letter) => Array.from({ length: 40 }, (_, i) => `${letter}${i}: i32 = 0;`).join(" ");
  const { wasm } = compile(`@json class A { ${fields("a")} }\n@json class B extends A { ${fields("b")} }\n@activity function f(b: B): void {}`);
  assert.match((await (await load(wasm)).run("f", {})).failure.message, /can have 64 fields/);
});

test("mistakes are found by the compiler", () => {
  const say = (source, message) => assert.match(compile(`import * as sdk from "wasmworker-sdk-assemblyscript";\n${source}`).problem ?? "", message);
  say("@activity function f<T>(): void {}", /an activity cannot have type parameters/);
  say("@activity(\"a b\") function f(): void {}", /"a b" cannot be the name of an export/);
  say("@activity function _f(): void {}", /"_f" cannot be the name of an export/);
  say("@activity(f) function f(): void {}", /@activity takes one name, as a string/);
  say("namespace N { @activity function f(): void {} }", /an activity cannot be in a namespace/);
  say("class C { a: i32 = 0; }\n@activity function f(c: C): void {}", /JSON has no form for this type/);
  say("class C { a: i32 = 0; }\n@activity function f(): C { return new C(); }", /JSON has no form for this type/);
  say("@activity function f(): Map<i32, i32> { return new Map(); }", /a Map needs strings as keys/);
  say(`@json class C { ${Array.from({ length: 65 }, (_, i) => `a${i}: i32 = 0;`).join(" ")} }\n@activity function f(c: C): void {}`, /can have 64 fields/);
});
