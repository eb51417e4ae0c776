// The patterns of calling the host's functions. Not part of the SDK's API.

import { arg_encoding, arg_metadata, arg_read, detail_encoding, detail_read, info, last_error } from "./imports";

/** The reading functions of the host. */
export const enum Source {
  Argument,
  ArgumentEncoding,
  ArgumentMetadata,
  Detail,
  DetailEncoding,
  Info,
  LastError,
}

// One function for all of them, since AssemblyScript has no closures.
function once(source: Source, index: i32, dst: usize, cap: i32): i64 {
  switch (source) {
    case Source.Argument: return arg_read(index, dst, cap);
    case Source.ArgumentEncoding: return arg_encoding(index, dst, cap);
    case Source.ArgumentMetadata: return arg_metadata(index, dst, cap);
    case Source.Detail: return detail_read(index, dst, cap);
    case Source.DetailEncoding: return detail_encoding(index, dst, cap);
    case Source.Info: return info(dst, cap);
    default: return last_error(dst, cap);
  }
}

/**
 * Reads all that a reading function has. `guess` is the size in bytes that probably suffices, so that one call does. An
 * error of the host (such as an index that is not there) is read as no bytes.
 */
export function readAll(source: Source, index: i32, guess: i32): Uint8Array {
  let buffer = new ArrayBuffer(guess);
  let size = once(source, index, changetype<usize>(buffer), guess);
  if (size > guess) {
    buffer = new ArrayBuffer(<i32>size);
    size = once(source, index, changetype<usize>(buffer), <i32>size);
  }
  return Uint8Array.wrap(buffer, 0, size > 0 ? <i32>size : 0);
}

/** Reads a text, such as an encoding. */
export function readText(source: Source, index: i32, guess: i32): string {
  const bytes = readAll(source, index, guess);
  return String.UTF8.decodeUnsafe(bytes.dataStart, bytes.length);
}

/** The sentence that the host has for the last error. */
export function lastError(): string {
  return readText(Source.LastError, 0, 256);
}
