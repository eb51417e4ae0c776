//! SQL by the host, on connections that the operator has defined, `wasmworker:sql/v1`.
//!
//! ```zig
//! const warehouse: wasmworker.sql.Connection = .{ .name = "warehouse" };
//!
//! var rows = try warehouse.query(ctx, "SELECT id, name, price FROM item WHERE price > $1", .{9.5}, .{});
//! defer rows.deinit();
//! while (try rows.next()) |row| {
//!     const item = try row.as(struct { id: i64, name: []const u8, price: ?f64 });
//!     ...
//! }
//!
//! var transaction = try warehouse.begin(ctx, .{});
//! defer transaction.deinit(); // rolls back, unless it was committed
//! _ = try transaction.exec("UPDATE item SET price = $1 WHERE id = $2", .{ 10.5, 17 });
//! try transaction.commit();
//! ```
//!
//! Arguments are a tuple, or a `[]const Value`. Their places in the SQL are in the database's own notation: `$1` for PostgreSQL, `?` or
//! `?1` for SQLite.
//!
//! | an argument | in SQL |
//! |---|---|
//! | null, bool, integers that fit an i64, floats, `Bytes` | the same |
//! | `[]const u8`, enums by their names | text, in UTF-8 |
//! | `Json` | its text |
//! | optionals, `Value`, `std.json.Value` | what is in them |
//!
//! Times, decimals, UUIDs and what else the database reads are given and returned as text.
//!
//! All functions wait for the host, and may return: `error.AccessDenied`, for what the policy denies: the connection, writing, or
//! SQL that would end a transaction; `error.InvalidRequest`, for arguments; `error.NotOpen`; `error.Busy`, when a
//! transaction's cursor is open and the database takes one statement at a time; `error.TooManyOpen` (256 cursors and
//! transactions); `error.TooLarge`, for rows above the policy's limits; `error.Timeout`, `error.RequestCanceled`; `error.InputOutput`, when the
//! database says no, or cannot be reached. The message of that, `ctx.hostError().message`, begins with the SQLSTATE where there is one:
//! `23505: duplicate key …`.

const std = @import("std");
const Allocator = std.mem.Allocator;
const Bytes = @import("payload.zig").Bytes;
const Context = @import("context.zig").Context;
const Json = @import("json.zig").Json;
const passthrough = @import("passthrough.zig");

const module = passthrough.Passthrough("sql", 1);
const import_name = @import("contract.zig").module_sql;

pub const Error = passthrough.JsonCallError;

/// An argument, or what is in a row.
pub const Value = union(enum) {
    null,
    boolean: bool,
    integer: i64,
    /// Neither infinite nor NaN as an argument. In a row, those are the text `Infinity`, `-Infinity` and `NaN`, which `Row.as` understands.
    float: f64,
    text: []const u8,
    bytes: []const u8,

    /// As a member of a row is in `std.json`: bytes are a string in base64.
    pub fn jsonStringify(value: Value, writer: anytype) !void {
        switch (value) {
            .null => try writer.write(null),
            .bytes => |data| try writer.write(Bytes{ .data = data }),
            inline else => |it| try writer.write(it),
        }
    }

    fn kind(value: Value) []const u8 {
        return switch (value) {
            .null => "null",
            .boolean => "a boolean",
            .integer => "an integer",
            .float => "a float",
            .text => "text",
            .bytes => "bytes",
        };
    }
};

pub const Column = struct {
    name: []const u8,
    /// The database's name of the type, such as `INT8`. May be empty.
    type: []const u8 = "",
};

pub const QueryOptions = struct {
    /// Rows that the host sends at once. The next batch is fetched when it is needed: more rows take more memory, and fewer take more
    /// calls. A batch also ends once it has 1 MiB. Null: 1000.
    max_rows: ?u32 = null,
};

pub const TransactionOptions = struct {
    read_only: bool = false,
    isolation: Isolation = .default,
};

pub const Isolation = enum {
    /// The database's own.
    default,
    read_committed,
    repeatable_read,
    serializable,

    fn name(isolation: Isolation) ?[]const u8 {
        return switch (isolation) {
            .default => null,
            .read_committed => "read committed",
            .repeatable_read => "repeatable read",
            .serializable => "serializable",
        };
    }
};

pub const Connection = struct {
    /// As the operator named it.
    name: []const u8,

    /// Runs a statement that returns rows. Call `deinit` of them after use.
    pub fn query(connection: Connection, ctx: *Context, sql: []const u8, args: anytype, options: QueryOptions) Error!Rows {
        return Target.query(.{ .connection = connection.name }, ctx, sql, args, options);
    }

    /// Runs a statement that returns no rows, and returns how many it affected.
    pub fn exec(connection: Connection, ctx: *Context, sql: []const u8, args: anytype) Error!u64 {
        return Target.exec(.{ .connection = connection.name }, ctx, sql, args);
    }

    /// Begins a transaction. Call `deinit` after use.
    pub fn begin(connection: Connection, ctx: *Context, options: TransactionOptions) Error!Transaction {
        var arena: std.heap.ArenaAllocator = .init(ctx.gpa);
        defer arena.deinit();
        const Head = struct { transaction: u64 };
        const response = try module.callFrame(ctx, arena.allocator(), Head, "begin", .{
            .connection = connection.name,
            .read_only = if (options.read_only) @as(?bool, true) else null,
            .isolation = options.isolation.name(),
        }, &.{});
        return .{ .ctx = ctx, .number = response.head.transaction };
    }
};

pub const Transaction = struct {
    ctx: *Context,
    number: u64,
    open: bool = true,

    /// As `Connection.query`, within the transaction.
    pub fn query(transaction: Transaction, sql: []const u8, args: anytype, options: QueryOptions) Error!Rows {
        return Target.query(.{ .transaction = transaction.number }, transaction.ctx, sql, args, options);
    }

    /// As `Connection.exec`, within the transaction.
    pub fn exec(transaction: Transaction, sql: []const u8, args: anytype) Error!u64 {
        return Target.exec(.{ .transaction = transaction.number }, transaction.ctx, sql, args);
    }

    /// After an error, the transaction may have been committed or not, unless the error is the database's own.
    pub fn commit(transaction: *Transaction) Error!void {
        _ = try module.callFrame(transaction.ctx, transaction.ctx.arena, void, "commit", .{ .transaction = transaction.number }, &.{});
        transaction.open = false;
    }

    pub fn rollback(transaction: *Transaction) Error!void {
        _ = try module.callFrame(transaction.ctx, transaction.ctx.arena, void, "rollback", .{ .transaction = transaction.number }, &.{});
        transaction.open = false;
    }

    /// Rolls back, unless the transaction was committed or rolled back.
    pub fn deinit(transaction: *Transaction) void {
        if (transaction.open) passthrough.release(import_name, "rollback", "transaction", transaction.number);
        transaction.open = false;
    }
};

/// The rows of a query, fetched batch by batch: `while (try rows.next()) |row| ...`
pub const Rows = struct {
    columns: []const Column,
    ctx: *Context,
    max_rows: ?u32,
    /// 0: there are no more rows than those of the batch, and nothing is open.
    cursor: u64,
    batch: Batch,
    index: usize = 0,
    /// Those of the row that `next` returned.
    values: []Value,
    /// Keeps the columns and `values`.
    arena: std.heap.ArenaAllocator,

    const Batch = struct {
        arena: std.heap.ArenaAllocator,
        rows: []const []const Cell,
        body: []const u8,
    };

    /// The next row, which is valid until the next call. Null: there are no more.
    pub fn next(rows: *Rows) Error!?Row {
        while (rows.index == rows.batch.rows.len) {
            if (rows.cursor == 0) return null;
            try rows.fetch();
        }
        const cells = rows.batch.rows[rows.index];
        rows.index += 1;
        if (cells.len != rows.columns.len) {
            return rows.ctx.explain(error.InvalidResponse, "response of sql: a row of {d} values for {d} columns", .{ cells.len, rows.columns.len });
        }
        for (cells, rows.values) |cell, *value| value.* = switch (cell) {
            .value => |it| it,
            .bytes => |place| bytes: {
                const body = rows.batch.body;
                if (place[0] > body.len or place[1] > body.len - place[0]) {
                    return rows.ctx.explain(error.InvalidResponse, "response of sql: bytes outside of the body", .{});
                }
                break :bytes .{ .bytes = body[place[0]..][0..place[1]] };
            },
        };
        return .{ .ctx = rows.ctx, .columns = rows.columns, .values = rows.values };
    }

    fn fetch(rows: *Rows) Error!void {
        var arena: std.heap.ArenaAllocator = .init(rows.ctx.gpa);
        errdefer arena.deinit();
        const Head = struct { rows: ?[]const []const Cell, cursor: u64 = 0 };
        const response = try module.callFrame(rows.ctx, arena.allocator(), Head, "fetch", .{
            .cursor = rows.cursor,
            .max_rows = rows.max_rows,
        }, &.{});
        rows.batch.arena.deinit();
        rows.batch = .{ .arena = arena, .rows = response.head.rows orelse &.{}, .body = response.body };
        rows.cursor = response.head.cursor;
        rows.index = 0;
    }

    /// Closes the cursor, if there are rows that were not fetched.
    pub fn deinit(rows: *Rows) void {
        if (rows.cursor != 0) passthrough.release(import_name, "close", "cursor", rows.cursor);
        rows.batch.arena.deinit();
        rows.arena.deinit();
    }
};

pub const Row = struct {
    columns: []const Column,
    /// In the order of the columns. Texts and bytes are valid until the next call of `Rows.next`.
    values: []const Value,
    ctx: *Context,

    pub const Error = error{InvalidRow};

    /// The row as a struct, whose fields are the columns of the same names, or as a tuple of the columns in their order. Columns without
    /// a field are ignored, and so are those beyond a tuple. Fields are bool, also for the integers 0 and 1, integers, floats,
    /// `[]const u8` for text, `Bytes`, enums for text, `Value`, or optionals of these, for null. Texts and bytes are valid until the
    /// next call of `Rows.next`.
    pub fn as(row: Row, comptime T: type) Row.Error!T {
        const info = @typeInfo(T).@"struct";
        var result: T = undefined;
        inline for (info.fields, 0..) |field, i| {
            const found = if (info.is_tuple) (if (i < row.columns.len) i else null) else row.find(field.name);
            if (found) |column| {
                @field(result, field.name) = convert(field.type, row.values[column]) catch
                    return row.mismatch(column, comptime describe(field.type));
            } else if (field.defaultValue()) |default| {
                @field(result, field.name) = default;
            } else {
                return row.ctx.explain(error.InvalidRow, "the rows have no column " ++ field.name, .{});
            }
        }
        return result;
    }

    fn find(row: Row, name: []const u8) ?usize {
        for (row.columns, 0..) |column, i| {
            if (std.mem.eql(u8, column.name, name)) return i;
        }
        return null;
    }

    fn mismatch(row: Row, column: usize, expected: []const u8) Row.Error {
        return row.ctx.explain(error.InvalidRow, "column {s}: expected {s}, got {s}", .{ row.columns[column].name, expected, row.values[column].kind() });
    }
};

fn convert(comptime T: type, value: Value) error{Mismatch}!T {
    if (T == Value) return value;
    if (T == Bytes) return if (value == .bytes) .{ .data = value.bytes } else error.Mismatch;
    if (T == []const u8) return if (value == .text) value.text else error.Mismatch;
    switch (@typeInfo(T)) {
        .optional => |optional| return if (value == .null) null else try convert(optional.child, value),
        .bool => switch (value) {
            .boolean => |it| return it,
            .integer => |it| if (it == 0 or it == 1) return it == 1, // SQLite has no others
            else => {},
        },
        .int => if (value == .integer) return std.math.cast(T, value.integer) orelse error.Mismatch,
        .float => switch (value) {
            .float => |it| return @floatCast(it),
            .integer => |it| return @floatFromInt(it),
            .text => |text| for ([_]struct { []const u8, T }{
                .{ "NaN", std.math.nan(T) },
                .{ "Infinity", std.math.inf(T) },
                .{ "-Infinity", -std.math.inf(T) },
            }) |special| {
                if (std.mem.eql(u8, text, special[0])) return special[1];
            },
            else => {},
        },
        .@"enum" => if (value == .text) return std.meta.stringToEnum(T, value.text) orelse error.Mismatch,
        else => @compileError("a row has no " ++ @typeName(T)),
    }
    return error.Mismatch;
}

fn describe(comptime T: type) []const u8 {
    if (T == Bytes) return "bytes";
    if (T == []const u8) return "text";
    return switch (@typeInfo(T)) {
        .optional => |optional| describe(optional.child) ++ " or null",
        .bool => "a boolean",
        .int => |int| std.fmt.comptimePrint("an integer of {d} bits", .{int.bits}),
        .float => "a number",
        .@"enum" => "one of the names of " ++ @typeName(T),
        else => @typeName(T),
    };
}

/// What a row has, before bytes are looked up in the body.
const Cell = union(enum) {
    value: Value,
    bytes: [2]usize,

    pub fn jsonParse(arena: Allocator, source: *std.json.Scanner, options: std.json.ParseOptions) !Cell {
        if (try source.peekNextTokenType() == .object_begin) {
            const Place = struct { bytes: [2]usize };
            return .{ .bytes = (try std.json.innerParse(Place, arena, source, options)).bytes };
        }
        return .{
            .value = switch (try source.nextAllocMax(arena, .alloc_if_needed, options.max_value_len.?)) {
                .null => .null,
                .true => .{ .boolean = true },
                .false => .{ .boolean = false },
                inline .string, .allocated_string => |text| .{ .text = text },
                inline .number, .allocated_number => |text| if (std.json.isNumberFormattedLikeAnInteger(text))
                    .{ .integer = std.fmt.parseInt(i64, text, 10) catch return error.Overflow }
                else
                    .{ .float = std.fmt.parseFloat(f64, text) catch unreachable }, // it is a JSON number
                else => return error.UnexpectedToken,
            },
        };
    }
};

/// Where a statement runs.
const Target = union(enum) {
    connection: []const u8,
    transaction: u64,

    fn query(target: Target, ctx: *Context, sql: []const u8, args: anytype, options: QueryOptions) Error!Rows {
        var batch: std.heap.ArenaAllocator = .init(ctx.gpa);
        errdefer batch.deinit();
        const Head = struct { columns: ?[]const Column, rows: ?[]const []const Cell, cursor: u64 = 0 };
        const response = try target.run(ctx, batch.allocator(), Head, "query", sql, args, options.max_rows);
        const head = response.head;
        errdefer if (head.cursor != 0) passthrough.release(import_name, "close", "cursor", head.cursor);

        var arena: std.heap.ArenaAllocator = .init(ctx.gpa);
        errdefer arena.deinit();
        const columns = try arena.allocator().dupe(Column, head.columns orelse &.{});
        for (columns) |*column| {
            column.name = try arena.allocator().dupe(u8, column.name);
            column.type = try arena.allocator().dupe(u8, column.type);
        }
        const values = try arena.allocator().alloc(Value, columns.len);
        return .{
            .columns = columns,
            .ctx = ctx,
            .max_rows = options.max_rows,
            .cursor = head.cursor,
            .batch = .{ .arena = batch, .rows = head.rows orelse &.{}, .body = response.body },
            .values = values,
            .arena = arena,
        };
    }

    fn exec(target: Target, ctx: *Context, sql: []const u8, args: anytype) Error!u64 {
        var arena: std.heap.ArenaAllocator = .init(ctx.gpa);
        defer arena.deinit();
        const Head = struct { rows_affected: u64 = 0 };
        return (try target.run(ctx, arena.allocator(), Head, "exec", sql, args, null)).head.rows_affected;
    }

    fn run(
        target: Target,
        ctx: *Context,
        arena: Allocator,
        comptime Head: type,
        comptime function: []const u8,
        sql: []const u8,
        args: anytype,
        max_rows: ?u32,
    ) Error!passthrough.Frame(Head) {
        if (@TypeOf(args) == []const Value) return target.send(ctx, arena, Head, function, sql, args, max_rows);
        const info = @typeInfo(@TypeOf(args));
        if (info != .@"struct" or !info.@"struct".is_tuple) {
            @compileError("the arguments of a statement are a tuple, such as .{ id, name }, or a []const Value, not " ++ @typeName(@TypeOf(args)));
        }
        var values: [args.len]Value = undefined;
        inline for (args, 0..) |arg, i| {
            values[i] = valueOf(arg) catch |err| return ctx.explain(error.InvalidRequest, "argument {d} of the statement: {s}", .{ i + 1, switch (err) {
                error.Range => "the number does not fit 64 bits",
                error.Nested => "an array or an object; give its text",
            } });
        }
        return target.send(ctx, arena, Head, function, sql, @as([]const Value, &values), max_rows);
    }

    fn send(
        target: Target,
        ctx: *Context,
        arena: Allocator,
        comptime Head: type,
        comptime function: []const u8,
        sql: []const u8,
        args: []const Value,
        max_rows: ?u32,
    ) Error!passthrough.Frame(Head) {
        var parts: std.ArrayList([]const u8) = .empty;
        defer parts.deinit(ctx.gpa);
        for (args, 1..) |arg, i| switch (arg) {
            .text => |text| if (!std.unicode.utf8ValidateSlice(text)) {
                return ctx.explain(error.InvalidRequest, "argument {d} of the statement: text that is not UTF-8; pass it as Bytes", .{i});
            },
            .float => |float| if (!std.math.isFinite(float)) {
                return ctx.explain(error.InvalidRequest, "argument {d} of the statement: {d} is not a number in JSON; pass it as text, if the database reads that", .{ i, float });
            },
            .bytes => |data| try parts.append(ctx.gpa, data),
            else => {},
        };
        return module.callFrame(ctx, arena, Head, function, .{
            .connection = if (target == .connection) @as(?[]const u8, target.connection) else null,
            .transaction = if (target == .transaction) @as(?u64, target.transaction) else null,
            .sql = sql,
            .args = Arguments{ .list = args },
            .max_rows = max_rows,
        }, parts.items);
    }
};

const Arguments = struct {
    list: []const Value,

    pub fn jsonStringify(arguments: Arguments, writer: anytype) !void {
        var offset: usize = 0;
        try writer.beginArray();
        for (arguments.list) |arg| switch (arg) {
            .null => try writer.write(null),
            .float => |float| { // an exponent tells 2.0 from the integer
                try writer.beginWriteRaw();
                try writer.writer.print("{e}", .{float});
                writer.endWriteRaw();
            },
            .bytes => |data| {
                try writer.write(.{ .bytes = [2]usize{ offset, data.len } });
                offset += data.len;
            },
            inline else => |value| try writer.write(value),
        };
        try writer.endArray();
    }
};

fn valueOf(arg: anytype) error{ Range, Nested }!Value {
    const T = @TypeOf(arg);
    switch (T) {
        Value => return arg,
        Bytes => return .{ .bytes = arg.data },
        Json => return .{ .text = arg.text },
        std.json.Value => return switch (arg) {
            .null => .null,
            .bool => |it| .{ .boolean = it },
            .integer => |it| .{ .integer = it },
            .float => |it| .{ .float = it },
            .string => |it| .{ .text = it },
            .number_string => error.Range,
            .array, .object => error.Nested,
        },
        else => {},
    }
    return switch (@typeInfo(T)) {
        .null => .null,
        .optional => if (arg) |it| valueOf(it) else .null,
        .bool => .{ .boolean = arg },
        .int, .comptime_int => .{ .integer = std.math.cast(i64, arg) orelse return error.Range },
        .float, .comptime_float => .{ .float = arg },
        .@"enum", .enum_literal => .{ .text = @tagName(arg) },
        .pointer => .{ .text = arg },
        else => @compileError("no SQL for an argument of type " ++ @typeName(T)),
    };
}
