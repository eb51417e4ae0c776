/**
 * Secrets that the operator lets a module see: the host module `wasmworker:secret/v1`. Importing this is the request for it.
 *
 * Most activities need no value: `{{secret:NAME}}` in a header of `wasmworker-sdk/http` stands for the secret, and SQL connections and buckets have
 * theirs from the operator.
 *
 * ```ts
 * import { reveal } from "wasmworker-sdk/secret";
 *
 * const key = reveal("signing-key");
 * ```
 *
 * @module
 */

/**
 * The value of a secret.
 *
 * @throws PassthroughError `EACCES`: the policy does not reveal it, whether there is one of that name or not; `EIO`: it cannot be read at the moment
 */
export declare function reveal(name: string): string;
