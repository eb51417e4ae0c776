//! Runs one activity: fetches and decodes its arguments, calls its function, and hands the outcome over.

const std = @import("std");
const Allocator = std.mem.Allocator;
const Writer = std.Io.Writer;
const contract = @import("contract.zig");
const host = @import("host.zig");
const json = @import("json.zig");
const payload = @import("payload.zig");
const RawPayload = payload.RawPayload;
const context = @import("context.zig");
const Context = context.Context;

/// Returns the status for the host. All memory of the call is freed by then.
pub fn run(comptime function: anytype, gpa: Allocator) i32 {
    var arena: std.heap.ArenaAllocator = .init(gpa);
    defer arena.deinit();
    var ctx: Context = .init(arena.allocator(), gpa);
    defer ctx.deinit();
    call(function, &ctx) catch |err| {
        if (err == error.Canceled) {
            if (ctx.internal.cancel_details) |details| pushPayload(&ctx, details) catch return contract.status_failed;
            return contract.status_canceled;
        }
        ctx.failWithError(err, json.errorName(err));
        return contract.status_failed;
    };
    return contract.status_completed;
}

fn call(comptime function: anytype, ctx: *Context) !void {
    const Function = @TypeOf(function);
    const info = @typeInfo(Function).@"fn";
    var args: std.meta.ArgsTuple(Function) = undefined;
    const given = host.argCount();
    const first = if (info.params.len > 0 and info.params[0].type == *Context) 1 else 0;
    if (first == 1) args[0] = ctx;
    inline for (info.params[first..], 0..) |param, index| {
        const T = param.type.?;
        args[first + index] = if (T == []const RawPayload and first + index == info.params.len - 1)
            try restOfArguments(ctx, index, given)
        else
            try argument(T, ctx, index, given);
    }
    const result = @call(.auto, function, args);
    const value = if (@typeInfo(@TypeOf(result)) == .error_union) try result else result;
    if (@TypeOf(value) != void) try push(ctx, value);
}

fn argument(comptime T: type, ctx: *Context, index: u32, given: u32) !T {
    if (index >= given) {
        if (@typeInfo(T) == .optional) return null;
        return invalidInput(ctx, "argument {d} is missing: {d} given", .{ index + 1, given });
    }
    const raw = try rawArgument(ctx, index);
    var problem: []const u8 = "";
    return raw.decode(T, ctx.arena, &problem) catch |err| switch (err) {
        error.OutOfMemory => error.OutOfMemory,
        error.InvalidPayload => invalidInput(ctx, "argument {d} of {d}: {s}", .{ index + 1, given, problem }),
    };
}

fn restOfArguments(ctx: *Context, index: u32, given: u32) ![]const RawPayload {
    const rest = try ctx.arena.alloc(RawPayload, given -| index);
    for (rest, index..) |*item, i| item.* = try rawArgument(ctx, @intCast(i));
    return rest;
}

fn rawArgument(ctx: *Context, index: u32) !RawPayload {
    return context.fetchPayload(ctx.arena, host.argRead, host.argEncoding, index) catch |err| switch (err) {
        error.OutOfMemory => error.OutOfMemory,
        error.HostRefused => invalidInput(ctx, "argument {d} cannot be read", .{index + 1}),
    };
}

fn invalidInput(ctx: *Context, comptime fmt: []const u8, args: anytype) error{ OutOfMemory, ActivityFailed } {
    return ctx.fail(.{ .type = contract.type_invalid_input, .message = try std.fmt.allocPrint(ctx.arena, fmt, args), .non_retryable = true });
}

fn push(ctx: *Context, value: anytype) !void {
    const T = @TypeOf(value);
    if (@typeInfo(T) == .optional) {
        if (value) |v| return push(ctx, v);
        return check(ctx, host.outputEncoding(contract.encoding_null));
    }
    if (T == RawPayload) return pushPayload(ctx, value);
    var buffer: [1024]u8 = undefined;
    var output: Output = .init(&buffer);
    const encoding = payload.encode(value, &output.writer) catch return check(ctx, output.result);
    output.writer.flush() catch return check(ctx, output.result);
    // What has been written is json/plain by itself.
    if (!std.mem.eql(u8, encoding, contract.encoding_json)) try check(ctx, host.outputEncoding(encoding));
}

fn pushPayload(ctx: *Context, value: RawPayload) !void {
    if (value.data.len > 0) try check(ctx, host.outputWrite(value.data));
    if (value.metadata) |metadata| return check(ctx, host.outputMetadata(metadata));
    // Without an encoding, what has been written would be json/plain.
    try check(ctx, if (value.encoding.len > 0) host.outputEncoding(value.encoding) else host.outputMetadata("{}"));
}

/// Fails the activity if the host has refused its output.
fn check(ctx: *Context, result: i64) error{ActivityFailed}!void {
    if (result >= 0) return;
    ctx.noteHostError(result);
    const refused = ctx.hostError();
    return ctx.fail(.{
        .type = if (refused.errno == .MSGSIZE) contract.type_output_too_large else contract.type_invalid_output,
        .message = std.fmt.allocPrint(ctx.arena, "result: {s}", .{refused.message}) catch refused.message,
        .non_retryable = true,
    });
}

/// Writes to the host's output. What is longer than the buffer goes there directly.
const Output = struct {
    writer: Writer,
    /// The host's last answer.
    result: i64 = 0,

    fn init(buffer: []u8) Output {
        return .{ .writer = .{ .buffer = buffer, .vtable = &.{ .drain = drain } } };
    }

    fn drain(writer: *Writer, data: []const []const u8, splat: usize) Writer.Error!usize {
        const output: *Output = @alignCast(@fieldParentPtr("writer", writer));
        try output.send(writer.buffered());
        writer.end = 0;
        var sent: usize = 0;
        for (data, 1..) |bytes, i| {
            for (0..if (i == data.len) splat else 1) |_| {
                try output.send(bytes);
                sent += bytes.len;
            }
        }
        return sent;
    }

    fn send(output: *Output, bytes: []const u8) Writer.Error!void {
        if (bytes.len == 0) return;
        output.result = host.outputWrite(bytes);
        if (output.result < 0) return error.WriteFailed;
    }
};
