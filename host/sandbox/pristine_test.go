package sandbox_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/wasmworker/wasmworker/abi"
	"github.com/wasmworker/wasmworker/host/modules"
	"github.com/wasmworker/wasmworker/host/sandbox"
)

// One instance serves all calls, and each finds it as it was after its initialization.
func TestPristine(t *testing.T) {
	s := startOne(t, "misbehave", sandbox.Options{Isolation: sandbox.IsolationPristine})
	m := s.Modules()[0]
	equal(t, "fallback", m.Fallback(), "")
	for range 20 {
		equal(t, "count", text(run(t, s, "Count")), "0") // a global
		equal(t, "live instances", m.Live(), 1)
	}
	for _, broken := range []string{"Trap", "Exit", "BadStatus", "Grow", "Recurse"} {
		if _, err := s.Run(t.Context(), sandbox.Task{Activity: broken}); err == nil {
			t.Errorf("%s succeeded", broken)
		}
		equal(t, "live instances after "+broken, m.Live(), 0)
		equal(t, "count", text(run(t, s, "Count")), "0")
	}
}

// What the initialization did is there for every call, and it is done once.
func TestPristineKeepsTheInitialisation(t *testing.T) {
	var logged recorder
	s := start(t, sandbox.Config{
		Modules: files(t, "initialize"), Defaults: sandbox.Options{Isolation: sandbox.IsolationPristine}, Limit: 2, Logger: logged.logger(),
	})
	for range 5 {
		equal(t, "what _initialize found", text(run(t, s, "Check")), "1")
	}
	made := 0
	for _, r := range logged.all() {
		if r.message == "made" {
			made++
		}
	}
	equal(t, "initialisations", made, 1)
}

// A module whose state cannot be reset gets fresh instances, and says why.
func TestPristineFallsBack(t *testing.T) {
	modules, err := modules.Open("../../testdata/hostile/table-bomb.wasm")
	if err != nil {
		t.Fatal(err)
	}
	s := start(t, sandbox.Config{Modules: modules, Defaults: sandbox.Options{Isolation: sandbox.IsolationPristine}})
	m := s.Modules()[0]
	if !strings.Contains(m.Fallback(), "table.grow") || m.Isolation() != sandbox.IsolationFresh {
		t.Errorf("fallback %q, isolation %s", m.Fallback(), m.Isolation())
	}
	run(t, s, "A")
	equal(t, "live instances", m.Live(), 0)
}

// The same work takes the same number of units, whatever the policy, and a limit of units
// is exact.
func TestUnits(t *testing.T) {
	units := func(policy sandbox.Isolation, limit int64) (int64, error) {
		s := startOne(t, "misbehave", sandbox.Options{Isolation: policy, MaxFuel: limit})
		var usage sandbox.Usage
		_, err := s.Run(t.Context(), sandbox.Task{Activity: "Big", Usage: &usage})
		return usage.Fuel, err
	}
	want, err := units(sandbox.IsolationFresh, 0)
	if f, ok := errors.AsType[*abi.Failure](err); !ok || f.Type != abi.TypeOutputTooLarge || want <= 0 {
		t.Fatalf("%d units, %v", want, err)
	}
	for _, policy := range []sandbox.Isolation{sandbox.IsolationFresh, sandbox.IsolationPristine, sandbox.IsolationReuse} {
		got, err := units(policy, want)
		failure(t, err, abi.TypeOutputTooLarge)
		equal(t, "units", got, want)
		_, err = units(policy, want-1)
		failure(t, err, abi.TypeOutOfFuel)
	}
}
