// See index.d.ts for what these mean to a user.

import { TYPE_INVALID_INPUT, TYPE_INVALID_OUTPUT, TYPE_OUTPUT_TOO_LARGE } from "./internal/abi.js";

// What all of them have: a cause that is there only if it was given.
export class TemporalFailure extends Error {
  constructor(message, cause) {
    super(message, cause === undefined ? undefined : { cause });
  }
}

export class ApplicationFailure extends TemporalFailure {
  constructor(message, type, nonRetryable, details, cause, nextRetryDelay, category) {
    super(message ?? "", cause);
    this.name = "ApplicationFailure";
    this.type = type;
    this.nonRetryable = nonRetryable ?? false;
    this.details = details ?? undefined;
    this.nextRetryDelay = nextRetryDelay ?? undefined;
    this.category = category ?? ApplicationFailureCategory.UNSPECIFIED;
  }

  static create({ message, type, nonRetryable = false, details, nextRetryDelay, cause, category } = {}) {
    return new this(message, type, nonRetryable, details, cause, nextRetryDelay, category);
  }

  static retryable(message, type, ...details) {
    return new this(message, type ?? "Error", false, details);
  }

  static nonRetryable(message, type, ...details) {
    return new this(message, type ?? "Error", true, details);
  }

  static fromError(error, overrides = {}) {
    return new this(
      overrides.message ?? error?.message ?? String(error),
      overrides.type ?? error?.name ?? "Error",
      overrides.nonRetryable ?? false,
      overrides.details ?? [],
      overrides.cause ?? error,
      overrides.nextRetryDelay,
      overrides.category,
    );
  }
}

export const ApplicationFailureCategory = Object.freeze({ UNSPECIFIED: "UNSPECIFIED", BENIGN: "BENIGN" });

export class CancelledFailure extends TemporalFailure {
  constructor(message, details, cause) {
    super(message ?? "CANCELLED", cause);
    this.name = "CancelledFailure";
    this.details = details ?? [];
  }
}

/** The types of failures that the SDK makes itself. None of them is retried. */
export const failure = {
  invalidInput: (message) => ApplicationFailure.nonRetryable(message, TYPE_INVALID_INPUT),
  invalidOutput: (message) => ApplicationFailure.nonRetryable(message, TYPE_INVALID_OUTPUT),
  outputTooLarge: (message) => ApplicationFailure.nonRetryable(message, TYPE_OUTPUT_TOO_LARGE),
};

/** "2 seconds", "1.5h" or milliseconds -> milliseconds. */
export function milliseconds(duration) {
  if (typeof duration === "number" && Number.isFinite(duration) && duration >= 0) return Math.ceil(duration);
  const m = /^\s*(\d+(?:\.\d+)?)\s*(ms|milliseconds?|msecs?|s|secs?|seconds?|m|mins?|minutes?|h|hrs?|hours?|d|days?|)\s*$/i.exec(duration);
  if (m === null) throw new TypeError(`${JSON.stringify(duration)} is not a duration: use milliseconds, or text such as "30 seconds"`);
  const unit = m[2].toLowerCase();
  const factor = unit === "" || unit.startsWith("ms") || unit.startsWith("milli") ? 1
    : { s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 }[unit[0]];
  return Math.ceil(Number(m[1]) * factor);
}
