/**
 * HTTP requests, to the origins that the operator allows: the host module `wasmworker:http/v1`. Importing this is the request for it.
 *
 * ```ts
 * import { fetch } from "wasmworker-sdk/http";
 *
 * const response = await fetch("https://api.example.com/v1/orders", {
 *   method: "POST",
 *   headers: { "Content-Type": "application/json", Authorization: "Bearer {{secret:orders}}" },
 *   body: JSON.stringify(order),
 *   timeout: "5 seconds",
 * });
 * if (!response.ok) throw new Error(`orders: ${response.status}`);
 * const { id } = await response.json();
 * ```
 *
 * @module
 */

import type { Duration } from "./index.js";

export interface RequestOptions {
  /** `"GET"` if left out. Case-sensitive, but for the usual ones. */
  method?: string;
  /**
   * A header with several values has an array of them, or several pairs. `{{secret:NAME}}` in a value stands for a secret of the operator, which
   * the module itself never sees. The host adds `User-Agent` if it is missing, and what the connection needs; no `Content-Type`.
   */
  headers?: Record<string, string | readonly string[]> | Iterable<readonly [string, string]>;
  /** Text is sent as UTF-8. At most 8 MiB unless the operator says otherwise. */
  body?: string | Uint8Array | null;
  /** For all of the request. It can shorten the time that the operator's policy allows, which is the default, and not lengthen it. */
  timeout?: Duration;
}

export interface Headers extends Iterable<[string, string]> {
  /** The value of a header, in any case; several are joined by `", "`. `null` if there is none. */
  get(name: string): string | null;
  /** The values of `Set-Cookie`, each for itself. */
  getSetCookie(): string[];
  has(name: string): boolean;
}

/** The response, which has arrived as a whole: its methods return promises as those of the Fetch standard do, and may be called any number of times. */
export interface Response {
  /** A redirect arrives as the response that it is, unless the operator lets the host follow it. */
  readonly status: number;
  /** Whether the status is 200 to 299. */
  readonly ok: boolean;
  /** Iterated over, names are in small letters. */
  readonly headers: Headers;
  bytes(): Promise<Uint8Array>;
  arrayBuffer(): Promise<ArrayBuffer>;
  /** The body as UTF-8. */
  text(): Promise<string>;
  /** The body as JSON. Rejects with a `SyntaxError` if it is none. */
  json(): Promise<any>;
}

/**
 * Sends a request. A status of 400 or more is a response like any other. The whole instance waits for the answer, whether the promise is awaited or not.
 *
 * Rejects with a `PassthroughError`:
 *
 * | code | |
 * |---|---|
 * | `EACCES` | the operator's policy denies it; the message says what would allow it |
 * | `EINVAL` | the URL, the method or a header is not valid |
 * | `EMSGSIZE` | URL and headers are above 64 KiB, or a body is above the policy's limit |
 * | `ETIMEDOUT` | it took too long |
 * | `ECANCELED` | the activity was interrupted |
 * | `EIO` | the server cannot be reached, or does not answer as HTTP has it |
 *
 * A request that failed with one of the last three may have been carried out.
 *
 * @param url absolute, `http` or `https`, in ASCII: an object is taken as its text
 */
export declare function fetch(url: string | { toString(): string }, options?: RequestOptions): Promise<Response>;
