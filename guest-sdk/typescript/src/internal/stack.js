// Stack traces name lines of the bundle. The bundler leaves a table behind that leads
// from there to the lines of the sources.

const table = globalThis.wasmlines;
delete globalThis.wasmlines;

/**
 * A run [line, source, original] says: from this line of the bundle on, up to the next run, lines are those of
 * the source from its line original on. Source -1 is none of the user's.
 */
export function lookup(runs, line) {
  let low = 0;
  let high = runs.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (runs[middle][0] <= line) low = middle + 1;
    else high = middle;
  }
  return runs[low - 1];
}

/** Replaces the bundle's lines by the sources', and leaves out what is the SDK's own. */
export function mapStack(stack, { file, sources, runs } = table ?? {}) {
  if (typeof stack !== "string") return "";
  if (file === undefined) return stack.trimEnd();
  const lines = [];
  for (const text of stack.trimEnd().split("\n")) {
    const at = text.lastIndexOf(`${file}:`);
    if (at < 0) {
      if (!text.includes("(native)")) lines.push(text);
      continue;
    }
    const m = /^(\d+)(?::(\d+))?/.exec(text.slice(at + file.length + 1));
    const run = m === null ? undefined : lookup(runs, Number(m[1]));
    if (run === undefined || run[1] < 0) continue;
    lines.push(`${text.slice(0, at)}${sources[run[1]]}:${run[2] + Number(m[1]) - run[0]}${text.slice(at + file.length + 1 + m[0].length)}`);
  }
  return lines.join("\n");
}
