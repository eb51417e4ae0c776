package conformance_test

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"github.com/wasmworker/wasmworker/host/modules"
	"github.com/wasmworker/wasmworker/host/passthrough"
	"github.com/wasmworker/wasmworker/host/sandbox"
	"github.com/wasmworker/wasmworker/internal/conformance"
	"github.com/wasmworker/wasmworker/internal/testbed"
)

func TestMain(m *testing.M) { os.Exit(testbed.Main(m.Run)) }

// directory is where the conformance modules are.
const directory = "../../testdata/conformance"

func cases(t testing.TB) (list []conformance.Case) {
	data, err := os.ReadFile(filepath.Join(directory, "cases.json"))
	if err != nil {
		t.Fatal(err)
	}
	decoder := json.NewDecoder(strings.NewReader(string(data)))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&list); err != nil {
		t.Fatal(err)
	}
	return list
}

// commands are the activities of which there is a command.
var commands = []string{"greet", "nothing", "echo", "crash", "spin"}

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
		CacheDir:    t.TempDir(),
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

// eachLanguage runs a test for each language. The race detector looks at the host, which
// does the same for all of them, and takes minutes for what the tests without it have
// seen: it gets a small guest, and commands.
func eachLanguage(t *testing.T, test func(t *testing.T, l string)) {
	entries, err := os.ReadDir(directory)
	if err != nil {
		t.Fatal(err)
	}
	for _, entry := range entries {
		if l := entry.Name(); entry.IsDir() && (!testbed.Race || slices.Contains([]string{"c", "command-go"}, l)) {
			t.Run(l, func(t *testing.T) { test(t, l) })
		}
	}
}

// TestConformance runs all cases that hold for a module's kind against the modules of
// every directory. What passed has to be what docs/languages.md says.
func TestConformance(t *testing.T) {
	all := cases(t)
	var languages []string
	ran, failed := map[string]map[string]int{}, map[string]map[string]int{}
	eachLanguage(t, func(t *testing.T, l string) {
		languages = append(languages, l)
		ran[l], failed[l] = map[string]int{}, map[string]int{}
		list := load(t, filepath.Join(directory, l))
		w := world(t)
		s := start(t, list, sandbox.IsolationPristine, w.Set, w.Policies)
		for _, c := range all {
			if !c.For(string(list[0].Kind), l) {
				continue
			}
			failed[l][c.Feature]++ // until it has passed
			t.Run(strings.ReplaceAll(c.Name, " ", "-"), func(t *testing.T) {
				ran[l][c.Feature]++
				if err := c.Run(t.Context(), s, w); err != nil {
					t.Error(err)
					return
				}
				failed[l][c.Feature]--
			})
		}
		for _, m := range s.Modules() {
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
