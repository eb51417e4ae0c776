//! The frames of abi/SPEC.md: the length of a head in 4 bytes, little-endian, the head as JSON, and then bytes as they are.

const std = @import("std");
const Allocator = std.mem.Allocator;
const Writer = std.Io.Writer;
const json = @import("json.zig");

/// Makes a frame, which the caller frees. Optional fields of `head` that are null are left out. The body is its parts, one after the other.
pub fn encode(allocator: Allocator, head: anytype, body: []const []const u8) error{OutOfMemory}![]u8 {
    var frame: Writer.Allocating = .init(allocator);
    errdefer frame.deinit();
    encodeInto(&frame, head, body) catch return error.OutOfMemory;
    std.mem.writeInt(u32, frame.written()[0..4], @intCast(frame.written().len - 4 - length(body)), .little);
    return frame.toOwnedSlice();
}

fn encodeInto(frame: *Writer.Allocating, head: anytype, body: []const []const u8) !void {
    try frame.writer.writeAll(&.{ 0, 0, 0, 0 });
    try std.json.Stringify.value(head, .{ .emit_null_optional_fields = false }, &frame.writer);
    try frame.ensureUnusedCapacity(length(body)); // what is in bulk is not copied twice
    for (body) |part| try frame.writer.writeAll(part);
}

fn length(body: []const []const u8) usize {
    var sum: usize = 0;
    for (body) |part| sum += part.len;
    return sum;
}

pub const Parts = struct { head: []const u8, body: []const u8 };

/// Head and body of a frame, which are parts of it. Null: it is no frame.
pub fn split(frame: []const u8) ?Parts {
    if (frame.len < 4) return null;
    const size = std.mem.readInt(u32, frame[0..4], .little);
    if (size > frame.len - 4) return null;
    return .{ .head = frame[4..][0..size], .body = frame[4 + size ..] };
}

/// A JSON object whose names are not known when the program is compiled, in the order of its text.
pub fn Object(comptime Value: type) type {
    return struct {
        fields: []const Field = &.{},

        pub const Field = struct { name: []const u8, value: Value };

        pub fn jsonStringify(object: @This(), writer: anytype) !void {
            try writer.beginObject();
            for (object.fields) |field| {
                try writer.objectField(field.name);
                try writer.write(field.value);
            }
            try writer.endObject();
        }

        pub fn jsonParse(arena: Allocator, source: *std.json.Scanner, options: std.json.ParseOptions) !@This() {
            if (try source.next() != .object_begin) return error.UnexpectedToken;
            var fields: std.ArrayList(Field) = .empty;
            while (true) {
                const name = switch (try source.nextAllocMax(arena, .alloc_if_needed, options.max_value_len.?)) {
                    inline .string, .allocated_string => |text| text,
                    .object_end => return .{ .fields = try fields.toOwnedSlice(arena) },
                    else => unreachable, // the scanner has names in objects only
                };
                const value = try std.json.innerParse(Value, arena, source, options);
                try fields.append(arena, .{ .name = name, .value = value });
            }
        }
    };
}

const testing = std.testing;

test "a frame and its parts" {
    const frame = try encode(testing.allocator, .{ .key = "é", .offset = @as(?u64, null), .max = @as(?u64, 5) }, &.{ "\x00\xff", "", "tail" });
    defer testing.allocator.free(frame);
    try testing.expectEqualStrings("\x14\x00\x00\x00{\"key\":\"é\",\"max\":5}\x00\xfftail", frame);
    const parts = split(frame).?;
    try testing.expectEqualStrings("{\"key\":\"é\",\"max\":5}", parts.head);
    try testing.expectEqualStrings("\x00\xfftail", parts.body);
    try testing.expectEqualStrings("", split("\x00\x00\x00\x00").?.head);
    for ([_][]const u8{ "", "\x00\x00\x00", "\x03\x00\x00\x00{}", "\xff\xff\xff\xff{}" }) |bad| try testing.expectEqual(null, split(bad));
}

test "an object of any names" {
    var arena: std.heap.ArenaAllocator = .init(testing.allocator);
    defer arena.deinit();
    var problem: []const u8 = "";
    const text = "{\"a\":[\"1\",\"2\"],\"\\\"\":[]}";
    const object = try json.decode(Object([]const []const u8), arena.allocator(), text, &problem);
    try testing.expectEqual(2, object.fields.len);
    try testing.expectEqualStrings("2", object.fields[0].value[1]);
    try testing.expectEqualStrings(text, try std.json.Stringify.valueAlloc(arena.allocator(), object, .{}));
    for ([_][]const u8{ "[]", "{\"a\":1}", "{\"a\"", "{\"a\":[\"" }) |bad| {
        try testing.expectError(error.InvalidJson, json.decode(Object([]const []const u8), arena.allocator(), bad, &problem));
    }
}
