// Child workflows, other workflows, and the next run.

import { CANCELLATION, choice, priority, retryPolicy, timeout } from "./activities.js";
import { ContinueAsNew } from "./failures.js";
import { placeSearchAttributes } from "./info.js";
import { operate } from "./operations.js";
import { current } from "./state.js";

export const ChildWorkflowCancellationType = Object.freeze({
  ABANDON: "ABANDON", TRY_CANCEL: "TRY_CANCEL", WAIT_CANCELLATION_COMPLETED: "WAIT_CANCELLATION_COMPLETED", WAIT_CANCELLATION_REQUESTED: "WAIT_CANCELLATION_REQUESTED",
});
export const ParentClosePolicy = Object.freeze({ TERMINATE: "TERMINATE", ABANDON: "ABANDON", REQUEST_CANCEL: "REQUEST_CANCEL" });
export const WorkflowIdReusePolicy = Object.freeze({
  ALLOW_DUPLICATE: "ALLOW_DUPLICATE", ALLOW_DUPLICATE_FAILED_ONLY: "ALLOW_DUPLICATE_FAILED_ONLY", REJECT_DUPLICATE: "REJECT_DUPLICATE",
});

const byLower = (names) => Object.fromEntries(Object.keys(names).map((name) => [name, name.toLowerCase()]));
const CLOSE = byLower(ParentClosePolicy);
const REUSE = byLower(WorkflowIdReusePolicy);

function typeOf(workflow) {
  const name = typeof workflow === "function" ? workflow.name : workflow;
  if (typeof name !== "string" || name === "") throw new TypeError("a workflow is told by its function, or by its type as text");
  return name;
}

export const uuid4 = () => crypto.randomUUID();

/** Begins a child. The outcome comes in two parts: that it has started, and that it has ended. */
function begin(workflow, options) {
  const type = typeOf(workflow);
  const workflowId = options.workflowId ?? uuid4();
  const watch = {};
  const started = new Promise((resolve, reject) => { watch.started = resolve; watch.failed = reject; });
  const result = operate(`the child workflow ${type}`, (frame) => ({
    command: "child", type, args: frame.arguments(options.args ?? []), options: {
      workflow_id: workflowId,
      task_queue: options.taskQueue,
      execution_timeout_ms: timeout(options.workflowExecutionTimeout),
      run_timeout_ms: timeout(options.workflowRunTimeout),
      task_timeout_ms: timeout(options.workflowTaskTimeout),
      retry_policy: retryPolicy(options.retry),
      parent_close_policy: choice("parentClosePolicy", CLOSE, options.parentClosePolicy),
      cancellation_type: choice("cancellationType", CANCELLATION, options.cancellationType ?? "WAIT_CANCELLATION_COMPLETED"),
      id_reuse_policy: choice("workflowIdReusePolicy", REUSE, options.workflowIdReusePolicy),
      cron_schedule: options.cronSchedule,
      memo: frame.map(options.memo, "memo"),
      search_attributes: placeSearchAttributes(frame, options.typedSearchAttributes),
      summary: options.staticSummary,
      details: options.staticDetails,
      priority: priority(options.priority),
    },
  }), { watch });
  result.then(() => watch.started(""), watch.failed);
  started.catch(() => {}); // executeChild waits for the result, which fails, too
  return { workflowId, started, result };
}

export async function startChild(workflow, options = {}) {
  const { workflowId, started, result } = begin(workflow, options);
  result.catch(() => {}); // whoever asks for it gets it
  const firstExecutionRunId = await started;
  return {
    workflowId,
    firstExecutionRunId,
    result: () => result,
    signal: (definition, ...args) => sendSignal({ workflow_id: workflowId, child_only: true }, definition, args),
  };
}

export const executeChild = async (workflow, options = {}) => begin(workflow, options).result;

function sendSignal(target, definition, args) {
  const name = typeof definition === "string" ? definition : definition.name;
  return operate(`the signal ${name} to ${target.workflow_id}`, (frame) => ({ command: "signal_external", ...target, name, args: frame.arguments(args) }));
}

export function getExternalWorkflowHandle(workflowId, runId) {
  const target = { workflow_id: workflowId, run_id: runId };
  return {
    workflowId,
    runId,
    signal: (definition, ...args) => sendSignal(target, definition, args),
    cancel: () => operate(`the cancellation of ${workflowId}`, () => ({ command: "cancel_external", ...target })),
  };
}

export function makeContinueAsNewFunc(options = {}) {
  return async (...args) => {
    current().mustChange("continue as new");
    throw new ContinueAsNew((frame) => ({
      command: "continue_as_new", type: options.workflowType, args: frame.arguments(args), options: {
        task_queue: options.taskQueue,
        run_timeout_ms: timeout(options.workflowRunTimeout),
        task_timeout_ms: timeout(options.workflowTaskTimeout),
        memo: frame.map(options.memo, "memo"),
        search_attributes: placeSearchAttributes(frame, options.typedSearchAttributes),
        retry_policy: retryPolicy(options.retry),
      },
    }));
  };
}

export const continueAsNew = (...args) => makeContinueAsNewFunc()(...args);
