package wasip1

import (
	"bytes"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"math"
	mathrand "math/rand/v2"
	"time"

	"github.com/tetratelabs/wazero/api"

	"github.com/wasmworker/wasmworker/abi"
	"github.com/wasmworker/wasmworker/host/passthrough/wasi"
)

// Phase is what an instance does.
type Phase string

// The phases, each of which has a clock and a stream of its own.
const (
	Initialization Phase = "initialisation"
	Activity       Phase = "activity"
)

// generators is the stream of [System.Seed], which must not be that of the activity:
// whether the host seeds a generator would change all else that it draws.
const generators Phase = "generators"

// NewVirtualClock makes a virtual clock for a phase, or returns nil if the clock is the
// real one. Units returns how many units of computation the guest has used since.
func NewVirtualClock(policy wasi.Clock, phase Phase, units func() int64) *VirtualClock {
	if policy.Start.IsZero() {
		return nil
	}
	v := &VirtualClock{start: policy.Start.UnixNano(), monotonic: monotonicStart, units: units}
	if phase == Activity {
		v.monotonic += monotonicGap
	}
	return v
}

// Where the monotonic clock begins. Not at zero, which runtimes take for none; and in an
// activity later than in the initialization before it, since a runtime that was
// initialized, and is reset to that, must not see it going back.
const (
	monotonicStart = int64(time.Second)
	monotonicGap   = int64(time.Hour)
)

// began is where the real monotonic clock begins, for all processes.
var began = time.Now()

// monotonic is the real monotonic clock.
func monotonic() int64 { return monotonicStart + int64(time.Since(began)) }

// Clock is what a guest reads the time from, where that is not the real one.
type Clock interface {
	// Walltime returns the nanoseconds since 1970.
	Walltime() int64
	// Nanotime returns the nanoseconds of the monotonic clock.
	Nanotime() int64
	// Sleep advances the clock, and takes no time.
	Sleep(d time.Duration)
}

// VirtualClock is a virtual clock. It belongs to one goroutine at a time.
type VirtualClock struct {
	start, monotonic int64
	units            func() int64
	slept            int64
}

func (v *VirtualClock) elapsed() int64 { return add(v.units(), v.slept) }

// Walltime returns the nanoseconds since 1970.
func (v *VirtualClock) Walltime() int64 { return add(v.start, v.elapsed()) }

// Nanotime returns the nanoseconds of the monotonic clock.
func (v *VirtualClock) Nanotime() int64 { return add(v.monotonic, v.elapsed()) }

// Sleep advances the clock, and takes no time.
func (v *VirtualClock) Sleep(d time.Duration) { v.slept = add(v.slept, max(int64(d), 0)) }

// add adds numbers that are not negative. It stops at the end of time, where sleeping for
// good leads.
func add(a, b int64) int64 {
	if a > math.MaxInt64-b {
		return math.MaxInt64
	}
	return a + b
}

// NewStream makes the random numbers of a phase, or returns nil if they are real ones.
func NewStream(policy wasi.Random, phase Phase) *mathrand.ChaCha8 {
	if policy.Seed == nil {
		return nil
	}
	key := fmt.Appendf(nil, "wasmworker random %s ", phase)
	return mathrand.NewChaCha8(sha256.Sum256(binary.LittleEndian.AppendUint64(key, uint64(*policy.Seed))))
}

// randomGet is random_get.
func randomGet(proc *Process, mod api.Module, p []uint64) abi.Errno {
	data, ok := bytesOf(mod, p[0], uint64(uint32(p[1])))
	if !ok {
		return abi.EFAULT
	}
	first := data
	for len(data) > 0 {
		if proc.host.Interrupted(piece) {
			return abi.EINTR
		}
		n := min(len(data), piece)
		if proc.random != nil {
			proc.random.Read(data[:n]) //nolint:errcheck // none of the streams fails, nor does the other
		} else {
			rand.Read(data[:n])
		}
		data = data[n:]
	}
	if proc.phase == Initialization {
		proc.Drawn.note(first)
	}
	return 0
}

// Drawn is what an initialization got from random_get.
type Drawn struct {
	Bytes int
	// First is what the first call got, if it was no more than a seed; else it is empty.
	First []byte
}

// maxSeed is the size of the largest seed of a generator that the host knows.
const maxSeed = 32

func (d *Drawn) note(data []byte) {
	if d.Bytes == 0 && len(data) <= maxSeed {
		d.First = bytes.Clone(data)
	}
	d.Bytes += len(data)
}

// Seed returns a seed for a generator in the memory of an instance that begins an
// activity.
func (s *System) Seed() (seed [maxSeed]byte) {
	if stream := NewStream(s.config.Random, generators); stream != nil {
		stream.Read(seed[:]) //nolint:errcheck // never fails, nor does the other
	} else {
		rand.Read(seed[:])
	}
	return seed
}
