// Compiles modules/NAME.ts as a user's project would, and loads it. asc is looked for in node_modules, on PATH and in the
// repository's .toolchains.
import { spawnSync } from "node:child_process";
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { fileURLToPath } from "node:url";
import { load } from "../testing/index.js";

const sdk = fileURLToPath(new URL("..", import.meta.url));
const PATH = [join(sdk, "node_modules/.bin"), process.env.PATH, join(sdk, "../../.toolchains/assemblyscript/node_modules/.bin")].join(delimiter);

/** Compiles a source text; returns the module's bytes, or what the compiler has to say against it. */
export function compile(source, ...flags) {
  const dir = mkdtempSync(join(tmpdir(), "wasmworker-"));
  try {
    mkdirSync(join(dir, "node_modules"), { recursive: true });
    symlinkSync(sdk, join(dir, "node_modules/wasmworker-sdk-assemblyscript"), "dir");
    cpSync(join(sdk, "tests/modules"), join(dir, "assembly"), { recursive: true });
    writeFileSync(join(dir, "assembly/main.ts"), source);
    writeFileSync(join(dir, "asconfig.json"), JSON.stringify({
      extends: "./node_modules/wasmworker-sdk-assemblyscript/asconfig.json", entries: ["assembly/main.ts"], options: { outFile: "out.wasm" },
    }));
    const { status, stdout, stderr, error } = spawnSync("asc", flags, { cwd: dir, env: { ...process.env, PATH }, encoding: "utf8" });
    if (error) throw error;
    return status === 0 ? { wasm: readFileSync(join(dir, "out.wasm")), warnings: stdout + stderr } : { problem: stdout + stderr };
  } finally {
    rmSync(dir, { recursive: true });
  }
}

/** Compiles modules/NAME.ts and loads it. */
export async function compiled(name, ...flags) {
  const { wasm, problem, warnings } = compile(readFileSync(join(sdk, `tests/modules/${name}.ts`), "utf8"), ...flags);
  if (problem) throw new Error(problem);
  if (warnings) throw new Error(`the compiler warns: ${warnings}`);
  return load(wasm);
}
