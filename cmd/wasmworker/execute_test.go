//go:build unix

package main_test

import (
	"fmt"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/wasmworker/wasmworker/internal/testbed"
)

func startExecute(t *testing.T, server *testbed.Server, args ...string) *testbed.Process {
	t.Helper()
	cmd := exec.Command(testbed.Program(t), append([]string{"execute", "--address", server.Address, "--log-level", "debug", "--log-format", "text"}, args...)...)
	cmd.Env = testbed.CleanEnv()
	return testbed.Start(t, cmd)
}

// waitExecuting waits until the program knows that its activity was started.
func waitExecuting(t *testing.T, p *testbed.Process) {
	t.Helper()
	testbed.Eventually(t, "the activity is started", func() error {
		if !strings.Contains(p.Stderr(), "msg=started") {
			return fmt.Errorf("stderr is %q", p.Stderr())
		}
		return nil
	})
}

// A server that restarts takes nobody's activity with it, and so does not end who waits
// for it.
func TestExecuteWaitsForARestart(t *testing.T) {
	server := testbed.NewServer(t)
	q := queue(t)
	const lost = "wasmworker: the connection to the Temporal server is lost: waiting for it, and for activity "
	p := startExecute(t, server, "--task-queue", q, "--id", "late", "Work", "1")
	waitExecuting(t, p)
	server.Kill()
	testbed.Eventually(t, "the loss is told", func() error {
		if exited, code := p.Exited(); exited {
			t.Fatalf("it ended with code %d", code)
		}
		if !strings.Contains(p.Stderr(), lost+"late") {
			return fmt.Errorf("stderr is %q", p.Stderr())
		}
		return nil
	})
	server.Restart(t)
	server.Serve(t, "--modules", testbed.Guest(t, acts), "--task-queue", q) // now there is a worker
	if code := p.Wait(t); code != 0 || !strings.HasPrefix(p.Stdout(), `{"Start":`) {
		t.Errorf("exit code %d, output %q", code, p.Stdout())
	}
	if n := strings.Count(p.Stderr(), lost); n != 1 {
		t.Errorf("the loss is told %d times", n)
	}
}

// Longer than the SDK's own patience, which is a minute.
func TestExecuteWaitsForALongTime(t *testing.T) {
	t.Parallel() // it is slow, and needs nothing
	server := testbed.NewServer(t)
	q := queue(t)
	p := startExecute(t, server, "--task-queue", q, "--id", "late", "Work", "1")
	waitExecuting(t, p)
	server.Kill()
	select { // what is waited for is that nothing happens
	case <-time.After(70 * time.Second):
	case <-t.Context().Done():
	}
	if exited, code := p.Exited(); exited {
		t.Fatalf("it ended with code %d", code)
	}
	server.Restart(t)
	server.Serve(t, "--modules", testbed.Guest(t, acts), "--task-queue", q)
	if code := p.Wait(t); code != 0 || !strings.HasPrefix(p.Stdout(), `{"Start":`) {
		t.Errorf("exit code %d, output %q", code, p.Stdout())
	}
}

// Ctrl-C still ends it while the server is away: the first asks for a cancellation, which
// may not get through, and the second gives up.
func TestExecuteIsStoppedWithoutAServer(t *testing.T) {
	server := testbed.NewServer(t)
	p := startExecute(t, server, "--task-queue", queue(t), "--id", "never", "Work", "1")
	waitExecuting(t, p)
	server.Kill()
	testbed.Eventually(t, "the loss is told", func() error {
		if !strings.Contains(p.Stderr(), "is lost") {
			return fmt.Errorf("stderr is %q", p.Stderr())
		}
		return nil
	})
	p.Signal(syscall.SIGINT)
	testbed.Eventually(t, "the signal has been taken", func() error {
		if !strings.Contains(p.Stderr(), "requesting the cancellation") {
			return fmt.Errorf("stderr is %q", p.Stderr())
		}
		return nil
	})
	p.Signal(syscall.SIGINT)
	if code := p.Wait(t); code != 1 || !strings.Contains(p.Stderr(), "stopped waiting; activity never goes on") {
		t.Errorf("exit code %d, stderr %q", code, p.Stderr())
	}
}
