import assert from "node:assert/strict";
import test from "node:test";
import { check } from "../src/internal/check.js";

const refs = [["object", { name: "string", children: ["union", ["array", ["ref", 0]], "undefined"] }, ["name"]]];

for (const [type, value, want] of [
  [null, { anything: [1] }, undefined],
  ["string", "a", undefined],
  ["string", 1, "must be a string, and is a number"],
  ["string", undefined, "is missing"],
  ["number", null, "must be a number, and is null"],
  ["boolean", true, undefined],
  ["bytes", new Uint8Array(1), undefined],
  ["bytes", "AA==", "must be bytes (binary/plain), and is a string"],
  ["string", new Uint8Array(1), "must be a string, and is bytes"],
  [["literal", "a"], "b", 'must be "a", and is a string'],
  [["union", ["literal", "a"], ["literal", "b"]], "b", undefined],
  [["union", "string", "undefined"], undefined, undefined],
  [["union", "string", "undefined"], 1, "must be a string, and is a number"],
  [["union", "string", ["array", "number"]], [1, "x"], "[1] must be a number, and is a string"],
  [["array", "number"], {}, "must be an array, and is an object"],
  [["tuple", ["number", "string"], 1], [1], undefined],
  [["tuple", ["number", "string"], 2], [1], "[1] is missing"],
  [["tuple", ["number"], 1], [1, 2], "has more than 1 elements"],
  [["tuple", ["number"], 1, "string"], [1, "a", 2], "[2] must be a string, and is a number"],
  [["ref", 0], { name: "a", children: [{ name: "b", extra: 1 }] }, undefined],
  [["ref", 0], { name: "a", children: [{}] }, ".children[0].name is missing"],
  [["ref", 0], [], "must be an object, and is an array"],
  [["object", { "a-b": "number" }, []], { "a-b": "c" }, '["a-b"] must be a number, and is a string'],
  [["object", {}, [], "number"], { x: 1, y: "2" }, ".y must be a number, and is a string"],
  [["object", {}, ["toString"]], {}, ".toString is missing"],
]) {
  test(`${JSON.stringify(type)} ${JSON.stringify(value)}`, () => assert.equal(check(type, value, refs), want));
}
