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
