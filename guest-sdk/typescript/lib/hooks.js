// Hooks of Node.js's module loader: TypeScript is compiled by esbuild, and imports from host modules
// become functions that ask the environment of the test.

import { existsSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { load as dependency } from "./dependency.js";

const sdk = new URL("../src/", import.meta.url).href;
const passthrough = `${sdk}passthrough.js`;

export async function resolve(specifier, context, next) {
  if (specifier.startsWith("wasmworker:")) return { url: specifier, shortCircuit: true };
  if (/^\.{1,2}\//.test(specifier) && context.parentURL?.startsWith("file:")) {
    // As TypeScript and bundlers do: ./x is ./x.ts, and so is ./x.js.
    for (const candidate of [specifier, specifier.replace(/\.([cm]?)js$/, ".$1ts"), `${specifier}.ts`, `${specifier}/index.ts`, `${specifier}.js`]) {
      const url = new URL(candidate, context.parentURL);
      if (/\.[cm]?[jt]s$/.test(candidate) && existsSync(url)) return next(url.href, context);
    }
  }
  return next(specifier, context);
}

export async function load(url, context, next) {
  if (url.startsWith("wasmworker:")) {
    const [module, names = ""] = url.split("#");
    return {
      format: "module",
      shortCircuit: true,
      source: [
        `import { passthroughFunction } from ${JSON.stringify(passthrough)};`,
        // A name may be a word of the language, such as delete.
        ...names.split(",").filter(Boolean).map((name, i) => `const f${i} = passthroughFunction(${JSON.stringify(module)}, ${JSON.stringify(name)}, 0); export { f${i} as ${name} };`),
      ].join("\n"),
    };
  }
  if (!url.startsWith("file:") || (url.includes("/node_modules/") && !url.startsWith(sdk)) || !/\.([cm]?ts|m?js)$/.test(url)) return next(url, context);
  const path = fileURLToPath(url);
  const text = await readFile(path, "utf8");
  const typescript = /\.[cm]?ts$/.test(path);
  if (!typescript && !text.includes("wasmworker:")) return next(url, context);
  const { transform } = await dependency("esbuild");
  const { code } = await transform(text, {
    loader: typescript ? "ts" : "js", format: "esm", target: `node${process.versions.node}`, sourcefile: path, sourcemap: "inline",
  });
  return { format: "module", shortCircuit: true, source: withNames(code) };
}

/** Tells in the specifier of a host module which functions are imported, since the module has to be made of them. */
export function withNames(code) {
  return code.replace(/^(import\s*\{([^}]*)\}\s*from\s*"wasmworker:[^"#]+)"/gm, (_, head, names) => {
    const list = names.split(",").map((n) => n.trim().split(/\s+as\s+/)[0]).filter(Boolean);
    return `${head}#${list.join(",")}"`;
  });
}
