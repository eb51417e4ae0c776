// Runs one activity on the current host, from its arguments to its status. The module's entry (entry.js)
// and the test environment (testing.js) both use it.

import { CancelledFailure, failure } from "../errors.js";
import { decode, encode, readRaw } from "../payload.js";
import { check } from "./check.js";
import { failureOf } from "./failure.js";
import {
  CANCELLED, COMPLETED, ENCODING_JSON, ENCODING_NULL, Errno, FAILED, FLAGS_END, TYPE_WORKER_SHUTDOWN, WORKER_STOPPING,
} from "./abi.js";
import { host } from "./host.js";

/**
 * Decodes the arguments for an activity.
 *
 * @param params what the bundler knows of its parameters, {names, types, required, rest?, refs};
 *   undefined takes everything as it comes
 */
export function readArguments(params) {
  const count = host.argCount();
  const args = [];
  const last = params === undefined || params.rest !== undefined ? count : Math.min(count, params.types.length);
  const name = (i) => params?.names[Math.min(i, params.names.length - 1)] ?? "";
  const nameOf = (i) => `argument ${i + 1}${name(i) && ` (${name(i)})`}`;
  for (let i = 0; i < last; i++) {
    const type = params === undefined ? null : i < params.types.length ? params.types[i] : params.rest;
    if (isRaw(type)) {
      args.push(readRaw(i));
      continue;
    }
    let value = decode("argument", i, nameOf(i));
    if (params !== undefined) {
      // binary/null is both of JavaScript's nothings.
      if (value === undefined && check(type, undefined, params.refs) !== undefined && check(type, null, params.refs) === undefined) value = null;
      const problem = check(type, value, params.refs);
      if (problem !== undefined) throw failure.invalidInput(/^[.[]/.test(problem) ? `argument ${i + 1}: ${name(i)}${problem}` : `${nameOf(i)} ${problem}`);
    }
    args.push(value);
  }
  if (params !== undefined && count < params.required) throw failure.invalidInput(`${nameOf(count)} is missing`);
  return args;
}

const isRaw = (type) => type === "raw" || (Array.isArray(type) && type[0] === "union" && type.includes("raw"));

function push({ data, encoding, metadata }) {
  let r = data.length === 0 ? 0 : host.outputWrite(data);
  if (r >= 0) {
    if (metadata !== undefined) r = host.outputMetadata(metadata);
    else if (encoding !== ENCODING_JSON || data.length === 0) r = host.outputEncoding(encoding);
  }
  if (r >= 0) return;
  const message = host.lastError();
  throw -r === Errno.EMSGSIZE ? failure.outputTooLarge(message) : failure.invalidOutput(message);
}

/** Reports a result, and returns the status. */
export function complete(value) {
  try {
    const payload = encode(value, "the result");
    if (payload !== undefined) push(payload);
    return COMPLETED;
  } catch (e) {
    return fail(e);
  }
}

/** Reports what the activity has thrown, with other errors that nobody handled, and returns the status. */
export function fail(error, others) {
  if (error instanceof CancelledFailure) {
    const flags = host.status();
    if (flags & FLAGS_END || !(flags & WORKER_STOPPING)) {
      try {
        if (error.details.length > 0) push(encode(error.details.length === 1 ? error.details[0] : error.details, "the details") ?? { data: "", encoding: ENCODING_NULL });
      } catch (e) {
        return fail(e);
      }
      return CANCELLED; // without a request the host makes a failure of it
    }
    const f = failureOf(error, others);
    return report({ ...f, type: TYPE_WORKER_SHUTDOWN, message: "the worker is shutting down" });
  }
  return report(failureOf(error, others));
}

function report(f) {
  if (host.fail(JSON.stringify(f)) < 0) {
    // Too long. The kind of failure matters more than the rest of it.
    host.fail(JSON.stringify({ ...f, type: f.type?.slice(0, 256), message: `${f.message.slice(0, 4096)}… (cut: the failure was too long)`, details: undefined, cause: undefined, stack_trace: undefined }));
  }
  return FAILED;
}
