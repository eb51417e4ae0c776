/**
 * The API of Temporal activities in WebAssembly modules for wasmworker. Names are those of
 * `@temporalio/activity` where both have the same thing.
 *
 * Each function that the entry module exports is an activity. Its parameters are decoded by the encoding of
 * the payloads, and checked against their declared types:
 *
 * | encoding                            | value |
 * |-------------------------------------|-------|
 * | `json/plain`, `json/protobuf`, none | what `JSON.parse` makes of it |
 * | `binary/plain`                      | `Uint8Array` |
 * | `binary/null`                       | `undefined`, or `null` if the parameter's type has only that |
 * | any                                 | {@link RawPayload}, if that is the parameter's type |
 *
 * A missing, malformed or mistyped argument is a failure of type `InvalidInput`, not retryable. Unknown fields of objects and
 * arguments beyond the parameters are ignored. Classes, functions, `Date` and the like never come out of JSON: parameters of
 * such types are not checked.
 *
 * The result is encoded likewise: `undefined` as no result, `Uint8Array` as `binary/plain`, {@link RawPayload} as it is,
 * everything else as JSON. One that is longer than the operator allows is a failure of type `OutputTooLarge`, one that is not JSON
 * of type `InvalidOutput`; both are not retryable.
 *
 * An activity has ended when its promise is settled and no other promise can go on by itself; timers that still run are dropped then. What
 * it throws becomes a failure: {@link ApplicationFailure} as it says, {@link CancelledFailure} a cancellation, any other error a retryable failure
 * whose type is the error's `name`, whose cause is the error's `cause` or the first of its `errors` (an `AggregateError` has some), and whose message
 * lists the others of these. A rejected promise that nobody handles fails the activity in the same way. An activity that waits for a promise
 * that nothing can resolve fails with type `NeverResolved`.
 *
 * @module
 */

/** Milliseconds, or text such as `"30 seconds"`, `"1.5h"`, `"200ms"`. */
export type Duration = number | string;

/** What is known about the attempt that is running. Fields that do not apply are `undefined`. */
export interface Info {
  readonly activityId: string;
  readonly activityType: string;
  /** The run ID of a standalone activity. */
  readonly activityRunId?: string;
  /** The same as {@link namespace}; the name that it has in Temporal's SDK. */
  readonly activityNamespace: string;
  readonly namespace: string;
  readonly taskQueue: string;
  /** 1 for the first attempt, 2 for the next. */
  readonly attempt: number;
  readonly isLocal: boolean;
  /** Whether a workflow started the activity. The three fields about workflows are `undefined` otherwise. */
  readonly inWorkflow: boolean;
  readonly workflowType?: string;
  readonly workflowNamespace?: string;
  readonly workflowExecution?: { readonly workflowId: string; readonly runId: string };
  /** The longest time between two heartbeats, in milliseconds. */
  readonly heartbeatTimeoutMs?: number;
  /** Limit of this attempt, in milliseconds. */
  readonly startToCloseTimeoutMs?: number;
  /** Limit of all attempts together, in milliseconds. */
  readonly scheduleToCloseTimeoutMs?: number;
  /** When the activity was scheduled, in milliseconds since 1970, as in `Date`. */
  readonly scheduledTimestampMs?: number;
  /** When this attempt started, in milliseconds since 1970. */
  readonly startedTimestampMs?: number;
  /** When this attempt times out, in milliseconds since 1970. */
  readonly deadlineTimestampMs?: number;
  /** The first detail of the last heartbeat of the attempt before; {@link lastHeartbeat} has all of them. */
  readonly heartbeatDetails: any;
  /** Intervals are milliseconds. */
  readonly retryPolicy?: {
    readonly initialInterval?: number;
    readonly backoffCoefficient?: number;
    readonly maximumInterval?: number;
    readonly maximumAttempts?: number;
    readonly nonRetryableErrorTypes?: readonly string[];
  };
  readonly priority?: { readonly priorityKey?: number; readonly fairnessKey?: string; readonly fairnessWeight?: number };
}

/**
 * Writes records to the host's log, which adds the module and the activity. `meta` are a record's attributes; they
 * travel as JSON. Level `trace` is written as debug. `console.log` and its like write records, too, without attributes.
 */
export interface Logger {
  log(level: "TRACE" | "DEBUG" | "INFO" | "WARN" | "ERROR", message: string, meta?: object): void;
  trace(message: string, meta?: object): void;
  debug(message: string, meta?: object): void;
  info(message: string, meta?: object): void;
  warn(message: string, meta?: object): void;
  error(message: string, meta?: object): void;
}

/** The attempt that is running. All its members throw an `Error` once the activity has ended. */
export interface Context {
  readonly info: Info;
  readonly log: Logger;
  /**
   * Rejects with a {@link CancelledFailure} when the activity should stop: somebody cancelled, paused or reset it, Temporal does not wait for it
   * any more, or the worker is shutting down. The failure's message tells which, see {@link CancelledFailure}. It never resolves.
   *
   * Requests are seen while the activity waits (within 20 ms), by {@link heartbeat} and by {@link isCancelled}. Code that computes sees
   * nothing, as ever in JavaScript.
   */
  readonly cancelled: Promise<never>;
  /** An `AbortSignal` that is aborted when {@link cancelled} rejects. Its reason is the {@link CancelledFailure}. */
  readonly cancellationSignal: AbortSignal;
  /** Asks the host whether the activity should stop. Cheap enough for a loop. */
  readonly isCancelled: boolean;
  /** Throws the {@link CancelledFailure} if the activity should stop. */
  throwIfCancelled(): void;
  /**
   * Whether the worker is shutting down. The activity may use the operator's graceful timeout to end
   * by itself: it need not care for {@link cancelled}.
   */
  readonly isWorkerStopping: boolean;
  /**
   * Tells Temporal that the activity is alive, and how far it has come: the next attempt gets the details from
   * {@link lastHeartbeat}. The host throttles what it sends, so call this as often as is convenient. Until the first call the host
   * heartbeats for the activity; from then on the heartbeat timeout is the activity's to keep.
   *
   * @throws RangeError the details are too long together (2 MiB by default)
   */
  heartbeat(...details: unknown[]): void;
  /** Resolves after the time; rejects with a {@link CancelledFailure} as soon as the activity should stop. */
  sleep(duration: Duration): Promise<void>;
}

export declare const Context: {
  /** The attempt that is running. @throws Error outside an activity, so also at the top level of a module */
  current(): Context;
};

/** Whether an activity is running. */
export declare function inActivityContext(): boolean;
/** {@link Context.info} of the current context. */
export declare function activityInfo(): Info;
/** {@link Context.heartbeat} of the current context. */
export declare function heartbeat(...details: unknown[]): void;
/**
 * The details of the last heartbeat of the attempt before, empty if there are none. They are decoded as arguments are.
 * @throws ApplicationFailure of type `InvalidInput`, not retryable: one is malformed, or of an encoding that is not decoded
 */
export declare function lastHeartbeat(): readonly any[];
/** {@link Context.sleep} of the current context. */
export declare function sleep(duration: Duration): Promise<void>;
/** {@link Context.cancelled} of the current context. */
export declare function cancelled(): Promise<never>;
/** {@link Context.cancellationSignal} of the current context. */
export declare function cancellationSignal(): AbortSignal;
/** {@link Context.isCancelled} of the current context. */
export declare function isCancelled(): boolean;
/** {@link Context.throwIfCancelled} of the current context. */
export declare function throwIfCancelled(): void;
/** {@link Context.isWorkerStopping} of the current context. */
export declare function isWorkerStopping(): boolean;

/** Writes records to the host's log. It may be used at the top level of a module, too. */
export declare const log: Logger;

/** An environment variable that the operator has granted, or `undefined`. */
export declare function env(name: string): string | undefined;

/** How Temporal counts and logs a failure: `BENIGN` is part of normal work, and nobody needs to be alerted of it. */
export declare const ApplicationFailureCategory: { readonly UNSPECIFIED: "UNSPECIFIED"; readonly BENIGN: "BENIGN" };
export type ApplicationFailureCategory = "UNSPECIFIED" | "BENIGN";

export interface ApplicationFailureOptions {
  message?: string;
  /** What workflows and retry policies tell the failure by. */
  type?: string;
  /** Whether the activity ends here, whatever its retry policy says. Default `false`. */
  nonRetryable?: boolean;
  /** Values for the workflow; each travels as JSON. */
  details?: unknown[];
  /** Replaces the delay before the next attempt that the retry policy would give. */
  nextRetryDelay?: Duration;
  cause?: Error;
  category?: ApplicationFailureCategory;
}

/** A failure with a type to tell it by, and details for the workflow. */
export declare class ApplicationFailure extends Error {
  readonly type?: string;
  readonly nonRetryable: boolean;
  readonly details?: unknown[];
  readonly nextRetryDelay?: Duration;
  readonly category: ApplicationFailureCategory;
  constructor(message?: string, type?: string, nonRetryable?: boolean, details?: unknown[], cause?: Error, nextRetryDelay?: Duration,
    category?: ApplicationFailureCategory);
  static create(options: ApplicationFailureOptions): ApplicationFailure;
  /** A failure that is retried. The type is `"Error"` if none is given. */
  static retryable(message?: string, type?: string, ...details: unknown[]): ApplicationFailure;
  /** A failure after which the activity is not tried again. The type is `"Error"` if none is given. */
  static nonRetryable(message?: string, type?: string, ...details: unknown[]): ApplicationFailure;
  /** A failure with the message and the name of an error, which becomes its cause. */
  static fromError(error: unknown, overrides?: ApplicationFailureOptions): ApplicationFailure;
}

/**
 * Says that an activity stops because it was asked to. The one that the SDK throws has as its message why:
 * `"CANCELLED"`, `"PAUSED"`, `"RESET"`, `"GONE"` (Temporal does not wait any more) or `"WORKER_SHUTDOWN"`.
 *
 * An activity that throws it ends as cancelled. After `WORKER_SHUTDOWN` it ends with a retryable failure of type `WorkerShutdown` instead, so that Temporal hands
 * it to another worker; if nobody had asked, with one of type `UnexpectedCancel`.
 */
export declare class CancelledFailure extends Error {
  readonly details: unknown[];
  /** @param details values for whoever asked. One travels as it is, several as a JSON array */
  constructor(message?: string, details?: unknown[], cause?: Error);
}

/**
 * A payload as it travels: bytes and their encoding. A parameter of this type receives an argument of any encoding, undecoded; an
 * activity that returns one decides about its result's bytes and encoding.
 */
export declare class RawPayload {
  readonly data: Uint8Array;
  /** May be empty: the payload does not say. */
  readonly encoding: string;
  /** All metadata, the encoding included if there is one. Values that are not text are bytes. */
  readonly metadata: Readonly<Record<string, string | Uint8Array>>;
  /** @param encoding `"binary/plain"` if left out */
  constructor(data: Uint8Array | string, encoding?: string, metadata?: Record<string, string | Uint8Array>);
  /** The bytes as UTF-8 text. */
  text(): string;
  /** The bytes as JSON. @throws SyntaxError they are not */
  json(): any;
}

/**
 * A function of a host module, as an import gives it:
 *
 * ```ts
 * import { forecast } from "wasmworker:weather/v1";
 * ```
 *
 * The import is the module's request; the operator has to grant it. The whole instance waits until the host answers. An empty
 * response is no bytes.
 *
 * @throws PassthroughError the host module did not answer
 */
export type PassthroughFunction = (request?: Uint8Array | string) => Uint8Array;

/** Calls a function of a host module with JSON on both sides. `undefined` is sent as no bytes, and no bytes are `undefined`. */
export declare function callJSON<T = any>(f: PassthroughFunction, request?: unknown): T;

/** Why a host module did not answer. */
export declare class PassthroughError extends Error {
  /** One of {@link Errno}. `EACCES`: the operator's policy denies it. */
  readonly errno: number;
  /** The name of the errno, such as `"EACCES"`. */
  readonly code: string;
  constructor(errno: number, message: string);
}

export { Errno } from "./errno.js";
