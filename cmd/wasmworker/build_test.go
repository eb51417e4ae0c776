//go:build unix

package main_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/wasmworker/wasmworker/internal/testbed"
)

// pythonBase is a stand-in for the interpreter: it takes the names of activities from the
// app's lines.
func pythonBase(t *testing.T) string {
	return filepath.Join(testbed.Root(t), "internal/pybundle/testdata/pythonbase.wasm")
}

// The command makes a module that the others run.
func TestBuild(t *testing.T) {
	app := file(t, "orders.py", "activity Greet\n")
	dir := t.TempDir()
	output := filepath.Join(dir, "acts", "orders.wasm")
	for _, args := range [][]string{
		{"build", "--interpreter", pythonBase(t), "-o", output, app},
		{"build", app, "-o", output, "--interpreter", pythonBase(t)},
	} {
		built := command{args: args}.run(t)
		if built.code != 0 || !strings.Contains(built.stdout, output+": Greet (") {
			t.Errorf("exit code %d, %s%s", built.code, built.stdout, built.stderr)
		}
		ran := command{args: []string{"invoke", filepath.Dir(output), "Greet"}}.run(t)
		if ran.code != 0 || strings.TrimSpace(ran.stdout) != "0" {
			t.Errorf("exit code %d, %s%s", ran.code, ran.stdout, ran.stderr)
		}
		if err := os.Remove(output); err != nil {
			t.Fatal(err)
		}
	}
}

func TestBuildBadInput(t *testing.T) {
	app := file(t, "orders.py", "activity Greet\n")
	nothing := file(t, "nothing.py", "")
	requirements := file(t, "requirements.txt", "six")
	for name, c := range map[string]struct {
		args []string
		want string
	}{
		"no app":              {[]string{}, "name one app"},
		"no interpreter":      {[]string{app}, "make python"},
		"another interpreter": {[]string{"--interpreter", wat(t, "echo"), app}, "no interpreter for bundles"},
		"no module":           {[]string{"--interpreter", app, app}, "no WebAssembly module"},
		"passthrough":         {[]string{"--interpreter", pythonBase(t), "--passthrough", "htp", app}, `"htp"; did you mean "http"?`},
		"missing app":         {[]string{"--interpreter", pythonBase(t), "missing.py"}, "missing.py"},
		"no activities":       {[]string{"--interpreter", pythonBase(t), nothing}, "@activity.defn"},
		"dependencies":        {[]string{"--interpreter", pythonBase(t), "--dependencies", app, app}, "is no directory"},
		"requirements":        {[]string{"--interpreter", pythonBase(t), "--requirements", "missing.txt", app}, "missing.txt"},
		"python":              {[]string{"--interpreter", pythonBase(t), "--requirements", requirements, "--python", "no-python", app}, "there is no no-python"},
		"site-packages":       {[]string{"--interpreter", pythonBase(t), "--site-packages", t.TempDir(), app}, "neither a pyproject.toml nor a requirements.txt"},
		"not installed":       {[]string{"--interpreter", pythonBase(t), "--site-packages", t.TempDir(), "--requirements", requirements, app}, "six is not in "},
		"pyproject":           {[]string{"--interpreter", pythonBase(t), "--requirements", file(t, "pyproject.toml", "[tool.x]\n"), app}, "no table [project]"},
		"output":              {[]string{"--interpreter", pythonBase(t), "--output", filepath.Join(app, "x.wasm"), app}, "--output"},
	} {
		got := command{args: append([]string{"build"}, c.args...)}.run(t)
		if got.code != 2 || !strings.Contains(got.stderr, c.want) {
			t.Errorf("%s: exit code %d, %s, want %q", name, got.code, got.stderr, c.want)
		}
	}
}
