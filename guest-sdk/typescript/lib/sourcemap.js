const DIGITS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/**
 * Makes the table of src/internal/stack.js out of a source map: which line of which source a line of the bundle begins with.
 *
 * @param {{sources: string[], mappings: string}} map
 * @param {(path: string) => string | undefined} nameOf how stack traces are to call a source; undefined: not at all
 * @returns {{sources: string[], runs: [number, number, number][]}} lines count from 1
 */
export function lineTable(map, nameOf) {
  const names = map.sources.map(nameOf);
  const sources = [];
  const numbers = names.map((name) => (name === undefined ? -1 : sources.push(name) - 1));
  const runs = [];
  const state = [0, 0, 0, 0, 0]; // column, source, line, column, name: all are differences
  let source = -1;
  let line = 0;
  map.mappings.split(";").forEach((segments, i) => {
    state[0] = 0;
    let first;
    for (const segment of segments === "" ? [] : segments.split(",")) {
      let at = 0;
      for (let field = 0; at < segment.length; field++) {
        let value = 0;
        for (let shift = 0; ; shift += 5) {
          const digit = DIGITS.indexOf(segment[at++]);
          value += (digit & 31) * 2 ** shift;
          if (digit < 32) break;
        }
        state[field] += value & 1 ? -(value >>> 1) : value >>> 1;
      }
      first ??= segment.length > 1 ? [numbers[state[1]], state[2] + 1] : undefined;
    }
    if (first === undefined) { // a line that the bundler made belongs to what is around it
      line++;
      return;
    }
    const [s, l] = first;
    if (runs.length === 0 || s !== source || (s >= 0 && l !== line + 1)) runs.push([i + 1, s, s < 0 ? 0 : l]);
    source = s;
    line = l;
  });
  return { sources, runs };
}
