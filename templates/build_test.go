//go:build toolchains

package templates_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/wasmworker/wasmworker/internal/testbed"
	"github.com/wasmworker/wasmworker/templates"
)

// Every project builds, runs and is tested by the commands of its README, with the language's own
// tools: those that make toolchains installs, and `wasmworker` on the PATH.
func TestReadmeCommands(t *testing.T) {
	root := testbed.Root(t)
	path := filepath.Dir(testbed.Program(t))
	for _, tool := range []string{"zig", "assemblyscript"} {
		path += string(os.PathListSeparator) + filepath.Join(root, ".toolchains", tool, "node_modules", ".bin")
	}
	for _, l := range templates.Languages {
		t.Run(l.Name, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "price-list")
			commands, err := l.Write(dir, sdk(t, l))
			if err != nil {
				t.Fatal(err)
			}
			if l.Name == "rust" { // where rustup cannot be asked for a target
				commands = []string{filepath.Join(sdk(t, l), "wasm-build") + " . price-list.wasm", commands[len(commands)-1], "cargo test --quiet"}
			}
			cmd := exec.Command("sh", "-eux", "-c", strings.Join(commands, "\n"))
			cmd.Dir = dir
			cmd.Env = append(os.Environ(), "PATH="+path+string(os.PathListSeparator)+os.Getenv("PATH"), "WASMWORKER_LOG_LEVEL=error")
			output, err := cmd.CombinedOutput()
			if err != nil || !strings.Contains(string(output), `"Hello, Ada!"`) {
				t.Errorf("%v\n%s", err, output)
			}
		})
	}
}
