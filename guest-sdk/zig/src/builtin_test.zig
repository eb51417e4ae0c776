//! The built-in modules, on a host that answers from a script and compares what it was asked.

const std = @import("std");
const wasmworker = @import("wasmworker.zig");
const Context = wasmworker.Context;
const Host = wasmworker.testing.Host;
const expectEqual = std.testing.expectEqual;
const expectEqualStrings = std.testing.expectEqualStrings;

const Step = struct {
    /// Module and function.
    call: []const u8,
    /// The request: the head of its frame and its body.
    head: []const u8,
    body: []const u8 = "",
    /// The response: a frame, if it has a head, the bytes alone otherwise.
    answer_head: ?[]const u8 = null,
    answer: []const u8 = "",
    refusal: ?wasmworker.Errno = null,
};

var script: []const Step = &.{};

fn play(host: *Host, module: []const u8, function: []const u8, request: []const u8) error{Refused}![]const u8 {
    var buffer: [100]u8 = undefined;
    const call = std.fmt.bufPrint(&buffer, "{s} {s}", .{ module, function }) catch unreachable;
    if (script.len == 0) std.debug.panic("not in the script: {s}", .{call});
    const step = script[0];
    script = script[1..];
    expectEqualStrings(step.call, call) catch @panic("another call");
    if (wasmworker.testing.splitFrame(request)) |frame| {
        expectEqualStrings(step.head, frame.head) catch @panic("another request");
        expectEqualStrings(step.body, frame.body) catch @panic("another body");
    } else expectEqualStrings(step.head, request) catch @panic("another request");
    if (step.refusal) |errno| return host.refuse(errno, "the host says no");
    return if (step.answer_head) |head| host.frame(wasmworker.Json{ .text = head }, step.answer) else step.answer;
}

/// Runs an activity, whose calls have to be the script's.
fn run(host: *Host, steps: []const Step, comptime activity: anytype, args: anytype) !wasmworker.testing.Outcome {
    host.passthrough = play;
    script = steps;
    const outcome = try host.run(activity, args);
    try expectEqual(0, script.len);
    return outcome;
}

/// `expected` is JSON; empty for no result, and for null.
fn expectResult(expected: []const u8, outcome: wasmworker.testing.Outcome) !void {
    if (outcome == .failed) std.debug.print("{s}: {s}\n", .{ outcome.failed.type, outcome.failed.message });
    try expectEqualStrings(expected, if (outcome.completed) |result| result.data else "");
}

fn expectFailure(@"type": []const u8, message: []const u8, outcome: wasmworker.testing.Outcome) !void {
    try expectEqualStrings(message, outcome.failed.message);
    try expectEqualStrings(@"type", outcome.failed.type);
}

const http_send = "wasmworker:http/v1 send";

fn post(ctx: *Context, body: []const u8) !struct { u16, ?[]const u8, usize, []const u8 } {
    const response = try wasmworker.http.send(ctx, .{
        .method = "POST",
        .url = "https://example.com/?a=b",
        .headers = &.{
            .{ .name = "Accept", .value = "a/b" },
            .{ .name = "X-One", .value = "1" },
            .{ .name = "accept", .value = "c/d" },
        },
        .body = body,
        .timeout_ms = 1500,
    });
    return .{ response.status, response.header("content-TYPE"), response.headers.len, response.body };
}
fn get(ctx: *Context) !u16 {
    const response = try wasmworker.http.send(ctx, .{ .url = "http://localhost" });
    try expectEqual(null, response.header("Date"));
    return response.status;
}

test "http" {
    var host: Host = .init(std.testing.allocator);
    defer host.deinit();
    const request = "{\"method\":\"POST\",\"url\":\"https://example.com/?a=b\",\"headers\":{\"Accept\":[\"a/b\",\"c/d\"],\"X-One\":[\"1\"]},\"timeout_ms\":1500}";
    try expectResult("[201,\"text/plain\",3,\"\\u0000ok\"]", try run(&host, &.{.{
        .call = http_send,
        .head = request,
        .body = "hi",
        .answer_head = "{\"status\":201,\"headers\":{\"Content-Type\":[\"text/plain\"],\"Set-Cookie\":[\"a=b\",\"c=d\"]}}",
        .answer = "\x00ok",
    }}, post, .{"hi"}));
    const plain = "{\"method\":\"GET\",\"url\":\"http://localhost\",\"headers\":{}}";
    try expectResult("404", try run(&host, &.{.{ .call = http_send, .head = plain, .answer_head = "{\"status\":404}" }}, get, .{}));
    try expectFailure("AccessDenied", "EACCES: the host says no", try run(&host, &.{.{ .call = http_send, .head = plain, .refusal = .ACCES }}, get, .{}));
    try expectFailure("InvalidResponse", "response of wasmworker:http/v1 send: not a frame", try run(&host, &.{.{ .call = http_send, .head = plain, .answer = "ab" }}, get, .{}));
    try expectFailure("InvalidResponse", "response of wasmworker:http/v1 send: status: the field is missing", try run(&host, &.{.{ .call = http_send, .head = plain, .answer_head = "{}" }}, get, .{}));
}

fn setting(ctx: *Context, name: []const u8) !?[]const u8 {
    return wasmworker.config.get(ctx, name);
}
fn reveal(ctx: *Context, name: []const u8) ![]const u8 {
    return wasmworker.secret.reveal(ctx, name);
}

test "config and secret" {
    var host: Host = .init(std.testing.allocator);
    defer host.deinit();
    try expectResult("\"eu\"", try run(&host, &.{.{ .call = "wasmworker:config/v1 get", .head = "region", .answer = "eu" }}, setting, .{"region"}));
    try expectResult("\"\"", try run(&host, &.{.{ .call = "wasmworker:config/v1 get", .head = "region" }}, setting, .{"region"}));
    try expectResult("", try run(&host, &.{.{ .call = "wasmworker:config/v1 get", .head = "region", .refusal = .NOENT }}, setting, .{"region"}));
    try expectFailure("InputOutput", "EIO: the host says no", try run(&host, &.{.{ .call = "wasmworker:config/v1 get", .head = "region", .refusal = .IO }}, setting, .{"region"}));
    try expectResult("\"s3\"", try run(&host, &.{.{ .call = "wasmworker:secret/v1 reveal", .head = "token", .answer = "s3" }}, reveal, .{"token"}));
    try expectFailure("AccessDenied", "EACCES: the host says no", try run(&host, &.{.{ .call = "wasmworker:secret/v1 reveal", .head = "token", .refusal = .ACCES }}, reveal, .{"token"}));
}

const db: wasmworker.sql.Connection = .{ .name = "db" };
const sql_query = "wasmworker:sql/v1 query";
const sql_fetch = "wasmworker:sql/v1 fetch";
const sql_close = "wasmworker:sql/v1 close";

/// The first `most` rows.
fn numbers(ctx: *Context, most: usize) ![]const i64 {
    var rows = try db.query(ctx, "SELECT n FROM t", .{}, .{ .max_rows = 2 });
    defer rows.deinit();
    var list: std.ArrayList(i64) = .empty;
    while (try rows.next()) |row| {
        try list.append(ctx.arena, (try row.as(struct { i64 }))[0]);
        if (list.items.len == most) break;
    }
    return list.items;
}

const first_batch: Step = .{
    .call = sql_query,
    .head = "{\"connection\":\"db\",\"sql\":\"SELECT n FROM t\",\"args\":[],\"max_rows\":2}",
    .answer_head = "{\"columns\":[{\"name\":\"n\",\"type\":\"INTEGER\"}],\"rows\":[[1],[2]],\"cursor\":7}",
};

test "rows come batch by batch, and the cursor is closed" {
    var host: Host = .init(std.testing.allocator);
    defer host.deinit();
    const fetch = "{\"cursor\":7,\"max_rows\":2}";
    const second_batch: Step = .{ .call = sql_fetch, .head = fetch, .answer_head = "{\"rows\":[[3],[4]],\"cursor\":7}" };
    const last_batch: Step = .{ .call = sql_fetch, .head = fetch, .answer_head = "{\"rows\":[]}" };
    const close: Step = .{ .call = sql_close, .head = "{\"cursor\":7}" };
    try expectResult("[1,2,3,4]", try run(&host, &.{ first_batch, second_batch, last_batch }, numbers, .{100}));
    try expectResult("[1]", try run(&host, &.{ first_batch, close }, numbers, .{1}));
    try expectResult("[1,2,3]", try run(&host, &.{ first_batch, second_batch, close }, numbers, .{3}));
    // What closing says does not replace what went wrong.
    const timeout: Step = .{ .call = sql_fetch, .head = fetch, .refusal = .TIMEDOUT };
    const badly: Step = .{ .call = sql_close, .head = "{\"cursor\":7}", .refusal = .BADF };
    try expectFailure("Timeout", "ETIMEDOUT: the host says no", try run(&host, &.{ first_batch, timeout, badly }, numbers, .{100}));
    const ragged: Step = .{ .call = sql_fetch, .head = fetch, .answer_head = "{\"rows\":[[3,4]],\"cursor\":7}" };
    try expectFailure("InvalidResponse", "response of sql: a row of 2 values for 1 columns", try run(&host, &.{ first_batch, ragged, close }, numbers, .{100}));
    const outside: Step = .{ .call = sql_fetch, .head = fetch, .answer_head = "{\"rows\":[[{\"bytes\":[1,2]}]],\"cursor\":7}", .answer = "ab" };
    try expectFailure("InvalidResponse", "response of sql: bytes outside of the body", try run(&host, &.{ first_batch, outside, close }, numbers, .{100}));
}

const Color = enum { red, green };
const Typed = struct {
    id: i64,
    name: []const u8,
    price: ?f64,
    small: f32,
    on: bool,
    one: bool,
    color: Color,
    data: wasmworker.Bytes,
    none: ?i64,
    any: wasmworker.sql.Value,
    other: u8 = 9,
};

fn typed(ctx: *Context) !Typed {
    const maybe: ?u8 = null;
    var rows = try db.query(ctx, "SELECT ?", .{
        @as(i64, std.math.maxInt(i64)),
        "zoë",
        2.0,
        maybe,
        null,
        true,
        Color.red,
        wasmworker.Bytes{ .data = "ab" },
        @as(?f32, -0.5),
        wasmworker.Json{ .text = "{\"a\":1}" },
        wasmworker.Bytes{ .data = "\x00" },
        std.json.Value{ .integer = -3 },
        wasmworker.sql.Value{ .text = "v" },
        @as(u16, 7),
    }, .{});
    defer rows.deinit();
    var row = (try rows.next()).?;
    var result = try row.as(Typed);
    // The row is gone when the rows are.
    result.name = try ctx.arena.dupe(u8, result.name);
    result.data.data = try ctx.arena.dupe(u8, result.data.data);
    try expectEqual(null, try rows.next());
    return result;
}

fn special(ctx: *Context) !void {
    var rows = try db.query(ctx, "SELECT", @as([]const wasmworker.sql.Value, &.{.{ .integer = 1 }}), .{});
    defer rows.deinit();
    const row = (try rows.next()).?;
    const a, const b, const c = try row.as(struct { f64, f32, f64 });
    try std.testing.expect(std.math.isNan(a) and b == std.math.inf(f32) and c == -std.math.inf(f64));
    try expectEqualStrings("Infinity", (try row.as(struct { b: []const u8 })).b);
}

fn strict(ctx: *Context, how: []const u8) !void {
    var rows = try db.query(ctx, "SELECT", .{}, .{});
    defer rows.deinit();
    const row = (try rows.next()).?;
    if (std.mem.eql(u8, how, "small")) _ = try row.as(struct { a: u8 });
    if (std.mem.eql(u8, how, "null")) _ = try row.as(struct { b: bool });
    if (std.mem.eql(u8, how, "text")) _ = try row.as(struct { a: []const u8 });
    if (std.mem.eql(u8, how, "name")) _ = try row.as(struct { c: ?u8 });
    if (std.mem.eql(u8, how, "tuple")) _ = try row.as(struct { i64, ?u8, ?u8 });
}

test "values" {
    var host: Host = .init(std.testing.allocator);
    defer host.deinit();
    const args = "[9223372036854775807,\"zoë\",2e0,null,null,true,\"red\",{\"bytes\":[0,2]},-5e-1,\"{\\\"a\\\":1}\",{\"bytes\":[2,1]},-3,\"v\",7]";
    try expectResult("{\"id\":-9223372036854775808,\"name\":\"a\\nb\",\"price\":2.5,\"small\":3,\"on\":true,\"one\":true,\"color\":\"green\",\"data\":\"AP8=\",\"none\":null,\"any\":\"eA==\",\"other\":9}", try run(&host, &.{.{
        .call = sql_query,
        .head = "{\"connection\":\"db\",\"sql\":\"SELECT ?\",\"args\":" ++ args ++ "}",
        .body = "ab\x00",
        .answer_head =
        \\{"columns":[{"name":"unused"},{"name":"any"},{"name":"none"},{"name":"data"},{"name":"color"},{"name":"one"},{"name":"on"},{"name":"small"},{"name":"price"},{"name":"name"},{"name":"id"}],
        \\ "rows":[["",{"bytes":[2,1]},null,{"bytes":[0,2]},"green",1,true,3,2.5,"a\nb",-9223372036854775808]]}
        ,
        .answer = "\x00\xffx",
    }}, typed, .{}));
    try expectResult("", try run(&host, &.{.{
        .call = sql_query,
        .head = "{\"connection\":\"db\",\"sql\":\"SELECT\",\"args\":[1]}",
        .answer_head = "{\"columns\":[{\"name\":\"a\"},{\"name\":\"b\"},{\"name\":\"c\"}],\"rows\":[[\"NaN\",\"Infinity\",\"-Infinity\"]],\"cursor\":0}",
    }}, special, .{}));
    const row: Step = .{
        .call = sql_query,
        .head = "{\"connection\":\"db\",\"sql\":\"SELECT\",\"args\":[]}",
        .answer_head = "{\"columns\":[{\"name\":\"a\"},{\"name\":\"b\"}],\"rows\":[[256,null]]}",
    };
    for ([_][2][]const u8{
        .{ "small", "column a: expected an integer of 8 bits, got an integer" },
        .{ "null", "column b: expected a boolean, got null" },
        .{ "text", "column a: expected text, got an integer" },
        .{ "name", "the rows have no column c" },
        .{ "tuple", "the rows have no column 2" },
    }) |case| try expectFailure("InvalidRow", case[1], try run(&host, &.{row}, strict, .{case[0]}));
}

fn refusedArgument(ctx: *Context, which: u8) !void {
    _ = switch (which) {
        0 => try db.exec(ctx, "x", .{ 1, @as(u64, 1 << 63) }),
        1 => try db.exec(ctx, "x", .{@as([]const u8, "\xff")}),
        2 => try db.exec(ctx, "x", .{std.math.nan(f64)}),
        else => try db.exec(ctx, "x", .{std.json.Value{ .array = .init(ctx.arena) }}),
    };
}

test "arguments that are none" {
    var host: Host = .init(std.testing.allocator);
    defer host.deinit();
    try expectFailure("InvalidRequest", "argument 2 of the statement: the number does not fit 64 bits", try run(&host, &.{}, refusedArgument, .{0}));
    try expectFailure("InvalidRequest", "argument 1 of the statement: text that is not UTF-8; pass it as Bytes", try run(&host, &.{}, refusedArgument, .{1}));
    try expectFailure("InvalidRequest", "argument 1 of the statement: nan is not a number in JSON; pass it as text, if the database reads that", try run(&host, &.{}, refusedArgument, .{2}));
    try expectFailure("InvalidRequest", "argument 1 of the statement: an array or an object; give its text", try run(&host, &.{}, refusedArgument, .{3}));
}

fn transfer(ctx: *Context, how: []const u8) !u64 {
    var transaction = try db.begin(ctx, .{ .read_only = true, .isolation = .repeatable_read });
    defer transaction.deinit();
    const affected = try transaction.exec("UPDATE", .{5});
    if (std.mem.eql(u8, how, "error")) return error.Other;
    if (std.mem.eql(u8, how, "rollback")) {
        try transaction.rollback();
        return affected;
    }
    var rows = try transaction.query("SELECT", .{}, .{});
    rows.deinit();
    try transaction.commit();
    return affected;
}

test "transactions" {
    var host: Host = .init(std.testing.allocator);
    defer host.deinit();
    const begin: Step = .{
        .call = "wasmworker:sql/v1 begin",
        .head = "{\"connection\":\"db\",\"read_only\":true,\"isolation\":\"repeatable read\"}",
        .answer_head = "{\"transaction\":4}",
    };
    const exec_head = "{\"transaction\":4,\"sql\":\"UPDATE\",\"args\":[5]}";
    const exec: Step = .{ .call = "wasmworker:sql/v1 exec", .head = exec_head, .answer_head = "{\"rows_affected\":7}" };
    const query: Step = .{ .call = sql_query, .head = "{\"transaction\":4,\"sql\":\"SELECT\",\"args\":[]}", .answer_head = "{\"columns\":[],\"rows\":[]}" };
    const commit: Step = .{ .call = "wasmworker:sql/v1 commit", .head = "{\"transaction\":4}" };
    const rollback: Step = .{ .call = "wasmworker:sql/v1 rollback", .head = "{\"transaction\":4}" };
    try expectResult("7", try run(&host, &.{ begin, exec, query, commit }, transfer, .{"commit"}));
    try expectResult("7", try run(&host, &.{ begin, exec, rollback }, transfer, .{"rollback"}));
    try expectFailure("Other", "Other", try run(&host, &.{ begin, exec, rollback }, transfer, .{"error"}));
    const duplicate: Step = .{ .call = "wasmworker:sql/v1 exec", .head = exec_head, .refusal = .IO };
    const badly: Step = .{ .call = "wasmworker:sql/v1 rollback", .head = "{\"transaction\":4}", .refusal = .BADF };
    try expectFailure("InputOutput", "EIO: the host says no", try run(&host, &.{ begin, duplicate, badly }, transfer, .{"commit"}));
    const failing: Step = .{ .call = "wasmworker:sql/v1 commit", .head = "{\"transaction\":4}", .refusal = .BUSY };
    try expectFailure("Busy", "EBUSY: the host says no", try run(&host, &.{ begin, exec, query, failing, rollback }, transfer, .{"commit"}));
}

const box: wasmworker.blob.Bucket = .{ .name = "box" };

fn objects(ctx: *Context) !struct { u64, ?[]const u8, ?i64, []const u8 } {
    try box.put(ctx, "k", "text", .{
        .content_type = "text/plain",
        .metadata = &.{ .{ .name = "a", .value = "1" }, .{ .name = "b", .value = "2" } },
        .if_none_match = true,
    });
    box.put(ctx, "k", "", .{}) catch |err| try expectEqual(error.AlreadyExists, err);
    const attributes = try box.stat(ctx, "k");
    try expectEqual(null, attributes.get("c"));
    const object = try box.get(ctx, "k", .{ .offset = 1, .length = 2 });
    try expectEqual(null, object.attributes.modified_ms);
    try box.delete(ctx, "k");
    return .{ attributes.size, attributes.get("b"), attributes.modified_ms, object.data };
}

test "objects" {
    var host: Host = .init(std.testing.allocator);
    defer host.deinit();
    const head = "{\"bucket\":\"box\",\"key\":\"k\"}";
    try expectResult("[4,\"2\",1767366245000,\"ex\"]", try run(&host, &.{
        .{ .call = "wasmworker:blob/v1 put", .head = "{\"bucket\":\"box\",\"key\":\"k\",\"content_type\":\"text/plain\",\"metadata\":{\"a\":\"1\",\"b\":\"2\"},\"if_none_match\":true}", .body = "text" },
        .{ .call = "wasmworker:blob/v1 put", .head = head, .refusal = .EXIST },
        .{ .call = "wasmworker:blob/v1 stat", .head = head, .answer_head = "{\"size\":4,\"modified\":\"2026-01-02T15:04:05Z\",\"metadata\":{\"a\":\"1\",\"b\":\"2\"}}" },
        .{ .call = "wasmworker:blob/v1 get", .head = "{\"bucket\":\"box\",\"key\":\"k\",\"offset\":1,\"length\":2}", .answer_head = "{\"size\":4}", .answer = "ex" },
        .{ .call = "wasmworker:blob/v1 delete", .head = head },
    }, objects, .{}));
}

fn keys(ctx: *Context, most: usize) ![]const []const u8 {
    var listing = box.list(ctx, .{ .prefix = "a/", .delimiter = "/", .page_size = 2 });
    defer listing.deinit();
    var list: std.ArrayList([]const u8) = .empty;
    while (try listing.next()) |entry| {
        try list.append(ctx.arena, try std.fmt.allocPrint(ctx.arena, "{s} {d} {}", .{ entry.key, entry.size, entry.is_prefix }));
        if (list.items.len == most) break;
    }
    return list.items;
}

test "listings come page by page" {
    var host: Host = .init(std.testing.allocator);
    defer host.deinit();
    const first: Step = .{
        .call = "wasmworker:blob/v1 list",
        .head = "{\"bucket\":\"box\",\"prefix\":\"a/\",\"delimiter\":\"/\",\"max\":2}",
        .answer_head = "{\"objects\":[{\"key\":\"a/b\",\"size\":3,\"modified\":\"2026-01-02T15:04:05Z\"},{\"key\":\"a/c/\",\"prefix\":true}],\"next\":\"p2\"}",
    };
    const second: Step = .{
        .call = "wasmworker:blob/v1 list",
        .head = "{\"bucket\":\"box\",\"prefix\":\"a/\",\"delimiter\":\"/\",\"page\":\"p2\",\"max\":2}",
        .answer_head = "{\"objects\":[{\"key\":\"a/d\",\"size\":0}]}",
    };
    try expectResult("[\"a/b 3 false\",\"a/c/ 0 true\",\"a/d 0 false\"]", try run(&host, &.{ first, second }, keys, .{100}));
    try expectResult("[\"a/b 3 false\"]", try run(&host, &.{first}, keys, .{1}));
}

fn read(ctx: *Context, most: usize) ![]const u8 {
    var buffer: [4]u8 = undefined;
    var reader = try box.open(ctx, "k", &buffer, .{ .offset = 1 });
    defer reader.deinit();
    if (most < 100) return ctx.arena.dupe(u8, try reader.interface.take(most));
    var text: std.Io.Writer.Allocating = .init(ctx.arena);
    _ = reader.interface.streamRemaining(&text.writer) catch |err| {
        try expectEqual(error.ReadFailed, err);
        try expectEqual(error.Timeout, reader.err.?);
        return err;
    };
    return text.written();
}

test "a reader" {
    var host: Host = .init(std.testing.allocator);
    defer host.deinit();
    const open: Step = .{ .call = "wasmworker:blob/v1 open", .head = "{\"bucket\":\"box\",\"key\":\"k\",\"offset\":1}", .answer_head = "{\"size\":7,\"reader\":5}" };
    const close: Step = .{ .call = "wasmworker:blob/v1 close", .head = "{\"reader\":5}" };
    const first: Step = .{ .call = "wasmworker:blob/v1 read", .head = "{\"reader\":5,\"max\":4}", .answer_head = "{}", .answer = "abcd" };
    try expectResult("\"ab\"", try run(&host, &.{ open, first, close }, read, .{2}));
    const short: Step = .{ .call = "wasmworker:blob/v1 read", .head = "{\"reader\":5,\"max\":4}", .answer_head = "{}", .answer = "a" };
    const rest: Step = .{ .call = "wasmworker:blob/v1 read", .head = "{\"reader\":5,\"max\":3}", .answer_head = "{\"end\":true}", .answer = "b" };
    try expectResult("\"ab\"", try run(&host, &.{ open, short, rest, close }, read, .{2}));
    try expectFailure("EndOfStream", "EndOfStream", try run(&host, &.{ open, short, rest, close }, read, .{4}));
    const much: Step = .{ .call = "wasmworker:blob/v1 read", .head = "{\"reader\":5,\"max\":4}", .answer_head = "{}", .answer = "abcde" };
    try expectFailure("ReadFailed", "response of blob read: more bytes than were asked for", try run(&host, &.{ open, much, close }, read, .{2}));
}

fn readAll(ctx: *Context) ![]const u8 {
    var reader = try box.open(ctx, "k", &.{}, .{ .length = 7 });
    defer reader.deinit();
    var data: [16]u8 = undefined;
    const count = reader.interface.readSliceShort(&data) catch |err| {
        try expectEqual(error.Timeout, reader.err.?);
        return err;
    };
    return ctx.arena.dupe(u8, data[0..count]);
}

test "a reader without a buffer, to its end" {
    var host: Host = .init(std.testing.allocator);
    defer host.deinit();
    const open: Step = .{ .call = "wasmworker:blob/v1 open", .head = "{\"bucket\":\"box\",\"key\":\"k\",\"offset\":0,\"length\":7}", .answer_head = "{\"size\":7,\"reader\":5}" };
    const close: Step = .{ .call = "wasmworker:blob/v1 close", .head = "{\"reader\":5}" };
    const first: Step = .{ .call = "wasmworker:blob/v1 read", .head = "{\"reader\":5,\"max\":16}", .answer_head = "{}", .answer = "abcd" };
    const last: Step = .{ .call = "wasmworker:blob/v1 read", .head = "{\"reader\":5,\"max\":12}", .answer_head = "{\"end\":true}", .answer = "efg" };
    try expectResult("\"abcdefg\"", try run(&host, &.{ open, first, last, close }, readAll, .{}));
    const slow: Step = .{ .call = "wasmworker:blob/v1 read", .head = "{\"reader\":5,\"max\":12}", .refusal = .TIMEDOUT };
    try expectFailure("ReadFailed", "ETIMEDOUT: the host says no", try run(&host, &.{ open, first, slow, close }, readAll, .{}));
}

fn write(ctx: *Context, parts: []const []const u8, commit: bool) !void {
    var buffer: [4]u8 = undefined;
    var writer = try box.create(ctx, "k", &buffer, .{});
    defer writer.deinit();
    for (parts) |part| try writer.interface.writeAll(part);
    if (commit) try writer.commit();
}

/// Goes on after an error, and must not make an object with a gap.
fn carefree(ctx: *Context) !void {
    var writer = try box.create(ctx, "k", &.{}, .{});
    defer writer.deinit();
    writer.interface.writeAll("abc") catch {};
    writer.interface.writeAll("def") catch {};
    try writer.commit();
}

test "a writer" {
    var host: Host = .init(std.testing.allocator);
    defer host.deinit();
    const create: Step = .{ .call = "wasmworker:blob/v1 create", .head = "{\"bucket\":\"box\",\"key\":\"k\"}", .answer_head = "{\"writer\":6}" };
    const head = "{\"writer\":6}";
    const commit: Step = .{ .call = "wasmworker:blob/v1 commit", .head = head };
    const close: Step = .{ .call = "wasmworker:blob/v1 close", .head = head };
    const small: Step = .{ .call = "wasmworker:blob/v1 write", .head = head, .body = "abc" };
    try expectResult("", try run(&host, &.{ create, small, commit }, write, .{ .{ "ab", "c" }, true }));
    const large: Step = .{ .call = "wasmworker:blob/v1 write", .head = head, .body = "defghi" };
    try expectResult("", try run(&host, &.{ create, small, large, commit }, write, .{ .{ "abc", "defghi" }, true }));
    try expectResult("", try run(&host, &.{ create, close }, write, .{ .{"abc"}, false }));
    const full: Step = .{ .call = "wasmworker:blob/v1 write", .head = head, .body = "abc", .refusal = .MSGSIZE };
    try expectFailure("WriteFailed", "EMSGSIZE: the host says no", try run(&host, &.{ create, full, close }, write, .{ .{ "abc", "defghi" }, true }));
    try expectFailure("TooLarge", "EMSGSIZE: the host says no", try run(&host, &.{ create, full, close }, write, .{ .{"abc"}, true }));
    try expectFailure("TooLarge", "EMSGSIZE: the host says no", try run(&host, &.{ create, full, close }, carefree, .{}));
    const failing: Step = .{ .call = "wasmworker:blob/v1 commit", .head = head, .refusal = .IO };
    try expectFailure("InputOutput", "EIO: the host says no", try run(&host, &.{ create, small, failing, close }, write, .{ .{"abc"}, true }));
}
