// How an activity ends: its value or its error becomes the host's, and the status that the exported function returns.

import {
  ENCODING_JSON, Errno, STATUS_CANCELED, STATUS_COMPLETED, STATUS_FAILED, TYPE_INVALID_OUTPUT, TYPE_OUTPUT_TOO_LARGE,
} from "./abi";
import { ApplicationFailure, CancelledFailure, writeDetails, writeFailure } from "./errors";
import * as host from "./host";
import * as imports from "./imports";
import { Writer } from "./json/writer";
import { encode, Payload } from "./payload";
import { Result } from "./result";

/** Ends an activity with a value as its result, and returns the status for the host. */
export function endWithValue<T>(value: T): i32 {
  return endWithPayload(encode<T>(value));
}

function endWithPayload(result: Result<Payload>): i32 {
  const error = result.error;
  if (error) return endWithError(ApplicationFailure.nonRetryable("the result " + error.message, TYPE_INVALID_OUTPUT));
  const payload = result.value;
  const n = payload.data.length;
  if (n > 0) {
    const written = imports.output_write(payload.data.dataStart, n);
    if (written < 0) return refused(written, n);
  }
  const encoding = payload.encoding;
  if (payload.metadata.length > 0) {
    const json = String.UTF8.encode(payload.metadata);
    const set = imports.output_metadata(changetype<usize>(json), json.byteLength);
    if (set < 0) return refused(set, n);
  } else if (encoding.length == 0) {
    const json = String.UTF8.encode("{}"); // without it, what was written would be json/plain
    const set = imports.output_metadata(changetype<usize>(json), json.byteLength);
    if (set < 0) return refused(set, n);
  } else if (n == 0 || encoding != ENCODING_JSON) {
    const text = String.UTF8.encode(encoding);
    const set = imports.output_encoding(changetype<usize>(text), text.byteLength);
    if (set < 0) return refused(set, n);
  }
  return STATUS_COMPLETED;
}

function refused(errno: i64, size: i32): i32 {
  const sentence = host.lastError();
  if (errno == -Errno.EMSGSIZE) {
    return endWithError(ApplicationFailure.nonRetryable("the result of " + size.toString() + " bytes is too long: " + sentence, TYPE_OUTPUT_TOO_LARGE));
  }
  return endWithError(ApplicationFailure.nonRetryable("the result was refused: " + sentence, TYPE_INVALID_OUTPUT));
}

/** Ends an activity with an error: as cancelled with a `CancelledFailure`, otherwise as failed. Returns the status for the host. */
export function endWithError(error: Error): i32 {
  if (error instanceof CancelledFailure) {
    const details = (error as CancelledFailure).__details;
    const w = new Writer();
    if (details.length == 1) w.raw(details[0]);
    else if (details.length > 1) writeDetails(w, details);
    // Details that are refused are lost, the cancellation is not.
    if (w.length > 0) imports.output_write(w.ptr, w.length);
    return STATUS_CANCELED;
  }
  const w = new Writer();
  writeFailure(w, error, 0, false);
  if (imports.fail(w.ptr, w.length) < 0) {
    const short = new Writer();
    writeFailure(short, error, 0, true);
    imports.fail(short.ptr, short.length);
  }
  return STATUS_FAILED;
}

/** Ends an activity with whatever its function has returned: a `Result`, an error or null, or a value. Returns the status for the host. */
export function end<R>(result: R): i32 {
  if (isReference<R>()) {
    if (isNullable<R>()) {
      if (changetype<NonNullable<R>>(result) instanceof Error) {
        return changetype<usize>(result) == 0 ? STATUS_COMPLETED : endWithError(changetype<Error>(result));
      } else {
        return endWithValue<R>(result);
      }
    } else if (isDefined(result.__end)) {
      // @ts-ignore: a Result
      return result.__end();
    } else if (result instanceof Error) {
      return endWithError(changetype<Error>(result));
    } else {
      return endWithValue<R>(result);
    }
  } else {
    return endWithValue<R>(result);
  }
}
