// What a workflow is told of what went wrong elsewhere. See workflow.d.ts.

import { CancelledFailure, TemporalFailure } from "../errors.js";

export { ApplicationFailure, ApplicationFailureCategory, CancelledFailure, TemporalFailure } from "../errors.js";

export class ActivityFailure extends TemporalFailure {
  constructor(message, activityType, activityId, retryState, identity, cause) {
    super(message ?? "", cause);
    this.name = "ActivityFailure";
    this.activityType = activityType;
    this.activityId = activityId;
    this.retryState = retryState;
    this.identity = identity;
  }
}

export class ChildWorkflowFailure extends TemporalFailure {
  constructor(namespace, execution, workflowType, retryState, cause, message) {
    super(message ?? "Child Workflow execution failed", cause);
    this.name = "ChildWorkflowFailure";
    this.namespace = namespace;
    this.execution = execution;
    this.workflowType = workflowType;
    this.retryState = retryState;
  }
}

export class TimeoutFailure extends TemporalFailure {
  constructor(message, lastHeartbeatDetails, timeoutType, cause) {
    super(message ?? "", cause);
    this.name = "TimeoutFailure";
    this.lastHeartbeatDetails = lastHeartbeatDetails;
    this.timeoutType = timeoutType;
  }
}

export class TerminatedFailure extends TemporalFailure {
  constructor(message, cause) {
    super(message ?? "", cause);
    this.name = "TerminatedFailure";
  }
}

export class ServerFailure extends TemporalFailure {
  constructor(message, nonRetryable, cause) {
    super(message ?? "", cause);
    this.name = "ServerFailure";
    this.nonRetryable = nonRetryable ?? false;
  }
}

/** What continueAsNew throws: it ends the run, and is no failure. */
export class ContinueAsNew extends Error {
  constructor(command) {
    super("Workflow continued as new");
    this.name = "ContinueAsNew";
    this.command = command;
  }
}

/** Whether an error is a cancellation, or an activity or child workflow that was cancelled. */
export function isCancellation(error) {
  return error instanceof CancelledFailure
    || ((error instanceof ActivityFailure || error instanceof ChildWorkflowFailure) && isCancellation(error.cause));
}

/** The message of the innermost cause. */
export function rootCause(error) {
  if (error instanceof TemporalFailure) return error.cause ? rootCause(error.cause) : error.message;
  return error instanceof Error ? error.message : typeof error === "string" ? error : undefined;
}
