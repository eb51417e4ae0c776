//go:build unix

package main_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// The command makes a module that the others run. The interpreter is a stand-in, which
// takes names of activities from the app's lines.
func TestBuild(t *testing.T) {
	app := file(t, "orders.py", "activity Greet\n")
	dir := t.TempDir()
	output := filepath.Join(dir, "acts", "orders.wasm")
	for _, args := range [][]string{
		{"build", "--interpreter", wat(t, "pythonbase"), "-o", output, app},
		{"build", app, "-o", output, "--interpreter", wat(t, "pythonbase")},
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
		"passthrough":         {[]string{"--interpreter", wat(t, "pythonbase"), "--passthrough", "htp", app}, `"htp"; did you mean "http"?`},
		"missing app":         {[]string{"--interpreter", wat(t, "pythonbase"), "missing.py"}, "missing.py"},
		"no activities":       {[]string{"--interpreter", wat(t, "pythonbase"), nothing}, "@activity.defn"},
		"dependencies":        {[]string{"--interpreter", wat(t, "pythonbase"), "--dependencies", app, app}, "is no directory"},
		"requirements":        {[]string{"--interpreter", wat(t, "pythonbase"), "--requirements", "missing.txt", app}, "missing.txt"},
		"python":              {[]string{"--interpreter", wat(t, "pythonbase"), "--requirements", requirements, "--python", "no-python", app}, "there is no no-python"},
		"output":              {[]string{"--interpreter", wat(t, "pythonbase"), "--output", filepath.Join(app, "x.wasm"), app}, "--output"},
	} {
		got := command{args: append([]string{"build"}, c.args...)}.run(t)
		if got.code != 2 || !strings.Contains(got.stderr, c.want) {
			t.Errorf("%s: exit code %d, %s, want %q", name, got.code, got.stderr, c.want)
		}
	}
}
