import assert from "node:assert/strict";
import test, { before } from "node:test";
import { compiled } from "./compile.js";

let module;
before(async () => { module = await compiled("json"); });

const text = (data) => ({ encoding: "json/plain", data: new TextEncoder().encode(data) });

async function result(activity, ...args) {
  const { result, failure } = await module.run(activity, ...args);
  assert.equal(failure, undefined, `${activity} ${JSON.stringify(args)}: ${JSON.stringify(failure)}`);
  return result;
}

async function refused(activity, json, message) {
  const { failure } = await module.run(activity, text(json));
  assert.ok(failure, `${activity} took ${json}`);
  assert.equal(failure.type, "InvalidInput");
  assert.equal(failure.non_retryable, true);
  assert.match(failure.message, message, json);
}

test("a class with fields of all types", async () => {
  const defaults = {
    id: "i", count: 3, flag: true, small: 1, byte: 2, long: -3, unsigned: 4, single: 0.5, double: 0.25, color: 1, text: null, 'a "name"': "r", points: [],
    nested: null, by_name: {}, any: null, kept: 6,
  };
  assert.deepEqual(await result("all", { id: "i", count: 3 }), defaults);
  const full = {
    id: "j", count: -3, flag: false, small: -128, byte: 255, long: -9007199254740991, unsigned: 9007199254740991, single: -1.5, double: 1e-7, color: 2, text: "t",
    'a "name"': "ř", points: [{ x: 1, y: 2 }, { x: -0.5, y: 0 }], nested: { x: 1, y: 2 }, by_name: { "": [], k: [1, 2] },
    any: { a: [null, true, "x", { b: 1.50 }] }, kept: 8,
  };
  assert.deepEqual(await result("all", full), full);
  assert.deepEqual(await result("all", { ...full, secret: 42, shared: "ignored", unknown: [{}] }), full);
  assert.deepEqual((await result("all", { id: "i", count: 3, points: [{ x: 1 }] })).points, [{ x: 1, y: 7 }]);
});

test("type parameters and recursion", async () => {
  const pair = { first: "f", second: { first: 1, second: true } };
  assert.deepEqual(await result("pair", pair), pair);
  const tree = { name: "root", children: [{ name: "a", children: [] }, { name: "b", children: [{ name: "c", children: [] }] }] };
  assert.deepEqual(await result("tree", tree), tree);
});

test("messages name the argument, the place and what is wrong", async () => {
  await refused("all", `{"count":1}`, /^argument 1 \(a\): id is missing$/);
  await refused("all", `{"id":"i"}`, /^argument 1 \(a\): count is missing$/);
  await refused("all", `{"id":null,"count":1}`, /: id is null, not a string$/);
  await refused("all", `{"id":"i","count":1.5}`, /: count is 1\.5, which is not a whole number$/);
  await refused("all", `{"id":"i","count":2147483648}`, /: count is 2147483648, which is too large for i32$/);
  await refused("all", `{"id":"i","count":1,"byte":-1}`, /: byte is -1, which is too large for u8$/);
  await refused("all", `{"id":"i","count":1,"points":[{"x":1},{"x":"1"}]}`, /: points\[1\]\.x is a string, not a number$/);
  await refused("all", `{"id":"i","count":1,"points":[{}]}`, /: points\[0\]\.x is missing$/);
  await refused("all", `{"id":"i","count":1,"by_name":{"k":[1,true]}}`, /: by_name\.k\[1\] is true or false, not a number$/);
  await refused("all", `[]`, /^argument 1 \(a\) is an array, not an object$/);
  await refused("all", `null`, /^argument 1 \(a\) is null, not an object$/);
  await refused("float", `1e400`, /is 1e400, which is too large for a number$/);
  await refused("flag", `1`, /is a number, not true or false$/);
});

test("missing and null arguments", async () => {
  assert.match((await module.run("text")).failure.message, /^argument 1 \(s\) is missing$/);
  assert.match((await module.run("text", null)).failure.message, /^argument 1 \(s\) is null$/);
  assert.equal((await module.run("nullable")).encoding, "binary/null");
  assert.equal((await module.run("nullable", null)).encoding, "binary/null");
  assert.equal(await result("nullable", text("null")), null);
  assert.equal(await result("nullable", "x"), "x");
  assert.equal(await result("optional", 1), "1 10 c");
  assert.equal(await result("optional", 1, 2), "1 2 c");
  assert.equal(await result("optional", 1, 2, null), "1 2 null");
  assert.equal(await result("rest", 1, null, "x", new Uint8Array(1)), 103);
  assert.equal(await result("raw", new Uint8Array(5)), 5);
  assert.match((await module.run("raw", "x")).failure.message, /has the encoding json\/plain, not binary\/plain$/);
  assert.match((await module.run("text", new Uint8Array(5))).failure.message, /has the encoding binary\/plain, not json\/plain$/);
});

test("what is not JSON", async () => {
  const wrong = [
    "", " ", "{", "[", "[1", "[1,", "[1,]", "[,1]", "[1 2]", "{]", "[}", '{"a"}', '{"a":}', '{"a":1,}', '{,"a":1}', "{a:1}", "{'a':1}", "{1:1}", '{"a":1 "b":2}',
    "01", "-", "+1", ".5", "1.", "1e", "1e+", "0x1", "1.e5", "-a", "NaN", "Infinity", "-Infinity", "nul", "nulll", "True", "tru", "undefined", "1 2", "[] []",
    '"', '"a', '"\\"', '"\\x"', '"\\u12"', '"\\u12g4"', '"\\', '"\t"', '"\n"', '"\u0000"', "'a'", "\ufeff1", "\u00a01", "/**/1", "//\n1",
  ];
  for (const json of wrong) {
    assert.throws(() => JSON.parse(json), `JSON.parse takes ${json}`);
    for (const activity of ["any", "text", "float", "floats", "all", "flag", "tree"]) {
      const { failure } = await module.run(activity, text(json));
      assert.equal(failure?.type, "InvalidInput", `${activity} took ${json}`);
    }
    // and as something that is skipped
    if (!json.startsWith("1 ") && !json.startsWith("[] ")) await refused("tree", `{"unknown":${json}`, /not JSON/);
  }
});

test("strings that are not UTF-8", async () => {
  for (const bytes of [[0x80], [0xC0, 0x80], [0xC1, 0xBF], [0xC3], [0xE0, 0x80, 0x80], [0xED, 0xA0, 0x80], [0xE2, 0x82], [0xF0, 0x80, 0x80, 0x80],
    [0xF4, 0x90, 0x80, 0x80], [0xF5, 0x80, 0x80, 0x80], [0xFF], [0xC3, 0x28]]) {
    const { failure } = await module.run("text", { encoding: "json/plain", data: Uint8Array.from([0x22, ...bytes, 0x22]) });
    assert.match(failure?.message ?? "", /is not JSON: a string is not UTF-8, at byte 1/, bytes.join());
  }
});

test("strings round trip", async () => {
  let all = "";
  for (let c = 0; c < 0x3000; c++) all += String.fromCharCode(c);
  for (const s of ["", "a", "é", "€", "😀", all, "\ud800", "\udc00x", "\ud800\ud800\udc00", "\uffff", "x".repeat(3000)]) {
    assert.equal(await result("text", s), s);
    assert.equal(await result("any", s), s);
  }
  assert.equal(await result("text", text(String.raw`"\"\\\/\b\f\n\r\t\u0041\u00e9\uD83D\uDE00\uABCD"`)), "\"\\/\b\f\n\r\tAé😀ꯍ");
});

test("depth has a limit", async () => {
  const nested = (n) => "[".repeat(n) + "]".repeat(n);
  assert.deepEqual(await result("any", text(nested(256))), JSON.parse(nested(256)));
  for (const n of [257, 1000, 500000]) {
    await refused("any", nested(n), /nested more than 256 deep/);
    await refused("tree", `{"skipped":${nested(n)}}`, /nested more than 256 deep/);
    await refused("tree", `{"children":[`.repeat(n), /nested more than 256 deep/);
  }
  const { failure } = await module.run("cycle");
  assert.equal(failure.type, "InvalidOutput");
  assert.match(failure.message, /nested more than 256 deep/);
});

test("whole numbers", async () => {
  const digits = async (activity, json) => new TextDecoder().decode((await module.run(activity, text(json))).data);
  for (const n of ["0", "-0", "1", "-1", "127", "-128"]) assert.equal(await result("byte", text(n)), Number(n) + 0);
  for (const n of ["128", "-129", "1e3", "99999999999999999999", "-99999999999999999999"]) await refused("byte", n, /too large for i8/);
  for (const n of ["9223372036854775807", "-9223372036854775808", "1000000000000000001"]) assert.equal(await digits("long", n), n);
  for (const n of ["9223372036854775808", "-9223372036854775809", "18446744073709551616"]) await refused("long", n, /too large for i64/);
  assert.equal(await digits("unsigned", "18446744073709551615"), "18446744073709551615");
  for (const n of ["18446744073709551616", "-1"]) await refused("unsigned", n, /too large for u64/);
  assert.equal(await result("long", text("3.0")), 3);
  assert.equal(await result("long", text("-12e2")), -1200);
  for (const n of ["0.5", "1e-1", "9007199254740993.0"]) await refused("long", n, /not a whole number/);
});

test("floating point is rounded correctly", async () => {
  const numbers = [
    "0", "-0", "1", "0.1", "1e23", "8.5e22", "9007199254740993", "9007199254740992.5",
    "9007199254740993.00000000000000000000001", "123456789012345678901234567890",
    "1.1894548156105827e+52", "-2.1301459774902482e+42", "5e-324", "2.4703282292062327e-324", "2.4703282292062328e-324",
    "2.2250738585072011e-308", "2.2250738585072014e-308",
    "1.7976931348623157e308", "1e-400", "0e999999999999", "0.000000000000000000000000000000000000001e39", "100000000000000000000000000000000e-32",
    "4.35", "0.3", "2.2250738585072012e-308", "6.929001713869936e+236", "7.2057594037927933e16", `0.${"0".repeat(400)}1e400`, `1${"0".repeat(300)}`,
    `9007199254740992.${"0".repeat(900)}1`, `9007199254740993.${"0".repeat(900)}1`, "1.00000000000000011102230246251565404", "1.00000000000000011102230246251565405",
  ];
  const view = new DataView(new ArrayBuffer(8));
  let seed = 1n;
  for (let i = 0; i < 20000; i++) {
    seed = BigInt.asUintN(64, seed * 6364136223846793005n + 1442695040888963407n);
    view.setBigUint64(0, seed ^ seed >> 29n);
    const x = view.getFloat64(0);
    if (Number.isFinite(x)) numbers.push(String(x), x.toExponential(25));
  }
  const read = await result("floats", text(`[${numbers.join(",")}]`));
  numbers.forEach((n, i) => assert.ok(Object.is(read[i], Number(n)) || read[i] === 0 && Number(n) === 0, `${n} became ${read[i]}`));
});

test("a number that JSON cannot hold", async () => {
  const { failure } = await module.run("nan");
  assert.equal(failure.type, "InvalidOutput");
  assert.match(failure.message, /^the result has a number that JSON cannot hold: NaN$/);
  const attributes = await module.run("bad_attributes");
  assert.match(attributes.failure.message, /^the result has a number that JSON cannot hold: Infinity$/);
  assert.deepEqual(attributes.logs[0].attributes, { attributes_problem: "has a number that JSON cannot hold: Infinity" });
});

test("values of any kind", async () => {
  const value = { b: [1, -2.5e10, "x", null, true, false, [], {}], "": { "é": "\u0001" } };
  assert.deepEqual(await result("any", value), value);
  assert.equal(await result("any", null), null);
  assert.equal(await result("numbers", { a: -42, b: 1e-3, c: true, d: null }), "-42 0.001 other true 4 true");
  assert.deepEqual(await result("dynamic"), { a: [1, 2], b: "x", c: { x: 1, y: 2 } });
});

test("JSON.parse gives errors as values", async () => {
  assert.equal(await result("parse", `{"id":"i","count":1,"points":[{"x":1}]}`), "1");
  assert.deepEqual((await module.run("parse", "{}")).failure, { message: "id is missing", type: "Bad", non_retryable: true });
});

test("the collector finds every root", async () => {
  const one = { id: "i", count: 3, points: [{ x: 1 }, { x: 2, y: 3 }], by_name: { k: [1, 2] }, any: [null, { z: "y" }] };
  const { data } = await module.run("all", one);
  assert.equal(await result("many", 20000), 20000 * data.length + 200 * (2 + 3 + 1));
});
