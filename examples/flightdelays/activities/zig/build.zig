const std = @import("std");
const wasmworker = @import("wasmworker");

pub fn build(b: *std.Build) void {
    const activities = wasmworker.addActivities(b, .{
        .name = "measure",
        .root_source_file = b.path("src/main.zig"),
    });
    b.getInstallStep().dependOn(&b.addInstallFile(activities.getEmittedBin(), "measure.wasm").step);

    const tests = wasmworker.addActivityTests(b, .{ .root_source_file = b.path("src/main.zig") });
    b.step("test", "Run the tests, natively").dependOn(&b.addRunArtifact(tests).step);
}
