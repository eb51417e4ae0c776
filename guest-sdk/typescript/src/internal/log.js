import { LEVEL_DEBUG as DEBUG, LEVEL_ERROR as ERROR, LEVEL_INFO as INFO, LEVEL_WARNING as WARN } from "./abi.js";
import { host } from "./host.js";
import { mapStack } from "./stack.js";

export { DEBUG, ERROR, INFO, WARN };

// Errors and big integers are not JSON, but are what people log.
function plain(_, value) {
  if (value instanceof Error) return { ...value, name: value.name, message: value.message, stack: mapStack(value.stack) };
  return typeof value === "bigint" ? value.toString() : value;
}

export function write(level, message, attributes) {
  let json = "";
  if (attributes !== undefined && attributes !== null) {
    try {
      json = JSON.stringify(attributes instanceof Error ? { error: attributes } : Object(attributes) === attributes ? attributes : { value: attributes }, plain) ?? "";
      if (json === "{}") json = "";
    } catch (e) {
      json = JSON.stringify({ attributes_error: String(e) });
    }
  }
  const text = String(message);
  if (host === undefined) {
    console.debug(`[${level}] ${text}`, json);
    return;
  }
  host.log(level, text.isWellFormed?.() === false ? text.toWellFormed() : text, json.startsWith("[") ? `{"value":${json}}` : json);
}

export const logger = Object.freeze({
  log: (level, message, meta) => write({ TRACE: DEBUG, DEBUG, INFO, WARN, ERROR }[level] ?? INFO, message, meta),
  trace: (message, meta) => write(DEBUG, message, meta),
  debug: (message, meta) => write(DEBUG, message, meta),
  info: (message, meta) => write(INFO, message, meta),
  warn: (message, meta) => write(WARN, message, meta),
  error: (message, meta) => write(ERROR, message, meta),
});

function show(value) {
  switch (typeof value) {
    case "string": return value;
    case "bigint": return `${value}n`;
    case "function": return `[Function ${value.name || "(anonymous)"}]`;
    case "object":
      if (value === null) return "null";
      if (value instanceof Error) return `${value.name}: ${value.message}\n${mapStack(value.stack)}`.trimEnd();
      if (value instanceof Map) return `Map(${value.size}) ${show([...value])}`;
      if (value instanceof Set) return `Set(${value.size}) ${show([...value])}`;
      try {
        return JSON.stringify(value, plain) ?? String(value);
      } catch {
        return Object.prototype.toString.call(value); // cyclic
      }
    default: return String(value);
  }
}

/** The text of what console.log was given. The placeholders of printf are left as they are. */
export const format = (args) => args.map(show).join(" ");

/** A console whose records are those of the log. */
export function makeConsole() {
  const at = (level) => (...args) => write(level, format(args));
  const nothing = () => {};
  return {
    log: at(INFO), info: at(INFO), debug: at(DEBUG), warn: at(WARN), error: at(ERROR), dir: (value) => write(INFO, show(value)),
    trace: (...args) => write(DEBUG, `${format(args)}\n${mapStack(new Error().stack)}`),
    assert: (condition, ...args) => { if (!condition) write(ERROR, `Assertion failed${args.length ? ": " : ""}${format(args)}`); },
    group: nothing, groupCollapsed: nothing, groupEnd: nothing, table: at(INFO),
    time: nothing, timeEnd: nothing, timeLog: nothing, count: nothing, countReset: nothing,
  };
}
