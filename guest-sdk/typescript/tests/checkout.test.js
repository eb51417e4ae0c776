import assert from "node:assert/strict";
import { cpSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import test from "node:test";
import { fileURLToPath } from "node:url";
import { readTypes } from "../lib/types.js";

test("a project that has not installed the SDK gets its types from the bundler's own folder", async () => {
  const template = fileURLToPath(new URL("../../../templates/typescript", import.meta.url));
  const folder = mkdtempSync(join(tmpdir(), "wasmworker-"));
  try {
    for (const part of ["tsconfig.json", "src"]) cpSync(join(template, part), join(folder, part), { recursive: true });
    const { functions, problems } = await readTypes(join(folder, "src", "index.ts"));
    assert.deepEqual(problems, []);
    assert.deepEqual(functions.map((a) => a.name), ["greet"]);
  } finally {
    rmSync(folder, { recursive: true });
  }
});
