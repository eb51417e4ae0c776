//go:build unix

package testbed_test

import (
	"encoding/json"
	"errors"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/wasmworker/wasmworker/internal/testbed"
)

const module = "github.com/wasmworker/wasmworker"

// list runs `go list` in a directory of the repository, without the workspace: a module's
// own go.mod decides what the module depends on.
func list(t *testing.T, dir string, args ...string) []string {
	t.Helper()
	cmd := exec.Command("go", append([]string{"list"}, args...)...)
	cmd.Dir, cmd.Env = filepath.Join(testbed.Root(t), dir), append(os.Environ(), "GOWORK=off")
	out, err := cmd.Output()
	if err != nil {
		if exit, ok := errors.AsType[*exec.ExitError](err); ok {
			t.Logf("%s", exit.Stderr)
		}
		t.Fatalf("go list in %s: %v", dir, err)
	}
	return strings.Fields(string(out))
}

// drivers are modules and packages that only importers of a driver may depend on.
var drivers = []string{"modernc.org", "github.com/jackc", "gocloud.dev", "github.com/aws", "cloud.google.com/go/storage", "github.com/Azure", "github.com/extism"}

// The arrows of the house point down only: cmd -> host -> sandbox, passthrough, modules
// -> abi. Temporal lives in host and nowhere below, wazero in sandbox and nowhere above.
func TestArrowsPointDown(t *testing.T) {
	for pkg, forbidden := range map[string][]string{
		"./abi":              {module, "go.temporal.io", "github.com"},
		"./host/modules":     {"go.temporal.io", "github.com/tetratelabs", module + "/host/sandbox", module + "/host/passthrough"},
		"./host/passthrough": {"go.temporal.io", "github.com/tetratelabs", module + "/host/sandbox"},
		"./host/sandbox":     {"go.temporal.io"},
		// The sandbox's parts do not depend on the sandbox.
		"./host/internal/hostfunc":   {"go.temporal.io", module},
		"./host/internal/image":      {"go.temporal.io", module + "/host/sandbox", module + "/host/passthrough"},
		"./host/internal/inject":     {"go.temporal.io", module + "/host/sandbox"},
		"./host/internal/meter":      {"go.temporal.io", module + "/host/sandbox", module + "/host/passthrough"},
		"./host/internal/wasip1":     {"go.temporal.io", module + "/host/sandbox"},
		"./host/internal/wazerotext": {"github.com", "go.temporal.io"},
		"./internal/engine":          {module, "go.temporal.io"},
		// Cases are recorded in the worker and replayed without one.
		"./host/replay/cases": {"go.temporal.io"},
		// The embedded server is for development, and hosttest is for tests. The program
		// that operators run must have neither.
		"./cmd/wasmworker": {"go.temporal.io/server", module + "/host/hosttest"},
		// A driver is for one passthrough module.
		"./contrib/azure":    {"go.temporal.io", "github.com/tetratelabs", module + "/host/sandbox"},
		"./contrib/gcs":      {"go.temporal.io", "github.com/tetratelabs", module + "/host/sandbox"},
		"./contrib/postgres": {"go.temporal.io", "github.com/tetratelabs", module + "/host/sandbox"},
		"./contrib/s3":       {"go.temporal.io", "github.com/tetratelabs", module + "/host/sandbox"},
		"./contrib/sqlite":   {"go.temporal.io", "github.com/tetratelabs", module + "/host/sandbox"},
	} {
		self := module + strings.TrimPrefix(pkg, ".")
		for _, dep := range list(t, pkg, "-f", "{{join .Deps \"\\n\"}}", ".") {
			for _, f := range forbidden {
				if strings.HasPrefix(dep, f) && !strings.HasPrefix(dep, self) {
					t.Errorf("%s depends on %s", pkg, dep)
				}
			}
		}
	}
	for _, pkg := range []string{"./host", "./cmd/wasmworker"} {
		for _, dep := range list(t, pkg, "-f", "{{join .Imports \"\\n\"}}", ".") {
			if strings.HasPrefix(dep, "github.com/tetratelabs") {
				t.Errorf("%s imports %s, which is the sandbox's", pkg, dep)
			}
		}
	}
}

// Package hosttest is for tests, including those of users. No other code may import it.
func TestOnlyTestsImportHosttest(t *testing.T) {
	t.Chdir(testbed.Root(t))
	output, err := exec.Command("git", "ls-files", "--cached", "--others", "--exclude-standard", "*.go").Output()
	if err != nil {
		t.Fatal(err)
	}
	tests := 0
	for _, name := range strings.Fields(string(output)) {
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.ImportsOnly)
		if errors.Is(err, fs.ErrNotExist) { // removed, and not committed yet
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		for _, imported := range file.Imports {
			switch {
			case imported.Path.Value != strconv.Quote(module+"/host/hosttest"):
			case strings.HasSuffix(name, "_test.go"):
				tests++
			default:
				t.Errorf("%s imports package hosttest and is no test", name)
			}
		}
	}
	if tests == 0 {
		t.Error("no test imports package hosttest: it has moved, and this test does not know where")
	}
}

// Programs that embed the host, and the tests of the root module, have no driver in the
// build list.
func TestDriversAreForWhoImportsThem(t *testing.T) {
	for what, names := range map[string][]string{
		"the build list of the root module":                list(t, ".", "-m", "all"),
		"what the root module's packages and tests import": list(t, ".", "-deps", "-test", "./..."),
	} {
		for _, name := range names {
			if slices.ContainsFunc(drivers, func(d string) bool { return strings.HasPrefix(name, d) }) {
				t.Errorf("%s has %s", what, name)
			}
		}
	}
}

// goMod is the output of `go mod edit -json`.
type goMod struct {
	Module  struct{ Path string }
	Go      string
	Require []struct{ Path, Version string }
	Replace []struct {
		Old, New struct{ Path, Version string }
	}
	Use []struct{ DiskPath string }
}

func modFile(t *testing.T, command, file string) (parsed goMod) {
	t.Helper()
	out, err := exec.Command("go", command, "edit", "-json", file).Output()
	if err != nil {
		t.Fatalf("%s: %v", file, err)
	}
	if err := json.Unmarshal(out, &parsed); err != nil {
		t.Fatalf("%s: %v", file, err)
	}
	return parsed
}

// The workspace joins the modules. They build without it too, because each module
// replaces the modules of this repository that it requires. It replaces nothing else.
func TestModules(t *testing.T) {
	t.Chdir(testbed.Root(t))
	// The first for a reason that go.work gives. The second stands in for a module of somebody
	// else's, whose path it has, and is compiled with the first.
	const apart, standIn = "cmd/wasmworker-devserver", "cmd/wasmworker-devserver/autoscaling"
	checked := strings.Fields(strings.Join(regexp.MustCompile(`(?m)^(?:HOST|MODULES|GUESTS) .*$`).FindAllString(read(t, "Makefile"), -1), " "))
	work := modFile(t, "work", "go.work")
	output, err := exec.Command("git", "ls-files", "--cached", "--others", "--exclude-standard", "go.mod", "*/go.mod").Output()
	if err != nil {
		t.Fatal(err)
	}
	files := strings.Fields(string(output))
	if len(files) < 20 {
		t.Fatalf("only %d modules were found", len(files))
	}
	for _, file := range files {
		dir, mod := path.Dir(file), modFile(t, "mod", file)
		if dir == standIn {
			continue
		}
		joined := slices.ContainsFunc(work.Use, func(u struct{ DiskPath string }) bool { return path.Clean(u.DiskPath) == dir })
		if joined == (dir == apart) {
			t.Errorf("%s: in go.work: %t", file, joined)
		}
		// Temporal's server asks for a later Go.
		if mod.Go != work.Go && dir != apart {
			t.Errorf("%s is for Go %s, go.work for %s", file, mod.Go, work.Go)
		}
		// The module compiles only as WebAssembly.
		if !slices.Contains(checked, dir) && dir != "testdata/conformance/extism-go" {
			t.Errorf("%s is in none of HOST, MODULES and GUESTS of the Makefile", file)
		}
		if mod.Module.Path != path.Join(module, dir) {
			t.Errorf("%s is %s", file, mod.Module.Path)
		}
		replaced := map[string]bool{}
		for _, r := range mod.Replace {
			replaced[r.Old.Path] = true
			if target := path.Join(dir, r.New.Path); target != standIn && path.Join(module, target) != r.Old.Path {
				t.Errorf("%s replaces %s by %s", file, r.Old.Path, r.New.Path)
			}
		}
		for _, r := range mod.Require {
			if ours := strings.HasPrefix(r.Path+"/", module+"/"); ours && !replaced[r.Path] {
				t.Errorf("%s requires %s and does not replace it", file, r.Path)
			} else if dir == "guest-sdk/go" {
				t.Errorf("%s requires %s: a guest gets nothing but the SDK", file, r.Path)
			}
		}
	}
}
