//! Settings that the operator gives a module by name, `wasmworker:config/v1`.
//!
//! ```zig
//! const region = try wasmworker.config.get(ctx, "region") orelse "eu";
//! ```

const Context = @import("context.zig").Context;
const passthrough = @import("passthrough.zig");

const module = passthrough.Passthrough("config", 1);

pub const Error = passthrough.CallError;

/// The value of a name, in memory of `ctx.arena`. Null: the operator gave this module none.
pub fn get(ctx: *Context, name: []const u8) Error!?[]const u8 {
    return module.call(ctx, "get", name) catch |err| switch (err) {
        error.NotFound => null,
        else => err,
    };
}
