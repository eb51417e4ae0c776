package sandbox

import (
	"maps"
	"slices"
	"testing"

	"github.com/wasmworker/wasmworker/abi"
	"github.com/wasmworker/wasmworker/host/passthrough"
)

// What the fence lets guests import is what there is.
func TestActivityFunctions(t *testing.T) {
	got := slices.Sorted(maps.Keys(activityFuncs))
	if want := slices.Sorted(maps.Keys(passthrough.Always(abi.ModuleActivity))); !slices.Equal(got, want) {
		t.Errorf("the functions are\n%v, and guests may import\n%v", got, want)
	}
}

// A memory that doubles to avoid copies does not take more than its limit for that.
func TestLinearMemory(t *testing.T) {
	m := &linearMemory{limit: 100}
	for _, tt := range []struct{ size, capacity int }{{10, 10}, {11, 20}, {20, 20}, {30, 40}, {60, 80}, {81, 100}, {100, 100}} {
		buf := m.Reallocate(uint64(tt.size))
		if len(buf) != tt.size || cap(buf) != tt.capacity {
			t.Fatalf("%d bytes became %d with room for %d, want %d", tt.size, len(buf), cap(buf), tt.capacity)
		}
	}
	if m.refused || m.Reallocate(101) != nil || !m.refused {
		t.Error("more than the limit was not refused, or something else was")
	}
}
