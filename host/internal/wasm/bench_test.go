package wasm_test

import (
	"os"
	"testing"

	"github.com/wasmworker/wasmworker/host/internal/wasm"
)

// BenchmarkParse reads and scans a module of Rust.
func BenchmarkParse(b *testing.B) {
	binary, err := os.ReadFile("../../../testdata/conformance/rust/conformance.wasm")
	if err != nil {
		b.Fatal(err)
	}
	b.SetBytes(int64(len(binary)))
	for b.Loop() {
		if _, err := wasm.Parse(binary); err != nil {
			b.Fatal(err)
		}
	}
}
