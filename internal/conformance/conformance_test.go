package conformance_test

import (
	"context"
	"errors"
	"flag"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/wasmworker/wasmworker/host/hosttest"
	"github.com/wasmworker/wasmworker/host/modules"
	"github.com/wasmworker/wasmworker/host/passthrough"
	"github.com/wasmworker/wasmworker/host/replay"
	"github.com/wasmworker/wasmworker/host/sandbox"
	"github.com/wasmworker/wasmworker/internal/conformance"
	"github.com/wasmworker/wasmworker/internal/engine"
	"github.com/wasmworker/wasmworker/internal/testbed"
)

// cache is where compiled modules are kept for all tests.
var cache string

func TestMain(m *testing.M) {
	os.Exit(testbed.Main(func() int {
		var err error
		if cache, err = os.MkdirTemp("", "conformance"); err != nil {
			panic(err)
		}
		defer os.RemoveAll(cache)
		return m.Run()
	}))
}

// directory is where the conformance modules are.
const directory = "../../testdata/conformance"

func suite(t testing.TB) *conformance.Suite {
	t.Helper()
	s, err := conformance.Read(filepath.Join(directory, "cases"))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// commands are the activities of which there is a command.
var commands = []string{"greet", "nothing", "echo", "crash", "draw", "spin"}

// load returns the files of a directory; those that Go makes are built.
func load(t testing.TB, dir string) (list []*modules.File) {
	t.Helper()
	name := filepath.Base(dir)
	source := filepath.Join("testdata/conformance", name)
	if strings.HasPrefix(name, "command-") { // one program that does what its file's name says
		binary, err := os.ReadFile(testbed.Command(t, source))
		if err != nil {
			t.Fatal(err)
		}
		for _, activity := range commands {
			m, err := modules.Parse(activity, binary)
			if err != nil {
				t.Fatal(err)
			}
			list = append(list, m)
		}
		return list
	}
	if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
		dir = testbed.Guest(t, source)
	}
	list, err := modules.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	return list
}

// world makes what is outside of the modules.
func world(t testing.TB) *conformance.World {
	t.Helper()
	before := goleak.IgnoreCurrent()
	w, err := conformance.NewWorld(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { // after the sandbox was closed
		if err := errors.Join(w.Close(), goleak.Find(before)); err != nil {
			t.Error(err)
		}
	})
	return w
}

// start makes a sandbox of modules, which have all passthrough modules of a set with the
// given policies.
func start(t testing.TB, list []*modules.File, policy sandbox.Isolation, set passthrough.Set, policies map[string]any) *sandbox.Sandbox {
	t.Helper()
	s, err := sandbox.New(sandbox.Config{
		Modules:     list,
		Passthrough: set,
		Defaults:    sandbox.Options{Passthrough: set.Names(), Policies: policies, Isolation: policy},
		CacheDir:    cache,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	if err := s.Compile(t.Context()); err != nil {
		t.Fatal(err)
	}
	return s
}

// python is the directory whose module is not committed, since it has an interpreter of 13
// MB: TestPythonConformance builds it, by make test-python.
const python = "python"

// eachLanguage runs a test for each language whose module is there. The race detector
// looks at the host, which does the same for all of them, and takes minutes for what the
// tests without it have seen: it gets a small guest, and commands.
func eachLanguage(t *testing.T, test func(t *testing.T, l string)) {
	entries, err := os.ReadDir(directory)
	if err != nil {
		t.Fatal(err)
	}
	for _, entry := range entries {
		if l := entry.Name(); entry.IsDir() && l != "cases" && l != python && (!testbed.Race || slices.Contains([]string{"c", "command-go"}, l)) {
			t.Run(l, func(t *testing.T) { test(t, l) })
		}
	}
}

// options are those under which the modules of a language are run in a world. There is as
// good as no limit of fuel, so that the time ends what computes for good.
//
// The modules are compiled here, into the cache. With the race detector on a busy machine
// that takes longer than package replay allows.
func options(t testing.TB, list []*modules.File, w *conformance.World, all *conformance.Suite) replay.Options {
	t.Helper()
	defaults := sandbox.Options{Passthrough: w.Set.Names()}
	engine.CanonicalNaN(&defaults) // as package replay has it
	s, err := sandbox.New(sandbox.Config{
		Modules:     list,
		Passthrough: w.Set,
		Defaults:    defaults,
		CacheDir:    cache,
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(s.Compile(t.Context()), s.Close(context.Background())); err != nil {
		t.Fatal(err)
	}
	return replay.Options{
		Files:       list,
		Passthrough: w.Set.Modules(),
		Defaults:    sandbox.Options{Policies: w.Policies, MaxFuel: math.MaxInt64},
		Mounts:      all.Mounts,
		CacheDir:    cache,
	}
}

// TestConformance runs all cases that hold for a module's kind against the modules of
// every directory. What passed has to be what docs/languages.md says.
func TestConformance(t *testing.T) {
	all := suite(t)
	var languages []string
	ran, failed := map[string]map[string]int{}, map[string]map[string]int{}
	eachLanguage(t, func(t *testing.T, l string) {
		languages = append(languages, l)
		ran[l], failed[l] = map[string]int{}, map[string]int{}
		list := load(t, filepath.Join(directory, l))
		w := world(t)
		env := hosttest.New(t, options(t, list, w, all))
		for _, c := range all.For(list[0].Kind, l) {
			failed[l][c.Feature]++ // until it has passed
			t.Run(strings.ReplaceAll(c.Name, " ", "-"), func(t *testing.T) {
				ran[l][c.Feature]++
				if err := c.Run(t.Context(), env, w); err != nil {
					t.Error(err)
					return
				}
				failed[l][c.Feature]--
			})
		}
		t.Run("interrupted-by-the-host", func(t *testing.T) {
			run := env.RunContext(t.Context(), replay.Activity{Type: "spin", Timeout: 100 * time.Millisecond})
			if run.Outcome() != replay.Interrupted {
				t.Errorf("it was not interrupted: %v", run.Err)
			}
		})
		for _, m := range env.Modules() {
			if m.Fallback() != "" && list[0].Kind != modules.KindCommand {
				t.Errorf("%s cannot be reset: %s", m.File().Name, m.Fallback())
			}
		}
	})
	// Not if -run chose among the languages or the cases.
	if testbed.Race {
		return
	}
	if pattern := flag.Lookup("test.run").Value.String(); !strings.Contains(pattern, "/") {
		checkLanguages(t, languages, all, failed, ran)
	}
}

// A tag is a kind of modules, a directory, or denied: a misspelled one would take its case
// from the table.
func TestTags(t *testing.T) {
	for _, c := range suite(t).Cases {
		for _, tag := range c.Tags {
			stat, err := os.Stat(filepath.Join(directory, tag))
			kind := slices.Contains([]modules.Kind{modules.KindNative, modules.KindExtism, modules.KindCommand}, modules.Kind(tag))
			if language := err == nil && stat.IsDir() && tag != "cases"; !language && !kind && tag != "denied" {
				t.Errorf("%s: there is neither a kind of modules nor a directory %q", c.Name, tag)
			}
		}
	}
}

// What an activity has left open is gone. In an instance that is used again the guest can
// still have the numbers, and the next activity gets the same ones: the SDK for Go does
// not mistake one for the other.
func TestLeftOpenInReusedInstance(t *testing.T) {
	w := world(t)
	m, err := modules.Open(testbed.Guest(t, "internal/conformance/testdata/stale"))
	if err != nil {
		t.Fatal(err)
	}
	s := start(t, m, sandbox.IsolationReuse, w.Set, w.Policies)
	for range 2 {
		if _, err := s.Run(t.Context(), sandbox.Task{Activity: "leave"}); err != nil {
			t.Fatal(err)
		}
		if result, err := s.Run(t.Context(), sandbox.Task{Activity: "use"}); err != nil || string(result.Data) != "4" {
			t.Fatalf("%v, %v", result, err)
		}
	}
}
