package conformance

import (
	"context"
	"maps"
	"reflect"
	"slices"
	"testing"

	"github.com/wasmworker/wasmworker/host/passthrough"
	"github.com/wasmworker/wasmworker/host/passthrough/blobmod"
	"github.com/wasmworker/wasmworker/host/passthrough/configmod"
	"github.com/wasmworker/wasmworker/host/passthrough/httpmod"
	"github.com/wasmworker/wasmworker/host/passthrough/secretmod"
	"github.com/wasmworker/wasmworker/host/passthrough/sqlmod"
)

// The passthrough modules of the contract have its functions, no more and no fewer.
func TestContractModules(t *testing.T) {
	sql, err := sqlmod.New(sqlmod.Options{})
	if err != nil {
		t.Fatal(err)
	}
	blob, err := blobmod.New(blobmod.Options{})
	if err != nil {
		t.Fatal(err)
	}
	got := map[string][]string{}
	for _, m := range []passthrough.Module{httpmod.New(httpmod.Options{}), configmod.New(), secretmod.New(nil), sql, blob} {
		got[m.ImportName()] = slices.Sorted(maps.Keys(m.Functions))
		if m.Close != nil {
			t.Cleanup(func() {
				if err := m.Close(context.Background()); err != nil {
					t.Error(err)
				}
			})
		}
	}
	for _, functions := range contractModules {
		slices.Sort(functions)
	}
	if !reflect.DeepEqual(got, contractModules) {
		t.Errorf("the passthrough modules have the functions %v, and the contract has %v", got, contractModules)
	}
}
