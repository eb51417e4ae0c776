package bench

import (
	"bytes"
	"encoding/json"
	"testing"

	extism "github.com/extism/go-sdk"

	"github.com/wasmworker/wasmworker/abi"
	"github.com/wasmworker/wasmworker/bench/order"
	"github.com/wasmworker/wasmworker/host/sandbox"
)

// BenchmarkCall measures a whole call, with what the policy does about its instance: two
// activities of the Go guest, and one in C that dirties one page.
func BenchmarkCall(b *testing.B) {
	input, err := json.Marshal(order.Sample())
	if err != nil {
		b.Fatal(err)
	}
	task := func(activity, encoding string, input []byte) sandbox.Task {
		return sandbox.Task{Activity: activity, Args: []sandbox.Payload{sandbox.NewPayload(encoding, input)}}
	}
	for _, g := range []struct {
		name, file string
		task       sandbox.Task
	}{
		{"greet", guest(b, "go"), task("Greet", abi.EncodingJSON, []byte(`{"name": "Ada"}`))},
		{"order", guest(b, "go"), task("Price", abi.EncodingJSON, input)},
		{"c", "testdata/onepage.wasm", task("Translate", abi.EncodingBinary, make([]byte, 64))},
	} {
		for _, policy := range []sandbox.Isolation{sandbox.IsolationPristine, sandbox.IsolationReuse, sandbox.IsolationFresh} {
			b.Run(g.name+"/"+string(policy), func(b *testing.B) {
				s := newSandbox(b, sandbox.Config{Defaults: sandbox.Options{Isolation: policy}}, g.file)
				requirePolicy(b, s, policy)
				call(b, s, g.task) // the first one makes the instance
				b.ReportAllocs()
				for b.Loop() {
					call(b, s, g.task)
				}
			})
		}
	}
}

func call(b *testing.B, s *sandbox.Sandbox, task sandbox.Task) *sandbox.Payload {
	p, err := s.Run(b.Context(), task)
	if err != nil {
		b.Fatal(err)
	}
	return p
}

// requirePolicy makes sure that no module has fallen back to another policy.
func requirePolicy(b *testing.B, s *sandbox.Sandbox, policy sandbox.Isolation) {
	b.Helper()
	for _, m := range s.Modules() {
		if m.Isolation() != policy {
			b.Fatalf("module %s has policy %s: %s", m.File().Name, m.Isolation(), m.Fallback())
		}
	}
}

// BenchmarkEcho measures what it takes to get bytes into a guest and out again: here,
// from a pristine instance each time; with Extism, from one plugin that is called again
// and again, in its default configuration, in which it could not be interrupted. The
// guests are written by hand, or in Go.
func BenchmarkEcho(b *testing.B) {
	for _, g := range []struct{ name, ours, extism string }{
		{"wat", "../testdata/wat/echo.wasm", "testdata/extism-echo.wasm"},
		{"go", guest(b, "go"), guest(b, "extism")},
	} {
		s := newSandbox(b, sandbox.Config{}, g.ours)
		requirePolicy(b, s, sandbox.IsolationPristine)
		plugin, err := extism.NewPlugin(b.Context(),
			extism.Manifest{Wasm: []extism.Wasm{extism.WasmFile{Path: g.extism}}}, extism.PluginConfig{EnableWasi: true}, nil)
		if err != nil {
			b.Fatal(err)
		}
		defer plugin.Close(b.Context()) //nolint:errcheck // it has been used by then
		for _, size := range []struct {
			name  string
			bytes int
		}{{"256B", 256}, {"64KiB", 64 << 10}, {"1MiB", 1 << 20}} {
			input := bytes.Repeat([]byte("01234567"), size.bytes/8)
			b.Run(size.name+"/"+g.name+"/wasmworker", func(b *testing.B) {
				task := sandbox.Task{Activity: "Echo", Args: []sandbox.Payload{sandbox.NewPayload(abi.EncodingBinary, input)}}
				if p := call(b, s, task); !bytes.Equal(p.Data, input) {
					b.Fatal("the echo is another")
				}
				for b.Loop() {
					call(b, s, task)
				}
			})
			b.Run(size.name+"/"+g.name+"/extism", func(b *testing.B) {
				if _, p, err := plugin.Call("Echo", input); err != nil || !bytes.Equal(p, input) {
					b.Fatal("the echo is another, or: ", err)
				}
				for b.Loop() {
					if _, _, err := plugin.Call("Echo", input); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}
