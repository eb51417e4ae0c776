package wasip1

import (
	"encoding/binary"
	"math"

	"github.com/tetratelabs/wazero/api"

	"github.com/wasmworker/wasmworker/abi"
)

// argsSizes tells how many arguments there are, and how many bytes, with a zero behind
// each.
func argsSizes(proc *Process, mod api.Module, p []uint64) abi.Errno {
	count, size := proc.argsSize()
	if size > math.MaxUint32 {
		return abi.E2BIG
	}
	for i, value := range []uint64{count, size} {
		data, ok := bytesOf(mod, p[i], 4)
		if !ok {
			return abi.EFAULT
		}
		binary.LittleEndian.PutUint32(data, uint32(value))
	}
	return 0
}

// argsGet writes the arguments one behind the other, and where each begins.
func argsGet(proc *Process, mod api.Module, p []uint64) abi.Errno {
	count, size := proc.argsSize()
	if proc.host.Interrupted(int(size)) {
		return abi.EINTR
	}
	places, ok := bytesOf(mod, p[0], 4*count)
	if !ok {
		return abi.EFAULT
	}
	text, ok := bytesOf(mod, p[1], size)
	if !ok {
		return abi.EFAULT
	}
	at := uint32(p[1])
	for i := range int(count) {
		arg := proc.Name
		if i > 0 {
			arg = proc.Args[i-1]
		}
		binary.LittleEndian.PutUint32(places[4*i:], at)
		n := copy(text, arg)
		text[n] = 0
		text = text[n+1:]
		at += uint32(n) + 1
	}
	return 0
}

func (proc *Process) argsSize() (count, size uint64) {
	size = uint64(len(proc.Name)) + 1
	for _, arg := range proc.Args {
		size += uint64(len(arg)) + 1
	}
	return uint64(len(proc.Args)) + 1, size
}
