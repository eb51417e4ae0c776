// How a run ends.

import { logger as log } from "../internal/log.js";
import { ContinueAsNew, isCancellation, TemporalFailure } from "./failures.js";

function end(run, command) {
  run.ended = command;
  const unfinished = [...run.running].filter(({ unfinishedPolicy }) => unfinishedPolicy !== "ABANDON");
  if (unfinished.length > 0) {
    log.warn("the workflow ended while handlers were running: wait for condition(allHandlersFinished) before, or give them the policy ABANDON", {
      handlers: unfinished.map(({ kind, name, id }) => ({ kind, name, id })),
    });
  }
}

export function complete(run, value) {
  if (run.ended === undefined) end(run, { command: "complete", result: run.frame.payload(value, "the result") });
}

/** Ends the run with what was thrown. What is none of Temporal's failures is a fault of the code, and fails the task. */
export function failWith(run, error) {
  if (run.ended !== undefined) return;
  if (error instanceof ContinueAsNew) {
    end(run, error.command(run.frame));
  } else if (run.cancelled && isCancellation(error)) {
    let cause = error;
    while (cause.cause !== undefined && cause.details === undefined) cause = cause.cause;
    end(run, { command: "canceled", details: run.frame.arguments(cause.details ?? [], "detail") });
  } else if (error instanceof TemporalFailure) {
    end(run, { command: "fail", failure: run.frame.failure(error) });
  } else {
    run.failed ??= { error };
  }
}
