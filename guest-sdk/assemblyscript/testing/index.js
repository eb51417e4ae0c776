// A host in JavaScript that runs activities of a compiled module, for tests: `node --test` and nothing else is needed.
// It follows abi/SPEC.md of wasmworker but for its limits on logs, its grace periods and its sandbox.

import { readFile } from "node:fs/promises";
import {
  CANCELLED, COMPLETED, ENCODING_BINARY, ENCODING_JSON, ENCODING_NULL, Errno, FAILED, MAX_FAILURE_SIZE, TYPE_ACTIVITY_FAILED,
} from "./abi.js";

const LEVELS = { "-4": "debug", 0: "info", 4: "warn", 8: "error" };
const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** A payload of JSON. */
export function json(value) {
  return { encoding: ENCODING_JSON, data: encoder.encode(JSON.stringify(value)) };
}

/** A payload of bytes. */
export function binary(data) {
  return { encoding: ENCODING_BINARY, data: Uint8Array.from(data) };
}

/** The frame of a head, which becomes JSON, and a body of bytes or text. */
export function encodeFrame(head, body = "") {
  const text = encoder.encode(JSON.stringify(head));
  const bytes = typeof body === "string" ? encoder.encode(body) : body;
  const frame = new Uint8Array(4 + text.length + bytes.length);
  new DataView(frame.buffer).setUint32(0, text.length, true);
  frame.set(text, 4);
  frame.set(bytes, 4 + text.length);
  return frame;
}

/** The head and the body of a frame. */
export function decodeFrame(frame) {
  if (frame.length === 0) return { head: {}, body: new Uint8Array() };
  const end = 4 + new DataView(frame.buffer, frame.byteOffset, frame.byteLength).getUint32(0, true);
  if (end > frame.length) throw new RangeError("the frame ends before its head does");
  return { head: JSON.parse(decoder.decode(frame.subarray(4, end))), body: frame.subarray(end) };
}

function payload(value) {
  if (value instanceof Uint8Array) return binary(value);
  if (value && value.data instanceof Uint8Array && typeof value.encoding === "string") return value;
  if (value === null || value === undefined) return { encoding: ENCODING_NULL, data: new Uint8Array() };
  return json(value);
}

/** The value of a payload: decoded JSON, null, or its bytes. */
function decode({ encoding, data }) {
  if (encoding === ENCODING_JSON) return JSON.parse(decoder.decode(data));
  return encoding === ENCODING_NULL ? null : data;
}

/** Loads a compiled module, by its file's name or its bytes. */
export async function load(module) {
  return new Module(await WebAssembly.compile(typeof module === "string" || module instanceof URL ? await readFile(module) : module), {});
}

class Module {
  constructor(compiled, options) {
    this.compiled = compiled;
    this.options = options;
  }

  with(options) {
    return new Module(this.compiled, { ...this.options, ...options });
  }

  async run(activity, ...args) {
    const call = new Call(this.options, activity, args.map(payload));
    let session = this.session;
    if (session) {
      call.memory = session.call.memory;
      session.call = call;
    } else {
      session = { call };
      const instance = await WebAssembly.instantiate(this.compiled, this.imports(session));
      session.exports = instance.exports;
      call.memory = instance.exports.memory;
      session.exports._initialize?.();
      if (this.options.reuse) this.session = session;
    }
    if (typeof session.exports[activity] !== "function") throw new Error(`the module has no activity ${activity}`);
    return call.end(session.exports[activity]);
  }

  // The instance imports functions that go to the call which is running.
  imports(session) {
    const imports = {};
    for (const { module, name } of WebAssembly.Module.imports(this.compiled)) {
      const own = /^wasmworker:(activity|log)\/|^wasi_/.test(module);
      if (own && !session.call.functions[module]?.[name]) throw new Error(`the module imports ${module} ${name}, which the test host does not have`);
      // A host module that a test does not give is denied, as by an operator.
      (imports[module] ??= {})[name] = own
        ? (...args) => session.call.functions[module][name](...args)
        : (ptr, len) => session.call.passthrough(this.options.modules?.[module]?.[name], ptr, len);
    }
    return imports;
  }
}

class Call {
  output = [];
  size = 0;
  encoding = null;
  metadata = null;
  failure = null;
  pending = [];
  responses = new Map();
  handles = 0;
  error = "";
  stderr = "";
  logs = [];
  heartbeats = [];

  constructor(options, activity, args) {
    this.args = args;
    this.details = (options.details ?? []).map(payload);
    this.info = {
      activity_id: "1", activity_type: activity, attempt: 1, namespace: "default", task_queue: "test", workflow_id: "workflow", workflow_run_id: "run",
      workflow_type: "Test", ...options.info,
    };
    this.flags = options.flags ?? 0;
    this.onHeartbeat = options.onHeartbeat;
    this.maxOutput = options.maxOutput ?? 2 << 20;
    this.functions = this.imports();
  }

  bytes(ptr, len) {
    return new Uint8Array(this.memory.buffer, ptr >>> 0, len >>> 0);
  }

  text(ptr, len) {
    return decoder.decode(this.bytes(ptr, len));
  }

  /** Answers a reading function. */
  give(data, dst, cap) {
    if (data.length <= cap >>> 0) this.bytes(dst, data.length).set(data);
    return BigInt(data.length);
  }

  refuse(errno, sentence) {
    this.error = sentence;
    return BigInt(-errno);
  }

  object(ptr, len) {
    try {
      const value = JSON.parse(this.text(ptr, len));
      return value && typeof value === "object" && !Array.isArray(value) ? value : null;
    } catch {
      return null;
    }
  }

  imports() {
    const at = (list, i, use) => (i >= 0 && i < list.length ? use(list[i]) : this.refuse(Errno.EINVAL, `there is no index ${i}`));
    return {
      "wasmworker:activity/v1": {
        arg_count: () => this.args.length,
        arg_read: (i, dst, cap) => at(this.args, i, (p) => this.give(p.data, dst, cap)),
        arg_encoding: (i, dst, cap) => at(this.args, i, (p) => this.give(encoder.encode(p.encoding), dst, cap)),
        arg_metadata: (i, dst, cap) => at(this.args, i, (p) => this.give(encoder.encode(JSON.stringify({ encoding: p.encoding, ...p.metadata })), dst, cap)),
        output_write: (ptr, len) => {
          if (this.size + len > this.maxOutput) return this.refuse(Errno.EMSGSIZE, `more than ${this.maxOutput} bytes`);
          this.output.push(this.bytes(ptr, len).slice());
          return BigInt(this.size += len);
        },
        output_encoding: (ptr, len) => {
          this.encoding = this.text(ptr, len);
          return 0n;
        },
        output_metadata: (ptr, len) => {
          const metadata = this.object(ptr, len);
          if (!metadata) return this.refuse(Errno.EINVAL, "not a JSON object");
          this.metadata = metadata;
          this.encoding = metadata.encoding ?? "";
          return 0n;
        },
        fail: (ptr, len) => {
          if (len > MAX_FAILURE_SIZE) return this.refuse(Errno.EMSGSIZE, "the failure is too long");
          const failure = this.object(ptr, len);
          if (typeof failure?.message !== "string") return this.refuse(Errno.EINVAL, "not a failure");
          this.failure = failure;
          return 0n;
        },
        info: (dst, cap) => this.give(encoder.encode(JSON.stringify(this.info)), dst, cap),
        status: () => this.flags,
        heartbeat_detail: (ptr, len, encoding, encodingLen) => {
          this.pending.push({ encoding: this.text(encoding, encodingLen) || ENCODING_JSON, data: this.bytes(ptr, len).slice() });
          return BigInt(this.pending.length);
        },
        heartbeat: () => {
          this.heartbeats.push(this.pending.map(decode));
          this.pending = [];
          this.flags |= this.onHeartbeat?.(this.heartbeats.length, this.heartbeats.at(-1)) ?? 0;
          return BigInt(this.flags);
        },
        detail_count: () => this.details.length,
        detail_read: (i, dst, cap) => at(this.details, i, (p) => this.give(p.data, dst, cap)),
        detail_encoding: (i, dst, cap) => at(this.details, i, (p) => this.give(encoder.encode(p.encoding), dst, cap)),
        read: (handle, offset, dst, cap) => {
          const response = this.responses.get(handle);
          if (!response) return this.refuse(Errno.EBADF, "no such handle");
          return this.give(response.subarray(offset, offset + cap), dst, cap);
        },
        close: (handle) => (this.responses.delete(handle) ? 0n : this.refuse(Errno.EBADF, "no such handle")),
        last_error: (dst, cap) => this.give(encoder.encode(this.error), dst, cap),
      },
      "wasmworker:log/v1": {
        write: (level, message, len, attributes, attributesLen) => {
          const attrs = attributesLen ? this.object(attributes, attributesLen) : {};
          if (!attrs) return this.refuse(Errno.EINVAL, "not a JSON object");
          this.logs.push({ level: LEVELS[level] ?? String(level), message: this.text(message, len), attributes: attrs });
          return 0n;
        },
      },
      wasi_snapshot_preview1: {
        fd_write: (fd, iovs, count, written) => {
          const view = new DataView(this.memory.buffer);
          let n = 0;
          for (let i = 0; i < count; i++) {
            const len = view.getUint32(iovs + 8 * i + 4, true);
            this.stderr += this.text(view.getUint32(iovs + 8 * i, true), len);
            n += len;
          }
          view.setUint32(written, n, true);
          return 0;
        },
        random_get: (ptr, len) => {
          crypto.getRandomValues(this.bytes(ptr, len));
          return 0;
        },
        clock_time_get: (clock, precision, dst) => {
          const now = clock === 0 ? BigInt(Date.now()) * 1000000n : process.hrtime.bigint();
          new DataView(this.memory.buffer).setBigInt64(dst, now, true);
          return 0;
        },
        poll_oneoff: (subscriptions, events, count, written) => {
          const ns = new DataView(this.memory.buffer).getBigInt64(subscriptions + 24, true);
          Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, Number(ns) / 1e6);
          new DataView(this.memory.buffer).setUint32(written, 1, true);
          return 0;
        },
      },
    };
  }

  /** Calls a function of a host module: from bytes to bytes or text, or to an error with an `errno`. */
  passthrough(fn, ptr, len) {
    let response;
    try {
      if (!fn) throw Object.assign(new Error("the test has no such function"), { errno: Errno.EACCES });
      response = fn(this.bytes(ptr, len).slice());
    } catch (error) {
      if (typeof error.errno !== "number") throw error;
      return this.refuse(error.errno, error.message);
    }
    if (typeof response === "string") response = encoder.encode(response);
    if (!response?.length) return 0n;
    this.responses.set(++this.handles, response);
    return BigInt(this.handles) << 32n | BigInt(response.length);
  }

  end(activity) {
    const outcome = { logs: this.logs, heartbeats: this.heartbeats, openResponses: 0 };
    let status;
    try {
      status = activity();
    } catch (error) {
      if (!(error instanceof WebAssembly.RuntimeError) && !(error instanceof RangeError)) throw error;
      return { ...outcome, failure: { type: "WasmTrap", message: `${error.message}: ${this.stderr.split("\n")[0]}` } };
    }
    outcome.openResponses = this.responses.size;
    if (status === FAILED) return { ...outcome, failure: this.failure ?? { type: TYPE_ACTIVITY_FAILED, message: "failed" } };
    const data = new Uint8Array(this.size);
    let at = 0;
    for (const part of this.output) {
      data.set(part, at);
      at += part.length;
    }
    const encoding = this.encoding ?? (this.size > 0 ? ENCODING_JSON : ENCODING_NULL);
    const result = decode({ encoding, data });
    if (status === CANCELLED) return { ...outcome, cancelled: true, details: result };
    if (status !== COMPLETED) throw new Error(`the status ${status} is not one of the contract`);
    return { ...outcome, result, data, encoding, metadata: this.metadata };
  }
}
