const std = @import("std");
const wasmworker = @import("wasmworker");

pub fn build(b: *std.Build) void {
    const activities = wasmworker.addActivities(b, .{
        .name = "my-activity",
        .root_source_file = b.path("src/main.zig"),
    });
    b.installArtifact(activities);

    const tests = wasmworker.addActivityTests(b, .{ .root_source_file = b.path("src/main.zig") });
    b.step("test", "Run the tests, natively").dependOn(&b.addRunArtifact(tests).step);
}
