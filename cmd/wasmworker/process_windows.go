package main

import (
	"os"
	"os/exec"
	"syscall"
)

func separateGroup(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{CreationFlags: syscall.CREATE_NEW_PROCESS_GROUP}
}

// terminate does nothing, because Windows has no SIGTERM. The closed standard input tells
// a server to end. A server that does not read it is killed when the wait is over.
func terminate(*os.Process) {}

// hangup returns no signal. On Windows, closing the console arrives as SIGTERM, and
// writing to a closed pipe does not end a process.
func hangup() []os.Signal { return nil }

func isHangup(os.Signal) bool { return false }

func surviveClosedOutput() {}
