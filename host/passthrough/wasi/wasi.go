// Package wasi has the passthrough modules clock and random. They decide what guests get
// from WASI's clocks and random numbers. Both need no grant, and are real unless a policy
// says otherwise. With a start and a seed, a guest does the same with the same input,
// every time and on every machine. That is for tests.
//
// The modules have no functions. The sandbox asks their policies.
package wasi

import (
	"fmt"
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
	// Start makes the clock a virtual one, which begins at this time (such as
	// 2026-01-01T00:00:00Z) with each activity and with each initialization of an
	// instance. It advances by a nanosecond for each unit of fuel, and by what the guest
	// sleeps, which takes no real time. Set it where results must not depend on when or
	// how fast the guest runs. It is between 1970 and 2200. A start before the deadlines
	// of activities keeps guests from taking these, which are real, for over. Default:
	// the real clock.
	Start time.Time `yaml:"start" json:"start,omitzero"`
}

// Random is where an activity module has its random numbers from. The zero value is the
// operating system.
type Random struct {
	// Seed makes the random numbers a stream that begins anew with each activity, and
	// another one with each initialization of an instance; any number, 0 too. Set it
	// where results must not depend on chance, and never where keys or tokens are made:
	// who knows the seed knows them. Default: real random numbers.
	Seed *int64 `yaml:"seed" json:"seed,omitempty"`
}

// UnmarshalYAML reads a policy. The YAML library reads a malformed time as the zero time,
// which would mean the real clock. This method returns an error instead.
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

// UnmarshalYAML reads a policy. The YAML library reads 1.5 as 1. This method returns an
// error instead.
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

// NewClock returns the module clock. Its policy is a [*Clock].
func NewClock() passthrough.Module {
	return passthrough.Module{Name: NameClock, Policy: &Clock{}}
}

// NewRandom returns the module random. Its policy is a [*Random].
func NewRandom() passthrough.Module {
	return passthrough.Module{Name: NameRandom, Policy: &Random{}}
}

var first, last = time.Unix(0, 0), time.Date(2200, 1, 1, 0, 0, 0, 0, time.UTC)

// Validate checks that Start lies between 1970 and 2200.
func (c *Clock) Validate() error {
	if !c.Start.IsZero() && (c.Start.Before(first) || !c.Start.Before(last)) {
		return passthrough.At(fmt.Errorf("%s is not between 1970 and 2200", c.Start.Format(time.RFC3339)), "start")
	}
	return nil
}
