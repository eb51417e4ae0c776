// Package wasi has the passthrough modules clock and random: what guests get from WASI's clocks and random numbers. Both are
// real unless a policy says otherwise, and need no grant. With a start and a seed, the same guest does the same with the same input, every
// time and on every machine: for tests.
//
// The modules have no functions: package sandbox asks their policies.
package wasi

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"math"
	"math/rand/v2"
	"strconv"
	"time"

	"github.com/wasmworker/wasmworker/host/passthrough"
)

// Names of the modules.
const (
	NameClock  = "clock"
	NameRandom = "random"
)

// Clock is which time it is for an activity module. The zero value is the real clock.
type Clock struct {
	// Start makes the clock a virtual one, which begins at this time (such as 2026-01-01T00:00:00Z) with each activity and with each
	// initialisation of an instance. It advances by a nanosecond for each unit of fuel, and by what the guest
	// sleeps, which takes no real time. Set it where results must not depend on when or how fast the guest runs. It is between 1970 and 2200. A start before
	// the deadlines of activities keeps guests from taking these, which are real, for over. Default: the real clock.
	Start time.Time `yaml:"start" json:"start,omitzero"`
}

// Random is where an activity module has its random numbers from. The zero value is the operating system.
type Random struct {
	// Seed makes the random numbers a stream that begins anew with each activity, and another one with each
	// initialisation of an instance; any number, 0 too. Set it where results must not depend on chance, and never where keys or tokens are made: who knows
	// the seed knows them. Default: real random numbers.
	Seed *int64 `yaml:"seed" json:"seed,omitempty"`
}

// UnmarshalYAML reads a policy. The YAML library takes a time that it cannot read for none, which would be the real clock.
func (c *Clock) UnmarshalYAML(unmarshal func(any) error) error {
	var fields struct {
		Start *string `yaml:"start"`
	}
	err := unmarshal(&fields)
	if err != nil || fields.Start == nil {
		return err
	}
	if c.Start, err = time.Parse(time.RFC3339, *fields.Start); err != nil {
		return passthrough.At(fmt.Errorf("%q is not a time such as 2026-01-01T00:00:00Z", *fields.Start), "start")
	}
	return nil
}

// UnmarshalYAML reads a policy. The YAML library takes 1.5 for 1.
func (r *Random) UnmarshalYAML(unmarshal func(any) error) error {
	var fields struct {
		Seed any `yaml:"seed"`
	}
	if err := unmarshal(&fields); err != nil || fields.Seed == nil {
		return err
	}
	seed, err := strconv.ParseInt(fmt.Sprint(fields.Seed), 10, 64)
	if err != nil {
		return passthrough.At(fmt.Errorf("%v is not a whole number of 64 bits", fields.Seed), "seed")
	}
	r.Seed = &seed
	return nil
}

// NewClock makes the module clock. Its policy is a [*Clock].
func NewClock() passthrough.Module {
	return passthrough.Module{Name: NameClock, Policy: &Clock{}}
}

// NewRandom makes the module random. Its policy is a [*Random].
func NewRandom() passthrough.Module {
	return passthrough.Module{Name: NameRandom, Policy: &Random{}}
}

var first, last = time.Unix(0, 0), time.Date(2200, 1, 1, 0, 0, 0, 0, time.UTC)

// Validate checks the policy.
func (c *Clock) Validate() error {
	if !c.Start.IsZero() && (c.Start.Before(first) || !c.Start.Before(last)) {
		return passthrough.At(fmt.Errorf("%s is not between 1970 and 2200", c.Start.Format(time.RFC3339)), "start")
	}
	return nil
}

// Phase is what an instance does.
type Phase string

// The phases, each of which has a clock and a stream of its own.
const (
	Initialisation Phase = "initialisation"
	Activity       Phase = "activity"
)

// Virtual makes a virtual clock for a phase, or returns nil if the clock is the real one. Units returns how many units of
// computation the guest has used since.
func (c *Clock) VirtualClock(phase Phase, units func() int64) *VirtualClock {
	if c == nil || c.Start.IsZero() {
		return nil
	}
	v := &VirtualClock{start: c.Start.UnixNano(), monotonic: monotonicStart, units: units}
	if phase == Activity {
		v.monotonic += monotonicGap
	}
	return v
}

// Where the monotonic clock begins. Not at zero, which runtimes take for none; and in an activity later than in the initialisation before it, since
// a runtime that was initialised, and is reset to that, must not see it going back.
const (
	monotonicStart = int64(time.Second)
	monotonicGap   = int64(time.Hour)
)

// Virtual is a virtual clock. It belongs to one goroutine at a time.
type VirtualClock struct {
	start, monotonic int64
	units            func() int64
	slept            int64
}

func (v *VirtualClock) elapsed() int64 { return add(v.units(), v.slept) }

// Walltime returns the nanoseconds since 1970.
func (v *VirtualClock) Walltime() int64 { return add(v.start, v.elapsed()) }

// Nanotime returns the nanoseconds of the monotonic clock.
func (v *VirtualClock) Nanotime() int64 { return add(v.monotonic, v.elapsed()) }

// Sleep advances the clock, and takes no time.
func (v *VirtualClock) Sleep(d time.Duration) { v.slept = add(v.slept, max(int64(d), 0)) }

// add adds numbers that are not negative. It stops at the end of time, where sleeping for good leads.
func add(a, b int64) int64 {
	if a > math.MaxInt64-b {
		return math.MaxInt64
	}
	return a + b
}

// Stream makes the random numbers of a phase, or returns nil if they are real ones.
func (r *Random) Stream(phase Phase) *rand.ChaCha8 {
	if r == nil || r.Seed == nil {
		return nil
	}
	key := fmt.Appendf(nil, "wasmworker random %s ", phase)
	return rand.NewChaCha8(sha256.Sum256(binary.LittleEndian.AppendUint64(key, uint64(*r.Seed))))
}
