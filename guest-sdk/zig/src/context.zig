//! `Context`: what an activity knows about its attempt, and what it can tell the host.

const std = @import("std");
const Allocator = std.mem.Allocator;
const Writer = std.Io.Writer;
const abi = @import("abi.zig");
const contract = @import("contract.zig");
const host = @import("host.zig");
const Json = @import("json.zig").Json;
const payload = @import("payload.zig");
const RawPayload = payload.RawPayload;
const Failure = @import("failure.zig").Failure;
const Info = @import("info.zig").Info;

/// An attempt of an activity. It lives as long as the activity's function runs.
pub const Context = struct {
    /// For memory that lives until the activity returns. Nothing of it needs to be freed, and the result may be in it.
    arena: Allocator,
    /// For memory that should be freed earlier, such as in a long loop. All of it has to be freed: instances may be
    /// used again for other activities.
    gpa: Allocator,

    /// The SDK's own.
    internal: Internal,

    const Internal = struct {
        info: ?Info = null,
        /// Text on its way to the host. One buffer for all, so that a loop of heartbeats and log records takes no memory.
        scratch: Writer.Allocating,
        /// Details for the case that the activity ends as cancelled.
        cancel_details: ?RawPayload = null,
        failed: bool = false,
        /// More about an error that the SDK has returned, for the message of a failure, should the activity return it.
        explained: anyerror = error.Unexpected,
        explanation: std.ArrayList(u8) = .empty,
        host_error: HostError = .{ .errno = .IO, .message = "" },
    };

    /// For the SDK itself, as `deinit` is.
    pub fn init(arena: Allocator, gpa: Allocator) Context {
        return .{ .arena = arena, .gpa = gpa, .internal = .{ .scratch = .init(gpa) } };
    }

    pub fn deinit(ctx: *Context) void {
        ctx.internal.scratch.deinit();
        ctx.gpa.free(ctx.internal.host_error.message);
        ctx.internal.explanation.deinit(ctx.gpa);
    }

    /// What is known about the attempt. The first call asks the host, the others return the same.
    ///
    /// `error.Unexpected`: the host's answer is not understood, which means that it breaks the contract.
    pub fn info(ctx: *Context) error{ OutOfMemory, Unexpected }!*const Info {
        if (ctx.internal.info == null) {
            const text = fetch(ctx.arena, host.info, 0, 1024) catch |err| switch (err) {
                error.OutOfMemory => return error.OutOfMemory,
                error.HostRefused => return error.Unexpected,
            };
            var problem: []const u8 = "";
            ctx.internal.info = Info.parse(ctx.arena, text, &problem) catch |err| switch (err) {
                error.OutOfMemory => return error.OutOfMemory,
                error.InvalidJson => return ctx.explain(error.Unexpected, "the host's information about the activity: {s}", .{problem}),
            };
        }
        return &ctx.internal.info.?;
    }

    /// What is asked of the attempt. Cheap enough for a loop.
    ///
    /// An activity that goes on after it was asked to cancel, pause or reset, or after it is gone, is interrupted when
    /// the operator's grace period (10 s by default) is over.
    pub fn status(_: *Context) abi.Status {
        return @bitCast(host.status());
    }

    /// Whether somebody asked Temporal to cancel the activity.
    pub fn cancelled(ctx: *Context) bool {
        return ctx.status().cancel_requested;
    }

    /// Returns `error.Canceled` if the activity should stop, for whatever reason, a worker that shuts down included:
    /// pass it on by `try`, and the activity ends as cancelled, or, after a shutdown, is retried by another worker.
    /// An activity that would rather use the worker's graceful timeout to finish looks at `status` instead.
    pub fn checkCancel(ctx: *Context) error{Canceled}!void {
        if (ctx.status().shouldStop()) return error.Canceled;
    }

    /// Ends the activity as cancelled, with `details` for whoever asked: `return ctx.cancel("cleaned up");`.
    /// Without details, `return error.Canceled;` is enough. When nobody has asked, the attempt fails and is retried.
    pub fn cancel(ctx: *Context, details: anytype) error{ OutOfMemory, Canceled } {
        var text: Writer.Allocating = .init(ctx.arena);
        const encoding = payload.encode(details, &text.writer) catch return error.OutOfMemory;
        ctx.internal.cancel_details = .{ .data = text.written(), .encoding = encoding };
        return error.Canceled;
    }

    /// Waits, in pieces of at most 20 ms, and returns `error.Canceled` as soon as the activity should stop, as
    /// `checkCancel` does. It does not heartbeat. In native tests it does not wait.
    pub fn sleep(ctx: *Context, milliseconds: u64) error{Canceled}!void {
        const piece = 20;
        var left = milliseconds;
        while (true) {
            try ctx.checkCancel();
            if (left == 0) return;
            host.sleepMs(@min(left, piece));
            left -|= piece;
        }
    }

    /// Tells Temporal that the activity is alive, and how far it has come: `try ctx.heartbeat(.{step});`. The next
    /// attempt gets the details, any number of values in a tuple, from `lastHeartbeat`. The host throttles
    /// what it sends, so call it as often as is convenient. From the first call on, `Info.heartbeat_timeout_ms` is the
    /// activity's to keep; before that the host heartbeats for it.
    ///
    /// It does not tell that the activity should stop: call `checkCancel` after it.
    ///
    /// `error.HeartbeatTooLarge`: the details are above the operator's limit (2 MiB by default); nothing was sent.
    pub fn heartbeat(ctx: *Context, details: anytype) error{ OutOfMemory, HeartbeatTooLarge }!void {
        const type_info = @typeInfo(@TypeOf(details));
        if (type_info != .@"struct" or !type_info.@"struct".is_tuple) {
            @compileError("the details of a heartbeat are a tuple, such as .{step}, not " ++ @typeName(@TypeOf(details)));
        }
        inline for (details) |detail| {
            const scratch = ctx.cleanScratch();
            const encoding = payload.encode(detail, &scratch.writer) catch return error.OutOfMemory;
            const result = host.heartbeatDetail(scratch.written(), encoding);
            if (result < 0) {
                ctx.noteHostError(result);
                return ctx.explain(error.HeartbeatTooLarge, "heartbeat: {s}", .{ctx.internal.host_error.message});
            }
        }
        _ = host.heartbeat();
    }

    /// The details of the last heartbeat of the attempt before this one: the first detail as a `T`, or all of them if `T`
    /// is a tuple type such as `struct { u32, []const u8 }`. Null if there was no heartbeat, or one without details.
    ///
    /// `error.InvalidHeartbeat`: they are not a `T`, or of an encoding that is not decoded. The attempt before may have run
    /// another version of the activity. One that returns this error fails with type `InvalidInput`, not retryable.
    pub fn lastHeartbeat(ctx: *Context, comptime T: type) error{ OutOfMemory, InvalidHeartbeat }!?T {
        const count = host.detailCount();
        if (count == 0) return null;
        const type_info = @typeInfo(T);
        if (type_info != .@"struct" or !type_info.@"struct".is_tuple) return try ctx.heartbeatDetail(T, 0);
        var result: T = undefined;
        inline for (type_info.@"struct".fields, 0..) |field, i| {
            if (i < count) {
                result[i] = try ctx.heartbeatDetail(field.type, i);
            } else if (@typeInfo(field.type) == .optional) {
                result[i] = null;
            } else {
                return ctx.explain(error.InvalidHeartbeat, "heartbeat detail {d} is missing; there are {d}", .{ i + 1, count });
            }
        }
        return result;
    }

    fn heartbeatDetail(ctx: *Context, comptime T: type, index: u32) error{ OutOfMemory, InvalidHeartbeat }!T {
        const raw = fetchPayload(ctx.arena, host.detailRead, host.detailEncoding, index) catch |err| switch (err) {
            error.OutOfMemory => return error.OutOfMemory,
            error.HostRefused => return error.InvalidHeartbeat,
        };
        var problem: []const u8 = "";
        return raw.decode(T, ctx.arena, &problem) catch |err| switch (err) {
            error.OutOfMemory => error.OutOfMemory,
            error.InvalidPayload => ctx.explain(error.InvalidHeartbeat, "heartbeat detail {d}: {s}", .{ index + 1, problem }),
        };
    }

    /// Writes a log record. `attributes` is a struct, whose fields travel as JSON: `.{ .order = id }`, or `.{}` for none.
    /// The host adds the module and the activity, chooses the level from which on records are kept, and cuts what is
    /// longer than 64 KiB. Formatted messages, without attributes, are written by `std.log` and `std_options`.
    pub fn log(ctx: *Context, level: std.log.Level, message: []const u8, attributes: anytype) void {
        const T = @TypeOf(attributes);
        if (@typeInfo(T) == .@"struct" and @typeInfo(T).@"struct".fields.len == 0) {
            _ = host.log(abi.logLevel(level), message, "");
            return;
        }
        const scratch = ctx.cleanScratch();
        // Without memory for its attributes, a record is better than none. So it is if the host refuses them.
        std.json.Stringify.value(attributes, .{}, &scratch.writer) catch scratch.clearRetainingCapacity();
        if (host.log(abi.logLevel(level), message, scratch.written()) < 0) _ = host.log(abi.logLevel(level), message, "");
    }

    /// Fails the activity: `return ctx.fail(.{ .type = "EmptyName", .message = "the name is empty", .non_retryable = true });`.
    /// Any other error that the activity returns is a retryable failure, with the error's name as type and message.
    /// `failure` is copied. A failure that the host finds too long (256 KiB) loses its details and causes.
    pub fn fail(ctx: *Context, failure: Failure) error{ActivityFailed} {
        ctx.reportFailure(failure);
        return error.ActivityFailed;
    }

    fn sendFailure(ctx: *Context, failure: Failure) bool {
        const scratch = ctx.cleanScratch();
        std.json.Stringify.value(failure, .{}, &scratch.writer) catch return false;
        return host.fail(scratch.written()) >= 0;
    }

    /// Renders a value as JSON, for instance as a detail of a failure: `.details = &.{ try ctx.json(.{ .code = 51 }) }`.
    pub fn json(ctx: *Context, value: anytype) error{OutOfMemory}!Json {
        return .{ .text = try std.json.Stringify.valueAlloc(ctx.arena, value, .{}) };
    }

    /// All metadata of an argument, counted from 0, as a JSON object from names to strings (or `{"base64": "…"}`).
    /// Null if there is no such argument.
    pub fn argumentMetadata(ctx: *Context, index: u32) error{OutOfMemory}!?[]const u8 {
        return fetch(ctx.arena, host.argMetadata, index, 256) catch |err| switch (err) {
            error.OutOfMemory => error.OutOfMemory,
            error.HostRefused => null,
        };
    }

    /// More about the last passthrough call that failed. The message is valid until another one fails.
    pub fn hostError(ctx: *Context) HostError {
        return ctx.internal.host_error;
    }

    // What follows is for the SDK itself.

    pub fn reportFailure(ctx: *Context, failure: Failure) void {
        ctx.internal.failed = ctx.sendFailure(failure) or
            ctx.sendFailure(failure.shortened()) or
            ctx.sendFailure(.{ .type = failure.shortened().type, .message = "", .non_retryable = failure.non_retryable });
    }

    /// Keeps errno and sentence of a negative result.
    pub fn noteHostError(ctx: *Context, result: i64) void {
        ctx.gpa.free(ctx.internal.host_error.message);
        ctx.internal.host_error = .{ .errno = .fromResult(result), .message = fetch(ctx.gpa, host.lastError, 0, 128) catch "" };
    }

    /// Returns `err`. If the activity returns it as well, the failure's message is the one given here, not the error's name.
    pub fn explain(ctx: *Context, err: anytype, comptime fmt: []const u8, args: anytype) @TypeOf(err) {
        const explanation = &ctx.internal.explanation;
        explanation.clearRetainingCapacity();
        explanation.print(ctx.gpa, fmt, args) catch explanation.clearRetainingCapacity();
        ctx.internal.explained = err;
        return err;
    }

    /// Returns `err`, with the explanation of the error before: for interfaces that know one error alone, such as std.Io's.
    pub fn explainAs(ctx: *Context, err: anytype) @TypeOf(err) {
        ctx.internal.explained = err;
        return err;
    }

    /// Hands over the failure for an error that the activity returned.
    pub fn failWithError(ctx: *Context, err: anyerror, name: []const u8) void {
        if (err == error.ActivityFailed and ctx.internal.failed) return;
        const explanation = ctx.internal.explanation.items;
        const explained = err == ctx.internal.explained and explanation.len > 0;
        const invalid = err == error.InvalidHeartbeat;
        ctx.reportFailure(.{
            .type = if (invalid) contract.type_invalid_input else name,
            .message = if (explained) explanation else name,
            .non_retryable = invalid,
        });
    }

    fn cleanScratch(ctx: *Context) *Writer.Allocating {
        ctx.internal.scratch.clearRetainingCapacity();
        return &ctx.internal.scratch;
    }
};

/// Why a host function refused.
pub const HostError = struct {
    errno: abi.Errno,
    /// The host's sentence about it. May be empty.
    message: []const u8,
};

pub const FetchError = error{ OutOfMemory, HostRefused };

/// Calls a reading function, with a buffer of a likely size first.
pub fn fetch(allocator: Allocator, reader: *const fn (u32, []u8) i64, index: u32, likely: usize) FetchError![]u8 {
    var buffer = try allocator.alloc(u8, likely);
    while (true) {
        const result = reader(index, buffer);
        if (result < 0) {
            allocator.free(buffer);
            return error.HostRefused;
        }
        const size: usize = @intCast(result);
        if (size <= buffer.len) return allocator.realloc(buffer, size);
        allocator.free(buffer);
        buffer = try allocator.alloc(u8, size);
    }
}

/// Fetches bytes and encoding.
pub fn fetchPayload(
    arena: Allocator,
    readData: *const fn (u32, []u8) i64,
    readEncoding: *const fn (u32, []u8) i64,
    index: u32,
) FetchError!RawPayload {
    var buffer: [32]u8 = undefined;
    const size = readEncoding(index, &buffer);
    if (size < 0) return error.HostRefused;
    const encoding = known: {
        if (size > buffer.len) break :known try fetch(arena, readEncoding, index, @intCast(size));
        const text = buffer[0..@intCast(size)];
        for ([_][]const u8{ contract.encoding_json, contract.encoding_binary, contract.encoding_null, contract.encoding_proto_json, "" }) |known| {
            if (std.mem.eql(u8, text, known)) break :known known;
        }
        break :known try arena.dupe(u8, text);
    };
    return .{ .encoding = encoding, .data = try fetch(arena, readData, index, 1024) };
}
