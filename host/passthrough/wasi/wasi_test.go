package wasi_test

import (
	"strings"
	"testing"
	"time"

	"github.com/wasmworker/wasmworker/host/passthrough"
	"github.com/wasmworker/wasmworker/host/passthrough/wasi"
	"github.com/wasmworker/wasmworker/internal/yamlnode"
)

// read makes a policy of YAML, as the command line does.
func read(m passthrough.Module, text string) (any, error) {
	policy := m.NewPolicy()
	if err := yamlnode.Unmarshal([]byte(text), policy); err != nil {
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
}
