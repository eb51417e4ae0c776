//go:build linux && (amd64 || arm64)

package image

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"os"
	"sync"
	"unsafe"

	"golang.org/x/sys/unix"
)

var pageSize = uintptr(os.Getpagesize())

var zeroPage = make([]byte, pageSize)

// mapped keeps memories and images in mappings.
type mapped struct {
	pages privatePages
	keep  uintptr // how much private memory a region keeps from one call to the next
}

// A page that a guest wrote to is a private copy then. Reset can give it back to the
// kernel (MADV_DONTNEED), and the next access takes a page fault; or it can copy the
// image's page over it, and the next access takes nothing. In microseconds, medians, on
// an AMD EPYC virtual machine with Linux 6.18 (go test -bench Pages -benchtime 200x), for
// a guest that dirties the same pages in each call, in runs of four:
//
//	               copied             given back
//	image  dirty   reset  next call   reset  next call
//	 2 MiB     1     1.9        0.0     5.6        6.3
//	 2 MiB     8     3.0        0.0     7.6       23.4
//	 2 MiB    25     7.0        0.1    22.9       80.4
//	 2 MiB   100    21.0        0.8    71.8      287
//	 2 MiB   500    67.9        5.4   133       1109
//	16 MiB     1     2.1        0.0     6.0        6.5
//	16 MiB    25    10.7        0.1    25.8       84.1
//	16 MiB   100    27.7        1.0    85.3      301
//	16 MiB   500   124          5.8   362       1492
//	16 MiB  1000   321         11.6   837       3768
//	16 MiB  2000   519         27.2  1142       7514
//	16 MiB  4000  1093         53.9  1167      12228
//	when the guest also reads all of the image in each call:
//	 2 MiB     1    16.3        1.3    72.6      151
//	 2 MiB   500    68.7        7.4   134       1201
//	16 MiB     1   129         32.3   594       1334
//	16 MiB   100   147         32.2   605       1625
//	16 MiB  2000   533         49.1  1028       6978
//
// So copying is faster, and there is no number of pages from which it is not. What speaks
// for giving back is memory, and pages that are not written to again: each costs every
// reset 0.03 us to be found and 0.05 to 0.15 us to be compared. Hence two rules.
const (
	// keepBytes bounds what a region keeps, and with it what the copying costs: half a
	// millisecond. The pages at the lowest addresses are kept: compilers put static data
	// and, but for Go, the stack there.
	keepBytes = 8 << 20
	// A page that idleResets resets in a row found unchanged is taken for unneeded: by
	// then the comparing has cost about what the page fault will (2 us) if that turns out
	// wrong.
	idleResets = 16
	// For a run of such pages one more madvise(2) has to be paid, some 5 us: as much as
	// looking at idleRun pages, or at one of them idleRun times.
	idleRun = 32
)

// preferred returns the best that this system can do.
var preferred = sync.OnceValue(func() system {
	fd, err := createMemfd()
	if err != nil {
		return copied{} // a seccomp filter, say
	}
	_ = unix.Close(fd)
	return mapped{pages: findPrivatePages(), keep: keepBytes}
})

func (s mapped) String() string { return "memfd, mapped privately; " + s.pages.String() }

func (s mapped) reserve(limit uint64) (region, error) {
	length := roundUp(uintptr(max(limit, 1)))
	// PROT_NONE does not count as committed (Documentation/mm/overcommit-accounting.rst),
	// so that this works with vm.overcommit_memory=2, too.
	base, err := unix.MmapPtr(-1, 0, nil, length, unix.PROT_NONE, unix.MAP_PRIVATE|unix.MAP_ANONYMOUS)
	if err != nil {
		return nil, fmt.Errorf("mmap: %w (see vm.max_map_count and ulimit -v)", err)
	}
	r := &mapping{mapped: s, base: base, length: length}
	// With huge pages, one byte that a guest writes makes 2 MiB to be reset. The error is
	// that of a kernel without them.
	_ = unix.Madvise(r.slice(0, length), unix.MADV_NOHUGEPAGE)
	return r, nil
}

func roundUp(n uintptr) uintptr { return (n + pageSize - 1) &^ (pageSize - 1) }

// memfd is an image: a file without a name that can neither change nor be made to
// (memfd_create(2)).
type memfd struct {
	fd   int
	size uintptr
	view []byte // of all of it, for reading
}

func createMemfd() (int, error) {
	const flags = unix.MFD_CLOEXEC | unix.MFD_ALLOW_SEALING
	fd, err := unix.MemfdCreate("wasm-image", flags|unix.MFD_NOEXEC_SEAL)
	if errors.Is(err, unix.EINVAL) { // before Linux 6.3
		fd, err = unix.MemfdCreate("wasm-image", flags)
	}
	return fd, err
}

func (s mapped) freeze(contents []byte) (_ frozen, err error) {
	f := &memfd{size: uintptr(len(contents))}
	if f.fd, err = createMemfd(); err != nil {
		return nil, fmt.Errorf("memfd_create: %w", err)
	}
	defer func() {
		if err != nil {
			f.release()
		}
	}()
	if err := unix.Ftruncate(f.fd, int64(f.size)); err != nil {
		return nil, fmt.Errorf("ftruncate: %w", err)
	}
	if err := writeSparse(f.fd, contents); err != nil {
		return nil, err
	}
	const seals = unix.F_SEAL_SHRINK | unix.F_SEAL_GROW | unix.F_SEAL_WRITE | unix.F_SEAL_SEAL
	if _, err := unix.FcntlInt(uintptr(f.fd), unix.F_ADD_SEALS, seals); err != nil {
		return nil, fmt.Errorf("fcntl F_ADD_SEALS: %w", err)
	}
	if f.size == 0 {
		return f, nil
	}
	// Private, although it is never written to: older kernels do not let a sealed file be
	// mapped shared, not even for reading.
	p, err := unix.MmapPtr(f.fd, 0, nil, f.size, unix.PROT_READ, unix.MAP_PRIVATE)
	if err != nil {
		return nil, fmt.Errorf("mmap: %w", err)
	}
	f.view = unsafe.Slice((*byte)(p), f.size)
	return f, nil
}

// writeSparse writes contents to an empty file of that length, and leaves out pages of
// zeros: a hole takes no memory until somebody reads it.
func writeSparse(fd int, contents []byte) error {
	page := int(pageSize)
	isZero := func(i int) bool { return bytes.Equal(contents[i:i+page], zeroPage) }
	for start := 0; start < len(contents); {
		if isZero(start) {
			start += page
			continue
		}
		end := start + page
		for end < len(contents) && !isZero(end) {
			end += page
		}
		for start < end {
			n, err := unix.Pwrite(fd, contents[start:end], int64(start))
			if err != nil && !errors.Is(err, unix.EINTR) {
				return fmt.Errorf("pwrite: %w", err)
			}
			start += max(n, 0)
		}
	}
	return nil
}

func (f *memfd) contents() []byte { return f.view }

func (f *memfd) release() {
	if f.view != nil {
		_ = unix.MunmapPtr(unsafe.Pointer(unsafe.SliceData(f.view)), f.size)
		f.view = nil
	}
	_ = unix.Close(f.fd)
}

// mapping is a region. Of [base, base+length), up to size is the guest's, up to
// accessible can be read and written, and the rest is PROT_NONE. What lies between size
// and accessible is zero: only shrink makes it otherwise, and the restore that follows
// sets it right.
//
// There are no guard pages, since wazero compares each address with the size. So what
// became accessible once may stay so.
type mapping struct {
	mapped
	base       unsafe.Pointer
	length     uintptr
	size       uintptr
	accessible uintptr

	touched uintptr // beyond this there are no private pages
	image   *memfd  // what is mapped at base; nil before the first restore
	idle    []uint8 // by page: how many resets in a row found it private and unchanged
	broken  bool    // there may be a hole where the image belongs
}

func (r *mapping) slice(from, to uintptr) []byte {
	return unsafe.Slice((*byte)(unsafe.Add(r.base, from)), to-from)
}

func (r *mapping) bytes() []byte { return r.slice(0, r.size) }

func (r *mapping) grow(size uint64) ([]byte, error) {
	// wazero asks for 4 GiB at most, and a pointer has 64 bits here.
	n := uintptr(size)
	if n > r.accessible {
		if err := unix.Mprotect(r.slice(r.accessible, n), unix.PROT_READ|unix.PROT_WRITE); err != nil {
			return nil, err
		}
		r.accessible = n
	}
	r.size = n
	r.touched = max(r.touched, n)
	return r.bytes(), nil
}

func (r *mapping) shrink(size uint64) []byte {
	r.size = uintptr(size)
	return r.bytes()
}

func (r *mapping) restore(f frozen) error {
	if r.image == nil {
		return r.attach(f.(*memfd))
	}
	if r.copyBack() == nil {
		return nil
	}
	// Without knowledge of the pages, all are given back.
	if err := r.drop(0, r.touched); err != nil {
		return err
	}
	r.touched = r.size
	return nil
}

// attach maps the image in place of what is there.
func (r *mapping) attach(f *memfd) error {
	if f.size > 0 {
		_, err := unix.MmapPtr(f.fd, 0, r.base, f.size, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_FIXED)
		if err != nil {
			// The kernel may have taken away what was there before it failed.
			r.broken = true
			return fmt.Errorf("mmap: %w", err)
		}
	}
	if f.size < r.accessible {
		if err := unix.Madvise(r.slice(f.size, r.accessible), unix.MADV_DONTNEED); err != nil {
			return fmt.Errorf("madvise: %w", err)
		}
	}
	r.image = f
	r.touched = r.size
	return nil
}

// copyBack makes the private pages that differ from the image equal to it again, and
// gives back those that are not worth keeping.
func (r *mapping) copyBack() error {
	if pages := int(r.touched / pageSize); len(r.idle) < pages {
		r.idle = append(r.idle, make([]uint8, pages-len(r.idle))...)
	}
	base, kept := uintptr(r.base), uintptr(0)
	stop, err := r.pages.each(base, base+r.touched, r.keep/pageSize, func(start, end uintptr) error {
		run, cost := start-base, 0 // of unneeded pages that lead up to the current one
		for at := start - base; at < end-base; at += pageSize {
			if idle := r.copyPage(at); idle >= idleResets {
				cost += idle - idleResets + 1
				continue
			}
			if cost >= idleRun {
				if err := r.drop(run, at); err != nil {
					return err
				}
			}
			run, cost = at+pageSize, 0
			kept = run
		}
		if cost >= idleRun {
			return r.drop(run, end-base)
		}
		kept = end - base
		return nil
	})
	if err != nil {
		return err
	}
	if err := r.drop(stop-base, r.touched); err != nil {
		return err
	}
	r.touched = max(r.size, kept)
	return nil
}

// save adds the private pages to a state, or what differs in them.
func (r *mapping) save(f frozen, s *State, compact bool) {
	mem, image := r.bytes(), f.contents()
	if r.image == nil { // what is not private is zero then, not the image
		s.addDifferent(mem, image, 0, uint64(r.size))
		return
	}
	base := uintptr(r.base)
	stop, err := r.pages.each(base, base+min(r.touched, r.size), r.length/pageSize, func(start, end uintptr) error {
		if start, end := uint64(start-base), uint64(end-base); compact {
			s.addDifferent(mem, image, start, end)
		} else {
			s.add(start, mem[start:end])
		}
		return nil
	})
	if err != nil {
		// Some were found, and may be found again.
		s.runs, s.data = s.runs[:0], s.data[:0]
		stop = base
	}
	s.addDifferent(mem, image, uint64(stop-base), uint64(r.size))
}

// load makes what is private equal to the state or else the image, and writes what of the
// state is not private: nobody wrote there since the image was mapped.
//
// What the guest wrote beyond the state it probably writes again soon, so that it stays
// private: up to as much as a reset would keep. Pages of the state stay, however many.
func (r *mapping) load(f frozen, s *State) error {
	if r.image == nil {
		if err := r.attach(f.(*memfd)); err != nil {
			return err
		}
		rest := s.all()
		rest.copyTo(r.bytes(), uint64(r.size))
		return nil
	}
	base, kept := uintptr(r.base), uintptr(0)
	mem, spare := r.slice(0, r.touched), r.keep
	rest := s.all()
	stop, err := r.pages.each(base, base+r.touched, r.length/pageSize, func(start, end uintptr) error {
		at, end := start-base, end-base
		rest.copyTo(mem, uint64(at))
		for at < end {
			if next := rest.next(); next <= uint64(at) {
				part := rest.take(uint64(end))
				equalize(r.slice(at, at+uintptr(len(part))), part)
				at += uintptr(len(part))
				continue
			} else if next < uint64(end) {
				err := r.copyImage(at, uintptr(next), &spare, &kept)
				at = uintptr(next)
				if err != nil {
					return err
				}
				continue
			}
			return r.copyImage(at, end, &spare, &kept)
		}
		return nil
	})
	if err != nil {
		stop, kept, rest = base, 0, s.all()
	}
	if err := r.drop(stop-base, r.touched); err != nil {
		return err
	}
	rest.copyTo(mem, uint64(r.size))
	r.touched = max(r.size, kept)
	return nil
}

// copyImage makes a private range equal to the image. Of whole pages in it, those beyond
// spare bytes are given back. kept becomes the end of what is not.
func (r *mapping) copyImage(from, to uintptr, spare, kept *uintptr) error {
	for at := from; at < to; {
		n := min(to, at&^(pageSize-1)+pageSize) - at
		if n == pageSize {
			if *spare < pageSize {
				pages := (to - at) &^ (pageSize - 1)
				if err := r.drop(at, at+pages); err != nil {
					return err
				}
				at += pages
				continue
			}
			*spare -= pageSize
		}
		original := zeroPage[:n]
		if at < r.image.size {
			original = r.image.view[at : at+n]
		}
		equalize(r.slice(at, at+n), original)
		at += n
		*kept = at
	}
	return nil
}

// equalize copies what is not equal: memory that is only read stays in the caches of all.
func equalize(to, from []byte) {
	for len(from) > 0 {
		n := min(len(from), block)
		if !bytes.Equal(to[:n], from[:n]) {
			copy(to, from[:n])
		}
		to, from = to[n:], from[n:]
	}
}

// copyPage makes one private page equal to the image. It returns for how many resets in a
// row it was.
func (r *mapping) copyPage(at uintptr) int {
	page, original := r.slice(at, at+pageSize), zeroPage
	if at < r.image.size {
		original = r.image.view[at : at+pageSize]
	}
	idle := &r.idle[at/pageSize]
	if !bytes.Equal(page, original) {
		copy(page, original)
		*idle = 0
	} else if *idle < math.MaxUint8 {
		*idle++
	}
	return int(*idle)
}

// drop makes a range what it was when it was mapped: the image, or zero.
func (r *mapping) drop(from, to uintptr) error {
	if from == to {
		return nil
	}
	// For private mappings, that is what madvise(2) promises of MADV_DONTNEED on Linux.
	if err := unix.Madvise(r.slice(from, to), unix.MADV_DONTNEED); err != nil {
		return fmt.Errorf("madvise: %w", err)
	}
	clear(r.idle[min(from/pageSize, uintptr(len(r.idle))):min(to/pageSize, uintptr(len(r.idle)))])
	return nil
}

func (r *mapping) trim() {
	if r.image == nil {
		return // what is there is not in any image
	}
	// An error leaves it as it is, which is equal.
	_ = r.drop(0, r.touched)
}

func (r *mapping) reserved() uint64 { return uint64(r.length) }

func (r *mapping) private() (uint64, bool) {
	base := uintptr(r.base)
	n := uintptr(0)
	stop, err := r.pages.each(base, base+r.accessible, r.length/pageSize, func(start, end uintptr) error {
		n += end - start
		return nil
	})
	if err != nil || stop < base+r.accessible {
		return uint64(r.accessible), false
	}
	return uint64(n), true
}

func (r *mapping) release() {
	from := uintptr(0)
	if r.broken {
		// Somebody else's mapping may be in the hole by now. Rather lose some addresses.
		from = min(roundUp(r.accessible), r.length)
	}
	if from < r.length {
		_ = unix.MunmapPtr(unsafe.Add(r.base, from), r.length-from)
	}
}
