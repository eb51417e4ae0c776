// Calls of activities.

import { milliseconds } from "../errors.js";
import { operate } from "./operations.js";

export const ActivityCancellationType = Object.freeze({ TRY_CANCEL: "TRY_CANCEL", WAIT_CANCELLATION_COMPLETED: "WAIT_CANCELLATION_COMPLETED", ABANDON: "ABANDON" });

export const CANCELLATION = { TRY_CANCEL: "try_cancel", WAIT_CANCELLATION_COMPLETED: "wait", WAIT_CANCELLATION_REQUESTED: "wait_requested", ABANDON: "abandon" };

/** One of the names of an option, as the contract has it. */
export function choice(option, values, name) {
  if (name === undefined) return undefined;
  if (!Object.hasOwn(values, name)) throw new TypeError(`${option}: ${name} is none of ${Object.keys(values).join(", ")}`);
  return values[name];
}

export const timeout = (duration) => (duration === undefined ? undefined : milliseconds(duration));

export const retryPolicy = (r) => r && {
  initial_interval_ms: timeout(r.initialInterval),
  backoff_coefficient: r.backoffCoefficient,
  maximum_interval_ms: timeout(r.maximumInterval),
  maximum_attempts: r.maximumAttempts === Infinity ? undefined : r.maximumAttempts,
  non_retryable_error_types: r.nonRetryableErrorTypes,
};

export const priority = (p) => p && { priority_key: p.priorityKey, fairness_key: p.fairnessKey, fairness_weight: p.fairnessWeight };

function checked(what, options) {
  if (options?.startToCloseTimeout === undefined && options?.scheduleToCloseTimeout === undefined) {
    throw new TypeError(`${what} need startToCloseTimeout or scheduleToCloseTimeout in their options`);
  }
  return options;
}

export function scheduleActivity(type, args, options) {
  checked("activities", options);
  return operate(`the activity ${type}`, (frame) => ({
    command: "activity", type, args: frame.arguments(args), options: {
      activity_id: options.activityId,
      task_queue: options.taskQueue,
      schedule_to_close_timeout_ms: timeout(options.scheduleToCloseTimeout),
      schedule_to_start_timeout_ms: timeout(options.scheduleToStartTimeout),
      start_to_close_timeout_ms: timeout(options.startToCloseTimeout),
      heartbeat_timeout_ms: timeout(options.heartbeatTimeout),
      retry_policy: retryPolicy(options.retry),
      cancellation_type: choice("cancellationType", CANCELLATION, options.cancellationType),
      disable_eager: options.allowEagerDispatch === false || undefined,
      summary: options.summary,
      priority: priority(options.priority),
    },
  }));
}

export function scheduleLocalActivity(type, args, options) {
  checked("local activities", options);
  return operate(`the local activity ${type}`, (frame) => ({
    command: "local_activity", type, args: frame.arguments(args), options: {
      schedule_to_close_timeout_ms: timeout(options.scheduleToCloseTimeout),
      start_to_close_timeout_ms: timeout(options.startToCloseTimeout),
      retry_policy: retryPolicy(options.retry),
      summary: options.summary,
    },
  }));
}

// A function for each name that is asked for.
const proxy = (schedule, options) => new Proxy({}, {
  get(_, type) {
    if (typeof type !== "string") throw new TypeError(`the type of an activity is text, not ${String(type)}`);
    const call = (...args) => schedule(type, args, options);
    call.executeWithOptions = (more, args) => schedule(type, args, { ...options, ...more });
    return call;
  },
});

export const proxyActivities = (options) => proxy(scheduleActivity, checked("activities", options));
export const proxyLocalActivities = (options) => proxy(scheduleLocalActivity, checked("local activities", options));
