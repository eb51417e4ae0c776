package sandbox

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/binary"
	"io"
	"log/slog"
	"math"
	"strings"
	"time"

	"github.com/tetratelabs/wazero/api"
	"github.com/tetratelabs/wazero/experimental/sys"
	"github.com/tetratelabs/wazero/imports/wasi_snapshot_preview1"

	"github.com/wasmworker/wasmworker/abi"
	"github.com/wasmworker/wasmworker/host/modules"
)

// stdio connects an instance's standard output and error to the call that it serves at the
// moment. The streams of an instance are fixed when it is made, its calls come and go.
type stdio struct {
	call   *call
	stdout lines
	stderr lines
}

func newStdio(c *call) *stdio {
	s := &stdio{call: c}
	s.stdout.stream, s.stderr.stream = "stdout", "stderr"
	return s
}

// attach makes c the current call.
func (s *stdio) attach(c *call) { s.call = c }

// linkWASI links WASI, of which nothing is reachable but clocks, random numbers, the
// standard streams, and the directories that the module was granted. What would change the streams for the rest of
// the instance's life succeeds and does nothing: nobody could reset it for the next call.
//
// Some of wazero's functions are replaced because they work for as long, or take as much of
// the host's memory, as the guest says, and do not look at the context; or because they
// panic where there is no file.
func (m *Module) linkWASI(ctx context.Context) error {
	builder := m.runtime.NewHostModuleBuilder(abi.ModuleWASI)
	wasi_snapshot_preview1.NewFunctionExporter().ExportFunctions(builder)
	replace := func(name, signature string, f func(c *call, mod api.Module, p []uint64) abi.Errno) {
		params, results := parseSignature(signature)
		builder.NewFunctionBuilder().WithGoModuleFunction(api.GoModuleFunc(func(ctx context.Context, mod api.Module, stack []uint64) {
			c := callFrom(ctx)
			errno := f(c, mod, stack)
			c.stopIfInterrupted()
			stack[0] = uint64(errno)
		}), params, results).Export(name)
	}
	// stream answers for the standard streams; there are no other descriptors.
	stream := func(descriptors int, errno abi.Errno) func(*call, api.Module, []uint64) abi.Errno {
		return func(_ *call, _ api.Module, p []uint64) abi.Errno {
			for _, fd := range p[:descriptors] {
				if uint32(fd) > 2 {
					return abi.EBADF
				}
			}
			return errno
		}
	}
	replace("fd_close", "(i32) -> i32", stream(1, 0))
	replace("fd_renumber", "(i32, i32) -> i32", stream(2, 0))
	replace("fd_fdstat_set_flags", "(i32, i32) -> i32", stream(1, 0))
	replace("fd_filestat_set_times", "(i32, i64, i64, i32) -> i32", stream(1, abi.ENOSYS))
	replace("fd_pread", "(i32, i32, i32, i64, i32) -> i32", stream(1, abi.EBADF))
	replace("fd_read", "(i32, i32, i32, i32) -> i32", read)
	replace("poll_oneoff", "(i32, i32, i32, i32) -> i32", poll)
	replace("random_get", "(i32, i32) -> i32", random)
	// wazero copies and cleans a path, of any length, before it looks at the descriptor.
	for name, signature := range map[string]string{
		"path_create_directory":   "(i32, i32, i32) -> i32",
		"path_filestat_get":       "(i32, i32, i32, i32, i32) -> i32",
		"path_filestat_set_times": "(i32, i32, i32, i32, i64, i64, i32) -> i32",
		"path_link":               "(i32, i32, i32, i32, i32, i32, i32) -> i32",
		"path_open":               "(i32, i32, i32, i32, i32, i64, i64, i32, i32) -> i32",
		"path_readlink":           "(i32, i32, i32, i32, i32, i32) -> i32",
		"path_remove_directory":   "(i32, i32, i32) -> i32",
		"path_rename":             "(i32, i32, i32, i32, i32, i32) -> i32",
		"path_symlink":            "(i32, i32, i32, i32, i32) -> i32",
		"path_unlink_file":        "(i32, i32, i32) -> i32",
	} {
		replace(name, signature, func(*call, api.Module, []uint64) abi.Errno { return abi.EBADF }) // no descriptor is a directory
	}
	if m.directories != nil {
		linkFiles(replace)
	}
	_, err := builder.Instantiate(ctx)
	return err
}

// piece is how many bytes the host works on before it looks at the context again.
const piece = 64 << 10

// bytesOf returns the guest's own bytes, valid until the guest runs on.
func bytesOf(mod api.Module, ptr, length uint64) ([]byte, bool) {
	mem := memoryOf(mod)
	if mem == nil || length > math.MaxUint32 {
		return nil, false
	}
	return mem.Read(uint32(ptr), uint32(length))
}

// read is fd_read. Only standard input can be read.
func read(c *call, mod api.Module, p []uint64) abi.Errno {
	buffers, ok1 := bytesOf(mod, p[1], 8*uint64(uint32(p[2])))
	result, ok2 := bytesOf(mod, p[3], 4)
	switch {
	case uint32(p[0]) != 0:
		return abi.EBADF
	case !ok1 || !ok2:
		return abi.EFAULT
	}
	total := 0
	for i := 0; i < len(buffers); i += 8 {
		if i%piece == 0 && c.interrupted(piece) {
			return abi.EINTR
		}
		dst, ok := bytesOf(mod, uint64(binary.LittleEndian.Uint32(buffers[i:])), uint64(binary.LittleEndian.Uint32(buffers[i+4:])))
		if !ok {
			return abi.EFAULT
		}
		n := copy(dst, c.stdin)
		c.stdin = c.stdin[n:]
		if total += n; n < len(dst) {
			break
		}
	}
	binary.LittleEndian.PutUint32(result, uint32(total))
	return 0
}

// random is random_get.
func random(c *call, mod api.Module, p []uint64) abi.Errno {
	data, ok := bytesOf(mod, p[0], uint64(uint32(p[1])))
	if !ok {
		return abi.EFAULT
	}
	for len(data) > 0 {
		if c.interrupted(piece) {
			return abi.EINTR
		}
		n := min(len(data), piece)
		if c.random != nil {
			c.random.Read(data[:n]) //nolint:errcheck // never fails, nor does the other
		} else {
			rand.Read(data[:n])
		}
		data = data[n:]
	}
	return 0
}

// The layout of subscriptions and events of poll_oneoff. Both begin with 8 bytes of the guest's.
const (
	subscriptionSize = 48
	eventSize        = 32

	eventClock   = 0
	eventFdRead  = 1
	eventFdWrite = 2
)

// poll is poll_oneoff, by which guests sleep: until the first of the clocks, or not at all if it
// is about a descriptor as well, since the standard streams never block and there are no
// others. Then there is an event for each subscription.
func poll(c *call, mod api.Module, p []uint64) abi.Errno {
	n := uint64(uint32(p[2]))
	if n == 0 {
		return abi.EINVAL
	}
	in, ok1 := bytesOf(mod, p[0], n*subscriptionSize)
	out, ok2 := bytesOf(mod, p[1], n*eventSize)
	result, ok3 := bytesOf(mod, p[3], 4)
	if !ok1 || !ok2 || !ok3 {
		return abi.EFAULT
	}
	wait := time.Duration(math.MaxInt64)
	for i := range n {
		if i%1024 == 0 && c.interrupted(1024*subscriptionSize) {
			return abi.EINTR
		}
		sub := in[i*subscriptionSize:][:subscriptionSize]
		kind, errno := sub[8], abi.Errno(0)
		switch kind {
		case eventClock:
			switch binary.LittleEndian.Uint16(sub[40:]) {
			case 0:
				wait = min(wait, time.Duration(min(binary.LittleEndian.Uint64(sub[24:]), math.MaxInt64)))
			case 1: // until a point in time
				return abi.ENOTSUP
			default:
				return abi.EINVAL
			}
		case eventFdRead, eventFdWrite:
			wait = 0
			if fd := binary.LittleEndian.Uint32(sub[16:]); fd > lastStream {
				errno = c.pollFile(fd)
			} else if kind == eventFdWrite {
				errno = abi.ENOTSUP
			}
		default:
			return abi.EINVAL
		}
		event := out[i*eventSize:][:eventSize]
		copy(event, sub[:8])
		clear(event[8:])
		binary.LittleEndian.PutUint16(event[8:], uint16(errno))
		event[10] = kind
	}
	c.sleep(wait)
	binary.LittleEndian.PutUint32(result, uint32(n))
	return 0
}

// sleep sleeps until the call ends, at most. A virtual clock takes no time for it.
func (c *call) sleep(d time.Duration) {
	if c.clock != nil {
		c.clock.Sleep(d)
		return
	}
	sleepUntil(c.ctx, d)
}

// flush logs lines that did not end.
func (s *stdio) flush() {
	s.stdout.flush(s.call)
	s.stderr.flush(s.call)
}

type writerFunc func([]byte) (int, error)

func (f writerFunc) Write(p []byte) (int, error) { return f(p) }

func (s *stdio) out() io.Writer {
	return s.writer(func(p []byte) error {
		if s.call.module.file.Kind == modules.KindCommand {
			return s.call.write(p)
		}
		s.stdout.write(s.call, p)
		return nil
	})
}

func (s *stdio) err() io.Writer {
	return s.writer(func(p []byte) error {
		s.call.stderr.write(p)
		s.stderr.write(s.call, p)
		return nil
	})
}

// writer makes a writer that ends with the call: a guest can have any number of buffers
// written at once, all of them its whole memory.
func (s *stdio) writer(write func(p []byte) error) io.Writer {
	return writerFunc(func(p []byte) (int, error) {
		for written := 0; ; {
			if s.call.interrupted(min(len(p)-written, piece) + 64) { // buffers can be empty, too
				return written, sys.EINTR
			}
			if written == len(p) {
				return written, nil
			}
			n := min(len(p)-written, piece)
			if err := write(p[written : written+n]); err != nil {
				return written, err
			}
			written += n
		}
	})
}

// lines turns what is written into log records, one for each line.
type lines struct {
	stream  string
	partial []byte
}

func (l *lines) write(c *call, p []byte) {
	if c.logsDropped {
		return
	}
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

// tail keeps the first line of what is written that is not empty, where a runtime names its fatal error,
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
	for rest := p; len(rest) > 0 && !t.ended; {
		line, after, ended := bytes.Cut(rest, []byte{'\n'})
		t.first = append(t.first, line[:min(len(line), firstSize-len(t.first))]...)
		rest = after
		text := bytes.TrimSpace(t.first)
		t.ended = len(t.first) == firstSize || ended && len(text) > 0 && text[len(text)-1] != ':'
		if ended && !t.ended && len(text) > 0 { // Rust names the place in a line, and the reason in the next
			t.first = append(text, ' ')
		}
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
