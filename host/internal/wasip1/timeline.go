package wasip1

import (
	"encoding/binary"
	"io"
	"math"
	"time"

	"github.com/wasmworker/wasmworker/abi"
)

// Timeline is the time of a workflow run, and its random numbers. Unlike a [Process], it
// lives as long as the run. It is a [Clock] that stands still, but for sleeps, and belongs
// to one goroutine at a time. A copy of it is one that goes its own way.
type Timeline struct {
	// Random is what the guest draws from.
	Random io.Reader
	// Wake is when the guest wants to be called again, in nanoseconds since 1970. 0: it
	// does not wait for any time.
	Wake int64

	now  int64
	idle bool // the guest was told that there is something to read
}

// Begin begins an activation at a time. The clock does not go back for it.
func (t *Timeline) Begin(now time.Time) {
	t.now = max(t.now, now.UnixNano())
	t.idle = false
}

// Walltime implements [Clock].
func (t *Timeline) Walltime() int64 { return t.now }

// Nanotime implements [Clock]. It is the same, since both have to be one for all runs.
func (t *Timeline) Nanotime() int64 { return t.now }

// Sleep implements [Clock].
func (t *Timeline) Sleep(d time.Duration) { t.now = add(t.now, max(int64(d), 0)) }

func (t *Timeline) takeIdle() bool {
	idle := t.idle
	t.idle = false
	return idle
}

// Follow makes a process one of a workflow run. It is called after [System.Begin].
func (proc *Process) Follow(t *Timeline) {
	proc.run, proc.Clock, proc.random = t, t, t.Random
}

// pollWorkflow answers a poll_oneoff with a subscription to reading descriptor 0, by which
// a workflow tells that all of it waits. Without one there are no events.
func (proc *Process) pollWorkflow(in, out []byte) (events int, errno abi.Errno) {
	if proc.host.Interrupted(2 * len(in)) {
		return 0, abi.EINTR
	}
	var reading []byte
	wait := int64(math.MaxInt64)
	for sub := in; len(sub) > 0; sub = sub[subscriptionSize:] {
		switch sub[8] {
		case eventFdRead:
			if binary.LittleEndian.Uint32(sub[16:]) == 0 {
				reading = sub
			}
		case eventClock:
			left, errno := proc.left(sub)
			if errno != 0 {
				return 0, errno
			}
			wait = min(wait, left)
		}
	}
	if reading == nil {
		return 0, 0
	}
	if wait <= 0 { // some of it does not wait
		for sub := in; len(sub) > 0; sub = sub[subscriptionSize:] {
			if sub[8] != eventClock {
				continue
			}
			if left, _ := proc.left(sub); left <= 0 {
				putEvent(out[events*eventSize:], sub, 0)
				events++
			}
		}
		return events, 0
	}
	proc.run.idle, proc.run.Wake = true, 0
	if wait < math.MaxInt64 {
		proc.run.Wake = add(proc.run.now, wait)
	}
	putEvent(out, reading, 1)
	return 1, 0
}

// left is how many nanoseconds are left until the clock of a subscription is due.
func (proc *Process) left(sub []byte) (int64, abi.Errno) {
	at := min(binary.LittleEndian.Uint64(sub[24:]), math.MaxInt64)
	switch binary.LittleEndian.Uint16(sub[40:]) {
	case 0:
		return int64(at), 0
	case 1:
		left, errno := proc.until(binary.LittleEndian.Uint32(sub[16:]), at)
		return int64(left), errno
	}
	return 0, abi.EINVAL
}

// putEvent stores the event of a subscription.
func putEvent(out, sub []byte, size uint64) {
	event := out[:eventSize]
	copy(event, sub[:8])
	clear(event[8:])
	event[10] = sub[8]
	binary.LittleEndian.PutUint64(event[16:], size)
}
