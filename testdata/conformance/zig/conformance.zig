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

pub fn draw(ctx: *Context) ![]const u8 {
    var threaded: std.Io.Threaded = .init_single_threaded;
    const source: std.Random.IoSource = .{ .io = threaded.io() };
    return std.fmt.allocPrint(ctx.arena, "{d}", .{source.interface().int(u64)});
}

pub fn spin() void {
    var x: u32 = 1;
    while (true) {
        x = x *% 1664525 +% 1013904223;
        std.mem.doNotOptimizeAway(x);
    }
}

const HttpInput = struct {
    method: []const u8 = "GET",
    url: []const u8,
    headers: std.json.ArrayHashMap([]const u8) = .{},
    body: []const u8 = "",
};

const HttpOutput = struct { status: u16, content_type: []const u8, body: []const u8 };

pub fn http(ctx: *Context, in: HttpInput) !HttpOutput {
    var headers: std.ArrayList(wasmworker.http.Header) = .empty;
    for (in.headers.map.keys(), in.headers.map.values()) |name, value| {
        try headers.append(ctx.arena, .{ .name = name, .value = value });
    }
    const response = try wasmworker.http.send(ctx, .{ .method = in.method, .url = in.url, .headers = headers.items, .body = in.body });
    return .{ .status = response.status, .content_type = response.header("Content-Type") orelse "", .body = response.body };
}

pub fn config(ctx: *Context, name: []const u8) !?[]const u8 {
    return wasmworker.config.get(ctx, name);
}

pub fn secret(ctx: *Context, name: []const u8) ![]const u8 {
    return wasmworker.secret.reveal(ctx, name);
}

const db: wasmworker.sql.Connection = .{ .name = "db" };

/// A value of SQL, with bytes as `{"hex": "00ff"}`.
const SqlValue = struct {
    value: wasmworker.sql.Value,

    const Hex = struct { hex: []const u8 };

    pub fn jsonParse(arena: std.mem.Allocator, source: anytype, options: std.json.ParseOptions) !SqlValue {
        if (try source.peekNextTokenType() == .object_begin) {
            const text = (try std.json.innerParse(Hex, arena, source, options)).hex;
            const data = try arena.alloc(u8, text.len / 2);
            return .{ .value = .{ .bytes = std.fmt.hexToBytes(data, text) catch return error.InvalidCharacter } };
        }
        return .{ .value = switch (try std.json.innerParse(std.json.Value, arena, source, options)) {
            .null => .null,
            .bool => |it| .{ .boolean = it },
            .integer => |it| .{ .integer = it },
            .float => |it| .{ .float = it },
            .string => |it| .{ .text = it },
            else => return error.UnexpectedToken,
        } };
    }

    pub fn jsonStringify(self: SqlValue, writer: anytype) !void {
        switch (self.value) {
            .bytes => |data| {
                try writer.beginObject();
                try writer.objectField("hex");
                try writer.print("\"{x}\"", .{data});
                try writer.endObject();
            },
            else => |value| try writer.write(value),
        }
    }

    /// A copy that outlives the row.
    fn of(ctx: *Context, value: wasmworker.sql.Value) !SqlValue {
        return .{ .value = switch (value) {
            .text => |text| .{ .text = try ctx.arena.dupe(u8, text) },
            .bytes => |data| .{ .bytes = try ctx.arena.dupe(u8, data) },
            else => value,
        } };
    }
};

const SqlInput = struct { sql: []const u8, args: []const SqlValue = &.{}, batch: ?u32, limit: ?u32 };
const SqlOutput = struct { columns: []const []const u8, rows: []const []const SqlValue };

pub fn sql(ctx: *Context, in: SqlInput) !SqlOutput {
    const args = try ctx.arena.alloc(wasmworker.sql.Value, in.args.len);
    for (args, in.args) |*arg, given| arg.* = given.value;
    var result = try db.query(ctx, in.sql, @as([]const wasmworker.sql.Value, args), .{ .max_rows = in.batch });
    defer result.deinit();
    const columns = try ctx.arena.alloc([]const u8, result.columns.len);
    for (columns, result.columns) |*column, source| column.* = try ctx.arena.dupe(u8, source.name);
    var rows: std.ArrayList([]const SqlValue) = .empty;
    while (try result.next()) |row| {
        const values = try ctx.arena.alloc(SqlValue, row.values.len);
        for (values, row.values) |*value, source| value.* = try .of(ctx, source);
        try rows.append(ctx.arena, values);
        if (rows.items.len == in.limit) break;
    }
    return .{ .columns = columns, .rows = rows.items };
}

const End = enum { commit, rollback, none };
const TransactionOutput = struct { affected: u64, count: u64 };
const count_entries = "SELECT count(*) FROM ledger WHERE entry = ?";

pub fn transaction(ctx: *Context, in: struct { entry: []const u8, end: End }) !TransactionOutput {
    var tx = try db.begin(ctx, .{});
    const affected = try tx.exec("INSERT INTO ledger (entry) VALUES (?)", .{in.entry});
    switch (in.end) {
        .commit => try tx.commit(),
        .rollback => try tx.rollback(),
        .none => {}, // which the host has to end
    }
    var rows = if (in.end == .none)
        try tx.query(count_entries, .{in.entry}, .{})
    else
        try db.query(ctx, count_entries, .{in.entry}, .{});
    defer rows.deinit();
    const row = try rows.next() orelse return error.NoRow;
    return .{ .affected = affected, .count = (try row.as(struct { u64 }))[0] };
}

const box: wasmworker.blob.Bucket = .{ .name = "box" };

const StreamOutput = struct { size: u64, content_type: []const u8, made: ?[]const u8, text: []const u8, keys: []const []const u8 };

pub fn stream(ctx: *Context, in: struct { key: []const u8, parts: []const []const u8 }) !StreamOutput {
    var write_buffer: [4096]u8 = undefined;
    var writer = try box.create(ctx, in.key, &write_buffer, .{
        .content_type = "text/plain; charset=utf-8",
        .metadata = &.{.{ .name = "made", .value = "by hand" }},
    });
    defer writer.deinit();
    for (in.parts) |part| try writer.interface.writeAll(part);
    try writer.commit();

    const attributes = try box.stat(ctx, in.key);
    var text: std.ArrayList(u8) = .empty;
    var reader = try box.open(ctx, in.key, &.{}, .{});
    defer reader.deinit();
    while (true) {
        var piece: [5]u8 = undefined;
        const count = try reader.interface.readSliceShort(&piece);
        try text.appendSlice(ctx.arena, piece[0..count]);
        if (count < piece.len) break;
    }
    var keys: std.ArrayList([]const u8) = .empty;
    var listing = box.list(ctx, .{ .prefix = in.key });
    defer listing.deinit();
    while (try listing.next()) |entry| try keys.append(ctx.arena, try ctx.arena.dupe(u8, entry.key));
    try box.delete(ctx, in.key);
    return .{
        .size = attributes.size,
        .content_type = attributes.content_type,
        .made = attributes.get("made"),
        .text = text.items,
        .keys = keys.items,
    };
}

const ObjectInput = struct { key: []const u8, text: []const u8, offset: u64, length: u64 };
const ObjectOutput = struct { exists: bool, range: []const u8 };

pub fn object(ctx: *Context, in: ObjectInput) !ObjectOutput {
    try box.put(ctx, in.key, in.text, .{ .if_none_match = true });
    const refused = if (box.put(ctx, in.key, in.text, .{ .if_none_match = true })) false else |err| switch (err) {
        error.AlreadyExists => true,
        else => return err,
    };
    const part = try box.get(ctx, in.key, .{ .offset = in.offset, .length = in.length });
    try box.delete(ctx, in.key);
    return .{ .exists = refused, .range = part.data };
}

const By = enum { get, stat, open, delete };

pub fn exists(ctx: *Context, key: []const u8, by: By) !bool {
    if (find(ctx, key, by)) return true else |err| switch (err) {
        error.NotFound => return false,
        else => return err,
    }
}

fn find(ctx: *Context, key: []const u8, by: By) !void {
    switch (by) {
        .get => _ = try box.get(ctx, key, .{}),
        .stat => _ = try box.stat(ctx, key),
        .open => {
            var reader = try box.open(ctx, key, &.{}, .{});
            reader.deinit();
        },
        .delete => try box.delete(ctx, key),
    }
}

const FilesOutput = struct { text: []const u8, names: []const []const u8 };

pub fn files(ctx: *Context, in: struct { path: []const u8, text: []const u8 }) !FilesOutput {
    var threaded: std.Io.Threaded = .init_single_threaded;
    const io = threaded.io();
    const preopens: std.process.Preopens = try .init(ctx.arena);
    const data = (preopens.get("/data") orelse return error.NoData).dir;
    try data.writeFile(io, .{ .sub_path = in.path, .data = in.text });
    const text = try data.readFileAlloc(io, in.path, ctx.arena, .limited(1 << 20));
    var names: std.ArrayList([]const u8) = .empty;
    var entries = data.iterate();
    while (try entries.next(io)) |entry| try names.append(ctx.arena, try ctx.arena.dupe(u8, entry.name));
    std.mem.sort([]const u8, names.items, {}, struct {
        fn before(_: void, a: []const u8, b: []const u8) bool {
            return std.mem.lessThan(u8, a, b);
        }
    }.before);
    try data.deleteFile(io, in.path);
    return .{ .text = text, .names = names.items };
}
