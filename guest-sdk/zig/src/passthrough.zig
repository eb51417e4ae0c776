const std = @import("std");
const Allocator = std.mem.Allocator;
const abi = @import("abi.zig");
const frame = @import("frame.zig");
const host = @import("host.zig");
const json = @import("json.zig");
const Context = @import("context.zig").Context;

/// A host module that the operator has granted: `const weather = wasmworker.Passthrough("weather", 1);` for
/// `wasmworker:weather/v1`. A WebAssembly module imports, and by that asks for, exactly the functions that it calls.
pub fn Passthrough(comptime name: []const u8, comptime version: u32) type {
    const module = std.fmt.comptimePrint("wasmworker:{s}/v{d}", .{ name, version });
    return struct {
        /// Gives `function` a request and returns its response, in memory of `ctx.arena`. Waits until the host answers.
        /// When it refuses, `ctx.hostError()` has the errno and the host's sentence, and so has the failure
        /// if the activity returns the error.
        pub fn call(ctx: *Context, comptime function: []const u8, request: []const u8) CallError![]u8 {
            return callAlloc(ctx, ctx.arena, function, request);
        }

        /// The same, for a loop of many calls: the response is in memory of `allocator`, and the caller frees it.
        pub fn callAlloc(ctx: *Context, allocator: Allocator, comptime function: []const u8, request: []const u8) CallError![]u8 {
            return readResponse(ctx, allocator, host.passthrough(module, function, request));
        }

        /// The same, with JSON on both sides. `request` `{}` (a void value) sends no bytes, and a response of no
        /// bytes is null if `Response` is optional. If `Response` is void, any response will do.
        ///
        /// `error.InvalidResponse`: the response is not a `Response`.
        pub fn callJson(ctx: *Context, comptime Response: type, comptime function: []const u8, request: anytype) JsonCallError!Response {
            const text = if (@TypeOf(request) == void) "" else (try ctx.json(request)).text;
            const response = try call(ctx, function, text);
            if (Response == void) return;
            if (@typeInfo(Response) == .optional and response.len == 0) return null;
            return decode(Response, ctx, ctx.arena, module ++ " " ++ function, response);
        }

        /// The same, with frames on both sides, as the built-in modules have them: `head` and `Head` are JSON objects, and the
        /// bodies bytes. Optional fields of `head` that are null are left out, and the request's body is the parts, one after the
        /// other. The response is in memory of `arena`, which is freed as a whole. If `Head` is void, any response will do.
        ///
        /// `error.InvalidResponse`: the response is no frame, or its head not a `Head`.
        pub fn callFrame(
            ctx: *Context,
            arena: Allocator,
            comptime Head: type,
            comptime function: []const u8,
            head: anytype,
            body: []const []const u8,
        ) JsonCallError!Frame(Head) {
            const request = try frame.encode(ctx.gpa, head, body);
            const response = response: {
                defer ctx.gpa.free(request);
                break :response try callAlloc(ctx, arena, function, request);
            };
            if (Head == void) return .{ .head = {}, .body = "" };
            const what = module ++ " " ++ function;
            const parts = frame.split(response) orelse return ctx.explain(error.InvalidResponse, "response of " ++ what ++ ": not a frame", .{});
            return .{ .head = try decode(Head, ctx, arena, what, parts.head), .body = parts.body };
        }
    };
}

/// For the SDK itself: calls a function to end something on the way out, such as `{"cursor":3}`. That must not fail, and must not replace what
/// `ctx.hostError()` says of the error that may be the reason. What this cannot end, the host ends with the activity.
pub fn release(comptime module: []const u8, comptime function: []const u8, comptime name: []const u8, number: u64) void {
    var buffer: [64]u8 = undefined;
    const text = std.fmt.bufPrint(buffer[4..], "{{\"" ++ name ++ "\":{d}}}", .{number}) catch unreachable;
    std.mem.writeInt(u32, buffer[0..4], @intCast(text.len), .little);
    const result = host.passthrough(module, function, buffer[0 .. 4 + text.len]);
    if (result > 0) _ = host.close(@intCast(result >> 32));
}

/// What `callFrame` returns.
pub fn Frame(comptime Head: type) type {
    return struct { head: Head, body: []const u8 };
}

fn decode(comptime T: type, ctx: *Context, arena: Allocator, comptime what: []const u8, text: []const u8) JsonCallError!T {
    var problem: []const u8 = "";
    return json.decode(T, arena, text, &problem) catch |err| switch (err) {
        error.OutOfMemory => error.OutOfMemory,
        error.InvalidJson => ctx.explain(error.InvalidResponse, "response of " ++ what ++ ": {s}", .{problem}),
    };
}

/// Why a passthrough call did not succeed, after the errno.
pub const CallError = error{
    OutOfMemory,
    /// EACCES: the operator's policy denies it.
    AccessDenied,
    /// EEXIST
    AlreadyExists,
    /// EBUSY
    Busy,
    /// EINTR
    Interrupted,
    /// EINVAL: not a valid request.
    InvalidRequest,
    /// EIO: failed for another reason.
    InputOutput,
    /// ENOTCAPABLE: not granted.
    NotCapable,
    /// ENOENT
    NotFound,
    /// EBADF: there is nothing of that number, or it has ended.
    NotOpen,
    /// ENOTSUP or ENOSYS
    NotSupported,
    /// EPERM
    PermissionDenied,
    /// ECANCELED: the call was cancelled, not necessarily the activity.
    RequestCanceled,
    /// ETIMEDOUT
    Timeout,
    /// EMSGSIZE or E2BIG
    TooLarge,
    /// EMFILE: too many responses, or too much of what a module opens.
    TooManyOpen,
    /// EAGAIN: not now.
    TryAgain,
    /// Any other number; `Context.hostError` has it.
    Unexpected,
};

/// `InvalidResponse`: the response is not what it should be.
pub const JsonCallError = CallError || error{InvalidResponse};

fn readResponse(ctx: *Context, allocator: Allocator, result: i64) CallError![]u8 {
    if (result < 0) return refused(ctx, result);
    const handle: u32 = @intCast(result >> 32);
    if (handle == 0) return &.{};
    defer _ = host.close(handle);
    const response = try allocator.alloc(u8, @as(u32, @truncate(@as(u64, @bitCast(result)))));
    errdefer allocator.free(response);
    var at: usize = 0;
    while (at < response.len) {
        const count = host.read(handle, at, response[at..]);
        if (count < 0) return refused(ctx, count);
        if (count == 0) return ctx.explain(error.InputOutput, "the response ends after {d} of {d} bytes", .{ at, response.len });
        at += @intCast(count);
    }
    return response;
}

fn refused(ctx: *Context, result: i64) CallError {
    ctx.noteHostError(result);
    const err: CallError = switch (abi.Errno.fromResult(result)) {
        .ACCES => error.AccessDenied,
        .EXIST => error.AlreadyExists,
        .BUSY => error.Busy,
        .INTR => error.Interrupted,
        .INVAL => error.InvalidRequest,
        .IO => error.InputOutput,
        .NOTCAPABLE => error.NotCapable,
        .NOENT => error.NotFound,
        .NOTSUP, .NOSYS => error.NotSupported,
        .PERM => error.PermissionDenied,
        .CANCELED => error.RequestCanceled,
        .TIMEDOUT => error.Timeout,
        .MSGSIZE, .@"2BIG" => error.TooLarge,
        .MFILE => error.TooManyOpen,
        .AGAIN => error.TryAgain,
        .BADF => error.NotOpen,
        else => error.Unexpected,
    };
    const about = ctx.hostError();
    return ctx.explain(err, "{f}{s}{s}", .{ about.errno, if (about.message.len > 0) ": " else "", about.message });
}
