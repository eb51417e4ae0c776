// A host of one run for tests: the guest contract of workflows on Node.js's WebAssembly.

const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** The payload of a value, or of bytes with an encoding: {data, encoding, metadata}. */
const raw = (v) => v !== null && typeof v === "object" && "encoding" in v;

export class Run {
  logs = [];
  patches = new Set();
  now = Date.UTC(2026, 0, 1);
  #frame;
  #commands;
  #random = 1;

  static async create(wasm) {
    const self = new Run();
    const module = await WebAssembly.compile(wasm);
    self.imports = WebAssembly.Module.imports(module);
    let memory;
    const bytes = (ptr, len) => new Uint8Array(memory.buffer, ptr, len);
    const text = (ptr, len) => decoder.decode(bytes(ptr, len));
    const view = () => new DataView(memory.buffer);
    self.stderr = "";
    const instance = await WebAssembly.instantiate(module, {
      "wasmworker:workflow/v1": {
        activation: (dst, cap) => {
          if (self.#frame.length <= cap) bytes(dst, self.#frame.length).set(self.#frame);
          return BigInt(self.#frame.length);
        },
        commands: (ptr, len) => BigInt(self.#take(bytes(ptr, len).slice())),
        patched: (ptr, len) => { self.patches.add(text(ptr, len)); return 1; },
        last_error: () => 0n,
      },
      "wasmworker:log/v1": { write: (level, m, ml, a, al) => { self.logs.push([level, text(m, ml), al === 0 ? {} : JSON.parse(text(a, al))]); return 0n; } },
      wasi_snapshot_preview1: {
        clock_time_get: (_, __, out) => { view().setBigUint64(out, BigInt(self.now) * 1_000_000n, true); return 0; },
        // A stream that is the same in each test.
        random_get: (ptr, len) => {
          for (const i of bytes(ptr, len).keys()) {
            self.#random = (self.#random * 48271) % 2147483647;
            bytes(ptr, len)[i] = self.#random >> 8;
          }
          return 0;
        },
        fd_write: (fd, iovs, n, out) => {
          let size = 0;
          for (let i = 0; i < n; i++) {
            const len = view().getUint32(iovs + 8 * i + 4, true);
            self.stderr += text(view().getUint32(iovs + 8 * i, true), len);
            size += len;
          }
          view().setUint32(out, size, true);
          return 0;
        },
        fd_close: () => 8, fd_seek: () => 8, fd_fdstat_get: () => 8,
      },
    });
    memory = instance.exports.memory;
    self.memory = memory;
    self.exports = instance.exports;
    instance.exports._initialize();
    return self;
  }

  /** Begins a workflow. The commands of an activation have values in place of payloads. */
  start(type, ...args) {
    this.type = type;
    return this.activate({ job: "start", args, info: { workflow_id: "w", run_id: "r", workflow_type: type, task_queue: "q", namespace: "default", start_time: "2026-01-01T00:00:00Z", memo: { k: "v" } } });
  }

  activate(...jobs) {
    const parts = [];
    let size = 0;
    const place = (v) => {
      if (v === undefined) return { encoding: "binary/null" };
      const data = raw(v) ? (typeof v.data === "string" ? encoder.encode(v.data) : v.data) : encoder.encode(JSON.stringify(v));
      parts.push(data);
      size += data.length;
      return { ...(raw(v) ? { encoding: v.encoding, metadata: v.metadata } : {}), bytes: [size - data.length, data.length] };
    };
    const failure = (f) => f && { ...f, details: f.details?.map(place), cause: failure(f.cause) };
    const head = encoder.encode(JSON.stringify({
      now: new Date(this.now).toISOString(), history: { length: 3, size: 100 },
      jobs: jobs.map((j) => ({
        ...j, ...(j.args && { args: j.args.map(place) }), ...("result" in j && { result: place(j.result) }), failure: failure(j.failure),
        ...(j.info && { info: { ...j.info, memo: Object.fromEntries(Object.entries(j.info.memo).map(([k, v]) => [k, place(v)])) } }),
      })),
    }));
    this.#frame = new Uint8Array(4 + head.length + size);
    new DataView(this.#frame.buffer).setUint32(0, head.length, true);
    this.#frame.set(head, 4);
    let at = 4 + head.length;
    for (const part of parts) {
      this.#frame.set(part, at);
      at += part.length;
    }
    this.#commands = [];
    this.status = this.exports[this.type]();
    return this.#commands;
  }

  #take(frame) {
    const size = new DataView(frame.buffer).getUint32(0, true);
    const body = frame.subarray(4 + size);
    const value = (p) => {
      if (p?.bytes === undefined) return p;
      const data = body.subarray(p.bytes[0], p.bytes[0] + p.bytes[1]);
      return p.encoding === undefined ? JSON.parse(decoder.decode(data)) : { ...p, bytes: [...data] };
    };
    const walk = (v) => (Array.isArray(v) ? v.map(walk) : v === null || typeof v !== "object" ? v
      : Array.isArray(v.bytes) ? value(v) : Object.fromEntries(Object.entries(v).map(([k, x]) => [k, walk(x)])));
    this.#commands.push(...walk(JSON.parse(decoder.decode(frame.subarray(4, 4 + size))).commands));
    return this.#commands.length;
  }
}
