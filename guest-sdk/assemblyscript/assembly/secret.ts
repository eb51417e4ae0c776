// Secrets that the operator lets the module see: wasmworker:secret/v1. Most activities need no value: {{secret:NAME}} in a header of
// http stands for the secret, and SQL connections and buckets have theirs from the operator.

import { secret_reveal } from "./imports";
import { callText } from "./passthrough";
import { Result } from "./result";

/**
 * The value of a secret. The error is a `HostError`: `EACCES` if the policy does not reveal it, whether there is one of that name or
 * not, `EIO` if it cannot be read at the moment.
 */
export function reveal(name: string): Result<string> { return callText(secret_reveal, name); }
