import assert from "node:assert/strict";
import test from "node:test";
import { BundleError, hostImports } from "../lib/bundle.js";
import { withNames } from "../lib/hooks.js";
import { decodeSlowly } from "../src/internal/globals.js";

const imports = (n) => Array.from({ length: n }, () => ({ path: "wasmworker:a/v1", kind: "import-statement" }));

test("which host functions a bundle imports", () => {
  const text = 'import { upper as u, deny } from "wasmworker:a/v1";\nvar x;\nimport { upper } from "wasmworker:a/v1";\nimport "wasmworker:b/v1";\n';
  assert.deepEqual(hostImports(text, imports(3)), [{ module: "wasmworker:a/v1", name: "upper" }, { module: "wasmworker:a/v1", name: "deny" }]);
  assert.throws(() => hostImports('import * as a from "wasmworker:a/v1";', imports(1)), BundleError);
  assert.throws(() => hostImports('export { a } from "wasmworker:a/v1";', imports(1)), BundleError);
  assert.throws(() => hostImports("", [{ path: "wasmworker:a/v1", kind: "dynamic-import" }]), BundleError);
});

test("the same, for tests", () => {
  assert.equal(withNames('import { upper as u, deny } from "wasmworker:a/v1";\nimport x from "y";'),
    'import { upper as u, deny } from "wasmworker:a/v1#upper,deny";\nimport x from "y";');
});

test("UTF-8 that is none", () => {
  for (const bytes of [[], [0x41, 0xff, 0x42], [0xe2, 0x98], [0xe2, 0x98, 0x83], [0xed, 0xa0, 0x80], [0xf0, 0x9f, 0x9a, 0x80, 0xc3], [0xc0, 0x80], [0xf4, 0x90, 0x80, 0x80], [0xe0, 0x9f, 0x41]]) {
    assert.equal(decodeSlowly(Uint8Array.from(bytes), false), new TextDecoder("utf-8", { ignoreBOM: true }).decode(Uint8Array.from(bytes)), bytes.join());
  }
  assert.throws(() => decodeSlowly(Uint8Array.of(0xff), true), TypeError);
});
