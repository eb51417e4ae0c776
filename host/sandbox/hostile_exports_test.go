package sandbox_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/wasmworker/wasmworker/abi"
	"github.com/wasmworker/wasmworker/host/modules"
	"github.com/wasmworker/wasmworker/host/sandbox"
)

// many is a module whose activity A never ends, with so many functions, mutable globals
// and exports, of which the first ones are of A's type, and so many local names.
func many(functions, globals, activities, exports, locals int) []byte {
	types, bodies := []byte{}, sized([]byte{0, 0x03, 0x40, 0x0c, 0, 0x0b, 0x41, 0, 0x0b})
	for range functions {
		types, bodies = append(types, typeNothing), append(bodies, 2, 0, 0x0b)
	}
	names, variables, localNames := export("A", 0, 1), []byte{}, []byte{}
	for i := range activities {
		names = append(names, export(fmt.Sprintf("activity%x", i), 0, 1)...)
	}
	for i := range exports {
		names = append(names, export(fmt.Sprintf("%x", i), 2, 0)...)
	}
	for range globals {
		variables = append(variables, 0x7f, 1, 0x41, 0, 0x0b)
	}
	for range locals {
		localNames = append(localNames, leb(uint64(functions+100))...)
		localNames = append(localNames, 0)
	}
	return module(
		section(sectionType, vec(builtTypes...)),
		section(sectionImport, vec(hostImport(abi.ModuleActivity, "status", typeActivity))),
		section(sectionFunction, leb(uint64(functions+1)), []byte{typeActivity}, types),
		section(sectionMemory, []byte{1, 0, 1}),
		section(sectionGlobal, leb(uint64(globals)), variables),
		section(sectionExport, leb(uint64(activities+exports+1)), names),
		section(sectionCode, leb(uint64(functions+1)), bodies),
		section(0, sized([]byte("name")), []byte{2}, sized(leb(uint64(locals)), localNames)),
	)
}

// To tell who was running, wazero compares each function with each export and each local
// name, when nothing can interrupt it.
func TestHostileExports(t *testing.T) {
	for _, tt := range []struct {
		name     string
		binary   []byte
		fallback string
	}{
		{"exports", many(40_000, 0, 0, 40_000, 0), ""},
		{"local names", many(40_000, 0, 0, 0, 40_000), ""},
		{"globals", many(40_000, 2_500, 0, 0, 0), "it has too many mutable globals for its many functions"}, // which the host exports
	} {
		t.Run(tt.name, func(t *testing.T) {
			m, err := modules.Parse("many", tt.binary)
			if err != nil {
				t.Fatal(err)
			}
			s := start(t, sandbox.Config{Modules: []*modules.File{m}, CacheDir: t.TempDir(), Defaults: sandbox.Options{Isolation: sandbox.IsolationPristine}})
			equal(t, "fallback", s.Modules()[0].Fallback(), tt.fallback)
			ctx, cancel := context.WithCancelCause(t.Context())
			var canceled time.Time
			time.AfterFunc(time.Millisecond, func() { canceled = time.Now(); cancel(errStop) })
			_, err = s.Run(ctx, sandbox.Task{Activity: "A"})
			interrupted(t, err, errStop)
			if took := time.Since(canceled); took > 2*time.Second {
				t.Errorf("it ended %s after its context", took)
			}
		})
	}
	_, err := modules.Parse("many", many(40_000, 0, 2_500, 0, 0))
	if err == nil || !strings.Contains(err.Error(), "2501 activities and 40001 functions; at most 2499 activities") {
		t.Errorf("many activities: %v", err)
	}
}
