import * as host from "./host";
import { Reader } from "./json/reader";
import { Value } from "./json/value";

/** How Temporal retries the activity. */
export class RetryPolicy {
  /** The delay before the second attempt, in milliseconds. */
  initialIntervalMs: i64 = 0;
  /** Multiplies the delay for each further attempt. */
  backoffCoefficient: f64 = 0;
  /** The longest delay, in milliseconds. */
  maximumIntervalMs: i64 = 0;
  /** The number of attempts; 0 means no limit. */
  maximumAttempts: i32 = 0;
  /** Failure types after which there is no further attempt. */
  nonRetryableErrorTypes: Array<string> = [];
}

/** The order in which Temporal hands out tasks that wait in a queue. */
export class Priority {
  /** Smaller for tasks that are handed out earlier; 0 means the default. */
  priorityKey: i32 = 0;
  /** The group, such as a tenant, that the task is counted to. */
  fairnessKey: string = "";
  /** The group's share; 0 means the default. */
  fairnessWeight: f64 = 0;
}

/** What is known about the running attempt of an activity. */
export class Info {
  activityId: string = "";
  activityType: string = "";
  /** 1 for the first attempt, 2 for the next. */
  attempt: i32 = 0;
  namespace: string = "";
  taskQueue: string = "";
  /** The workflow that started the activity; empty for a standalone activity, as the two below. */
  workflowId: string = "";
  workflowRunId: string = "";
  workflowType: string = "";
  /** The run ID of a standalone activity, empty otherwise. */
  activityRunId: string = "";
  isLocalActivity: bool = false;
  /** The longest time between two heartbeats in milliseconds, 0 for no limit. */
  heartbeatTimeoutMs: i64 = 0;
  /** Limits this attempt, in milliseconds, 0 for no limit. */
  startToCloseTimeoutMs: i64 = 0;
  /** Limits all attempts together, in milliseconds, 0 for no limit. */
  scheduleToCloseTimeoutMs: i64 = 0;
  /** When the activity was scheduled, null if it is not known. */
  scheduledTime: Date | null = null;
  /** When this attempt started, null if it is not known. */
  startedTime: Date | null = null;
  /** When this attempt times out, null for never. */
  deadline: Date | null = null;
  /** Null if the server did not send it. */
  retryPolicy: RetryPolicy | null = null;
  /** Null if the server did not send it. */
  priority: Priority | null = null;
}

/** What is known about this attempt. It does not change, so keep it rather than ask again. */
export function info(): Info {
  const json = new Reader(host.readAll(host.Source.Info, 0, 2048)).whole<Value>();
  const i = new Info();
  i.activityId = json.get("activity_id").asString();
  i.activityType = json.get("activity_type").asString();
  i.attempt = <i32>json.get("attempt").asInteger();
  i.namespace = json.get("namespace").asString();
  i.taskQueue = json.get("task_queue").asString();
  i.workflowId = json.get("workflow_id").asString();
  i.workflowRunId = json.get("workflow_run_id").asString();
  i.workflowType = json.get("workflow_type").asString();
  i.activityRunId = json.get("activity_run_id").asString();
  i.isLocalActivity = json.get("is_local_activity").asBool();
  i.heartbeatTimeoutMs = json.get("heartbeat_timeout_ms").asInteger();
  i.startToCloseTimeoutMs = json.get("start_to_close_timeout_ms").asInteger();
  i.scheduleToCloseTimeoutMs = json.get("schedule_to_close_timeout_ms").asInteger();
  i.scheduledTime = date(json.get("scheduled_time").asString());
  i.startedTime = date(json.get("started_time").asString());
  i.deadline = date(json.get("deadline").asString());
  const retry = json.get("retry_policy");
  if (!retry.isNull) {
    const policy = new RetryPolicy();
    policy.initialIntervalMs = retry.get("initial_interval_ms").asInteger();
    policy.backoffCoefficient = retry.get("backoff_coefficient").asNumber();
    policy.maximumIntervalMs = retry.get("maximum_interval_ms").asInteger();
    policy.maximumAttempts = <i32>retry.get("maximum_attempts").asInteger();
    const types = retry.get("non_retryable_error_types");
    for (let t = 0; t < types.length; t++) policy.nonRetryableErrorTypes.push(types.at(t).asString());
    i.retryPolicy = policy;
  }
  const priority = json.get("priority");
  if (!priority.isNull) {
    const p = new Priority();
    p.priorityKey = <i32>priority.get("priority_key").asInteger();
    p.fairnessKey = priority.get("fairness_key").asString();
    p.fairnessWeight = priority.get("fairness_weight").asNumber();
    i.priority = p;
  }
  return i;
}

/**
 * @internal Reads "2026-01-02T15:04:05.123456789Z", the form of RFC 3339 that the host writes; null if there is nothing. AssemblyScript's own
 * Date.parse knows no more than three digits of a fraction.
 */
export function date(text: string): Date | null {
  if (text.length < 20) return null;
  let ms = <i64>0;
  let scale = 100;
  for (let i = 20; i < 23 && i < text.length && <u32>text.charCodeAt(i) - 48 < 10; i++) {
    ms += (text.charCodeAt(i) - 48) * scale;
    scale /= 10;
  }
  return new Date(Date.UTC(
    number(text, 0, 4), number(text, 5, 7) - 1, number(text, 8, 10),
    number(text, 11, 13), number(text, 14, 16), number(text, 17, 19),
  ) + ms);
}

function number(text: string, from: i32, to: i32): i32 {
  return I32.parseInt(text.substring(from, to), 10);
}
