package bench

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"

	"github.com/wasmworker/wasmworker/abi"
	"github.com/wasmworker/wasmworker/bench/order"
	"github.com/wasmworker/wasmworker/host/sandbox"
	"github.com/wasmworker/wasmworker/internal/testbed"
)

// peersVariable names the directory of a virtual environment of Python with the peers that
// peers/requirements.txt has. `make bench-peers` makes it; without it they are left out.
const peersVariable = "BENCH_PEERS"

// peersPython returns the interpreter that has the peers.
func peersPython(b *testing.B) string {
	b.Helper()
	directory := os.Getenv(peersVariable)
	if directory == "" {
		b.Skip("LEFT OUT: the peers in Python are not installed; run make bench-peers")
	}
	return filepath.Join(directory, "bin", "python")
}

func temporalioWorker(b *testing.B, server *testbed.Server, queue string) *exec.Cmd {
	b.Helper()
	cmd := exec.Command(peersPython(b), "peers/temporalio_worker.py", server.Address, queue)
	cmd.Env = testbed.CleanEnv()
	return cmd
}

// BenchmarkClean measures calls of the same modules that each find a clean instance: here by
// a reset, in wasmtime by a new instance of its pooling allocator. Both count fuel.
func BenchmarkClean(b *testing.B) {
	input, err := json.Marshal(order.Sample())
	if err != nil {
		b.Fatal(err)
	}
	task := sandbox.Task{Activity: "Price", Args: []sandbox.Payload{sandbox.NewPayload(abi.EncodingJSON, input)}}
	for _, g := range []struct {
		name string
		file func(b *testing.B) string
	}{
		{"go", func(b *testing.B) string { return guest(b, "go") }},
		{"rust", func(*testing.B) string { return "guests/rust/order.wasm" }},
		{"c", func(*testing.B) string { return "guests/c/order.wasm" }},
		{"python", pythonGuest},
	} {
		b.Run(g.name+"/wasmworker", func(b *testing.B) {
			s := newSandbox(b, sandbox.Config{Defaults: sandbox.Options{MaxFuel: 1 << 40}}, g.file(b))
			requirePolicy(b, s, sandbox.IsolationPristine)
			call(b, s, task)
			for b.Loop() {
				call(b, s, task)
			}
		})
		b.Run(g.name+"/wasmtime", func(b *testing.B) {
			python, file := peersPython(b), g.file(b)
			cmd := exec.Command(python, "peers/wasmtime_calls.py", file, filepath.Join(scratch, g.name+".cwasm"), strconv.Itoa(b.N), string(input))
			out, err := cmd.Output()
			if err != nil {
				b.Fatalf("%v\n%s", err, exitText(err))
			}
			var result struct {
				Nanoseconds float64 `json:"ns"`
				Output      json.RawMessage
			}
			if err := json.Unmarshal(out, &result); err != nil {
				b.Fatalf("%v: %s", err, out)
			}
			var invoice order.Invoice
			if err := json.Unmarshal(result.Output, &invoice); err != nil || invoice.Total == 0 {
				b.Fatalf("%v: the guest returned %s", err, result.Output)
			}
			b.ReportMetric(result.Nanoseconds, "ns/op")
		})
	}
}

func exitText(err error) []byte {
	if exit, ok := err.(*exec.ExitError); ok {
		return exit.Stderr
	}
	return nil
}
