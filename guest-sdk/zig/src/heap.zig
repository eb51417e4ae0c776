//! The allocator behind the contexts' `gpa` and `arena` in a WebAssembly module.
//!
//! Small allocations are `std.heap.wasm_allocator`'s. Of large ones that makes powers of two, so that 100 MB take 128 MiB and are
//! never used for 120 MB, and beyond 1 GiB it reads outside of its tables (Zig 0.16). Here they are spans of
//! memory of the size that is needed, which are split and joined.

const std = @import("std");
const Allocator = std.mem.Allocator;
const Alignment = std.mem.Alignment;

/// Spans begin at multiples of this, and so are aligned to it.
const unit = 4096;

/// What is larger is a span.
const small = 2048;

pub const allocator: Allocator = .{
    .ptr = undefined,
    .vtable = &.{ .alloc = alloc, .resize = resize, .remap = remap, .free = free },
};

const small_allocator = std.heap.wasm_allocator;
var spans: Spans(GuestMemory) = .{};

fn isSpan(len: usize, alignment: Alignment) bool {
    return @max(len, alignment.toByteUnits()) > small;
}

fn alloc(_: *anyopaque, len: usize, alignment: Alignment, ret: usize) ?[*]u8 {
    if (!isSpan(len, alignment)) return small_allocator.rawAlloc(len, alignment, ret);
    if (alignment.toByteUnits() > unit) return null;
    return spans.alloc(len);
}

fn resize(_: *anyopaque, memory: []u8, alignment: Alignment, len: usize, ret: usize) bool {
    const is_span = isSpan(memory.len, alignment);
    if (is_span != isSpan(len, alignment)) return false;
    return if (is_span) spans.resize(memory, len) else small_allocator.rawResize(memory, alignment, len, ret);
}

fn remap(ptr: *anyopaque, memory: []u8, alignment: Alignment, len: usize, ret: usize) ?[*]u8 {
    return if (resize(ptr, memory, alignment, len, ret)) memory.ptr else null;
}

fn free(_: *anyopaque, memory: []u8, alignment: Alignment, ret: usize) void {
    if (isSpan(memory.len, alignment)) spans.free(memory) else small_allocator.rawFree(memory, alignment, ret);
}

/// Memory that can only grow. The other allocator grows it, too.
const GuestMemory = struct {
    /// The address after the memory.
    fn end() usize {
        return @wasmMemorySize(0) * std.wasm.page_size; // wraps to 0 for 4 GiB, which no host gives
    }

    /// Grows it by at least `len` bytes and returns the address of the new ones, 0 if there are none to have.
    fn grow(len: usize) usize {
        const old = @wasmMemoryGrow(0, std.math.divCeil(usize, len, std.wasm.page_size) catch unreachable);
        return if (old < 0) 0 else @as(usize, @intCast(old)) * std.wasm.page_size;
    }
};

fn Spans(comptime Memory: type) type {
    return struct {
        const Self = @This();

        /// Free spans in the order of their addresses. No two of them touch.
        first: ?*Free = null,

        const Free = struct {
            next: ?*Free,
            len: usize,

            fn end(span: *Free) usize {
                return @intFromPtr(span) + span.len;
            }
        };

        fn roundUp(len: usize) ?usize {
            if (len > std.math.maxInt(isize) - unit) return null;
            return std.mem.alignForward(usize, len, unit);
        }

        fn alloc(self: *Self, wanted: usize) ?[*]u8 {
            const len = roundUp(wanted) orelse return null;
            var last: ?*Free = null;
            var link = &self.first;
            while (link.*) |span| : (link = &span.next) {
                if (span.len >= len) return take(link, len);
                last = span;
            }
            // A free span at the memory's end needs only the rest.
            const have = if (last) |span| (if (span.end() == Memory.end()) span.len else 0) else 0;
            const begin = Memory.grow(len - have);
            if (begin == 0) return null;
            self.release(begin, Memory.end() - begin);
            return self.alloc(len); // finds what has just been added
        }

        fn take(link: *?*Free, len: usize) [*]u8 {
            const span = link.*.?;
            if (span.len > len) {
                const rest: *Free = @ptrFromInt(@intFromPtr(span) + len);
                rest.* = .{ .next = span.next, .len = span.len - len };
                link.* = rest;
            } else {
                link.* = span.next;
            }
            return @ptrCast(span);
        }

        fn free(self: *Self, memory: []u8) void {
            self.release(@intFromPtr(memory.ptr), roundUp(memory.len).?);
        }

        fn release(self: *Self, begin: usize, len: usize) void {
            const new: *Free = @ptrFromInt(begin);
            var before: ?*Free = null;
            var after = self.first;
            while (after) |span| : (after = span.next) {
                if (@intFromPtr(span) > begin) break;
                before = span;
            }
            new.* = .{ .next = after, .len = len };
            if (after) |span| if (new.end() == @intFromPtr(span)) {
                new.* = .{ .next = span.next, .len = len + span.len };
            };
            const span = before orelse {
                self.first = new;
                return;
            };
            if (span.end() == begin) {
                span.* = .{ .next = new.next, .len = span.len + new.len };
            } else {
                span.next = new;
            }
        }

        fn resize(self: *Self, memory: []u8, wanted: usize) bool {
            const len = roundUp(wanted) orelse return false;
            const begin = @intFromPtr(memory.ptr);
            const old = roundUp(memory.len).?;
            if (len < old) self.release(begin + len, old - len);
            if (len <= old) return true;
            var link = &self.first;
            while (link.*) |span| : (link = &span.next) {
                if (@intFromPtr(span) == begin + old and span.len >= len - old) {
                    _ = take(link, len - old);
                    return true;
                }
            }
            return false;
        }
    };
}

const testing = std.testing;

/// 64 pages, of which another allocator takes one from time to time.
const TestMemory = struct {
    const page = 65536;
    var bytes: [64 * page]u8 align(page) = undefined;
    var pages: usize = 0;

    fn end() usize {
        return @intFromPtr(&bytes) + pages * page;
    }
    fn grow(len: usize) usize {
        const more = (len + page - 1) / page;
        if (pages + more > 64) return 0;
        const old = end();
        pages += more;
        return old;
    }
};

test "spans are split, joined and used again" {
    TestMemory.pages = 0;
    var s: Spans(TestMemory) = .{};
    const a = s.alloc(100_000).?[0..100_000];
    try testing.expectEqual(2, TestMemory.pages);
    const b = s.alloc(3000).?[0..3000]; // from the rest
    try testing.expectEqual(a.ptr + 25 * unit, b.ptr);
    try testing.expect(!s.resize(a, 110_000)); // b is in the way
    try testing.expect(s.resize(a, 50_000));
    try testing.expect(s.resize(a[0..50_000], 102_400));
    s.free(a.ptr[0..102_400]);
    s.free(b);
    try testing.expectEqual(2 * TestMemory.page, s.first.?.len);
    try testing.expectEqual(null, s.first.?.next);
    const c = s.alloc(3 * TestMemory.page).?; // takes one more page alone
    try testing.expectEqual(a.ptr, c);
    try testing.expectEqual(3, TestMemory.pages);
    try testing.expectEqual(null, s.alloc(62 * TestMemory.page));
    try testing.expectEqual(null, s.alloc(std.math.maxInt(usize)));
}

test "no two spans overlap, and none gets lost" {
    TestMemory.pages = 0;
    var s: Spans(TestMemory) = .{};
    var prng: std.Random.DefaultPrng = .init(7);
    const random = prng.random();
    var live: [40]?[]u8 = @splat(null);
    var foreign: usize = 0;
    for (0..20_000) |round| {
        const i = random.uintLessThan(usize, live.len);
        if (random.uintLessThan(u8, 200) == 0 and foreign < 8) foreign += @intFromBool(TestMemory.grow(1) != 0);
        if (live[i]) |memory| {
            for (memory) |byte| try testing.expectEqual(@as(u8, @intCast(i)), byte);
            const len = random.intRangeAtMost(usize, small + 1, 60_000);
            if (round % 3 == 0 and s.resize(memory, len)) {
                live[i] = memory.ptr[0..len];
                @memset(live[i].?, @intCast(i));
            } else {
                s.free(memory);
                live[i] = null;
            }
        } else {
            const len = random.intRangeAtMost(usize, small + 1, 60_000);
            const memory = (s.alloc(len) orelse continue)[0..len];
            @memset(memory, @intCast(i));
            live[i] = memory;
        }
    }
    for (live) |maybe| if (maybe) |memory| s.free(memory);
    var total: usize = 0;
    var span = s.first;
    while (span) |it| : (span = it.next) total += it.len;
    try testing.expectEqual((TestMemory.pages - foreign) * TestMemory.page, total);
}
