package main_test

import (
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"

	"go.temporal.io/sdk/client"
	"golang.org/x/sys/unix"

	"github.com/wasmworker/wasmworker/internal/testbed"
)

const refusedArgs = "WASMWORKER_TEST_REFUSED_ARGS"

// TestRefuseExecutableMemory is no test but a process of one: it becomes a program for
// which the kernel refuses what systemd's MemoryDenyWriteExecute and SELinux refuse.
func TestRefuseExecutableMemory(t *testing.T) {
	args := os.Getenv(refusedArgs)
	if args == "" {
		return
	}
	os.Unsetenv(refusedArgs)
	if err := unix.Prctl(unix.PR_SET_MDWE, unix.PR_MDWE_REFUSE_EXEC_GAIN, 0, 0, 0); err != nil {
		t.Fatalf("prctl(PR_SET_MDWE): %v", err)
	}
	argv := strings.Split(args, "\n")
	t.Fatal(syscall.Exec(argv[0], argv, os.Environ()))
}

// refused makes the command one without executable memory.
func refused(cmd *exec.Cmd) *exec.Cmd {
	helper := exec.Command(os.Args[0], "-test.run=^TestRefuseExecutableMemory$")
	helper.Env = append(testbed.CleanEnv(), refusedArgs+"="+strings.Join(cmd.Args, "\n"))
	return helper
}

const refusedText = "this system refuses executable memory, so the interpreter is used"

// Where memory cannot be made executable, modules are interpreted, and the program says
// why it is slow.
func TestWithoutExecutableMemory(t *testing.T) {
	cache := t.TempDir()
	p := testbed.Start(t, refused(exec.Command(testbed.Program(t), "invoke", "--cache-dir", cache, wat(t, "echo"), "Echo", `"x"`)))
	if code := p.Wait(t); code != 0 || p.Stdout() != "\"x\"\n" {
		t.Errorf("invoke: exit code %d, result %q", code, p.Stdout())
	}
	if stderr := p.Stderr(); strings.Count(stderr, refusedText) != 1 || !strings.Contains(stderr, "MemoryDenyWriteExecute=no") || !strings.Contains(stderr, "permission denied") {
		t.Errorf("invoke says:\n%s", stderr)
	}
	p = testbed.Start(t, refused(exec.Command(testbed.Program(t), "inspect", wat(t, "echo"))))
	if code := p.Wait(t); code != 0 || !strings.Contains(p.Stdout(), "Echo") || p.Stderr() != "" {
		t.Errorf("inspect: exit code %d, stdout:\n%s\nstderr:\n%s", code, p.Stdout(), p.Stderr())
	}

	server := testbed.Shared(t)
	c, q := server.Client(t), queue(t)
	p = testbed.Start(t, refused(exec.Command(testbed.Program(t), "serve", "--address", server.Address, "--task-queue", q, "--cache-dir", cache,
		"--modules", testbed.Guest(t, acts), "--modules", wat(t, "dirty"))))
	result[span](t, execute(t, c, client.StartActivityOptions{TaskQueue: q}, "Work", 1))
	if n := strings.Count(p.Stderr(), refusedText); n != 1 {
		t.Errorf("serve says it %d times, want once for all modules", n)
	}
	p.Signal(syscall.SIGTERM)
	if code := p.Wait(t); code != 0 {
		t.Errorf("serve: exit code %d", code)
	}
}
