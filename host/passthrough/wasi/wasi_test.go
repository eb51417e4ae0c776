package wasi_test

import (
	"bytes"
	"encoding/hex"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/goccy/go-yaml"

	"github.com/wasmworker/wasmworker/host/passthrough"
	"github.com/wasmworker/wasmworker/host/passthrough/wasi"
)

// read makes a policy of YAML, as the command line does.
func read(m passthrough.Module, text string) (any, error) {
	policy := m.NewPolicy()
	if err := yaml.UnmarshalWithOptions([]byte(text), policy, yaml.Strict()); err != nil {
		return nil, err
	}
	return policy, m.CheckPolicy(policy)
}

func TestPolicies(t *testing.T) {
	if _, err := passthrough.NewSet(wasi.NewClock(), wasi.NewRandom()); err != nil {
		t.Fatal(err)
	}
	clock, err := read(wasi.NewClock(), "start: 2026-01-01T00:00:00Z")
	if want := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC); err != nil || !clock.(*wasi.Clock).Start.Equal(want) {
		t.Error(clock, err)
	}
	for text, want := range map[string]int64{"seed: 42": 42, "seed: 0": 0, "seed: -7": -7} {
		if random, err := read(wasi.NewRandom(), text); err != nil || *random.(*wasi.Random).Seed != want {
			t.Error(text, random, err)
		}
	}
	for _, text := range []string{"start: 1969-12-31T23:59:59Z", "start: 2200-01-01T00:00:00Z"} {
		if _, err := read(wasi.NewClock(), text); err == nil || !strings.Contains(err.Error(), "start: ") || !strings.Contains(err.Error(), "is not between 1970 and 2200") {
			t.Error(text, err)
		}
	}
	for _, text := range []string{"start: tomorrow", "begin: 2026-01-01T00:00:00Z", "start: 7", "start: 2026-01-01", "start: 0001-01-01"} {
		if policy, err := read(wasi.NewClock(), text); err == nil {
			t.Errorf("%s: %+v", text, policy)
		}
	}
	for _, text := range []string{"seed: x", "seed: 1.5", "seed: 99999999999999999999"} {
		if policy, err := read(wasi.NewRandom(), text); err == nil {
			t.Errorf("%s: %+v", text, policy)
		}
	}
	for _, m := range []passthrough.Module{wasi.NewClock(), wasi.NewRandom()} {
		if _, err := read(m, "{}"); err != nil {
			t.Error(err)
		}
	}
	// Nothing, and nothing at all, is what is real.
	units := func() int64 { return 0 }
	if (*wasi.Clock)(nil).VirtualClock(wasi.Activity, units) != nil || (&wasi.Clock{}).VirtualClock(wasi.Activity, units) != nil || (*wasi.Random)(nil).Stream(wasi.Activity) != nil || (&wasi.Random{}).Stream(wasi.Activity) != nil {
		t.Error("something is virtual without a policy")
	}
}

func TestVirtual(t *testing.T) {
	start := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	units := int64(0)
	policy := &wasi.Clock{Start: start}
	made, v := policy.VirtualClock(wasi.Initialisation, func() int64 { return units }), policy.VirtualClock(wasi.Activity, func() int64 { return units })
	if v.Walltime() != start.UnixNano() || made.Walltime() != v.Walltime() {
		t.Error(v.Walltime(), made.Walltime())
	}
	if made.Nanotime() <= 0 || v.Nanotime() <= made.Nanotime() {
		t.Errorf("the monotonic clocks begin at %d and %d", made.Nanotime(), v.Nanotime())
	}
	wall, mono := v.Walltime(), v.Nanotime()
	units = 1000
	v.Sleep(time.Second)
	v.Sleep(-time.Hour)
	if want := int64(time.Second) + 1000; v.Walltime()-wall != want || v.Nanotime()-mono != want || made.Walltime()-wall != 1000 {
		t.Error(v.Walltime()-wall, v.Nanotime()-mono, made.Walltime()-wall)
	}
	v.Sleep(math.MaxInt64)
	v.Sleep(math.MaxInt64)
	if v.Walltime() != math.MaxInt64 || v.Nanotime() != math.MaxInt64 {
		t.Error(v.Walltime(), v.Nanotime())
	}
}

// The streams are these for good: tests of others depend on them.
func TestStream(t *testing.T) {
	draw := func(seed int64, phase wasi.Phase, pieces ...int) []byte {
		stream, all := (&wasi.Random{Seed: &seed}).Stream(phase), []byte(nil)
		for _, n := range pieces {
			piece := make([]byte, n)
			stream.Read(piece) //nolint:errcheck // never fails
			all = append(all, piece...)
		}
		return all
	}
	seen := map[string]bool{}
	for _, seed := range []int64{0, 1, -1, 42} {
		for _, phase := range []wasi.Phase{wasi.Initialisation, wasi.Activity} {
			whole := draw(seed, phase, 100)
			if !bytes.Equal(whole, draw(seed, phase, 1, 2, 3, 0, 94)) {
				t.Error("it depends on the size of the pieces")
			}
			seen[string(whole)] = true
		}
	}
	if len(seen) != 8 {
		t.Errorf("%d streams differ", len(seen))
	}
	if got := hex.EncodeToString(draw(42, wasi.Activity, 16)); got != "8a06630f668df3178e5e4692b68ff410" {
		t.Errorf("the stream is %s", got)
	}
}
