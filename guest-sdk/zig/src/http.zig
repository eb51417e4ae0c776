//! HTTP requests by the host, `wasmworker:http/v1`. The operator's policy says which are allowed.
//!
//! ```zig
//! const response = try wasmworker.http.send(ctx, .{
//!     .method = "POST",
//!     .url = "https://api.example.com/v1/orders",
//!     .headers = &.{
//!         .{ .name = "Content-Type", .value = "application/json" },
//!         .{ .name = "Authorization", .value = "Bearer {{secret:api-token}}" }, // the host puts the value there
//!     },
//!     .body = (try ctx.json(order)).text,
//! });
//! if (response.status != 201) return error.NotCreated;
//! ```

const std = @import("std");
const Allocator = std.mem.Allocator;
const Context = @import("context.zig").Context;
const frame = @import("frame.zig");
const passthrough = @import("passthrough.zig");

const module = passthrough.Passthrough("http", 1);

pub const Header = std.http.Header;
pub const Error = passthrough.JsonCallError;

pub const Request = struct {
    /// Case-sensitive.
    method: []const u8 = "GET",
    /// `http` or `https`, ASCII: hosts as `xn--…`, paths and queries percent-encoded. At most 8 KiB.
    url: []const u8,
    /// A name may occur more than once. `{{secret:NAME}}` in a value stands for that secret, if the policy lets this origin have it. The
    /// host sets `Host`, `Content-Length` and what else is about the connection, and refuses a request that has them.
    headers: []const Header = &.{},
    /// At most what the policy allows: 8 MiB by default.
    body: []const u8 = "",
    /// Milliseconds for the request as a whole. It shortens the time that the policy allows, and cannot lengthen it. 0: the policy's.
    timeout_ms: u64 = 0,
    /// Memory for the response, freed as a whole. Null: the context's arena. A loop of large responses needs one of its own.
    arena: ?Allocator = null,
};

pub const Response = struct {
    status: u16,
    /// Names are in canonical form, such as `Content-Type`.
    headers: []const Header,
    body: []const u8,

    /// The first header of that name, in whatever case. Null: there is none.
    pub fn header(response: Response, name: []const u8) ?[]const u8 {
        for (response.headers) |candidate| {
            if (std.ascii.eqlIgnoreCase(candidate.name, name)) return candidate.value;
        }
        return null;
    }
};

/// Sends a request and waits for the whole response. A status of 400 or more is a response like any other, and so is a redirect,
/// unless the operator lets the host follow it.
///
/// `error.AccessDenied`: the policy denies it; the host's sentence says what would allow it. `error.InvalidRequest`: the URL, the method or
/// a header is not valid. `error.TooLarge`: headers above 64 KiB, or a body above the policy's limit. `error.Timeout`.
/// `error.RequestCanceled`: the activity was interrupted. `error.InputOutput`: the server cannot be reached, or does not answer as it should.
/// A request that failed with one of the last four may have been carried out.
pub fn send(ctx: *Context, request: Request) Error!Response {
    const arena = request.arena orelse ctx.arena;
    const Head = struct { status: u16, headers: ?frame.Object([]const []const u8) };
    const response = try module.callFrame(ctx, arena, Head, "send", .{
        .method = request.method,
        .url = request.url,
        .headers = RequestHeaders{ .list = request.headers },
        .timeout_ms = if (request.timeout_ms > 0) @as(?u64, request.timeout_ms) else null,
    }, &.{request.body});
    const names = if (response.head.headers) |headers| headers.fields else &.{};
    var headers: std.ArrayList(Header) = .empty;
    for (names) |field| {
        for (field.value) |value| try headers.append(arena, .{ .name = field.name, .value = value });
    }
    return .{ .status = response.head.status, .headers = headers.items, .body = response.body };
}

/// As an object from names to lists. Lists of equal names are joined, since an object must not have a name twice.
const RequestHeaders = struct {
    list: []const Header,

    pub fn jsonStringify(headers: RequestHeaders, writer: anytype) !void {
        try writer.beginObject();
        for (headers.list, 0..) |header, i| {
            if (find(headers.list[0..i], header.name)) continue;
            try writer.objectField(header.name);
            try writer.beginArray();
            for (headers.list[i..]) |other| {
                if (std.ascii.eqlIgnoreCase(other.name, header.name)) try writer.write(other.value);
            }
            try writer.endArray();
        }
        try writer.endObject();
    }

    fn find(list: []const Header, name: []const u8) bool {
        for (list) |header| {
            if (std.ascii.eqlIgnoreCase(header.name, name)) return true;
        }
        return false;
    }
};
