// Builds a module and runs it. Takes some seconds, nearly all of which are the build's.

import assert from "node:assert/strict";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import test from "node:test";
import { fileURLToPath } from "node:url";
import { BundleError, bundle } from "../lib/bundle.js";
import { decodeFrame, encodeFrame } from "../src/testing.js";
import { Instance } from "./host.js";

process.chdir(join(dirname(fileURLToPath(import.meta.url)), "fixture"));

const { wasm, activities, imports, warnings } = await bundle({ entry: "index.ts" });
const upper = (request) => new TextEncoder().encode(new TextDecoder().decode(request).toUpperCase());
const create = () => Instance.create(wasm, { passthrough: { "wasmworker:test/v1": { upper } }, env: { A: "1" } });
const module = await create();

const ok = (name, args, value) => assert.deepEqual(module.run(name, args), { status: 0, value, encoding: value === undefined ? undefined : "json/plain", metadata: undefined, failure: undefined });
const fails = (name, args, want) => {
  const { status, failure } = module.run(name, args);
  assert.equal(status, 1);
  for (const [key, value] of Object.entries(want)) assert.deepEqual(failure[key], value);
  return failure;
};
const invalid = (name, args, message) => fails(name, args, { type: "InvalidInput", non_retryable: true, message });

test("exports and imports", () => {
  assert.deepEqual(module.exports.map((e) => e.name).sort(), [...activities, "memory", "_initialize"].sort());
  assert.ok(activities.includes("delete") && !activities.includes("VERSION"));
  assert.deepEqual(warnings, ["the export VERSION is not a function, and so not an activity"]);
  assert.deepEqual(imports, ["wasmworker:test/v1"]);
  assert.deepEqual([...new Set(module.imports.map((i) => i.module))].sort(),
    ["wasi_snapshot_preview1", "wasmworker:activity/v1", "wasmworker:log/v1", "wasmworker:test/v1"]);
});

test("arguments are checked against their types", () => {
  ok("tree", [{ name: "a", children: [{ name: "b", more: 1 }] }], 2);
  invalid("tree", [{ name: "a", children: [{ name: 1 }] }], "argument 1: t.children[0].name must be a string, and is a number");
  invalid("tree", [], "argument 1 (t) is missing");
  invalid("tree", [null], "argument 1 (t) must be an object, and is null");
  invalid("tree", [{ data: "", encoding: "binary/null" }], "argument 1 (t) is missing");
  for (const encoding of ["json/protobuf", ""]) {
    ok("tree", [{ data: '{"name":"a","children":[]}', encoding, metadata: { messageType: "acme.Tree" } }], 1);
    invalid("tree", [{ data: '{"name":1}', encoding }], "argument 1: t.name must be a string, and is a number");
    assert.match(fails("tree", [{ data: "", encoding }], { type: "InvalidInput" }).message, /^argument 1 \(t\) is not valid JSON: /);
  }
  for (const encoding of ["binary/encrypted", "binary/protobuf", "json/plain+zlib", "JSON/plain", "json/"]) {
    invalid("tree", [{ data: '{"name":"a","children":[]}', encoding }], `argument 1 (t) has the encoding "${encoding}", which needs a parameter of type RawPayload`);
  }
  assert.match(fails("tree", [{ data: "{", encoding: "json/plain" }], { type: "InvalidInput" }).message, /^argument 1 \(t\) is not valid JSON: /);

  const good = ["id", "red", "2026-01-01", [1], null, { a: true }];
  ok("types", [...good], [...good, { tags: {} }]);
  ok("types", [...good, { tags: { x: null }, limit: 1 }, "ignored"], [...good, { tags: { x: null }, limit: 1 }]);
  invalid("types", [1], "argument 1 (id) must be a string, and is a number");
  invalid("types", ["id", "blue"], 'argument 2 (color) must be "red" or "green", and is a string');
  invalid("types", ["id", "red", 0, ["x"]], "argument 4: pair[0] must be a number, and is a string");
  invalid("types", [...good.slice(0, 5), { b: 1 }], "argument 6: flags.b must be a boolean, and is a number");
  invalid("types", [...good, {}], "argument 7: options.tags is missing");
  ok("rest", ["a", 1, 2], ["a", [1, 2]]);
  invalid("rest", ["a", 1, "x"], "argument 3 (others) must be a number, and is a string");
  ok("binary", [{ data: Uint8Array.of(1, 2), encoding: "binary/plain" }], 2);
  invalid("binary", ["x"], "argument 1 (b) must be bytes (binary/plain), and is a string");
});

test("results", () => {
  ok("nothing", [], undefined);
  ok("nil", [], null);
  ok("delete", [], "deleted");
  ok("payload", [], undefined);
  const p = { data: Uint8Array.of(0, 255), encoding: "x/y", metadata: { messageType: "T", bin: { base64: "/w==" } } };
  assert.deepEqual(module.run("payload", [p]), { status: 0, value: p.data, encoding: "x/y", metadata: { ...p.metadata, more: { base64: "/w==" }, encoding: "x/y" }, failure: undefined });
  const bare = { data: Uint8Array.of(0, 255), encoding: "" };
  assert.deepEqual(module.run("payload", [bare]).metadata, { more: { base64: "/w==" } });
  assert.deepEqual(module.run("forward", [bare]).metadata, {});
  fails("cyclic", [], { type: "InvalidOutput", non_retryable: true });
});

test("what JavaScript programs expect", () => {
  const { value } = module.run("nap");
  assert.ok(value >= 25 && value < 5000, value);
  ok("timers", [], "m.a.b.");
  ok("late", [], "early");
  assert.deepEqual(module.logs, []);
  ok("names", [], [1, "1", 1]);
  assert.deepEqual(module.logs, [[0, 'a {"b":[1]} undefined', {}], [8, "TypeError", {}]]);
  ok("text", [], ["A\ufffd", [195, 169, 239, 191, 189]]);
});

test("random numbers are not those of the image", async () => {
  const [a, b] = [module.run("randoms").value, (await create()).run("randoms").value];
  assert.ok(a[1] >= 0 && a[1] < 1 && a[1] !== b[1] && a[2] !== b[2]);
  assert.match(a[2], /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
});

test("errors", () => {
  const at = "    at explode (explode.ts:5)";
  assert.equal(fails("trace", [], { type: "TypeError", message: "cannot read property 'b' of undefined", non_retryable: undefined }).stack_trace, `${at}\n    at trace (index.ts:52)`);
  assert.equal(fails("inTimer", [], { type: "TypeError" }).stack_trace.split("\n")[0], at);
  fails("never", [], { type: "NeverResolved", non_retryable: undefined });
  fails("unhandled", [], { type: "RangeError", message: "nobody waits" });
  fails("unhandledBeside", [], { type: "TypeError", message: "first (also: RangeError: second; CardDeclined: third)", non_retryable: undefined });
  const { type, message, cause } = fails("anyOf", [], { details: undefined });
  assert.deepEqual([type, message, cause.type, cause.message, cause.details, cause.non_retryable],
    ["AggregateError", "a (also: RangeError: b; Error: text)", "CardDeclined", "a", [51], true]);
  fails("manyFailures", [], { type: "AggregateError", message: `many (also: ${Array(8).fill(`Error: ${"é".repeat(505)}`).join("; ")}; and 9991 more)` });
  ok("handled", [], "handled");
  fails("recursion", [], { type: "RangeError" });
  ok("nil", [], null); // and the instance lives on
});

test("cancellation", () => {
  for (const flags of [1, 4, 8, 16, 3]) {
    assert.deepEqual(module.run("wait", [], { flags }), { status: 2, value: undefined, encoding: undefined, metadata: undefined, failure: undefined });
    assert.deepEqual(module.run("cleanUp", [], { flags }), { status: 2, value: "cleaned up", encoding: "json/plain", metadata: undefined, failure: undefined });
  }
  const { status, failure } = module.run("wait", [], { flags: 2 });
  assert.deepEqual([status, failure.type, failure.non_retryable], [1, "WorkerShutdown", undefined]);
  for (const [flags, reason] of [[1, "CANCELLED"], [2, "WORKER_SHUTDOWN"], [4, "PAUSED"], [12, "RESET"], [17, "GONE"]]) {
    assert.equal(module.run("listen", [], { flags }).value, reason);
  }
});

test("what is too long", () => {
  fails("huge", [], { type: "OutputTooLarge", non_retryable: true });
  const { message, details } = fails("hugeFailure", [], { type: "Huge", non_retryable: true });
  assert.deepEqual([message.length < 5000, details], [true, undefined]);
  fails("hugeType", [], { type: "T".repeat(256), non_retryable: true });
});

test("an instance that is used again does not grow", async () => {
  const used = await create();
  for (let i = 1; i <= 500; i++) assert.equal(used.run("reused").value, i);
  const size = used.memory.buffer.byteLength;
  const big = { name: "x".repeat(5000), children: [] };
  for (let i = 0; i < 300; i++) {
    used.run("tree", [big]);
    used.run("tree", [{ name: 1 }]);
    used.run("trace");
    used.run("never");
    used.run("unhandled");
    used.run("names");
  }
  assert.ok(used.memory.buffer.byteLength - size <= 1 << 20, `${size} -> ${used.memory.buffer.byteLength}`);
});

test("a module imports the host modules that it uses, and no others", async (t) => {
  const folder = await mkdtemp(join(tmpdir(), "wasmworker-test-"));
  t.after(() => rm(folder, { recursive: true }));
  await writeFile(join(folder, "helper.ts"), `
    import { bucket } from "wasmworker-sdk/blob";
    import { reveal } from "wasmworker-sdk/secret";
    export const nobodyCalls = () => reveal("x") + bucket("y").get("z").text();
    export const help = (bytes: Uint8Array) => [...bytes];
  `);
  const entry = join(folder, "index.ts");
  await writeFile(entry, `
    import { connection } from "wasmworker-sdk/sql";
    import * as config from "wasmworker-sdk/config";
    import { help } from "./helper";
    export function read(large: string) {
      const seen: unknown[] = [];
      for (const { n, b } of connection("w").query<{ n: number; b: Uint8Array }>("S", [large, Uint8Array.of(1, 2)])) {
        seen.push(n, help(b));
        break;
      }
      return seen;
    }
  `);
  for (const minify of [false, true]) {
    const { wasm, imports, warnings } = await bundle({ entry, minify });
    assert.deepEqual([imports, warnings], [["wasmworker:sql/v1"], []]);
    let sent;
    let closed = 0;
    const query = (request) => {
      sent = decodeFrame(request);
      return encodeFrame({ columns: [{ name: "n", type: "" }, { name: "b", type: "" }], rows: [[1, { bytes: [1, 2] }], [2, null]], cursor: 3 }, Uint8Array.of(9, 8, 7));
    };
    const close = () => { closed++; return ""; };
    const none = () => assert.fail("not expected");
    const instance = await Instance.create(wasm, { passthrough: { "wasmworker:sql/v1": { query, close, fetch: none, exec: none, begin: none, commit: none, rollback: none } } });
    const large = "größe ☃".repeat(1000);
    assert.deepEqual(instance.run("read", [large]).value, [1, [8, 7]]);
    assert.deepEqual([sent.head, [...sent.body], closed], [{ connection: "w", sql: "S", args: [large, { bytes: [0, 2] }] }, [1, 2], 1]);
  }
});

test("mistakes in the sources", async (t) => {
  const folder = await mkdtemp(join(tmpdir(), "wasmworker-test-"));
  t.after(() => rm(folder, { recursive: true }));
  const refused = async (source, message, name = "x.ts") => {
    const entry = join(folder, name);
    await writeFile(entry, source);
    await assert.rejects(bundle({ entry }), (e) => e instanceof BundleError && (assert.match(e.message, message), true));
  };
  await refused("export function x() {\n  return 1 +;\n}\n", /x\.ts:2:13: Unexpected ";"/);
  await refused("export function x(): number {\n  return 'a';\n}\n", /x\.ts:2:3: Type 'string' is not assignable to type 'number'. \(TS2322\)/);
  await refused("export const x = 1;\n", /exports no function/);
  await refused("export default function () {}\n", /default export/);
  await refused("export function malloc() {}\n", /never takes the export malloc/);
  await refused('import fs from "node:fs";\nexport const x = () => fs;\n', /node:fs is a module of Node\.js/, "x.js");
  await refused('import { status } from "wasmworker:activity/v1";\nexport const x = () => status;\n', /imported by the SDK/, "x.js");
  await refused('import * as h from "wasmworker:h/v1";\nexport const x = () => h.f();\n', /by name/, "x.js");
  await refused("const o: any = {};\n\nexport const y = o.a.b;\nexport function x() {}\n", /Uncaught TypeError: cannot read property 'b' of undefined\n.*x\.ts:3\)/);
  await refused("await new Promise(() => {});\nexport function x() {}\n", /NeverResolved/);
  await assert.rejects(bundle({ entry: join(folder, "none.ts") }), /no such file/);
});
