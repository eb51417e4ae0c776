package image

import "sync/atomic"

// Budget is a limit on what all memories and images that share it may have together. A
// memory counts with its whole size, whether or not it shares pages with its image: a
// guest that writes to a page cannot be refused it, so what it may come to have is what
// counts.
type Budget struct {
	limit uint64
	used  atomic.Uint64
}

// NewBudget makes a budget of limit bytes.
func NewBudget(limit uint64) *Budget { return &Budget{limit: limit} }

// Limit returns what the budget was made with.
func (b *Budget) Limit() uint64 { return b.limit }

// Used returns how many bytes are taken.
func (b *Budget) Used() uint64 { return b.used.Load() }

// Take takes n bytes for something that is not a memory of this package, or none when
// there are not as many. A nil budget always has them.
func (b *Budget) Take(n uint64) bool {
	if b == nil {
		return true
	}
	for {
		used := b.used.Load()
		if n > b.limit-used {
			return false
		}
		if b.used.CompareAndSwap(used, used+n) {
			return true
		}
	}
}

// Give gives back what Take has taken.
func (b *Budget) Give(n uint64) {
	if b != nil {
		b.used.Add(-n)
	}
}

// Totals are the figures of all memories and images of the process.
type Totals struct {
	Memories   int64 // not closed yet
	Images     int64 // not freed yet
	Reserved   int64 // bytes of address space that mapped memories take
	Committed  int64 // bytes that the guests have, shared or not
	ImageBytes int64 // bytes of the images, each once
}

var usage struct {
	memories, images, reserved, committed, imageBytes atomic.Int64
}

// Usage returns the totals of the process. What is resident of them only the operating
// system knows (Rss and Pss in /proc/self/smaps_rollup).
func Usage() Totals {
	return Totals{
		Memories:   usage.memories.Load(),
		Images:     usage.images.Load(),
		Reserved:   usage.reserved.Load(),
		Committed:  usage.committed.Load(),
		ImageBytes: usage.imageBytes.Load(),
	}
}
