//! Objects in buckets that the operator has defined, `wasmworker:blob/v1`.
//!
//! ```zig
//! const exports: wasmworker.blob.Bucket = .{ .name = "exports" };
//!
//! var buffer: [64 << 10]u8 = undefined; // of a global variable, or of ctx.arena: the stack has 64 KiB
//! var writer = try exports.create(ctx, "2026/orders.jsonl", &buffer, .{ .content_type = "application/jsonl" });
//! defer writer.deinit(); // without commit, the object is given up
//! for (orders) |order| try writer.interface.print("{f}\n", .{std.json.fmt(order, .{})});
//! try writer.commit();
//! ```
//!
//! Keys are UTF-8 without control characters, of 1 to 1024 bytes, not beginning with a slash, and without empty, `.` and `..`
//! segments: `error.InvalidRequest` otherwise. All functions wait for the host, and may return:
//! `error.AccessDenied`, for what the policy denies: the bucket, the key, or writing; `error.NotFound`, by `delete` too; `error.AlreadyExists`;
//! `error.TooLarge`, for an object above the policy's limit; `error.TooManyOpen` (256 readers and writers), `error.NotOpen`;
//! `error.Timeout`, `error.RequestCanceled`; `error.InputOutput`, when the store does not answer, or says no.

const std = @import("std");
const contract = @import("contract.zig");
const Allocator = std.mem.Allocator;
const Context = @import("context.zig").Context;
const frame = @import("frame.zig");
const parseTime = @import("info.zig").parseTime;
const passthrough = @import("passthrough.zig");

const module = passthrough.Passthrough("blob", 1);

/// The most bytes that one call of the host carries. A request may have 16 MiB.
const max_chunk = 1 << 20;

pub const Error = passthrough.JsonCallError;
const Strings = frame.Object([]const u8);
pub const Metadata = Strings.Field;

pub const Attributes = struct {
    /// Bytes of the whole object.
    size: u64,
    content_type: []const u8,
    /// Milliseconds since 1970 (UTC). Null: the store does not say.
    modified_ms: ?i64,
    etag: []const u8,
    metadata: []const Metadata,

    const Head = struct {
        size: u64 = 0,
        content_type: []const u8 = "",
        modified: []const u8 = "",
        etag: []const u8 = "",
        metadata: ?Strings,
        reader: u64 = 0,

        fn attributes(head: Head) Attributes {
            return .{
                .size = head.size,
                .content_type = head.content_type,
                .modified_ms = parseTime(head.modified),
                .etag = head.etag,
                .metadata = if (head.metadata) |metadata| metadata.fields else &.{},
            };
        }
    };

    /// The value of a name in `metadata`. Null: there is none.
    pub fn get(attributes: Attributes, name: []const u8) ?[]const u8 {
        for (attributes.metadata) |field| {
            if (std.mem.eql(u8, field.name, name)) return field.value;
        }
        return null;
    }
};

pub const Object = struct {
    attributes: Attributes,
    data: []const u8,
};

pub const GetOptions = struct {
    /// The first byte.
    offset: u64 = 0,
    /// Bytes at most. Null: the rest. Beyond the object's end there are fewer.
    length: ?u64 = null,
    /// Memory for the result, freed as a whole. Null: the context's arena.
    arena: ?Allocator = null,
};

pub const PutOptions = struct {
    content_type: []const u8 = "",
    metadata: []const Metadata = &.{},
    /// Create it only if there is none of that key: `error.AlreadyExists`.
    if_none_match: bool = false,
};

pub const ListOptions = struct {
    /// What keys have to begin with.
    prefix: []const u8 = "",
    /// What keys have before the next delimiter, after the prefix, is listed once, as a prefix. Usually "/". Empty: all keys.
    delimiter: []const u8 = "",
    /// Entries that one request to the host returns, 1 to 1000, for who needs only the first few. Null: 1000.
    page_size: ?u32 = null,
};

pub const Entry = struct {
    key: []const u8,
    /// Whether it stands for all objects whose keys begin with `key`. It then has no size and time.
    is_prefix: bool,
    size: u64,
    modified_ms: ?i64,
};

pub const Bucket = struct {
    /// As the operator named it.
    name: []const u8,

    /// An object, or a part of it.
    pub fn get(bucket: Bucket, ctx: *Context, key: []const u8, options: GetOptions) Error!Object {
        const response = try module.callFrame(ctx, options.arena orelse ctx.arena, Attributes.Head, "get", .{
            .bucket = bucket.name,
            .key = key,
            .offset = options.offset,
            .length = options.length,
        }, &.{});
        return .{ .attributes = response.head.attributes(), .data = response.body };
    }

    /// Stores an object, in the place of the one that may be there. At most 16 MiB: what is larger is written by `create`.
    pub fn put(bucket: Bucket, ctx: *Context, key: []const u8, data: []const u8, options: PutOptions) Error!void {
        _ = try module.callFrame(ctx, ctx.arena, void, "put", putHead(bucket, key, options), &.{data});
    }

    pub fn stat(bucket: Bucket, ctx: *Context, key: []const u8) Error!Attributes {
        const response = try module.callFrame(ctx, ctx.arena, Attributes.Head, "stat", .{ .bucket = bucket.name, .key = key }, &.{});
        return response.head.attributes();
    }

    pub fn delete(bucket: Bucket, ctx: *Context, key: []const u8) Error!void {
        _ = try module.callFrame(ctx, ctx.arena, void, "delete", .{ .bucket = bucket.name, .key = key }, &.{});
    }

    /// The objects in the order of their keys, asked for page by page. Call `deinit` after use. The bucket's name and the options have to
    /// live as long.
    pub fn list(bucket: Bucket, ctx: *Context, options: ListOptions) Listing {
        return .{ .ctx = ctx, .bucket = bucket, .options = options, .page = .init(ctx.gpa) };
    }

    /// Begins to read an object. Call `deinit` after use. Each read of the host fills the buffer, or what is read into if that is larger,
    /// up to 1 MiB: 64 KiB are a good size. The attributes are in the context's arena, or that of the options.
    pub fn open(bucket: Bucket, ctx: *Context, key: []const u8, buffer: []u8, options: GetOptions) Error!Reader {
        const response = try module.callFrame(ctx, options.arena orelse ctx.arena, Attributes.Head, "open", .{
            .bucket = bucket.name,
            .key = key,
            .offset = options.offset,
            .length = options.length,
        }, &.{});
        return .{
            .interface = .{ .vtable = &.{ .stream = Reader.stream }, .buffer = buffer, .seek = 0, .end = 0 },
            .attributes = response.head.attributes(),
            .ctx = ctx,
            .number = response.head.reader,
        };
    }

    /// Begins to write an object, of any size that the policy allows. It appears when `commit` is called. Call `deinit` after use. A buffer
    /// of 64 KiB is a good size: what is written in smaller pieces is collected there.
    pub fn create(bucket: Bucket, ctx: *Context, key: []const u8, buffer: []u8, options: PutOptions) Error!Writer {
        var arena: std.heap.ArenaAllocator = .init(ctx.gpa);
        defer arena.deinit();
        const Head = struct { writer: u64 };
        const response = try module.callFrame(ctx, arena.allocator(), Head, "create", putHead(bucket, key, options), &.{});
        return .{
            .interface = .{ .vtable = &.{ .drain = Writer.drain }, .buffer = buffer },
            .ctx = ctx,
            .number = response.head.writer,
        };
    }

    const PutHead = struct {
        bucket: []const u8,
        key: []const u8,
        content_type: ?[]const u8,
        metadata: ?Strings,
        if_none_match: ?bool,
    };

    fn putHead(bucket: Bucket, key: []const u8, options: PutOptions) PutHead {
        return .{
            .bucket = bucket.name,
            .key = key,
            .content_type = if (options.content_type.len > 0) options.content_type else null,
            .metadata = if (options.metadata.len > 0) .{ .fields = options.metadata } else null,
            .if_none_match = if (options.if_none_match) true else null,
        };
    }
};

/// What `Bucket.list` returns: `while (try listing.next()) |entry| ...`
pub const Listing = struct {
    ctx: *Context,
    bucket: Bucket,
    options: ListOptions,
    /// Keeps the entries that the host has sent last.
    page: std.heap.ArenaAllocator,
    entries: []const Head.Item = &.{},
    index: usize = 0,
    /// Null: no more pages. Empty: none was asked for.
    token: ?[]const u8 = "",

    const Head = struct {
        objects: ?[]const Item,
        next: ?[]const u8,

        const Item = struct { key: []const u8, size: u64 = 0, modified: []const u8 = "", prefix: bool = false };
    };

    /// The next entry, which is valid until the next call. Null: there are no more.
    pub fn next(listing: *Listing) Error!?Entry {
        while (listing.index == listing.entries.len) {
            const token = listing.token orelse return null;
            var page: std.heap.ArenaAllocator = .init(listing.ctx.gpa);
            errdefer page.deinit();
            const options = listing.options;
            const response = try module.callFrame(listing.ctx, page.allocator(), Head, "list", .{
                .bucket = listing.bucket.name,
                .prefix = options.prefix,
                .delimiter = if (options.delimiter.len > 0) @as(?[]const u8, options.delimiter) else null,
                .page = if (token.len > 0) @as(?[]const u8, token) else null,
                .max = options.page_size,
            }, &.{});
            listing.page.deinit();
            listing.page = page;
            listing.entries = response.head.objects orelse &.{};
            listing.index = 0;
            listing.token = if (response.head.next) |text| (if (text.len > 0) text else null) else null;
        }
        const item = listing.entries[listing.index];
        listing.index += 1;
        return .{ .key = item.key, .is_prefix = item.prefix, .size = item.size, .modified_ms = parseTime(item.modified) };
    }

    pub fn deinit(listing: *Listing) void {
        listing.page.deinit();
    }
};

/// An object that is being read, by `interface`. It must not be copied once that is in use.
pub const Reader = struct {
    interface: std.Io.Reader,
    attributes: Attributes,
    /// Why `interface` returned `error.ReadFailed`. A failure with that error has the host's sentence, too.
    err: ?Error = null,
    ctx: *Context,
    number: u64,
    ended: bool = false,

    fn stream(interface: *std.Io.Reader, writer: *std.Io.Writer, limit: std.Io.Limit) std.Io.Reader.StreamError!usize {
        const reader: *Reader = @alignCast(@fieldParentPtr("interface", interface));
        if (reader.ended) return error.EndOfStream;
        const room = limit.slice(try writer.writableSliceGreedy(1));
        var arena: std.heap.ArenaAllocator = .init(reader.ctx.gpa);
        defer arena.deinit();
        const Head = struct { end: bool = false };
        const response = module.callFrame(reader.ctx, arena.allocator(), Head, "read", .{
            .reader = reader.number,
            .max = @min(room.len, max_chunk),
        }, &.{}) catch |err| return reader.failed(err);
        if (response.body.len > room.len) {
            return reader.failed(reader.ctx.explain(error.InvalidResponse, "response of blob read: more bytes than were asked for", .{}));
        }
        @memcpy(room[0..response.body.len], response.body);
        writer.advance(response.body.len);
        reader.ended = response.head.end;
        return response.body.len;
    }

    fn failed(reader: *Reader, err: Error) error{ReadFailed} {
        reader.err = err;
        return reader.ctx.explainAs(error.ReadFailed);
    }

    /// Ends reading, wherever it is.
    pub fn deinit(reader: *Reader) void {
        passthrough.release(contract.module_blob, "close", "reader", reader.number);
    }
};

/// An object that is being written, by `interface`. It must not be copied once that is in use.
pub const Writer = struct {
    interface: std.Io.Writer,
    /// Why `interface` returned `error.WriteFailed`. A failure with that error has the host's sentence, too.
    err: ?Error = null,
    ctx: *Context,
    number: u64,
    committed: bool = false,

    /// Sends what is in the buffer, and makes the object appear, as a whole. After a failed write it fails with that write's error.
    pub fn commit(writer: *Writer) Error!void {
        writer.interface.flush() catch {};
        if (writer.err) |err| return writer.ctx.explainAs(err);
        _ = try module.callFrame(writer.ctx, writer.ctx.arena, void, "commit", .{ .writer = writer.number }, &.{});
        writer.committed = true;
    }

    /// Gives the object up, unless it was committed. What was there before stays.
    pub fn deinit(writer: *Writer) void {
        if (!writer.committed) passthrough.release(contract.module_blob, "close", "writer", writer.number);
    }

    fn drain(interface: *std.Io.Writer, data: []const []const u8, splat: usize) std.Io.Writer.Error!usize {
        const writer: *Writer = @alignCast(@fieldParentPtr("interface", interface));
        try writer.send(interface.buffered());
        interface.end = 0;
        var sent: usize = 0;
        for (data, 1..) |bytes, i| {
            for (0..if (i == data.len) splat else 1) |_| {
                try writer.send(bytes);
                sent += bytes.len;
            }
        }
        return sent;
    }

    fn send(writer: *Writer, bytes: []const u8) std.Io.Writer.Error!void {
        if (writer.err != null) return error.WriteFailed; // something is missing already
        var rest = bytes;
        while (rest.len > 0) {
            const chunk = rest[0..@min(rest.len, max_chunk)];
            _ = module.callFrame(writer.ctx, writer.ctx.arena, void, "write", .{ .writer = writer.number }, &.{chunk}) catch |err| {
                writer.err = err;
                return writer.ctx.explainAs(error.WriteFailed);
            };
            rest = rest[chunk.len..];
        }
    }
};
