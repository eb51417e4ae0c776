import { Result, fail } from "../result";
import { Reader } from "./reader";
import { Writer } from "./writer";

/**
 * JSON for these types: `bool`, integers, floats, `string`, `Array`, `Map` with strings as keys, classes with the decorator
 * `@json`, `JsonValue` for everything, `Attributes` (for output), and `| null` of those that are objects.
 *
 * Reading is strict. Integers must be whole and in range, a value of another kind is an error, and so is a field that is
 * missing, unless it has a default value or may be null. Unknown members are ignored.
 */
export namespace JSON {
  /** Reads JSON text as a value of type T. */
  export function parse<T>(text: string): Result<T> {
    const reader = new Reader(Uint8Array.wrap(String.UTF8.encode(text)));
    const value = reader.whole<T>();
    if (reader.failed) return fail<T>(new Error(reader.message));
    return new Result<T>(value, null);
  }

  /** Writes a value as JSON text. What JSON cannot hold, such as NaN, aborts. */
  export function stringify<T>(value: T): string {
    const writer = new Writer();
    writer.write<T>(value);
    if (writer.problem.length > 0) throw new Error("the value " + writer.problem);
    return writer.toString();
  }
}
