package sandbox

import (
	"fmt"
	"strings"

	"github.com/wasmworker/wasmworker/host/internal/wazerotext"
	"github.com/wasmworker/wasmworker/internal/visible"
)

// shorten makes one line of a text that a module has had a part in, and of 500 bytes at
// most.
func shorten(err error) string {
	text := wazerotext.WithoutTrace(err.Error())
	cut := visible.Line(text[:min(len(text), 500)]) // which can make it longer
	if len(cut) > 500 || len(text) > 500 {
		return strings.ToValidUTF8(cut[:min(len(cut), 500)], "") + "…"
	}
	return cut
}

// moduleError is an error about a module, with what a wrapped error says about it
// shortened.
type moduleError struct {
	text string
	err  error
}

func (e *moduleError) Error() string { return e.text }

func (e *moduleError) Unwrap() error { return e.err }

func (m *Module) errorf(what string, err error) error {
	return &moduleError{fmt.Sprintf("%s: %s: %s", m.file.Path, what, shorten(err)), err}
}

func mebibytes(n uint64) string {
	return fmt.Sprintf("%.4g MiB", float64(n)/(1<<20))
}
