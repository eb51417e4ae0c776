package sandbox_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/wasmworker/wasmworker/abi"
	"github.com/wasmworker/wasmworker/host/modules"
	"github.com/wasmworker/wasmworker/host/passthrough"
	"github.com/wasmworker/wasmworker/host/sandbox"
)

// uses renders what a module has.
func uses(m *sandbox.Module) string {
	var all []string
	for _, use := range m.MemoryUse() {
		all = append(all, fmt.Sprintf("%s %d", use.Part, use.Bytes))
	}
	return strings.Join(all, ", ")
}

// Responses that are open count against the memory limit of the module, beyond 8 MiB, and
// against that of all instances. The guest sees ENOMEM, and all of it is given back.
func TestOpenResponsesAreCounted(t *testing.T) {
	response := bytes.Repeat([]byte("x"), 1<<20)
	for name, tt := range map[string]struct {
		own, total uint64 // limits
		open       int64
	}{
		// the module has 32 MiB of memory, so 1 MiB and the 8 that are free
		"memory_limit": {own: 33<<20 + 64<<10, open: 9},
		// the image and one instance; 64 KiB are free
		"total_memory_limit": {own: 256 << 20, total: 64<<20 + 4<<20, open: 4},
	} {
		t.Run(name, func(t *testing.T) {
			var held string
			var s *sandbox.Sandbox
			calls := 0
			set := greeter(t, func(context.Context, *passthrough.Call, []byte) ([]byte, error) {
				if calls++; calls == 3 {
					held = uses(s.Modules()[0])
				}
				return response, nil
			})
			s = start(t, sandbox.Config{
				Modules: files(t, "handles"), Passthrough: set, MemoryLimit: tt.total,
				Defaults: sandbox.Options{Passthrough: set.Names(), MemoryLimit: tt.own, Isolation: sandbox.IsolationPristine},
			})
			for range 2 {
				calls = 0
				got := results(t, run(t, s, "Hoard", raw("x")))
				equal(t, "opened, refused", got[:2], []int64{tt.open, -int64(abi.ENOMEM)})
				equal(t, "after one was closed", got[2] == 0 && got[3] > tt.open, true)
				if !strings.Contains(held, "open responses 2097152, requests 1") {
					t.Errorf("with two open the module has %s", held)
				}
				equal(t, "afterwards", uses(s.Modules()[0]), "memory 33554432, images 33554432, globals 80")
			}
		})
	}
}

// What instances have from their beginning on beside their memory is counted: a module
// with 300,000 passive elements, of which the runtime holds 14 MB for each instance.
func TestElementSegmentsAreCounted(t *testing.T) {
	segment := slices.Concat([]byte{1, 0}, leb(300_000), make([]byte, 300_000))
	binary := module(
		section(1, vec(funcType(nil, []byte{0x7f}), funcType([]byte{0x7f, 0x7f}, []byte{0x7e}))),
		section(2, vec(hostImport(abi.ModuleActivity, "output_write", 1))),
		section(3, vec([]byte{0})),
		section(5, vec([]byte{0, 1})),
		section(7, vec(export("A", 0, 1))),
		section(9, vec(segment)),
		section(10, vec(sized([]byte{0, 0x41, 0, 0x0b}))))
	file, err := modules.Parse("elements", binary)
	if err != nil {
		t.Fatal(err)
	}
	_, err = sandbox.New(sandbox.Config{Modules: []*modules.File{file}, Defaults: sandbox.Options{MemoryLimit: 5 << 20}})
	if err == nil || !strings.Contains(err.Error(), "elements: refused, because it needs 0.0625 MiB of memory at the start, and the host 13.73 MiB for its tables, globals and element segments") {
		t.Errorf("under a memory limit of 5 MiB: %v", err)
	}
	s, err := sandbox.New(sandbox.Config{Modules: []*modules.File{file}, MemoryLimit: 12 << 20})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close(t.Context())
	if err := s.Compile(t.Context()); !errors.Is(err, sandbox.ErrMemoryLimit) {
		t.Errorf("under 12 MiB for all: %v", err)
	}
	s = start(t, sandbox.Config{Modules: []*modules.File{file}, MemoryLimit: 15 << 20, Defaults: sandbox.Options{Isolation: sandbox.IsolationPristine}})
	run(t, s, "A")
	equal(t, "what it has", uses(s.Modules()[0]), "memory 65536, images 65536, element segments 14400000")
}

// An output for which the host has no room is a failure, whatever the guest makes of it:
// this one takes no notice. The response leaves it nothing but the 64 KiB that are free,
// less what it has in globals.
func TestOutputIsCounted(t *testing.T) {
	set := greeter(t, func(context.Context, *passthrough.Call, []byte) ([]byte, error) {
		return make([]byte, 4<<20+64<<10-80), nil
	})
	s := start(t, sandbox.Config{
		Modules: files(t, "handles"), Passthrough: set, MemoryLimit: 64<<20 + 4<<20,
		Defaults: sandbox.Options{Passthrough: set.Names(), Isolation: sandbox.IsolationPristine},
	})
	_, err := s.Run(t.Context(), sandbox.Task{Activity: "Raw", Args: []sandbox.Payload{raw("x")}})
	f := failure(t, err, abi.TypeOutOfMemory)
	if want := "module handles ran out of memory: its output was refused (ENOMEM: the host was to hold 8 more bytes for the activity (output), which are more"; !strings.HasPrefix(f.Message, want) {
		t.Errorf("message %q", f.Message)
	}
}
