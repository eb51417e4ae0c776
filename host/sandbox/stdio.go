package sandbox

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"strings"
	"time"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"
	"github.com/tetratelabs/wazero/imports/wasi_snapshot_preview1"

	"github.com/wasmworker/wasmworker/abi"
	"github.com/wasmworker/wasmworker/host/catalog"
)

// stdio connects an instance's standard streams, and its sleep, to the call that it
// serves at the moment. The streams of an instance are fixed when it is made, its
// calls come and go.
type stdio struct {
	call   *call
	read   int // bytes of the call's standard input that were read
	stdout lines
	stderr lines
}

func newStdio(c *call) *stdio {
	s := &stdio{call: c}
	s.stdout.stream, s.stderr.stream = "stdout", "stderr"
	return s
}

// attach makes c the current call.
func (s *stdio) attach(c *call) { s.call, s.read = c, 0 }

// linkWASI links WASI, of which nothing is reachable but clocks, random numbers and the
// standard streams. What would change these for the rest of the instance's life succeeds
// and does nothing: nobody could set it back for the next call.
func linkWASI(ctx context.Context, r wazero.Runtime) error {
	builder := r.NewHostModuleBuilder(abi.ModuleWASI)
	wasi_snapshot_preview1.NewFunctionExporter().ExportFunctions(builder)
	change := func(descriptors int) api.GoModuleFunc {
		return func(_ context.Context, _ api.Module, stack []uint64) {
			for _, fd := range stack[:descriptors] {
				if uint32(fd) > 2 { // there are no others
					stack[0] = uint64(abi.EBADF)
					return
				}
			}
			stack[0] = 0
		}
	}
	i32 := []api.ValueType{api.ValueTypeI32}
	builder.NewFunctionBuilder().WithGoModuleFunction(change(1), i32, i32).Export("fd_close")
	builder.NewFunctionBuilder().WithGoModuleFunction(change(2), append(i32, i32...), i32).Export("fd_renumber")
	builder.NewFunctionBuilder().WithGoModuleFunction(change(1), append(i32, i32...), i32).Export("fd_fdstat_set_flags")
	_, err := builder.Instantiate(ctx)
	return err
}

// flush logs lines that did not end.
func (s *stdio) flush() {
	s.stdout.flush(s.call)
	s.stderr.flush(s.call)
}

type readerFunc func([]byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }

type writerFunc func([]byte) (int, error)

func (f writerFunc) Write(p []byte) (int, error) { return f(p) }

func (s *stdio) in() io.Reader {
	return readerFunc(func(p []byte) (int, error) {
		if s.read >= len(s.call.stdin) {
			return 0, io.EOF
		}
		n := copy(p, s.call.stdin[s.read:])
		s.read += n
		return n, nil
	})
}

func (s *stdio) out() io.Writer {
	return writerFunc(func(p []byte) (int, error) {
		if s.call.module.File.Kind == catalog.KindCommand {
			if err := s.call.write(p); err != nil {
				return 0, err
			}
			return len(p), nil
		}
		s.stdout.write(s.call, p)
		return len(p), nil
	})
}

func (s *stdio) err() io.Writer {
	return writerFunc(func(p []byte) (int, error) {
		s.call.stderr.write(p)
		s.stderr.write(s.call, p)
		return len(p), nil
	})
}

// sleep is the guest's sleep: it ends with the call.
func (s *stdio) sleep(ns int64) { sleepUntil(s.call.ctx, time.Duration(ns)) }

// lines turns what is written into log records, one for each line.
type lines struct {
	stream  string
	partial []byte
}

func (l *lines) write(c *call, p []byte) {
	for len(p) > 0 {
		line, rest, ended := bytes.Cut(p, []byte{'\n'})
		if room := abi.MaxLogText - len(l.partial); len(line) > room {
			line, rest, ended = p[:room], p[room:], true // a very long line is several
		}
		l.partial = append(l.partial, line...)
		p = rest
		if ended {
			l.log(c)
		}
	}
}

func (l *lines) log(c *call) {
	text := strings.ToValidUTF8(strings.TrimSuffix(string(l.partial), "\r"), "\uFFFD")
	l.partial = l.partial[:0]
	if text != "" {
		c.log(slog.LevelInfo, text, []slog.Attr{slog.String("stream", l.stream)}, len(text))
	}
}

func (l *lines) flush(c *call) {
	if len(l.partial) > 0 {
		l.log(c)
	}
}

// tail keeps the first line of what is written, where a runtime names its fatal error,
// and the end.
type tail struct {
	first []byte
	ended bool // the first line
	data  []byte
}

const (
	tailSize  = 2 << 10
	firstSize = 200
)

func (t *tail) write(p []byte) {
	if !t.ended {
		line, _, ended := bytes.Cut(p, []byte{'\n'})
		t.first = append(t.first, line[:min(len(line), firstSize-len(t.first))]...)
		t.ended = ended || len(t.first) == firstSize
	}
	t.data = append(t.data, p[max(0, len(p)-tailSize):]...)
	if extra := len(t.data) - tailSize; extra > 0 {
		t.data = append(t.data[:0], t.data[extra:]...)
	}
}

// firstLine returns the first line, shortened if it is long.
func (t *tail) firstLine() string {
	return strings.TrimSpace(strings.ToValidUTF8(string(t.first), "\uFFFD"))
}

func (t *tail) String() string { return strings.ToValidUTF8(string(t.data), "\uFFFD") }
