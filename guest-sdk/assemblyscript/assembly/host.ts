// The host's functions, as abi/SPEC.md of wasmworker has them, and the two patterns of calling them. Not part of the SDK's API.

// @ts-ignore: decorator
@external("wasmworker:activity/v1", "arg_count")
export declare function arg_count(): i32;
// @ts-ignore: decorator
@external("wasmworker:activity/v1", "arg_read")
declare function arg_read(index: i32, dst: usize, cap: i32): i64;
// @ts-ignore: decorator
@external("wasmworker:activity/v1", "arg_encoding")
declare function arg_encoding(index: i32, dst: usize, cap: i32): i64;
// @ts-ignore: decorator
@external("wasmworker:activity/v1", "arg_metadata")
declare function arg_metadata(index: i32, dst: usize, cap: i32): i64;
// @ts-ignore: decorator
@external("wasmworker:activity/v1", "output_write")
export declare function output_write(ptr: usize, len: i32): i64;
// @ts-ignore: decorator
@external("wasmworker:activity/v1", "output_encoding")
export declare function output_encoding(ptr: usize, len: i32): i64;
// @ts-ignore: decorator
@external("wasmworker:activity/v1", "output_metadata")
export declare function output_metadata(ptr: usize, len: i32): i64;
// @ts-ignore: decorator
@external("wasmworker:activity/v1", "fail")
export declare function fail(ptr: usize, len: i32): i64;
// @ts-ignore: decorator
@external("wasmworker:activity/v1", "info")
declare function info(dst: usize, cap: i32): i64;
// @ts-ignore: decorator
@external("wasmworker:activity/v1", "status")
export declare function status(): i32;
// @ts-ignore: decorator
@external("wasmworker:activity/v1", "heartbeat_detail")
export declare function heartbeat_detail(ptr: usize, len: i32, encoding: usize, encodingLen: i32): i64;
// @ts-ignore: decorator
@external("wasmworker:activity/v1", "heartbeat")
export declare function heartbeat(): i64;
// @ts-ignore: decorator
@external("wasmworker:activity/v1", "detail_count")
export declare function detail_count(): i32;
// @ts-ignore: decorator
@external("wasmworker:activity/v1", "detail_read")
declare function detail_read(index: i32, dst: usize, cap: i32): i64;
// @ts-ignore: decorator
@external("wasmworker:activity/v1", "detail_encoding")
declare function detail_encoding(index: i32, dst: usize, cap: i32): i64;
// @ts-ignore: decorator
@external("wasmworker:activity/v1", "read")
export declare function read(handle: i32, offset: i32, dst: usize, cap: i32): i64;
// @ts-ignore: decorator
@external("wasmworker:activity/v1", "close")
export declare function close(handle: i32): i64;
// @ts-ignore: decorator
@external("wasmworker:activity/v1", "last_error")
declare function last_error(dst: usize, cap: i32): i64;
// @ts-ignore: decorator
@external("wasmworker:log/v1", "write")
export declare function log_write(level: i32, msg: usize, msgLen: i32, attrs: usize, attrsLen: i32): i64;

// @ts-ignore: decorator
@external("wasi_snapshot_preview1", "fd_write")
export declare function fd_write(fd: i32, iovs: usize, count: i32, written: usize): i32;
// @ts-ignore: decorator
@external("wasi_snapshot_preview1", "random_get")
export declare function random_get(ptr: usize, len: usize): i32;
// @ts-ignore: decorator
@external("wasi_snapshot_preview1", "clock_time_get")
export declare function clock_time_get(clock: i32, precision: i64, dst: usize): i32;
// @ts-ignore: decorator
@external("wasi_snapshot_preview1", "poll_oneoff")
export declare function poll_oneoff(subscriptions: usize, events: usize, count: i32, written: usize): i32;

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
