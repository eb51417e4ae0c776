//! Runs activities in native tests:
//!
//! ```zig
//! test "greets" {
//!     var host: wasmworker.testing.Host = .init(std.testing.allocator);
//!     defer host.deinit();
//!     const outcome = try host.run(greet, .{.{ .name = "Ada" }});
//!     try std.testing.expectEqualStrings("{\"greeting\":\"Hello, Ada!\"}", outcome.completed.?.data);
//! }
//! ```

const std = @import("std");
const Allocator = std.mem.Allocator;
const abi = @import("abi.zig");
const contract = @import("contract.zig");
const frames = @import("frame.zig");
const json = @import("json.zig");
const payload = @import("payload.zig");
const RawPayload = payload.RawPayload;
const Failure = @import("failure.zig").Failure;
const Info = @import("info.zig").Info;

/// How an activity ended.
pub const Outcome = union(enum) {
    /// The result, null if it has none.
    completed: ?RawPayload,
    failed: Failure,
    /// The details, null if there are none.
    cancelled: ?RawPayload,
};

pub const LogRecord = struct {
    level: std.log.Level,
    message: []const u8,
    /// A JSON object, or empty.
    attributes: []const u8,
};

/// The host of one attempt after the other. What the activities did is kept in it until `deinit`.
pub const Host = struct {
    gpa: Allocator,
    /// What `Context.info` returns.
    info: Info = .{
        .activity_id = "1",
        .activity_type = "test",
        .namespace = "default",
        .task_queue = "test",
        .workflow_id = "test",
        .workflow_type = "Test",
    },
    /// What `Context.status` returns.
    status: abi.Status = .{},
    /// The largest output, in bytes.
    max_output: usize = 2 << 20,
    /// What `Context.lastHeartbeat` returns. `run` leaves it alone; to test a retry, set it to a heartbeat of `heartbeats`.
    last_heartbeat: []const RawPayload = &.{},
    /// Called after each heartbeat, for instance to set `status`.
    on_heartbeat: ?*const fn (host: *Host) void = null,
    /// Answers passthrough calls. The response is copied. To refuse a call: `return host.refuse(.ACCES, "not you");`.
    passthrough: ?*const fn (host: *Host, module: []const u8, function: []const u8, request: []const u8) error{Refused}![]const u8 = null,

    /// What the activities have sent.
    heartbeats: std.ArrayList([]const RawPayload) = .empty,
    logs: std.ArrayList(LogRecord) = .empty,

    /// Keeps everything that is recorded.
    arena: std.heap.ArenaAllocator,
    state: State = .{},

    /// What is about one run.
    const State = struct {
        args: []const RawPayload = &.{},
        info: []const u8 = "",
        output: std.ArrayList(u8) = .empty,
        /// Null: not set.
        encoding: ?[]const u8 = null,
        metadata: ?[]const u8 = null,
        failure: ?[]const u8 = null,
        details: std.ArrayList(RawPayload) = .empty,
        /// Null: closed. A handle is an index plus one.
        responses: std.ArrayList(?[]const u8) = .empty,
        last_error: []const u8 = "",
    };

    pub fn init(gpa: Allocator) Host {
        return .{ .gpa = gpa, .arena = .init(gpa) };
    }

    pub fn deinit(host: *Host) void {
        host.arena.deinit();
    }

    /// Runs an activity with arguments in a tuple, which travel as they would from a workflow: encoded. The activity's
    /// arena and its `gpa` are on the host's allocator, so that `std.testing.allocator` finds what it does not free.
    /// The outcome lives until `deinit`.
    pub fn run(host: *Host, comptime activity: anytype, args: anytype) !Outcome {
        const a = host.arena.allocator();
        host.state = .{ .info = try std.json.Stringify.valueAlloc(a, host.info, .{}) };
        const payloads = try a.alloc(RawPayload, args.len);
        inline for (args, payloads) |arg, *p| p.* = try host.encode(arg);
        host.state.args = payloads;

        const outer = current;
        current = host;
        defer current = outer;
        const status = @import("run.zig").run(activity, host.gpa);
        for (host.state.responses.items) |response| if (response != null) return error.ResponseNotClosed;

        const state = &host.state;
        const output: ?RawPayload = if (state.encoding != null or state.metadata != null or state.output.items.len > 0) .{
            .data = state.output.items,
            .encoding = state.encoding orelse if (state.metadata == null) contract.encoding_json else "",
            .metadata = state.metadata,
        } else null;
        switch (status) {
            contract.status_completed => return .{ .completed = output },
            contract.status_canceled => return .{ .cancelled = output },
            contract.status_failed => {
                var problem: []const u8 = "";
                const text = state.failure orelse return .{ .failed = .{ .type = "ActivityFailed", .message = "" } };
                return .{ .failed = try json.decode(Failure, a, text, &problem) };
            },
            else => unreachable,
        }
    }

    /// Makes a payload of a value, for instance for `last_heartbeat`.
    pub fn encode(host: *Host, value: anytype) !RawPayload {
        if (@TypeOf(value) == RawPayload) return value;
        var text: std.Io.Writer.Allocating = .init(host.arena.allocator());
        const encoding = try payload.encode(value, &text.writer);
        return .{ .data = text.written(), .encoding = encoding };
    }

    /// For `passthrough`: refuses the call.
    pub fn refuse(host: *Host, errno: abi.Errno, message: []const u8) error{Refused} {
        _ = host.refusal(errno, message);
        return error.Refused;
    }

    /// For `passthrough`: the response of a function that answers with a frame, as those of `http`, `sql` and `blob` do, from the value of its
    /// head and its body.
    pub fn frame(host: *Host, head: anytype, body: []const u8) []const u8 {
        return frames.encode(host.arena.allocator(), head, &.{body}) catch @panic("out of memory");
    }

    fn refusal(host: *Host, errno: abi.Errno, message: []const u8) i64 {
        host.state.last_error = host.keep(message);
        refused_with = -@as(i64, @intFromEnum(errno));
        return refused_with;
    }

    fn keep(host: *Host, bytes: []const u8) []const u8 {
        return host.arena.allocator().dupe(u8, bytes) catch @panic("out of memory");
    }
};

/// For `passthrough`: the head, as JSON, and the body of a request that is a frame. Null: it is none.
pub const splitFrame = frames.split;

threadlocal var current: ?*Host = null;
threadlocal var refused_with: i64 = 0;

/// The functions of host.zig.
pub const functions = struct {
    fn get() *Host {
        return current orelse @panic("no activity is running: tests call it by wasmworker.testing.Host.run");
    }

    fn copy(bytes: []const u8, dst: []u8) i64 {
        if (bytes.len <= dst.len) @memcpy(dst[0..bytes.len], bytes);
        return @intCast(bytes.len);
    }

    fn noIndex() i64 {
        return get().refusal(.INVAL, "no such index");
    }

    pub fn argCount() u32 {
        return @intCast(get().state.args.len);
    }
    pub fn argRead(index: u32, dst: []u8) i64 {
        const args = get().state.args;
        return if (index < args.len) copy(args[index].data, dst) else noIndex();
    }
    pub fn argEncoding(index: u32, dst: []u8) i64 {
        const args = get().state.args;
        return if (index < args.len) copy(args[index].encoding, dst) else noIndex();
    }
    pub fn argMetadata(index: u32, dst: []u8) i64 {
        const args = get().state.args;
        if (index >= args.len) return noIndex();
        if (args[index].metadata) |metadata| return copy(metadata, dst);
        var buffer: [256]u8 = undefined;
        return copy(std.fmt.bufPrint(&buffer, "{{\"encoding\":\"{s}\"}}", .{args[index].encoding}) catch unreachable, dst);
    }
    pub fn outputWrite(data: []const u8) i64 {
        const host = get();
        const output = &host.state.output;
        if (output.items.len + data.len > host.max_output) return host.refusal(.MSGSIZE, "the output is too long");
        output.appendSlice(host.arena.allocator(), data) catch @panic("out of memory");
        return @intCast(output.items.len);
    }
    pub fn outputEncoding(encoding: []const u8) i64 {
        get().state.encoding = get().keep(encoding);
        return 0;
    }
    pub fn outputMetadata(object: []const u8) i64 {
        get().state.metadata = get().keep(object);
        return 0;
    }
    pub fn fail(failure: []const u8) i64 {
        if (failure.len > 256 << 10) return get().refusal(.MSGSIZE, "the failure is too long");
        get().state.failure = get().keep(failure);
        return 0;
    }
    pub fn info(_: u32, dst: []u8) i64 {
        return copy(get().state.info, dst);
    }
    pub fn status() u32 {
        return @bitCast(get().status);
    }
    pub fn heartbeatDetail(data: []const u8, encoding: []const u8) i64 {
        const host = get();
        if (data.len > host.max_output) {
            host.state.details.clearRetainingCapacity();
            return host.refusal(.MSGSIZE, "the details are too long");
        }
        const named = if (encoding.len > 0) host.keep(encoding) else contract.encoding_json;
        const detail: RawPayload = .{ .data = host.keep(data), .encoding = named };
        host.state.details.append(host.arena.allocator(), detail) catch @panic("out of memory");
        return @intCast(host.state.details.items.len);
    }
    pub fn heartbeat() i64 {
        const host = get();
        const a = host.arena.allocator();
        host.heartbeats.append(a, host.state.details.toOwnedSlice(a) catch @panic("out of memory")) catch @panic("out of memory");
        if (host.on_heartbeat) |hook| hook(host);
        return status();
    }
    pub fn detailCount() u32 {
        return @intCast(get().last_heartbeat.len);
    }
    pub fn detailRead(index: u32, dst: []u8) i64 {
        const details = get().last_heartbeat;
        return if (index < details.len) copy(details[index].data, dst) else noIndex();
    }
    pub fn detailEncoding(index: u32, dst: []u8) i64 {
        const details = get().last_heartbeat;
        return if (index < details.len) copy(details[index].encoding, dst) else noIndex();
    }
    fn openResponse(handle: u32) ?[]const u8 {
        const responses = get().state.responses.items;
        return if (handle > 0 and handle <= responses.len) responses[handle - 1] else null;
    }
    pub fn read(handle: u32, offset: usize, dst: []u8) i64 {
        const response = openResponse(handle) orelse return get().refusal(.BADF, "no such handle");
        const rest = response[@min(offset, response.len)..];
        const size = @min(rest.len, dst.len, 1000); // in pieces, as a host may
        @memcpy(dst[0..size], rest[0..size]);
        return @intCast(size);
    }
    pub fn close(handle: u32) i64 {
        if (openResponse(handle) == null) return get().refusal(.BADF, "no such handle");
        get().state.responses.items[handle - 1] = null;
        return 0;
    }
    pub fn lastError(_: u32, dst: []u8) i64 {
        return copy(get().state.last_error, dst);
    }
    pub fn log(level: i32, message: []const u8, attrs: []const u8) i64 {
        const host = get();
        host.logs.append(host.arena.allocator(), .{
            .level = inline for (comptime std.enums.values(std.log.Level)) |l| {
                if (abi.logLevel(l) == level) break l;
            } else unreachable,
            .message = host.keep(message),
            .attributes = host.keep(attrs),
        }) catch @panic("out of memory");
        return 0;
    }
    pub fn passthrough(comptime module: []const u8, comptime function: []const u8, request: []const u8) i64 {
        const host = get();
        const answer = host.passthrough orelse return host.refusal(.NOSYS, "the test's host has no passthrough function");
        const response = answer(host, module, function, request) catch return refused_with;
        if (response.len == 0) return 0;
        host.state.responses.append(host.arena.allocator(), host.keep(response)) catch @panic("out of memory");
        return @as(i64, @intCast(host.state.responses.items.len)) << 32 | @as(i64, @intCast(response.len));
    }
    pub fn sleepMs(_: u64) void {}
};
