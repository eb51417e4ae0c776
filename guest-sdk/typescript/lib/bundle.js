// From the sources of activities, or of workflows, to a WebAssembly module.

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
 * @param {string} options.entry the entry module: each function that it exports becomes an activity, or a workflow if the sources import wasmworker-sdk/workflow
 * @param {boolean} [options.check] refuse sources with type errors; true by default
 * @param {boolean} [options.minify] make the script smaller; stack traces then name no useful lines. False by default
 * @param {boolean} [options.tryOut] run the module's `_initialize` once, to find errors at the top level of the sources; true by default
 * @returns {Promise<{wasm: Uint8Array, activities: string[], workflows: string[], imports: string[], warnings: string[]}>}
 * @throws {BundleError} something is wrong with the sources
 */
export async function bundle({ entry, check = true, minify = false, tryOut: trial = true }) {
  if (!existsSync(entry)) throw new BundleError(`${entry}: there is no such file`);
  const esbuild = await load("esbuild");
  const warnings = [];

  // The first passes find out which host functions are imported and which of them are used, and find syntax errors. A module asks
  // for the grants of what it uses, so these are its imports.
  const all = { entry, source: `export * from ${JSON.stringify(`./${basename(entry)}`)};`, minify: false };
  const { imports: declared, inputs } = await script(esbuild, all);
  const kind = kindOf(inputs, declared);
  const { imports } = await script(esbuild, { ...all, used: true });
  const { functions, skipped, problems } = await readTypes(entry);
  if (problems.length > 0 && check) throw new BundleError(problems.join("\n"));
  const a = kind === "workflow" ? "a workflow" : "an activity";
  // Workflows export the definitions of their signals, too.
  if (kind === "activity") for (const name of skipped) warnings.push(`the export ${name} is not a function, and so not an activity`);
  const exported = functions.filter(({ name }) => {
    if (name === "default") throw new BundleError(`${entry}: the default export has no name that ${a} could have: export it by a name`);
    if (RESERVED.has(name) || name.startsWith("asyncify_") || name.startsWith("cabi_")) throw new BundleError(`${entry}: the host never takes the export ${name} for ${a}: choose another name`);
    if (name.startsWith("_")) warnings.push(`the export ${name} is not ${a}, because its name begins with _`);
    return !name.startsWith("_");
  });
  if (exported.length === 0) throw new BundleError(`${entry}: it exports no function, and so has no ${kind}`);

  const source = [
    `import { start } from ${JSON.stringify(join(sdk, kind === "workflow" ? "workflow" : "internal", "entry.js"))};`,
    `import * as exported from ${JSON.stringify(`./${basename(entry)}`)};`,
    "start([",
    // No call through the namespace: this is undefined, as for any imported function.
    ...exported.map(({ name, params }) => `  { run: (0, exported[${JSON.stringify(name)}]), params: ${params === undefined ? "undefined" : JSON.stringify(params)} },`),
    "]);",
  ].join("\n");
  const unused = declared.filter(({ module, name }) => !imports.some((i) => i.module === module && i.name === name));
  const { code, warnings: more } = await script(esbuild, { entry, source, minify, kind, imports: [...imports, ...unused] });
  warnings.push(...more);

  const engine = await readFile(dependency("quickjs-wasi/quickjs.wasm"));
  const bytecode = await compile(engine, code);
  const names = exported.map(({ name }) => name);
  const wasm = await link(engine, shim({ kind, names, passthrough: imports, bytecode }), [...names, "memory", "_initialize"]);
  if (trial) await tryOut(wasm).catch((e) => { throw new BundleError(e.message); });
  const [activities, workflows] = kind === "workflow" ? [[], names] : [names, []];
  return { wasm, activities, workflows, imports: [...new Set(imports.map(({ module }) => module))], warnings };
}

/**
 * What the functions of the sources are, which the part of the SDK that they import tells: a module has one kind of them.
 *
 * @param {Record<string, {imports: {path: string}[]}>} inputs esbuild's, of the sources with all that they import
 * @param {{module: string}[]} declared functions of host modules
 */
function kindOf(inputs, declared) {
  const importers = new Map(); // file of the SDK -> a file of the user's that imports it
  for (const [from, { imports }] of Object.entries(inputs)) {
    if (resolve(from).startsWith(sdk)) continue;
    for (const { path, external } of imports) if (!external && resolve(path).startsWith(sdk)) importers.set(basename(path), from);
  }
  const workflow = importers.get("workflow.js");
  if (workflow === undefined) return "activity";
  const instead = "a module has workflows or activities, and never both: build two modules, and let the workflow call activities by their names";
  for (const [file, from] of importers) {
    if (file === "workflow.js") continue;
    const name = file === "index.js" ? "wasmworker-sdk" : `wasmworker-sdk/${basename(file, ".js")}`;
    throw new BundleError(`${workflow} imports wasmworker-sdk/workflow, and ${from} imports ${name}, which is for activities: ${instead}`);
  }
  if (declared.length > 0) throw new BundleError(`${workflow} imports wasmworker-sdk/workflow, and the sources import ${declared[0].module}, which is for activities: ${instead}`);
  return "workflow";
}

/** Bundles the sources into one script. Without imports, host modules stay imports, and are returned: all, or those that are used. */
async function script(esbuild, { entry, source, minify, kind, imports, used }) {
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
    keepNames: minify || kind === "workflow", // the names of errors are their types, and those of functions the types of workflows
    // What asynchronous functions wait for is seen by src/workflow/context.js, if they are generators. It ends at the top level.
    supported: kind === "workflow" ? { "async-await": false, "async-generator": false, "for-await": false } : {},
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
  if (imports === undefined) return { imports: hostImports(text, Object.values(result.metafile.outputs).flatMap((o) => o.imports)), inputs: result.metafile.inputs };
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
        if (/^wasmworker:workflow\/v\d+$/.test(path)) return { errors: [{ text: `${path} is imported by the SDK; use the functions of wasmworker-sdk/workflow` }] };
        if (!/^wasmworker:[^/]+\/v\d+$/.test(path)) return { errors: [{ text: `${path} is not the name of a host module: these are wasmworker:<name>/v<version>` }] };
        return imports === undefined ? { path, external: true, sideEffects: !used } : { path, namespace: "wasmworker" };
      });
      build.onResolve({ filter: /^wasmworker-sdk$/ }, () => ({ path: join(sdk, "index.js") }));
      build.onResolve({ filter: /^wasmworker-sdk\/(blob|config|http|secret|sql|workflow)$/ }, ({ path }) => ({ path: join(sdk, `${basename(path)}.js`) }));
      build.onResolve({ filter: /^node:/ }, ({ path }) => ({ errors: [{ text: `${path} is a module of Node.js, which a sandboxed activity or workflow does not have` }] }));
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
