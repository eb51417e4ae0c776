//go:build unix

package main

import (
	"os"
	"os/exec"
	"syscall"
)

func separateGroup(cmd *exec.Cmd) { cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} }

func terminate(p *os.Process) { p.Signal(syscall.SIGTERM) } //nolint:errcheck // it may be gone already
