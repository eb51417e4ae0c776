//! Statistics of delays that can be taken chunk by chunk, and put together without a loss: MeasureDelays counts, and
//! SummariseDelays adds the counts up and derives quantiles and means from them, exactly.

const std = @import("std");
const wasmworker = @import("wasmworker");

comptime {
    wasmworker.exportActivity("MeasureDelays", measureDelays);
    wasmworker.exportActivity("SummariseDelays", summariseDelays);
}
pub const panic = wasmworker.panic;
pub const std_options = wasmworker.std_options;

/// The columns that matter here; unknown ones are ignored.
const Flights = struct {
    hours: []const u8,
    delays: []const i32,
};

const Hour = struct {
    flights: u32 = 0,
    delayed: u32 = 0, // by a quarter of an hour or more, as airlines and authorities count
};

const delayed_from = 15; // minutes

/// How many flights had which delay.
const Measure = struct {
    hours: []const Hour, // 24
    least: i32, // the delay that the first count is of
    counts: []const u32, // of each minute from there on; none if there are no flights
};

pub fn measureDelays(ctx: *wasmworker.Context, flights: Flights) !Measure {
    if (flights.hours.len != flights.delays.len)
        return ctx.fail(.{ .type = "BadColumns", .message = "the columns are not equally long", .non_retryable = true });
    const hours = try emptyHours(ctx);
    if (flights.delays.len == 0) return .{ .hours = hours, .least = 0, .counts = &.{} };

    const least, const most = std.mem.minMax(i32, flights.delays);
    const counts = try ctx.arena.alloc(u32, @intCast(most - least + 1));
    @memset(counts, 0);
    for (flights.hours, flights.delays) |hour, delay| {
        if (hour >= hours.len)
            return ctx.fail(.{ .type = "BadColumns", .message = "a day has 24 hours", .non_retryable = true });
        hours[hour].flights += 1;
        hours[hour].delayed += @intFromBool(delay >= delayed_from);
        counts[@intCast(delay - least)] += 1;
    }
    return .{ .hours = hours, .least = least, .counts = counts };
}

const Summary = struct {
    flights: u64,
    delayed: u64,
    mean: f64, // minutes
    median: i32,
    p90: i32,
    p99: i32,
    least: i32,
    most: i32,
    hours: []const Hour,
};

pub fn summariseDelays(ctx: *wasmworker.Context, measures: []const Measure) !Summary {
    const hours = try emptyHours(ctx);
    var least: i32 = std.math.maxInt(i32);
    var end: i32 = std.math.minInt(i32);
    for (measures) |m| {
        if (m.hours.len != hours.len)
            return ctx.fail(.{ .type = "BadColumns", .message = "a day has 24 hours", .non_retryable = true });
        for (hours, m.hours) |*sum, hour| {
            sum.flights += hour.flights;
            sum.delayed += hour.delayed;
        }
        if (m.counts.len == 0) continue;
        least = @min(least, m.least);
        end = @max(end, m.least + @as(i32, @intCast(m.counts.len)));
    }
    if (end < least) return ctx.fail(.{ .type = "NoFlights", .message = "there are no flights", .non_retryable = true });

    const counts = try ctx.arena.alloc(u64, @intCast(end - least));
    @memset(counts, 0);
    for (measures) |m| {
        for (m.counts, 0..) |count, i| counts[@intCast(m.least - least + @as(i32, @intCast(i)))] += count;
    }
    var flights: u64 = 0;
    var delayed: u64 = 0;
    var minutes: i64 = 0;
    for (counts, 0..) |count, i| {
        const delay = least + @as(i32, @intCast(i));
        flights += count;
        if (delay >= delayed_from) delayed += count;
        minutes += delay * @as(i64, @intCast(count));
    }
    const quantiles: Quantiles = .{ .counts = counts, .total = flights, .least = least };
    return .{
        .flights = flights,
        .delayed = delayed,
        .mean = @as(f64, @floatFromInt(minutes)) / @as(f64, @floatFromInt(flights)),
        .median = quantiles.at(50),
        .p90 = quantiles.at(90),
        .p99 = quantiles.at(99),
        .least = least,
        .most = end - 1, // the last count of a chunk is not 0
        .hours = hours,
    };
}

const Quantiles = struct {
    counts: []const u64,
    total: u64,
    least: i32,

    /// The nearest rank: the least delay that so many per cent of the flights do not exceed.
    fn at(q: Quantiles, percent: u64) i32 {
        const rank = (q.total * percent + 99) / 100;
        var sum: u64 = 0;
        for (q.counts, 0..) |count, i| {
            sum += count;
            if (sum >= rank) return q.least + @as(i32, @intCast(i));
        }
        unreachable;
    }
};

fn emptyHours(ctx: *wasmworker.Context) ![]Hour {
    const hours = try ctx.arena.alloc(Hour, 24);
    @memset(hours, .{});
    return hours;
}

test "two chunks make one summary" {
    var host: wasmworker.testing.Host = .init(std.testing.allocator);
    defer host.deinit();
    const one = try host.run(measureDelays, .{.{ .hours = &[_]u8{ 0, 23, 23 }, .delays = &[_]i32{ -5, 15, 14 } }});
    const measured = one.completed.?.data;
    try std.testing.expect(std.mem.startsWith(u8, measured, "{\"hours\":[{\"flights\":1,\"delayed\":0},"));
    try std.testing.expect(std.mem.endsWith(u8, measured, "{\"flights\":2,\"delayed\":1}],\"least\":-5,\"counts\":[1,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,1,1]}"));
}

test "columns of different lengths" {
    var host: wasmworker.testing.Host = .init(std.testing.allocator);
    defer host.deinit();
    const outcome = try host.run(measureDelays, .{.{ .hours = &[_]u8{}, .delays = &[_]i32{1} }});
    try std.testing.expectEqualStrings("BadColumns", outcome.failed.type);
}
