package main

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/wasmworker/wasmworker/guest-sdk/go/activity"
	"github.com/wasmworker/wasmworker/guest-sdk/go/converter"
	"github.com/wasmworker/wasmworker/guest-sdk/go/temporal"
	"github.com/wasmworker/wasmworker/guest-sdk/go/testsuite"
)

// goAPI returns the list of Go 1, of which the Go toolchain that runs the test has a
// copy.
func goAPI(t *testing.T) []byte {
	t.Helper()
	root, err := exec.Command("go", "env", "GOROOT").Output()
	if err != nil {
		t.Fatal(err)
	}
	api, err := os.ReadFile(filepath.Join(strings.TrimSpace(string(root)), "api", "go1.txt"))
	if errors.Is(err, os.ErrNotExist) {
		t.Skip("this Go toolchain comes without the directory api: ", err)
	}
	if err != nil {
		t.Fatal(err)
	}
	if len(api) < 1<<20 {
		t.Fatalf("the file has %d bytes only", len(api))
	}
	return api
}

func run(t *testing.T, env *testsuite.TestActivityEnvironment, api []byte) Stats {
	t.Helper()
	value, err := env.ExecuteActivity(APIStats, api)
	if err != nil {
		t.Fatal(err)
	}
	var stats Stats
	if err := value.Get(&stats); err != nil {
		t.Fatal(err)
	}
	return stats
}

// The figures are counted again, in another way.
func TestRealFile(t *testing.T) {
	api := goAPI(t)
	stats := run(t, testsuite.NewTestActivityEnvironment(), api)
	packages, kinds := map[string]int{}, map[string]int{}
	pattern := regexp.MustCompile(`^pkg ([^ ,]+)(?: \(.*?\))?, (\w+)(?: \w+ (?:struct|interface)(,))?`)
	for line := range bytes.Lines(api) {
		m := pattern.FindSubmatch(line)
		packages[string(m[1])]++
		kinds[string(m[2])+string(m[3])]++
	}
	want := Stats{
		Lines:    bytes.Count(api, []byte("\n")),
		Packages: len(packages),
		Consts:   kinds["const"],
		Vars:     kinds["var"],
		Funcs:    kinds["func"],
		Methods:  kinds["method"],
		Types:    kinds["type"],
		Members:  kinds["type,"],
		SHA256:   fmt.Sprintf("%x", sha256.Sum256(api)),
		Largest:  stats.Largest,
	}
	if !reflect.DeepEqual(stats, want) {
		t.Errorf("got  %+v\nwant %+v", stats, want)
	}
	if sum := stats.Consts + stats.Vars + stats.Funcs + stats.Methods + stats.Types + stats.Members; sum != stats.Lines {
		t.Errorf("%d lines, of which %d are of a known kind", stats.Lines, sum)
	}
	if len(stats.Largest) != 10 || stats.Largest[0].Package != "syscall" ||
		!slices.IsSortedFunc(stats.Largest, func(a, b PackageSize) int { return b.Lines - a.Lines }) {
		t.Errorf("the largest packages are %v", stats.Largest)
	}
	for _, p := range stats.Largest {
		if packages[p.Package] != p.Lines {
			t.Errorf("%s has %d lines, not %d", p.Package, packages[p.Package], p.Lines)
		}
	}
}

func TestGoesOnAfterCancellation(t *testing.T) {
	api := goAPI(t)
	want := run(t, testsuite.NewTestActivityEnvironment(), api)

	env := testsuite.NewTestActivityEnvironment()
	var last Progress
	env.SetOnActivityHeartbeatListener(func(_ *activity.Info, details converter.EncodedValues) {
		if err := details.Get(&last); err != nil {
			t.Error(err)
		}
		if last.Line >= 15*linesPerHeartbeat {
			env.RequestCancel()
		}
	})
	if _, err := env.ExecuteActivity(APIStats, api); !temporal.IsCanceledError(err) {
		t.Fatalf("the activity returned %v", err)
	}
	if last.Line != 15*linesPerHeartbeat {
		t.Fatalf("it stopped at line %d", last.Line)
	}

	env = testsuite.NewTestActivityEnvironment()
	env.SetHeartbeatDetails(last)
	first := -1
	env.SetOnActivityHeartbeatListener(func(_ *activity.Info, details converter.EncodedValues) {
		var p Progress
		if err := details.Get(&p); err != nil {
			t.Error(err)
		}
		if first < 0 {
			first = p.Line
		}
	})
	if got := run(t, env, api); !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
	if first != last.Line {
		t.Errorf("it went on at line %d instead of %d", first, last.Line)
	}
}

func TestSmallInputs(t *testing.T) {
	env := testsuite.NewTestActivityEnvironment()
	stats := run(t, env, []byte("# a comment\n\npkg a, func F()\npkg a (linux), type T struct\npkg a (linux), type T struct, X int"))
	if stats.Lines != 5 || stats.Packages != 1 || stats.Funcs != 1 || stats.Types != 1 || stats.Members != 1 {
		t.Errorf("%+v", stats)
	}
	if stats := run(t, env, nil); stats.Lines != 0 || stats.Packages != 0 || len(stats.Largest) != 0 {
		t.Errorf("%+v", stats)
	}
	_, err := env.ExecuteActivity(APIStats, []byte("pkg a, func F()\nsomething else\n"))
	var e *temporal.ApplicationError
	if !errors.As(err, &e) || e.Type() != "NotAnAPIList" || !e.NonRetryable() || !strings.Contains(e.Message(), "line 2") {
		t.Error(err)
	}
}
