import { failure } from "../errors.js";
import { check } from "../internal/check.js";
import { decode, rawOf } from "./payloads.js";

const isRaw = (type) => type === "raw" || (Array.isArray(type) && type[0] === "union" && type.includes("raw"));

/**
 * Decodes the arguments of a workflow, and checks them against the types of its parameters.
 *
 * @param params what the bundler knows of the parameters, see ../internal/run.js
 */
export function readArguments(params, payloads, body) {
  if (params === undefined) return payloads.map((p, i) => decode(p, body, `argument ${i + 1}`, true));
  const name = (i) => params.names[Math.min(i, params.names.length - 1)] ?? "";
  const nameOf = (i) => `argument ${i + 1}${name(i) && ` (${name(i)})`}`;
  const used = params.rest !== undefined ? payloads : payloads.slice(0, params.types.length);
  const args = used.map((payload, i) => {
    const type = i < params.types.length ? params.types[i] : params.rest;
    if (isRaw(type)) return rawOf(payload, body);
    let value = decode(payload, body, nameOf(i), true);
    // binary/null is both of JavaScript's nothings.
    if (value === undefined && check(type, undefined, params.refs) !== undefined && check(type, null, params.refs) === undefined) value = null;
    const problem = check(type, value, params.refs);
    if (problem !== undefined) throw failure.invalidInput(/^[.[]/.test(problem) ? `argument ${i + 1}: ${name(i)}${problem}` : `${nameOf(i)} ${problem}`);
    return value;
  });
  if (payloads.length < params.required) throw failure.invalidInput(`${nameOf(payloads.length)} is missing`);
  return args;
}
