// The border to the host of workflows, made of the shim's natives (lib/shim.js):
//
//   activation()                                      -> Uint8Array, or -errno
//   lastError()                                       -> string, or -errno
//   commands(frame) log(level, message, attributes)   -> number, -errno below 0
//   patched(id)                                       -> 1 or 0
//   randomBytes utf8Encode utf8Decode register finish -> as those of activities, see ../internal/host.js

import { setHost } from "../internal/host.js";
import { WORKFLOW_NATIVES } from "./natives.js";

const functions = globalThis.wasmflow;
delete globalThis.wasmflow; // nobody else needs it

// Globals and the log are those of activities, and go by the same names.
setHost(Object.fromEntries(WORKFLOW_NATIVES.map((name, i) => [name, functions?.[i]])));
