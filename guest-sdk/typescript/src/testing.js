// See testing.d.ts.

import { EventEmitter } from "node:events";
import { setTask } from "./internal/current.js";
import { CANCEL_REQUESTED, Errno, GONE, PAUSED, RESET, WORKER_STOPPING } from "./internal/abi.js";
import { setHost } from "./internal/host.js";
import { Task } from "./internal/task.js";
import { encode } from "./payload.js";
import { PassthroughError } from "./passthrough.js";

const FLAGS = { CANCELLED: CANCEL_REQUESTED, WORKER_SHUTDOWN: WORKER_STOPPING, PAUSED, RESET, GONE };
const LEVELS = new Map([[-4, "DEBUG"], [0, "INFO"], [4, "WARN"], [8, "ERROR"]]);

export { decodeFrame, encodeFrame } from "./internal/frame.js";

let running = false;

export class MockActivityEnvironment extends EventEmitter {
  logs = [];
  heartbeats = [];
  #info;
  #details;
  #env;
  #passthrough;
  #flags = 0;
  #error = "";
  #next = [];
  #task;

  constructor({ heartbeatDetails = [], env = {}, passthrough = {}, ...info } = {}) {
    super();
    this.#info = info;
    this.#details = heartbeatDetails.map((d) => encode(d, "a detail") ?? { data: "", encoding: "binary/null" });
    this.#env = env;
    this.#passthrough = passthrough;
  }

  async run(activity, ...args) {
    if (running) throw new Error("another activity is running: there is only one at a time");
    running = true;
    setHost(this.#host());
    this.#task = new Task();
    setTask(this.#task);
    try {
      return await activity(...args);
    } finally {
      this.#task.ended = true;
      this.#task = undefined;
      setTask(undefined);
      setHost(undefined);
      running = false;
    }
  }

  cancel(reason = "CANCELLED") {
    if (FLAGS[reason] === undefined) throw new TypeError(`${reason} is none of ${Object.keys(FLAGS).join(", ")}`);
    this.#flags |= FLAGS[reason];
    this.#task?.poll();
  }

  #fail(errno, message) {
    this.#error = message;
    return -errno;
  }

  #host() {
    const i = this.#info;
    const iso = (ms) => (ms === undefined ? undefined : new Date(ms).toISOString());
    const text = (data) => (typeof data === "string" ? data : new TextDecoder().decode(data));
    return {
      info: () => JSON.stringify({
        activity_id: i.activityId ?? "test",
        activity_type: i.activityType ?? "test",
        activity_run_id: i.activityRunId,
        attempt: i.attempt ?? 1,
        namespace: i.namespace ?? i.activityNamespace ?? "default",
        task_queue: i.taskQueue ?? "test",
        is_local_activity: i.isLocal ?? false,
        workflow_id: i.inWorkflow === false ? undefined : i.workflowExecution?.workflowId ?? "test",
        workflow_run_id: i.workflowExecution?.runId ?? "test-run",
        workflow_type: i.workflowType ?? "test",
        heartbeat_timeout_ms: i.heartbeatTimeoutMs,
        start_to_close_timeout_ms: i.startToCloseTimeoutMs,
        schedule_to_close_timeout_ms: i.scheduleToCloseTimeoutMs,
        scheduled_time: iso(i.scheduledTimestampMs ?? 0),
        started_time: iso(i.startedTimestampMs ?? 0),
        deadline: iso(i.deadlineTimestampMs),
        retry_policy: i.retryPolicy && {
          initial_interval_ms: i.retryPolicy.initialInterval,
          backoff_coefficient: i.retryPolicy.backoffCoefficient,
          maximum_interval_ms: i.retryPolicy.maximumInterval,
          maximum_attempts: i.retryPolicy.maximumAttempts,
          non_retryable_error_types: i.retryPolicy.nonRetryableErrorTypes,
        },
        priority: i.priority && { priority_key: i.priority.priorityKey, fairness_key: i.priority.fairnessKey, fairness_weight: i.priority.fairnessWeight },
      }),
      status: () => this.#flags,
      detailCount: () => this.#details.length,
      detailEncoding: (n) => this.#details[n].encoding,
      detailText: (n) => text(this.#details[n].data),
      detailBytes: (n) => (typeof this.#details[n].data === "string" ? new TextEncoder().encode(this.#details[n].data) : this.#details[n].data),
      heartbeatDetail: (data, encoding) => this.#next.push(encoding === "json/plain" ? JSON.parse(data) : encoding === "binary/null" ? undefined : data),
      heartbeat: () => {
        const details = this.#next;
        this.#next = [];
        this.heartbeats.push(details);
        this.emit("heartbeat", ...details);
        return this.#flags;
      },
      lastError: () => this.#error,
      log: (level, message, attributes) => this.logs.push({ level: LEVELS.get(level), message, meta: attributes === "" ? {} : JSON.parse(attributes) }),
      environ: () => new TextEncoder().encode(Object.entries(this.#env).map(([name, value]) => `${name}=${value}\0`).join("")),
      passthrough: (_, request, module, name) => {
        const f = this.#passthrough[module]?.[name];
        if (f === undefined) return this.#fail(Errno.ENOSYS, `the test has no function ${name} of ${module}`);
        try {
          const response = f(typeof request === "string" ? new TextEncoder().encode(request) : request);
          return typeof response === "string" ? new TextEncoder().encode(response) : response ?? new Uint8Array(0);
        } catch (e) {
          return e instanceof PassthroughError ? this.#fail(e.errno, e.message) : this.#fail(Errno.EIO, String(e));
        }
      },
    };
  }
}
