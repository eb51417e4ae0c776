//go:build toolchains

package templates_test

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/wasmworker/wasmworker/internal/testbed"
	"github.com/wasmworker/wasmworker/templates"
)

// Every project builds, runs and is tested by the commands of its README, with the
// language's own tools: those that make toolchains installs, and `wasmworker` on the
// PATH. No tool asks a registry for the SDK. Its tests notice what is not as its case
// file says.
func TestReadmeCommands(t *testing.T) {
	root := testbed.Root(t)
	asked := regexp.MustCompile(`(?i)(download|fetch)[^\n]*wasmworker`)
	path := filepath.Dir(testbed.Program(t))
	for _, tool := range []string{"zig", "assemblyscript"} {
		path += string(os.PathListSeparator) + filepath.Join(root, ".toolchains", tool, "node_modules", ".bin")
	}
	for _, l := range templates.Languages {
		t.Run(l.Name, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "price-list")
			commands, err := l.Write(dir, "")
			if err != nil {
				t.Fatal(err)
			}
			if l.Name == "rust" { // where rustup cannot be asked for a target
				commands = append([]string{"sh sdk/wasm-build . price-list.wasm"}, commands[2:]...)
			}
			interpreter := filepath.Join(root, "bin", "python.wasm") // of make python
			run := func(commands ...string) (string, error) {
				cmd := exec.Command("sh", "-eux", "-c", strings.Join(commands, "\n"))
				cmd.Dir = dir
				cmd.Env = append(os.Environ(), "PATH="+path+string(os.PathListSeparator)+os.Getenv("PATH"), "WASMWORKER_LOG_LEVEL=error", "WASMWORKER_INTERPRETER="+interpreter)
				output, err := cmd.CombinedOutput()
				return string(output), err
			}
			if output, err := run(commands...); err != nil || !strings.Contains(output, `"Hello, Ada!"`) {
				t.Fatalf("%v\n%s", err, output)
			} else if request := asked.FindString(output); request != "" {
				t.Errorf("a registry was asked: %s", request)
			}
			// The lock files that the tools wrote name no registry, either.
			for path, text := range tree(t, dir) {
				if kind := manifestKind(path); kind != "" && !strings.HasPrefix(path, "node_modules/") && !strings.HasPrefix(path, ".venv/") {
					m := manifest{dir: filepath.Dir(filepath.Join(dir, path)), text: []byte(text), pathsExist: true}
					for _, problem := range m.problems(t, kind) {
						t.Errorf("%s: %s", path, problem)
					}
				}
			}
			cases := filepath.Join(dir, "greet.test.yaml")
			right, err := os.ReadFile(cases)
			if err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(cases, bytes.ReplaceAll(right, []byte("Hello, Ada!"), []byte("Hello, Bob!")), 0o666); err != nil {
				t.Fatal(err)
			}
			// The language's last command is the one that tests.
			commands = slices.DeleteFunc(commands, func(c string) bool { return strings.HasPrefix(c, "wasmworker ") })
			test := commands[len(commands)-1]
			if output, err := run(test); err == nil || !strings.Contains(output, "--- FAIL: greet.test.yaml/greets by name") {
				t.Errorf("with a wrong case, %s: %v\n%s", test, err, output)
			}
		})
	}
}
