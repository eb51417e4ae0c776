//go:build unix

package main

import (
	"os"
	"os/exec"
	"os/signal"
	"syscall"
)

// hangup is what a closed terminal sends. Whoever started the process with it ignored, as
// nohup does, wants it to stay ignored.
func hangup() []os.Signal {
	if signal.Ignored(syscall.SIGHUP) {
		return nil
	}
	return []os.Signal{syscall.SIGHUP}
}

// isHangup tells whether a signal is that of [hangup].
func isHangup(s os.Signal) bool { return s == syscall.SIGHUP }

// surviveClosedOutput makes writing to a standard stream that nobody reads an error,
// instead of the end of the process. It is not done by ignoring the signal, which
// children would inherit.
func surviveClosedOutput() { signal.Notify(make(chan os.Signal, 1), syscall.SIGPIPE) }

func separateGroup(cmd *exec.Cmd) { cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} }

func terminate(p *os.Process) { p.Signal(syscall.SIGTERM) } //nolint:errcheck // it may be gone already
