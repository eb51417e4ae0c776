//! Decodes JSON into Zig types, on top of the scanner of std.json.
//!
//! Why not `std.json.parseFromSliceLeaky`: its errors do not say which field is wrong, and it takes the string "40" for
//! a number. Otherwise the mapping is that of std.json, `jsonParse` methods included; a missing field whose type
//! is optional is null, and unknown fields are ignored.

const std = @import("std");
const Allocator = std.mem.Allocator;
const Scanner = std.json.Scanner;
const comptimePrint = std.fmt.comptimePrint;

pub const Error = error{ InvalidJson, OutOfMemory };

/// Values nested more deeply are refused: a recursive type must not let its input overflow the stack.
const max_depth = 64;

/// Decodes `input`, which has to be one JSON value. The result may point into `input` and into memory of `arena`.
/// After `error.InvalidJson`, `problem` says where and what.
pub fn decode(comptime T: type, arena: Allocator, input: []const u8, problem: *[]const u8) Error!T {
    var decoder: Decoder = .{ .scanner = .initCompleteInput(arena, input), .arena = arena };
    return decoder.document(T) catch |err| {
        problem.* = decoder.problem;
        return err;
    };
}

/// JSON text that is passed on as it is: as a parameter, a result, a field of either, or a detail of a failure.
pub const Json = struct {
    /// One JSON value.
    text: []const u8,

    pub fn jsonStringify(json: Json, writer: anytype) !void {
        try writer.beginWriteRaw();
        try writer.writer.writeAll(json.text);
        writer.endWriteRaw();
    }

    pub fn jsonParse(arena: Allocator, source: *Scanner, options: std.json.ParseOptions) !Json {
        _ = try source.peekNextTokenType(); // moves to the value's first byte
        const start = source.cursor;
        try source.skipValue();
        const text = source.input[start..source.cursor];
        return .{ .text = if (options.allocate == .alloc_always) try arena.dupe(u8, text) else text };
    }
};

/// Where in the document the decoder is, for messages. Each level lives in the stack frame that reads it.
const Place = struct {
    parent: ?*const Place,
    step: union(enum) { root, field: []const u8, index: usize },
    depth: u16,

    const root: Place = .{ .parent = null, .step = .root, .depth = 0 };

    fn field(place: *const Place, name: []const u8) Place {
        return .{ .parent = place, .step = .{ .field = name }, .depth = place.depth + 1 };
    }

    fn item(place: *const Place, index: usize) Place {
        return .{ .parent = place, .step = .{ .index = index }, .depth = place.depth + 1 };
    }

    fn write(place: *const Place, writer: *std.Io.Writer) std.Io.Writer.Error!void {
        const parent = place.parent orelse return;
        try parent.write(writer);
        switch (place.step) {
            .root => {},
            .field => |name| {
                if (parent.step != .root) try writer.writeByte('.');
                try writer.writeAll(name);
            },
            .index => |index| {
                var decimal: Decimal = .{};
                try writer.writeByte('[');
                try writer.writeAll(decimal.of(index));
                try writer.writeByte(']');
            },
        }
    }
};

const Decoder = struct {
    scanner: Scanner,
    arena: Allocator,
    problem: []const u8 = "",

    fn document(d: *Decoder, comptime T: type) Error!T {
        const result = try d.value(T, &.root);
        if (try d.peek() != .end_of_document) return d.malformed(error.SyntaxError);
        return result;
    }

    fn value(d: *Decoder, comptime T: type, place: *const Place) Error!T {
        if (comptime hasJsonParse(T)) return d.custom(T, place);
        switch (@typeInfo(T)) {
            .bool => {
                const kind = try d.peek();
                if (kind != .true and kind != .false) return d.mismatch(place, "true or false", kind);
                _ = try d.next();
                return kind == .true;
            },
            .float => {
                const result = std.fmt.parseFloat(T, try d.number(place, "a number")) catch unreachable; // it is a JSON number
                return if (std.math.isFinite(result)) result else d.wrong(place, &.{"the number is too large"});
            },
            .int => return d.integer(T, place),
            .optional => |optional| {
                if (try d.peek() == .null) {
                    _ = try d.next();
                    return null;
                }
                return try d.value(optional.child, place);
            },
            .@"enum" => {
                const name = try d.string(place, .alloc_if_needed);
                return std.meta.stringToEnum(T, name) orelse
                    d.wrong(place, &.{ "expected one of " ++ comptime fieldNames(T) ++ "; got \"", name, "\"" });
            },
            .@"union" => return d.taggedUnion(T, place),
            .@"struct" => |info| return if (info.is_tuple) d.tuple(T, place) else d.object(T, place),
            .array => |array| {
                var result: T = undefined;
                if (array.child == u8 and try d.peek() == .string) {
                    const text = try d.string(place, .alloc_if_needed);
                    if (text.len != array.len) return d.wrongLength(place, comptimePrint("{d} bytes", .{array.len}), text.len);
                    @memcpy(&result, text);
                    return result;
                }
                try d.begin(place, .array_begin, "an array");
                var count: usize = 0;
                while (try d.more(.array_end)) : (count += 1) {
                    if (count == array.len) return d.wrong(place, &.{comptimePrint("expected {d} elements, got more", .{array.len})});
                    result[count] = try d.value(array.child, &place.item(count));
                }
                if (count != array.len) return d.wrongLength(place, comptimePrint("{d} elements", .{array.len}), count);
                return result;
            },
            .pointer => |pointer| switch (pointer.size) {
                .one => {
                    const result = try d.arena.create(pointer.child);
                    result.* = try d.value(pointer.child, place);
                    return result;
                },
                .slice => {
                    if (pointer.child == u8 and try d.peek() != .array_begin) {
                        if (pointer.sentinel()) |end| return try d.arena.dupeSentinel(u8, try d.string(place, .alloc_if_needed), end);
                        if (pointer.is_const) return d.string(place, .alloc_if_needed);
                        return @constCast(try d.string(place, .alloc_always)); // allocated by the scanner, as mutable memory
                    }
                    try d.begin(place, .array_begin, "an array");
                    var list: std.ArrayList(pointer.child) = .empty;
                    while (try d.more(.array_end)) {
                        const item = try d.value(pointer.child, &place.item(list.items.len));
                        try list.append(d.arena, item);
                    }
                    if (pointer.sentinel()) |end| return try list.toOwnedSliceSentinel(d.arena, end);
                    return try list.toOwnedSlice(d.arena);
                },
                else => unsupported(T),
            },
            .void => { // the payload of a union's field
                try d.begin(place, .object_begin, "an empty object");
                if (try d.more(.object_end)) return d.wrong(place, &.{"expected an empty object"});
            },
            else => unsupported(T),
        }
    }

    /// What std.json and the types' own jsonParse methods do.
    fn custom(d: *Decoder, comptime T: type, place: *const Place) Error!T {
        _ = try d.peek(); // so that a syntax error before the value is reported as one
        const options: std.json.ParseOptions = .{
            .ignore_unknown_fields = true,
            .allocate = .alloc_if_needed,
            .max_value_len = d.scanner.input.len,
        };
        return std.json.innerParse(T, d.arena, &d.scanner, options) catch |err| switch (@as(anyerror, err)) {
            error.OutOfMemory => error.OutOfMemory,
            error.SyntaxError, error.UnexpectedEndOfInput => |e| d.malformed(e),
            else => d.wrong(place, &.{ "not a valid " ++ comptime baseName(T) ++ ": ", errorName(err) }),
        };
    }

    fn integer(d: *Decoder, comptime T: type, place: *const Place) Error!T {
        const text = try d.number(place, "an integer");
        if (std.json.isNumberFormattedLikeAnInteger(text)) {
            return std.fmt.parseInt(T, text, 10) catch d.outOfRange(T, place, text);
        }
        // 3.0 and 3e2 are integers, too.
        const exact = exactInteger(text) catch |err| switch (err) {
            error.NotAnInteger => return d.wrong(place, &.{ "expected an integer, got ", text }),
            error.Overflow => return d.outOfRange(T, place, text),
        };
        return std.math.cast(T, exact) orelse d.outOfRange(T, place, text);
    }

    fn outOfRange(d: *Decoder, comptime T: type, place: *const Place, text: []const u8) Error {
        const range = comptimePrint(" is not between {d} and {d}", .{ std.math.minInt(T), std.math.maxInt(T) });
        return d.wrong(place, &.{ text, range });
    }

    fn object(d: *Decoder, comptime T: type, place: *const Place) Error!T {
        const fields = @typeInfo(T).@"struct".fields;
        try d.begin(place, .object_begin, "an object");
        var result: T = undefined;
        var seen: [fields.len]bool = @splat(false);
        next: while (try d.more(.object_end)) {
            const key = try d.string(place, .alloc_if_needed);
            inline for (fields, 0..) |field, i| {
                if (field.is_comptime) @compileError("a comptime field cannot be decoded: " ++ @typeName(T) ++ "." ++ field.name);
                if (std.mem.eql(u8, field.name, key)) {
                    const at = place.field(field.name);
                    if (seen[i]) return d.wrong(&at, &.{"the field is given twice"});
                    seen[i] = true;
                    @field(result, field.name) = try d.value(field.type, &at);
                    continue :next;
                }
            }
            try d.skip();
        }
        inline for (fields, 0..) |field, i| {
            if (!seen[i]) {
                if (field.defaultValue()) |default| {
                    @field(result, field.name) = default;
                } else if (@typeInfo(field.type) == .optional) {
                    @field(result, field.name) = null;
                } else {
                    return d.wrong(&place.field(field.name), &.{"the field is missing"});
                }
            }
        }
        return result;
    }

    fn tuple(d: *Decoder, comptime T: type, place: *const Place) Error!T {
        const fields = @typeInfo(T).@"struct".fields;
        const expected = comptimePrint("{d} elements", .{fields.len});
        try d.begin(place, .array_begin, "an array");
        var result: T = undefined;
        inline for (fields, 0..) |field, i| {
            if (!try d.more(.array_end)) return d.wrongLength(place, expected, i);
            result[i] = try d.value(field.type, &place.item(i));
        }
        if (try d.more(.array_end)) return d.wrong(place, &.{"expected " ++ expected ++ ", got more"});
        return result;
    }

    fn taggedUnion(d: *Decoder, comptime T: type, place: *const Place) Error!T {
        const info = @typeInfo(T).@"union";
        if (info.tag_type == null) @compileError("only a tagged union can be decoded: " ++ @typeName(T));
        try d.begin(place, .object_begin, "an object");
        if (!try d.more(.object_end)) return d.wrong(place, &.{"expected a field, one of " ++ comptime fieldNames(T)});
        const key = try d.string(place, .alloc_if_needed);
        inline for (info.fields) |field| {
            if (std.mem.eql(u8, field.name, key)) {
                const result = @unionInit(T, field.name, try d.value(field.type, &place.field(field.name)));
                if (try d.more(.object_end)) return d.wrong(place, &.{"expected one field, got more"});
                return result;
            }
        }
        return d.wrong(place, &.{ "expected a field, one of " ++ comptime fieldNames(T) ++ "; got \"", key, "\"" });
    }

    /// Takes the token that begins an object or an array.
    fn begin(d: *Decoder, place: *const Place, token: std.json.TokenType, expected: []const u8) Error!void {
        const kind = try d.peek();
        if (kind != token) return d.mismatch(place, expected, kind);
        if (place.depth >= max_depth) return d.wrong(place, &.{"nested too deeply"});
        _ = try d.next();
    }

    /// Whether the object or array has another element; takes its end if not.
    fn more(d: *Decoder, end: std.json.TokenType) Error!bool {
        if (try d.peek() != end) return true;
        _ = try d.next();
        return false;
    }

    fn string(d: *Decoder, place: *const Place, when: std.json.AllocWhen) Error![]const u8 {
        const kind = try d.peek();
        if (kind != .string) return d.mismatch(place, "a string", kind);
        const token = d.scanner.nextAllocMax(d.arena, when, d.scanner.input.len) catch |err| return d.scanError(err);
        return switch (token) {
            inline .string, .allocated_string => |text| text,
            else => unreachable,
        };
    }

    fn number(d: *Decoder, place: *const Place, expected: []const u8) Error![]const u8 {
        const kind = try d.peek();
        if (kind != .number) return d.mismatch(place, expected, kind);
        return (try d.next()).number; // never partial: the whole input is there
    }

    fn skip(d: *Decoder) Error!void {
        switch (try d.peek()) {
            .object_end, .array_end, .end_of_document => return d.malformed(error.SyntaxError),
            else => d.scanner.skipValue() catch |err| return d.scanError(err),
        }
    }

    fn peek(d: *Decoder) Error!std.json.TokenType {
        return d.scanner.peekNextTokenType() catch |err| d.scanError(err);
    }

    fn next(d: *Decoder) Error!std.json.Token {
        return d.scanner.next() catch |err| d.scanError(err);
    }

    fn scanError(d: *Decoder, err: (Scanner.NextError || Scanner.AllocError)) Error {
        return switch (err) {
            error.OutOfMemory => error.OutOfMemory,
            error.SyntaxError, error.UnexpectedEndOfInput => |e| d.malformed(e),
            error.BufferUnderrun, error.ValueTooLong => unreachable, // the whole input is there, and the limit is its length
        };
    }

    fn malformed(d: *Decoder, err: anyerror) Error {
        const input = d.scanner.input;
        if (std.mem.trim(u8, input, " \t\r\n").len == 0) return d.wrong(&.root, &.{"malformed JSON: it is empty"});
        if (err == error.UnexpectedEndOfInput) return d.wrong(&.root, &.{"malformed JSON: it ends too early"});
        var decimals: [2]Decimal = @splat(.{});
        const before = input[0..@min(d.scanner.cursor, input.len)];
        const line = 1 + std.mem.countScalar(u8, before, '\n');
        const line_start = if (std.mem.lastIndexOfScalar(u8, before, '\n')) |i| i + 1 else 0;
        const column = before.len - line_start + 1;
        return d.wrong(&.root, &.{ "malformed JSON at line ", decimals[0].of(line), ", column ", decimals[1].of(column) });
    }

    fn mismatch(d: *Decoder, place: *const Place, expected: []const u8, got: std.json.TokenType) Error {
        return d.wrong(place, &.{ "expected ", expected, ", got ", switch (got) {
            .object_begin => "an object",
            .array_begin => "an array",
            .true => "true",
            .false => "false",
            .null => "null",
            .number => "a number",
            .string => "a string",
            .object_end, .array_end, .end_of_document => return d.malformed(error.SyntaxError),
        } });
    }

    fn wrongLength(d: *Decoder, place: *const Place, expected: []const u8, got: usize) Error {
        var decimal: Decimal = .{};
        return d.wrong(place, &.{ "expected ", expected, ", got ", decimal.of(got) });
    }

    /// Pieces of text, since formatting each message would make the module a good deal larger.
    fn wrong(d: *Decoder, place: *const Place, pieces: []const []const u8) Error {
        var text: std.Io.Writer.Allocating = .init(d.arena);
        place.write(&text.writer) catch return error.OutOfMemory;
        if (place.step != .root) text.writer.writeAll(": ") catch return error.OutOfMemory;
        for (pieces) |piece| text.writer.writeAll(piece) catch return error.OutOfMemory;
        d.problem = text.written();
        return error.InvalidJson;
    }
};

/// The value of a JSON number with a fraction or an exponent, if it is an integer.
fn exactInteger(number: []const u8) error{ NotAnInteger, Overflow }!i64 {
    var value: i64 = 0;
    var exponent: i64 = 0;
    const e = std.mem.indexOfAny(u8, number, "eE") orelse number.len;
    if (e < number.len) {
        exponent = std.fmt.parseInt(i16, number[e + 1 ..], 10) catch return error.Overflow;
    }
    // Zeros at the end of a fraction say nothing, and might overflow.
    const dot = std.mem.indexOfScalar(u8, number[0..e], '.');
    const mantissa = if (dot == null) number[0..e] else std.mem.trimEnd(u8, number[0..e], "0");
    for (mantissa, 0..) |c, i| switch (c) {
        '0'...'9' => {
            value = try std.math.mul(i64, value, 10);
            value = try (if (number[0] == '-') std.math.sub(i64, value, c - '0') else std.math.add(i64, value, c - '0'));
            if (dot) |at| exponent -= @intFromBool(i > at);
        },
        else => {},
    };
    if (value == 0) return 0;
    while (exponent > 0) : (exponent -= 1) value = try std.math.mul(i64, value, 10);
    while (exponent < 0) : (exponent += 1) {
        if (@rem(value, 10) != 0) return error.NotAnInteger;
        value = @divExact(value, 10);
    }
    return value;
}

/// A number as text, in decimal.
const Decimal = struct {
    buffer: [20]u8 = undefined,

    fn of(decimal: *Decimal, n: usize) []const u8 {
        return decimal.buffer[0..std.fmt.printInt(&decimal.buffer, n, 10, .lower, .{})];
    }
};

/// As `@errorName`, which brings the names of all errors of the program along, some kilobytes, unless the set is known.
pub fn errorName(err: anytype) []const u8 {
    if (@typeInfo(@TypeOf(err)).error_set == null) return @errorName(err);
    switch (err) {
        inline else => |known| return @errorName(known),
    }
}

fn hasJsonParse(comptime T: type) bool {
    return switch (@typeInfo(T)) {
        .@"struct", .@"union", .@"enum" => @hasDecl(T, "jsonParse"),
        else => false,
    };
}

fn unsupported(comptime T: type) noreturn {
    @compileError("no JSON for type " ++ @typeName(T));
}

fn baseName(comptime T: type) []const u8 {
    const name = @typeName(T);
    return if (std.mem.lastIndexOfScalar(u8, name, '.')) |i| name[i + 1 ..] else name;
}

fn fieldNames(comptime T: type) []const u8 {
    comptime {
        var names: []const u8 = "";
        for (std.meta.fieldNames(T), 0..) |name, i| {
            names = names ++ (if (i > 0) ", " else "") ++ "\"" ++ name ++ "\"";
        }
        return names;
    }
}

const testing = std.testing;

fn expectProblem(comptime T: type, input: []const u8, expected: []const u8) !void {
    var arena: std.heap.ArenaAllocator = .init(testing.allocator);
    defer arena.deinit();
    var problem: []const u8 = "";
    try testing.expectError(error.InvalidJson, decode(T, arena.allocator(), input, &problem));
    try testing.expectEqualStrings(expected, problem);
}

fn expectValue(comptime T: type, expected: T, input: []const u8) !void {
    var arena: std.heap.ArenaAllocator = .init(testing.allocator);
    defer arena.deinit();
    var problem: []const u8 = "";
    const got = decode(T, arena.allocator(), input, &problem) catch |err| {
        std.debug.print("{s}: {s}\n", .{ input, problem });
        return err;
    };
    try testing.expectEqualDeep(expected, got);
}

const Color = enum { red, green };
const Shape = union(enum) { circle: f64, square: struct { side: u8 }, nothing };
const Item = struct { name: []const u8, price: u16 = 7, note: ?[]const u8 };
const Order = struct { id: []const u8, items: []const Item };
const List = struct { next: ?*const List };

test "values" {
    try expectValue(bool, true, " true ");
    try expectValue(f64, -1500, "-1.5e3");
    try expectValue(u8, 255, "255");
    try expectValue(i8, -128, "-128");
    try expectValue(u16, 300, "3e2");
    try expectValue(i32, 0, "-0");
    try expectValue(i32, 0, "0e9999");
    try expectValue(i8, -120, "-1.2e2");
    try expectValue(u8, 3, "3.0000000000000000000000000");
    try expectValue(u8, 3, "3000000E-6");
    try expectValue(i64, std.math.minInt(i64), "-9223372036854775.808e3");
    try expectValue(u64, std.math.maxInt(u64), "18446744073709551615");
    try expectValue(?u8, null, "null");
    try expectValue(?u8, 1, "1");
    try expectValue([]const u8, "Zë🚀/", "\"\\u005a\\u00eb\\ud83d\\ude80\\/\"");
    try expectValue([:0]const u8, "ab", "\"ab\"");
    try expectValue([2]u8, "ab".*, "\"ab\"");
    try expectValue([2]bool, .{ true, false }, "[true,false]");
    try expectValue([]const u8, &.{ 1, 255 }, "[1,255]");
    try expectValue(Color, .green, "\"green\"");
    try expectValue(Shape, .{ .circle = 2 }, "{\"circle\":2}");
    try expectValue(Shape, .{ .square = .{ .side = 3 } }, "{\"square\":{\"side\":3}}");
    try expectValue(Shape, .nothing, "{\"nothing\":{}}");
    try expectValue(struct { u8, []const u8 }, .{ 1, "a" }, "[1,\"a\"]");
    try expectValue(Item, .{ .name = "a", .price = 7, .note = null }, "{\"x\":[1,{\"name\":\"no\"},null],\"name\":\"a\",\"y\":2.5}");
    try expectValue(List, .{ .next = &.{ .next = null } }, "{\"next\":{\"next\":null}}");
    try expectValue(struct { raw: Json, after: u8 }, .{ .raw = .{ .text = "{\"a\" : [1]}" }, .after = 2 }, "{\"raw\": {\"a\" : [1]} ,\"after\":2}");
    try expectValue(Json, .{ .text = "-1.5" }, " -1.5 ");
    try expectValue(std.json.Value, .{ .integer = 5 }, "5");
}

test "a mutable string does not share the input" {
    var arena: std.heap.ArenaAllocator = .init(testing.allocator);
    defer arena.deinit();
    var problem: []const u8 = "";
    const text = try decode([]u8, arena.allocator(), "\"abc\"", &problem);
    text[0] = 'x';
    try testing.expectEqualStrings("xbc", text);
}

test "what is wrong, and where" {
    try expectProblem(f64, "\"40\"", "expected a number, got a string");
    try expectProblem(f64, "1e400", "the number is too large");
    try expectProblem(u8, "256", "256 is not between 0 and 255");
    try expectProblem(u8, "-1", "-1 is not between 0 and 255");
    try expectProblem(u8, "1.5", "expected an integer, got 1.5");
    try expectProblem(u8, "5e-1", "expected an integer, got 5e-1");
    try expectProblem(u8, "1e99999", "1e99999 is not between 0 and 255");
    try expectProblem(u8, "2.56e2", "2.56e2 is not between 0 and 255");
    try expectProblem(i64, "1e300", "1e300 is not between -9223372036854775808 and 9223372036854775807");
    try expectProblem(bool, "null", "expected true or false, got null");
    try expectProblem(Color, "\"blue\"", "expected one of \"red\", \"green\"; got \"blue\"");
    try expectProblem(Shape, "{\"oval\":1}", "expected a field, one of \"circle\", \"square\", \"nothing\"; got \"oval\"");
    try expectProblem(Shape, "{\"circle\":1,\"x\":2}", "expected one field, got more");
    try expectProblem(Order, "7", "expected an object, got a number");
    try expectProblem(Order, "{\"id\":\"a\"}", "items: the field is missing");
    try expectProblem(Order, "{\"id\":1}", "id: expected a string, got a number");
    try expectProblem(Order, "{\"id\":\"a\",\"id\":\"b\"}", "id: the field is given twice");
    try expectProblem(Order, "{\"id\":\"a\",\"items\":[{\"name\":\"b\"},{\"name\":null}]}", "items[1].name: expected a string, got null");
    try expectProblem([2]u8, "[1]", "expected 2 elements, got 1");
    try expectProblem(struct { u8, u8 }, "[1,2,3]", "expected 2 elements, got more");
    try expectProblem(List, "{\"next\":" ** 200 ++ "null" ++ "}" ** 200, "next" ++ ".next" ** 63 ++ ": nested too deeply");
}

test "malformed JSON" {
    try expectProblem(Order, "", "malformed JSON: it is empty");
    try expectProblem(Order, " \n", "malformed JSON: it is empty");
    try expectProblem(Order, "{\"id\": \"World\"", "malformed JSON: it ends too early");
    try expectProblem(Order, "{\"x\"", "malformed JSON: it ends too early");
    try expectProblem(Order, "{\"x\":}", "malformed JSON at line 1, column 6");
    try expectProblem(Order, "{\n \"id\" 1}", "malformed JSON at line 2, column 7");
    try expectProblem([]const u8, "\"\xff\"", "malformed JSON at line 1, column 2");
    try expectProblem(u8, "1 2", "malformed JSON at line 1, column 3");
    try expectProblem(Json, "[1,}", "malformed JSON at line 1, column 4");
}

test "any input ends in a value or a problem" {
    var random: std.Random.DefaultPrng = .init(1);
    const good = "{\"id\":\"a\\u00e9\\\\\",\"items\":[{\"name\":\"b\",\"price\":1.0e2,\"note\":null},{\"name\":\"\"}],\"x\":{\"y\":[1,[],{}]}}";
    for (0..2000) |_| {
        var arena: std.heap.ArenaAllocator = .init(testing.allocator);
        defer arena.deinit();
        var input = good.*;
        for (0..random.random().uintLessThan(usize, 4)) |_| {
            input[random.random().uintLessThan(usize, input.len)] = "{}[]\",:\\u01eE.-+ nt\x00\xff"[random.random().uintLessThan(usize, 22)];
        }
        var problem: []const u8 = "";
        _ = decode(Order, arena.allocator(), input[0..random.random().intRangeAtMost(usize, 0, input.len)], &problem) catch |err| {
            try testing.expectEqual(error.InvalidJson, err);
            try testing.expect(problem.len > 0);
        };
    }
}
