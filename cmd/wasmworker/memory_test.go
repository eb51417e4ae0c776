package main

import (
	"math"
	"strings"
	"testing"

	"github.com/wasmworker/wasmworker/host/modules"
	"github.com/wasmworker/wasmworker/host/sandbox"
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
	module := func(limit, declared uint64, instances int) *sandbox.Module {
		return &sandbox.Module{File: &modules.File{MemoryMax: declared}, Options: sandbox.Options{MemoryLimit: limit, MaxInstances: instances}}
	}
	small, large, few := module(10, 0, 0), module(1000, 100, 0), module(500, 0, 2)
	for _, tt := range []struct {
		slots   int
		modules []*sandbox.Module
		want    uint64
	}{
		{10, []*sandbox.Module{small}, 100},
		{10, []*sandbox.Module{small, large}, 1000}, // all are of the one that may have most, which declares less than its limit
		{10, []*sandbox.Module{small, few, large}, 2*500 + 8*100},
		{10, []*sandbox.Module{few}, 1000},
		{0, []*sandbox.Module{small}, math.MaxUint64},
		{-1, []*sandbox.Module{small}, math.MaxUint64},
	} {
		if got := mostMemory(tt.slots, tt.modules); got != tt.want {
			t.Errorf("%d slots: got %d, want %d", tt.slots, got, tt.want)
		}
	}
}
