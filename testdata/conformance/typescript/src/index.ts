// The conformance module in TypeScript, see ../../README.md.

import {
  activityInfo, ApplicationFailure, ApplicationFailureCategory, CancelledFailure, heartbeat, isCancelled, isWorkerStopping, lastHeartbeat, log,
  PassthroughError, RawPayload,
} from "@wasmworker/sdk";
import { deny, upper as upperBytes } from "wasmworker:conformance/v1";

export async function greet(input: { name: string }): Promise<{ greeting: string }> {
  if (input.name === "") throw ApplicationFailure.nonRetryable("the name is empty", "EmptyName");
  return { greeting: `Hello, ${input.name}!` };
}

export function add(a: number, b: number): number {
  return a + b;
}

function args(...payloads: RawPayload[]): string[] {
  return payloads.map((p) => `${p.encoding}:${p.text()}`);
}
export { args as arguments }; // a function cannot be declared by this name

export function echo(payload: RawPayload): RawPayload {
  return payload;
}

export function nothing(): void {}

export function bytes(n: number): Uint8Array {
  return Uint8Array.from({ length: n }, (_, i) => i);
}

export function info() {
  const i = activityInfo();
  return {
    activity_id: i.activityId,
    activity_type: i.activityType,
    attempt: i.attempt,
    namespace: i.namespace,
    task_queue: i.taskQueue,
    workflow_id: i.workflowExecution?.workflowId,
    workflow_type: i.workflowType,
    heartbeat_timeout_ms: i.heartbeatTimeoutMs,
  };
}

export function fail(kind: "plain" | "typed" | "final" | "later" | "benign" | "cause"): never {
  switch (kind) {
    case "plain":
      throw new Error("plain text");
    case "typed":
      throw ApplicationFailure.retryable("declined", "CardDeclined", { code: 51 }, "second");
    case "final":
      throw ApplicationFailure.nonRetryable("no such card", "NoCard");
    case "later":
      throw ApplicationFailure.create({ message: "try later", type: "Busy", nextRetryDelay: "123 s" });
    case "benign":
      throw ApplicationFailure.create({ message: "nothing to see", type: "Benign", category: ApplicationFailureCategory.BENIGN });
    case "cause":
      throw ApplicationFailure.create({ message: "outer", type: "Outer", cause: ApplicationFailure.retryable("the root", "Root") });
  }
}

export async function crash(): Promise<void> {
  // A promise that nobody waits for is what takes a JavaScript program down.
  void Promise.reject(new Error("oh no"));
  await new Promise(() => {});
}

export function steps(n: number): number {
  const begin: number = lastHeartbeat()[0] ?? 0;
  for (let step = begin + 1; step <= n; step++) heartbeat(step);
  return begin;
}

export function cancel(): never {
  while (!isCancelled()) heartbeat();
  throw new CancelledFailure("asked to stop", ["cleaned up"]);
}

export function stopping(): string {
  while (!isWorkerStopping()) heartbeat();
  return "stopping";
}

export function logs(message: string): void {
  log.warn(message, { answer: 42 });
  log.debug("the end");
}

export function upper(text: string): string {
  return new TextDecoder().decode(upperBytes(text));
}

export function denied(): { errno: number; message: string } {
  try {
    deny();
  } catch (e) {
    if (e instanceof PassthroughError) return { errno: e.errno, message: e.message };
    throw e;
  }
  throw new Error("it was not denied");
}

let count = 0;

export function state(): number {
  return ++count;
}

export function spin(): never {
  for (;;);
}
