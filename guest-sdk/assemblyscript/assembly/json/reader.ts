import { toFloat } from "./number";
import { Kind, Value } from "./value";

/** How deep arrays and objects may be nested, in either direction. */
export const MAX_DEPTH: i32 = 256;

/**
 * Reads JSON, strictly as RFC 8259 has it, into values of given types. There are no exceptions: the first thing that is
 * wrong sets `problem`, and what is returned from then on is worthless.
 */
export class Reader {
  /** What is wrong, such as "is a number, not a string". Empty if nothing is. */
  problem: string = "";
  /** Where in the value it is wrong, such as "items[3].name". */
  where: string = "";

  private at: usize;
  private end: usize;
  private depth: i32 = 0;

  constructor(private bytes: Uint8Array) {
    this.at = bytes.dataStart;
    this.end = this.at + bytes.length;
  }

  get failed(): bool { return this.problem.length > 0; }

  /** The problem and its place in one line: "items[3].name is a number, not a string". */
  get message(): string { return this.where.length > 0 ? this.where + " " + this.problem : this.problem; }

  /** Reads the whole text as one value. */
  whole<T>(): T {
    const value = this.read<T>();
    if (!this.failed && this.peek() != NOTHING) this.syntax("there is more after the value");
    return value;
  }

  /** Reads a value of any type that JSON has a form for, see `JSON`. */
  read<T>(): T {
    if (isBoolean<T>()) {
      return <T>this.boolean();
    } else if (isInteger<T>()) {
      return this.integer<T>();
    } else if (isFloat<T>()) {
      return <T>this.float();
    } else if (isNullable<T>()) {
      if (this.peek() == 0x6E) {
        this.word("null");
        return changetype<T>(0);
      }
      return changetype<T>(this.read<NonNullable<T>>());
    } else if (isString<T>()) {
      return changetype<T>(this.string());
    } else if (isArray<T>()) {
      return this.array<T>();
    } else if (isDefined(changetype<T>(0).__json_read)) {
      return this.object<T>();
    } else if (changetype<T>(0) instanceof Map) {
      // The argument is there for its type alone.
      // @ts-ignore: it is a Map
      return changetype<T>(this.map(changetype<T>(0)));
    } else if (changetype<T>(0) instanceof Value) {
      return changetype<T>(this.value());
    } else {
      ERROR("JSON has no form for this type. A class needs the decorator @json; see the README for the types that are possible");
    }
  }

  private boolean(): bool {
    const c = this.peek();
    if (c == 0x74) {
      this.word("true");
      return true;
    }
    if (c == 0x66) this.word("false");
    else this.mismatch("true or false");
    return false;
  }

  private integer<T>(): T {
    if (!this.isNumber()) return <T>0;
    const start = this.at;
    const whole = this.number();
    if (this.failed) return <T>0;
    const negative = load<u8>(start) == 0x2D;
    let magnitude: u64 = 0;
    let fits = true;
    if (whole) {
      for (let p = start + <usize>negative; p < this.at; p++) {
        const digit = <u64>(load<u8>(p) - 48);
        if (magnitude > (u64.MAX_VALUE - digit) / 10) {
          fits = false;
          break;
        }
        magnitude = magnitude * 10 + digit;
      }
    } else {
      // Some languages write 3.0 and 1e3 for whole numbers. Beyond 2^53 it could not be told whether it is one.
      const f = toFloat(start, this.at);
      if (Math.trunc(f) != f || Math.abs(f) > <f64>F64.MAX_SAFE_INTEGER) {
        this.fail("is " + this.text(start) + ", which is not a whole number");
        return <T>0;
      }
      magnitude = <u64>Math.abs(f);
    }
    if (isSigned<T>()) {
      const limit = u64.MAX_VALUE >> (65 - sizeof<T>() * 8);
      if (!fits || magnitude > limit + <u64>negative) this.range<T>(start);
      return <T>(negative ? -(<i64>magnitude) : <i64>magnitude);
    }
    if (!fits || negative && magnitude > 0 || magnitude > u64.MAX_VALUE >> (64 - sizeof<T>() * 8)) this.range<T>(start);
    return <T>magnitude;
  }

  private float(): f64 {
    if (!this.isNumber()) return 0;
    const start = this.at;
    this.number();
    if (this.failed) return 0;
    const value = toFloat(start, this.at);
    if (!isFinite(value)) this.fail("is " + this.text(start) + ", which is too large for a number");
    return value;
  }

  private isNumber(): bool {
    const c = this.peek();
    if (c == 0x2D || digit(c)) return true;
    this.mismatch("a number");
    return false;
  }

  private range<T>(start: usize): void {
    this.fail("is " + this.text(start) + ", which is too large for " + nameof<T>());
  }

  private text(start: usize): string {
    return String.UTF8.decodeUnsafe(start, min<usize>(this.at - start, 40));
  }

  // number goes over a number, and tells whether it has neither fraction nor exponent.
  private number(): bool {
    let p = this.at;
    const end = this.end;
    let whole = true;
    if (p < end && load<u8>(p) == 0x2D) p++;
    if (p < end && load<u8>(p) == 0x30) {
      p++;
    } else {
      const first = p;
      while (p < end && digit(load<u8>(p))) p++;
      if (p == first) return this.badNumber(p);
    }
    if (p < end && load<u8>(p) == 0x2E) {
      whole = false;
      const first = ++p;
      while (p < end && digit(load<u8>(p))) p++;
      if (p == first) return this.badNumber(p);
    }
    if (p < end && (load<u8>(p) | 0x20) == 0x65) {
      whole = false;
      p++;
      if (p < end && (load<u8>(p) == 0x2B || load<u8>(p) == 0x2D)) p++;
      const first = p;
      while (p < end && digit(load<u8>(p))) p++;
      if (p == first) return this.badNumber(p);
    }
    this.at = p;
    return whole;
  }

  private badNumber(p: usize): bool {
    this.at = p;
    this.syntax("a number ends without a digit");
    return false;
  }

  private string(): string {
    if (this.peek() != 0x22) {
      this.mismatch("a string");
      return "";
    }
    const start = this.at + 1;
    const end = this.end;
    // First its end and its length, checking everything,
    let p = start;
    let units: usize = 0;
    while (true) {
      if (p >= end) {
        this.at = p;
        this.syntax("a string does not end");
        return "";
      }
      const c = <u32>load<u8>(p);
      if (c == 0x22) break;
      if (c == 0x5C) {
        const size = p + 1 < end ? escapeSize(p + 1, end) : 0;
        if (size == 0) {
          this.at = p;
          this.syntax("a string has an escape that JSON does not know");
          return "";
        }
        p += 1 + size;
        units++;
      } else if (c < 0x20) {
        this.at = p;
        this.syntax("a string has a control character that is not escaped");
        return "";
      } else if (c < 0x80) {
        p++;
        units++;
      } else {
        const size = utf8Size(p, end);
        if (size == 0) {
          this.at = p;
          this.syntax("a string is not UTF-8");
          return "";
        }
        p += size;
        units += size == 4 ? 2 : 1;
      }
    }
    this.at = p + 1;
    if (units == 0) return "";
    // then its text.
    const text = changetype<string>(__new(units << 1, idof<string>()));
    let to = changetype<usize>(text);
    let from = start;
    while (from < p) {
      const c = <u32>load<u8>(from);
      if (c == 0x5C) {
        const e = <u32>load<u8>(from + 1);
        if (e == 0x75) {
          store<u16>(to, hex(from + 2));
          from += 6;
        } else {
          store<u16>(to, unescape(e));
          from += 2;
        }
        to += 2;
      } else if (c < 0x80) {
        store<u16>(to, c);
        from++;
        to += 2;
      } else if (c < 0xE0) {
        store<u16>(to, (c & 0x1F) << 6 | <u32>load<u8>(from + 1) & 0x3F);
        from += 2;
        to += 2;
      } else if (c < 0xF0) {
        store<u16>(to, (c & 0x0F) << 12 | (<u32>load<u8>(from + 1) & 0x3F) << 6 | <u32>load<u8>(from + 2) & 0x3F);
        from += 3;
        to += 2;
      } else {
        const point = ((c & 7) << 18 | (<u32>load<u8>(from + 1) & 0x3F) << 12 |
          (<u32>load<u8>(from + 2) & 0x3F) << 6 | <u32>load<u8>(from + 3) & 0x3F) - 0x10000;
        store<u16>(to, 0xD800 | point >> 10);
        store<u16>(to + 2, 0xDC00 | point & 0x3FF);
        from += 4;
        to += 4;
      }
    }
    return text;
  }

  private array<T>(): T {
    const items = instantiate<T>();
    if (this.peek() != 0x5B) {
      this.mismatch("an array");
      return items;
    }
    if (!this.enter()) return items;
    for (let i = 0; this.next(i == 0, 0x5D); i++) {
      const item = this.read<valueof<T>>();
      if (this.failed) {
        this.within("[" + i.toString() + "]");
        return items;
      }
      // @ts-ignore: T is an array
      items.push(item);
    }
    this.depth--;
    return items;
  }

  private map<K, V>(type: Map<K, V>): Map<K, V> {
    if (!isString<K>()) ERROR("a Map needs strings as keys to be read from JSON");
    const map = new Map<K, V>();
    if (this.peek() != 0x7B) {
      this.mismatch("an object");
      return map;
    }
    if (!this.enter()) return map;
    for (let i = 0; this.next(i == 0, 0x7D); i++) {
      const key = this.key();
      if (this.failed) return map;
      const value = this.read<V>();
      if (this.failed) {
        this.within(key);
        return map;
      }
      map.set(changetype<K>(key), value);
    }
    this.depth--;
    return map;
  }

  // object reads an object of a class with the decorator @json, whose methods the transform has made.
  private object<T>(): T {
    // Without its constructor, whose parameters could be anything. __new fills with zeros.
    const object = changetype<T>(__new(offsetof<T>(), idof<T>()));
    if (this.peek() != 0x7B) {
      this.mismatch("an object");
      return object;
    }
    if (!this.enter()) return object;
    // The transform counts the fields of one class alone.
    // @ts-ignore: the transform has made it
    if (<i32>object.__json_count() > 64) throw new Error("a @json class can have 64 fields with those that it extends");
    // @ts-ignore: the transform has made it
    object.__json_defaults();
    let seen: u64 = 0;
    for (let i = 0; this.next(i == 0, 0x7D); i++) {
      const key = this.key();
      if (this.failed) return object;
      // @ts-ignore: the transform has made it
      const field = <i32>object.__json_read(this, key);
      if (field < 0) this.skip();
      else seen |= <u64>1 << field;
      if (this.failed) {
        this.within(key);
        return object;
      }
    }
    if (this.failed) return object;
    this.depth--;
    // @ts-ignore: the transform has made it
    const missing = <string>object.__json_missing(seen);
    if (missing.length > 0) {
      this.fail("is missing");
      this.within(missing);
    }
    return object;
  }

  private value(): Value {
    const c = this.peek();
    if (c == 0x22) {
      const value = new Value(Kind.String);
      value.text = this.string();
      return value;
    }
    if (c == 0x5B || c == 0x7B) {
      const value = new Value(c == 0x5B ? Kind.Array : Kind.Object);
      if (!this.enter()) return value;
      for (let i = 0; this.next(i == 0, c + 2); i++) {
        if (c == 0x7B) {
          const key = this.key();
          if (this.failed) return value;
          value.names.push(key);
        }
        value.items.push(this.value());
        if (this.failed) return value;
      }
      this.depth--;
      return value;
    }
    if (c == 0x74 || c == 0x66) {
      const value = new Value(Kind.Boolean);
      if (this.boolean()) value.text = "true";
      return value;
    }
    if (c == 0x6E) {
      this.word("null");
      return new Value(Kind.Null);
    }
    const value = new Value(Kind.Number);
    if (this.isNumber()) {
      const start = this.at;
      this.number();
      value.text = String.UTF8.decodeUnsafe(start, this.at - start);
    }
    return value;
  }

  // skip goes over a value of any kind.
  private skip(): void {
    const c = this.peek();
    switch (c) {
      case 0x22: this.string(); return;
      case 0x74: this.word("true"); return;
      case 0x66: this.word("false"); return;
      case 0x6E: this.word("null"); return;
      case 0x5B: case 0x7B: break;
      default:
        if (this.isNumber()) this.number();
        return;
    }
    if (!this.enter()) return;
    for (let i = 0; this.next(i == 0, c + 2); i++) {
      if (c == 0x7B) this.key();
      if (!this.failed) this.skip();
      if (this.failed) return;
    }
    this.depth--;
  }

  // enter goes over an opening bracket.
  private enter(): bool {
    this.at++;
    if (++this.depth <= MAX_DEPTH) return true;
    this.syntax("it is nested more than " + MAX_DEPTH.toString() + " deep");
    return false;
  }

  // next goes to the next item or member, over a comma if it is not the first, or over the closing bracket.
  private next(first: bool, bracket: u32): bool {
    const c = this.peek();
    if (c == bracket) {
      this.at++;
      return false;
    }
    if (first) return !this.failed;
    if (c != 0x2C) {
      this.syntax(bracket == 0x5D ? "a comma or ] is missing" : "a comma or } is missing");
      return false;
    }
    this.at++;
    return true;
  }

  private key(): string {
    if (this.peek() != 0x22) {
      this.syntax("the name of a member is missing");
      return "";
    }
    const key = this.string();
    if (this.failed) return key;
    if (this.peek() == 0x3A) this.at++;
    else this.syntax("a colon is missing");
    return key;
  }

  private word(word: string): void {
    for (let i = 0; i < word.length; i++) {
      if (this.at >= this.end || load<u8>(this.at) != word.charCodeAt(i)) {
        this.syntax("no value begins like this");
        return;
      }
      this.at++;
    }
  }

  // peek returns the first byte that is not white space.
  private peek(): u32 {
    let p = this.at;
    while (p < this.end) {
      const c = <u32>load<u8>(p);
      if (c != 0x20 && c != 0x0A && c != 0x0D && c != 0x09) {
        this.at = p;
        return c;
      }
      p++;
    }
    this.at = p;
    return NOTHING;
  }

  private mismatch(wanted: string): void {
    const c = this.peek();
    let found = "";
    switch (c) {
      case 0x22: found = "a string"; break;
      case 0x5B: found = "an array"; break;
      case 0x7B: found = "an object"; break;
      case 0x74: case 0x66: found = "true or false"; break;
      case 0x6E: found = "null"; break;
      case NOTHING: this.syntax("it ends too early"); return;
      default:
        if (c != 0x2D && !digit(c)) {
          this.syntax("no value begins like this");
          return;
        }
        found = "a number";
    }
    this.fail("is " + found + ", not " + wanted);
  }

  private fail(problem: string): void {
    if (!this.failed) this.problem = problem;
  }

  private syntax(problem: string): void {
    this.fail("is not JSON: " + problem + ", at byte " + (this.at - this.bytes.dataStart).toString());
    this.at = this.end; // no loop goes on
  }

  private within(place: string): void {
    const w = this.where;
    if (w.length == 0 || w.charCodeAt(0) == 0x5B) this.where = place + w;
    else this.where = place + "." + w;
  }
}

// What peek returns at the end. No byte is this.
const NOTHING: u32 = 256;

// @ts-ignore: decorator
@inline
function digit(c: u32): bool { return c - 48 < 10; }

// The size of what follows a backslash, 0 if it is wrong.
function escapeSize(p: usize, end: usize): usize {
  const c = <u32>load<u8>(p);
  if (c != 0x75) return unescape(c) ? 1 : 0;
  if (p + 5 > end) return 0;
  for (let i: usize = 1; i < 5; i++) {
    const h = <u32>load<u8>(p + i);
    if (!digit(h) && (h | 0x20) - 0x61 >= 6) return 0;
  }
  return 5;
}

function unescape(c: u32): u32 {
  switch (c) {
    case 0x22: case 0x5C: case 0x2F: return c;
    case 0x62: return 8;
    case 0x66: return 12;
    case 0x6E: return 10;
    case 0x72: return 13;
    case 0x74: return 9;
  }
  return 0;
}

function hex(p: usize): u32 {
  let n: u32 = 0;
  for (let i: usize = 0; i < 4; i++) {
    const c = <u32>load<u8>(p + i);
    n = n << 4 | (c < 58 ? c - 48 : (c | 0x20) - 87);
  }
  return n;
}

// The size of a character beyond ASCII, 0 if it is not UTF-8: cut off, overlong, a surrogate, or beyond U+10FFFF.
function utf8Size(p: usize, end: usize): usize {
  const c = <u32>load<u8>(p);
  const size: usize = c >= 0xF0 ? 4 : c >= 0xE0 ? 3 : 2;
  if (c < 0xC2 || c > 0xF4 || p + size > end) return 0;
  for (let i: usize = 1; i < size; i++) {
    if ((load<u8>(p + i) & 0xC0) != 0x80) return 0;
  }
  const second = <u32>load<u8>(p + 1);
  if (c == 0xE0 && second < 0xA0 || c == 0xED && second > 0x9F || c == 0xF0 && second < 0x90 || c == 0xF4 && second > 0x8F) return 0;
  return size;
}
