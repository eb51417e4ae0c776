package wasip1

import (
	"encoding/binary"
	"io"
	"math"

	"github.com/tetratelabs/wazero/api"
	"github.com/tetratelabs/wazero/experimental/sys"

	"github.com/wasmworker/wasmworker/abi"
)

// lastStream is the descriptor of standard error. Those up to it are streams and not
// files.
const lastStream = 2

// piece is how many bytes the host works on before it looks at the context again.
const piece = 64 << 10

type writerFunc func([]byte) (int, error)

func (f writerFunc) Write(p []byte) (int, error) { return f(p) }

// stdout and stderr are the streams of whatever process the instance has at the moment.
func (i *Instance) stdout() io.Writer {
	return writerFunc(func(p []byte) (int, error) { return i.process.write(i.process.host.Stdout, p) })
}

func (i *Instance) stderr() io.Writer {
	return writerFunc(func(p []byte) (int, error) { return i.process.write(i.process.host.Stderr, p) })
}

// write writes to a stream in pieces, and ends with the call: a guest can have any number
// of buffers written at once, all of them its whole memory.
func (proc *Process) write(stream func([]byte) error, p []byte) (int, error) {
	for written := 0; ; {
		if proc.host.Interrupted(min(len(p)-written, piece) + 64) { // buffers can be empty, too
			return written, sys.EINTR
		}
		if written == len(p) {
			return written, nil
		}
		n := min(len(p)-written, piece)
		if err := stream(p[written : written+n]); err != nil {
			return written, err
		}
		written += n
	}
}

// readStream is fd_read of a module without files. Only standard input can be read.
func readStream(proc *Process, mod api.Module, p []uint64) abi.Errno {
	buffers, ok1 := bytesOf(mod, p[1], 8*uint64(uint32(p[2])))
	result, ok2 := bytesOf(mod, p[3], 4)
	switch {
	case uint32(p[0]) != 0:
		return abi.EBADF
	case !ok1 || !ok2:
		return abi.EFAULT
	}
	if proc.run != nil {
		if !proc.run.takeIdle() {
			return abi.EAGAIN
		}
		proc.Stdin = []byte{0}
	}
	total := 0
	for i := 0; i < len(buffers); i += 8 {
		if i%piece == 0 && proc.host.Interrupted(piece) {
			return abi.EINTR
		}
		dst, ok := bytesOf(mod, uint64(binary.LittleEndian.Uint32(buffers[i:])), uint64(binary.LittleEndian.Uint32(buffers[i+4:])))
		if !ok {
			return abi.EFAULT
		}
		n := copy(dst, proc.Stdin)
		proc.Stdin = proc.Stdin[n:]
		if total += n; n < len(dst) {
			break
		}
	}
	binary.LittleEndian.PutUint32(result, uint32(total))
	return 0
}

// eachBuffer calls f for the guest's buffers, in pieces, until one is not used up, and
// stores how many bytes that were. An error after some bytes is not told: the guest gets
// it when it goes on.
func (proc *Process) eachBuffer(mod api.Module, list, count, result uint64, f func(p []byte) (int, error)) error {
	buffers, ok1 := bytesOf(mod, list, 8*uint64(uint32(count)))
	sum, ok2 := bytesOf(mod, result, 4)
	if !ok1 || !ok2 {
		return abi.EFAULT
	}
	total := 0
	for i := 0; i < len(buffers); i += 8 {
		if proc.host.Interrupted(64) {
			return abi.EINTR
		}
		data, ok := bytesOf(mod, uint64(binary.LittleEndian.Uint32(buffers[i:])), uint64(binary.LittleEndian.Uint32(buffers[i+4:])))
		if !ok {
			return abi.EFAULT
		}
		for len(data) > 0 {
			p := data[:min(len(data), piece, math.MaxInt32-total)]
			if proc.host.Interrupted(len(p)) {
				return abi.EINTR
			}
			n, err := f(p)
			total += n
			if err != nil && total == 0 {
				return err
			}
			if err != nil || n < len(p) || total == math.MaxInt32 {
				i = len(buffers)
				break
			}
			data = data[n:]
		}
	}
	binary.LittleEndian.PutUint32(sum, uint32(total))
	return nil
}
