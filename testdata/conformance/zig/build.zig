const std = @import("std");
const wasmworker = @import("wasmworker");

pub fn build(b: *std.Build) void {
    const activities = wasmworker.addActivities(b, .{
        .name = "conformance",
        .root_source_file = b.path("conformance.zig"),
        .optimize = .ReleaseSmall,
    });
    b.getInstallStep().dependOn(&b.addInstallFile(activities.getEmittedBin(), "conformance.wasm").step);
}
