//go:build unix

package main_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
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
	var script string
	for _, block := range strings.Split(string(readme), "```sh\n")[1:] {
		commands, _, _ := strings.Cut(block, "```\n")
		script += commands
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
	if code := p.Wait(t); code != 0 || !regexp.MustCompile(`^"HELLO!"\n"HELLO!"\nok    acts/hello.test.yaml  1 case, explored at \d+ points  \S+s\n$`).MatchString(p.Stdout()) {
		t.Errorf("exit code %d, output %q:\n%s", code, p.Stdout(), p.Stderr())
	}
}
