// See config.d.ts.

import { get as getFromHost } from "wasmworker:config/v1";
import { Errno } from "./internal/abi.js";

export function get(name) {
  try {
    return new TextDecoder().decode(getFromHost(name));
  } catch (error) {
    if (error.errno === Errno.ENOENT) return undefined;
    throw error;
  }
}
