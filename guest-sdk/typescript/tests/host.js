// A host for tests: the guest contract as far as activities need it, on Node.js's WebAssembly.

const encoder = new TextEncoder();
const decoder = new TextDecoder();

export class Instance {
  /** What the activity that runs is given and has given. */
  call;

  static async create(wasm, { passthrough = {}, env = {} } = {}) {
    const self = new Instance();
    const module = await WebAssembly.compile(wasm);
    self.imports = WebAssembly.Module.imports(module);
    self.exports = WebAssembly.Module.exports(module);
    let memory;
    const bytes = (ptr, len) => new Uint8Array(memory.buffer, ptr, len);
    const text = (ptr, len) => decoder.decode(bytes(ptr, len));
    const view = () => new DataView(memory.buffer);
    let error = "";
    const fail = (errno, message) => { error = message; return BigInt(-errno); };
    const give = (value, dst, cap) => {
      const data = typeof value === "string" ? encoder.encode(value) : value;
      if (data.length <= cap) bytes(dst, data.length).set(data);
      return BigInt(data.length);
    };
    const responses = new Map();
    let handle = 0;
    const active = (f) => (...args) => (self.call === undefined ? fail(28, "no activity") : f(self.call, ...args));
    const count = (f) => () => (self.call === undefined ? 0 : f(self.call));
    const at = (list, i, f) => (i < list.length ? f(list[i]) : fail(28, "no such index"));
    const activity = {
      arg_count: count((c) => c.args.length),
      arg_read: active((c, i, dst, cap) => at(c.args, i, (a) => give(a.data, dst, cap))),
      arg_encoding: active((c, i, dst, cap) => at(c.args, i, (a) => give(a.encoding, dst, cap))),
      arg_metadata: active((c, i, dst, cap) => at(c.args, i, (a) => give(JSON.stringify({ ...a.metadata, encoding: a.encoding }), dst, cap))),
      output_write: active((c, ptr, len) => {
        if (c.output.length + len > 2 ** 21) return fail(35, "the output is too long");
        c.output = Uint8Array.from([...c.output, ...bytes(ptr, len)]);
        if (c.encoding === undefined) c.encoding = "json/plain";
        return BigInt(c.output.length);
      }),
      output_encoding: active((c, ptr, len) => { c.encoding = text(ptr, len); return 0n; }),
      output_metadata: active((c, ptr, len) => { c.metadata = JSON.parse(text(ptr, len)); c.encoding = c.metadata.encoding; return 0n; }),
      fail: active((c, ptr, len) => {
        if (len > 2 ** 18) return fail(35, "the failure is too long");
        c.failure = JSON.parse(text(ptr, len));
        return 0n;
      }),
      info: active((c, dst, cap) => give(JSON.stringify({ attempt: 1, ...c.info }), dst, cap)),
      status: count((c) => c.flags ?? 0),
      heartbeat_detail: active(() => 0n), heartbeat: active((c) => BigInt(c.flags ?? 0)),
      detail_count: count(() => 0), detail_read: active(() => fail(28, "none")), detail_encoding: active(() => fail(28, "none")),
      read: active((c, h, offset, dst, cap) => {
        const part = responses.get(h).subarray(offset, offset + Math.min(cap, 7)); // in pieces, as the contract allows
        bytes(dst, part.length).set(part);
        return BigInt(part.length);
      }),
      close: active((c, h) => { responses.delete(h); return 0n; }),
      last_error: (dst, cap) => give(error, dst, cap),
    };
    self.logs = [];
    self.stderr = "";
    const wasi = {
      clock_time_get(_, __, out) { view().setBigUint64(out, BigInt(Math.round((performance.timeOrigin + performance.now()) * 1e6)), true); return 0; },
      random_get(ptr, len) { crypto.getRandomValues(bytes(ptr, len)); return 0; },
      fd_write(fd, iovs, n, out) {
        let size = 0;
        for (let i = 0; i < n; i++) {
          const len = view().getUint32(iovs + 8 * i + 4, true);
          self.stderr += text(view().getUint32(iovs + 8 * i, true), len);
          size += len;
        }
        view().setUint32(out, size, true);
        return 0;
      },
      poll_oneoff(subscription, _, __, out) {
        Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, Number(view().getBigUint64(subscription + 24, true) / 1_000_000n));
        view().setUint32(out, 1, true);
        return 0;
      },
      environ_sizes_get(n, size) {
        view().setUint32(n, Object.keys(env).length, true);
        view().setUint32(size, Object.entries(env).reduce((sum, [k, v]) => sum + k.length + v.length + 2, 0), true);
        return 0;
      },
      environ_get(pointers, ptr) {
        for (const [i, [k, v]] of Object.entries(env).entries()) {
          view().setUint32(pointers + 4 * i, ptr, true);
          const line = encoder.encode(`${k}=${v}\0`);
          bytes(ptr, line.length).set(line);
          ptr += line.length;
        }
        return 0;
      },
      fd_close: () => 8, fd_seek: () => 8, fd_fdstat_get: () => 8,
    };
    const modules = {
      "wasmworker:activity/v1": activity,
      "wasmworker:log/v1": { write: (level, m, ml, a, al) => { self.logs.push([level, text(m, ml), al === 0 ? {} : JSON.parse(text(a, al))]); return 0n; } },
      wasi_snapshot_preview1: wasi,
    };
    for (const [name, functions] of Object.entries(passthrough)) {
      modules[name] = Object.fromEntries(Object.entries(functions).map(([f, call]) => [f, active((c, ptr, len) => {
        const response = call(bytes(ptr, len).slice());
        if (typeof response === "number") return fail(response, "denied");
        if (response.length === 0) return 0n;
        responses.set(++handle, response);
        return (BigInt(handle) << 32n) | BigInt(response.length);
      })]));
    }
    self.instance = await WebAssembly.instantiate(module, modules);
    memory = self.instance.exports.memory;
    self.memory = memory;
    self.instance.exports._initialize();
    return self;
  }

  /** Runs an activity; arguments are values, which are sent as JSON, or payloads {data, encoding}. */
  run(name, args = [], more = {}) {
    this.logs = [];
    this.call = {
      args: args.map((a) => (a !== null && typeof a === "object" && "encoding" in a ? { ...a, data: typeof a.data === "string" ? encoder.encode(a.data) : a.data }
        : { data: encoder.encode(JSON.stringify(a)), encoding: "json/plain" })),
      output: new Uint8Array(0), encoding: undefined, metadata: undefined, failure: undefined, ...more,
    };
    const { call } = this;
    try {
      const status = this.instance.exports[name]();
      const value = call.encoding === "json/plain" ? JSON.parse(decoder.decode(call.output)) : call.encoding === undefined ? undefined : call.output;
      return { status, value, encoding: call.encoding, metadata: call.metadata, failure: call.failure };
    } finally {
      this.call = undefined;
    }
  }
}
