const std = @import("std");

pub fn build(b: *std.Build) void {
    const sdk = b.addModule("wasmworker", .{ .root_source_file = b.path("src/wasmworker.zig") });

    const tests = b.addTest(.{ .root_module = b.createModule(.{
        .root_source_file = sdk.root_source_file,
        .target = b.standardTargetOptions(.{}),
        .optimize = b.standardOptimizeOption(.{}),
    }) });
    b.step("test", "Run the SDK's tests").dependOn(&b.addRunArtifact(tests).step);
}

/// How `addActivities` builds.
pub const Options = struct {
    /// The name of the .wasm file, without the extension.
    name: []const u8,
    root_source_file: std.Build.LazyPath,
    /// `.ReleaseSmall` makes a module a third smaller, without the checks of bounds and overflows: what would be a panic,
    /// and a failed attempt, can then be a wrong result.
    optimize: std.builtin.OptimizeMode = .ReleaseSafe,
    /// Bytes of the guest's stack. Every instance has one, so a small one lets more of them fit.
    stack_size: u64 = 64 << 10,
};

/// Builds a module of activities: to be called from the build.zig of a project that has this package as a dependency.
/// `b.installArtifact` it, or use `getEmittedBin`. Further imports can be added to its `root_module`.
pub fn addActivities(b: *std.Build, options: Options) *std.Build.Step.Compile {
    const exe = b.addExecutable(.{
        .name = options.name,
        .root_module = b.createModule(.{
            .root_source_file = options.root_source_file,
            .target = b.resolveTargetQuery(.{ .cpu_arch = .wasm32, .os_tag = .wasi }),
            .optimize = options.optimize,
            .strip = true,
            .imports = &.{sdkImport(b)},
        }),
    });
    // A WASI reactor: it has no main, and the host calls what it exports.
    exe.entry = .disabled;
    exe.rdynamic = true;
    exe.wasi_exec_model = .reactor;
    exe.stack_size = options.stack_size;
    return exe;
}

/// How `addActivityTests` builds.
pub const TestOptions = struct {
    root_source_file: std.Build.LazyPath,
};

/// Builds the tests of the same file, to be run natively: `b.addRunArtifact` it.
pub fn addActivityTests(b: *std.Build, options: TestOptions) *std.Build.Step.Compile {
    return b.addTest(.{ .root_module = b.createModule(.{
        .root_source_file = options.root_source_file,
        .target = b.graph.host,
        .imports = &.{sdkImport(b)},
    }) });
}

fn sdkImport(b: *std.Build) std.Build.Module.Import {
    return .{ .name = "wasmworker", .module = b.dependencyFromBuildZig(@This(), .{}).module("wasmworker") };
}
