package sandbox_test

import (
	"strings"
	"testing"
	"time"

	"github.com/wasmworker/wasmworker/abi"
	"github.com/wasmworker/wasmworker/host/sandbox"
	"github.com/wasmworker/wasmworker/internal/engine"
)

// A start function that never returns is ended by its fuel, in the same place on every
// machine, and by its time.
func TestInitializationIsBounded(t *testing.T) {
	for want, options := range map[string]sandbox.Options{
		"needs more than 1000 units of fuel": {MaxInitializeFuel: 1000},
		"did not return within 10ms":         {InitializeTimeout: 10 * time.Millisecond},
	} {
		for _, interpreter := range []bool{false, true} {
			config := sandbox.Config{Modules: files(t, "startloop"), Defaults: options}
			if interpreter {
				engine.Interpret(&config)
			}
			s := newSandbox(t, config)
			err := s.Compile(t.Context())
			if err == nil || !strings.Contains(err.Error(), "startloop.wasm: the module cannot be instantiated: its start function or _initialize "+want) {
				t.Errorf("interpreter %t: error %v, want %s", interpreter, err, want)
			}
		}
	}
}

// The limits hold for each instance, not only for the first, whatever the activity may
// use, and what initializing took is told.
func TestInitializationOfEachInstance(t *testing.T) {
	for failed, options := range map[string]sandbox.Options{
		abi.TypeOutOfFuel: {MaxInitializeFuel: 1_000_000},
		abi.TypeTimedOut:  {InitializeTimeout: 50 * time.Millisecond},
	} {
		options.Isolation, options.MaxFuel = sandbox.IsolationFresh, 100
		s := compiled(t, "initwork", options)
		for ended := false; !ended; {
			var usage sandbox.Usage
			_, err := s.Run(t.Context(), sandbox.Task{Activity: "Ok", Usage: &usage})
			if err != nil {
				f := failure(t, err, failed)
				if !strings.HasPrefix(f.Message, "no instance of module initwork could be made: its start function or _initialize ") || f.NonRetryable != (failed == abi.TypeOutOfFuel) {
					t.Errorf("failure %+v", f)
				}
				ended = true
			}
			if usage.InitializeFuel < 1000 || usage.InitializeFuel > 1_000_000 && failed == abi.TypeOutOfFuel || usage.Fuel > 100 || (usage.InitializeFuel > 100_000) != ended {
				t.Errorf("usage %+v, error %v", usage, err)
			}
		}
	}
}

// compiled starts a module whose first instance cannot be made each time.
func compiled(t *testing.T, name string, options sandbox.Options) *sandbox.Sandbox {
	t.Helper()
	for {
		s := newSandbox(t, sandbox.Config{Modules: files(t, name), Defaults: options})
		if err := s.Compile(t.Context()); err == nil {
			return s
		}
	}
}
