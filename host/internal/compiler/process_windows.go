package compiler

import (
	"os"
	"syscall"
)

const hangup = syscall.SIGHUP // which nobody sends there

// ownGroup keeps the child out of what a console's Ctrl-C is sent to.
func ownGroup() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{CreationFlags: syscall.CREATE_NEW_PROCESS_GROUP, HideWindow: true}
}

// killed tells whether a process was ended by force, which an exit code does not say.
func killed(*os.ProcessState) bool { return false }
