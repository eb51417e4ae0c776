import { toFloat } from "./number";
import { Reader } from "./reader";
import { Writer } from "./writer";

/** What a JSON value is. */
export enum Kind { Null, Boolean, Number, String, Array, Object }

// What most values have: no items.
const NO_VALUES: Array<Value> = [];
const NO_NAMES: Array<string> = [];

/**
 * A JSON value of any kind, for JSON whose shape is not known. Reading something that is not there, or that is of another
 * kind, gives a value of kind `Null` or the default.
 */
export class Value {
  /** @internal A string, a number as it was written, or "true". */
  text: string = "";
  /** @internal The items of an array, or the values of an object. */
  items: Array<Value> = NO_VALUES;
  /** @internal The names of an object's members. */
  names: Array<string> = NO_NAMES;

  constructor(
    /** What this value is. */
    readonly kind: Kind,
  ) {
    if (kind >= Kind.Array) this.items = [];
    if (kind == Kind.Object) this.names = [];
  }

  get isNull(): bool { return this.kind == Kind.Null; }

  /** The number of items or members. */
  get length(): i32 { return this.items.length; }

  /** The names of an object's members, in their order. */
  keys(): Array<string> { return this.names.slice(); }

  /** The member of an object. Of several with one name the last one counts. */
  get(name: string): Value {
    const i = this.names.lastIndexOf(name);
    return i < 0 ? NULL : this.items[i];
  }

  /** Whether an object has a member. */
  has(name: string): bool { return this.names.includes(name); }

  /** The item of an array, or the value of an object's i-th member. */
  at(i: i32): Value { return i >= 0 && i < this.items.length ? this.items[i] : NULL; }

  asString(otherwise: string = ""): string { return this.kind == Kind.String ? this.text : otherwise; }

  asBool(otherwise: bool = false): bool { return this.kind == Kind.Boolean ? this.text.length > 0 : otherwise; }

  asNumber(otherwise: f64 = 0): f64 {
    if (this.kind != Kind.Number) return otherwise;
    const digits = String.UTF8.encode(this.text);
    return toFloat(changetype<usize>(digits), changetype<usize>(digits) + digits.byteLength);
  }

  /** A whole number. A fraction is cut off; beyond 64 bits it is the largest or smallest number. */
  asInteger(otherwise: i64 = 0): i64 {
    if (this.kind != Kind.Number) return otherwise;
    const reader = new Reader(Uint8Array.wrap(String.UTF8.encode(this.text)));
    const exact = reader.whole<i64>();
    return reader.failed ? <i64>this.asNumber() : exact;
  }

  /** The value as JSON. */
  toString(): string {
    const w = new Writer();
    this.write(w);
    return w.toString();
  }

  /** @internal */
  write(w: Writer): void {
    switch (this.kind) {
      case Kind.Null: w.raw("null"); break;
      case Kind.Boolean: w.raw(this.text.length > 0 ? "true" : "false"); break;
      case Kind.Number: w.raw(this.text); break;
      case Kind.String: w.string(this.text); break;
      case Kind.Array:
        w.beginArray();
        for (let i = 0; i < this.items.length; i++) this.items[i].write(w);
        w.endArray();
        break;
      case Kind.Object:
        w.beginObject();
        for (let i = 0; i < this.items.length; i++) {
          w.key(this.names[i]);
          this.items[i].write(w);
        }
        w.endObject();
    }
  }
}

// What is not there is null, so that value.get("a").at(3).get("b") never fails.
const NULL = new Value(Kind.Null);
