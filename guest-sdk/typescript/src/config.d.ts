/**
 * Values that the operator gives a module: the host module `wasmworker:config/v1`. Importing this is the request for it.
 *
 * ```ts
 * import * as config from "wasmworker-sdk/config";
 *
 * const region = config.get("region") ?? "eu";
 * ```
 *
 * @module
 */

/**
 * The value of a name, or `undefined` if the operator gave none.
 *
 * @throws PassthroughError the host does not answer, as at the top level of a module: `EINVAL`
 */
export declare function get(name: string): string | undefined;
