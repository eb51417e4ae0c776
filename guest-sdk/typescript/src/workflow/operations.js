// What a workflow begins by a command and waits for.

import { bound, context } from "./context.js";
import { current } from "./state.js";

/**
 * Begins something by a command.
 *
 * @param {string} what for __stack_trace and messages
 * @param {(frame) => object} make the command, without its id
 * @param {object} [options]
 * @param {boolean} [options.cancellable] whether the cancellation of the scope is passed on. True by default
 * @param {boolean} [options.atOnce] whether that ends it without waiting for what the host tells. False by default
 * @param {object} [options.watch] gets `started(runId)` of a child workflow
 * @returns {Promise<any>} what the host tells of its end
 */
export function operate(what, make, { cancellable = true, atOnce = false, watch } = {}) {
  return new Promise((resolve, reject) => {
    const run = current();
    const { scope } = context;
    run.mustChange(`begin ${what}`);
    if (cancellable && scope.consideredCancelled) throw scope.failure;
    const command = make(run.frame);
    const id = run.nextId();
    run.push({ ...command, id });
    const operation = { what, watch, resolve, reject };
    run.operations.set(id, operation);
    if (!cancellable || !scope.cancellable) return;
    operation.unlisten = scope.listen((failure) => {
      run.push({ command: "cancel", id });
      if (!atOnce) return;
      run.operations.delete(id);
      reject(failure);
    });
  });
}

/** What the host told: how the command of an id ended. */
export function resolve(run, id, result, error) {
  const operation = run.operations.get(id);
  if (operation === undefined) return; // it was cancelled
  run.operations.delete(id);
  operation.unlisten?.();
  if (error === undefined) operation.resolve(result);
  else operation.reject(error);
}

/** The promise of a condition, which entry.js looks at whenever nothing else can go on. */
export function waitFor(f) {
  return new Promise((resolve, reject) => {
    const run = current();
    const { scope } = context;
    run.mustChange("wait");
    if (scope.consideredCancelled) throw scope.failure;
    if (f()) {
      resolve();
      return;
    }
    let unlisten;
    const condition = {
      holds: bound(f),
      end: (error) => {
        run.conditions.delete(condition);
        unlisten?.();
        if (error === undefined) resolve();
        else reject(error);
      },
    };
    run.conditions.add(condition);
    if (scope.cancellable) unlisten = scope.listen((failure) => condition.end(failure));
  });
}
