package sandbox

import (
	"context"
	"errors"

	"github.com/tetratelabs/wazero/sys"

	"github.com/wasmworker/wasmworker/abi"
	"github.com/wasmworker/wasmworker/host/internal/image"
	"github.com/wasmworker/wasmworker/host/modules"
)

// commandContract is that of programs: standard input to standard output.
type commandContract struct{}

func (commandContract) link(context.Context, *program) error { return nil }

func (commandContract) begin(c *call) guest { return command{c} }

func (commandContract) calls(*modules.File) []string { return []string{abi.ExportStart} }

func (commandContract) once() string { return "a command ends with its run" }

func (commandContract) heedsFlags() bool { return false }

type command struct{ *call }

func (c command) enter() (export string, err error) {
	c.wasi.Stdin, err = c.oneInput()
	return abi.ExportStart, err
}

func (c command) end(_ int32, err error, refused image.GrowFailure) (*Payload, error) {
	// whatever the program made of an error from its standard output
	if refused := c.outputRefused(); refused != nil {
		return nil, refused
	}
	if exit, ok := errors.AsType[*sys.ExitError](err); err != nil && (!ok || exit.ExitCode() != 0) {
		return nil, c.abnormalEnd(err, refused)
	}
	return c.guessedOutput()
}

func (c command) stdout(p []byte) error { return c.write(p) }

func (command) release() {}
