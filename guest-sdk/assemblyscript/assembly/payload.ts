import { ENCODING_BINARY, ENCODING_JSON, ENCODING_NULL, ENCODING_PROTO_JSON } from "./abi";
import { Reader } from "./json/reader";
import { Kind, Value } from "./json/value";
import { Writer } from "./json/writer";
import { fail, ok, Result } from "./result";

/**
 * A value as it travels: bytes, and how they are encoded. An activity that has `Payload` as the type of a parameter gets that
 * argument unchanged, with `Array<Payload>` as the last one all that are left; and a payload as the result is sent unchanged.
 */
export class Payload {
  constructor(
    /** The bytes. */
    public data: Uint8Array,
    /** As in Temporal's payload metadata: `json/plain`, `binary/plain`, `binary/null`, or any other. Empty for none. */
    public encoding: string = ENCODING_BINARY,
    /**
     * For results: all metadata as a JSON object, such as `{"encoding": "json/protobuf", "messageType": "acme.Order"}`, in place of
     * `encoding`. Empty for the encoding alone. For arguments see `argumentMetadata`.
     */
    public metadata: string = "",
  ) {}

  /** The bytes as text, if they are text in UTF-8. */
  get text(): string { return String.UTF8.decodeUnsafe(this.data.dataStart, this.data.length); }

  /**
   * The value: of any type that JSON has a form for from `json/plain`, `json/protobuf` or no encoding, or `Uint8Array` from
   * `binary/plain`.
   */
  decode<T>(): Result<T> {
    const nothing = changetype<usize>(0);
    const encoding = this.encoding;
    if (isReference<T>()) {
      if (isNullable<T>()) {
        if (encoding == ENCODING_NULL) return ok<T>(changetype<T>(nothing));
        // null within JSON is for the reader, which has to know that T may be null
        if (!(changetype<NonNullable<T>>(nothing) instanceof Payload) && !(changetype<NonNullable<T>>(nothing) instanceof Uint8Array)) {
          return this.decodeJson<T>();
        }
        const result = this.decode<NonNullable<T>>();
        return new Result<T>(changetype<T>(result.or(changetype<NonNullable<T>>(nothing))), result.error);
      } else if (changetype<T>(nothing) instanceof Payload) {
        return ok<T>(changetype<T>(this));
      } else if (changetype<T>(nothing) instanceof Uint8Array) {
        if (encoding == ENCODING_BINARY) return ok<T>(changetype<T>(this.data));
        return fail<T>(new Error((encoding.length > 0 ? "has the encoding " + encoding : "has no encoding") + ", not binary/plain"));
      } else {
        return this.decodeJson<T>();
      }
    } else {
      return this.decodeJson<T>();
    }
  }

  private decodeJson<T>(): Result<T> {
    if (this.encoding == ENCODING_NULL) {
      if (isReference<T>()) {
        if (changetype<T>(changetype<usize>(0)) instanceof Value) return ok<T>(changetype<T>(new Value(Kind.Null)));
      }
      return fail<T>(new Error("is null"));
    }
    const encoding = this.encoding;
    if (encoding != ENCODING_JSON && encoding != ENCODING_PROTO_JSON && encoding.length > 0) {
      return fail<T>(new Error("has the encoding " + encoding + ", not json/plain"));
    }
    const reader = new Reader(this.data);
    const value = reader.whole<T>();
    return reader.failed ? fail<T>(new Error(reader.message)) : ok<T>(value);
  }
}

/** @internal The payload of a value, or why there is none. */
export function encode<T>(value: T): Result<Payload> {
  if (isReference<T>()) {
    if (isNullable<T>()) {
      if (changetype<usize>(value) == 0) return ok(new Payload(new Uint8Array(0), ENCODING_NULL));
      return encode<NonNullable<T>>(changetype<NonNullable<T>>(value));
    } else if (value instanceof Payload) {
      return ok(changetype<Payload>(value));
    } else if (value instanceof Uint8Array) {
      return ok(new Payload(changetype<Uint8Array>(value), ENCODING_BINARY));
    } else {
      return encodeJson<T>(value);
    }
  } else {
    return encodeJson<T>(value);
  }
}

function encodeJson<T>(value: T): Result<Payload> {
  const w = new Writer();
  w.write<T>(value);
  if (w.problem.length > 0) return fail<Payload>(new Error(w.problem));
  return ok(new Payload(w.bytes, ENCODING_JSON));
}
