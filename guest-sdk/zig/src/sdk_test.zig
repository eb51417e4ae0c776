//! Activities on `testing.Host`, from their arguments to their outcome.

const std = @import("std");
const wasmworker = @import("wasmworker.zig");
const Context = wasmworker.Context;
const Host = wasmworker.testing.Host;
const RawPayload = wasmworker.RawPayload;
const expectEqual = std.testing.expectEqual;
const expectEqualStrings = std.testing.expectEqualStrings;

fn expectResult(expected: []const u8, outcome: wasmworker.testing.Outcome) !void {
    if (outcome == .failed) std.debug.print("{s}: {s}\n", .{ outcome.failed.type, outcome.failed.message });
    const result = outcome.completed orelse return error.NoResult;
    try expectEqualStrings("json/plain", result.encoding);
    try expectEqualStrings(expected, result.data);
}

fn expectFailure(@"type": []const u8, message: []const u8, non_retryable: bool, outcome: wasmworker.testing.Outcome) !void {
    try expectEqualStrings(message, outcome.failed.message);
    try expectEqualStrings(@"type", outcome.failed.type);
    try expectEqual(non_retryable, outcome.failed.non_retryable);
}

fn join(ctx: *Context, first: []const u8, second: ?[]const u8) ![]const u8 {
    return std.fmt.allocPrint(ctx.arena, "{s}+{s}", .{ first, second orelse "none" });
}

test "arguments" {
    var host: Host = .init(std.testing.allocator);
    defer host.deinit();
    try expectResult("\"a+b\"", try host.run(join, .{ "a", "b" }));
    try expectResult("\"a+none\"", try host.run(join, .{ "a", null }));
    try expectResult("\"a+none\"", try host.run(join, .{"a"}));
    try expectResult("\"a+b\"", try host.run(join, .{ "a", "b", "more" }));
    try expectFailure("InvalidInput", "argument 1 is missing: 0 given", true, try host.run(join, .{}));
    try expectFailure("InvalidInput", "argument 2 of 2: expected a string, got a number", true, try host.run(join, .{ "a", 1 }));
    try expectFailure("InvalidInput", "argument 1 of 1: it is null", true, try host.run(join, .{null}));
    const bytes: wasmworker.Bytes = .{ .data = "a" };
    try expectFailure("InvalidInput", "argument 1 of 1: its encoding is binary/plain, not json/plain; take a RawPayload for it", true, try host.run(join, .{bytes}));
}

fn rest(ctx: *Context, first: u8, others: []const RawPayload) ![]const []const u8 {
    const texts = try ctx.arena.alloc([]const u8, others.len);
    for (texts, others) |*text, other| text.* = try std.fmt.allocPrint(ctx.arena, "{d} {s}:{s}", .{ first, other.encoding, other.data });
    return texts;
}

test "the arguments that are left" {
    var host: Host = .init(std.testing.allocator);
    defer host.deinit();
    const odd_one: RawPayload = .{ .data = "x", .encoding = "x-acme/an-encoding-that-is-longer-than-most" };
    try expectResult("[\"7 json/plain:true\",\"7 x-acme/an-encoding-that-is-longer-than-most:x\",\"7 binary/null:\"]", try host.run(rest, .{ 7, true, odd_one, null }));
    try expectResult("[]", try host.run(rest, .{7}));
}

fn nothing() void {}
fn same(payload: RawPayload) RawPayload {
    return payload;
}
fn maybe(n: ?u8) ?u8 {
    return n;
}
fn raw(text: wasmworker.Json) !?wasmworker.Json {
    return text;
}
fn withMetadata(ctx: *Context, payload: RawPayload) !RawPayload {
    return .{ .data = payload.data, .encoding = "", .metadata = try ctx.argumentMetadata(0) };
}

test "results" {
    var host: Host = .init(std.testing.allocator);
    defer host.deinit();
    try expectEqual(null, (try host.run(nothing, .{})).completed);
    try expectEqualStrings("binary/null", (try host.run(maybe, .{null})).completed.?.encoding);
    try expectResult("5", try host.run(maybe, .{5}));
    try expectResult("{\"a\":[1]}", try host.run(raw, .{.{ .a = .{1} }}));
    const zero = (try host.run(same, .{wasmworker.Bytes{ .data = "" }})).completed.?;
    try expectEqualStrings("binary/plain", zero.encoding);
    try expectEqualStrings("", zero.data);
    const unnamed = (try host.run(same, .{RawPayload{ .data = "x", .encoding = "" }})).completed.?;
    try expectEqualStrings("", unnamed.encoding);
    const proto: RawPayload = .{ .data = "{}", .encoding = "json/protobuf", .metadata = "{\"encoding\":\"json/protobuf\",\"messageType\":\"acme.Order\"}" };
    try expectEqualStrings(proto.metadata.?, (try host.run(withMetadata, .{proto})).completed.?.metadata.?);
}

fn repeat(ctx: *Context, times: usize) ![]const u8 {
    const text = try ctx.arena.alloc(u8, times);
    @memset(text, 'x');
    return text;
}

test "large output, and too large" {
    var host: Host = .init(std.testing.allocator);
    defer host.deinit();
    host.max_output = 100_002;
    try expectEqual(100_002, (try host.run(repeat, .{100_000})).completed.?.data.len);
    try expectFailure("OutputTooLarge", "result: the output is too long", true, try host.run(repeat, .{100_001}));
}

fn fails(ctx: *Context, how: []const u8) !u8 {
    if (std.mem.eql(u8, how, "typed")) return ctx.fail(.{
        .type = "CardDeclined",
        .message = "declined",
        .details = &.{ try ctx.json(.{ .code = 51 }), try ctx.json("second") },
        .cause = &.{ .message = "root" },
    });
    if (std.mem.eql(u8, how, "long")) return ctx.fail(.{ .type = "Long", .message = "é" ** 200_000, .non_retryable = true });
    if (std.mem.eql(u8, how, "mended")) ctx.fail(.{ .message = "not this one" }) catch return error.Other;
    return error.Plain;
}

test "failures" {
    var host: Host = .init(std.testing.allocator);
    defer host.deinit();
    const typed = (try host.run(fails, .{"typed"})).failed;
    try expectEqualStrings("CardDeclined", typed.type);
    try expectEqualStrings("{\"code\":51}", typed.details[0].text);
    try expectEqualStrings("\"second\"", typed.details[1].text);
    try expectEqualStrings("root", typed.cause.?.message);
    try expectFailure("Long", "é" ** 2048, true, try host.run(fails, .{"long"}));
    try expectFailure("Plain", "Plain", false, try host.run(fails, .{"plain"}));
}

fn count(ctx: *Context, to: u32) !u32 {
    const begin = try ctx.lastHeartbeat(u32) orelse 0;
    var step = begin;
    while (step < to) {
        step += 1;
        try ctx.heartbeat(.{ step, "note" });
        try ctx.checkCancel();
    }
    return begin;
}

fn cancelAtThree(host: *Host) void {
    if (host.heartbeats.items.len == 3) host.status.cancel_requested = true;
}

test "heartbeats, cancellation and resumption" {
    var host: Host = .init(std.testing.allocator);
    defer host.deinit();
    host.on_heartbeat = cancelAtThree;
    try expectEqual(null, (try host.run(count, .{10})).cancelled);
    try expectEqual(3, host.heartbeats.items.len);
    try expectEqualStrings("3", host.heartbeats.items[2][0].data);
    try expectEqualStrings("\"note\"", host.heartbeats.items[2][1].data);

    host.last_heartbeat = host.heartbeats.items[2];
    host.status = .{};
    host.on_heartbeat = null;
    try expectResult("3", try host.run(count, .{10}));
    try expectEqual(10, host.heartbeats.items.len);

    host.last_heartbeat = &.{try host.encode("three")};
    try expectFailure("InvalidInput", "heartbeat detail 1: expected an integer, got a string", true, try host.run(count, .{10}));
    for ([_][]const u8{ "json/protobuf", "" }) |encoding| {
        host.last_heartbeat = &.{.{ .data = "9", .encoding = encoding }};
        try expectResult("9", try host.run(count, .{10}));
    }
    host.last_heartbeat = &.{.{ .data = "9", .encoding = "binary/encrypted" }};
    try expectFailure("InvalidInput", "heartbeat detail 1: its encoding is binary/encrypted, not json/plain; take a RawPayload for it", true, try host.run(count, .{10}));
}

fn resumeTuple(ctx: *Context) !?struct { u8, ?[]const u8 } {
    return try ctx.lastHeartbeat(struct { u8, ?[]const u8 });
}
fn resumePair(ctx: *Context) !bool {
    return try ctx.lastHeartbeat(struct { u8, u8 }) != null;
}

test "several details" {
    var host: Host = .init(std.testing.allocator);
    defer host.deinit();
    try expectEqualStrings("binary/null", (try host.run(resumeTuple, .{})).completed.?.encoding);
    host.last_heartbeat = &.{try host.encode(1)};
    try expectResult("[1,null]", try host.run(resumeTuple, .{}));
    try expectFailure("InvalidInput", "heartbeat detail 2 is missing; there are 1", true, try host.run(resumePair, .{}));
    host.last_heartbeat = &.{ try host.encode(1), try host.encode("a"), try host.encode(3) };
    try expectResult("[1,\"a\"]", try host.run(resumeTuple, .{}));
}

fn tooLong(ctx: *Context) !void {
    try ctx.heartbeat(.{ 1, "x" ** 100 });
}

test "a heartbeat that is too long" {
    var host: Host = .init(std.testing.allocator);
    defer host.deinit();
    host.max_output = 50;
    try expectFailure("HeartbeatTooLarge", "heartbeat: the details are too long", false, try host.run(tooLong, .{}));
    try expectEqual(0, host.heartbeats.items.len);
}

fn waits(ctx: *Context, details: bool) !void {
    ctx.sleep(1000) catch return if (details) ctx.cancel(.{ .left = 1 }) else error.Canceled;
}

test "why an activity should stop" {
    var host: Host = .init(std.testing.allocator);
    defer host.deinit();
    try expectEqual(null, (try host.run(waits, .{true})).completed);
    for ([_]wasmworker.Status{ .{ .cancel_requested = true }, .{ .worker_stopping = true }, .{ .paused = true }, .{ .reset = true }, .{ .gone = true } }) |status| {
        host.status = status;
        try expectEqualStrings("{\"left\":1}", (try host.run(waits, .{true})).cancelled.?.data);
        try expectEqual(null, (try host.run(waits, .{false})).cancelled);
    }
}

fn logs(ctx: *Context) void {
    ctx.log(.warn, "mind the gap", .{ .answer = 42, .who = @as(?[]const u8, null) });
    ctx.log(.debug, "the end", .{});
}

test "logging" {
    var host: Host = .init(std.testing.allocator);
    defer host.deinit();
    _ = try host.run(logs, .{});
    try expectEqual(2, host.logs.items.len);
    try expectEqual(.warn, host.logs.items[0].level);
    try expectEqualStrings("mind the gap", host.logs.items[0].message);
    try expectEqualStrings("{\"answer\":42,\"who\":null}", host.logs.items[0].attributes);
    try expectEqualStrings("", host.logs.items[1].attributes);
}

fn about(ctx: *Context) !struct { []const u8, u32, u64 } {
    const info = try ctx.info();
    try std.testing.expect(info == try ctx.info());
    return .{ info.activity_id, info.attempt, info.retry_policy.?.initial_interval_ms };
}

test "information" {
    var host: Host = .init(std.testing.allocator);
    defer host.deinit();
    host.info = .{ .activity_id = "17", .attempt = 3, .retry_policy = .{ .initial_interval_ms = 1000 }, .workflow_id = "long" ** 500 };
    try expectResult("[\"17\",3,1000]", try host.run(about, .{}));
}

const weather = wasmworker.Passthrough("weather", 1);
const Forecast = struct { city: []const u8, degrees: i8 };

fn answer(host: *Host, module: []const u8, function: []const u8, request: []const u8) error{Refused}![]const u8 {
    expectEqualStrings("wasmworker:weather/v1", module) catch return host.refuse(.NOSYS, "");
    if (std.mem.eql(u8, function, "forecast")) {
        if (std.mem.eql(u8, request, "{\"city\":\"Oslo\"}")) return "{\"city\":\"Oslo\",\"degrees\":-3}";
        return host.refuse(.NOENT, "no such city");
    }
    if (std.mem.eql(u8, function, "long")) return "x" ** 5000;
    if (std.mem.eql(u8, function, "odd")) return host.refuse(@enumFromInt(99), "");
    return "";
}

fn forecast(ctx: *Context, city: []const u8) !i8 {
    const result = try weather.callJson(ctx, Forecast, "forecast", .{ .city = city });
    return result.degrees;
}
fn long(ctx: *Context) !usize {
    const response = try weather.callAlloc(ctx, ctx.gpa, "long", "");
    defer ctx.gpa.free(response);
    return response.len;
}
fn empty(ctx: *Context) !?Forecast {
    try weather.callJson(ctx, void, "empty", {});
    return weather.callJson(ctx, ?Forecast, "empty", {});
}
fn notJson(ctx: *Context) !Forecast {
    return weather.callJson(ctx, Forecast, "long", {});
}
fn odd(ctx: *Context) !void {
    _ = weather.call(ctx, "forecast", "first") catch {};
    _ = try weather.call(ctx, "odd", "");
}
fn handled(ctx: *Context) !struct { u16, []const u8 } {
    _ = weather.call(ctx, "forecast", "?") catch |err| switch (err) {
        error.NotFound => return .{ @intFromEnum(ctx.hostError().errno), ctx.hostError().message },
        else => return err,
    };
    return error.Unexpected;
}

test "passthrough calls" {
    var host: Host = .init(std.testing.allocator);
    defer host.deinit();
    host.passthrough = answer;
    try expectResult("-3", try host.run(forecast, .{"Oslo"}));
    try expectFailure("NotFound", "ENOENT: no such city", false, try host.run(forecast, .{"Atlantis"}));
    try expectResult("5000", try host.run(long, .{}));
    try expectEqualStrings("binary/null", (try host.run(empty, .{})).completed.?.encoding);
    try expectFailure("InvalidResponse", "response of wasmworker:weather/v1 long: malformed JSON at line 1, column 1", false, try host.run(notJson, .{}));
    try expectFailure("Unexpected", "errno 99", false, try host.run(odd, .{}));
    try expectResult("[44,\"no such city\"]", try host.run(handled, .{}));
}

test "a failed allocation is a failure" {
    var small: [64 << 10]u8 = undefined;
    var fixed: std.heap.FixedBufferAllocator = .init(&small);
    var host: Host = .init(std.testing.allocator);
    defer host.deinit();
    host.gpa = fixed.allocator();
    defer host.gpa = std.testing.allocator;
    try expectFailure("OutOfMemory", "OutOfMemory", false, try host.run(repeat, .{1 << 20}));
}

const namespace = struct {
    pub const unrelated = 1;
    pub fn first(ctx: *Context, n: u8) !u8 {
        return if (n > 0) n else ctx.fail(.{ .message = "zero" });
    }
    pub fn second() void {}
};

comptime {
    wasmworker.activities(namespace);
    wasmworker.exportActivity("a-third", namespace.second);
}
