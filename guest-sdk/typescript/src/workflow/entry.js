// What a module of workflows runs. The shim calls run once for an activation, then idle whenever no promise can
// go on by itself, until finish was called.

import "./host.js"; // before whatever uses it
import { TYPE_INVALID_INPUT } from "../internal/abi.js";
import { failureOf } from "../internal/failure.js";
import { forget } from "../internal/globals.js";
import { host } from "../internal/host.js";
import { logger } from "../internal/log.js";
import { mapStack } from "../internal/stack.js";
import { readArguments } from "./arguments.js";
import { complete, failWith } from "./end.js";
import { CancelledFailure, isCancellation } from "./failures.js";
import { pushDescription, query, signal, update, validate } from "./handlers.js";
import { keepAttributes } from "./info.js";
import { resolve } from "./operations.js";
import { decode, decodeAll, errorOf, Frame, readActivation, split } from "./payloads.js";
import { CancellationScope } from "./scope.js";
import { begin, leave, run } from "./state.js";
import { installGlobals } from "./timers.js";
import { BODY, INFO, NULL, settle, workflow } from "./warmup.js";

// Phases of idle, see the shim.
const EVALUATING = 0;
const RUNNING = 1;

let workflows = [];
let started; // the workflow of the run
let jobs = []; // those of the activation that are left
let body;
const rejections = new Map(); // promise -> reason, of promises that nobody handles

installGlobals(); // before the user's modules are evaluated, since the bundle's entry imports this first

/** Called once by the bundle's entry: [{run, params}, …] in the order of the exports. */
export function start(list) {
  workflows = list;
  warmUp();
}

/** See warmup.js. */
async function warmUp() {
  await settle(); // what the user's modules have begun
  split(new Frame().bytes());
  begin();
  started = { run: workflow };
  body = BODY;
  handle.start({ args: [NULL], info: INFO });
  const failure = { message: "m", cause: { kind: "canceled", message: "c" } };
  for (const job of [
    { job: "signal", name: "s" }, { job: "update", update_id: "u", name: "u", args: [NULL] }, { job: "resolve", id: 1, result: NULL },
    { job: "resolve", id: 2 }, { job: "resolve", id: 4, failure },
  ]) {
    await settle();
    lookAtConditions();
    pushDescription(run);
    run.frame.bytes();
    await settle();
    handle[job.job](job);
  }
  await settle();
  if (run.ended?.command !== "complete") throw run.failed?.error ?? new Error("the workflow that warms the engine up has not ended");
  leave();
  started = body = undefined;
}

function activate(index) {
  forget(); // numbers of the run's stream that were drawn before, since it may be another one after a reset
  const { head, body: bytes } = readActivation();
  body = bytes;
  jobs = head.jobs;
  if (run === undefined) {
    started = workflows[index];
    begin();
  }
  run.history = head.history ?? {};
  run.shown = undefined;
  next();
}

/** Does the next job. Returns false if there is none. */
function next() {
  const job = jobs.shift();
  if (job === undefined) return false;
  const f = handle[job.job];
  if (f === undefined) throw new Error(`the host has a job that this SDK does not know: ${job.job}`);
  f(job);
  return true;
}

/** The arguments of a signal, query or update. */
const argumentsOf = (job) => decodeAll(job.args, body, `argument of ${job.name}:`);

const handle = {
  start({ args, info }) {
    run.info = info;
    run.body = body;
    (async () => {
      keepAttributes(run);
      return started.run(...readArguments(started.params, args ?? [], body));
    })().then((value) => complete(run, value)).catch((error) => failWith(run, error));
  },
  resolve({ id, result, failure }) {
    try {
      resolve(run, id, failure === undefined ? decode(result, body, "the result") : undefined, failure && errorOf(failure, body));
    } catch (error) {
      resolve(run, id, undefined, error); // it cannot be decoded
    }
  },
  started({ id, run_id: runId }) { run.operations.get(id)?.watch?.started(runId); },
  signal(job) {
    let args;
    try {
      args = argumentsOf(job);
    } catch (error) {
      if (error.type !== TYPE_INVALID_INPUT) throw error;
      logger.error(`the signal ${job.name} is left out: ${error.message}`);
      return;
    }
    signal(run, job.name, args);
  },
  cancel() {
    run.cancelled = true;
    CancellationScope.root.cancel(new CancelledFailure("Workflow cancelled"));
  },
  update(job) { answering(job, () => update(run, job.update_id, job.name, argumentsOf(job)), { command: "updated", update_id: job.update_id }); },
  wake() {},
  query(job) {
    run.readOnly = `the query ${job.name}`;
    answering(job, () => query(run, job.name, argumentsOf(job)), { command: "answer" });
  },
  validate(job) {
    run.readOnly = `the validator of the update ${job.name}`;
    answering(job, () => validate(run, job.name, argumentsOf(job)), { command: "answer" });
  },
};

// What cannot be decoded is the fault of whoever asked.
function answering(job, f, answer) {
  try {
    f();
  } catch (error) {
    if (error.type !== TYPE_INVALID_INPUT) throw error;
    run.frame.commands.push({ ...answer, failure: run.frame.failure(error) });
  }
}

/** Lets those go on whose condition has come true. Returns whether there were any. */
function lookAtConditions() {
  let any = false;
  for (const condition of run.conditions) {
    let error;
    try {
      if (!condition.holds()) continue;
    } catch (e) {
      error = e;
    }
    any = true;
    condition.end(error);
  }
  return any;
}

function idle(phase) {
  if (phase !== RUNNING) {
    evaluated(phase);
    return;
  }
  if (run.readOnly !== undefined) {
    answer();
    return;
  }
  if (lookAtConditions() || next()) return;
  body = undefined;
  for (const reason of rejections.values()) {
    if (run.ended === undefined && !isCancellation(reason)) run.failed ??= { error: reason };
  }
  rejections.clear();
  if (run.failed !== undefined) {
    const frame = new Frame();
    frame.commands.push({ command: "fail_task", failure: frame.failure(run.failed.error) });
    run.frame = frame;
  } else {
    pushDescription(run);
    if (run.ended !== undefined && !run.told) {
      run.frame.commands.push(run.ended);
      run.told = true;
    }
  }
  const status = run.failed === undefined ? 0 : 1;
  run.flush();
  host.finish(status);
}

/** Hands over what a query or a validation has answered. */
function answer() {
  if (rejections.size > 0) run.frame.commands = [{ command: "answer", failure: run.frame.failure([...rejections.values()][0]) }];
  run.flush();
  host.finish(0);
}

function evaluated(phase) {
  for (const reason of rejections.values()) throw reason;
  if (phase === EVALUATING) throw new Error("a promise at the top level of the module waits for something that cannot come");
  forget();
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

host.register(activate, idle, rejection, describe);
