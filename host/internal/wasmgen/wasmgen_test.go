package wasmgen_test

import (
	"bytes"
	"context"
	"slices"
	"testing"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"

	"github.com/wasmworker/wasmworker/host/internal/wasmgen"
)

// Every module is valid, whatever was chosen, and the same choices make the same module.
func TestModulesAreValid(t *testing.T) {
	ctx := context.Background()
	rt := wazero.NewRuntimeWithConfig(ctx, wazero.NewRuntimeConfigInterpreter().WithCoreFeatures(api.CoreFeaturesV2))
	defer rt.Close(ctx)
	valid := func(m *wasmgen.Module) error {
		compiled, err := rt.CompileModule(ctx, m.Binary)
		if err == nil {
			compiled.Close(ctx)
		}
		return err
	}
	size := 0
	for n := range uint64(500) {
		source := wasmgen.Seeded(1, n)
		m := wasmgen.New(source)
		if err := valid(m); err != nil {
			t.Fatalf("module %d: %v", n, err)
		}
		size += len(m.Binary)
		choices := source.Choices()
		if again := wasmgen.New(wasmgen.Replay(choices)); !bytes.Equal(again.Binary, m.Binary) {
			t.Fatalf("module %d is another one if it is made again", n)
		}
		// Fewer choices, and others.
		part := slices.Clone(choices[:len(choices)/2])
		for i := range part {
			part[i] += uint32(i)
		}
		if err := valid(wasmgen.New(wasmgen.Replay(part))); err != nil {
			t.Fatalf("module %d, of other choices: %v", n, err)
		}
	}
	t.Logf("%d bytes in all", size)
}

// What is left of the choices is what the failure takes.
func TestShrink(t *testing.T) {
	copies := func(choices []uint32) bool { // with memory.copy
		return bytes.Contains(wasmgen.New(wasmgen.Replay(choices)).Binary, []byte{0xfc, 0x0a, 0x00, 0x00})
	}
	for n := range uint64(1000) {
		source := wasmgen.Seeded(2, n)
		m := wasmgen.New(source)
		if len(m.Binary) < 1000 || !copies(source.Choices()) {
			continue
		}
		small := wasmgen.Shrink(source.Choices(), 2000, copies)
		if !copies(small) {
			t.Error("what is left does not fail")
		}
		if size := len(wasmgen.New(wasmgen.Replay(small)).Binary); size > len(m.Binary)/2 {
			t.Errorf("%d bytes became %d", len(m.Binary), size)
		}
		return
	}
	t.Error("there is no such module")
}
