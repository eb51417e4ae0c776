import { Reader } from "./json/reader";
import { Kind, Value } from "./json/value";
import { Writer } from "./json/writer";
import { call, Errno, HostError, HostFunction } from "./passthrough";
import { fail, ok, Result } from "./result";

const NO_BYTES = new Uint8Array(0);

/** @internal What the built-in host modules exchange: the length of the head in 4 bytes, little-endian, the head as JSON, and the body as it is. */
export class Frame {
  constructor(
    /** An object. */
    public head: Value,
    /** A part of the response, not a copy. */
    public body: Uint8Array,
  ) {}
}

/** @internal A frame of a head, which is complete, and a body. */
export function encodeFrame(head: Writer, body: Uint8Array): Uint8Array {
  const frame = new Uint8Array(4 + head.length + body.length);
  store<u32>(frame.dataStart, head.length);
  memory.copy(frame.dataStart + 4, head.ptr, head.length);
  memory.copy(frame.dataStart + 4 + head.length, body.dataStart, body.length);
  return frame;
}

/** @internal What is in a frame. No bytes at all are a frame with nothing in it. */
export function decodeFrame(frame: Uint8Array): Result<Frame> {
  if (frame.length == 0) return ok(new Frame(new Value(Kind.Object), NO_BYTES));
  const size = frame.length < 4 ? u32.MAX_VALUE : load<u32>(frame.dataStart);
  if (<u64>size + 4 > <u64>frame.length) return fail<Frame>(new HostError(Errno.EIO, "the response is not a frame: it ends before its head does"));
  const reader = new Reader(frame.subarray(4, 4 + size));
  const head = reader.whole<Value>();
  if (reader.failed) return fail<Frame>(new HostError(Errno.EIO, "the head of the response " + reader.message));
  return ok(new Frame(head, frame.subarray(4 + size)));
}

/** @internal Calls a function of a host module with a frame. The head is to be complete. */
export function exchange(fn: HostFunction, head: Writer, body: Uint8Array = NO_BYTES): Result<Frame> {
  if (head.problem.length > 0) return fail<Frame>(new Error("the request " + head.problem));
  const response = call(fn, encodeFrame(head, body));
  const error = response.error;
  return error ? fail<Frame>(error) : decodeFrame(response.value);
}

/** @internal The head of a request about one thing that is open, such as {"cursor": 3}. */
export function handle(name: string, number: i64): Writer {
  const w = new Writer();
  w.beginObject();
  w.member(name, number);
  w.endObject();
  return w;
}
