import { Errno } from "./abi";
import * as host from "./host";
import * as imports from "./imports";
import { Reader } from "./json/reader";
import { Writer } from "./json/writer";
import { fail, ok, Result } from "./result";

export { Errno };

/** The error of a host module. Its message is a sentence from the host, and may be empty. */
export class HostError extends Error {
  constructor(
    /** Why, as a number: `Errno.EACCES` means that the operator's policy denies it. */
    readonly errno: Errno,
    message: string,
  ) {
    super(message);
    this.name = "HostError";
  }
}

/** A function of a host module. */
export type HostFunction = (ptr: usize, len: i32) => i64;

/**
 * Gives a request to a host module that the operator has granted, and returns its response. The error is a `HostError`. The
 * import is the request for the grant:
 *
 *     @external("wasmworker:weather/v1", "forecast")
 *     declare function forecast(ptr: usize, len: i32): i64;
 *
 *     const response = call(forecast, request);
 */
export function call(fn: HostFunction, request: Uint8Array): Result<Uint8Array> {
  const result = fn(request.dataStart, request.length);
  if (result < 0) return refused(result);
  const handle = <i32>(result >>> 32);
  const size = <i32>result;
  const response = new Uint8Array(size);
  if (handle == 0) return ok(response);
  for (let at = 0; at < size;) {
    const n = imports.read(handle, at, response.dataStart + at, size - at);
    if (n <= 0) {
      const error: Result<Uint8Array> = n < 0 ? refused(n) : fail<Uint8Array>(new HostError(Errno.EIO, "the response ends too early"));
      imports.close(handle);
      return error;
    }
    at += <i32>n;
  }
  imports.close(handle);
  return ok(response);
}

function refused(result: i64): Result<Uint8Array> {
  return fail<Uint8Array>(new HostError(<Errno><i32>-result, host.lastError()));
}

/** As `call`, with text in UTF-8. */
export function callText(fn: HostFunction, request: string): Result<string> {
  const response = call(fn, Uint8Array.wrap(String.UTF8.encode(request)));
  const error = response.error;
  if (error) return fail<string>(error);
  const bytes = response.value;
  return ok(String.UTF8.decodeUnsafe(bytes.dataStart, bytes.length));
}

/** As `call`, with JSON: `callJson<Forecast, Request>(forecast, request)`. */
export function callJson<Response, Request>(fn: HostFunction, request: Request): Result<Response> {
  const w = new Writer();
  w.write<Request>(request);
  if (w.problem.length > 0) return fail<Response>(new Error("the request " + w.problem));
  const response = call(fn, w.bytes);
  const error = response.error;
  if (error) return fail<Response>(error);
  const reader = new Reader(response.value);
  const value = reader.whole<Response>();
  return reader.failed ? fail<Response>(new Error("the response " + reader.message)) : ok<Response>(value);
}
