package conformance_test

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"flag"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/wasmworker/wasmworker/host/hosttest"
	"github.com/wasmworker/wasmworker/host/replay"
	"github.com/wasmworker/wasmworker/internal/engine"
)

var (
	runs      = flag.Int("runs", 3, "how often each case is run in each engine by TestDeterministic")
	writeFuel = flag.Bool("fuel", false, "write testdata/conformance/fuel.json")
)

const fuelPath = directory + "/fuel.json"

// golden is what fuel.json has of a module: who built it, and the units of each case.
// They are what an SDK's or a compiler's change costs.
type golden struct {
	// Built is the module's digest, or for a module that is built for the tests the
	// version of Go.
	Built string `json:"built"`
	// Seen is a digest of all that could be seen in these cases: the same on every
	// processor.
	Seen string           `json:"seen"`
	Fuel map[string]int64 `json:"fuel"`
}

// TestDeterministic runs every case as package replay has it: first with the world
// answering its calls, then again and again with these answers, in both engines.
// Everything that can be seen is the same each time.
func TestDeterministic(t *testing.T) {
	all := suite(t)
	measured := map[string]golden{}
	eachLanguage(t, func(t *testing.T, l string) {
		list := load(t, filepath.Join(directory, l))
		g := golden{Built: "sha256:" + list[0].Digest, Fuel: map[string]int64{}}
		if _, err := os.Stat(filepath.Join(directory, l, "go.mod")); err == nil {
			g.Built = runtime.Version()
		}
		w := world(t)
		o := options(t, list, w, all)
		compiled := hosttest.New(t, o)
		engine.InterpretReplay(&o)
		interpreted := hosttest.New(t, o)
		seen := sha256.New()
		for _, c := range all.For(list[0].Kind, l) {
			t.Run(strings.ReplaceAll(c.Name, " ", "-"), func(t *testing.T) {
				run := deterministic(t, c.Context(t.Context()), c.In(w).Attempt(compiled), compiled, interpreted)
				// What the world answers may be a digit longer the next time.
				if c.Feature != "http" && c.Feature != "blob" {
					g.Fuel[c.Name] = run.Fuel
					fmt.Fprintln(seen, c.Name, run.Digest())
				}
			})
		}
		g.Seen = hex.EncodeToString(seen.Sum(nil))
		measured[l] = g
	})
	if pattern := flag.Lookup("test.run").Value.String(); !strings.Contains(pattern, "/") && !t.Failed() {
		checkFuel(t, measured)
	}
}

// deterministic runs an activity as often as it should, and returns what was seen of the
// first run.
func deterministic(t *testing.T, ctx context.Context, a replay.Activity, envs ...*replay.Env) *replay.Run {
	first := envs[0].RunContext(ctx, a)
	want := first.Digest()
	answers := first.Calls
	for k, env := range envs {
		// A case that works on megabytes takes seconds, and in the interpreter many: it
		// gets fewer runs.
		most := [...]int64{500_000_000, 20_000_000}[k] / max(first.Fuel, 1)
		switch {
		case *runs >= 100 && first.Fuel < 20_000_000:
			most = int64(*runs)
		case *runs >= 100 || k == 0:
			most = max(most, 1)
		}
		var group errgroup.Group
		group.SetLimit(runtime.GOMAXPROCS(0))
		for n := range min(*runs, int(most)) {
			group.Go(func() error {
				next := 0
				again := a
				again.Timeout = 10 * time.Minute
				again.Answer = func(_ context.Context, call replay.Call) ([]byte, error) {
					if next == len(answers) || string(answers[next].Request) != string(call.Request) {
						return nil, fmt.Errorf("call %d is another one", next+1)
					}
					next++
					if err := answers[next-1].Err; err != nil {
						return nil, err
					}
					return answers[next-1].Response, nil
				}
				if run := env.RunContext(ctx, again); run.Digest() != want {
					return fmt.Errorf("run %d in engine %d is another one: %d units and %v, at first %d and %v", n, k, run.Fuel, run.Err, first.Fuel, first.Err)
				}
				return nil
			})
		}
		if err := group.Wait(); err != nil {
			t.Error(err)
			return first
		}
	}
	return first
}

// checkFuel compares the units with those of fuel.json, or writes them there.
func checkFuel(t *testing.T, measured map[string]golden) {
	if *writeFuel {
		data, err := json.MarshalIndent(measured, "", "\t")
		if err == nil {
			err = os.WriteFile(fuelPath, append(data, '\n'), 0o644)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	data, err := os.ReadFile(fuelPath)
	if err != nil {
		t.Fatal(err)
	}
	var want map[string]golden
	if err := json.Unmarshal(data, &want); err != nil {
		t.Fatal(err)
	}
	for _, l := range slices.Sorted(maps.Keys(measured)) {
		got, pinned := measured[l], want[l]
		if got.Built != pinned.Built && (strings.HasPrefix(got.Built, "go") || os.Getenv("WASMWORKER_TEST_REBUILT") != "") {
			t.Logf("NOT COMPARED: the units of %s are those of %s, and it was built by %s", l, pinned.Built, got.Built)
			continue
		}
		if got.Seen != pinned.Seen {
			t.Errorf("%s: what can be seen in its cases is something else than it was when %s was written; if that is right, run `make fuel`", l, fuelPath)
		}
		for _, name := range slices.Sorted(maps.Keys(got.Fuel)) {
			if got.Fuel[name] != pinned.Fuel[name] {
				t.Errorf("%s: %s takes %d units, and %s has %d; if that is right, run `make fuel` and say why in the commit", l, name, got.Fuel[name], fuelPath, pinned.Fuel[name])
			}
		}
	}
}
