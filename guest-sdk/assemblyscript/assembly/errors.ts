import { CATEGORY_BENIGN, MAX_CAUSE_DEPTH } from "./abi";
import { Writer } from "./json/writer";

/** An error that has details for the workflow. */
export class DetailedError extends Error {
  /** @internal The details, each as JSON. */
  __details: Array<string> = [];

  /** How many details there are. */
  get detailCount(): i32 { return this.__details.length; }
}

/**
 * A failure of the activity that says more than a message. A plain `Error` is a failure, too: retryable, its type is its
 * `name`.
 *
 *     return fail<Receipt>(ApplicationFailure.nonRetryable("card declined", "CardDeclined").withDetail(code));
 */
export class ApplicationFailure extends DetailedError {
  private nonRetryable: bool = false;
  private delay: i64 = 0;
  private benign: bool = false;
  private cause: Error | null = null;

  /** `type` is what workflows and retry policies tell failures by. */
  constructor(message: string, type: string = "") {
    super(message);
    this.name = type;
  }

  /** A failure after which Temporal tries again, as the retry policy says. */
  static retryable(message: string, type: string = ""): ApplicationFailure {
    return new ApplicationFailure(message, type);
  }

  /** A failure that ends the activity, whatever the retry policy says. */
  static nonRetryable(message: string, type: string = ""): ApplicationFailure {
    const failure = new ApplicationFailure(message, type);
    failure.nonRetryable = true;
    return failure;
  }

  /** Adds a value for the workflow, as JSON. There may be several. */
  withDetail<T>(detail: T): ApplicationFailure {
    this.__details.push(encodeDetail<T>(detail));
    return this;
  }

  /** Sets the delay before the next attempt, in milliseconds, in place of that of the retry policy. */
  withNextRetryDelay(milliseconds: i64): ApplicationFailure {
    this.delay = milliseconds;
    return this;
  }

  /** Sets the error behind this one. Of a chain of causes, 16 are kept. */
  withCause(cause: Error): ApplicationFailure {
    this.cause = cause;
    return this;
  }

  /** Marks a failure that is part of normal work: Temporal neither counts nor logs it as an error. */
  asBenign(): ApplicationFailure {
    this.benign = true;
    return this;
  }

  /** What workflows and retry policies tell this failure by. */
  get type(): string { return this.name; }

  /** @internal */
  __write(w: Writer, depth: i32, short: bool): void {
    if (this.nonRetryable) w.member("non_retryable", true);
    if (this.delay > 0) w.member("next_retry_delay_ms", this.delay);
    if (this.benign) w.member("category", CATEGORY_BENIGN);
    if (short) return;
    if (this.__details.length > 0) {
      w.key("details");
      writeDetails(w, this.__details);
    }
    const cause = this.cause;
    if (cause && depth < MAX_CAUSE_DEPTH) {
      w.key("cause");
      writeFailure(w, cause, depth + 1, false);
    }
  }
}

/**
 * Says that an activity stopped because it was asked to, see `stopRequested`. Without such a request it becomes a retryable
 * failure.
 */
export class CancelledFailure extends DetailedError {
  constructor(message: string = "cancelled") {
    super(message);
    this.name = "CancelledFailure";
  }

  /** Adds a value for whoever asked. Several travel as one JSON array. */
  withDetail<T>(detail: T): CancelledFailure {
    this.__details.push(encodeDetail<T>(detail));
    return this;
  }
}

function encodeDetail<T>(detail: T): string {
  const w = new Writer();
  w.write<T>(detail);
  if (w.problem.length > 0) throw new Error("the detail " + w.problem);
  return w.toString();
}

/** @internal Writes details as a JSON array. */
export function writeDetails(w: Writer, details: Array<string>): void {
  w.beginArray();
  for (let i = 0; i < details.length; i++) w.raw(details[i]);
  w.endArray();
}

/** @internal Writes an error in the form of the guest contract. A short one has neither details nor causes, and its text is cut. */
export function writeFailure(w: Writer, error: Error, depth: i32, short: bool): void {
  w.beginObject();
  w.member("message", short ? error.message.substring(0, 4096) : error.message);
  if (error.name.length > 0) w.member("type", short ? error.name.substring(0, 256) : error.name);
  if (error instanceof ApplicationFailure) (error as ApplicationFailure).__write(w, depth, short);
  w.endObject();
}
