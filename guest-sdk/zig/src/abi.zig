//! Names and numbers of the guest contract, abi/SPEC.md.

const std = @import("std");

pub const encoding_json = "json/plain";
pub const encoding_protobuf_json = "json/protobuf";
pub const encoding_binary = "binary/plain";
pub const encoding_null = "binary/null";

pub const status_completed = 0;
pub const status_failed = 1;
pub const status_cancelled = 2;

/// What is asked of the running attempt. Flags stay set once they are.
pub const Status = packed struct(u32) {
    /// Somebody asked Temporal to cancel the activity.
    cancel_requested: bool = false,
    /// The worker is shutting down. The attempt may finish within the operator's graceful timeout.
    worker_stopping: bool = false,
    /// An operator paused the activity.
    paused: bool = false,
    /// An operator reset the activity: its next attempt begins anew.
    reset: bool = false,
    /// Temporal does not wait for this attempt any more; its result will be dropped.
    gone: bool = false,
    _: u27 = 0,

    /// Whether any flag is set, that of a stopping worker included.
    pub fn shouldStop(status: Status) bool {
        return @as(u32, @bitCast(status)) != 0;
    }
};

/// Why a host function refused: the error numbers of WASI preview 1. `@tagName` is for the named ones only; a host
/// module may use others.
pub const Errno = enum(u16) {
    @"2BIG" = 1,
    ACCES = 2,
    AGAIN = 6,
    BADF = 8,
    BUSY = 10,
    CANCELED = 11,
    EXIST = 20,
    INTR = 27,
    INVAL = 28,
    IO = 29,
    MFILE = 33,
    MSGSIZE = 35,
    NOENT = 44,
    NOSYS = 52,
    NOTSUP = 58,
    PERM = 63,
    TIMEDOUT = 73,
    NOTCAPABLE = 76,
    _,

    /// The number in a host function's negative result.
    pub fn fromResult(result: i64) Errno {
        std.debug.assert(result < 0);
        return @enumFromInt(std.math.cast(u16, -%result) orelse std.math.maxInt(u16));
    }

    /// Prints the name as C has it, such as `EACCES`.
    pub fn format(errno: Errno, writer: *std.Io.Writer) std.Io.Writer.Error!void {
        if (std.enums.tagName(Errno, errno)) |name| return writer.print("E{s}", .{name});
        try writer.print("errno {d}", .{@intFromEnum(errno)});
    }
};

/// The number of a log level, as in Go's slog.
pub fn logLevel(level: std.log.Level) i32 {
    return switch (level) {
        .debug => -4,
        .info => 0,
        .warn => 4,
        .err => 8,
    };
}
