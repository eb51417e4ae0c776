//! Values of secrets, `wasmworker:secret/v1`. Most modules need none: `{{secret:NAME}}` in the header of a request stands for a
//! secret (`wasmworker.http`), and connections and buckets have theirs from the operator.

const Context = @import("context.zig").Context;
const passthrough = @import("passthrough.zig");

const module = passthrough.Passthrough("secret", 1);

pub const Error = passthrough.CallError;

/// The value of a secret, in memory of `ctx.arena`. Keep it out of results, failures and logs: Temporal stores those.
///
/// `error.AccessDenied`: the operator's policy does not reveal it, whether there is one of that name or not. `error.InputOutput`: it cannot
/// be read at the moment.
pub fn reveal(ctx: *Context, name: []const u8) Error![]const u8 {
    return module.call(ctx, "reveal", name);
}
