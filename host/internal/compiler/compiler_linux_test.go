package compiler

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/wasmworker/wasmworker/internal/testbed"
)

func mapWithoutEnd() {
	for {
		if _, err := syscall.Mmap(-1, 0, 64<<20, syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_ANON|syscall.MAP_PRIVATE); err != nil {
			panic(err)
		}
	}
}

// Signals that are for the worker and all its processes do not reach the compiler, and
// the limits of the system are set.
func TestProcess(t *testing.T) {
	r := requestFor(t, acting(actSlow))
	c, err := start(t.Context(), 1)
	if err != nil {
		t.Fatal(err)
	}
	var said report
	asked := make(chan error)
	go func() {
		var err error
		said, err = c.ask(r)
		asked <- err
	}()
	testbed.Eventually(t, "the child has compiled", func() error {
		files, err := filepath.Glob(filepath.Join(r.Directory, "*", "*"))
		if len(files) == 0 {
			return fmt.Errorf("files %v, error %v", files, err)
		}
		return nil
	})
	pid := c.cmd.Process.Pid
	if group, err := syscall.Getpgid(pid); err != nil || group != pid {
		t.Errorf("its process group is %d, error %v", group, err)
	}
	for _, s := range []os.Signal{syscall.SIGTERM, syscall.SIGINT, syscall.SIGHUP} {
		if err := c.cmd.Process.Signal(s); err != nil {
			t.Error(err)
		}
	}
	limits, err := os.ReadFile(fmt.Sprintf("/proc/%d/limits", pid))
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"Max core file size 0 0", "Max open files 64 64", fmt.Sprintf("Max file size %d %d", r.Memory, r.Memory)} {
		if all := strings.Join(strings.Fields(string(limits)), " "); !strings.Contains(all, want) {
			t.Errorf("%q is missing in\n%s", want, limits)
		}
	}
	if err := os.WriteFile(r.Directory+".go", nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(<-asked, c.wait()); err != nil || len(said.Files) != 1 {
		t.Errorf("it said %+v, error %v", said, err)
	}
}
