// Runs a module's _initialize in Node.js, with a host that has nothing to give. What a module does
// there it does under every host, so errors at the top level of the sources are found now.

import { Errno } from "../src/internal/abi.js";

/** Rejects with what the module wrote to its standard error, if it dies. */
export async function tryOut(wasm) {
  const module = await WebAssembly.compile(wasm);
  let memory;
  let written = "";
  const view = () => new DataView(memory.buffer);
  const bytes = (ptr, len) => new Uint8Array(memory.buffer, ptr, len);
  const wasi = {
    clock_time_get(_, __, out) { view().setBigUint64(out, BigInt(Math.round(performance.timeOrigin + performance.now())) * 1_000_000n, true); return 0; },
    random_get(ptr, len) { crypto.getRandomValues(bytes(ptr, len)); return 0; },
    fd_write(fd, iovs, n, out) {
      let size = 0;
      for (let i = 0; i < n; i++) {
        const len = view().getUint32(iovs + 8 * i + 4, true);
        if (fd === 2) written += Buffer.from(bytes(view().getUint32(iovs + 8 * i, true), len)).toString();
        size += len;
      }
      view().setUint32(out, size, true);
      return 0;
    },
    poll_oneoff(subscription, _, __, out) {
      // Blocks, as there: nothing else happens here.
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, Number(view().getBigUint64(subscription + 24, true) / 1_000_000n));
      view().setUint32(out, 1, true);
      return 0;
    },
    environ_sizes_get(count, size) { view().setUint32(count, 0, true); view().setUint32(size, 0, true); return 0; },
    environ_get: () => 0,
  };
  // Everything else answers as the contract says for calls outside an activity.
  const imports = {};
  for (const { module: from, name } of WebAssembly.Module.imports(module)) {
    imports[from] ??= {};
    imports[from][name] = from === "wasi_snapshot_preview1" ? wasi[name] ?? (() => Errno.ENOSYS)
      : ["arg_count", "detail_count", "status", "patched"].includes(name) ? () => 0 : () => BigInt(-Errno.EINVAL);
  }
  if (imports["wasmworker:log/v1"] !== undefined) imports["wasmworker:log/v1"].write = () => 0n;
  const instance = await WebAssembly.instantiate(module, imports);
  memory = instance.exports.memory;
  try {
    instance.exports._initialize();
  } catch (e) {
    if (!(e instanceof WebAssembly.RuntimeError)) throw e;
    throw new Error(`the module fails while it is initialized: ${written.trimEnd() || e.message}`);
  }
}
