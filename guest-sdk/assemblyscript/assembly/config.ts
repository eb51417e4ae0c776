// Values that the operator gives the module: wasmworker:config/v1.

import { config_get } from "./imports";
import { callText, Errno, HostError } from "./passthrough";
import { fail, ok, Result } from "./result";

/** The value of a name, null if the operator gave none. The error is a `HostError`. */
export function get(name: string): Result<string | null> {
  const value = callText(config_get, name);
  const error = value.error;
  if (!error) return ok<string | null>(value.value);
  if (error instanceof HostError && (error as HostError).errno == Errno.ENOENT) return ok<string | null>(null);
  return fail<string | null>(error);
}
