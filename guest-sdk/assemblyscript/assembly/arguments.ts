import { TYPE_INVALID_INPUT } from "./abi";
import { end, endWithError } from "./end";
import { reseed } from "./env";
import { ApplicationFailure } from "./errors";
import * as host from "./host";
import * as imports from "./imports";
import { Payload } from "./payload";

/** The number of arguments that the activity was given. */
export function argumentCount(): i32 { return imports.arg_count(); }

/** An argument as it travelled, `index` from 0. It aborts if there is none. */
export function argument(index: i32): Payload {
  if (<u32>index >= <u32>imports.arg_count()) throw new Error("there is no argument " + index.toString());
  return new Payload(
    host.readAll(host.Source.Argument, index, 1024),
    host.readText(host.Source.ArgumentEncoding, index, 64),
  );
}

/** All metadata of an argument as a JSON object of strings; bytes that are not UTF-8 are `{"base64": "…"}`. */
export function argumentMetadata(index: i32): string {
  return host.readText(host.Source.ArgumentMetadata, index, 256);
}

/**
 * The typed arguments of an activity, for activities that are written without the decorator:
 *
 *     export function greet(): i32 {
 *       const args = new Arguments();
 *       const name = args.next<string>("name");
 *       return args.failed ? args.end() : end(hello(name));
 *     }
 *
 * The first argument that cannot be read becomes a failure of type `InvalidInput`, not retryable.
 */
export class Arguments {
  private count: i32 = imports.arg_count();
  private index: i32 = 0;
  private failure: ApplicationFailure | null = null;

  constructor() { reseed(); }

  /** Whether an argument could not be read. Values that `next` has returned are worthless then. */
  get failed(): bool { return this.failure !== null; }

  /** Whether there is another argument. */
  get more(): bool { return this.index < this.count; }

  /** Reads the next argument; `name` is for messages. A type that may be null makes it optional. */
  next<T>(name: string): T {
    const index = this.index++;
    if (index >= this.count) {
      if (!isNullable<T>()) this.fail(index, name, "is missing");
    } else {
      const value = argument(index).decode<T>();
      const error = value.error;
      if (!error) return value.value;
      this.fail(index, name, error.message);
    }
    if (isReference<T>()) return changetype<T>(0);
    else return <T>0;
  }

  /** The arguments that are left. */
  rest(): Array<Payload> {
    const payloads: Array<Payload> = [];
    while (this.index < this.count) payloads.push(argument(this.index++));
    return payloads;
  }

  /** Ends the activity because of an argument that could not be read. Returns the status for the host. */
  end(): i32 {
    const failure = this.failure;
    return failure ? endWithError(failure) : 1;
  }

  private fail(index: i32, name: string, problem: string): void {
    if (this.failure) return;
    this.failure = invalidInput("argument " + (index + 1).toString() + " (" + name + ")", problem);
  }
}

/** @internal The failure for a payload that cannot be decoded. */
export function invalidInput(what: string, problem: string): ApplicationFailure {
  // A problem within the value begins with its place, "items[3] is null", one with all of it with a verb.
  const verb = problem.startsWith("is ") || problem.startsWith("has ");
  return ApplicationFailure.nonRetryable(what + (verb ? " " : ": ") + problem, TYPE_INVALID_INPUT);
}
