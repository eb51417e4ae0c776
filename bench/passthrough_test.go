package bench

import (
	"bytes"
	"context"
	"testing"

	"github.com/wasmworker/wasmworker/host/passthrough"
	"github.com/wasmworker/wasmworker/host/sandbox"
)

// BenchmarkPassthrough measures what the way from a guest to a passthrough function and
// back costs: a guest makes a thousand calls, each with 64 bytes there and back, and the
// same function is called directly, as often. The unit is a thousand calls.
func BenchmarkPassthrough(b *testing.B) {
	type policy struct{ Suffix string }
	work := func(ctx context.Context, call *passthrough.Call, req []byte) ([]byte, error) {
		return append(bytes.Clone(req[1:]), passthrough.PolicyOf[policy](call).Suffix...), nil
	}
	set, err := passthrough.NewSet(passthrough.Module{Name: "bench", Functions: map[string]passthrough.Func{"work": work}, Policy: &policy{}})
	if err != nil {
		b.Fatal(err)
	}
	granted := &policy{Suffix: "x"}
	b.Run("guest", func(b *testing.B) {
		s := newSandbox(b, sandbox.Config{Passthrough: set, Defaults: sandbox.Options{
			Passthrough: []string{"bench"}, Policies: map[string]any{"bench": granted},
		}}, "testdata/calls.wasm")
		requirePolicy(b, s, sandbox.IsolationPristine)
		call(b, s, sandbox.Task{Activity: "Calls"})
		b.ReportAllocs()
		for b.Loop() {
			call(b, s, sandbox.Task{Activity: "Calls"})
		}
	})
	b.Run("direct", func(b *testing.B) {
		call := &passthrough.Call{Policy: granted}
		req := make([]byte, 64)
		for b.Loop() {
			for range 1000 {
				if response, err := work(b.Context(), call, req); err != nil || len(response) != 64 {
					b.Fatal(len(response), err)
				}
			}
		}
	})
}
