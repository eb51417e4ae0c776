import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";

// Not by import: require also looks at NODE_PATH, for tools that are installed apart from this package.
const require = createRequire(import.meta.url);

/** The path of a file of a package that this one depends on. */
export function dependency(name) {
  try {
    return require.resolve(name);
  } catch {
    throw new Error(`cannot find ${name}: run npm install`);
  }
}

/** What a package exports, be it an ES module or not. */
export async function load(name) {
  const module = await import(pathToFileURL(dependency(name)).href);
  return module.default ?? module;
}
