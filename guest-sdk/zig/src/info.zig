const std = @import("std");
const json = @import("json.zig");

/// What is known about an attempt. Durations are milliseconds, times are milliseconds since 1970 (UTC).
pub const Info = struct {
    activity_id: []const u8 = "",
    activity_type: []const u8 = "",
    /// 1 for the first attempt, 2 for the next.
    attempt: u32 = 1,
    namespace: []const u8 = "",
    task_queue: []const u8 = "",
    /// The workflow that started the activity. The three are empty for a standalone activity.
    workflow_type: []const u8 = "",
    workflow_id: []const u8 = "",
    workflow_run_id: []const u8 = "",
    /// The run ID of a standalone activity, empty otherwise.
    activity_run_id: []const u8 = "",
    is_local_activity: bool = false,
    /// The longest time between two heartbeats. 0: no limit, as for the other timeouts.
    heartbeat_timeout_ms: u64 = 0,
    /// The longest time for this attempt.
    start_to_close_timeout_ms: u64 = 0,
    /// The longest time for all attempts together.
    schedule_to_close_timeout_ms: u64 = 0,
    scheduled_time_ms: ?i64 = null,
    started_time_ms: ?i64 = null,
    /// When this attempt times out. Null: never.
    deadline_ms: ?i64 = null,
    /// Null if the server did not send one.
    retry_policy: ?RetryPolicy = null,
    /// Null if the server did not send one.
    priority: ?Priority = null,

    pub const RetryPolicy = struct {
        initial_interval_ms: u64 = 0,
        backoff_coefficient: f64 = 0,
        maximum_interval_ms: u64 = 0,
        /// 0: no limit.
        maximum_attempts: u32 = 0,
        non_retryable_error_types: []const []const u8 = &.{},
    };

    pub const Priority = struct {
        priority_key: i32 = 0,
        fairness_key: []const u8 = "",
        fairness_weight: f64 = 0,
    };

    /// The host's names, which are Info's but for the times.
    const Times = struct {
        scheduled_time: ?[]const u8 = null,
        started_time: ?[]const u8 = null,
        deadline: ?[]const u8 = null,
    };

    /// For the SDK itself. The result points into `text` and `arena`.
    pub fn parse(arena: std.mem.Allocator, text: []const u8, problem: *[]const u8) json.Error!Info {
        var info = try json.decode(Info, arena, text, problem);
        const times = try json.decode(Times, arena, text, problem);
        if (times.scheduled_time) |time| info.scheduled_time_ms = parseTime(time);
        if (times.started_time) |time| info.started_time_ms = parseTime(time);
        if (times.deadline) |time| info.deadline_ms = parseTime(time);
        return info;
    }
};

/// Milliseconds since 1970 of a time such as 2026-01-02T15:04:05.123Z; null for what is not such a time.
pub fn parseTime(text: []const u8) ?i64 {
    if (text.len < "2026-01-02T15:04:05Z".len or text[text.len - 1] != 'Z') return null;
    for ([_]struct { usize, u8 }{ .{ 4, '-' }, .{ 7, '-' }, .{ 10, 'T' }, .{ 13, ':' }, .{ 16, ':' } }) |mark| {
        if (text[mark[0]] != mark[1]) return null;
    }
    const year = digits(text[0..4]) orelse return null;
    const month = digits(text[5..7]) orelse return null;
    const day = digits(text[8..10]) orelse return null;
    const hour = digits(text[11..13]) orelse return null;
    const minute = digits(text[14..16]) orelse return null;
    const second = digits(text[17..19]) orelse return null;
    if (month < 1 or month > 12) return null;
    var ms: i64 = 0;
    const fraction = text[19 .. text.len - 1];
    if (fraction.len > 0) {
        if (fraction.len < 2 or fraction[0] != '.') return null;
        var unit: i64 = 100;
        for (fraction[1..]) |c| {
            if (!std.ascii.isDigit(c)) return null;
            ms += unit * (c - '0');
            unit = @divTrunc(unit, 10);
        }
    }
    return (((daysSince1970(year, month, day) * 24 + hour) * 60 + minute) * 60 + second) * 1000 + ms;
}

fn digits(text: []const u8) ?i64 {
    var n: i64 = 0;
    for (text) |c| {
        if (!std.ascii.isDigit(c)) return null;
        n = n * 10 + (c - '0');
    }
    return n;
}

/// Counts years from March, so that a leap day is a year's last.
fn daysSince1970(year: i64, month: i64, day: i64) i64 {
    const y = if (month > 2) year else year - 1;
    const months_since_march = @mod(month + 9, 12);
    const day_of_year = @divFloor(153 * months_since_march + 2, 5) + day - 1;
    return 365 * y + @divFloor(y, 4) - @divFloor(y, 100) + @divFloor(y, 400) + day_of_year - 719468;
}

const testing = std.testing;

test parseTime {
    try testing.expectEqual(0, parseTime("1970-01-01T00:00:00Z"));
    try testing.expectEqual(951782400000, parseTime("2000-02-29T00:00:00Z"));
    try testing.expectEqual(1767366245123, parseTime("2026-01-02T15:04:05.123Z"));
    try testing.expectEqual(1767366245123, parseTime("2026-01-02T15:04:05.123456789Z"));
    try testing.expectEqual(1767366245500, parseTime("2026-01-02T15:04:05.5Z"));
    for ([_][]const u8{ "", "2026-01-02", "2026-01-02T15:04:05+01:00", "2026-13-02T15:04:05Z", "2026-01-02T15:04:05.Z", "2026-01-02T15:04:05,5Z" }) |bad| {
        try testing.expectEqual(null, parseTime(bad));
    }
}

test "a whole Info, and a standalone activity's" {
    var arena: std.heap.ArenaAllocator = .init(testing.allocator);
    defer arena.deinit();
    var problem: []const u8 = "";
    const info = try Info.parse(arena.allocator(),
        \\{"activity_id":"5","attempt":2,"later":"ignored","workflow_id":"order-17","heartbeat_timeout_ms":30000,
        \\ "deadline":"2026-01-02T15:04:05.123Z","retry_policy":{"backoff_coefficient":1.5,"non_retryable_error_types":["BadOrder"]}}
    , &problem);
    try testing.expectEqual(2, info.attempt);
    try testing.expectEqualStrings("order-17", info.workflow_id);
    try testing.expectEqual(30000, info.heartbeat_timeout_ms);
    try testing.expectEqual(1767366245123, info.deadline_ms);
    try testing.expectEqual(null, info.started_time_ms);
    try testing.expectEqual(1.5, info.retry_policy.?.backoff_coefficient);
    try testing.expectEqualStrings("BadOrder", info.retry_policy.?.non_retryable_error_types[0]);
    try testing.expectEqual(null, info.priority);
    try testing.expectEqualStrings("", (try Info.parse(arena.allocator(), "{}", &problem)).workflow_id);
}
