/**
 * Write Temporal workflows for wasmworker. Each async function that the entry module exports is a workflow type of its name:
 *
 * ```ts
 * import { proxyActivities, sleep } from "wasmworker-sdk/workflow";
 * import type * as activities from "./activities";
 *
 * const { charge } = proxyActivities<typeof activities>({ startToCloseTimeout: "1 minute" });
 *
 * export async function order(item: string): Promise<string> {
 *   const receipt = await charge(item);
 *   await sleep("1 day");
 *   return receipt;
 * }
 * ```
 *
 * Names are those of `@temporalio/workflow` where both have the same thing. `Date`, `Math.random`, `crypto` and `setTimeout`
 * are the run's: the same in a replay, and timers are durable. Functions throw an `Error` while the module is initialized,
 * but for those that only define something, such as {@link proxyActivities} and {@link defineSignal}.
 *
 * A workflow fails with a {@link TemporalFailure} that it throws. Whatever else it throws is a fault of the code: it fails
 * the workflow *task*, which the server gives out again.
 *
 * @module
 */

import type { ApplicationFailureCategory, ApplicationFailureOptions, Duration, Logger } from "./index.js";

export type { ApplicationFailureOptions, Duration, Logger } from "./index.js";
export { ApplicationFailureCategory, RawPayload } from "./index.js";

/** An asynchronous function: a workflow. */
export type Workflow = (...args: any[]) => Promise<any>;
export type WorkflowResultType<W extends Workflow> = Awaited<ReturnType<W>>;

/** How often, and how soon, something is tried again. */
export interface RetryPolicy {
  /** Default 1 second. */
  initialInterval?: Duration;
  /** Default 2. */
  backoffCoefficient?: number;
  /** Default 100 times the initial interval. */
  maximumInterval?: Duration;
  /** Default `Infinity`. 1 is one attempt. */
  maximumAttempts?: number;
  /** Types of application failures after which there is no further attempt. */
  nonRetryableErrorTypes?: string[];
}

export interface Priority {
  /** From 1, the most urgent. */
  readonly priorityKey?: number;
  readonly fairnessKey?: string;
  readonly fairnessWeight?: number;
}

// Activities

/**
 * What becomes of an activity when its scope is cancelled.
 * - `TRY_CANCEL`: the activity is asked to stop, and the call fails at once. The default.
 * - `WAIT_CANCELLATION_COMPLETED`: the activity is asked to stop, and the call ends as the activity does.
 * - `ABANDON`: the activity is not told, and the call fails at once.
 */
export declare const ActivityCancellationType: {
  readonly TRY_CANCEL: "TRY_CANCEL";
  readonly WAIT_CANCELLATION_COMPLETED: "WAIT_CANCELLATION_COMPLETED";
  readonly ABANDON: "ABANDON";
};
export type ActivityCancellationType = (typeof ActivityCancellationType)[keyof typeof ActivityCancellationType];

/** One of `startToCloseTimeout` and `scheduleToCloseTimeout` is required. */
export interface ActivityOptions {
  /** The longest time of one attempt. */
  startToCloseTimeout?: Duration;
  /** The longest time of all attempts together. */
  scheduleToCloseTimeout?: Duration;
  /** The longest time until a worker takes it. Default: unlimited. */
  scheduleToStartTimeout?: Duration;
  /** The longest time between two heartbeats. Default: none are needed. */
  heartbeatTimeout?: Duration;
  retry?: RetryPolicy;
  /** Default: that of the workflow. */
  taskQueue?: string;
  /** Default: one that the worker makes. */
  activityId?: string;
  /** Default `TRY_CANCEL`. */
  cancellationType?: ActivityCancellationType;
  /** Whether this worker may get it without asking for it. Default `true`. */
  allowEagerDispatch?: boolean;
  /** A line for the user interface. */
  summary?: string;
  priority?: Priority;
}

/** One of both timeouts is required. */
export interface LocalActivityOptions {
  startToCloseTimeout?: Duration;
  scheduleToCloseTimeout?: Duration;
  retry?: RetryPolicy;
  summary?: string;
}

/** Activities, as a workflow calls them. */
export type ActivityInterfaceFor<A, O = ActivityOptions> = {
  [K in keyof A as A[K] extends (...args: any[]) => any ? K : never]: A[K] extends (...args: infer Args) => infer R
    ? { (...args: Args): Promise<Awaited<R>>; executeWithOptions(options: O, args: Args): Promise<Awaited<R>> } : never;
};

/** Activities of any type, for calls of `proxyActivities` without a type. */
export type UntypedActivities = Record<string, (...args: any[]) => Promise<any>>;

/**
 * Functions that call activities: each is of the type that its name says, in whatever language that is written.
 * A call rejects with an {@link ActivityFailure}.
 *
 * @throws TypeError there is no timeout
 */
export declare function proxyActivities<A = UntypedActivities>(options: ActivityOptions): ActivityInterfaceFor<A>;
/** As {@link proxyActivities}, for activities of modules that the same worker has. They run within the workflow task. */
export declare function proxyLocalActivities<A = UntypedActivities>(options: LocalActivityOptions): ActivityInterfaceFor<A, LocalActivityOptions>;
/** Calls an activity whose type is known as text alone. */
export declare function scheduleActivity<R = any>(activityType: string, args: any[], options: ActivityOptions): Promise<R>;
/** Calls a local activity whose type is known as text alone. */
export declare function scheduleLocalActivity<R = any>(activityType: string, args: any[], options: LocalActivityOptions): Promise<R>;

// Waiting

/**
 * Resolves after the time, by a durable timer of at least 1 ms. Rejects with a {@link CancelledFailure} as soon as its scope is cancelled.
 */
export declare function sleep(duration: Duration, options?: { summary?: string }): Promise<void>;
/** Resolves when the function returns `true`. It is called often and must not change anything. */
export declare function condition(f: () => boolean): Promise<void>;
/** As above, but resolves to `false` after the time. */
export declare function condition(f: () => boolean, timeout: Duration): Promise<boolean>;

/** A promise that is resolved or rejected from elsewhere. */
export declare class Trigger<T> implements PromiseLike<T> {
  readonly resolve: (value: T | PromiseLike<T>) => void;
  readonly reject: (reason?: any) => void;
  then<R1 = T, R2 = never>(fulfilled?: ((value: T) => R1 | PromiseLike<R1>) | null, rejected?: ((reason: any) => R2 | PromiseLike<R2>) | null): Promise<R1 | R2>;
  catch<R = never>(rejected?: ((reason: any) => R | PromiseLike<R>) | null): Promise<T | R>;
  finally(f?: (() => void) | null): Promise<T>;
}

// Cancellation

export interface CancellationScopeOptions {
  /** Whether the cancellation of the scope around is passed on. Default `true`. */
  cancellable?: boolean;
  /** When the scope cancels itself. Default: never. */
  timeout?: Duration;
  /** Default: the scope in which it is made. */
  parent?: CancellationScope;
}

/**
 * A part of a workflow that is cancelled as a whole: what is begun in it, its activities, timers, children, conditions and scopes.
 * The run is the outermost one, and is cancelled when somebody asks for that.
 */
export declare class CancellationScope {
  readonly cancellable: boolean;
  /** In milliseconds. */
  readonly timeout?: number;
  readonly parent?: CancellationScope;
  constructor(options?: CancellationScopeOptions);
  /** Rejects with a {@link CancelledFailure} when the scope is cancelled. It never resolves. */
  readonly cancelRequested: Promise<never>;
  /** Whether it was cancelled, and cares for it. */
  readonly consideredCancelled: boolean;
  /** Calls the function within the scope. */
  run<T>(f: () => Promise<T>): Promise<T>;
  cancel(): void;
  /** The scope of the code that runs. */
  static current(): CancellationScope;
  static cancellable<T>(f: () => Promise<T>): Promise<T>;
  /** Runs the function so that a cancellation around it does not reach it, as for cleaning up. */
  static nonCancellable<T>(f: () => Promise<T>): Promise<T>;
  /** Runs the function, and cancels what it has begun after the time. */
  static withTimeout<T>(timeout: Duration, f: () => Promise<T>): Promise<T>;
}

/** Whether an error is a cancellation, or an activity or child workflow that was cancelled. */
export declare function isCancellation(error: unknown): boolean;

// Signals, queries, updates

export interface SignalDefinition<Args extends any[] = [], Name extends string = string> { readonly type: "signal"; readonly name: Name; readonly _args?: Args }
export interface QueryDefinition<R = unknown, Args extends any[] = [], Name extends string = string> { readonly type: "query"; readonly name: Name; readonly _args?: Args; readonly _result?: R }
export interface UpdateDefinition<R = unknown, Args extends any[] = [], Name extends string = string> { readonly type: "update"; readonly name: Name; readonly _args?: Args; readonly _result?: R }

export declare function defineSignal<Args extends any[] = [], Name extends string = string>(name: Name): SignalDefinition<Args, Name>;
export declare function defineQuery<R, Args extends any[] = [], Name extends string = string>(name: Name): QueryDefinition<R, Args, Name>;
export declare function defineUpdate<R, Args extends any[] = [], Name extends string = string>(name: Name): UpdateDefinition<R, Args, Name>;

/** Whether the end of a workflow is logged while a handler runs. Such a handler is abandoned in any case. */
export declare const HandlerUnfinishedPolicy: { readonly WARN_AND_ABANDON: "WARN_AND_ABANDON"; readonly ABANDON: "ABANDON" };
export type HandlerUnfinishedPolicy = (typeof HandlerUnfinishedPolicy)[keyof typeof HandlerUnfinishedPolicy];

export interface QueryHandlerOptions {
  /** What tools show of it. */
  description?: string;
}
export interface SignalHandlerOptions extends QueryHandlerOptions {
  /** Default `WARN_AND_ABANDON`. */
  unfinishedPolicy?: HandlerUnfinishedPolicy;
}
export interface UpdateHandlerOptions<Args extends any[]> extends SignalHandlerOptions {
  /** Refuses an update by what it throws. It must not change anything: what it changes is undone. */
  validator?: (...args: Args) => void;
}

type Definition = SignalDefinition<any> | QueryDefinition<any, any> | UpdateDefinition<any, any>;
/** The function that handles what a definition defines. */
export type HandlerOf<D extends Definition> = D extends SignalDefinition<infer Args> ? (...args: Args) => void | Promise<void>
  : D extends QueryDefinition<infer R, infer Args> ? (...args: Args) => R
  : D extends UpdateDefinition<infer R, infer Args> ? (...args: Args) => R | Promise<R> : never;
export type HandlerOptionsOf<D extends Definition> = D extends SignalDefinition<any> ? SignalHandlerOptions
  : D extends QueryDefinition<any, any> ? QueryHandlerOptions
  : D extends UpdateDefinition<any, infer Args> ? UpdateHandlerOptions<Args> : never;

/**
 * Sets the handler of a name. `undefined` takes it away.
 *
 * - Signals that came before are handled at once.
 * - What answers a query must not change anything, nor begin anything: what it changes is undone.
 * - A {@link TemporalFailure} that the handler of an update throws is that of the update, and one of a signal that of the
 *   workflow. Whatever else they throw fails the workflow task.
 */
export declare function setHandler<D extends Definition>(definition: D, handler: HandlerOf<D> | undefined, options?: HandlerOptionsOf<D>): void;

/** Handles signals that have no handler of their name. */
export declare function setDefaultSignalHandler(handler: ((name: string, ...args: any[]) => void | Promise<void>) | undefined): void;
/** Answers queries that have no handler of their name. */
export declare function setDefaultQueryHandler(handler: ((name: string, ...args: any[]) => any) | undefined): void;
/** Handles updates that have no handler of their name. */
export declare function setDefaultUpdateHandler(handler: ((name: string, ...args: any[]) => any) | undefined): void;
/** Whether no handler of a signal or an update runs. */
export declare function allHandlersFinished(): boolean;
/** The update that the code is a part of, if any. */
export declare function currentUpdateInfo(): { readonly id: string; readonly name: string } | undefined;

// Other workflows

/**
 * What becomes of a child workflow when its scope is cancelled.
 * - `WAIT_CANCELLATION_COMPLETED`: it is asked to stop, and the call ends as it does. The default.
 * - `WAIT_CANCELLATION_REQUESTED`: it is asked to stop, and the call fails once that is known to have been asked.
 * - `TRY_CANCEL`: it is asked to stop, and the call fails at once.
 * - `ABANDON`: it is not told, and the call fails at once.
 */
export declare const ChildWorkflowCancellationType: {
  readonly ABANDON: "ABANDON";
  readonly TRY_CANCEL: "TRY_CANCEL";
  readonly WAIT_CANCELLATION_COMPLETED: "WAIT_CANCELLATION_COMPLETED";
  readonly WAIT_CANCELLATION_REQUESTED: "WAIT_CANCELLATION_REQUESTED";
};
export type ChildWorkflowCancellationType = (typeof ChildWorkflowCancellationType)[keyof typeof ChildWorkflowCancellationType];

/** What becomes of a child when its parent ends. */
export declare const ParentClosePolicy: { readonly TERMINATE: "TERMINATE"; readonly ABANDON: "ABANDON"; readonly REQUEST_CANCEL: "REQUEST_CANCEL" };
export type ParentClosePolicy = (typeof ParentClosePolicy)[keyof typeof ParentClosePolicy];

/** Whether an ID may be used again after the workflow that had it has ended. */
export declare const WorkflowIdReusePolicy: {
  readonly ALLOW_DUPLICATE: "ALLOW_DUPLICATE"; readonly ALLOW_DUPLICATE_FAILED_ONLY: "ALLOW_DUPLICATE_FAILED_ONLY"; readonly REJECT_DUPLICATE: "REJECT_DUPLICATE";
};
export type WorkflowIdReusePolicy = (typeof WorkflowIdReusePolicy)[keyof typeof WorkflowIdReusePolicy];

export interface ChildWorkflowOptions<Args extends any[] = any[]> {
  args?: Args | Readonly<Args>;
  /** Default: a new UUID. */
  workflowId?: string;
  /** Default: that of this workflow. */
  taskQueue?: string;
  workflowExecutionTimeout?: Duration;
  workflowRunTimeout?: Duration;
  /** Default 10 seconds. */
  workflowTaskTimeout?: Duration;
  retry?: RetryPolicy;
  /** Default `TERMINATE`. */
  parentClosePolicy?: ParentClosePolicy;
  /** Default `WAIT_CANCELLATION_COMPLETED`. */
  cancellationType?: ChildWorkflowCancellationType;
  /** Default `ALLOW_DUPLICATE`. */
  workflowIdReusePolicy?: WorkflowIdReusePolicy;
  cronSchedule?: string;
  memo?: Record<string, unknown>;
  typedSearchAttributes?: SearchAttributePair[] | TypedSearchAttributes;
  /** A line for the user interface. */
  staticSummary?: string;
  /** Text for the user interface. */
  staticDetails?: string;
  priority?: Priority;
}

/** Options for a workflow whose parameters are known: they are required if it has any. */
export type OptionsFor<W extends Workflow> = ChildWorkflowOptions<Parameters<W>> & (Parameters<W> extends [] ? unknown : [] extends Parameters<W> ? unknown : { args: Parameters<W> | Readonly<Parameters<W>> });

export interface ChildWorkflowHandle<W extends Workflow = Workflow> {
  readonly workflowId: string;
  readonly firstExecutionRunId: string;
  /** Rejects with a {@link ChildWorkflowFailure}. */
  result(): Promise<WorkflowResultType<W>>;
  signal<Args extends any[] = any[]>(definition: SignalDefinition<Args> | string, ...args: Args): Promise<void>;
}

/** Starts a child workflow, told by its function or by its type. Resolves when it has started. */
export declare function startChild(workflowType: string, options?: ChildWorkflowOptions): Promise<ChildWorkflowHandle>;
export declare function startChild<W extends Workflow>(workflow: W, ...options: [] extends Parameters<W> ? [OptionsFor<W>?] : [OptionsFor<W>]): Promise<ChildWorkflowHandle<W>>;
/** Starts a child workflow, and resolves to its result. Rejects with a {@link ChildWorkflowFailure}. */
export declare function executeChild<R = any>(workflowType: string, options?: ChildWorkflowOptions): Promise<R>;
export declare function executeChild<W extends Workflow>(workflow: W, ...options: [] extends Parameters<W> ? [OptionsFor<W>?] : [OptionsFor<W>]): Promise<WorkflowResultType<W>>;

export interface ExternalWorkflowHandle {
  readonly workflowId: string;
  /** `undefined`: whichever runs. */
  readonly runId?: string;
  /** Resolves when it was delivered. */
  signal<Args extends any[] = any[]>(definition: SignalDefinition<Args> | string, ...args: Args): Promise<void>;
  /** Asks for its cancellation. Resolves when that was delivered. */
  cancel(): Promise<void>;
}
export declare function getExternalWorkflowHandle(workflowId: string, runId?: string): ExternalWorkflowHandle;

export interface ContinueAsNewOptions {
  /** Default: its own. */
  workflowType?: string;
  taskQueue?: string;
  workflowRunTimeout?: Duration;
  workflowTaskTimeout?: Duration;
  memo?: Record<string, unknown>;
  typedSearchAttributes?: SearchAttributePair[] | TypedSearchAttributes;
  retry?: RetryPolicy;
}
/** What {@link continueAsNew} throws. The workflow has to let it through. */
export declare class ContinueAsNew extends Error { private constructor(); }
/** Ends the run by throwing, and begins another one of the same workflow with these arguments. */
export declare function continueAsNew<W extends Workflow = Workflow>(...args: Parameters<W>): Promise<never>;
/** {@link continueAsNew} with options. */
export declare function makeContinueAsNewFunc<W extends Workflow = Workflow>(options?: ContinueAsNewOptions): (...args: Parameters<W>) => Promise<never>;

// What a workflow knows and shows of itself

export interface WorkflowExecution { readonly workflowId: string; readonly runId: string; readonly namespace?: string }

/** Times are milliseconds. Fields that do not apply are `undefined`. */
export interface WorkflowInfo {
  readonly workflowId: string;
  readonly runId: string;
  /** The first run of those that were continued as new, retried or scheduled. */
  readonly firstExecutionRunId: string;
  readonly continuedFromExecutionRunId?: string;
  readonly workflowType: string;
  readonly taskQueue: string;
  readonly namespace: string;
  readonly attempt: number;
  readonly startTime: Date;
  readonly executionTimeoutMs?: number;
  readonly runTimeoutMs?: number;
  readonly taskTimeoutMs: number;
  readonly cronSchedule?: string;
  readonly parent?: WorkflowExecution;
  readonly root?: WorkflowExecution;
  readonly retryPolicy?: {
    readonly initialInterval?: number; readonly backoffCoefficient?: number; readonly maximumInterval?: number; readonly maximumAttempts?: number;
    readonly nonRetryableErrorTypes?: readonly string[];
  };
  readonly priority?: Priority;
  readonly memo: Readonly<Record<string, any>>;
  readonly typedSearchAttributes: TypedSearchAttributes;
  /** Of the run before, of a cron schedule. */
  readonly lastResult?: any;
  /** Events in the history so far. */
  readonly historyLength: number;
  /** Bytes. */
  readonly historySize: number;
  /** Whether the history has become so long that the workflow should go on in a new run. */
  readonly continueAsNewSuggested: boolean;
}
/** What is known about the run now. */
export declare function workflowInfo(): WorkflowInfo;
/** Whether a run has begun: not while the module is initialized. */
export declare function inWorkflowContext(): boolean;

/** Sets fields of the memo. `null` takes one away. */
export declare function upsertMemo(memo: Record<string, unknown>): void;

export declare const SearchAttributeType: {
  readonly TEXT: "TEXT"; readonly KEYWORD: "KEYWORD"; readonly INT: "INT"; readonly DOUBLE: "DOUBLE"; readonly BOOL: "BOOL"; readonly DATETIME: "DATETIME";
  readonly KEYWORD_LIST: "KEYWORD_LIST";
};
export type SearchAttributeType = (typeof SearchAttributeType)[keyof typeof SearchAttributeType];
export interface SearchAttributeValues { TEXT: string; KEYWORD: string; INT: number; DOUBLE: number; BOOL: boolean; DATETIME: Date; KEYWORD_LIST: string[] }
export interface SearchAttributeKey<T extends SearchAttributeType = SearchAttributeType> { readonly name: string; readonly type: T }
export type SearchAttributePair = { [T in SearchAttributeType]: { readonly key: SearchAttributeKey<T>; readonly value: SearchAttributeValues[T] | null } }[SearchAttributeType];
export declare function defineSearchAttributeKey<T extends SearchAttributeType>(name: string, type: T): SearchAttributeKey<T>;
export declare class TypedSearchAttributes {
  constructor(pairs?: SearchAttributePair[]);
  get<T extends SearchAttributeType>(key: SearchAttributeKey<T>): SearchAttributeValues[T] | undefined;
  getAll(): SearchAttributePair[];
}
/** Sets search attributes. `null` takes one away. @throws TypeError a value is not of its key's type */
export declare function upsertSearchAttributes(attributes: SearchAttributePair[] | TypedSearchAttributes): void;

/** Text for the user interface, in Markdown. */
export declare function setCurrentDetails(text: string): void;
export declare function getCurrentDetails(): string;

/**
 * Whether code that was changed runs: `true`, and recorded, unless the run passed here before there was such a change.
 * @param patchId at most 1,000 bytes
 */
export declare function patched(patchId: string): boolean;
/** Says that there is no run any more that passed here before the change. */
export declare function deprecatePatch(patchId: string): void;

/** A random UUID, the same in a replay. */
export declare function uuid4(): string;
/** Writes records to the host's log, but not in a replay. */
export declare const log: Logger;

// Failures

/** What a workflow, an update or an activity fails with. */
export declare class TemporalFailure extends Error {}

/** A failure with a type to tell it by, and details. */
export declare class ApplicationFailure extends TemporalFailure {
  readonly type?: string;
  readonly nonRetryable: boolean;
  readonly details?: any[];
  readonly nextRetryDelay?: Duration;
  readonly category: ApplicationFailureCategory;
  constructor(message?: string, type?: string, nonRetryable?: boolean, details?: unknown[], cause?: Error, nextRetryDelay?: Duration,
    category?: ApplicationFailureCategory);
  static create(options: ApplicationFailureOptions): ApplicationFailure;
  /** A failure after which a retry policy applies. The type is `"Error"` if none is given. */
  static retryable(message?: string, type?: string, ...details: unknown[]): ApplicationFailure;
  /** A failure after which there is no further attempt. The type is `"Error"` if none is given. */
  static nonRetryable(message?: string, type?: string, ...details: unknown[]): ApplicationFailure;
  /** A failure with the message and the name of an error, which becomes its cause. */
  static fromError(error: unknown, overrides?: ApplicationFailureOptions): ApplicationFailure;
}

export declare class CancelledFailure extends TemporalFailure {
  readonly details: any[];
  constructor(message?: string, details?: unknown[], cause?: Error);
}

/** An activity failed. `cause` tells why. */
export declare class ActivityFailure extends TemporalFailure {
  readonly activityType: string;
  readonly activityId?: string;
  /** Why there was no further attempt, such as `"MAXIMUM_ATTEMPTS_REACHED"`. */
  readonly retryState?: string;
  readonly identity?: string;
  readonly cause?: Error;
  constructor(message: string | undefined, activityType: string, activityId: string | undefined, retryState: string | undefined, identity: string | undefined, cause?: Error);
}

/** A child workflow failed, or could not start. `cause` tells why. */
export declare class ChildWorkflowFailure extends TemporalFailure {
  readonly namespace?: string;
  readonly execution: { readonly workflowId?: string; readonly runId?: string };
  readonly workflowType: string;
  readonly retryState?: string;
  readonly cause?: Error;
  constructor(namespace: string | undefined, execution: { workflowId?: string; runId?: string }, workflowType: string, retryState: string | undefined, cause?: Error,
    message?: string);
}

export declare class TimeoutFailure extends TemporalFailure {
  readonly lastHeartbeatDetails?: any;
  readonly timeoutType?: "START_TO_CLOSE" | "SCHEDULE_TO_START" | "SCHEDULE_TO_CLOSE" | "HEARTBEAT";
  constructor(message: string | undefined, lastHeartbeatDetails: unknown, timeoutType?: string, cause?: Error);
}

export declare class TerminatedFailure extends TemporalFailure {
  constructor(message?: string, cause?: Error);
}

/** The server, or something that this SDK has no class for, failed. */
export declare class ServerFailure extends TemporalFailure {
  readonly nonRetryable: boolean;
  constructor(message?: string, nonRetryable?: boolean, cause?: Error);
}

/** The message of the innermost cause. */
export declare function rootCause(error: unknown): string | undefined;
