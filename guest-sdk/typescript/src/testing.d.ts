/**
 * Runs activities in Node.js, for tests. It resembles `MockActivityEnvironment` of `@temporalio/testing`.
 *
 * ```ts
 * const env = new MockActivityEnvironment({ attempt: 2 });
 * assert.deepEqual(await env.run(greet, { name: "Ada" }), { greeting: "Hello, Ada!" });
 * ```
 *
 * `node --import wasmworker-sdk/register --test` lets tests import TypeScript, and modules that import from `wasmworker:…`.
 *
 * @module
 */

import type { Info } from "./index.js";

export interface MockActivityOptions extends Partial<Omit<Info, "heartbeatDetails">> {
  /** The details of the last heartbeat of the attempt before. */
  heartbeatDetails?: unknown[];
  /** Environment variables that are granted. */
  env?: Record<string, string>;
  /**
   * The functions of host modules: `{ "wasmworker:weather/v1": { forecast: (request) => response } }`. One that throws
   * a `PassthroughError` does not answer; one that is not here answers `ENOSYS`. Those of http, sql and blob take and return frames, see
   * {@link decodeFrame} and {@link encodeFrame}.
   */
  passthrough?: Record<string, Record<string, (request: Uint8Array) => Uint8Array | string | undefined>>;
}

/** An `EventEmitter` of Node.js that emits `heartbeat` with the details of each heartbeat. */
export declare class MockActivityEnvironment {
  on(event: "heartbeat", listener: (...details: any[]) => void): this;
  once(event: "heartbeat", listener: (...details: any[]) => void): this;
  off(event: "heartbeat", listener: (...details: any[]) => void): this;
  /** The records that activities have written. */
  readonly logs: { level: "DEBUG" | "INFO" | "WARN" | "ERROR"; message: string; meta: Record<string, any> }[];
  /** The details of each heartbeat. */
  readonly heartbeats: unknown[][];
  constructor(options?: MockActivityOptions);
  /**
   * Runs an activity and returns what it does; what it throws is thrown as it is. Arguments are not checked against the types that they
   * should have: `tsc` does that here. One activity runs at a time.
   */
  run<A extends any[], R>(activity: (...args: A) => R, ...args: A): Promise<Awaited<R>>;
  /** Asks the activity that is running, or those that will, to stop. */
  cancel(reason?: "CANCELLED" | "PAUSED" | "RESET" | "GONE" | "WORKER_SHUTDOWN"): void;
}

/**
 * The frame in which the host modules http, sql and blob answer, for functions that a test has in their place. What heads have is in abi/SPEC.md of
 * wasmworker.
 *
 * ```ts
 * const send = (request: Uint8Array) => {
 *   assert.equal(decodeFrame(request).head.url, "https://api.example.com/");
 *   return encodeFrame({ status: 200, headers: { "Content-Type": ["text/plain"] } }, "hello");
 * };
 * const env = new MockActivityEnvironment({ passthrough: { "wasmworker:http/v1": { send } } });
 * ```
 */
export declare function encodeFrame(head: object, body?: Uint8Array | string): Uint8Array;
/** What is in a frame. No bytes at all are an empty head and body. @throws Error it is no frame */
export declare function decodeFrame(frame: Uint8Array): { head: any; body: Uint8Array };
