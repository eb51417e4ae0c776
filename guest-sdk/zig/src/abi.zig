//! What the numbers of the guest contract mean here. They are in contract.zig, which is generated.

const std = @import("std");
const contract = @import("contract.zig");

pub const Status = contract.Status;
pub const Errno = contract.Errno;

/// `Status.shouldStop`.
pub fn shouldStop(status: Status) bool {
    return @as(u32, @bitCast(status)) != 0;
}

/// `Errno.fromResult`.
pub fn errnoFromResult(result: i64) Errno {
    std.debug.assert(result < 0);
    return @enumFromInt(std.math.cast(u16, -%result) orelse std.math.maxInt(u16));
}

/// `Errno.format`.
pub fn formatErrno(errno: Errno, writer: *std.Io.Writer) std.Io.Writer.Error!void {
    if (std.enums.tagName(Errno, errno)) |name| return writer.print("E{s}", .{name});
    try writer.print("errno {d}", .{@intFromEnum(errno)});
}

/// The number of a log level, as in Go's slog.
pub fn logLevel(level: std.log.Level) i32 {
    return switch (level) {
        .debug => contract.level_debug,
        .info => contract.level_info,
        .warn => contract.level_warning,
        .err => contract.level_error,
    };
}
