// What the built-in host modules exchange with a guest, see "Passthrough modules" in the guest contract: the length of
// the head in 4 bytes, little-endian, the head as JSON, and the body as it is.

const NOTHING = new Uint8Array(0);

/**
 * @param head an object, or the JSON of one
 * @param {string | Uint8Array} body
 */
export function encodeFrame(head, body = NOTHING) {
  const encoder = new TextEncoder();
  const text = encoder.encode(typeof head === "string" ? head : JSON.stringify(head));
  const bytes = typeof body === "string" ? encoder.encode(body) : body;
  const frame = new Uint8Array(4 + text.length + bytes.length);
  new DataView(frame.buffer).setUint32(0, text.length, true);
  frame.set(text, 4);
  frame.set(bytes, 4 + text.length);
  return frame;
}

/** {head, body}; the body is a part of the frame, not a copy. No bytes at all are a frame with nothing in it. */
export function decodeFrame(frame) {
  if (frame.length === 0) return { head: {}, body: NOTHING };
  const size = frame.length < 4 ? Infinity : new DataView(frame.buffer, frame.byteOffset).getUint32(0, true);
  if (4 + size > frame.length) throw new Error("it is not a frame: it ends before its head does");
  return { head: JSON.parse(new TextDecoder().decode(frame.subarray(4, 4 + size))), body: frame.subarray(4 + size) };
}

/** Calls a function of a host module with a frame, and decodes the frame that it answers with. */
export const exchange = (f, head, body) => decodeFrame(f(encodeFrame(head, body)));

/** The bytes of what a user gave as a body. */
export function bytesOf(value, what) {
  if (typeof value === "string") return new TextEncoder().encode(value);
  if (value instanceof Uint8Array) return value;
  throw new TypeError(`${what} is text or an Uint8Array`);
}
