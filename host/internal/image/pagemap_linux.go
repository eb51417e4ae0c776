//go:build linux && (amd64 || arm64)

package image

import (
	"encoding/binary"
	"errors"
	"runtime"
	"sync"
	"unsafe"

	"golang.org/x/sys/unix"
)

// privatePages finds the pages of a private mapping that the process has to itself: those
// that are in memory, or in swap, and are no file's.
type privatePages interface {
	String() string
	// each calls visit with the ranges of addresses of the private pages in [start, end),
	// in order, up to most pages. It returns where it stopped: from there on there may be
	// more. An error, also of visit, ends it.
	each(start, end, most uintptr, visit func(start, end uintptr) error) (stop uintptr, err error)
}

// findPrivatePages returns the fastest way that works here. Whether one works is tried
// out and not told from the kernel's version: a way that misses a page would let data of
// one call get into the next.
func findPrivatePages() privatePages {
	fd, err := unix.Open("/proc/self/pagemap", unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return blind{}
	}
	for _, p := range []privatePages{pagemapScan{fd}, pagemapRead{fd}} {
		if worksOn(p) {
			return p
		}
	}
	_ = unix.Close(fd)
	return blind{}
}

// worksOn tries p on a mapping in which it is known which pages are private.
func worksOn(p privatePages) bool {
	const pages = 8
	image := make([]byte, pages*pageSize)
	for i := range image {
		image[i] = 1
	}
	f, err := mapped{}.freeze(image)
	if err != nil {
		return false
	}
	defer f.release()
	r, err := mapped{}.reserve(2 * uint64(len(image)))
	if err != nil {
		return false
	}
	defer r.release()
	if _, err := r.grow(uint64(len(image))); err != nil {
		return false
	}
	if err := r.restore(f); err != nil {
		return false
	}
	if _, err := r.grow(2 * uint64(len(image))); err != nil {
		return false
	}
	mem := r.bytes()
	page := func(i int) *byte { return &mem[i*int(pageSize)] }
	// Page 0 is only read; 2, 3, 7 of the image and 9 beyond it are written to.
	sum := *page(0)
	for _, i := range []int{2, 3, 7, 9} {
		*page(i) += sum
	}
	var found []uintptr
	base := uintptr(unsafe.Pointer(page(0)))
	_, err = p.each(base, base+uintptr(len(mem)), pages, func(start, end uintptr) error {
		for ; start < end; start += pageSize {
			found = append(found, (start-base)/pageSize)
		}
		return nil
	})
	return err == nil && len(found) == 4 && found[0] == 2 && found[1] == 3 && found[2] == 7 && found[3] == 9
}

// pagemapScan asks with the ioctl PAGEMAP_SCAN, of Linux 6.7 and later
// (Documentation/admin-guide/mm/pagemap.rst, include/uapi/linux/fs.h).
type pagemapScan struct{ fd int }

func (pagemapScan) String() string { return "dirty pages by PAGEMAP_SCAN" }

const (
	ioctlPagemapScan = 0xc0606610 // _IOWR('f', 16, struct pm_scan_arg)

	pageIsFile    = 1 << 2
	pageIsPresent = 1 << 3
	pageIsSwapped = 1 << 4
)

// pmScanArg is struct pm_scan_arg.
type pmScanArg struct {
	size             uint64
	flags            uint64
	start            uint64
	end              uint64
	walkEnd          uint64 // out: where it stopped
	vec              uint64
	vecLen           uint64
	maxPages         uint64
	categoryInverted uint64
	categoryMask     uint64
	categoryAnyOf    uint64
	returnMask       uint64
}

// pageRegion is struct page_region.
type pageRegion struct{ start, end, _ uint64 } // and categories

// regions are buffers for ioctls. Not on the stack: the kernel gets their address as a
// number, and stacks move.
var regions = sync.Pool{New: func() any { return new([128]pageRegion) }}

func (p pagemapScan) each(start, end, most uintptr, visit func(start, end uintptr) error) (uintptr, error) {
	vec := regions.Get().(*[128]pageRegion)
	defer regions.Put(vec)
	for start < end && most > 0 {
		arg := &pmScanArg{
			size:             uint64(unsafe.Sizeof(pmScanArg{})),
			start:            uint64(start),
			end:              uint64(end),
			vec:              uint64(uintptr(unsafe.Pointer(vec))),
			vecLen:           uint64(len(vec)),
			maxPages:         uint64(most),
			categoryInverted: pageIsFile,
			categoryMask:     pageIsFile, // inverted: none of a file
			categoryAnyOf:    pageIsPresent | pageIsSwapped,
		}
		n, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(p.fd), ioctlPagemapScan, uintptr(unsafe.Pointer(arg)))
		runtime.KeepAlive(vec)
		if errno != 0 {
			return start, errno
		}
		if uintptr(arg.walkEnd) <= start {
			return start, errors.New("PAGEMAP_SCAN does not get on")
		}
		for _, r := range vec[:n] {
			most -= (uintptr(r.end) - uintptr(r.start)) / pageSize
			if err := visit(uintptr(r.start), uintptr(r.end)); err != nil {
				return start, err
			}
		}
		start = uintptr(arg.walkEnd)
	}
	return start, nil
}

// pagemapRead reads what /proc/self/pagemap says of each page (same document).
type pagemapRead struct{ fd int }

func (pagemapRead) String() string { return "dirty pages by /proc/self/pagemap" }

const (
	entryFile      = 1 << 61 // or shared; since Linux 3.5
	entryInSwap    = 1 << 62
	entryInMemory  = 1 << 63
	pagemapEntries = 512
)

var entries = sync.Pool{New: func() any { return new([pagemapEntries * 8]byte) }}

func (p pagemapRead) each(start, end, most uintptr, visit func(start, end uintptr) error) (uintptr, error) {
	buf := entries.Get().(*[pagemapEntries * 8]byte)
	defer entries.Put(buf)
	run, at := start, start // [run, at) is private
	for at < end && most > 0 {
		n := min((end-at)/pageSize, pagemapEntries)
		read, err := unix.Pread(p.fd, buf[:n*8], int64(at/pageSize*8))
		if err != nil {
			return at, err
		}
		if read != int(n*8) {
			return at, errors.New("/proc/self/pagemap is too short")
		}
		for i := uintptr(0); i < n && most > 0; i++ {
			entry := binary.NativeEndian.Uint64(buf[i*8:])
			if entry&(entryInMemory|entryInSwap) != 0 && entry&entryFile == 0 {
				most--
			} else {
				if run < at {
					if err := visit(run, at); err != nil {
						return at, err
					}
				}
				run = at + pageSize
			}
			at += pageSize
		}
	}
	if run < at {
		if err := visit(run, at); err != nil {
			return at, err
		}
	}
	return at, nil
}

// blind knows nothing, and stops at once: everything is given back each time.
type blind struct{}

func (blind) String() string { return "no knowledge of dirty pages" }

func (blind) each(start, _, _ uintptr, _ func(start, end uintptr) error) (uintptr, error) {
	return start, nil
}
