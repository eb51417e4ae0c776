//! What crosses the border between Temporal and an activity: payloads, and how Zig values become payloads and back.

const std = @import("std");
const Allocator = std.mem.Allocator;
const Writer = std.Io.Writer;
const contract = @import("contract.zig");
const json = @import("json.zig");

/// Bytes of encoding `binary/plain`, as a parameter, a result or a heartbeat detail. Within JSON they are a string
/// in base64, as `[]byte` is in Go.
pub const Bytes = struct {
    data: []const u8,

    const base64 = std.base64.standard;

    pub fn jsonStringify(bytes: Bytes, writer: anytype) !void {
        try writer.beginWriteRaw();
        try writer.writer.writeByte('"');
        try base64.Encoder.encodeWriter(writer.writer, bytes.data);
        try writer.writer.writeByte('"');
        writer.endWriteRaw();
    }

    pub fn jsonParse(arena: Allocator, source: anytype, options: std.json.ParseOptions) !Bytes {
        const text = try std.json.innerParse([]const u8, arena, source, options);
        const size = base64.Decoder.calcSizeForSlice(text) catch return error.InvalidCharacter;
        const data = try arena.alloc(u8, size);
        base64.Decoder.decode(data, text) catch return error.InvalidCharacter;
        return .{ .data = data };
    }
};

/// A payload as Temporal has it, undecoded: as a parameter, a result or a heartbeat detail.
/// A last parameter of type `[]const RawPayload` takes all arguments that are left.
pub const RawPayload = struct {
    data: []const u8,
    /// `json/plain`, `binary/plain`, `binary/null`, `json/protobuf`, or any other. May be empty.
    encoding: []const u8,
    /// Only for a result: a JSON object from names to strings which is all of the payload's metadata, and is sent
    /// instead of `encoding`. `Context.argumentMetadata` returns such an object. The SDK never sets it.
    metadata: ?[]const u8 = null,

    /// The value in a payload, for code that looks at the encoding first. What `T` may be is said at `activities`.
    /// After `error.InvalidPayload`, `problem` says why, in memory of `arena`.
    pub fn decode(payload: RawPayload, comptime T: type, arena: Allocator, problem: *[]const u8) DecodeError!T {
        if (T == RawPayload) return payload;
        const eql = std.mem.eql;
        if (eql(u8, payload.encoding, contract.encoding_null)) {
            switch (@typeInfo(T)) {
                .optional => return null,
                else => {
                    if (T == std.json.Value) return .null;
                    if (T == json.Json) return .{ .text = "null" };
                    problem.* = "it is null";
                    return error.InvalidPayload;
                },
            }
        }
        const Child = if (@typeInfo(T) == .optional) @typeInfo(T).optional.child else T;
        if (Child == RawPayload) return payload;
        if (Child == Bytes and eql(u8, payload.encoding, contract.encoding_binary)) return .{ .data = payload.data };
        if (!payload.isJson()) {
            problem.* = try std.fmt.allocPrint(arena, "its encoding is {s}, not {s}; take a RawPayload for it", .{
                payload.encoding, if (Child == Bytes) contract.encoding_binary else contract.encoding_json,
            });
            return error.InvalidPayload;
        }
        return json.decode(T, arena, payload.data, problem) catch |err| switch (err) {
            error.OutOfMemory => error.OutOfMemory,
            error.InvalidJson => error.InvalidPayload,
        };
    }

    /// A payload that does not say what it is has to be JSON.
    fn isJson(payload: RawPayload) bool {
        if (payload.encoding.len == 0) return true;
        for ([_][]const u8{ contract.encoding_json, contract.encoding_proto_json }) |encoding| {
            if (std.mem.eql(u8, payload.encoding, encoding)) return true;
        }
        return false;
    }
};

pub const DecodeError = error{ InvalidPayload, OutOfMemory };

/// Writes a value's bytes and returns its encoding.
pub fn encode(value: anytype, writer: *Writer) Writer.Error![]const u8 {
    const T = @TypeOf(value);
    if (T == @TypeOf(null)) return contract.encoding_null;
    if (@typeInfo(T) == .optional) return if (value) |v| encode(v, writer) else contract.encoding_null;
    if (T == RawPayload) {
        try writer.writeAll(value.data);
        return value.encoding;
    }
    if (T == Bytes) {
        try writer.writeAll(value.data);
        return contract.encoding_binary;
    }
    try std.json.Stringify.value(value, .{}, writer);
    return contract.encoding_json;
}

const testing = std.testing;

test "bytes in JSON are base64" {
    const text = try std.json.Stringify.valueAlloc(testing.allocator, .{ .b = Bytes{ .data = "\x00\xffa" } }, .{});
    defer testing.allocator.free(text);
    try testing.expectEqualStrings("{\"b\":\"AP9h\"}", text);

    var arena: std.heap.ArenaAllocator = .init(testing.allocator);
    defer arena.deinit();
    var problem: []const u8 = "";
    const decoded = try json.decode(struct { b: Bytes }, arena.allocator(), text, &problem);
    try testing.expectEqualStrings("\x00\xffa", decoded.b.data);
    try testing.expectError(error.InvalidJson, json.decode(Bytes, arena.allocator(), "\"A\"", &problem));
    try testing.expectEqualStrings("not a valid Bytes: InvalidCharacter", problem);
}

test "what an encoding can be decoded into" {
    var arena: std.heap.ArenaAllocator = .init(testing.allocator);
    defer arena.deinit();
    const a = arena.allocator();
    var problem: []const u8 = "";
    const none: RawPayload = .{ .data = "", .encoding = contract.encoding_null };
    const bytes: RawPayload = .{ .data = "[1]", .encoding = contract.encoding_binary };
    const text: RawPayload = .{ .data = "\"AP9h\"", .encoding = contract.encoding_json };
    try testing.expectEqual(null, try none.decode(?u8, a, &problem));
    try testing.expectEqual(null, try none.decode(?Bytes, a, &problem));
    try testing.expectEqual(std.json.Value.null, try none.decode(std.json.Value, a, &problem));
    try testing.expectError(error.InvalidPayload, none.decode(u8, a, &problem));
    try testing.expectEqualStrings("it is null", problem);
    try testing.expectEqualStrings("[1]", (try bytes.decode(Bytes, a, &problem)).data);
    try testing.expectEqualStrings("[1]", (try bytes.decode(?Bytes, a, &problem)).?.data);
    try testing.expectEqualStrings("\x00\xffa", (try text.decode(Bytes, a, &problem)).data);
    try testing.expectError(error.InvalidPayload, bytes.decode([]const u8, a, &problem));
    try testing.expectEqualStrings("its encoding is binary/plain, not json/plain; take a RawPayload for it", problem);
    for ([_][]const u8{ "json/plain", "json/protobuf", "" }) |encoding| {
        const number: RawPayload = .{ .data = "7", .encoding = encoding };
        try testing.expectEqual(7, try number.decode(u8, a, &problem));
        try testing.expectEqual(7, try number.decode(?u8, a, &problem));
        try testing.expectError(error.InvalidPayload, number.decode([]const u8, a, &problem));
        try testing.expectError(error.InvalidPayload, (RawPayload{ .data = "", .encoding = encoding }).decode(u8, a, &problem));
    }
    for ([_][]const u8{ "binary/encrypted", "binary/protobuf", "json/plain+zlib", "JSON/plain", "json/" }) |encoding| {
        const foreign: RawPayload = .{ .data = "7", .encoding = encoding };
        inline for (.{ u8, ?u8, std.json.Value, json.Json, Bytes, ?Bytes }) |T| {
            problem = "";
            try testing.expectError(error.InvalidPayload, foreign.decode(T, a, &problem));
            try testing.expect(std.mem.indexOf(u8, problem, encoding) != null);
        }
        try testing.expectEqualStrings("7", (try foreign.decode(RawPayload, a, &problem)).data);
    }
}
