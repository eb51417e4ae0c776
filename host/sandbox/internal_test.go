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
	if want := slices.Sorted(maps.Keys(passthrough.Builtin(abi.ModuleActivity))); !slices.Equal(got, want) {
		t.Errorf("the functions are\n%v, and guests may import\n%v", got, want)
	}
}
