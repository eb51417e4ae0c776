// How an error becomes a failure of the guest contract.

import { ApplicationFailure, CancelledFailure, milliseconds } from "../errors.js";
import { mapStack } from "./stack.js";

const MAX_CAUSES = 16; // the host cuts off deeper ones

/** Anything that was thrown -> the JSON shape Failure. */
export function failureOf(error, depth = 0) {
  if (!(error instanceof Error)) {
    // throw "text" is allowed; and so is an error of another realm or library that only looks like one.
    const like = typeof error === "object" && error !== null;
    return { type: (like && text(error.name)) || "Error", message: (like && text(error.message)) || show(error) };
  }
  const application = error instanceof ApplicationFailure;
  const f = {
    type: application ? error.type || undefined : error.name || "Error",
    message: String(error.message),
    stack_trace: mapStack(error.stack) || undefined,
  };
  if (application) {
    if (error.nonRetryable) f.non_retryable = true;
    if (error.nextRetryDelay !== undefined) f.next_retry_delay_ms = milliseconds(error.nextRetryDelay);
    if (error.category === "BENIGN") f.category = "benign";
  }
  if ((application || error instanceof CancelledFailure) && error.details?.length) f.details = error.details.map(jsonOf);
  if (error.cause !== undefined && error.cause !== null && depth < MAX_CAUSES) f.cause = failureOf(error.cause, depth + 1);
  return f;
}

const text = (value) => (typeof value === "string" ? value : undefined);

function show(value) {
  try {
    return typeof value === "object" ? JSON.stringify(value) : String(value);
  } catch {
    return Object.prototype.toString.call(value);
  }
}

// A detail that is not JSON must not hide the failure that it belongs to.
function jsonOf(value) {
  try {
    return JSON.stringify(value) === undefined ? null : value;
  } catch {
    return String(value);
  }
}
