import assert from "node:assert/strict";
import test from "node:test";
import { mapStack } from "../src/internal/stack.js";
import { lineTable } from "../lib/sourcemap.js";

// Two lines of a.ts (its lines 3 and 4), a line of the bundler's own, one of b.ts (its line 1), and one of hidden.js.
const map = { sources: ["a.ts", "b.ts", "hidden.js"], mappings: ";AAEA;AACA;;ACHA;ACAA" };
const table = lineTable(map, (path) => (path === "hidden.js" ? undefined : `src/${path}`));

test("a table of lines", () => {
  assert.deepEqual(table, { sources: ["src/a.ts", "src/b.ts"], runs: [[2, 0, 3], [5, 1, 1], [6, -1, 0]] });
});

test("a stack trace", () => {
  const stack = "    at f (bundle.js:3:9)\n    at map (native)\n    at g (bundle.js:5)\n    at run (bundle.js:6:1)\n    at h (bundle.js:1:1)\n";
  assert.equal(mapStack(stack, { file: "bundle.js", ...table }), "    at f (src/a.ts:4)\n    at g (src/b.ts:1)");
  assert.equal(mapStack(undefined), "");
  assert.equal(mapStack("    at x (y.js:1)\n", {}), "    at x (y.js:1)");
});
