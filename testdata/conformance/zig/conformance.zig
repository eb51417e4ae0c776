//! The activities of the conformance suite, written as a user of the SDK would.

const std = @import("std");
const wasmworker = @import("wasmworker");
const Bytes = wasmworker.Bytes;
const Context = wasmworker.Context;
const RawPayload = wasmworker.RawPayload;

comptime {
    wasmworker.activities(@This());
}
pub const panic = wasmworker.panic;

const conformance = wasmworker.Passthrough("conformance", 1);

const Name = struct { name: []const u8 };
const Greeting = struct { greeting: []const u8 };

pub fn greet(ctx: *Context, in: Name) !Greeting {
    if (in.name.len == 0) return ctx.fail(.{ .type = "EmptyName", .message = "the name is empty", .non_retryable = true });
    return .{ .greeting = try std.fmt.allocPrint(ctx.arena, "Hello, {s}!", .{in.name}) };
}

pub fn add(a: f64, b: f64) f64 {
    return a + b;
}

pub fn arguments(ctx: *Context, payloads: []const RawPayload) ![]const []const u8 {
    const texts = try ctx.arena.alloc([]const u8, payloads.len);
    for (texts, payloads) |*text, payload| text.* = try std.fmt.allocPrint(ctx.arena, "{s}:{s}", .{ payload.encoding, payload.data });
    return texts;
}

pub fn echo(payload: RawPayload) RawPayload {
    return payload;
}

pub fn nothing() void {}

pub fn bytes(ctx: *Context, n: u32) !Bytes {
    const data = try ctx.arena.alloc(u8, n);
    for (data, 0..) |*byte, i| byte.* = @truncate(i);
    return .{ .data = data };
}

const Information = struct {
    activity_id: []const u8,
    activity_type: []const u8,
    attempt: u32,
    namespace: []const u8,
    task_queue: []const u8,
    workflow_id: []const u8,
    workflow_type: []const u8,
    heartbeat_timeout_ms: u64,
};

pub fn info(ctx: *Context) !Information {
    const about = try ctx.info();
    return .{
        .activity_id = about.activity_id,
        .activity_type = about.activity_type,
        .attempt = about.attempt,
        .namespace = about.namespace,
        .task_queue = about.task_queue,
        .workflow_id = about.workflow_id,
        .workflow_type = about.workflow_type,
        .heartbeat_timeout_ms = about.heartbeat_timeout_ms,
    };
}

const Kind = enum { plain, typed, final, later, benign, cause };

pub fn fail(ctx: *Context, kind: Kind) !void {
    switch (kind) {
        .plain => return error.@"plain text",
        .typed => return ctx.fail(.{
            .type = "CardDeclined",
            .message = "declined",
            .details = &.{ try ctx.json(.{ .code = 51 }), try ctx.json("second") },
        }),
        .final => return ctx.fail(.{ .type = "NoCard", .message = "no such card", .non_retryable = true }),
        .later => return ctx.fail(.{ .type = "Busy", .message = "try later", .next_retry_delay_ms = 123 * std.time.ms_per_s }),
        .benign => return ctx.fail(.{ .type = "Benign", .message = "nothing to see", .category = .benign }),
        .cause => return ctx.fail(.{
            .type = "Outer",
            .message = "outer",
            .cause = &.{ .type = "Root", .message = "the root" },
        }),
    }
}

pub fn crash() void {
    @panic("oh no");
}

pub fn steps(ctx: *Context, n: u32) !u32 {
    const begin = try ctx.lastHeartbeat(u32) orelse 0;
    var step = begin;
    while (step < n) {
        step += 1;
        try ctx.heartbeat(.{step});
        try ctx.checkCancel();
    }
    return begin;
}

pub fn cancel(ctx: *Context) !void {
    while (!ctx.cancelled()) {
        try ctx.heartbeat(.{});
        ctx.sleep(1) catch {};
    }
    return ctx.cancel("cleaned up");
}

pub fn stopping(ctx: *Context) ![]const u8 {
    while (!ctx.status().worker_stopping) try ctx.heartbeat(.{});
    return "stopping";
}

pub fn logs(ctx: *Context, message: []const u8) void {
    ctx.log(.warn, message, .{ .answer = 42 });
    ctx.log(.debug, "the end", .{});
}

pub fn upper(ctx: *Context, text: []const u8) ![]const u8 {
    return conformance.call(ctx, "upper", text);
}

const Denial = struct { errno: u16, message: []const u8 };

pub fn denied(ctx: *Context) !Denial {
    _ = conformance.call(ctx, "deny", "") catch |err| switch (err) {
        error.AccessDenied => {
            const reason = ctx.hostError();
            return .{ .errno = @intFromEnum(reason.errno), .message = reason.message };
        },
        else => return err,
    };
    return error.NotDenied;
}

var calls: u32 = 0;

pub fn state() u32 {
    calls += 1;
    return calls;
}

pub fn spin() void {
    var x: u32 = 1;
    while (true) {
        x = x *% 1664525 +% 1013904223;
        std.mem.doNotOptimizeAway(x);
    }
}
