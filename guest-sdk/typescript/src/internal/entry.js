// What a module runs. The shim calls run once for an activity, then idle whenever no promise can go on by
// itself, until finish was called.

import { setTask } from "./current.js";
import { failureOf } from "./failure.js";
import { forget, install, nextTimer, runTimer } from "./globals.js";
import { host } from "./host.js";
import { complete, fail, readArguments } from "./run.js";
import { mapStack } from "./stack.js";
import { Task } from "./task.js";

// How soon a request to stop is seen while the activity waits, in milliseconds.
const POLL = 20;

// The longest sleep at a time, in milliseconds.
const LONGEST = 1 << 30;

// Phases of idle, see the shim.
const EVALUATING = 0;
const RUNNING = 1;

let activities = [];
let task;
let outcome; // {value} or {error} once the activity has returned
const rejections = new Map(); // promise -> reason, of promises that nobody handles

install(); // before the user's modules are evaluated, since the bundle's entry imports this first

/** Called once by the bundle's entry: [{run, params}, …] in the order of the exports. */
export function start(list) { activities = list; }

function run(index) {
  clear();
  task = new Task();
  setTask(task);
  const { run: f, params } = activities[index];
  (async () => f(...readArguments(params)))().then(
    (value) => { outcome = { value }; },
    (error) => { outcome = { error }; },
  );
}

function clear() {
  forget();
  rejections.clear();
  outcome = undefined;
  if (task !== undefined) task.ended = true;
  task = undefined;
  setTask(undefined);
}

function idle(phase) {
  if (rejections.size > 0) {
    const [reason, ...others] = rejections.values();
    if (phase !== RUNNING) throw reason;
    outcome = outcome !== undefined && "error" in outcome
      ? { error: outcome.error, others: [reason, ...others].filter((other) => other !== outcome.error) }
      : { error: reason, others };
  }
  if (phase === RUNNING) {
    if (outcome !== undefined) {
      const status = "error" in outcome ? fail(outcome.error, outcome.others) : complete(outcome.value);
      clear();
      host.finish(status);
      return;
    }
    if (task.watched && task.poll()) return; // somebody was told
  } else if (phase !== EVALUATING) {
    clear(); // evaluated: timers that still run would fire in some activity, or in each
    return;
  }
  if (runTimerSafely()) return;
  const wait = nextTimer();
  if (wait !== undefined || task?.watched) {
    const ms = Math.ceil(Math.min(wait ?? POLL, task?.watched ? POLL : LONGEST));
    host.sleep(ms | 0); // an integer for the engine, too
    return;
  }
  const stuck = new Error("it waits for a promise that nothing can resolve: no timer runs, and nothing else comes from outside");
  stuck.name = "NeverResolved";
  stuck.stack = "";
  if (phase === EVALUATING) throw stuck;
  outcome = { error: stuck };
}

// What a timer's callback throws, nobody can catch.
function runTimerSafely() {
  try {
    return runTimer();
  } catch (error) {
    if (task === undefined) throw error;
    outcome = { error };
    return true;
  }
}

function rejection(promise, reason, handled) {
  if (handled) rejections.delete(promise);
  else rejections.set(promise, reason);
}

/** The text of an exception that ends the instance. */
function describe(error) {
  const f = failureOf(error);
  return `Uncaught ${f.type ? `${f.type}: ` : ""}${f.message}${error instanceof Error ? `\n${mapStack(error.stack)}` : ""}`.trimEnd();
}

host.register(run, idle, rejection, describe);
