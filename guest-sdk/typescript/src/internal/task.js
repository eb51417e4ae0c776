// One attempt of an activity: what Context shows of it, and how its cancellation is seen.

import { CancelledFailure, milliseconds } from "../errors.js";
import { decode, encode } from "../payload.js";
import { logger } from "./log.js";
import { CANCEL_REQUESTED, GONE, PAUSED, RESET, WORKER_STOPPING } from "./abi.js";
import { host } from "./host.js";

const STOP = CANCEL_REQUESTED | WORKER_STOPPING | PAUSED | RESET | GONE;

function reasonOf(flags) {
  if (flags & GONE) return "GONE";
  if (flags & CANCEL_REQUESTED) return "CANCELLED";
  if (flags & RESET) return "RESET";
  if (flags & PAUSED) return "PAUSED";
  return "WORKER_SHUTDOWN";
}

export class Task {
  #info;
  #details;
  #cancelled;
  #reject;
  #controller;
  #reason;
  #handedOut = false;
  /** How many wait for a cancellation to be seen. */
  watchers = 0;
  ended = false;

  #alive() {
    if (this.ended) throw new Error("the activity has ended");
  }

  get info() {
    this.#alive();
    return (this.#info ??= infoOf(JSON.parse(host.info()), this));
  }

  get details() {
    this.#alive();
    return (this.#details ??= Array.from({ length: host.detailCount() }, (_, i) => decode("detail", i, `detail ${i + 1} of the last heartbeat`)));
  }

  get log() { return logger; }

  heartbeat(...details) {
    this.#alive();
    for (const [i, detail] of details.entries()) {
      const { data, encoding } = encode(detail, `detail ${i + 1} of the heartbeat`) ?? { data: "", encoding: "binary/null" };
      if (host.heartbeatDetail(data, encoding) < 0) throw new RangeError(`heartbeat: ${host.lastError()}`);
    }
    const flags = host.heartbeat();
    if (flags < 0) throw new Error(`heartbeat: ${host.lastError()}`);
    this.#see(flags);
  }

  #see(flags) {
    if ((flags & STOP) === 0 || this.#reason !== undefined) return;
    this.#reason = new CancelledFailure(reasonOf(flags));
    this.#reject?.(this.#reason);
    this.#controller?.abort(this.#reason);
  }

  /** Asks the host whether the activity should stop, and tells those who wait for it. Returns true if it should. */
  poll() {
    this.#alive();
    if (this.#reason === undefined) this.#see(host.status());
    return this.#reason !== undefined;
  }

  get watched() { return this.watchers > 0 && this.#reason === undefined; }

  get isCancelled() { return this.poll(); }

  throwIfCancelled() {
    if (this.poll()) throw this.#reason;
  }

  get isWorkerStopping() {
    this.#alive();
    return (host.status() & WORKER_STOPPING) !== 0;
  }

  // The promise behind cancelled, which is watched only while somebody needs it.
  #promise() {
    if (this.#cancelled === undefined) {
      this.#cancelled = new Promise((_, reject) => { this.#reject = reject; });
      this.#cancelled.catch(() => {}); // it is no error if nobody listens
      if (this.#reason !== undefined) this.#reject(this.#reason);
    }
    return this.#cancelled;
  }

  get cancelled() {
    this.#alive();
    if (!this.#handedOut) this.watchers++; // until the end: nobody knows how long it is of interest
    this.#handedOut = true;
    return this.#promise();
  }

  get cancellationSignal() {
    this.#alive();
    if (this.#controller === undefined) {
      this.watchers++;
      this.#controller = new AbortController();
      if (this.#reason !== undefined) this.#controller.abort(this.#reason);
    }
    return this.#controller.signal;
  }

  sleep(duration) {
    this.#alive();
    const ms = milliseconds(duration);
    let timer;
    this.watchers++;
    const slept = new Promise((resolve) => { timer = setTimeout(resolve, ms); });
    return Promise.race([slept, this.#promise()]).finally(() => {
      clearTimeout(timer);
      this.watchers--;
    });
  }
}

function infoOf(i, task) {
  const time = (t) => (t === undefined ? undefined : Date.parse(t));
  const workflow = i.workflow_id !== undefined && i.workflow_id !== "";
  return Object.freeze({
    activityId: i.activity_id ?? "",
    activityType: i.activity_type ?? "",
    activityRunId: i.activity_run_id || undefined,
    activityNamespace: i.namespace ?? "",
    namespace: i.namespace ?? "",
    taskQueue: i.task_queue ?? "",
    attempt: i.attempt ?? 1,
    isLocal: i.is_local_activity ?? false,
    inWorkflow: workflow,
    workflowType: workflow ? i.workflow_type ?? "" : undefined,
    workflowNamespace: workflow ? i.namespace ?? "" : undefined,
    workflowExecution: workflow ? Object.freeze({ workflowId: i.workflow_id, runId: i.workflow_run_id ?? "" }) : undefined,
    heartbeatTimeoutMs: i.heartbeat_timeout_ms || undefined,
    startToCloseTimeoutMs: i.start_to_close_timeout_ms || undefined,
    scheduleToCloseTimeoutMs: i.schedule_to_close_timeout_ms || undefined,
    scheduledTimestampMs: time(i.scheduled_time),
    startedTimestampMs: time(i.started_time),
    deadlineTimestampMs: time(i.deadline),
    retryPolicy: i.retry_policy && Object.freeze({
      initialInterval: i.retry_policy.initial_interval_ms,
      backoffCoefficient: i.retry_policy.backoff_coefficient,
      maximumInterval: i.retry_policy.maximum_interval_ms,
      maximumAttempts: i.retry_policy.maximum_attempts,
      nonRetryableErrorTypes: i.retry_policy.non_retryable_error_types,
    }),
    priority: i.priority && Object.freeze({
      priorityKey: i.priority.priority_key,
      fairnessKey: i.priority.fairness_key,
      fairnessWeight: i.priority.fairness_weight,
    }),
    // Not before somebody asks: they may be long.
    get heartbeatDetails() { return task.details[0]; },
  });
}
