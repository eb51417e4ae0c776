package conformance_test

import (
	"bytes"
	"fmt"
	"log/slog"
	"maps"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sync/errgroup"

	"github.com/wasmworker/wasmworker/host/modules"
	"github.com/wasmworker/wasmworker/host/passthrough"
	"github.com/wasmworker/wasmworker/host/passthrough/wasi"
	"github.com/wasmworker/wasmworker/host/sandbox"
	"github.com/wasmworker/wasmworker/internal/conformance"
)

// draws runs the activity draw n times, four of them at once.
func draws(t *testing.T, s *sandbox.Sandbox, n int) []string {
	t.Helper()
	var group errgroup.Group
	group.SetLimit(4)
	drawn := make([]string, n)
	for i := range drawn {
		group.Go(func() error {
			result, err := s.Run(t.Context(), sandbox.Task{Activity: "draw"})
			if err == nil && result == nil {
				err = fmt.Errorf("there is no result")
			}
			if err == nil {
				drawn[i] = string(result.Data)
			}
			return err
		})
	}
	if err := group.Wait(); err != nil {
		t.Fatal(err)
	}
	return drawn
}

// A thousand activities draw from what users of the language draw from, and all numbers
// differ, although all begin with one image.
func TestDrawsDiffer(t *testing.T) {
	eachLanguage(t, func(t *testing.T, l string) { drawsDiffer(t, load(t, filepath.Join(directory, l)), world(t)) })
}

func drawsDiffer(t *testing.T, list []*modules.File, w *conformance.World) {
	t.Helper()
	drawn := draws(t, start(t, list, sandbox.IsolationPristine, w.Set, w.Policies), 1000)
	different := map[string]bool{}
	for _, number := range drawn {
		different[number] = true
	}
	if len(different) < len(drawn) {
		t.Errorf("%d activities drew %d numbers, one of them %s", len(drawn), len(different), drawn[0])
	}
}

// With the same seed an activity draws the same numbers, with another one others, whether
// its instance is a new one or was reset.
func TestDrawsFollowTheSeed(t *testing.T) {
	eachLanguage(t, func(t *testing.T, l string) {
		list := load(t, filepath.Join(directory, l))
		w := world(t)
		set, err := passthrough.NewSet(append(w.Set.Modules(), wasi.NewRandom())...)
		if err != nil {
			t.Fatal(err)
		}
		draw := func(isolation sandbox.Isolation, seed int64) [2]string {
			policies := maps.Clone(w.Policies)
			policies[wasi.NameRandom] = &wasi.Random{Seed: &seed}
			return [2]string(draws(t, start(t, list, isolation, set, policies), 2))
		}
		for _, isolation := range []sandbox.Isolation{sandbox.IsolationPristine, sandbox.IsolationFresh} {
			one, again, other := draw(isolation, 1), draw(isolation, 1), draw(isolation, 2)
			if one != again || one[0] != one[1] || one[0] == other[0] {
				t.Errorf("%s: %s with a seed, %s with the same, %s with another one", isolation, one, again, other)
			}
		}
	})
}

// The operator is told what a module drew while it was initialized, and no call makes
// anew: all of it, but for the seed of Go's runtime.
func TestDrawnWhileInitialized(t *testing.T) {
	for l, want := range map[string]string{"assemblyscript": "bytes=8\n", "typescript": "bytes=256\n", "c": "", "go": "", "extism-go": ""} {
		var log bytes.Buffer
		w := world(t)
		s, err := sandbox.New(sandbox.Config{
			Modules: load(t, filepath.Join(directory, l)), Passthrough: w.Set, CacheDir: t.TempDir(),
			Defaults: sandbox.Options{Passthrough: w.Set.Names(), Policies: w.Policies},
			Logger:   slog.New(slog.NewTextHandler(&log, nil)),
		})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := s.Run(t.Context(), sandbox.Task{Activity: "draw"}); err != nil {
			t.Error(err)
		}
		if err := s.Close(t.Context()); err != nil {
			t.Error(err)
		}
		const told = "drew random numbers while it was initialized"
		if got := log.String(); strings.Contains(got, told) != (want != "") || !strings.Contains(got, want) {
			t.Errorf("%s: the log is %q", l, got)
		}
	}
}
