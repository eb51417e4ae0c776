// The border to the host. In a module it is made of the shim's natives (lib/shim.js), in tests of
// whatever testing.js installs. The methods of a host, with text and bytes as they come:
//
//   argCount() detailCount() status() heartbeat()                -> number, -errno below 0
//   argText(i) argEncoding(i) argMetadata(i)                     -> string, or -errno
//   detailText(i) detailEncoding(i) info() lastError()           -> string, or -errno
//   argBytes(i) detailBytes(i)                                   -> Uint8Array, or -errno
//   outputWrite(v) outputEncoding(s) outputMetadata(s) fail(s)   -> number, -errno below 0
//   heartbeatDetail(v, encoding) log(level, message, attributes) -> number, -errno below 0
//   sleep(ms)                                                    -> blocks
//   utf8Encode(s) utf8Decode(v)                                  -> Uint8Array, string
//   register(run, idle, rejection, describe) finish(status)      see entry.js
// Natives take numbers as they are in the engine: integers must be integers, not 1.5 or the result of a division.
//   randomBytes(n <= 4096) environ()                             -> Uint8Array
//   passthrough(i, request)                                      -> Uint8Array, or -errno

import { NATIVES } from "./natives.js";

/** Error numbers of WASI preview 1, as the guest contract lists them. */
export const Errno = Object.freeze({
  E2BIG: 1, EACCES: 2, EAGAIN: 6, EBADF: 8, EBUSY: 10, ECANCELED: 11, EEXIST: 20, EINTR: 27, EINVAL: 28, EIO: 29,
  EMFILE: 33, EMSGSIZE: 35, ENOENT: 44, ENOSYS: 52, ENOTSUP: 58, EPERM: 63, ETIMEDOUT: 73, ENOTCAPABLE: 76,
});

/** Flags of status() and heartbeat(). */
export const CANCEL_REQUESTED = 1;
export const WORKER_STOPPING = 2;
export const PAUSED = 4;
export const RESET = 8;
export const GONE = 16;

function native(functions) {
  const host = {};
  NATIVES.forEach((name, i) => { host[name] = functions[i]; });
  host.passthrough = (i, request) => functions[NATIVES.length + i](request);
  return host;
}

const natives = globalThis.wasmhost;
delete globalThis.wasmhost; // nobody else needs it

/** Whether this is a module, and not a test. */
export const isModule = natives !== undefined;

/** The host, or undefined in a test outside an activity. */
export let host = isModule ? native(natives) : undefined;

/** Installs a host for a test. */
export function setHost(h) { host = h; }
