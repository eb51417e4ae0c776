// Payloads and failures of activations and commands.

import { ENCODING_BINARY, ENCODING_JSON, ENCODING_NULL, ENCODING_PROTO_JSON, TYPE_INVALID_OUTPUT } from "../internal/abi.js";
import { causesOf, failureOf } from "../internal/failure.js";
import { host } from "../internal/host.js";
import { failure as errors } from "../errors.js";
import { encode, RawPayload } from "../payload.js";
import { ActivityFailure, ApplicationFailure, CancelledFailure, ChildWorkflowFailure, ServerFailure, TerminatedFailure, TimeoutFailure } from "./failures.js";

/** The activation: {now, history, jobs} and the bytes that its payloads are parts of. */
export function readActivation() {
  const frame = host.activation();
  if (typeof frame === "number") throw new Error(`there is no activation: ${host.lastError()}`);
  return split(frame);
}

/** A frame's head, and the bytes of its payloads. */
export function split(frame) {
  const size = new DataView(frame.buffer, frame.byteOffset).getUint32(0, true);
  return { head: JSON.parse(host.utf8Decode(frame.subarray(4, 4 + size))), body: frame.subarray(4 + size) };
}

const bytesOf = ({ bytes: [offset, length] = [0, 0] }, body) => body.subarray(offset, offset + length);

function metadataOf(payload) {
  const metadata = {};
  for (const [name, value] of Object.entries(payload.metadata ?? {})) {
    metadata[name] = typeof value === "string" ? value : Uint8Array.from(atob(value.base64), (c) => c.charCodeAt(0));
  }
  return metadata;
}

/** A payload as it is. Its bytes are a copy: those of the activation are gone with it. */
export const rawOf = (payload, body) => new RawPayload(bytesOf(payload, body).slice(), payload.encoding ?? ENCODING_JSON, metadataOf(payload));

/**
 * Decodes a payload. Nothing at all is undefined. One of an encoding that JavaScript has no value for is a
 * RawPayload, unless it is refused.
 */
export function decode(payload, body, what, refuse = false) {
  if (payload === undefined || payload === null) return undefined;
  switch (payload.encoding ?? ENCODING_JSON) {
    case ENCODING_JSON:
    case ENCODING_PROTO_JSON:
    case "":
      try {
        return JSON.parse(host.utf8Decode(bytesOf(payload, body)));
      } catch (cause) {
        throw errors.invalidInput(`${what} is not valid JSON: ${cause.message}`);
      }
    case ENCODING_NULL:
      return undefined;
    case ENCODING_BINARY:
      return bytesOf(payload, body).slice();
    default:
      if (refuse) throw errors.invalidInput(`${what} has the encoding ${JSON.stringify(payload.encoding)}, which needs a parameter of type RawPayload`);
      return rawOf(payload, body);
  }
}

export const decodeAll = (payloads, body, what) => (payloads ?? []).map((p, i) => decode(p, body, `${what} ${i + 1}`));

/** Commands of one activation, and the bytes of their payloads. */
export class Frame {
  commands = [];
  #parts = [];
  #size = 0;

  /** The place of a value, undefined for none at all. */
  payload(value, what) {
    const p = encode(value, what);
    if (p === undefined) return undefined;
    const bytes = typeof p.data === "string" ? host.utf8Encode(p.data) : p.data;
    const placed = { bytes: [this.#size, bytes.length] };
    if (p.metadata !== undefined) {
      const { encoding, ...metadata } = JSON.parse(p.metadata);
      placed.encoding = encoding ?? "";
      placed.metadata = metadata;
    } else if (p.encoding !== ENCODING_JSON) {
      placed.encoding = p.encoding;
    }
    this.#parts.push(bytes);
    this.#size += bytes.length;
    return placed;
  }

  /** As payload, but nothing is null. */
  argument(value, what) { return this.payload(value, what) ?? { encoding: ENCODING_NULL }; }

  arguments(values, what = "argument") { return values.map((v, i) => this.argument(v, `${what} ${i + 1}`)); }

  /** Named values, such as a memo. */
  map(values, what) {
    return values && Object.fromEntries(Object.entries(values).map(([name, v]) => [name, v === null ? { encoding: ENCODING_NULL } : this.argument(v, `${what} ${name}`)]));
  }

  /** A failure of whatever was thrown. */
  failure(error) {
    const f = failureOf(error);
    for (let at = f; ; at = at.cause) {
      this.#complete(at, error);
      if (at.cause === undefined) return f;
      [error] = causesOf(error);
    }
  }

  #complete(f, error) {
    const details = (values) => { f.details = values?.length ? values.map((v) => this.#detail(v)) : undefined; };
    details(error?.details);
    if (error instanceof ApplicationFailure || !(error instanceof Error)) return;
    if (error instanceof CancelledFailure) {
      f.kind = "canceled";
    } else if (error instanceof ActivityFailure) {
      Object.assign(f, { kind: "activity", activity_type: error.activityType, activity_id: error.activityId, retry_state: lower(error.retryState) });
    } else if (error instanceof ChildWorkflowFailure) {
      Object.assign(f, {
        kind: "child", workflow_type: error.workflowType, workflow_id: error.execution.workflowId, run_id: error.execution.runId, retry_state: lower(error.retryState),
      });
    } else if (error instanceof TimeoutFailure) {
      Object.assign(f, { kind: "timeout", timeout_type: lower(error.timeoutType) });
      details(error.lastHeartbeatDetails === undefined ? [] : [error.lastHeartbeatDetails]);
    } else if (error instanceof TerminatedFailure) {
      f.kind = "terminated";
    } else if (error instanceof ServerFailure) {
      Object.assign(f, { kind: "server", non_retryable: error.nonRetryable || undefined });
    } else {
      f.details = undefined; // of an error of another library, which means something else by it
      return;
    }
    f.type = undefined;
  }

  // A detail that is not JSON must not hide the failure that it belongs to.
  #detail(value) {
    try {
      return this.argument(value, "a detail");
    } catch (e) {
      if (e.type !== TYPE_INVALID_OUTPUT) throw e;
      return this.argument(String(value), "a detail");
    }
  }

  /** The frame's bytes. */
  bytes(commands = this.commands) {
    const head = host.utf8Encode(JSON.stringify({ commands }));
    const frame = new Uint8Array(4 + head.length + this.#size);
    new DataView(frame.buffer).setUint32(0, head.length, true);
    frame.set(head, 4);
    let at = 4 + head.length;
    for (const part of this.#parts) {
      frame.set(part, at);
      at += part.length;
    }
    return frame;
  }
}

const lower = (name) => name?.toLowerCase() || undefined;
const upper = (name) => name?.toUpperCase() || undefined;

/** The error of a failure that the host told. */
export function errorOf(f, body) {
  const cause = f.cause === undefined ? undefined : errorOf(f.cause, body);
  const details = decodeAll(f.details, body, "detail");
  const error = bare(f, cause, details);
  // Where it failed is of more use than where it was decoded.
  error.stack = f.stack_trace ?? "";
  return error;
}

function bare(f, cause, details) {
  switch (f.kind ?? "application") {
    case "canceled": return new CancelledFailure(f.message, details, cause);
    case "timeout": return new TimeoutFailure(f.message, details[0], upper(f.timeout_type), cause);
    case "activity": return new ActivityFailure(f.message, f.activity_type, f.activity_id, upper(f.retry_state), undefined, cause);
    case "child":
      return new ChildWorkflowFailure(undefined, { workflowId: f.workflow_id, runId: f.run_id }, f.workflow_type, upper(f.retry_state), cause, f.message);
    case "terminated": return new TerminatedFailure(f.message, cause);
    case "application": {
      const benign = f.category === "benign" ? "BENIGN" : undefined;
      return new ApplicationFailure(f.message, f.type, f.non_retryable, details, cause, f.next_retry_delay_ms, benign);
    }
    default: return new ServerFailure(f.message, f.non_retryable, cause);
  }
}
