// What JavaScript programs expect to find and QuickJS does not have: small, and only what needs
// no grant of the operator.

import { host } from "./host.js";
import { makeConsole } from "./log.js";

const timers = new Map(); // id -> {at, every, call}, of the current activity
let lastTimer = 0;
let pool = new Uint8Array(0); // random bytes that were not used yet
let used = 0;

const now = () => performance.now();

/** Forgets what must not reach the next activity, nor be in the image that all activities start from. */
export function forget() {
  timers.clear();
  pool = new Uint8Array(0);
  used = 0;
}

/** Milliseconds until the next timer is due, undefined without one. */
export function nextTimer() {
  let at;
  for (const t of timers.values()) if (at === undefined || t.at < at) at = t.at;
  return at === undefined ? undefined : Math.max(0, at - now());
}

/** Runs the timer that is due first. Returns false if none is. */
export function runTimer() {
  let id;
  for (const [i, t] of timers) if (id === undefined || t.at < timers.get(id).at) id = i;
  const t = timers.get(id);
  if (t === undefined || t.at > now()) return false;
  if (t.every === undefined) timers.delete(id);
  else t.at = now() + t.every;
  t.call();
  return true;
}

function random(n) {
  if (pool.length - used < n) {
    pool = host.randomBytes(n > 256 ? n : 256);
    used = 0;
  }
  used += n;
  return pool.subarray(used - n, used);
}

function addTimer(repeat, f, ms, args) {
  if (typeof f !== "function") throw new TypeError("the callback of a timer is not a function");
  const wait = Math.max(Number(ms) || 0, 1);
  timers.set(++lastTimer, { at: now() + wait, every: repeat ? wait : undefined, call: () => f(...args) });
  return lastTimer;
}

class Encoder {
  get encoding() { return "utf-8"; }
  encode(text = "") {
    text = String(text);
    return host.utf8Encode(text.isWellFormed() ? text : text.toWellFormed());
  }
  encodeInto(text, target) {
    let read = 0;
    let written = 0;
    for (const char of String(text)) {
      const bytes = this.encode(char);
      if (written + bytes.length > target.length) break;
      target.set(bytes, written);
      written += bytes.length;
      read += char.length;
    }
    return { read, written };
  }
}

// As the Encoding Standard wants bytes that are not UTF-8: one U+FFFD for each longest valid beginning.
export function decodeSlowly(bytes, fatal) {
  const parts = [];
  let out = "";
  for (let i = 0; i < bytes.length;) {
    const b = bytes[i++];
    let need = 0;
    let low = 0x80;
    let high = 0xbf;
    let code = b;
    if (b >= 0xc2 && b <= 0xdf) { need = 1; code = b & 0x1f; }
    else if (b >= 0xe0 && b <= 0xef) { need = 2; code = b & 0xf; if (b === 0xe0) low = 0xa0; if (b === 0xed) high = 0x9f; }
    else if (b >= 0xf0 && b <= 0xf4) { need = 3; code = b & 7; if (b === 0xf0) low = 0x90; if (b === 0xf4) high = 0x8f; }
    else if (b > 0x7f) code = -1;
    while (need > 0 && code >= 0) {
      const c = i < bytes.length ? bytes[i] : -1;
      if (c < low || c > high) { code = -1; break; }
      code = (code << 6) | (c & 0x3f);
      low = 0x80;
      high = 0xbf;
      need--;
      i++;
    }
    if (code < 0 && fatal) throw new TypeError("the bytes are not UTF-8");
    out += code < 0 ? "\ufffd" : String.fromCodePoint(code);
    if (out.length > 8192) { parts.push(out); out = ""; }
  }
  return parts.join("") + out;
}

class Decoder {
  #fatal;
  #ignoreBOM;
  constructor(label = "utf-8", { fatal = false, ignoreBOM = false } = {}) {
    if (!/^\s*(unicode-1-1-)?utf-?8\s*$/i.test(label)) throw new RangeError(`TextDecoder knows UTF-8 only, not ${label}`);
    this.#fatal = Boolean(fatal);
    this.#ignoreBOM = Boolean(ignoreBOM);
  }
  get encoding() { return "utf-8"; }
  get fatal() { return this.#fatal; }
  get ignoreBOM() { return this.#ignoreBOM; }
  decode(input, options) {
    if (options?.stream) throw new TypeError("TextDecoder does not support streams");
    if (input === undefined) return "";
    const bytes = input instanceof Uint8Array ? input
      : ArrayBuffer.isView(input) ? new Uint8Array(input.buffer, input.byteOffset, input.byteLength) : new Uint8Array(input);
    let text = host.utf8Decode(bytes);
    // QuickJS is lenient with bytes that are not UTF-8.
    if (text.includes("\ufffd") || !text.isWellFormed()) text = decodeSlowly(bytes, this.#fatal);
    return !this.#ignoreBOM && text.charCodeAt(0) === 0xfeff ? text.slice(1) : text;
  }
}

class Signal {
  aborted = false;
  reason = undefined;
  onabort = null;
  #listeners = new Map();
  addEventListener(type, f, options) {
    if (type === "abort" && f && !this.#listeners.has(f)) this.#listeners.set(f, Boolean(options?.once));
  }
  removeEventListener(type, f) {
    if (type === "abort") this.#listeners.delete(f);
  }
  throwIfAborted() {
    if (this.aborted) throw this.reason;
  }
  static fire(signal, reason) {
    if (signal.aborted) return;
    signal.aborted = true;
    signal.reason = reason === undefined ? new DOMException("This operation was aborted", "AbortError") : reason;
    const event = { type: "abort", target: signal };
    signal.onabort?.(event);
    for (const f of [...signal.#listeners.keys()]) typeof f === "function" ? f.call(signal, event) : f.handleEvent(event);
    signal.#listeners.clear(); // it fires once
  }
  static abort(reason) {
    const signal = new Signal();
    Signal.fire(signal, reason);
    return signal;
  }
  static timeout(ms) {
    const signal = new Signal();
    addTimer(false, () => Signal.fire(signal, new DOMException("The operation timed out", "TimeoutError")), ms, []);
    return signal;
  }
  static any(signals) {
    const any = new Signal();
    for (const s of signals) {
      if (s.aborted) Signal.fire(any, s.reason);
      else s.addEventListener("abort", () => Signal.fire(any, s.reason));
    }
    return any;
  }
}

class Controller {
  signal = new Signal();
  abort(reason) { Signal.fire(this.signal, reason); }
}

export function install() {
  const define = (name, value) => Object.defineProperty(globalThis, name, { value, writable: true, configurable: true });
  define("console", makeConsole());
  define("setTimeout", (f, ms, ...args) => addTimer(false, f, ms, args));
  define("setInterval", (f, ms, ...args) => addTimer(true, f, ms, args));
  define("setImmediate", (f, ...args) => addTimer(false, f, 0, args));
  for (const name of ["clearTimeout", "clearInterval", "clearImmediate"]) define(name, (id) => { timers.delete(id); });
  define("queueMicrotask", (f) => { Promise.resolve().then(f); });
  define("TextEncoder", Encoder);
  define("TextDecoder", Decoder);
  define("AbortSignal", Signal);
  define("AbortController", Controller);
  // QuickJS seeds its own generator once, and so every activity would see the same numbers.
  Math.random = () => {
    const b = random(8);
    const v = new DataView(b.buffer, b.byteOffset, 8);
    return ((v.getUint32(0) >>> 5) * 2 ** 26 + (v.getUint32(4) >>> 6)) / 2 ** 53;
  };
  define("crypto", {
    getRandomValues(view) {
      const bytes = new Uint8Array(view.buffer, view.byteOffset, view.byteLength);
      if (bytes.length > 65536) throw new DOMException("at most 65536 bytes at a time", "QuotaExceededError");
      for (let i = 0; i < bytes.length; i += 4096) bytes.set(random(Math.min(4096, bytes.length - i)), i);
      return view;
    },
    randomUUID() {
      const b = Uint8Array.from(random(16));
      b[6] = (b[6] & 0x0f) | 0x40;
      b[8] = (b[8] & 0x3f) | 0x80;
      const hex = Array.from(b, (x) => x.toString(16).padStart(2, "0")).join("");
      return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`;
    },
  });
}
