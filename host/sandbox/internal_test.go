package sandbox

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"syscall"
	"testing"

	"github.com/wasmworker/wasmworker/abi"
	"github.com/wasmworker/wasmworker/host/internal/image"
	"github.com/wasmworker/wasmworker/host/modules"
	"github.com/wasmworker/wasmworker/host/passthrough"
)

// What the fence lets guests import is what there is.
func TestActivityFunctions(t *testing.T) {
	got := slices.Sorted(maps.Keys(activityFuncs))
	if want := slices.Sorted(maps.Keys(passthrough.Builtin(abi.ModuleActivity))); !slices.Equal(got, want) {
		t.Errorf("the functions are\n%v, and guests may import\n%v", got, want)
	}
}

// That the system has no memory for the code of a module does not refuse it for good.
func TestNoMemoryForCode(t *testing.T) {
	m := &Module{file: &modules.File{Path: "x.wasm"}}
	fails := func(with any) (err error) {
		defer m.recovered(&err)
		panic(with)
	}
	if err := fails(syscall.ENOMEM); !errors.Is(err, errSystemMemory) {
		t.Errorf("without memory: %v", err)
	}
	if _, its := errors.AsType[*moduleError](fails([]int{})); !its {
		t.Error("another panic is not the module's")
	}
}

// The metadata of an output is charged for as it is, however often it has been changed.
func TestMetadataIsChargedOnce(t *testing.T) {
	memory, err := image.NewMemory(image.Config{})
	if err != nil {
		t.Fatal(err)
	}
	defer memory.Close()
	c := &call{module: &Module{options: DefaultOptions()}, task: &Task{}, memory: memory, metadataSize: guessedMetadata}
	if err := c.write(make([]byte, 100)); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		for _, size := range []int{10, 1000} {
			metadata := map[string][]byte{"a": make([]byte, size)}
			if err := c.describe(metadata); err != nil {
				t.Fatal(err)
			}
			if got, most := memory.Held(image.Output), uint64(100+metadataSize(metadata)); got > most || got < 100 {
				t.Errorf("with %d bytes in the metadata, %d are charged; want 100 to %d", size, got, most)
			}
		}
	}
}

// An error of the system that may pass does not make a module slow for good; that it has
// no such thing does.
func TestErrorsThatPass(t *testing.T) {
	for err, want := range map[error]bool{syscall.EMFILE: true, syscall.ENFILE: true, syscall.ENOMEM: true, syscall.EAGAIN: true, syscall.ENOSYS: false, syscall.EPERM: false} {
		if got := passes(fmt.Errorf("image: %w", &os.SyscallError{Syscall: "memfd_create", Err: err})); got != want {
			t.Errorf("%v: %t", err, got)
		}
	}
}
