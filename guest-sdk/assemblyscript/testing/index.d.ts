/** A value as it travels. */
export interface Payload {
  encoding: string;
  data: Uint8Array;
  metadata?: Record<string, string>;
}

/** A failure, as abi/SPEC.md has it. A trap has the type `WasmTrap`. */
export interface Failure {
  type?: string;
  message: string;
  non_retryable?: boolean;
  next_retry_delay_ms?: number;
  category?: "benign";
  details?: unknown[];
  cause?: Failure;
}

/** How an activity ended, and what it did before. */
export interface Outcome {
  /** The result: decoded JSON, null for none, or the bytes of any other encoding. */
  result?: any;
  /** The result's bytes. */
  data?: Uint8Array;
  encoding?: string;
  metadata?: Record<string, unknown> | null;
  failure?: Failure;
  cancelled?: boolean;
  /** The details of a cancellation. */
  details?: any;
  logs: { level: string; message: string; attributes: Record<string, unknown> }[];
  /** The details of each heartbeat. */
  heartbeats: any[][];
  /** Responses of host modules that were not closed. */
  openResponses: number;
}

export interface Options {
  /** Members of the activity's information, in the names of abi/SPEC.md. */
  info?: Record<string, unknown>;
  /** The details of the last heartbeat of the attempt before. */
  details?: unknown[];
  /** The flags of `status()` from the beginning. */
  flags?: number;
  /** Called for each heartbeat with its number, from 1, and its details. Returns flags to set. */
  onHeartbeat?: (number: number, details: any[]) => number | void;
  /**
   * Host modules: functions from bytes to bytes or text. An error with a number `errno` is the guest's to handle. Those of http, sql and blob take and return
   * frames, see `decodeFrame` and `encodeFrame`.
   */
  modules?: Record<string, Record<string, (request: Uint8Array) => Uint8Array | string>>;
  /** The largest result in bytes, 2 MiB if absent. */
  maxOutput?: number;
  /** Runs one activity after the other in one instance, as the operator's policy `reuse` does. Otherwise each has its own. */
  reuse?: boolean;
}

export interface Module {
  /** Runs an activity. Arguments become JSON, `Uint8Array` bytes, null `binary/null`; payloads stay what they are. */
  run(activity: string, ...args: unknown[]): Promise<Outcome>;
  /** The same module with options. */
  with(options: Options): Module;
}

/** Loads a compiled module, by its file's name or its bytes. */
export function load(module: string | URL | Uint8Array): Promise<Module>;
/**
 * The frame in which the host modules http, sql and blob answer. What heads have is in abi/SPEC.md of wasmworker.
 *
 *     const send = (request) => encodeFrame({ status: 200, headers: { "Content-Type": ["text/plain"] } }, "hello to " + decodeFrame(request).head.url);
 *     module.with({ modules: { "wasmworker:http/v1": { send } } });
 */
export function encodeFrame(head: object, body?: Uint8Array | string): Uint8Array;
/** The head and the body of a frame. No bytes at all are an empty head and body. */
export function decodeFrame(frame: Uint8Array): { head: any; body: Uint8Array };
/** A payload of JSON. */
export function json(value: unknown): Payload;
/** A payload of bytes. */
export function binary(data: Iterable<number>): Payload;
