// Signals, queries and updates.

import { CancellationScope } from "./scope.js";
import { context, runIn } from "./context.js";
import { failWith } from "./end.js";
import { ApplicationFailure, TemporalFailure } from "./failures.js";
import { current } from "./state.js";

export const HandlerUnfinishedPolicy = Object.freeze({ WARN_AND_ABANDON: "WARN_AND_ABANDON", ABANDON: "ABANDON" });

const define = (type) => (name) => {
  if (typeof name !== "string" || name === "") throw new TypeError(`the name of a ${type} is text`);
  return Object.freeze({ type, name });
};
export const defineSignal = define("signal");
export const defineQuery = define("query");
export const defineUpdate = define("update");

const maps = { signal: "signals", query: "queries", update: "updates" };

export function setHandler(definition, handler, options = {}) {
  const run = current();
  const handlers = run[maps[definition?.type]];
  if (handlers === undefined) throw new TypeError("setHandler takes what defineSignal, defineQuery or defineUpdate returned");
  run.mustChange("set a handler");
  run.describe = true;
  if (handler === undefined) {
    handlers.delete(definition.name);
    return;
  }
  if (typeof handler !== "function") throw new TypeError(`the handler of the ${definition.type} ${definition.name} is not a function`);
  handlers.set(definition.name, { ...options, handler });
  if (definition.type === "signal") deliverBuffered(run, (signal) => signal.name === definition.name);
}

export function setDefaultSignalHandler(handler) {
  const run = current();
  run.mustChange("set a handler");
  run.defaultSignal = handler;
  if (handler !== undefined) deliverBuffered(run, () => true);
}

export function setDefaultQueryHandler(handler) {
  current().mustChange("set a handler");
  current().defaultQuery = handler;
}

export function setDefaultUpdateHandler(handler) {
  current().mustChange("set a handler");
  current().defaultUpdate = handler;
}

export const allHandlersFinished = () => current().running.size === 0;

export function currentUpdateInfo() {
  current();
  return context.update;
}

function deliverBuffered(run, wanted) {
  const signals = run.buffered.filter(wanted);
  run.buffered = run.buffered.filter((signal) => !signals.includes(signal));
  for (const { name, args } of signals) signal(run, name, args);
}

// Handlers run in the scope of the whole run, whoever set them.
function start(run, kind, name, unfinishedPolicy, update, f) {
  const running = { kind, name, id: update?.id, unfinishedPolicy };
  run.running.add(running);
  const end = () => run.running.delete(running);
  const promise = runIn({ scope: CancellationScope.root, update }, async () => f());
  promise.then(end, end);
  return promise;
}

export function signal(run, name, args) {
  const known = run.signals.get(name);
  if (known === undefined && run.defaultSignal === undefined) {
    run.buffered.push({ name, args });
    return;
  }
  const call = known === undefined ? () => run.defaultSignal(name, ...args) : () => known.handler(...args);
  start(run, "signal", name, known?.unfinishedPolicy, undefined, call).catch((error) => failWith(run, error));
}

const namesOf = (handlers) => [...handlers.keys()].sort().join(", ") || "none";

const unknownUpdate = (run, name) => ApplicationFailure.retryable(`there is no handler of the update ${name}; those that there are: ${namesOf(run.updates)}`, "UnknownUpdate");

export function update(run, id, name, args) {
  const known = run.updates.get(name);
  const info = Object.freeze({ id, name });
  const f = known?.handler ?? (run.defaultUpdate && ((...all) => run.defaultUpdate(name, ...all)));
  const call = () => {
    if (f === undefined) throw unknownUpdate(run, name);
    return f(...args);
  };
  // An update may end together with the workflow, and so its end is told before that of the workflow.
  const ended = (outcome) => run.frame.commands.push({ command: "updated", update_id: id, ...outcome });
  start(run, "update", name, known?.unfinishedPolicy, info, call).then(
    (value) => ended({ result: run.frame.payload(value, `the result of the update ${name}`) }),
  ).catch((error) => {
    if (error instanceof TemporalFailure) ended({ failure: run.frame.failure(error) });
    else run.failed ??= { error };
  });
}

/** Calls what must not change anything, and gives the answer. The run is read-only, see entry.js. */
function ask(run, f) {
  const answer = { command: "answer" };
  try {
    const value = runIn({ scope: CancellationScope.root, update: undefined }, f);
    if (typeof value?.then === "function") throw new TypeError(`${run.readOnly} returned a promise: it must answer at once`);
    answer.result = run.frame.payload(value, "the answer");
  } catch (error) {
    answer.failure = run.frame.failure(error);
  }
  run.frame.commands.push(answer);
}

export function query(run, name, args) {
  ask(run, () => {
    const known = run.queries.get(name);
    if (known !== undefined) return known.handler(...args);
    if (name === "__stack_trace") return waits(run);
    if (run.defaultQuery !== undefined) return run.defaultQuery(name, ...args);
    throw ApplicationFailure.retryable(`there is no handler of the query ${name}; those that there are: ${namesOf(run.queries)}`, "UnknownQuery");
  });
}

export function validate(run, name, args) {
  ask(run, () => {
    const known = run.updates.get(name);
    if (known === undefined && run.defaultUpdate === undefined) throw unknownUpdate(run, name);
    const result = known?.validator?.(...args);
    return typeof result?.then === "function" ? result : undefined; // a promise is refused
  });
}

/** What the run waits for, as text. */
function waits(run) {
  const lines = [...run.operations].map(([id, { what }]) => `waits for ${what} (${id})`);
  lines.push(...Array.from(run.conditions, () => "waits for a condition"));
  return lines.join("\n");
}

export function pushDescription(run) {
  if (!run.describe || run.ended !== undefined) return;
  run.describe = false;
  const list = (handlers) => [...handlers].map(([name, { description }]) => ({ name, description })).sort((a, b) => (a.name < b.name ? -1 : 1));
  run.push({ command: "describe", signals: list(run.signals), queries: list(run.queries), updates: list(run.updates) });
}
