// Joins the engine and the shim into one module, with the tools of npm's binaryen.

import { execFile } from "node:child_process";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { promisify } from "node:util";
import { dependency } from "./dependency.js";
import { TABLE_SIZE } from "./shim.js";

const run = promisify(execFile);

// What QuickJS and the shim are made of. Newer features would be refused by the host.
const FEATURES = ["--mvp-features", "--enable-bulk-memory", "--enable-bulk-memory-opt", "--enable-mutable-globals", "--enable-sign-ext",
  "--enable-nontrapping-float-to-int", "--enable-multivalue", "--enable-reference-types"];

/** Returns the engine with room in its function table for one more function. */
export function withLongerTable(engine) {
  const u32 = (at) => {
    for (let value = 0, shift = 0; ; shift += 7) {
      const b = engine[at++];
      value += (b & 0x7f) * 2 ** shift;
      if (b < 0x80) return [value, at];
    }
  };
  for (let at = 8; at < engine.length;) {
    const id = engine[at];
    const [size, start] = u32(at + 1);
    if (id === 4) {
      // One table of funcref without a maximum; its size takes two bytes, before and after.
      const [length, end] = u32(start + 3);
      if (engine[start] !== 1 || engine[start + 1] !== 0x70 || engine[start + 2] !== 0 || length !== TABLE_SIZE || end !== start + 5) break;
      const copy = Uint8Array.from(engine);
      copy[start + 3] = ((TABLE_SIZE + 1) & 0x7f) | 0x80;
      copy[start + 4] = (TABLE_SIZE + 1) >> 7;
      return copy;
    }
    at = start + size;
  }
  throw new Error("quickjs.wasm is not the one that this SDK was made for: install the exact version of quickjs-wasi that its package.json names");
}

/**
 * @param {Uint8Array} engine
 * @param {string} shim its text
 * @param {string[]} exports the names to keep; all others are removed, or the host would take the engine's for activities
 * @returns {Promise<Uint8Array>}
 */
export async function link(engine, shim, exports) {
  const binaryen = dirname(dependency("binaryen/package.json"));
  const folder = await mkdtemp(join(tmpdir(), "wasmworker-bundle-"));
  const file = (name) => join(folder, name);
  const tool = (name, ...args) => run(process.execPath, [join(binaryen, "bin", name), ...FEATURES, ...args]).catch((e) => {
    throw new Error(`${name} failed: ${e.stderr || e.message}`);
  });
  try {
    await writeFile(file("engine.wasm"), withLongerTable(engine));
    await writeFile(file("shim.wat"), shim);
    await writeFile(file("graph.json"), JSON.stringify(exports.map((name, i) => ({ name: `e${i}`, root: true, export: name }))));
    await tool("wasm-as", file("shim.wat"), "-o", file("shim.wasm"));
    // The shim comes first: where both export a name (_initialize), the later one's is renamed.
    await tool("wasm-merge", file("shim.wasm"), "env", file("engine.wasm"), "engine", "--rename-export-conflicts", "-o", file("merged.wasm"));
    await tool("wasm-metadce", file("merged.wasm"), "--graph-file", file("graph.json"), "-o", file("out.wasm"));
    return await readFile(file("out.wasm"));
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
