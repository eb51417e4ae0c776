package main

import (
	"os"
	"os/exec"
	"syscall"
)

func separateGroup(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{CreationFlags: syscall.CREATE_NEW_PROCESS_GROUP}
}

// terminate leaves it to the closed standard input: Windows has no SIGTERM. A server
// that does not look there is killed when the wait is over.
func terminate(*os.Process) {}

// Closing the console arrives as SIGTERM there, and nothing ends a process that writes to
// a closed pipe.
func hangup() []os.Signal { return nil }

func isHangup(os.Signal) bool { return false }

func surviveClosedOutput() {}
