import { Value } from "./value";
import { MAX_DEPTH } from "./reader";

/**
 * Writes JSON as UTF-8. Values are written by `write`, and within `beginObject` … `endObject` each after a `key`.
 * What cannot be JSON sets `problem`, and the text is worthless then.
 */
export class Writer {
  /** What is wrong, empty if nothing is. */
  problem: string = "";
  /** How many bytes there are. */
  length: i32 = 0;
  private buffer: StaticArray<u8> = new StaticArray<u8>(256);
  private comma: bool = false; // the next value or key is not the first one
  private depth: i32 = 0;

  /** Where the bytes are. They move when something is written. */
  get ptr(): usize { return changetype<usize>(this.buffer); }

  /** The text so far as UTF-8. It is not a copy: nothing may be written any more. */
  get bytes(): Uint8Array { return Uint8Array.wrap(changetype<ArrayBuffer>(this.buffer), 0, this.length); }

  /** The text so far. */
  toString(): string { return String.UTF8.decodeUnsafe(this.ptr, this.length); }

  /** Writes a value of any type that JSON has a form for, see `JSON`. */
  write<T>(value: T): void {
    if (isBoolean<T>()) {
      this.raw(value ? "true" : "false");
    } else if (isInteger<T>()) {
      // i32 and i64 alone have a toString that is the same for enums and aliases of other widths.
      if (isSigned<T>()) this.raw((<i64>value).toString());
      else this.raw((<u64>value).toString());
    } else if (isFloat<T>()) {
      this.float<T>(value);
    } else if (isNullable<T>()) {
      if (changetype<usize>(value) == 0) this.raw("null");
      else this.write<NonNullable<T>>(changetype<NonNullable<T>>(value));
    } else if (changetype<usize>(value) == 0) {
      this.problem = "has a field that was never set"; // one that is declared with an exclamation mark
    } else if (isString<T>()) {
      this.string(changetype<string>(value));
    } else if (isArray<T>()) {
      this.array<T>(value);
    } else if (isDefined(value.__json_write)) {
      if (this.enter()) {
        this.beginObject();
        // @ts-ignore: the transform has made it
        value.__json_write(this);
        this.endObject();
        this.depth--;
      }
    } else if (value instanceof Map) {
      // @ts-ignore: it is a Map
      this.map(value);
    } else if (value instanceof Value) {
      // @ts-ignore: it is a Value
      value.write(this);
    } else if (isDefined(value.__json_text)) {
      // @ts-ignore: an Attributes
      if (this.problem.length == 0) this.problem = value.__problem;
      // @ts-ignore: an Attributes
      this.raw(value.__json_text());
    } else {
      ERROR("JSON has no form for this type. A class needs the decorator @json; see the README for the types that are possible");
    }
  }

  beginObject(): void { this.open(0x7B); }
  endObject(): void { this.close(0x7D); }
  beginArray(): void { this.open(0x5B); }
  endArray(): void { this.close(0x5D); }

  /** Begins a member of an object. */
  key(name: string): void {
    this.string(name);
    this.byte(0x3A);
    this.comma = false;
  }

  /** Writes a key and its value. */
  member<T>(name: string, value: T): void {
    this.key(name);
    this.write<T>(value);
  }

  /** Writes text that is JSON already. */
  raw(json: string): void {
    this.separate();
    this.reserve(json.length * 3);
    this.length += <i32>String.UTF8.encodeUnsafe(changetype<usize>(json), json.length, this.ptr + this.length);
  }

  // enter counts a level of nesting. False, and a problem, if there are too many, as in a structure that contains itself.
  private enter(): bool {
    if (this.depth < MAX_DEPTH) {
      this.depth++;
      return true;
    }
    this.problem = "is nested more than " + MAX_DEPTH.toString() + " deep";
    return false;
  }

  /** Writes a string. Surrogates without a partner, which UTF-8 has no form for, are escaped. */
  string(text: string): void {
    this.separate();
    const n = text.length;
    this.reserve(n * 6 + 2); // \uXXXX
    const start = this.ptr + this.length;
    let at = start;
    store<u8>(at++, 0x22);
    for (let i = 0; i < n; i++) {
      const c = <u32>load<u16>(changetype<usize>(text) + (<usize>i << 1));
      if (c < 0x80) {
        if (c >= 0x20 && c != 0x22 && c != 0x5C) {
          store<u8>(at++, c);
          continue;
        }
        let short: u32 = 0;
        switch (c) {
          case 0x22: case 0x5C: short = c; break;
          case 0x08: short = 0x62; break;
          case 0x09: short = 0x74; break;
          case 0x0A: short = 0x6E; break;
          case 0x0C: short = 0x66; break;
          case 0x0D: short = 0x72; break;
        }
        if (short) {
          store<u8>(at, 0x5C);
          store<u8>(at + 1, short);
          at += 2;
        } else {
          at = escape(at, c);
        }
      } else if (c < 0x800) {
        store<u8>(at, 0xC0 | c >> 6);
        store<u8>(at + 1, 0x80 | c & 0x3F);
        at += 2;
      } else if ((c & 0xF800) == 0xD800) {
        const next = c < 0xDC00 && i + 1 < n ? <u32>load<u16>(changetype<usize>(text) + (<usize>(i + 1) << 1)) : 0;
        if ((next & 0xFC00) != 0xDC00) {
          at = escape(at, c);
          continue;
        }
        i++;
        const point = 0x10000 + ((c & 0x3FF) << 10 | next & 0x3FF);
        store<u8>(at, 0xF0 | point >> 18);
        store<u8>(at + 1, 0x80 | point >> 12 & 0x3F);
        store<u8>(at + 2, 0x80 | point >> 6 & 0x3F);
        store<u8>(at + 3, 0x80 | point & 0x3F);
        at += 4;
      } else {
        store<u8>(at, 0xE0 | c >> 12);
        store<u8>(at + 1, 0x80 | c >> 6 & 0x3F);
        store<u8>(at + 2, 0x80 | c & 0x3F);
        at += 3;
      }
    }
    store<u8>(at++, 0x22);
    this.length += <i32>(at - start);
  }

  private array<T>(items: T): void {
    if (!this.enter()) return;
    this.beginArray();
    // @ts-ignore: T is an array
    for (let i = 0, n = items.length; i < n && this.problem.length == 0; i++) this.write<valueof<T>>(unchecked(items[i]));
    this.endArray();
    this.depth--;
  }

  private map<K, V>(map: Map<K, V>): void {
    if (!isString<K>()) ERROR("a Map needs strings as keys to become JSON");
    if (!this.enter()) return;
    const keys = map.keys();
    this.beginObject();
    for (let i = 0; i < keys.length && this.problem.length == 0; i++) {
      this.key(changetype<string>(keys[i]));
      this.write<V>(map.get(keys[i]));
    }
    this.endObject();
    this.depth--;
  }

  private float<T>(value: T): void {
    // @ts-ignore: T is a float
    if (!isFinite<T>(value)) {
      this.problem = "has a number that JSON cannot hold: " + <string>value.toString();
      return;
    }
    const text = <string>value.toString();
    this.raw(text.endsWith(".0") ? text.substring(0, text.length - 2) : text);
  }

  private open(bracket: u32): void {
    this.separate();
    this.byte(bracket);
    this.comma = false;
  }

  private close(bracket: u32): void {
    this.byte(bracket);
    this.comma = true;
  }

  private separate(): void {
    if (this.comma) this.byte(0x2C);
    this.comma = true;
  }

  private byte(b: u32): void {
    this.reserve(1);
    store<u8>(this.ptr + this.length++, b);
  }

  private reserve(n: i32): void {
    const need = this.length + n;
    if (need <= this.buffer.length) return;
    const buffer = new StaticArray<u8>(max(need, this.buffer.length * 2));
    memory.copy(changetype<usize>(buffer), this.ptr, this.length);
    this.buffer = buffer;
  }
}

function escape(at: usize, c: u32): usize {
  store<u16>(at, 0x755C); // \u
  for (let i = 0; i < 4; i++) {
    const digit = c >> (12 - 4 * i) & 15;
    store<u8>(at + 2 + i, digit < 10 ? 48 + digit : 87 + digit);
  }
  return at + 6;
}
