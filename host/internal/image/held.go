package image

import "sync/atomic"

// Part is a part of what there is of an instance in the memory of the process.
type Part uint8

// The parts. From Responses on, they are those of one call.
const (
	Linear    Part = iota // the memories of the guests
	Images                // what memories are reset to
	Tables                // their entries
	Globals               //
	Elements              // entries of element segments
	States                // of instances that are closed and will go on: see [State.Hold]
	Responses             // of passthrough functions, until they are closed
	Requests              // to passthrough functions, until they have returned
	Output                // and its metadata
	Details               // of the next heartbeat
	Plugin                // the blocks of an Extism plugin
	Variables             // of an Extism plugin
	Logs                  // records that are being written
	Files                 // that are open
	parts
)

var partNames = [parts]string{
	"memory", "images", "tables", "globals", "element segments", "saved states", "open responses", "requests", "output",
	"heartbeat details", "plugin memory", "plugin variables", "log records", "open files",
}

// String returns the name of the part.
func (p Part) String() string { return partNames[p] }

const (
	// Allowance is how many bytes the host holds for an instance before they count
	// against [Config.Total]: so that what ordinary guests have beside their memory takes
	// nothing away from that.
	Allowance = 8 << 20
	// uncounted is how many of them are not taken from the budget either: so that a guest
	// can return a few bytes when the others have taken everything, and that small calls
	// need no access to what all instances share.
	uncounted = 64 << 10
)

// A Ledger counts what the instances of a module have, by parts. Its methods may be
// called concurrently, and on nil.
type Ledger struct{ bytes [parts]atomic.Int64 }

func (l *Ledger) add(p Part, n int64) {
	if l != nil {
		l.bytes[p].Add(n)
	}
}

// Each calls f with each part of which there is something.
func (l *Ledger) Each(f func(p Part, bytes uint64)) {
	if l == nil {
		return
	}
	for p := range parts {
		if n := l.bytes[p].Load(); n > 0 {
			f(p, uint64(n))
		}
	}
}

// held is what the host holds for an instance beside its memory.
type held struct {
	bytes [parts]uint64
	sum   uint64
}

// Hold charges n bytes that the host is to hold for the instance. It returns false, and
// charges nothing, if that is more than it may have together with its memory, or more
// than the budget has: see [Memory.TakeGrowFailure].
func (m *Memory) Hold(p Part, n uint64) bool {
	if n == 0 {
		return true
	}
	sum := m.held.sum + n
	switch {
	case m.closed:
		return false
	case m.config.Total > 0 && m.size+beyond(sum, Allowance) > m.config.Total:
		m.refusal = HoldOverLimit
		return false
	case !m.config.Budget.Take(beyond(sum, uncounted) - beyond(m.held.sum, uncounted)):
		m.refusal = GrowOverBudget
		return false
	}
	m.held.bytes[p] += n
	m.held.sum = sum
	m.config.Ledger.add(p, int64(n))
	return true
}

// Release gives back what was charged.
func (m *Memory) Release(p Part, n uint64) {
	n = min(n, m.held.bytes[p])
	if n == 0 {
		return
	}
	sum := m.held.sum - n
	m.config.Budget.Give(beyond(m.held.sum, uncounted) - beyond(sum, uncounted))
	m.held.bytes[p] -= n
	m.held.sum = sum
	m.config.Ledger.add(p, -int64(n))
}

// ReleaseCall gives back what was charged for a call.
func (m *Memory) ReleaseCall() {
	if m.held.sum == 0 {
		return
	}
	for p := Responses; p < parts; p++ {
		m.Release(p, m.held.bytes[p])
	}
}

// Held returns how many bytes are charged for a part.
func (m *Memory) Held(p Part) uint64 { return m.held.bytes[p] }

// most is how large the memory may be at the moment.
func (m *Memory) most() uint64 {
	if m.config.Total == 0 {
		return m.config.Limit
	}
	return min(m.config.Limit, m.config.Total-min(m.config.Total, beyond(m.held.sum, Allowance)))
}

func (m *Memory) releaseAll() {
	for p := range parts {
		m.Release(p, m.held.bytes[p])
	}
}

// beyond is what of n is beyond a threshold.
func beyond(n, threshold uint64) uint64 { return n - min(n, threshold) }
