import * as imports from "./imports";
import { Writer } from "./json/writer";

/**
 * A JSON object that is being made: attributes of a log record, or details without a class of their own.
 *
 *     log.info("charged", new Attributes().set("order", order.id).set("cents", 1999));
 */
export class Attributes {
  private writer: Writer = new Writer();

  constructor() { this.writer.beginObject(); }

  /** Adds a member, of any type that JSON has a form for. */
  set<T>(name: string, value: T): Attributes {
    this.writer.member<T>(name, value);
    return this;
  }

  /** @internal */
  get __problem(): string { return this.writer.problem; }

  /** @internal */
  __json_text(): string {
    if (this.writer.problem.length == 0) return this.writer.toString() + "}";
    // Of a log record, the message matters more than a number that JSON cannot hold.
    return new Attributes().set("attributes_problem", this.writer.problem).__json_text();
  }
}

/**
 * The host's log. The host chooses the level from which records are kept, and adds the module and the activity to each.
 */
export namespace log {
  export function debug(message: string, attributes: Attributes | null = null): void { write(-4, message, attributes); }
  export function info(message: string, attributes: Attributes | null = null): void { write(0, message, attributes); }
  export function warn(message: string, attributes: Attributes | null = null): void { write(4, message, attributes); }
  export function error(message: string, attributes: Attributes | null = null): void { write(8, message, attributes); }

  /** Logs at any level, as in Go's slog: -4 debug, 0 info, 4 warning, 8 error. */
  export function write(level: i32, message: string, attributes: Attributes | null = null): void {
    const text = String.UTF8.encode(message);
    if (attributes === null) {
      imports.log_write(level, changetype<usize>(text), text.byteLength, 0, 0);
      return;
    }
    const json = String.UTF8.encode(attributes.__json_text());
    imports.log_write(level, changetype<usize>(text), text.byteLength, changetype<usize>(json), json.byteLength);
  }
}
