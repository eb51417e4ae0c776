//! The host's functions: imports in a WebAssembly module, those of `testing.Host` in a native test.

const std = @import("std");
const builtin = @import("builtin");
const contract = @import("contract.zig");

pub const is_guest = builtin.target.cpu.arch.isWasm();

const impl = if (is_guest) guest else @import("testing.zig").functions;

pub const argCount = impl.argCount;
pub const argRead = impl.argRead;
pub const argEncoding = impl.argEncoding;
pub const argMetadata = impl.argMetadata;
pub const outputWrite = impl.outputWrite;
pub const outputEncoding = impl.outputEncoding;
pub const outputMetadata = impl.outputMetadata;
pub const fail = impl.fail;
pub const info = impl.info;
pub const status = impl.status;
pub const heartbeatDetail = impl.heartbeatDetail;
pub const heartbeat = impl.heartbeat;
pub const detailCount = impl.detailCount;
pub const detailRead = impl.detailRead;
pub const detailEncoding = impl.detailEncoding;
pub const read = impl.read;
pub const close = impl.close;
pub const lastError = impl.lastError;
pub const log = impl.log;
pub const passthrough = impl.passthrough;
pub const sleepMs = impl.sleepMs;

const guest = struct {
    const activity = contract.activity;

    fn argCount() u32 {
        return activity.arg_count();
    }
    fn argRead(index: u32, dst: []u8) i64 {
        return activity.arg_read(index, dst.ptr, dst.len);
    }
    fn argEncoding(index: u32, dst: []u8) i64 {
        return activity.arg_encoding(index, dst.ptr, dst.len);
    }
    fn argMetadata(index: u32, dst: []u8) i64 {
        return activity.arg_metadata(index, dst.ptr, dst.len);
    }
    fn outputWrite(data: []const u8) i64 {
        return activity.output_write(data.ptr, data.len);
    }
    fn outputEncoding(encoding: []const u8) i64 {
        return activity.output_encoding(encoding.ptr, encoding.len);
    }
    fn outputMetadata(object: []const u8) i64 {
        return activity.output_metadata(object.ptr, object.len);
    }
    fn fail(failure: []const u8) i64 {
        return activity.fail(failure.ptr, failure.len);
    }
    /// The index is ignored: this has the type of all reading functions.
    fn info(_: u32, dst: []u8) i64 {
        return activity.info(dst.ptr, dst.len);
    }
    fn status() u32 {
        return activity.status();
    }
    fn heartbeatDetail(data: []const u8, encoding: []const u8) i64 {
        return activity.heartbeat_detail(data.ptr, data.len, encoding.ptr, encoding.len);
    }
    fn heartbeat() i64 {
        return activity.heartbeat();
    }
    fn detailCount() u32 {
        return activity.detail_count();
    }
    fn detailRead(index: u32, dst: []u8) i64 {
        return activity.detail_read(index, dst.ptr, dst.len);
    }
    fn detailEncoding(index: u32, dst: []u8) i64 {
        return activity.detail_encoding(index, dst.ptr, dst.len);
    }
    fn read(handle: u32, offset: usize, dst: []u8) i64 {
        return activity.read(handle, offset, dst.ptr, dst.len);
    }
    fn close(handle: u32) i64 {
        return activity.close(handle);
    }
    fn lastError(_: u32, dst: []u8) i64 {
        return activity.last_error(dst.ptr, dst.len);
    }
    fn log(level: i32, message: []const u8, attrs: []const u8) i64 {
        return contract.log.write(level, message.ptr, message.len, attrs.ptr, attrs.len);
    }
    fn passthrough(comptime module: []const u8, comptime function: []const u8, request: []const u8) i64 {
        const call = @extern(*const fn ([*]const u8, usize) callconv(.c) i64, .{ .name = function, .library_name = module });
        return call(request.ptr, request.len);
    }

    /// Directly by WASI: `std.Io` could do it as well, but would bring some 30 KB along.
    fn sleepMs(ms: u64) void {
        const wasi = std.os.wasi;
        const timer: wasi.subscription_clock_t = .{ .id = .MONOTONIC, .timeout = ms * std.time.ns_per_ms, .precision = 0, .flags = 0 };
        const subscription: wasi.subscription_t = .{ .userdata = 0, .u = .{ .tag = .CLOCK, .u = .{ .clock = timer } } };
        var event: wasi.event_t = undefined;
        var count: usize = 0;
        _ = wasi.poll_oneoff(&subscription, &event, 1, &count);
    }
};
