package meter_test

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"

	"github.com/wasmworker/wasmworker/host/internal/meter"
	"github.com/wasmworker/wasmworker/host/internal/wasm"
)

// repositoryModules reads all modules below the repository's testdata.
func repositoryModules(t testing.TB) map[string][]byte {
	t.Helper()
	files, err := filepath.Glob("../../../testdata/*/*.wasm")
	if err != nil || len(files) < 30 {
		t.Fatalf("%d modules, %v", len(files), err)
	}
	all := map[string][]byte{}
	for _, f := range files {
		if all[f], err = os.ReadFile(f); err != nil {
			t.Fatal(err)
		}
	}
	return all
}

// accepted is wazero's word on a binary. It must have been parsed before: wazero trusts
// the counts in it.
func accepted(binary []byte) error {
	ctx := context.Background()
	r := wazero.NewRuntimeWithConfig(ctx, wazero.NewRuntimeConfigInterpreter().WithCoreFeatures(api.CoreFeaturesV2))
	defer r.Close(ctx)
	_, err := r.CompileModule(ctx, binary)
	return err
}

// What is made of a valid module is valid, by either step and by both.
func TestExposedAndInstrumentedIsValid(t *testing.T) {
	for name, binary := range repositoryModules(t) {
		if accepted(binary) != nil {
			continue
		}
		exposed, err := meter.Expose(t.Context(), binary, 1<<16)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if err := accepted(exposed.Binary); err != nil {
			t.Errorf("%s, exposed: %v", name, err)
		}
		metered, err := meter.Instrument(t.Context(), exposed.Binary)
		if err != nil {
			t.Errorf("%s, exposed: %v", name, err)
		} else if err := accepted(metered); err != nil {
			t.Errorf("%s, exposed and metered: %v", name, err)
		}
	}
}

// Expose names the globals and what cannot be reset, and caps tables.
func TestExpose(t *testing.T) {
	all := repositoryModules(t)
	misbehave, err := meter.Expose(t.Context(), all[filepath.Join("..", "..", "..", "testdata", "wat", "misbehave.wasm")], 1<<16)
	if err != nil || len(misbehave.Globals) != 1 || misbehave.Irreversible != "" {
		t.Errorf("misbehave: %+v, %v", misbehave.Globals, err)
	}
	bomb, err := meter.Expose(t.Context(), all[filepath.Join("..", "..", "..", "testdata", "hostile", "table-bomb.wasm")], 1000)
	if err != nil || !strings.Contains(bomb.Irreversible, "table.grow") {
		t.Fatalf("table-bomb: %q, %v", bomb.Irreversible, err)
	}
	module, err := wasm.Parse(bomb.Binary)
	if err != nil || len(module.Tables) != 1 || !module.Tables[0].HasMax || module.Tables[0].Max != 1000 {
		t.Errorf("table-bomb: %+v, %v", module, err)
	}
}

// Expose takes out the data segments of a module, and joins what is close together, or
// leaves all of them in where something else needs them.
func TestExposeData(t *testing.T) {
	all := repositoryModules(t)
	at := func(name string) *meter.Exposed {
		t.Helper()
		exposed, err := meter.Expose(t.Context(), all[filepath.Join("..", "..", "..", "testdata", name+".wasm")], 1<<16)
		if err != nil {
			t.Fatal(err)
		}
		return exposed
	}
	got := ""
	for _, d := range at("wat/dirty").Data {
		got += fmt.Sprintf("%d:%s ", d.Offset, d.Bytes)
	}
	// 110 and 112 are joined. 100 and 95 overlap, and the later one has to win.
	if want := "100:aaaaaaaaaa 95:bbbbbbbb 110:c\x00d 10:0123456789 300:e 299: "; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	for name, why := range map[string]string{
		"wat/startlog":    "its start function runs before anybody could write the data",
		"wat/passivedata": "its code has memory.init and data.drop",
	} {
		if exposed := at(name); exposed.Data != nil {
			t.Errorf("%s: the data were taken out, though %s", name, why)
		}
	}
}

// Whatever is cut off or changed in a module: there is an error or a result, and no
// panic.
func TestDamagedModules(t *testing.T) {
	for name, binary := range repositoryModules(t) {
		if len(binary) > 1000 { // the small ones have as many kinds of instructions
			continue
		}
		for i := range binary {
			for _, damaged := range [][]byte{binary[:i], append(append(bytes.Clone(binary[:i]), binary[i]^0x55), binary[i+1:]...)} {
				func() {
					defer func() {
						if p := recover(); p != nil {
							t.Errorf("%s, byte %d: %v", name, i, p)
						}
					}()
					meter.Instrument(t.Context(), damaged)    //nolint:errcheck // that it returns is what counts
					meter.Expose(t.Context(), damaged, 1<<16) //nolint:errcheck // as above
				}()
			}
		}
	}
}

// What a compiler takes may be refused, but it may not be spoilt, and nothing panics. The
// yardstick is the exposed module: of the original, wazero accepts forms that are not
// valid (a data count section without a count, at the very end of the file).
func FuzzRewriting(f *testing.F) {
	for _, binary := range repositoryModules(f) {
		f.Add(binary)
	}
	f.Fuzz(func(t *testing.T, binary []byte) {
		meter.Instrument(t.Context(), binary) //nolint:errcheck // it must not panic
		exposed, err := meter.Expose(t.Context(), binary, 1<<16)
		if err != nil {
			return
		}
		metered, err := meter.Instrument(t.Context(), exposed.Binary)
		if _, parseErr := wasm.Parse(exposed.Binary); err != nil || parseErr != nil || accepted(exposed.Binary) != nil {
			return
		}
		if err := accepted(metered); err != nil {
			t.Error(err)
		}
	})
}
