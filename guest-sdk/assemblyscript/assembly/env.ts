// What AssemblyScript expects of its environment, without an environment: asconfig.json points the compiler here, so that a
// module imports nothing from "env", which no operator would grant.

import { LEVEL_DEBUG, LEVEL_ERROR, LEVEL_INFO, LEVEL_WARNING } from "./abi";
import { clock_time_get, fd_write, log_write, random_get } from "./imports";

// A line is put together here. An abort must not allocate: it may be for want of memory.
const LINE: usize = memory.data(1024, 8);
const END: usize = LINE + 1024 - 8;

/**
 * Ends the instance, as AssemblyScript's `throw` and `assert` do. The message goes to standard error first, whose first line
 * becomes a part of the failure (type `WasmTrap`).
 */
export function abort(message: string | null, file: string | null, line: u32, column: u32): void {
  let at = put(put(LINE, "abort: "), message ? message : "no message");
  if (file) {
    at = put(put(at, " in "), file);
    at = decimal(put(at, "("), line);
    at = put(decimal(put(at, ":"), column), ")");
  }
  at = put(at, "\n");
  flush(at);
  unreachable();
}

/** AssemblyScript's `trace`: a line on standard error, which the host logs. */
export function trace(
  message: string, n: i32 = 0, a0: f64 = 0, a1: f64 = 0, a2: f64 = 0, a3: f64 = 0, a4: f64 = 0,
): void {
  let text = "trace: " + message;
  if (n > 0) text += " " + a0.toString();
  if (n > 1) text += ", " + a1.toString();
  if (n > 2) text += ", " + a2.toString();
  if (n > 3) text += ", " + a3.toString();
  if (n > 4) text += ", " + a4.toString();
  flush(put(put(LINE, text), "\n"));
}

// Seeds `Math.random` anew, once it was seeded. By this way a module that does not use it has nothing of it, nor an import.
let again: (() => void) | null = null;

/** Seeds `Math.random` from the host's random numbers, once it is used. */
export function seed(): f64 {
  again = () => { Math.seedRandom(reinterpret<i64>(seed())); };
  random_get(LINE, 8);
  return load<f64>(LINE);
}

/**
 * Begins an activity. What top-level code has drawn from `Math.random` has seeded it, and the state of that is in the image which all
 * activities begin with, so it is seeded anew.
 */
export function reseed(): void {
  const f = again;
  if (f) f();
}

/** Milliseconds since 1970. AssemblyScript's own `Date.now` is a function of browsers. */
export function now(): i64 {
  clock_time_get(0, 1_000_000, LINE);
  return load<i64>(LINE) / 1_000_000;
}

/** JavaScript's `console`: one log record for each call. The namespace `log` can do more. */
export namespace console {
  export function debug(message: string = ""): void { record(LEVEL_DEBUG, message); }
  export function log(message: string = ""): void { record(LEVEL_INFO, message); }
  export function info(message: string = ""): void { record(LEVEL_INFO, message); }
  export function warn(message: string = ""): void { record(LEVEL_WARNING, message); }
  export function error(message: string = ""): void { record(LEVEL_ERROR, message); }
  export function assert<T>(condition: T, message: string = ""): void {
    if (!condition) record(LEVEL_ERROR, "Assertion failed: " + message);
  }
}

function record(level: i32, message: string): void {
  const text = String.UTF8.encode(message);
  log_write(level, changetype<usize>(text), text.byteLength, 0, 0);
}

// put appends text as UTF-8 and writes out what does not fit. It returns where the next byte goes.
function put(at: usize, text: string): usize {
  const n = text.length;
  for (let i = 0; i < n; i++) {
    if (at + 4 > END) at = flush(at);
    let c = <u32>text.charCodeAt(i);
    if ((c & 0xFC00) == 0xD800 && i + 1 < n) {
      c = 0x10000 + ((c & 0x3FF) << 10) + (text.charCodeAt(++i) & 0x3FF);
    }
    if (c < 0x80) {
      store<u8>(at++, c);
      continue;
    }
    if (c < 0x800) {
      store<u8>(at++, 0xC0 | c >> 6);
    } else {
      if (c < 0x10000) {
        store<u8>(at++, 0xE0 | c >> 12);
      } else {
        store<u8>(at++, 0xF0 | c >> 18);
        store<u8>(at++, 0x80 | c >> 12 & 0x3F);
      }
      store<u8>(at++, 0x80 | c >> 6 & 0x3F);
    }
    store<u8>(at++, 0x80 | c & 0x3F);
  }
  return at;
}

function decimal(at: usize, n: u32): usize {
  if (n >= 10) at = decimal(at, n / 10);
  if (at + 4 > END) at = flush(at);
  store<u8>(at, 48 + n % 10);
  return at + 1;
}

const IOVEC: usize = memory.data(16, 8);

function flush(at: usize): usize {
  store<usize>(IOVEC, LINE);
  store<usize>(IOVEC, at - LINE, 4);
  fd_write(2, IOVEC, 1, IOVEC + 8);
  return LINE;
}
