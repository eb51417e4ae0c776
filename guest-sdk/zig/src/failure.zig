const std = @import("std");
const contract = @import("contract.zig");
const Json = @import("json.zig").Json;

/// Why an activity failed, as Temporal's application errors.
pub const Failure = struct {
    /// What a retry policy names in its non-retryable error types, and what workflows tell failures apart by.
    type: []const u8 = "",
    message: []const u8,
    /// Whether Temporal must not try again.
    non_retryable: bool = false,
    /// Milliseconds until the next attempt, instead of what the retry policy says. 0: what the policy says.
    next_retry_delay_ms: u64 = 0,
    /// `.benign` for a failure that is no news: Temporal neither counts nor logs it as an error.
    category: Category = .unspecified,
    /// Any number of JSON values, made by `Context.json`.
    details: []const Json = &.{},
    cause: ?*const Failure = null,

    pub const Category = enum { unspecified, benign };

    pub fn jsonStringify(failure: Failure, writer: anytype) !void {
        try failure.stringify(writer, contract.max_cause_depth);
    }

    fn stringify(failure: Failure, writer: anytype, causes: usize) @TypeOf(writer.*).Error!void {
        try writer.beginObject();
        if (failure.type.len > 0) {
            try writer.objectField("type");
            try writeText(writer, failure.type);
        }
        try writer.objectField("message");
        try writeText(writer, failure.message);
        if (failure.non_retryable) {
            try writer.objectField("non_retryable");
            try writer.write(true);
        }
        if (failure.next_retry_delay_ms > 0) {
            try writer.objectField("next_retry_delay_ms");
            try writer.write(failure.next_retry_delay_ms);
        }
        if (failure.category != .unspecified) {
            try writer.objectField("category");
            try writer.write(failure.category);
        }
        if (failure.details.len > 0) {
            try writer.objectField("details");
            try writer.write(failure.details);
        }
        if (failure.cause) |cause| if (causes > 0) {
            try writer.objectField("cause");
            try cause.stringify(writer, causes - 1);
        };
        try writer.endObject();
    }

    /// The same failure without what is long. Type and retry behaviour stay.
    pub fn shortened(failure: Failure) Failure {
        var result = failure;
        result.type = cut(failure.type, 256);
        result.message = cut(failure.message, 4096);
        result.details = &.{};
        result.cause = null;
        return result;
    }

    fn cut(text: []const u8, most: usize) []const u8 {
        if (text.len <= most) return text;
        var end = most;
        while (end > most - 4 and text[end] & 0xC0 == 0x80) end -= 1; // not within a character
        return text[0..end];
    }
};

/// std.json renders text that is not UTF-8 as an array of numbers, which no failure may have for a message.
fn writeText(writer: anytype, text: []const u8) !void {
    if (std.unicode.utf8ValidateSlice(text)) return writer.write(text);
    try writer.beginWriteRaw();
    const out = writer.writer;
    try out.writeByte('"');
    var rest = text;
    while (rest.len > 0) {
        const length = std.unicode.utf8ByteSequenceLength(rest[0]) catch 0;
        if (length > 0 and length <= rest.len and std.unicode.utf8ValidateSlice(rest[0..length])) {
            try std.json.Stringify.encodeJsonStringChars(rest[0..length], .{}, out);
            rest = rest[length..];
        } else {
            try out.writeAll("\u{FFFD}");
            rest = rest[1..];
        }
    }
    try out.writeByte('"');
    writer.endWriteRaw();
}

const testing = std.testing;

fn expectJson(expected: []const u8, failure: Failure) !void {
    const text = try std.json.Stringify.valueAlloc(testing.allocator, failure, .{});
    defer testing.allocator.free(text);
    try testing.expectEqualStrings(expected, text);
}

test "only what is set is sent" {
    try expectJson("{\"message\":\"m\"}", .{ .message = "m" });
    try expectJson(
        \\{"type":"T","message":"m","non_retryable":true,"next_retry_delay_ms":5,"category":"benign","details":[{"a":1},"b"],"cause":{"message":"c"}}
    , .{
        .type = "T",
        .message = "m",
        .non_retryable = true,
        .next_retry_delay_ms = 5,
        .category = .benign,
        .details = &.{ .{ .text = "{\"a\":1}" }, .{ .text = "\"b\"" } },
        .cause = &.{ .message = "c" },
    });
}

test "text that is not UTF-8" {
    try expectJson("{\"message\":\"a\u{FFFD}\\\"ë\u{FFFD}\"}", .{ .message = "a\xff\"ë\xc3" });
}

test "a long failure keeps what matters" {
    const short = (Failure{ .type = "T", .message = "x" ** 4095 ++ "ëë", .non_retryable = true, .cause = &.{ .message = "c" } }).shortened();
    try testing.expectEqualStrings("x" ** 4095, short.message);
    try testing.expectEqual(null, short.cause);
    try testing.expect(short.non_retryable);
}
