package wasip1

import (
	"encoding/binary"
	"math"
	"time"

	"github.com/tetratelabs/wazero/api"

	"github.com/wasmworker/wasmworker/abi"
)

// The layout of subscriptions and events of poll_oneoff. Both begin with 8 bytes of the
// guest's.
const (
	subscriptionSize = 48
	eventSize        = 32

	eventClock   = 0
	eventFdRead  = 1
	eventFdWrite = 2

	clockRealtime  = 0
	clockMonotonic = 1
)

// poll is poll_oneoff, by which guests sleep: until the first of the clocks, or not at
// all if it is about a descriptor as well, since the standard streams never block and
// there are no others. Then there is an event for each subscription.
func poll(proc *Process, mod api.Module, p []uint64) abi.Errno {
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
	if proc.run != nil {
		if events, errno := proc.pollWorkflow(in, out); errno != 0 || events > 0 {
			binary.LittleEndian.PutUint32(result, uint32(events))
			return errno
		}
	}
	wait := time.Duration(math.MaxInt64)
	for i := range n {
		if i%1024 == 0 && proc.host.Interrupted(1024*subscriptionSize) {
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
				left, errno := proc.until(binary.LittleEndian.Uint32(sub[16:]), binary.LittleEndian.Uint64(sub[24:]))
				if errno != 0 {
					return errno
				}
				wait = min(wait, left)
			default:
				return abi.EINVAL
			}
		case eventFdRead, eventFdWrite:
			wait = 0
			if fd := binary.LittleEndian.Uint32(sub[16:]); fd > lastStream {
				errno = proc.pollFile(fd)
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
	proc.sleep(wait)
	binary.LittleEndian.PutUint32(result, uint32(n))
	return 0
}

// until returns how long it is until a clock, which the guest reads with clock_time_get,
// gets to a point in time. Not less than nothing.
func (proc *Process) until(clock uint32, at uint64) (time.Duration, abi.Errno) {
	var now int64
	switch clock {
	case clockRealtime:
		now = proc.now().UnixNano()
	case clockMonotonic:
		if now = monotonic(); proc.Clock != nil {
			now = proc.Clock.Nanotime()
		}
	default:
		return 0, abi.EINVAL
	}
	return time.Duration(max(int64(min(at, math.MaxInt64))-now, 0)), 0
}

// sleep sleeps until the call ends, at most, for which wazero's own does not look. A
// virtual clock takes no time for it.
func (proc *Process) sleep(d time.Duration) {
	if proc.Clock != nil {
		proc.Clock.Sleep(d)
		return
	}
	if d <= 0 {
		return
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-proc.host.Context().Done():
	}
}

// pollFile answers a subscription to a file, which is always ready.
func (proc *Process) pollFile(fd uint32) abi.Errno {
	if proc.files == nil {
		return abi.EBADF
	}
	_, err := proc.files.Get(fd)
	return proc.fileError(err)
}
