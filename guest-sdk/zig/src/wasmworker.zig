//! Temporal activities as WebAssembly modules, for wasmworker.
//!
//! ```zig
//! const std = @import("std");
//! const wasmworker = @import("wasmworker");
//!
//! comptime {
//!     wasmworker.activities(@This());
//! }
//! pub const panic = wasmworker.panic;
//! pub const std_options = wasmworker.std_options;
//!
//! const Input = struct { name: []const u8 };
//! const Output = struct { greeting: []const u8 };
//!
//! pub fn greet(ctx: *wasmworker.Context, in: Input) !Output {
//!     if (in.name.len == 0) return ctx.fail(.{ .type = "EmptyName", .message = "the name is empty", .non_retryable = true });
//!     return .{ .greeting = try std.fmt.allocPrint(ctx.arena, "Hello, {s}!", .{in.name}) };
//! }
//! ```

const std = @import("std");
const abi = @import("abi.zig");
const host = @import("host.zig");
const context = @import("context.zig");
const payload = @import("payload.zig");
const run = @import("run.zig").run;

pub const Context = context.Context;
pub const HostError = context.HostError;
pub const Status = abi.Status;
pub const Errno = abi.Errno;
pub const Info = @import("info.zig").Info;
pub const Failure = @import("failure.zig").Failure;
pub const Bytes = payload.Bytes;
pub const RawPayload = payload.RawPayload;
pub const Json = @import("json.zig").Json;
pub const Passthrough = @import("passthrough.zig").Passthrough;
pub const CallError = @import("passthrough.zig").CallError;
pub const http = @import("http.zig");
pub const config = @import("config.zig");
pub const secret = @import("secret.zig");
pub const sql = @import("sql.zig");
pub const blob = @import("blob.zig");
/// Runs activities in native tests.
pub const testing = @import("testing.zig");

/// Makes an activity of each `pub fn` of a namespace but `main` and `panic`, named as the function. To be called at comptime:
///
/// ```zig
/// comptime {
///     wasmworker.activities(@This());
/// }
/// ```
///
/// A function takes a `*Context`, if it wants to, and then the activity's arguments, each as
///
/// - a type that std.json could parse (from `json/plain`, `json/protobuf`, or no encoding): structs, slices, numbers, enums,
///   tagged unions, `std.json.Value`, types with a `jsonParse`, ... Text is `[]const u8`, a missing field is its default
///   value, or null if it is optional, and unknown fields are ignored;
/// - `?T`, which is null if the argument is null or was not given;
/// - `Bytes`, `RawPayload`, or `Json` for JSON text as it is;
/// - `[]const RawPayload` as the last parameter, for all arguments that are left.
///
/// Arguments beyond the parameters are ignored. What does not fit fails the activity with type `InvalidInput`, not retryable.
/// Decoded values live in the context's arena, until the activity returns.
///
/// It returns nothing (`void`), a value that std.json can render, `Bytes`, `RawPayload`, `Json`, or an optional of these,
/// where null is Temporal's `binary/null`; or an error union of any of them. What errors become is said at
/// `Context.fail`, `Context.checkCancel` and `Context.cancel`.
///
/// In native builds, such as `zig build test`, nothing is exported, but what is said here is checked.
pub fn activities(comptime Namespace: type) void {
    comptime {
        var count = 0;
        for (std.meta.declarations(Namespace)) |decl| {
            if (std.mem.eql(u8, decl.name, "main") or std.mem.eql(u8, decl.name, "panic")) continue;
            const value = @field(Namespace, decl.name);
            if (@typeInfo(@TypeOf(value)) != .@"fn") continue;
            exportActivity(decl.name, value);
            count += 1;
        }
        if (count == 0) @compileError(@typeName(Namespace) ++ " has no pub fn to make an activity of");
    }
}

/// Makes an activity of one function, under a name of its own: `wasmworker.exportActivity("charge-card", chargeCard);`.
/// To be called at comptime, as `activities`, which says what the function may be.
pub fn exportActivity(comptime name: []const u8, comptime function: anytype) void {
    comptime {
        checkName(name);
        checkFunction(name, @TypeOf(function));
        const entry = struct {
            fn call() callconv(.c) i32 {
                return run(function, if (host.is_guest) @import("heap.zig").allocator else std.heap.page_allocator);
            }
        };
        if (host.is_guest) @export(&entry.call, .{ .name = name }) else _ = &entry.call;
    }
}

fn checkName(comptime name: []const u8) void {
    const reserved = for ([_][]const u8{ "memory", "malloc", "free", "realloc", "calloc", "go_scheduler" }) |other| {
        if (std.mem.eql(u8, name, other)) break true;
    } else for ([_][]const u8{ "_", "asyncify_", "cabi_" }) |prefix| {
        if (std.mem.startsWith(u8, name, prefix)) break true;
    } else name.len == 0;
    if (reserved) @compileError("the host does not take an export of the name \"" ++ name ++ "\" for an activity");
}

fn checkFunction(comptime name: []const u8, comptime Function: type) void {
    if (@typeInfo(Function) != .@"fn") @compileError("activity " ++ name ++ " is not a function but " ++ @typeName(Function));
    const info = @typeInfo(Function).@"fn";
    if (info.is_generic or info.is_var_args) {
        @compileError("activity " ++ name ++ " needs a type for each parameter; a function that is no activity must not be pub");
    }
    for (info.params) |param| {
        if (param.type == Context or param.type == *const Context) {
            @compileError("activity " ++ name ++ " has to take its context as *Context");
        }
    }
}

/// A panic handler for the root file: `pub const panic = wasmworker.panic;`. It writes the message to standard error,
/// from where the host takes it into the failure (type `WasmTrap`, retryable). Without it, Zig's own handler
/// does the same and adds about 30 KB to a module.
pub const panic = if (host.is_guest) std.debug.FullPanic(trap) else std.debug.FullPanic(std.debug.defaultPanic);

fn trap(message: []const u8, _: ?usize) noreturn {
    const pieces = [_]std.os.wasi.ciovec_t{
        .{ .base = "panic: ", .len = 7 },
        .{ .base = message.ptr, .len = message.len },
        .{ .base = "\n", .len = 1 },
    };
    var written: usize = 0;
    _ = std.os.wasi.fd_write(2, &pieces, pieces.len, &written);
    @trap();
}

/// Options for the root file: `pub const std_options = wasmworker.std_options;`. They make `std.log` write to the host's log,
/// all levels, since the host chooses. A file with options of its own sets `.logFn = wasmworker.logFn` in them.
pub const std_options: std.Options = if (host.is_guest) .{ .logFn = logFn, .log_level = .debug } else .{};

/// Writes a record of `std.log` to the host's log, with its scope as an attribute. Longer messages than 4 KiB are cut.
pub fn logFn(comptime level: std.log.Level, comptime scope: @EnumLiteral(), comptime format: []const u8, args: anytype) void {
    const static = struct { // not on the guest's small stack; there is one thread
        var buffer: [4096]u8 = undefined;
    };
    var writer: std.Io.Writer = .fixed(&static.buffer);
    writer.print(format, args) catch {};
    _ = host.log(abi.logLevel(level), writer.buffered(), if (scope == .default) "" else "{\"scope\":\"" ++ @tagName(scope) ++ "\"}");
}

test {
    _ = @import("json.zig");
    _ = @import("payload.zig");
    _ = @import("failure.zig");
    _ = @import("info.zig");
    _ = @import("heap.zig");
    _ = @import("frame.zig");
    _ = @import("sdk_test.zig");
    _ = @import("builtin_test.zig");
}
