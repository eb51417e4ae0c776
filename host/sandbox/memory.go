package sandbox

import "github.com/tetratelabs/wazero/experimental"

// linearMemory backs the memory of one instance and holds it to its limit.
//
// The limit is kept here and not by the runtime's own setting, because only so does
// the host see that a guest was refused memory, and can say OutOfMemory when it dies of that.
type linearMemory struct {
	limit   uint64
	buf     []byte
	refused bool // a growth beyond the limit was refused during this call
}

// Allocate implements [experimental.MemoryAllocator]: there is one memory in an instance.
func (m *linearMemory) Allocate(_, _ uint64) experimental.LinearMemory { return m }

// Reallocate implements [experimental.LinearMemory].
func (m *linearMemory) Reallocate(size uint64) []byte {
	if size > m.limit {
		m.refused = true
		return nil
	}
	if size > uint64(cap(m.buf)) {
		// Doubling keeps a guest that grows by a page at a time from copying its memory each time.
		grown := make([]byte, size, max(size, min(2*uint64(cap(m.buf)), m.limit)))
		copy(grown, m.buf)
		m.buf = grown
	}
	m.buf = m.buf[:size]
	return m.buf
}

// Free implements [experimental.LinearMemory].
func (m *linearMemory) Free() { m.buf = nil }
