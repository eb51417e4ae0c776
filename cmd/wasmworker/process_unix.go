//go:build unix

package main

import (
	"os"
	"os/exec"
	"os/signal"
	"syscall"
)

// hangup returns the signal that a closed terminal sends, or none if the process was
// started with it ignored, as by nohup. It then stays ignored.
func hangup() []os.Signal {
	if signal.Ignored(syscall.SIGHUP) {
		return nil
	}
	return []os.Signal{syscall.SIGHUP}
}

// isHangup reports whether a signal is that of [hangup].
func isHangup(s os.Signal) bool { return s == syscall.SIGHUP }

// surviveClosedOutput makes writing to a standard stream without a reader an error,
// instead of the end of the process. It does not ignore the signal, because child
// processes would inherit that.
func surviveClosedOutput() { signal.Notify(make(chan os.Signal, 1), syscall.SIGPIPE) }

func separateGroup(cmd *exec.Cmd) { cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} }

func terminate(p *os.Process) { p.Signal(syscall.SIGTERM) } //nolint:errcheck // the process may be gone already
