import { failure } from "./errors.js";
import { ENCODING_BINARY, ENCODING_JSON, ENCODING_NULL, ENCODING_PROTO_JSON } from "./internal/abi.js";
import { host } from "./internal/host.js";

export class RawPayload {
  constructor(data, encoding, metadata) {
    this.data = typeof data === "string" ? new TextEncoder().encode(data) : data;
    this.encoding = encoding ?? ENCODING_BINARY;
    this.metadata = { ...metadata, encoding: this.encoding };
    if (this.encoding === "") delete this.metadata.encoding;
  }

  text() { return new TextDecoder().decode(this.data); }

  json() { return JSON.parse(this.text()); }
}

/** Where payloads are read: the arguments, or the details of the last attempt's heartbeat. */
const sources = {
  argument: { encoding: (i) => host.argEncoding(i), text: (i) => host.argText(i), bytes: (i) => host.argBytes(i) },
  detail: { encoding: (i) => host.detailEncoding(i), text: (i) => host.detailText(i), bytes: (i) => host.detailBytes(i) },
};

export function readRaw(i) {
  const metadata = JSON.parse(host.argMetadata(i) || "{}");
  for (const [name, value] of Object.entries(metadata)) {
    // Bytes that are not text arrive as {"base64": …}; Temporal's own metadata are text.
    if (typeof value === "object" && value !== null) metadata[name] = Uint8Array.from(atob(value.base64), (c) => c.charCodeAt(0));
  }
  return new RawPayload(host.argBytes(i), host.argEncoding(i), metadata);
}

/** Decodes a payload by its encoding; what is a name for messages. */
export function decode(source, i, what) {
  const { encoding, text, bytes } = sources[source];
  const e = encoding(i);
  switch (e) {
    case ENCODING_JSON:
    case ENCODING_PROTO_JSON:
    case "": {
      const t = text(i);
      try {
        return JSON.parse(t);
      } catch (cause) {
        throw failure.invalidInput(`${what} is not valid JSON: ${cause.message}`);
      }
    }
    case ENCODING_NULL:
      return undefined;
    case ENCODING_BINARY:
      return bytes(i);
    default:
      throw failure.invalidInput(`${what} has the encoding ${JSON.stringify(e)}, which ${source === "argument" ? "needs a parameter of type RawPayload" : "cannot be decoded"}`);
  }
}

// Metadata as the guest contract wants them: text, or bytes as {"base64": …}.
function metadataJSON(metadata) {
  const out = {};
  for (const [name, value] of Object.entries(metadata)) {
    out[name] = typeof value === "string" ? value : { base64: btoa(String.fromCharCode(...value)) };
  }
  return JSON.stringify(out);
}

/** value -> {data: string | Uint8Array, encoding, metadata?: JSON}, or undefined for no payload at all. */
export function encode(value, what) {
  if (value === undefined) return undefined;
  if (value instanceof RawPayload) {
    const more = value.encoding === "" || Object.keys(value.metadata).length > 1;
    return { data: value.data, encoding: value.encoding, metadata: more ? metadataJSON(value.metadata) : undefined };
  }
  if (value instanceof Uint8Array) return { data: value, encoding: ENCODING_BINARY };
  let data;
  try {
    data = JSON.stringify(value);
  } catch (cause) {
    throw failure.invalidOutput(`${what} cannot be encoded as JSON: ${cause.message}`);
  }
  if (data === undefined) throw failure.invalidOutput(`${what} cannot be encoded as JSON: it is a ${typeof value}`);
  return { data, encoding: ENCODING_JSON };
}
