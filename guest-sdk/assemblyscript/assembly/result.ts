import { endWithError, endWithValue } from "./end";

/**
 * What a function returns that may fail: a value or an error. AssemblyScript has no exceptions that could be caught (its
 * `throw` ends the instance).
 *
 *     const order = JSON.parse<Order>(text);
 *     if (order.error) return fail<Receipt>(order.error!);
 *     return ok(receipt(order.value));
 */
export class Result<T> {
  /** @internal Use `ok` and `fail`. */
  constructor(private result: T, /** The error, null if there is a value. */ readonly error: Error | null) {}

  /** Whether there is a value. */
  get ok(): bool { return this.error === null; }

  /** The value. It aborts if there is an error instead. */
  get value(): T {
    const error = this.error;
    if (error) throw new Error(error.message);
    return this.result;
  }

  /** The value, or another if there is an error. */
  or(other: T): T { return this.error === null ? this.result : other; }

  /** @internal */
  __end(): i32 {
    const error = this.error;
    return error ? endWithError(error) : endWithValue<T>(this.result);
  }
}

/** A value. */
export function ok<T>(value: T): Result<T> {
  return new Result<T>(value, null);
}

/** An error in place of a value of type T. See `ApplicationFailure` for what an activity can say with it. */
export function fail<T>(error: Error): Result<T> {
  if (isReference<T>()) return new Result<T>(changetype<T>(0), error);
  else return new Result<T>(<T>0, error);
}
