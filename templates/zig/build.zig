const std = @import("std");
const wasmworker = @import("wasmworker");

pub fn build(b: *std.Build) void {
    const activities = wasmworker.addActivities(b, .{
        .name = "my-activity",
        .root_source_file = b.path("src/main.zig"),
    });
    b.installArtifact(activities);

    const tests = wasmworker.addActivityTests(b, .{ .root_source_file = b.path("src/main.zig") });
    const cases = b.addSystemCommand(&.{ "wasmworker", "test" }); // of the built module
    cases.setCwd(b.path("."));
    cases.step.dependOn(b.getInstallStep());

    const step = b.step("test", "Run the tests, natively, and the cases of greet.test.yaml");
    step.dependOn(&b.addRunArtifact(tests).step);
    step.dependOn(&cases.step);
}
