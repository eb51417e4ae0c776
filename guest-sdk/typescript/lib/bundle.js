// From the sources of activities to a WebAssembly module.

import { existsSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { basename, dirname, join, relative, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { dependency, load } from "./dependency.js";
import { link } from "./link.js";
import { shim } from "./shim.js";
import { lineTable } from "./sourcemap.js";
import { tryOut } from "./tryout.js";
import { readTypes } from "./types.js";

const sdk = join(dirname(fileURLToPath(import.meta.url)), "..", "src");

// Names that the host does not take for activities, see "Kinds of module" in the guest contract.
const RESERVED = new Set(["memory", "malloc", "free", "realloc", "calloc", "go_scheduler"]);

// How stack traces call the bundle before they are mapped to the sources.
const BUNDLE = "bundle.js";

const LINES = "@@wasmworker:lines@@";

/** An error of the user's sources, whose message is all there is to say. */
export class BundleError extends Error {}

/**
 * Builds a module.
 *
 * @param {object} options
 * @param {string} options.entry the entry module: each function that it exports becomes an activity
 * @param {boolean} [options.check] refuse sources with type errors; true by default
 * @param {boolean} [options.minify] make the script smaller; stack traces then name no useful lines. False by default
 * @param {boolean} [options.tryOut] run the module's `_initialize` once, to find errors at the top level of the sources; true by default
 * @returns {Promise<{wasm: Uint8Array, activities: string[], imports: string[], warnings: string[]}>}
 * @throws {BundleError} something is wrong with the sources
 */
export async function bundle({ entry, check = true, minify = false, tryOut: trial = true }) {
  if (!existsSync(entry)) throw new BundleError(`${entry}: there is no such file`);
  const esbuild = await load("esbuild");
  const warnings = [];

  // The first passes find out which host functions are imported and which of them are used, and find syntax errors. A module asks
  // for the grants of what it uses, so these are its imports.
  const all = { entry, source: `export * from ${JSON.stringify(`./${basename(entry)}`)};`, minify: false };
  const { imports: declared } = await script(esbuild, all);
  const { imports } = await script(esbuild, { ...all, used: true });
  const { activities, skipped, problems } = await readTypes(entry);
  if (problems.length > 0 && check) throw new BundleError(problems.join("\n"));
  for (const name of skipped) warnings.push(`the export ${name} is not a function, and so not an activity`);
  const exported = activities.filter(({ name }) => {
    if (name === "default") throw new BundleError(`${entry}: the default export has no name that an activity could have: export it by a name`);
    if (RESERVED.has(name) || name.startsWith("asyncify_") || name.startsWith("cabi_")) throw new BundleError(`${entry}: the host never takes the export ${name} for an activity: choose another name`);
    if (name.startsWith("_")) warnings.push(`the export ${name} is not an activity, because its name begins with _`);
    return !name.startsWith("_");
  });
  if (exported.length === 0) throw new BundleError(`${entry}: it exports no function, and so has no activity`);

  const source = [
    `import { start } from ${JSON.stringify(join(sdk, "internal", "entry.js"))};`,
    `import * as activities from ${JSON.stringify(`./${basename(entry)}`)};`,
    "start([",
    // No call through the namespace: the activities' this is undefined, as for any imported function.
    ...exported.map(({ name, params }) => `  { run: (0, activities[${JSON.stringify(name)}]), params: ${params === undefined ? "undefined" : JSON.stringify(params)} },`),
    "]);",
  ].join("\n");
  const unused = declared.filter(({ module, name }) => !imports.some((i) => i.module === module && i.name === name));
  const { code, warnings: more } = await script(esbuild, { entry, source, minify, imports: [...imports, ...unused] });
  warnings.push(...more);

  const engine = await readFile(dependency("quickjs-wasi/quickjs.wasm"));
  const bytecode = await compile(engine, code);
  const names = exported.map(({ name }) => name);
  const wasm = await link(engine, shim({ activities: names, passthrough: imports, bytecode }), [...names, "memory", "_initialize"]);
  if (trial) await tryOut(wasm).catch((e) => { throw new BundleError(e.message); });
  return { wasm, activities: names, imports: [...new Set(imports.map(({ module }) => module))], warnings };
}

/** Bundles the sources into one script. Without imports, host modules stay imports, and are returned: all, or those that are used. */
async function script(esbuild, { entry, source, minify, imports, used }) {
  const options = {
    stdin: { contents: source, resolveDir: dirname(resolve(entry)), sourcefile: "wasmworker-entry.js", loader: "js" },
    absWorkingDir: process.cwd(),
    bundle: true,
    write: false,
    outfile: BUNDLE,
    format: "esm",
    platform: "neutral",
    mainFields: ["module", "main"],
    conditions: ["wasmworker", "worker", "module", "import"],
    target: "es2023",
    charset: "utf8",
    legalComments: "none",
    keepNames: minify, // the names of errors are their types
    minify,
    treeShaking: true,
    sourcemap: "external",
    sourcesContent: false,
    metafile: true,
    logLevel: "silent",
    banner: { js: `globalThis.wasmlines=${JSON.stringify(LINES)};` },
    define: { "process.env.NODE_ENV": '"production"' },
    plugins: [plugin(imports, used)],
  };
  let result;
  try {
    result = await esbuild.build(options);
  } catch (e) {
    if (!Array.isArray(e.errors)) throw e;
    throw new BundleError(e.errors.map(message).join("\n"));
  }
  const text = result.outputFiles.find((f) => f.path.endsWith(BUNDLE)).text;
  if (imports === undefined) return { imports: hostImports(text, Object.values(result.metafile.outputs).flatMap((o) => o.imports)) };
  const table = lineTable(JSON.parse(result.outputFiles.find((f) => f.path.endsWith(".map")).text), (path) => {
    const absolute = resolve(path);
    return absolute.startsWith(sdk) || path.endsWith("wasmworker-entry.js") || path.includes("wasmworker:") ? undefined
      : relative(process.cwd(), absolute).replaceAll("\\", "/");
  });
  return { code: text.replace(JSON.stringify(LINES), () => JSON.stringify({ file: BUNDLE, ...table })), warnings: result.warnings.map(message) };
}

function message({ text, location }) {
  if (!location) return text;
  return `${location.file}:${location.line}:${location.column + 1}: ${text}\n    ${location.lineText.trimEnd()}`;
}

// Resolves the SDK itself to this package, and wasmworker:<name>/v<version> to functions.
function plugin(imports, used) {
  return {
    name: "wasmworker",
    setup(build) {
      build.onResolve({ filter: /^wasmworker:/ }, ({ path }) => {
        if (/^wasmworker:(activity|log)\/v\d+$/.test(path)) return { errors: [{ text: `${path} is imported by the SDK; use the functions of wasmworker-sdk` }] };
        if (!/^wasmworker:[^/]+\/v\d+$/.test(path)) return { errors: [{ text: `${path} is not the name of a host module: these are wasmworker:<name>/v<version>` }] };
        return imports === undefined ? { path, external: true, sideEffects: !used } : { path, namespace: "wasmworker" };
      });
      build.onResolve({ filter: /^wasmworker-sdk$/ }, () => ({ path: join(sdk, "index.js") }));
      build.onResolve({ filter: /^wasmworker-sdk\/(blob|config|http|secret|sql)$/ }, ({ path }) => ({ path: join(sdk, `${basename(path)}.js`) }));
      build.onResolve({ filter: /^node:/ }, ({ path }) => ({ errors: [{ text: `${path} is a module of Node.js, which a sandboxed activity does not have` }] }));
      build.onLoad({ filter: /.*/, namespace: "wasmworker" }, ({ path }) => ({
        contents: [
          `import { passthroughFunction } from ${JSON.stringify(join(sdk, "passthrough.js"))};`,
          ...imports.map(({ module, name }, i) => (module === path
            ? `const f${i} = /* @__PURE__ */ passthroughFunction(${JSON.stringify(module)}, ${JSON.stringify(name)}, ${i}); export { f${i} as ${JSON.stringify(name)} };` : "")),
        ].join("\n"),
        resolveDir: sdk,
        loader: "js",
      }));
    },
  };
}

/** The functions that a bundle imports from host modules, in the order in which it names them. */
export function hostImports(text, expected) {
  const found = [];
  let statements = 0;
  for (const [statement, clause, path] of text.matchAll(/^(?:import|export)\s*([^"'`;]*?)\s*(?:\bfrom\s*)?"(wasmworker:[^"]+)"/gm)) {
    statements++;
    const names = /^\{(.*)\}$/s.exec(clause);
    if (names === null || statement.startsWith("export")) {
      if (clause === "") continue; // imported for its side effects, of which it has none
      throw new BundleError(`${statement}: import the functions of a host module by name, as in import { upper } from "${path}"`);
    }
    for (const item of names[1].split(",")) {
      const name = /^\s*("(?:[^"\\]|\\.)*"|[^\s]+)/.exec(item)?.[1];
      if (name === undefined) continue;
      const plain = name.startsWith('"') ? JSON.parse(name) : name;
      if (plain === "default") throw new BundleError(`${path} has no default export: import its functions by name`);
      if (!found.some((f) => f.module === path && f.name === plain)) found.push({ module: path, name: plain });
    }
  }
  const wanted = expected.filter((i) => i.path.startsWith("wasmworker:"));
  if (wanted.some((i) => i.kind !== "import-statement") || wanted.length !== statements) {
    throw new BundleError("host modules can be imported by import statements only, not by import() or require()");
  }
  return found;
}

/** Compiles the script with the engine that will run it. */
async function compile(engine, code) {
  const { QuickJS, EvalFlags, CompileFlags } = await load("quickjs-wasi");
  const vm = await QuickJS.create({ wasm: engine });
  try {
    return vm.compile(code, BUNDLE, EvalFlags.TYPE_MODULE, CompileFlags.STRIP_SOURCE);
  } catch (e) {
    throw new BundleError(`QuickJS cannot compile the bundle: ${e.message}`);
  }
}
