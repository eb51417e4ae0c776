//go:build unix

package compiler

import (
	"os"
	"syscall"
)

const hangup = syscall.SIGHUP

// ownGroup keeps the child out of what a terminal's Ctrl-C is sent to.
func ownGroup() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }

// killed tells whether a process was ended by force.
func killed(state *os.ProcessState) bool {
	status, ok := state.Sys().(syscall.WaitStatus)
	return ok && status.Signaled() && status.Signal() == syscall.SIGKILL
}
