// The modules http, config, secret, sql and blob, against a host that keeps what it was sent.
import assert from "node:assert/strict";
import test, { before } from "node:test";
import { decodeFrame, encodeFrame } from "../testing/index.js";
import { compile, compiled } from "./compile.js";

let module;
before(async () => { module = await compiled("builtin"); });

const decoder = new TextDecoder();
const refuse = (errno, message) => () => { throw Object.assign(new Error(message), { errno }); };

/** Runs an activity with functions that answer what they are given, in turn. Returns its outcome and the calls, as [name, head, body]. */
async function run(host, answers, activity, ...args) {
  const calls = [];
  const functions = Object.fromEntries(Object.entries(answers).map(([name, list]) => [name, (request) => {
    const { head, body } = decodeFrame(request);
    calls.push(body.length > 0 ? [name, head, decoder.decode(body)] : [name, head]);
    const answer = list.shift();
    return typeof answer === "function" ? answer() : answer;
  }]));
  const outcome = await module.with({ modules: { [`wasmworker:${host}/v1`]: functions } }).run(activity, ...args);
  assert.equal(outcome.openResponses, 0);
  assert.deepEqual(Object.entries(answers).filter(([, list]) => list.length > 0), [], "calls that were expected");
  return { ...outcome, calls };
}

test("a module imports what it uses, and no more", () => {
  const imports = (source) => WebAssembly.Module.imports(new WebAssembly.Module(compile(`import { blob, Result, secret, sql } from "wasmworker-sdk-assemblyscript";\n${source}`).wasm))
    .filter((i) => /^wasmworker:(?!activity|log)/.test(i.module)).map((i) => `${i.module} ${i.name}`);
  assert.deepEqual(imports("function unused(): void { new blob.Bucket(\"x\").delete(\"k\"); }\n@activity function f(): void {}"), []);
  assert.deepEqual(imports("@activity function f(): Result<string> { return secret.reveal(\"x\"); }"), ["wasmworker:secret/v1 reveal"]);
  assert.deepEqual(imports("@activity function f(): Result<i64> { return new sql.Connection(\"x\").exec(\"S\"); }"), ["wasmworker:sql/v1 exec"]);
});

test("config and secret", async () => {
  const text = (f) => (request) => f(decoder.decode(request));
  const get = text((name) => (name === "größe" ? "ü" : name === "empty" ? "" : refuse(name === "none" ? 44 : 28, "no")()));
  const config = module.with({ modules: { "wasmworker:config/v1": { get } } });
  assert.equal((await config.run("configure", "größe")).result, "ü");
  assert.equal((await config.run("configure", "empty")).result, "");
  assert.equal((await config.run("configure", "none")).encoding, "binary/null");
  assert.deepEqual((await config.run("configure", "other")).failure, { message: "no", type: "HostError" });
  const secret = module.with({ modules: { "wasmworker:secret/v1": { reveal: text((name) => (name === "key" ? "s" : refuse(2, "a secret is denied")())) } } });
  assert.equal((await secret.run("reveal", "key")).result, "s");
  assert.deepEqual((await secret.run("reveal", "other")).failure, { message: "a secret is denied", type: "HostError" });
});

test("http", async () => {
  const headers = { "Content-Type": ["application/json"], "Set-Cookie": ["a=b", "c=d"] };
  const { result, calls } = await run("http", { send: [encodeFrame({ status: 201, headers }, "[1, \"ü\"]")] }, "send", "https://a.example/x?y=z");
  assert.deepEqual(result, ["201", "true", "[1, \"ü\"]", "application/json", "", "a=b|c=d", "the response [1] is a string, not a number"]);
  assert.deepEqual(calls, [["send", { method: "POST", url: "https://a.example/x?y=z", headers: { A: ["1"], B: ["2", "3"] }, timeout_ms: 5000 }, "é"]]);
  const other = await run("http", { send: [encodeFrame({ status: 404 }, Uint8Array.of(0, 255))] }, "simple", "u");
  assert.deepEqual(other.result, Uint8Array.of(0, 255));
  assert.deepEqual(other.calls, [["send", { method: "GET", url: "u", headers: {} }]]);
  assert.deepEqual((await run("http", { send: [encodeFrame({ status: 199 })] }, "send", "u")).result.slice(0, 6), ["199", "false", "", "", "", ""]);
  assert.deepEqual((await run("http", { send: [refuse(2, "GET u is denied")] }, "simple", "u")).failure, { message: "GET u is denied", type: "HostError" });
  for (const [bad, message] of [[[1], /not a frame/], [[1, 0, 0, 0], /not a frame/], [[255, 255, 255, 255, 1], /not a frame/], [[1, 0, 0, 0, 0x7b], /head of the response is not JSON/]]) {
    assert.match((await run("http", { send: [Uint8Array.from(bad)] }, "simple", "u")).failure.message, message);
  }
});

test("arguments of SQL", async () => {
  let head;
  let body;
  const exec = (request) => {
    const end = 4 + new DataView(request.buffer).getUint32(0, true);
    [head, body] = [decoder.decode(request.subarray(4, end)), decoder.decode(request.subarray(end))];
    return encodeFrame({ rows_affected: 7 });
  };
  assert.equal((await module.with({ modules: { "wasmworker:sql/v1": { exec } } }).run("args")).result, 7);
  assert.equal(head, '{"connection":"w","sql":"S","args":[1,9223372036854775807,255,true,1.5,2.0,-1e+300,0.1,"q\\"ü",null,"x",{"bytes":[0,2]},{"bytes":[2,0]},{"bytes":[2,1]},1.50]}');
  assert.equal(body, "123");
  assert.deepEqual((await module.run("bad_args")).result, [
    "argument 2 is NaN, which JSON has no number for: use what the database reads as text",
    "argument 1 is -Infinity, which JSON has no number for: use what the database reads as text",
    "argument 1 is an array or an object: use its text, as in value.toString()",
  ]);
});

test("rows", async () => {
  const columns = [{ name: "n", type: "INT8" }, { name: "b", type: "BLOB" }];
  const first = encodeFrame({ columns, rows: [[1, { bytes: [1, 2] }], [2, null]], cursor: 3 }, Uint8Array.of(9, 8, 7));
  const rest = () => [encodeFrame({ rows: [], cursor: 3 }), encodeFrame({ rows: [["NaN", { bytes: [0, 0] }]], cursor: 0 })];
  const query = (more) => ["query", { connection: "w", sql: "S", ...more }];
  const all = await run("sql", { query: [first], fetch: rest() }, "rows", 2, 0);
  assert.deepEqual(all.result, [1, "8,7", 2, null, "NaN", ""]);
  assert.deepEqual(all.calls, [query({ max_rows: 2 }), ["fetch", { cursor: 3, max_rows: 2 }], ["fetch", { cursor: 3, max_rows: 2 }]]);
  assert.deepEqual((await run("sql", { query: [first], fetch: rest() }, "rows", 0, 3)).calls, [query(), ["fetch", { cursor: 3 }], ["fetch", { cursor: 3 }]]);
  const early = await run("sql", { query: [first], close: [""] }, "rows", 0, 1);
  assert.deepEqual([early.result, early.calls], [[1, "8,7"], [query(), ["close", { cursor: 3 }]]]);
  const failed = await run("sql", { query: [first], fetch: [refuse(29, "57P01: gone")], close: [refuse(8, "closed")] }, "rows", 0, 0);
  assert.deepEqual(failed.failure, { message: "57P01: gone", type: "HostError" });
  assert.deepEqual((await run("sql", { query: [""] }, "rows", 0, 0)).result, []);
  assert.deepEqual((await run("sql", { query: [first] }, "columns")).result, ["n INT8", "b BLOB", "-1"]);
});

test("rows as objects, and large integers", async () => {
  const names = (...list) => list.map((name) => ({ name, type: "" }));
  const rows = (columns, ...list) => encodeFrame({ columns, rows: list });
  assert.deepEqual((await run("sql", { query: [rows(names("total", "id", "more"), [1.5, 7, "x"], [2, 8, null])] }, "decode")).result,
    [{ id: 7, note: null, total: 1.5 }, { id: 8, note: null, total: 2 }]);
  assert.equal((await run("sql", { query: [rows(names("id", "total"), [1, "NaN"])] }, "decode")).failure.message, "the row's total is a string, not a number");
  for (const [text, want] of [["9223372036854775807", "9223372036854775807"], ["-9223372036854775808", "-9223372036854775808"], ["1234567890123456789", "1234567890123456789"], ["2.75", "2"],
    ["1e3", "1000"], ["99999999999999999999", "9223372036854775807"]]) {
    const answer = encodeFrame({ columns: [], rows: [["?"]] });
    const frame = Uint8Array.from(Buffer.from(Buffer.from(answer).toString("latin1").replace('"?"', text), "latin1"));
    new DataView(frame.buffer).setUint32(0, frame.length - 4, true);
    assert.equal(decoder.decode((await run("sql", { query: [frame] }, "integer")).data), want);
  }
});

test("transactions", async () => {
  const begun = encodeFrame({ transaction: 4 });
  const inside = [["exec", { transaction: 4, sql: "S" }], ["query", { transaction: 4, sql: "Q" }]];
  const kept = await run("sql", { begin: [begun], exec: [encodeFrame({ rows_affected: 1 })], query: [encodeFrame({ rows: [] })], commit: [""] }, "transaction", "commit");
  assert.deepEqual(kept.result, ["ok", "ok", "ok"]);
  assert.deepEqual(kept.calls, [["begin", { connection: "w", read_only: true, isolation: "serializable" }], ...inside, ["commit", { transaction: 4 }]]);
  const undone = await run("sql", { begin: [begun], exec: [refuse(29, "23505: duplicate key")], query: [refuse(10, "busy")], rollback: [refuse(8, "ended")] }, "transaction", "rollback");
  assert.deepEqual(undone.result, ["29 23505: duplicate key", "10 busy", "8 ended"]);
  assert.deepEqual(undone.calls, [["begin", { connection: "w" }], ...inside, ["rollback", { transaction: 4 }]]);
});

test("objects", async () => {
  const stat = { size: 2, content_type: "text/plain", modified: "2026-01-02T15:04:05.5Z", etag: "e", metadata: { a: "b" } };
  const { result, calls } = await run("blob", {
    put: ["", refuse(20, "exists")], stat: [encodeFrame(stat), encodeFrame({})], get: [encodeFrame(stat, "é"), encodeFrame({})], delete: [refuse(44, "none")],
  }, "objects");
  assert.deepEqual(result, ["ok", "20 exists", "2 text/plain 2026-01-02T15:04:05.500Z e b", "0true0", "é 2 2", "", "44 none"]);
  const k = { bucket: "box", key: "k" };
  assert.deepEqual(calls, [["put", { ...k, content_type: "text/plain", metadata: { a: "b" }, if_none_match: true }, "é"], ["put", k, "\0"], ["stat", k], ["stat", k], ["get", k],
    ["get", { ...k, offset: 3, length: 0 }], ["delete", k]]);
});

test("lists", async () => {
  const pages = () => [encodeFrame({ objects: [{ key: "a/b", size: 1, modified: "2026-01-02T15:04:05Z" }, { key: "a/c/", prefix: true }], next: "p" }), encodeFrame({ objects: [], next: "q" }),
    encodeFrame({ objects: [{ key: "a/d" }] })];
  const { result, calls } = await run("blob", { list: pages() }, "list", "a/", "/");
  assert.deepEqual(result, ["a/b 1 false false", "a/c/ 0 true true", "a/d 0 false true"]);
  const head = { bucket: "box", prefix: "a/", delimiter: "/" };
  assert.deepEqual(calls, [["list", head], ["list", { ...head, page: "p" }], ["list", { ...head, page: "q" }]]);
  assert.deepEqual((await run("blob", { list: [""] }, "list", "", "")).calls, [["list", { bucket: "box" }]]);
  assert.equal((await run("blob", { list: [pages()[0], refuse(29, "gone")] }, "list", "", "")).failure.message, "gone");
});

test("readers and writers", async () => {
  const opened = encodeFrame({ size: 5, reader: 5 });
  const open = ["open", { bucket: "box", key: "k", offset: 1, length: 5 }];
  const close = ["close", { reader: 5 }];
  const whole = await run("blob", { open: [opened], read: [encodeFrame({}, "abc"), encodeFrame({ end: true }, "de")], close: [""] }, "read", 3, 4);
  assert.equal(whole.result, "5|abc|de||");
  assert.deepEqual(whole.calls, [open, ["read", { reader: 5, max: 3 }], ["read", { reader: 5, max: 3 }], close]);
  const early = await run("blob", { open: [opened], read: [encodeFrame({}, "abc")], close: [""] }, "read", 0, 1);
  assert.deepEqual(early.calls, [open, ["read", { reader: 5, max: 1048576 }], close]);
  assert.equal((await run("blob", { open: [opened], read: [encodeFrame({}), encodeFrame({ end: true })], close: [""] }, "read", 3, 1)).result, "5|");
  assert.equal((await run("blob", { open: [opened], read: [refuse(29, "gone")] }, "read", 3, 1)).failure.message, "gone");

  const create = ["create", { bucket: "box", key: "k", content_type: "t" }];
  const written = encodeFrame({ writer: 6 });
  const kept = await run("blob", { create: [written], write: ["", ""], commit: [""] }, "write", 1, true);
  assert.deepEqual([kept.result, kept.calls], [["ok", "ok", "ok", "ok", "ok", "ok"], [create, ["write", { writer: 6 }, "é"], ["write", { writer: 6 }, "\0"], ["commit", { writer: 6 }]]]);
  const given = await run("blob", { create: [written], write: [""], close: [""] }, "write", 0, false);
  assert.deepEqual(given.calls, [create, ["write", { writer: 6 }, "é"], ["close", { writer: 6 }]]);
  const refused = await run("blob", { create: [written], write: ["", refuse(35, "too large")], commit: [refuse(29, "no")], close: [""] }, "write", 1, true);
  assert.deepEqual(refused.result, ["ok", "ok", "35 too large", "29 no", "ok", "ok"]);
  // A request has 16 MiB at most.
  const large = await run("blob", { create: [written], write: ["", "", "", ""], commit: [""] }, "write", 10 << 20, true);
  assert.deepEqual(large.calls.slice(2, -1).map(([, , body]) => body.length), [4 << 20, 4 << 20, 2 << 20]);
});
