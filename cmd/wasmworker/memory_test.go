package main

import (
	"math"
	"strings"
	"testing"
)

func TestAutoLeavesRoom(t *testing.T) {
	const MiB, GiB = 1 << 20, 1 << 30
	for _, tt := range []struct {
		memory memory
		want   uint64
		text   string // of the source, or of the error
	}{
		{memory{container: 4 * GiB, physical: 64 * GiB}, 3 * GiB, "container (cgroup) of 4.0 GiB"},
		{memory{container: 512 * MiB, physical: 64 * GiB}, 256 * MiB, "container (cgroup) of 512 MiB"},
		{memory{container: 64 * GiB, physical: 2 * GiB}, 1536 * MiB, "the physical memory of 2.0 GiB"},
		{memory{physical: 8 * GiB}, 6 * GiB, "the physical memory of 8.0 GiB"},
		{memory{container: 1 * GiB}, 768 * MiB, "container (cgroup) of 1.0 GiB"},
		{memory{container: 256 * MiB, physical: 8 * GiB}, 0, "is 256 MiB, which leaves nothing for guests beside the 256 MiB for the worker itself; raise it"},
		{memory{}, 0, "name a size"},
	} {
		limit, source, err := tt.memory.auto()
		if err != nil {
			source = err.Error()
		}
		if limit != tt.want || !strings.Contains(source, tt.text) {
			t.Errorf("%+v: got %d from %q (error %v), want %d from %q", tt.memory, limit, source, err, tt.want, tt.text)
		}
	}
}

func TestMostMemory(t *testing.T) {
	small, large, few := demand{10, 0}, demand{100, 0}, demand{500, 2}
	for _, tt := range []struct {
		slots   int
		modules []demand
		want    uint64
	}{
		{10, []demand{small}, 100},
		{10, []demand{small, large}, 1000}, // all are of the one that may have most
		{10, []demand{small, few, large}, 2*500 + 8*100},
		{10, []demand{few}, 1000},
		{0, []demand{small}, math.MaxUint64},
		{-1, []demand{small}, math.MaxUint64},
	} {
		if got := mostMemory(tt.slots, tt.modules); got != tt.want {
			t.Errorf("%d slots: got %d, want %d", tt.slots, got, tt.want)
		}
	}
}
