// The modules http, config, secret, sql and blob, against a host that keeps what it was sent.

import assert from "node:assert/strict";
import test from "node:test";
import "../lib/register.js";
import { decodeFrame, encodeFrame, MockActivityEnvironment } from "../src/testing.js";
import { Errno, PassthroughError } from "../src/index.js";

const http = await import("../src/http.js");
const config = await import("../src/config.js");
const { reveal } = await import("../src/secret.js");
const { connection } = await import("../src/sql.js");
const { bucket } = await import("../src/blob.js");

const text = (bytes) => new TextDecoder().decode(bytes);
const run = (module, functions, activity) => new MockActivityEnvironment({ passthrough: { [`wasmworker:${module}/v1`]: functions } }).run(activity);
const refuse = (errno, message = "no") => { throw new PassthroughError(Errno[errno], message); };

/** Functions that note their requests as [name, head, body] and answer what they are given, in turn. */
function script(answers) {
  const calls = [];
  const functions = Object.fromEntries(Object.entries(answers).map(([name, list]) => [name, (request) => {
    const { head, body } = decodeFrame(request);
    calls.push(body.length > 0 ? [name, head, [...body]] : [name, head]);
    const answer = list.shift();
    return typeof answer === "function" ? answer() : answer;
  }]));
  return { calls, functions, ended: () => assert.deepEqual(Object.entries(answers).filter(([, list]) => list.length > 0), []) };
}

test("frames", () => {
  assert.deepEqual([...encodeFrame({}, "é")], [2, 0, 0, 0, 0x7b, 0x7d, 0xc3, 0xa9]);
  for (const [head, body] of [[{}, []], [{ a: "ü" }, [0, 255]], [{ a: "x".repeat(300) }, [1]]]) {
    // in a larger buffer, as the parts of a response are
    const frame = encodeFrame(head, Uint8Array.from(body));
    const larger = new Uint8Array(frame.length + 7).fill(7);
    larger.set(frame, 3);
    const decoded = decodeFrame(larger.subarray(3, 3 + frame.length));
    assert.deepEqual([decoded.head, [...decoded.body]], [head, body]);
  }
  assert.deepEqual(decodeFrame(new Uint8Array(0)), { head: {}, body: new Uint8Array(0) });
  for (const bad of [[1], [0, 0, 0], [1, 0, 0, 0], [3, 0, 0, 0, 0x7b, 0x7d], [255, 255, 255, 255, 0x7b, 0x7d]]) {
    assert.throws(() => decodeFrame(Uint8Array.from(bad)), /not a frame/);
  }
  assert.throws(() => decodeFrame(Uint8Array.of(1, 0, 0, 0, 0x7b)), SyntaxError);
});

test("config and secret", async () => {
  await run("config", { get: (name) => (text(name) === "größe" ? "ü" : refuse(text(name))) }, () => {
    assert.equal(config.get("größe"), "ü");
    assert.equal(config.get("ENOENT"), undefined);
    assert.throws(() => config.get("EINVAL"), { code: "EINVAL" });
  });
  await run("secret", { reveal: (name) => (text(name) === "key" ? "s" : refuse("EACCES", "a secret is denied")) }, () => {
    assert.equal(reveal("key"), "s");
    assert.throws(() => reveal("other"), { name: "PassthroughError", code: "EACCES", message: "a secret is denied" });
  });
});

test("http", async () => {
  const { calls, functions, ended } = script({ send: [
    () => encodeFrame({ status: 201, headers: { "Content-Type": ["application/json"], "Set-Cookie": ["a=b", "c=d"], Vary: ["x", "y"] } }, '{"a":"ü"}'),
    () => encodeFrame({ status: 404 }),
    () => refuse("EACCES", "GET https://b.example/ is denied"),
  ] });
  await run("http", functions, async () => {
    const r = await http.fetch("https://a.example/x?y=z", {
      method: "post", headers: { A: "1", B: ["2", "3"], ["__proto__"]: "4" }, body: Uint8Array.of(0, 255), timeout: "5 seconds",
    });
    assert.deepEqual([r.status, r.ok, await r.text(), await r.json(), (await r.bytes()).length, (await r.arrayBuffer()).byteLength], [201, true, '{"a":"ü"}', { a: "ü" }, 10, 10]);
    assert.deepEqual([r.headers.get("CONTENT-type"), r.headers.get("vary"), r.headers.get("none"), r.headers.has("Vary"), r.headers.getSetCookie()],
      ["application/json", "x, y", null, true, ["a=b", "c=d"]]);
    assert.deepEqual([...r.headers], [["content-type", "application/json"], ["set-cookie", "a=b, c=d"], ["vary", "x, y"]]);
    const none = await http.fetch(new URL("https://a.example"), { method: "purge", headers: [["A", "1"], ["A", "2"]], body: null });
    assert.deepEqual([none.status, none.ok, await none.text(), none.headers.getSetCookie()], [404, false, "", []]);
    await assert.rejects(http.fetch("https://b.example/"), { code: "EACCES", message: "GET https://b.example/ is denied" });
    await assert.rejects(http.fetch("https://b.example/", { body: 7 }), TypeError);
    await assert.rejects(http.fetch("https://b.example/", { timeout: "soon" }), TypeError);
  });
  ended();
  assert.deepEqual(calls, [
    ["send", { method: "POST", url: "https://a.example/x?y=z", headers: JSON.parse('{"A": ["1"], "B": ["2", "3"], "__proto__": ["4"]}'), timeout_ms: 5000 }, [0, 255]],
    ["send", { method: "purge", url: "https://a.example/", headers: { A: ["1", "2"] } }],
    ["send", { method: "GET", url: "https://b.example/", headers: {} }],
  ]);
});

test("arguments of SQL", async () => {
  let head;
  let body;
  const exec = (request) => {
    const size = new DataView(request.buffer, request.byteOffset).getUint32(0, true);
    head = text(request.subarray(4, 4 + size));
    body = [...request.subarray(4 + size)];
    return encodeFrame({ rows_affected: 7 });
  };
  await run("sql", { exec }, () => {
    const args = (...list) => {
      assert.equal(connection("w").exec("S", list), 7);
      return /^\{"connection":"w","sql":"S","args":\[(.*)\]\}$/.exec(head)[1];
    };
    assert.equal(args(), "");
    assert.equal(args(null, true, 1, -1.5, 2n ** 63n - 1n, 'q"ü\ud800'), 'null,true,1,-1.5,9223372036854775807,"q\\"ü\\ud800"');
    assert.equal(args(2 ** 53, 1e20, -1e300, 2 ** 63, 5e-324), "9007199254740992,1e+20,-1e+300,9.223372036854776e+18,5e-324");
    assert.equal(args(new Date(0)), '"1970-01-01T00:00:00.000Z"');
    assert.equal(args(Uint8Array.of(1, 2), "x", new Uint8Array(0), Uint8Array.of(3)), '{"bytes":[0,2]},"x",{"bytes":[2,0]},{"bytes":[2,1]}');
    assert.deepEqual(body, [1, 2, 3]);
    const secret = "do not tell";
    for (const bad of [undefined, NaN, -Infinity, { secret }, [secret], Symbol(secret), () => secret, new Date(NaN)]) {
      assert.throws(() => args("x", bad), (e) => (e instanceof TypeError && /argument 2/.test(e.message) || e instanceof RangeError) && !e.message.includes(secret));
    }
  });
});

test("rows", async () => {
  const columns = [{ name: "n", type: "INT8" }, { name: "b", type: "BLOB" }, { name: "__proto__", type: "TEXT" }];
  const batches = () => [
    encodeFrame({ columns, rows: [[1, { bytes: [1, 2] }, "x"], [2, null, "NaN"]], cursor: 3 }, Uint8Array.of(9, 8, 7)),
    encodeFrame({ rows: [], cursor: 3 }),
    encodeFrame({ rows: [[3, { bytes: [0, 0] }, null]], cursor: 0 }),
  ];
  const want = [[1, Uint8Array.of(8, 7), "x"], [2, null, "NaN"], [3, new Uint8Array(0), null]];
  const go = async (answers, activity, calls) => {
    const s = script(answers);
    await run("sql", s.functions, activity);
    s.ended();
    assert.deepEqual(s.calls, calls);
  };
  const query = (more) => ["query", { connection: "w", sql: "S", args: [], ...more }];
  const [first, ...rest] = batches();

  await go({ query: [first], fetch: [...rest] }, () => {
    const rows = connection("w").query("S", [], { batchSize: 2 });
    assert.deepEqual(rows.columns, columns);
    assert.deepEqual([...rows.arrays()], want);
    assert.deepEqual([...rows], []);
    rows.close();
  }, [query({ max_rows: 2 }), ["fetch", { cursor: 3, max_rows: 2 }], ["fetch", { cursor: 3, max_rows: 2 }]]);

  await go({ query: [first], fetch: [...rest] }, () => {
    assert.deepEqual([...connection("w").query("S")].map((r) => [Object.keys(r), r.n]), [1, 2, 3].map((n) => [["n", "b", "__proto__"], n]));
  }, [query(), ["fetch", { cursor: 3 }], ["fetch", { cursor: 3 }]]);

  // Left early: the cursor is closed, and once.
  await go({ query: [first, first, first], close: [() => "", () => "", () => ""] }, () => {
    const rows = connection("w").query("S");
    for (const { n } of rows) if (n === 1) break;
    rows.close();
    assert.throws(() => { for (const { n } of connection("w").query("S")) throw new RangeError(String(n)); }, RangeError);
    connection("w").query("S").close();
  }, [query(), ["close", { cursor: 3 }], query(), ["close", { cursor: 3 }], query(), ["close", { cursor: 3 }]]);

  // A batch that fails is what the loop throws, also where the cursor is gone by then.
  await go({ query: [first], fetch: [() => refuse("EIO", "57P01: gone")], close: [() => refuse("EBADF")] }, () => {
    const seen = [];
    assert.throws(() => { for (const { n } of connection("w").query("S")) seen.push(n); }, { code: "EIO", message: "57P01: gone" });
    assert.deepEqual(seen, [1, 2]);
  }, [query(), ["fetch", { cursor: 3 }], ["close", { cursor: 3 }]]);

  await go({ query: [() => ""] }, () => assert.deepEqual([...connection("w").query("S")], []), [query()]);
});

test("transactions", async () => {
  const begun = () => encodeFrame({ transaction: 4 });
  const go = async (answers, activity) => {
    const s = script({ begin: [begun, begun], exec: [() => encodeFrame({}), () => encodeFrame({})], commit: ["", ""], rollback: ["", ""], query: [""], ...answers });
    await run("sql", s.functions, () => activity(connection("w")));
    return s.calls;
  };
  const exec = ["exec", { transaction: 4, sql: "S", args: [] }];
  const begin = (more) => ["begin", { connection: "w", ...more }];
  const commit = ["commit", { transaction: 4 }];
  const rollback = ["rollback", { transaction: 4 }];

  assert.deepEqual(await go({}, (db) => assert.equal(db.transaction((tx) => { assert.equal(tx.exec("S"), 0); return 5; }, { readOnly: true, isolation: "serializable" }), 5)),
    [begin({ read_only: true, isolation: "serializable" }), exec, commit]);
  assert.deepEqual(await go({}, (db) => assert.throws(() => db.transaction(() => { throw new RangeError("x"); }), RangeError)), [begin(), rollback]);
  assert.deepEqual(await go({}, async (db) => assert.equal(await db.transaction(async (tx) => { await null; tx.exec("S"); return 5; }), 5)), [begin(), exec, commit]);
  assert.deepEqual(await go({}, (db) => assert.rejects(db.transaction(async () => { await null; throw new RangeError("x"); }), RangeError)), [begin(), rollback]);
  // What went wrong first is thrown, also if nothing can be rolled back any more.
  assert.deepEqual(await go({ rollback: [() => refuse("EBADF")] }, (db) => assert.throws(() => db.transaction(() => { throw new RangeError("x"); }), RangeError)), [begin(), rollback]);
  assert.deepEqual(await go({ commit: [() => refuse("EIO", "40001: again")] }, (db) => assert.throws(() => db.transaction(() => {}), { message: "40001: again" })), [begin(), commit, rollback]);
  assert.deepEqual(await go({ commit: [() => refuse("EBUSY")] }, (db) => assert.rejects(db.transaction(async () => {}), { code: "EBUSY" })), [begin(), commit, rollback]);
  // Ended by hand.
  assert.deepEqual(await go({}, (db) => db.transaction((tx) => { tx.rollback(); assert.equal(tx.ended, true); })), [begin(), rollback]);
  assert.deepEqual(await go({}, (db) => { const tx = db.begin(); assert.deepEqual([...tx.query("S")], []); tx.commit(); }), [begin(), ["query", { transaction: 4, sql: "S", args: [] }], commit]);
});

test("objects", async () => {
  const stat = { size: 2, content_type: "text/plain", modified: "2026-01-02T15:04:05Z", etag: "e", metadata: { a: "b" } };
  const s = script({
    put: ["", () => refuse("EEXIST")], stat: [encodeFrame(stat), encodeFrame({})], get: [encodeFrame(stat, "é"), encodeFrame({ size: 9 }, "[1]")], delete: [""],
    list: [encodeFrame({ objects: [{ key: "a/b", size: 1, modified: "2026-01-02T15:04:05Z" }, { key: "a/c/", prefix: true }], next: "p" }), encodeFrame({ objects: [{ key: "a/d" }] }), "",
      encodeFrame({ objects: [{ key: "x" }, { key: "y" }], next: "p" })],
  });
  const modified = new Date("2026-01-02T15:04:05Z");
  await run("blob", s.functions, () => {
    const box = bucket("box");
    box.put("k", "é", { contentType: "text/plain", metadata: { a: "b" }, ifNoneMatch: true });
    assert.throws(() => box.put("k", Uint8Array.of(0)), { code: "EEXIST" });
    assert.throws(() => box.put("k", 7), TypeError);
    assert.deepEqual(box.stat("k"), { size: 2, contentType: "text/plain", modified, etag: "e", metadata: { a: "b" } });
    assert.deepEqual(box.stat("k"), { size: 0, contentType: "", modified: undefined, etag: "", metadata: {} });
    const { size, contentType, data, ...o } = box.get("k");
    assert.deepEqual([size, contentType, [...data], o.etag], [2, "text/plain", [0xc3, 0xa9], "e"]);
    assert.deepEqual(box.get("k", { offset: 3, length: 3 }).json(), [1]);
    box.delete("k");
    assert.deepEqual([...box.list({ prefix: "a/", delimiter: "/" })], [
      { key: "a/b", isPrefix: false, size: 1, modified }, { key: "a/c/", isPrefix: true, size: 0, modified: undefined }, { key: "a/d", isPrefix: false, size: 0, modified: undefined },
    ]);
    assert.deepEqual([...box.list()], []);
    for (const { key } of box.list({ pageSize: 2 })) if (key === "y") break;
  });
  s.ended();
  const k = { bucket: "box", key: "k" };
  assert.deepEqual(s.calls, [
    ["put", { ...k, content_type: "text/plain", metadata: { a: "b" }, if_none_match: true }, [0xc3, 0xa9]], ["put", k, [0]], ["stat", k], ["stat", k],
    ["get", k], ["get", { ...k, offset: 3, length: 3 }], ["delete", k],
    ["list", { bucket: "box", prefix: "a/", delimiter: "/" }], ["list", { bucket: "box", prefix: "a/", delimiter: "/", page: "p" }], ["list", { bucket: "box" }],
    ["list", { bucket: "box", max: 2 }],
  ]);
});

test("readers and writers", async () => {
  const opened = () => encodeFrame({ size: 5, reader: 5 });
  const k = { bucket: "box", key: "k" };
  const reads = ["read", { reader: 5 }];
  const closes = ["close", { reader: 5 }];
  const go = async (answers, activity) => {
    const s = script(answers);
    await run("blob", s.functions, () => activity(bucket("box")));
    s.ended();
    return s.calls;
  };
  assert.deepEqual(await go({ open: [opened], read: [encodeFrame({}, "abc"), encodeFrame({ end: true }, "de")], close: [""] }, (box) => {
    const reader = box.open("k", { offset: 1, length: 5 });
    assert.equal(reader.attributes.size, 5);
    assert.equal(text(reader.read(3)), "abc");
    assert.equal(text(reader.read()), "de");
    assert.equal(reader.read(), undefined);
    reader.close();
  }), [["open", { ...k, offset: 1, length: 5 }], ["read", { reader: 5, max: 3 }], reads, closes]);
  // An empty object, and an end that comes after the last bytes.
  assert.deepEqual(await go({ open: [opened, opened], read: [encodeFrame({ end: true }), encodeFrame({}, "a"), encodeFrame({ end: true })], close: ["", ""] }, (box) => {
    assert.deepEqual([...box.open("k")], []);
    assert.deepEqual([...box.open("k")].map(text), ["a"]);
  }), [["open", k], reads, closes, ["open", k], reads, reads, closes]);
  // Left early.
  assert.deepEqual(await go({ open: [opened], read: [encodeFrame({}, "a")], close: [""] }, (box) => { for (const _ of box.open("k")) break; }), [["open", k], reads, closes]);
  assert.deepEqual((await go({ open: [opened], read: [() => refuse("EIO")], close: [""] }, (box) => assert.throws(() => [...box.open("k")], { code: "EIO" }))).at(-1), closes);

  const written = () => encodeFrame({ writer: 6 });
  const w = { writer: 6 };
  assert.deepEqual(await go({ create: [written, written], write: ["", "", ""], commit: [""], close: [""] }, (box) => {
    const writer = box.create("k", { contentType: "t", metadata: { a: "b" } });
    writer.write("é");
    writer.write(new Uint8Array(0));
    writer.write(Uint8Array.of(0));
    writer.commit();
    writer.abort();
    const other = box.create("k", { ifNoneMatch: true });
    other.write("x");
    other.abort();
    other.abort();
  }), [["create", { ...k, content_type: "t", metadata: { a: "b" } }], ["write", w, [0xc3, 0xa9]], ["write", w, [0]], ["commit", w],
    ["create", { ...k, if_none_match: true }], ["write", w, [0x78]], ["close", w]]);
  // A request has 16 MiB at most.
  const sizes = [];
  await run("blob", { create: written, write: (request) => { sizes.push(decodeFrame(request).body.length); } }, () => bucket("box").create("k").write(new Uint8Array(20 << 20)));
  assert.ok(sizes.every((n) => n < 16 << 20) && sizes.reduce((a, b) => a + b) === 20 << 20, sizes.join());
});
