// Durable timers: those of the run, by sleep, and by JavaScript's own functions.

import { milliseconds } from "../errors.js";
import { install } from "../internal/globals.js";
import { bound } from "./context.js";
import { operate } from "./operations.js";
import { current } from "./state.js";

const timer = (ms, summary) => ({ command: "timer", ms: Math.max(1, ms), summary });

export function sleep(duration, { summary } = {}) {
  const ms = milliseconds(duration);
  return operate("a timer", () => timer(ms, summary), { atOnce: true });
}

// setTimeout has no scope: clearTimeout alone ends it.
const timeouts = new Map(); // number -> the id of the run's timer
let lastTimeout = 0;

function add(repeat, f, ms, args) {
  if (typeof f !== "function") throw new TypeError("the callback of a timer is not a function");
  const run = current();
  run.mustChange("begin a timer");
  const wait = Math.max(1, Math.ceil(Number(ms) || 0));
  const number = ++lastTimeout;
  const call = bound(() => f(...args));
  const start = () => {
    const id = run.nextId();
    run.push({ ...timer(wait), id });
    timeouts.set(number, id);
    run.operations.set(id, {
      what: "a timer",
      resolve: () => {
        if (repeat) start();
        else timeouts.delete(number);
        call();
      },
      reject: () => { timeouts.delete(number); },
    });
  };
  start();
  return number;
}

function clear(number) {
  const id = timeouts.get(number);
  if (id === undefined) return;
  const run = current();
  run.mustChange("end a timer");
  timeouts.delete(number);
  run.operations.delete(id);
  run.push({ command: "cancel", id });
}

/** Gives the module the globals of activities, with timers of the run. */
export function installGlobals() {
  install();
  const define = (target, name, value) => Object.defineProperty(target, name, { value, writable: true, configurable: true });
  define(globalThis, "setTimeout", (f, ms, ...args) => add(false, f, ms, args));
  define(globalThis, "setInterval", (f, ms, ...args) => add(true, f, ms, args));
  define(globalThis, "setImmediate", (f, ...args) => add(false, f, 0, args));
  for (const name of ["clearTimeout", "clearInterval", "clearImmediate"]) define(globalThis, name, clear);
  define(AbortSignal, "timeout", (ms) => {
    const controller = new AbortController();
    add(false, () => controller.abort(new DOMException("The operation timed out", "TimeoutError")), ms, []);
    return controller.signal;
  });
}
