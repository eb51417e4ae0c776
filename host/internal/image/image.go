// Package image gives WebAssembly instances linear memories that can be reset to
// what they were after initialization, cheaply, and that the instances of a module share.
//
// A [Memory] is the linear memory of one instance, handed to wazero as its allocator.
// Once the first instance of a module is initialized, [Memory.Snapshot] makes an [Image]
// of its memory. Further instances take their memory from [Image.NewMemory].
// [Memory.Reset] makes a memory equal to the image: byte for byte, size included.
// [Memory.Save] and [Memory.Load] do the same with any other moment, as what differs from
// the image: to try something and take it back, to go on in another instance, to compare.
//
// # What survives
//
// Nothing that is in the memory: after Reset every byte is that of the image, the
// memory has the image's size, and what the guest grows later is zero. What is not in
// the linear memory is not touched, and is for the caller to reset: globals, tables,
// dropped segments, what the host keeps about the instance. After an error of Reset the
// memory may be anything: the instance must not be used again.
//
// # Who owns, who frees
//
// Whoever made a Memory owns it and must call [Memory.Close], once the instance is closed
// and no call runs in it; also when instantiation failed. wazero's Free does not free:
// wazero calls it whenever the module is closed, be it in the middle of a call
// (proc_exit, Runtime.Close elsewhere), and does not call it when instantiation fails
// half-way. After Close nothing may touch the memory, not even through an [api.Memory]
// that is still around: where memory is mapped, that is a SIGSEGV that kills the process.
//
// An Image lives until [Image.Close] was called and its last Memory is closed, in any
// order. [Usage] tells what is alive, so that a test can see a leak.
//
// # Concurrency
//
// A Memory is used by one goroutine at a time, like the instance that it belongs to, and
// Reset, Trim, Snapshot, Save, Load and Close must not run during a call. Image, [Budget] and Usage
// may be used concurrently; memories of one image are independent of each other.
//
// # How
//
// On Linux (amd64, arm64) the most that a memory may have is reserved as address space,
// and made accessible as the guest grows. The image is a sealed memfd, which every memory
// maps privately: the kernel shares its pages, and copies one when a guest writes to it.
// Reset finds these copies through /proc/self/pagemap and copies them back from the image
// in place, or gives them back to the kernel (see keepBytes). A memory takes at most
// three mappings of the vm.max_map_count that the process may have (65,530 by default):
// image, growth, reserve. An image takes one, and a file descriptor.
//
// Elsewhere, and where the kernel has no memfd, memories are Go slices and Reset copies
// the whole image. The semantics are the same.
//
// Mapped memory is invisible to Go's garbage collector and to GOMEMLIMIT. What bounds it
// is the limit of each memory, and a [Budget] for all of them.
package image

import (
	"errors"
	"fmt"
	"sync/atomic"
	"unsafe"

	"github.com/tetratelabs/wazero/api"
	"github.com/tetratelabs/wazero/experimental"
)

// wasmPage is the unit in which linear memories grow.
const wasmPage = 64 << 10

// Errors that callers tell apart. After any error of [Memory.Reset] the instance must be
// discarded.
var (
	// ErrNoImage is returned by Reset when there was no Snapshot.
	ErrNoImage = errors.New("image: the memory has no image to be reset to")
	// ErrAtMaximum is returned by Reset for a memory that has grown to the very maximum
	// that its module declares, which wazero offers no way to shrink.
	ErrAtMaximum = errors.New("image: the memory has grown to the maximum that its module declares, and cannot be shrunk")
	// ErrBudget is returned when the budget does not allow for a memory or an image.
	ErrBudget = errors.New("image: the memory limit of the host is reached")
	// ErrClosed is returned for what was closed.
	ErrClosed = errors.New("image: closed")
)

// GrowFailure is why a guest was refused to grow its memory.
type GrowFailure uint8

// The refusals.
const (
	NoGrowFailure      GrowFailure = iota
	GrowOverLimit                  // the memory's own limit
	GrowOverBudget                 // the limit for all memories together
	GrowNoSystemMemory             // the operating system had no more
	HoldOverLimit                  // the limit for the memory and what the host holds
)

// String names what refused.
func (r GrowFailure) String() string {
	switch r {
	case NoGrowFailure:
		return "none"
	case GrowOverLimit:
		return "limit"
	case GrowOverBudget:
		return "budget"
	case GrowNoSystemMemory:
		return "system"
	case HoldOverLimit:
		return "held"
	}
	return fmt.Sprintf("GrowFailure(%d)", uint8(r))
}

// Config is what a memory is made from. Sizes are in bytes.
type Config struct {
	// Min is what the module needs at the start: the minimum that it declares. It is
	// taken from the budget at once, because wazero panics when it is refused later.
	Min uint64
	// Limit is the most that the memory may grow to, at least Min. It costs address
	// space only; what the module declares as its maximum need not be considered, but
	// a Limit no greater than that reserves less.
	Limit uint64
	// Budget is what this memory shares with others. Nil means no common limit.
	Budget *Budget
	// Total is the most that the memory and what the host holds for the instance (see
	// [Memory.Hold]) may have together, but for the [Allowance]. 0: Limit alone holds.
	Total uint64
	// Ledger counts what this memory and its image have. Nil: nobody wants to know.
	Ledger *Ledger
}

// Memory backs the linear memory of one instance. It implements
// [experimental.MemoryAllocator] and [experimental.LinearMemory].
type Memory struct {
	system  system
	config  Config
	region  region
	image   *Image // what Reset goes back to; nil until Snapshot
	size    uint64 // what the guest has
	charged uint64 // taken from the budget: size, or more
	held    held
	refusal GrowFailure

	allocated bool // the instance has a memory, and it is this one
	shrinking bool // Reallocate is called by resize, not by the guest
	shrinkTo  uint64
	requests  int // of the guest, since RefuseFrom
	refuse    int // the first of them that is refused; 0: none
	closed    bool
}

var (
	_ experimental.MemoryAllocator = (*Memory)(nil)
	_ experimental.LinearMemory    = (*Memory)(nil)
)

// NewMemory makes a memory without an image: that of the first instance of a module, or
// of one that is never reset. Errors are ErrBudget, and those of the operating system.
func NewMemory(cfg Config) (*Memory, error) { return newMemory(preferred(), cfg) }

func newMemory(sys system, cfg Config) (*Memory, error) {
	if cfg.Min > cfg.Limit {
		return nil, fmt.Errorf("image: a memory of at least %d bytes cannot be limited to %d", cfg.Min, cfg.Limit)
	}
	m := &Memory{system: sys, config: cfg}
	if !m.charge(cfg.Min) {
		return nil, ErrBudget
	}
	var err error
	if m.region, err = sys.reserve(cfg.Limit); err != nil {
		m.discharge(0)
		return nil, fmt.Errorf("image: address space for a memory of up to %d bytes could not be reserved: %w", cfg.Limit, err)
	}
	usage.memories.Add(1)
	usage.reserved.Add(int64(m.region.reserved()))
	return m, nil
}

// charge sees to it that n bytes are taken from the budget.
func (m *Memory) charge(n uint64) bool {
	if n <= m.charged {
		return true
	}
	if !m.config.Budget.Take(n - m.charged) {
		return false
	}
	usage.committed.Add(int64(n - m.charged))
	m.config.Ledger.add(Linear, int64(n-m.charged))
	m.charged = n
	return true
}

// discharge gives back to the budget what is charged beyond n bytes.
func (m *Memory) discharge(n uint64) {
	if n < m.charged {
		m.config.Budget.Give(m.charged - n)
		usage.committed.Add(-int64(m.charged - n))
		m.config.Ledger.add(Linear, -int64(m.charged-n))
		m.charged = n
	}
}

// Allocate implements [experimental.MemoryAllocator]. It panics when it is called again:
// a context that carries the allocator was used for a second instance, and the two would
// have one memory between them.
func (m *Memory) Allocate(_, _ uint64) experimental.LinearMemory {
	if m.allocated {
		panic("image: a Memory cannot back a second instance")
	}
	m.allocated = true
	return m
}

// Reallocate implements [experimental.LinearMemory].
func (m *Memory) Reallocate(size uint64) []byte {
	switch {
	case m.closed:
		return nil
	case m.shrinking:
		// wazero takes whatever slice it gets: see resize.
		m.size = m.shrinkTo
		return m.region.shrink(m.size)
	case size > m.config.Limit:
		m.refusal = GrowOverLimit
		return nil
	case size > m.most():
		m.refusal = HoldOverLimit
		return nil
	case m.refuse > 0:
		if m.requests++; m.requests >= m.refuse {
			m.refusal = GrowNoSystemMemory
			return nil
		}
	}
	had := m.charged
	if !m.charge(size) {
		m.refusal = GrowOverBudget
		return nil
	}
	buf, err := m.region.grow(size)
	if err != nil {
		m.discharge(had)
		m.refusal = GrowNoSystemMemory
		return nil
	}
	m.size = size
	return buf
}

// RefuseFrom makes the n-th request to grow from now on, and all after it, be refused as
// if the system had no memory. 0: none is.
func (m *Memory) FailGrowFrom(n int) { m.requests, m.refuse = 0, n }

// Free implements [experimental.LinearMemory]. It does nothing: see [Memory.Close].
func (m *Memory) Free() {}

// Size returns how many bytes of memory the guest has.
func (m *Memory) Size() uint64 { return m.size }

// Private returns how many bytes of physical memory belong to this memory alone: pages
// that the guest wrote to, and did not share. The rest of Size is the image's, or was
// never touched. Where that cannot be told, ok is false, and the bytes are those that it
// may have.
func (m *Memory) Private() (bytes uint64, ok bool) {
	if m.closed {
		return 0, true
	}
	return m.region.private()
}

// TakeRefusal returns why the guest was last refused memory since TakeRefusal was last
// called.
func (m *Memory) TakeGrowFailure() GrowFailure {
	r := m.refusal
	m.refusal = NoGrowFailure
	return r
}

// GrowFailure returns what TakeGrowFailure would, and leaves it.
func (m *Memory) GrowFailure() GrowFailure { return m.refusal }

// Snapshot makes an image of the present contents and size. From the next Reset on, m has
// the image for its contents and shares it; until then, and after an error, it remains as
// it is. A memory has one image: it cannot be snapshotted again.
//
// The image is taken from the same budget as the memory.
func (m *Memory) Snapshot() (*Image, error) {
	if m.closed {
		return nil, ErrClosed
	}
	if m.image != nil {
		return nil, errors.New("image: the memory has an image already")
	}
	if !m.config.Budget.Take(m.size) {
		return nil, ErrBudget
	}
	frozen, err := m.system.freeze(m.region.bytes())
	if err != nil {
		m.config.Budget.Give(m.size)
		return nil, fmt.Errorf("image: a snapshot of %d bytes could not be made: %w", m.size, err)
	}
	i := &Image{system: m.system, config: m.config, frozen: frozen, size: m.size}
	i.config.Min = i.size // a further memory will need that much as soon as it is reset
	i.owners.Store(2)     // the caller and m
	m.image = i
	usage.images.Add(1)
	usage.imageBytes.Add(int64(i.size))
	i.config.Ledger.add(Images, int64(i.size))
	return i, nil
}

// Reset makes the memory equal to its image. mem is the memory of the instance that m
// backs (api.Module.Memory). Further instances are reset once before their first call:
// their memory is that of a fresh instance before.
//
// On an error the instance must be discarded. ErrAtMaximum is one to expect.
func (m *Memory) Reset(mem api.Memory) error {
	switch {
	case m.closed:
		return ErrClosed
	case m.image == nil:
		return ErrNoImage
	case !m.allocated: // a module without a memory
		return nil
	}
	if err := m.check(mem); err != nil {
		return err
	}
	if err := m.resize(mem, m.image.size); err != nil {
		return err
	}
	if err := m.region.restore(m.image.frozen); err != nil {
		return fmt.Errorf("image: the memory could not be reset: %w", err)
	}
	m.discharge(m.image.size)
	return m.check(mem)
}

// resize gives the memory another size. Its contents are undefined when it has shrunk.
//
// Shrinking relies on what wazero does and does not document: MemoryInstance.Grow takes
// the slice that Reallocate returns without looking at its length, and tells the engine,
// which caches address and length (MemoryGrown; wazero v1.11.0, internal/wasm/memory.go
// and internal/engine/wazevo/module_engine.go). That it did work is for check to tell.
func (m *Memory) resize(mem api.Memory, size uint64) error {
	if size > m.size {
		// Also a further instance, when the guest grew its memory during initialization.
		if _, ok := mem.Grow(uint32((size - m.size) / wasmPage)); !ok {
			return fmt.Errorf("image: the memory could not be grown to %d bytes (%v)", size, m.TakeGrowFailure())
		}
	} else if size < m.size {
		m.shrinking, m.shrinkTo = true, size
		_, ok := mem.Grow(1)
		m.shrinking = false
		if !ok {
			return ErrAtMaximum
		}
	}
	return nil
}

// check tells whether wazero's idea of the memory is ours.
func (m *Memory) check(mem api.Memory) error {
	// Size() cannot tell 4 GiB from nothing.
	pages, _ := mem.Grow(0)
	if got := uint64(pages) * wasmPage; got != m.size {
		return fmt.Errorf("image: the instance's memory has %d bytes where %d are expected", got, m.size)
	}
	if m.size == 0 {
		return nil
	}
	if view, _ := mem.Read(0, 1); unsafe.SliceData(view) != unsafe.SliceData(m.region.bytes()) {
		return errors.New("image: the memory is that of another instance")
	}
	return nil
}

// Trim gives the memory that an idle instance holds back to the operating system. It is
// called between a Reset and the next call; what was written after the Reset may be lost.
// Before the first Reset it does nothing.
// The next call then pays for it: some 2 us for each page that it writes to.
func (m *Memory) Trim() {
	if !m.closed {
		m.region.trim()
	}
}

// Close frees the memory. The instance must have been closed before, and nothing may
// touch its memory any more. Further calls do nothing.
func (m *Memory) Close() {
	if m.closed {
		return
	}
	m.closed = true
	usage.reserved.Add(-int64(m.region.reserved()))
	usage.memories.Add(-1)
	m.region.release()
	m.region = nil
	m.size = 0
	m.discharge(0)
	m.releaseAll()
	if m.image != nil {
		m.image.release()
		m.image = nil
	}
}

// Image is the memory of a module after its initialization.
type Image struct {
	system system
	config Config
	frozen frozen
	size   uint64
	owners atomic.Int64 // the caller of Snapshot until Close, and each memory
	closed atomic.Bool
}

// Size returns the size of the image, and so that of the memories after a Reset.
func (i *Image) Size() uint64 { return i.size }

// NewMemory makes the memory of a further instance, with the limit and the budget of the
// first. The instance is to be instantiated and then reset, before its first call.
//
// The image is mapped by that Reset and not before: instantiation copies the module's
// data segments into the memory and runs its start function, if it has one, and would
// make private copies of the image's pages.
func (i *Image) NewMemory() (*Memory, error) {
	for {
		n := i.owners.Load()
		if n == 0 || i.closed.Load() {
			return nil, ErrClosed
		}
		if i.owners.CompareAndSwap(n, n+1) {
			break
		}
	}
	m, err := newMemory(i.system, i.config)
	if err != nil {
		i.release()
		return nil, err
	}
	m.image = i
	return m, nil
}

// Close gives up the image. It is freed when the last memory that has it is closed. No
// more memories can be made of it. Further calls do nothing.
func (i *Image) Close() {
	if i.closed.CompareAndSwap(false, true) {
		i.release()
	}
}

func (i *Image) release() {
	if i.owners.Add(-1) > 0 {
		return
	}
	i.frozen.release()
	i.config.Budget.Give(i.size)
	usage.images.Add(-1)
	usage.imageBytes.Add(-int64(i.size))
	i.config.Ledger.add(Images, -int64(i.size))
}
