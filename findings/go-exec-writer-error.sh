#!/bin/sh
# Go's os/exec kills a child by SIGPIPE when an io.Writer for its output returns an error once, and then says nothing of
# that error.
#
# Date:      2026-11-30
# Versions:  Go 1.26 (os/exec), on Linux
# Expected:  Cmd.Stderr is a writer that fails once, as one does whose file is being exchanged. What it failed to take is lost,
#            the child goes on, and Run tells of the writer's error. ("Other error types may be returned for I/O problems.")
# Seen:      The copying ends at the first error and the reading end of the pipe is closed. The child gets SIGPIPE at its
#            next write to standard error, in the middle of its work. Run returns "signal: broken pipe" alone: errors.Is
#            does not find the writer's error in it, and nothing else has it. It is there only if the child ends
#            well by itself, without having written again.
set -eu
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
trap 'exit 130' INT TERM
cd "$dir"

cat >main.go <<'GO'
package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
)

var errOnce = errors.New("the log is being rotated")

// writer fails at its first write, and takes all others.
type writer struct {
	failed bool
	taken  int
}

func (w *writer) Write(p []byte) (int, error) {
	if !w.failed {
		w.failed = true
		return 0, errOnce
	}
	w.taken += len(p)
	return len(p), nil
}

// run starts a shell that writes one line, does what the script says, and makes a file at the end.
func run(script string) (finished bool, taken int, err error) {
	os.Remove("finished")
	w := &writer{}
	cmd := exec.Command("sh", "-c", "echo begins >&2; "+script+"; : >finished")
	cmd.Stderr = w
	err = cmd.Run()
	_, missing := os.Stat("finished")
	return missing == nil, w.taken, err
}

func main() {
	// More than a pipe holds, so that it does not matter how soon the other end is closed.
	finished, taken, err := run("i=0; while [ $i -lt 20000 ]; do echo \"line number $i\" >&2; i=$((i+1)); done")
	fmt.Printf("a child that writes on: finished %t, %d bytes taken, Run: %v; errors.Is finds the writer's error: %t\n", finished, taken, err, errors.Is(err, errOnce))
	quietFinished, _, quietErr := run(":")
	fmt.Printf("a child that is silent: finished %t, Run: %v\n", quietFinished, quietErr)
	var exit *exec.ExitError
	killed := errors.As(err, &exit) && exit.String() == "signal: broken pipe"
	if finished || taken != 0 || !killed || errors.Is(err, errOnce) || !quietFinished || !errors.Is(quietErr, errOnce) {
		fmt.Println("not as it was seen: the child dies of SIGPIPE, and the writer's error is lost")
		os.Exit(1)
	}
}
GO
GOWORK=off GOFLAGS=
export GOWORK GOFLAGS
go mod init example.com/finding >/dev/null 2>&1
go build -o finding . && ./finding
