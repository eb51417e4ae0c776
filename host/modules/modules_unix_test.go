//go:build unix

package modules_test

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/wasmworker/wasmworker/host/modules"
)

// A named pipe is refused before it is opened, which could block for good.
func TestReadNamedPipe(t *testing.T) {
	dir := t.TempDir()
	pipe := filepath.Join(dir, "pipe.wasm")
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{pipe, dir} {
		// A writer that waits for a reader. Should Open open the pipe, it gets an end of
		// file from here, and the test fails instead of hanging.
		written := make(chan struct{})
		go func() {
			defer close(written)
			if f, err := os.OpenFile(pipe, os.O_WRONLY, 0); err == nil {
				f.Close()
			}
		}()
		defer func() {
			f, err := os.OpenFile(pipe, os.O_RDONLY|syscall.O_NONBLOCK, 0) // lets the writer go
			if err != nil {
				t.Fatal(err)
			}
			<-written
			f.Close()
		}()
		modules, err := modules.Open(path)
		if err == nil || !strings.HasSuffix(err.Error(), "pipe.wasm: not a regular file") || modules != nil {
			t.Errorf("%s: got %v, error %v", path, modules, err)
		}
	}
}
