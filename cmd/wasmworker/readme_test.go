//go:build unix

package main_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/wasmworker/wasmworker/internal/testbed"
)

// The commands of the README that make a module work as they stand there.
func TestReadme(t *testing.T) {
	root := testbed.Root(t)
	readme, err := os.ReadFile(filepath.Join(root, "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	_, after, ok := strings.Cut(string(readme), "```sh\n")
	script, _, ok2 := strings.Cut(after, "```\n")
	if !ok || !ok2 {
		t.Fatal("the README has no block of commands")
	}
	dir := t.TempDir()
	if err := os.MkdirAll(filepath.Join(dir, "bin"), 0o755); err != nil {
		t.Fatal(err)
	}
	for from, to := range map[string]string{filepath.Join(root, "guest-sdk"): "guest-sdk", testbed.Program(t): "bin/wasmworker"} {
		if err := os.Symlink(from, filepath.Join(dir, to)); err != nil {
			t.Fatal(err)
		}
	}
	cmd := exec.Command("sh", "-eu", "-c", script)
	cmd.Dir = dir
	cmd.Env = testbed.CleanEnv()
	p := testbed.Start(t, cmd)
	if code := p.Wait(t); code != 0 || p.Stdout() != "\"HELLO!\"\n" {
		t.Errorf("exit code %d, output %q:\n%s", code, p.Stdout(), p.Stderr())
	}
}
