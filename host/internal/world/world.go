// Package world has the options under which a guest's world is the same every time.
package world

import (
	"maps"
	"time"

	"github.com/wasmworker/wasmworker/host/passthrough/wasi"
	"github.com/wasmworker/wasmworker/host/sandbox"
	"github.com/wasmworker/wasmworker/internal/engine"
)

// Options returns options under which nothing depends on the machine, nor on what ran
// before: a clock from start on, random numbers of a seed, canonical NaNs, and no
// instance that is reused. Policies of clock and random that are there stay. What a
// module has of its own is over the defaults, so that the clock and the random numbers
// are among these alone. The arguments are not changed.
func Options(defaults sandbox.Options, perModule map[string]sandbox.Options, start time.Time, seed int64) (sandbox.Options, map[string]sandbox.Options) {
	policies := map[string]any{wasi.NameClock: &wasi.Clock{Start: start}, wasi.NameRandom: &wasi.Random{Seed: &seed}}
	maps.Copy(policies, defaults.Policies)
	defaults.Policies = policies
	engine.CanonicalNaN(&defaults)
	own := map[string]sandbox.Options{}
	for name, o := range perModule {
		own[name] = neverReused(o)
	}
	return neverReused(defaults), own
}

func neverReused(o sandbox.Options) sandbox.Options {
	if o.Isolation == sandbox.IsolationReuse {
		o.Isolation = sandbox.IsolationPristine
	}
	return o
}
