package sandbox_test

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/wasmworker/wasmworker/abi"
	"github.com/wasmworker/wasmworker/host/passthrough/wasi"
	"github.com/wasmworker/wasmworker/host/sandbox"
)

var newYear = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

func seed(n int64) *wasi.Random { return &wasi.Random{Seed: &n} }

// With a start and a seed, the same activity does the same with the same input: the
// output, and the units that it took.
func TestDeterminism(t *testing.T) {
	chance := func(s *sandbox.Sandbox) string {
		var usage sandbox.Usage
		p, err := s.Run(t.Context(), sandbox.Task{Activity: "Chance", Args: []sandbox.Payload{jsonPayload("3600000000000")}, Usage: &usage})
		if err != nil {
			t.Fatal(err)
		}
		return fmt.Sprintf("%s, %d units", p.Data, usage.Fuel)
	}
	var first string
	started := time.Now()
	for _, policy := range []sandbox.Isolation{sandbox.IsolationPristine, sandbox.IsolationFresh} {
		for range 2 { // sandboxes
			s := startWASI(t, filesGuest(t), sandbox.Config{Defaults: sandbox.Options{Isolation: policy}}, &wasi.Clock{Start: newYear}, seed(42))
			for range 2 {
				got := chance(s)
				if first == "" {
					first = got
				}
				equal(t, string(policy), got, first)
			}
		}
	}
	if took := time.Since(started); took > time.Hour {
		t.Errorf("sleeping for hours took %v", took)
	}
	if !strings.Contains(first, `"2026-01-01T00:00:00.`) || !strings.Contains(first, "slept true") {
		t.Error(first)
	}
	for name, policies := range map[string][]any{
		"another seed":  {&wasi.Clock{Start: newYear}, seed(43)},
		"another start": {&wasi.Clock{Start: newYear.AddDate(1, 0, 0)}, seed(42)},
	} {
		s := startWASI(t, filesGuest(t), sandbox.Config{}, policies...)
		if got := chance(s); got == first {
			t.Errorf("%s: %s", name, got)
		}
	}
}

// reading is what a clock says, or a random number.
func reading(data []byte, at int) uint64 { return binary.LittleEndian.Uint64(data[at:]) }

// Each activity begins with the same time and the same stream, whatever becomes of the
// instance, and so does each initialization, with another stream.
func TestVirtualInEachPolicy(t *testing.T) {
	subscription := make([]byte, 48)
	binary.LittleEndian.PutUint64(subscription[24:], uint64(time.Hour)) // of the realtime clock
	list := []wasiCall{
		{"clock_time_get", []uint64{0, 0, base + 1000}}, {"clock_time_get", []uint64{1, 0, base + 1008}}, {"random_get", []uint64{base + 1016, 8}},
		{"poll_oneoff", []uint64{base, base + 2000, 1, base + 2100}},
		{"clock_time_get", []uint64{0, 0, base + 1024}}, {"clock_time_get", []uint64{1, 0, base + 1032}}, {"random_get", []uint64{base + 1040, 8}},
	}
	var first string
	for _, policy := range allPolicies {
		s := startWASI(t, fixture(t, "wasicalls"), sandbox.Config{Limit: 1, Defaults: sandbox.Options{Isolation: policy}}, &wasi.Clock{Start: newYear}, seed(0))
		for range 3 {
			early := run(t, s, "WasiEarly").Data
			errnos, data := mustCall(t, s, string(subscription), list...)
			equal(t, "errnos", errnos, make([]abi.Errno, len(list)))
			got := fmt.Sprint(early[64:80], data[1000:1048])
			if first == "" {
				first = got
				began, wokeUp := reading(data, 1000), reading(data, 1024)
				if after := time.Unix(0, int64(began)).Sub(newYear); after <= 0 || after > 100*time.Microsecond {
					t.Errorf("it began %v after the start", after)
				}
				slept, counted := wokeUp-began, reading(data, 1032)-reading(data, 1008)
				if slept < uint64(time.Hour) || slept > uint64(time.Hour+100*time.Microsecond) || counted != slept {
					t.Errorf("it slept %d ns by one clock and %d by the other", slept, counted)
				}
				earlyTime, earlyRandom := reading(early, 64), reading(early, 72)
				if after := time.Unix(0, int64(earlyTime)).Sub(newYear); after <= 0 || after > 100*time.Microsecond {
					t.Errorf("the initialization began %v after the start", after)
				}
				if reading(data, 1016) == earlyRandom || reading(data, 1016) == reading(data, 1040) {
					t.Error("random numbers come twice")
				}
			}
			equal(t, string(policy), got, first)
		}
	}
}

// Without a policy, and with an empty one, clocks and random numbers are real.
func TestRealClock(t *testing.T) {
	for _, policies := range [][]any{nil, {&wasi.Clock{}, &wasi.Random{}}} {
		s := startWASI(t, fixture(t, "wasicalls"), sandbox.Config{}, policies...)
		seen := map[uint64]bool{}
		for range 2 {
			before := time.Now()
			_, data := mustCall(t, s, "", wasiCall{"clock_time_get", []uint64{0, 0, base}}, wasiCall{"random_get", []uint64{base + 8, 8}})
			if now := time.Unix(0, int64(reading(data, 0))); now.Before(before.Add(-time.Second)) || now.After(time.Now().Add(time.Second)) {
				t.Errorf("it is %v", now)
			}
			seen[reading(data, 8)] = true
		}
		equal(t, "random numbers", len(seen), 2)
	}
}

// A guest that does nothing but sleep ends when it is interrupted, and its clock stays at
// the end of time.
func TestVirtualSleepIsInterrupted(t *testing.T) {
	s := startWASI(t, fixture(t, "wasicalls"), sandbox.Config{}, &wasi.Clock{Start: newYear})
	subscription := make([]byte, 48)
	binary.LittleEndian.PutUint64(subscription[24:], 1<<64-1)
	sleep, clock := wasiCall{"poll_oneoff", []uint64{base, base + 2000, 1, base + 2100}}, wasiCall{"clock_time_get", []uint64{0, 0, base + 1000}}
	_, data := mustCall(t, s, string(subscription), sleep, sleep, clock)
	equal(t, "the end of time", reading(data, 1000), uint64(1<<63-1))

	cause := errors.New("enough")
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(cause)
	_, _, err := calls(t, s, ctx, string(subscription), sleep)
	interrupted(t, err, cause)
	s = startWASI(t, fixture(t, "probe"), sandbox.Config{}, &wasi.Clock{Start: newYear})
	task := sandbox.Task{Activity: "Busy"}
	ctx, cancel = context.WithCancelCause(t.Context())
	task.Flags = func(context.Context) abi.Flags { cancel(cause); return 0 }
	_, err = s.Run(ctx, task)
	interrupted(t, err, cause)
}

// A guest can sleep until a point in time, by both clocks, as CPython's time.sleep does.
func TestSleepUntil(t *testing.T) {
	poll := wasiCall{"poll_oneoff", []uint64{base, base + 2000, 1, base + 2100}}
	until := func(clock uint32, at uint64) string {
		subscription := make([]byte, 48)
		binary.LittleEndian.PutUint32(subscription[16:], clock)
		binary.LittleEndian.PutUint64(subscription[24:], at)
		subscription[40] = 1 // not relative
		return string(subscription)
	}
	const while = 20 * time.Millisecond
	for name, policy := range map[string]*wasi.Clock{"real": {}, "virtual": {Start: newYear}} {
		for clock := range uint32(2) {
			s := startWASI(t, fixture(t, "wasicalls"), sandbox.Config{}, policy)
			now := wasiCall{"clock_time_get", []uint64{uint64(clock), 0, base + 1000}}
			_, data := mustCall(t, s, "", now)
			then := reading(data, 1000) + uint64(while)
			errnos, data := mustCall(t, s, until(clock, then), poll, now)
			equal(t, name, errnos, make([]abi.Errno, 2))
			if woke := reading(data, 1000); woke < then {
				t.Errorf("%s clock %d: it woke up %d ns too early", name, clock, then-woke)
			}
			// What is over is not waited for.
			start := time.Now()
			errnos, _ = mustCall(t, s, until(clock, 1), poll)
			equal(t, name, errnos, []abi.Errno{0})
			if took := time.Since(start); took > time.Minute {
				t.Errorf("%s clock %d: it slept %v", name, clock, took)
			}
		}
		s := startWASI(t, fixture(t, "wasicalls"), sandbox.Config{}, policy)
		errnos, _ := mustCall(t, s, until(2, 1), poll)
		equal(t, name, errnos, []abi.Errno{abi.EINVAL})
	}
}
