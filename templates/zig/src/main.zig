const std = @import("std");
const wasmworker = @import("wasmworker");

comptime {
    wasmworker.activities(@This()); // each pub fn is an activity
}
pub const panic = wasmworker.panic;
pub const std_options = wasmworker.std_options;

const Input = struct { name: []const u8 };
const Output = struct { greeting: []const u8, attempt: u32 };

/// Greets somebody by name.
pub fn greet(ctx: *wasmworker.Context, in: Input) !Output {
    if (in.name.len == 0) {
        return ctx.fail(.{ .type = "EmptyName", .message = "whom shall I greet? the name is empty", .non_retryable = true });
    }
    ctx.log(.info, "greeting", .{ .name = in.name });
    const info = try ctx.info();
    return .{
        .greeting = try std.fmt.allocPrint(ctx.arena, "Hello, {s}!", .{in.name}),
        .attempt = info.attempt,
    };
}

test greet {
    var host: wasmworker.testing.Host = .init(std.testing.allocator);
    defer host.deinit();
    host.info.attempt = 2;

    const greeted = try host.run(greet, .{.{ .name = "Ada" }});
    try std.testing.expectEqualStrings("{\"greeting\":\"Hello, Ada!\",\"attempt\":2}", greeted.completed.?.data);

    const refused = try host.run(greet, .{.{ .name = "" }});
    try std.testing.expectEqualStrings("EmptyName", refused.failed.type);
    try std.testing.expect(refused.failed.non_retryable);
}
