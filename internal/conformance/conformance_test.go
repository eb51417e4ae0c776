package conformance_test

import (
	"context"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/wasmworker/wasmworker/abi"
	"github.com/wasmworker/wasmworker/host/catalog"
	"github.com/wasmworker/wasmworker/host/passthrough"
	"github.com/wasmworker/wasmworker/host/sandbox"
	"github.com/wasmworker/wasmworker/internal/conformance"
	"github.com/wasmworker/wasmworker/internal/testbed"
)

func TestMain(m *testing.M) { os.Exit(testbed.Main(m.Run)) }

// folder is where the conformance modules are.
const folder = "../../testdata/conformance"

func cases(t testing.TB) (list []conformance.Case) {
	data, err := os.ReadFile(filepath.Join(folder, "cases.json"))
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

// modules returns the files of a folder; those that Go makes are built.
func modules(t testing.TB, dir string) (list []*catalog.Module) {
	t.Helper()
	name := filepath.Base(dir)
	source := filepath.Join("testdata/conformance", name)
	if strings.HasPrefix(name, "command-") { // one program that does what its file's name says
		binary, err := os.ReadFile(testbed.Command(t, source))
		if err != nil {
			t.Fatal(err)
		}
		for _, activity := range commands {
			m, err := catalog.Parse(activity, binary)
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
	list, err := catalog.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	return list
}

// unused answer the functions that Extism plugins import for config and http, which the cases do not use.
var unused = []passthrough.Module{
	{Name: "http", Functions: map[string]passthrough.Func{"send": notImplemented}},
	{Name: "config", Functions: map[string]passthrough.Func{"get": notImplemented}},
}

func notImplemented(context.Context, []byte) ([]byte, error) { return nil, abi.ENOSYS }

// start makes a sandbox of modules, which may import the given modules.
func start(t testing.TB, list []*catalog.Module, policy sandbox.Policy, granted ...passthrough.Module) *sandbox.Sandbox {
	t.Helper()
	set, err := passthrough.NewSet(append(granted, conformance.Passthrough())...)
	if err != nil {
		t.Fatal(err)
	}
	s, err := sandbox.New(sandbox.Config{
		Modules:     list,
		Passthrough: set,
		Defaults:    sandbox.Options{Passthrough: set.Names(), Policy: policy},
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

// TestConformance runs all cases that hold for a module's kind against the modules of every folder.
// What passed has to be what docs/languages.md says.
func TestConformance(t *testing.T) {
	entries, err := os.ReadDir(folder)
	if err != nil {
		t.Fatal(err)
	}
	all := cases(t)
	var languages []string
	ran, failed := map[string]map[string]int{}, map[string]map[string]int{}
	for _, entry := range entries {
		if !entry.IsDir() {
			continue
		}
		l := entry.Name()
		t.Run(l, func(t *testing.T) {
			languages = append(languages, l)
			ran[l], failed[l] = map[string]int{}, map[string]int{}
			list := modules(t, filepath.Join(folder, l))
			s := start(t, list, sandbox.PolicyPristine, unused...)
			for _, c := range all {
				if !c.For(string(list[0].Kind)) {
					continue
				}
				failed[l][c.Feature]++ // until it has passed
				t.Run(strings.ReplaceAll(c.Name, " ", "-"), func(t *testing.T) {
					ran[l][c.Feature]++
					if err := c.Run(t.Context(), s); err != nil {
						t.Error(err)
						return
					}
					failed[l][c.Feature]--
				})
			}
			for _, m := range s.Modules() {
				if m.Fallback() != "" && list[0].Kind != catalog.KindCommand {
					t.Errorf("%s cannot be set back: %s", m.File.Name, m.Fallback())
				}
			}
		})
	}
	// Not if -run chose among the languages or the cases.
	if pattern := flag.Lookup("test.run").Value.String(); !strings.Contains(pattern, "/") {
		checkLanguages(t, languages, all, failed, ran)
	}
}
