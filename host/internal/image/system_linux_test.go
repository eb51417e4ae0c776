//go:build linux && (amd64 || arm64)

package image

import (
	"bufio"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"
)

// finders returns each way to find private pages.
func finders(t testing.TB) map[string]privatePages {
	fd, err := unix.Open("/proc/self/pagemap", unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		t.Logf("NOT TESTED: finding dirty pages, because there is no pagemap here: %v", err)
		return nil
	}
	t.Cleanup(func() { unix.Close(fd) })
	all := map[string]privatePages{"scan": pagemapScan{fd}, "pagemap": pagemapRead{fd}}
	for name, p := range all {
		if !worksOn(p) {
			t.Logf("NOT TESTED: %s, because this kernel does not have it or has it wrong", p)
			delete(all, name)
		}
	}
	return all
}

func systems(t testing.TB) map[string]system {
	all := map[string]system{
		"copied": copied{},
		"blind":  mapped{pages: blind{}, keep: keepBytes},
	}
	for name, p := range finders(t) {
		all[name] = mapped{pages: p, keep: keepBytes}
	}
	return all
}

// withKeep returns a system that keeps less dirty memory, so that a small memory is
// enough to get beyond it.
func withKeep(sys system, keep uintptr) system {
	if m, ok := sys.(mapped); ok {
		m.keep = keep
		return m
	}
	return sys
}

// onEachMapped is onEachSystem for what only mapped memories do.
func onEachMapped(t *testing.T, test func(t *testing.T, sys mapped)) {
	onEachSystem(t, func(t *testing.T, sys system) {
		if m, ok := sys.(mapped); ok {
			test(t, m)
		}
	})
}

// mappings returns the lines of /proc/self/maps for which keep is true.
func mappings(t testing.TB, keep func(start, end uintptr, line string) bool) (lines []string) {
	t.Helper()
	f, err := os.Open("/proc/self/maps")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for s := bufio.NewScanner(f); s.Scan(); {
		var start, end uintptr
		if _, err := fmt.Sscanf(s.Text(), "%x-%x", &start, &end); err != nil {
			t.Fatal(err)
		}
		if keep(start, end, s.Text()) {
			lines = append(lines, s.Text())
		}
	}
	return lines
}

// within returns the mappings of a region.
func within(t testing.TB, r *mapping) []string {
	base := uintptr(r.base)
	return mappings(t, func(start, end uintptr, line string) bool {
		return start < base+r.length && base < end && !strings.Contains(line, "[")
	})
}

// imageFiles returns how often images are mapped, and how many file descriptors they
// have.
func imageFiles(t testing.TB) (mapped, open int) {
	t.Helper()
	mapped = len(mappings(t, func(_, _ uintptr, line string) bool { return strings.Contains(line, "memfd:wasm-image") }))
	fds, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	for _, fd := range fds {
		if to, _ := os.Readlink("/proc/self/fd/" + fd.Name()); strings.Contains(to, "memfd:wasm-image") {
			open++
		}
	}
	return mapped, open
}

// TestMappings counts what a memory takes of vm.max_map_count, and sees that all of it is
// given back.
func TestMappings(t *testing.T) {
	onEachMapped(t, func(t *testing.T, sys mapped) {
		mappedBefore, openBefore := imageFiles(t)
		h := defaultHost(t, stateModule(t))
		i := h.first(sys, Config{Min: wasmPage, Limit: 4 * mib})
		most := func(i *instance, want int) {
			t.Helper()
			if lines := within(t, i.memory.region.(*mapping)); len(lines) > want {
				t.Errorf("a memory has %d mappings; want at most %d:\n%s", len(lines), want, strings.Join(lines, "\n"))
			}
		}
		most(i, 2)
		image := i.snapshot()
		var all []*instance
		for range 10 {
			j := h.further(image)
			most(j, 2)
			for range 3 {
				j.call("grow", 3)
				j.call("fill", 0, 1, 6*wasmPage)
				j.reset()
			}
			most(j, 3)
			all = append(all, j)
		}
		i.reset()
		i.call("grow", 3)
		i.reset()
		most(i, 3)
		mapped, open := imageFiles(t)
		if mapped != mappedBefore+12 || open != openBefore+1 { // 11 memories and the view
			t.Errorf("one image with eleven memories is mapped %d times and open %d times", mapped-mappedBefore, open-openBefore)
		}
		var regions []*mapping
		for _, j := range append(all, i) {
			regions = append(regions, j.memory.region.(*mapping))
			j.close()
		}
		image.Close()
		mapped, open = imageFiles(t)
		if mapped != mappedBefore || open != openBefore {
			t.Errorf("after everything is closed, the image is mapped %d times and open %d times", mapped-mappedBefore, open-openBefore)
		}
		for _, r := range regions {
			// Something else may be there by now, but hardly to the last page.
			mapped := uintptr(0)
			for _, line := range within(t, r) {
				var start, end uintptr
				if _, err := fmt.Sscanf(line, "%x-%x", &start, &end); err != nil {
					t.Fatal(err)
				}
				mapped += min(end, uintptr(r.base)+r.length) - max(start, uintptr(r.base))
			}
			if mapped == r.length {
				t.Errorf("after Close, a memory of %d bytes is still mapped", mapped)
			}
		}
	})
}

// TestImageIsSealed: nobody can change it, by whatever way.
func TestImageIsSealed(t *testing.T) {
	onEachMapped(t, func(t *testing.T, sys mapped) {
		h := defaultHost(t, stateModule(t))
		i := h.first(sys, Config{Min: wasmPage, Limit: mib})
		f := i.snapshot().frozen.(*memfd)
		if _, err := unix.Pwrite(f.fd, []byte{1}, 0); !errors.Is(err, unix.EPERM) {
			t.Errorf("writing to an image: %v", err)
		}
		if err := unix.Ftruncate(f.fd, 0); !errors.Is(err, unix.EPERM) {
			t.Errorf("shortening an image: %v", err)
		}
		if p, err := unix.MmapPtr(f.fd, 0, nil, f.size, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED); err == nil {
			_ = unix.MunmapPtr(p, f.size)
			t.Error("an image can be mapped for writing")
		}
		if _, err := unix.FcntlInt(uintptr(f.fd), unix.F_ADD_SEALS, 0); !errors.Is(err, unix.EPERM) {
			t.Errorf("adding seals: %v", err)
		}
	})
}

// TestZerosTakeNoMemory: an image of a large, mostly empty memory is small.
func TestZerosTakeNoMemory(t *testing.T) {
	contents := make([]byte, 4*mib)
	for _, at := range []int{0, 5, mib, 2*mib - 1, 4*mib - 1} {
		contents[at] = 1
	}
	frozen, err := mapped{}.freeze(contents)
	if err != nil {
		t.Fatal(err)
	}
	defer frozen.release()
	f := frozen.(*memfd)
	var stat unix.Stat_t
	if err := unix.Fstat(f.fd, &stat); err != nil {
		t.Fatal(err)
	}
	if got := uintptr(stat.Blocks) * 512; got != 4*pageSize {
		t.Errorf("an image with 4 pages that are not zero takes %d bytes", got)
	}
	if !slices.Equal(f.view, contents) {
		t.Error("the image is not what it was made from")
	}
}

// TestPrivatePages compares each way to find private pages with what was written, in many
// short ranges and in long ones.
func TestPrivatePages(t *testing.T) {
	for name, finder := range finders(t) {
		t.Run(name, func(t *testing.T) {
			random := rand.New(rand.NewPCG(1, 2))
			const pages = 3000
			contents := make([]byte, pages*pageSize)
			f, err := mapped{}.freeze(contents)
			if err != nil {
				t.Fatal(err)
			}
			defer f.release()
			for _, density := range []float64{0, 0.001, 0.1, 0.5, 0.9, 1} {
				r, err := mapped{}.reserve(uint64(len(contents)))
				if err != nil {
					t.Fatal(err)
				}
				defer r.release()
				if _, err := r.grow(uint64(len(contents))); err != nil {
					t.Fatal(err)
				}
				if err := r.restore(f); err != nil {
					t.Fatal(err)
				}
				var want []uintptr
				mem := r.bytes()
				for i := range uintptr(pages) {
					if random.Float64() < density {
						// even if it changes nothing
						mem[i*pageSize+uintptr(random.Uint64N(uint64(pageSize)))] = 0
						want = append(want, i)
					} else if random.IntN(2) == 0 && mem[i*pageSize] != 0 {
						t.Fatal("not zero")
					}
				}
				base := uintptr(unsafe.Pointer(unsafe.SliceData(mem)))
				end := base + uintptr(len(mem))
				var got []uintptr
				collect := func(start, end uintptr) error {
					for ; start < end; start += pageSize {
						got = append(got, (start-base)/pageSize)
					}
					return nil
				}
				if stop, err := finder.each(base, end, pages, collect); err != nil || stop != end {
					t.Fatalf("stopped at %#x of [%#x, %#x): %v", stop, base, end, err)
				}
				if !slices.Equal(got, want) {
					t.Errorf("density %v: %d pages found, %d written", density, len(got), len(want))
				}
				if len(want) == 0 {
					continue
				}
				// In two parts.
				got = nil
				most := 1 + random.IntN(len(want))
				stop, err := finder.each(base, end, uintptr(most), collect)
				if err != nil || !slices.Equal(got, want[:most]) || stop <= base+want[most-1]*pageSize {
					t.Errorf("density %v: %d pages found of the first %d, up to %#x of [%#x, %#x): %v", density, len(got), most, stop, base, end, err)
				}
				if _, err := finder.each(stop, end, pages, collect); err != nil || !slices.Equal(got, want) {
					t.Errorf("density %v: %d pages found in two parts, %d written: %v", density, len(got), len(want), err)
				}
				failed := errors.New("failed")
				if _, err := finder.each(base, end, pages, func(_, _ uintptr) error { return failed }); !errors.Is(err, failed) {
					t.Errorf("an error of visit became %v", err)
				}
			}
		})
	}
}

// TestKeepsWhatIsWorthKeeping is about which pages stay private from one call to the
// next.
func TestKeepsWhatIsWorthKeeping(t *testing.T) {
	for name, finder := range finders(t) {
		t.Run(name, func(t *testing.T) {
			size := 1000 * int(pageSize) / wasmPage
			h := defaultHost(t, withMemory(stateModule(t), size, 2*size))
			i := h.first(mapped{pages: finder, keep: 100 * pageSize}, Config{Min: uint64(size) * wasmPage, Limit: uint64(size+10) * wasmPage})
			i.snapshot()
			i.reset()
			page := uint64(pageSize)
			write := func(pages ...uint64) {
				for _, p := range pages {
					view, ok := i.module.Memory().Read(uint32(p*page), 1)
					if !ok {
						t.Fatal("no such page")
					}
					view[0]++
				}
			}
			private := func(want uint64) {
				t.Helper()
				if got, ok := i.memory.Private(); !ok || got != want*page {
					t.Fatalf("%d bytes are private; want %d pages", got, want)
				}
			}
			private(0)
			write(0, 1, 2, 10, 20)
			private(5)
			i.reset()
			private(5) // copied back, and kept
			// After as many resets a page alone is worth a madvise: 1 and 20, while 0, 2
			// and 10 are used.
			const alone = idleResets + idleRun - 1
			use := func(times int) {
				for range times {
					write(0, 2)
					i.reset()
				}
			}
			use(alone - 1)
			private(5)
			write(10) // needed after all: it counts from the start again
			use(1)
			private(3)
			use(alone - 1)
			private(3)
			use(1)
			private(2)
			// They were given back, and are as new, even if what is written changes
			// nothing.
			write(10)
			i.call("store", 20*page, i.call("load", 20*page))
			use(alone - 1)
			private(4)
			use(1)
			private(3)
			use(1)
			private(2)
			write(10)

			// A long run is given back sooner.
			for p := range uint64(idleRun) {
				write(50 + p)
			}
			i.reset()
			for range idleResets {
				private(3 + idleRun)
				write(0, 2, 10)
				i.reset()
			}
			private(3)

			// The same holds for what the guest grew, after it has been taken from it
			// again.
			for range 3 {
				i.call("grow", 2)
				size := i.memory.Size() / page
				write(size-1, size-3)
				private(5)
				i.reset()
				private(5)
			}
			for range alone {
				write(10)
				use(1)
			}
			private(3)

			// Of too much, the lower part is kept.
			for p := range uint64(150) {
				write(3 * p)
			}
			i.reset()
			private(100)
			write(3 * 120)
			private(101)
			i.reset()
			private(100)
			i.memory.Trim()
			private(0)
			write(0)
			i.reset()
			private(1)
		})
	}
}

// TestAttachFails: when the image cannot be mapped, the memory is lost but nothing else.
func TestAttachFails(t *testing.T) {
	onEachMapped(t, func(t *testing.T, sys mapped) {
		h := defaultHost(t, stateModule(t))
		i := h.first(sys, Config{Min: wasmPage, Limit: mib})
		f := i.snapshot().frozen.(*memfd)
		fd := f.fd
		f.fd = -1
		if err := i.memory.Reset(i.module.Memory()); err == nil {
			t.Error("Reset returned no error")
		}
		f.fd = fd
		r := i.memory.region.(*mapping)
		i.close()
		// What may be a hole is not unmapped: let this test not leak it. The kernel may
		// have joined it with what lies below it.
		base := uintptr(r.base)
		if len(mappings(t, func(start, end uintptr, _ string) bool { return start <= base && base < end })) != 1 {
			t.Errorf("Close unmapped what it cannot know to be its own; mapped now: %q", within(t, r))
		}
		_ = unix.MunmapPtr(r.base, 3*wasmPage)
	})
}

// failing is a way to find private pages that breaks down half-way.
type failing struct{ privatePages }

func (f failing) each(start, end, most uintptr, visit func(start, end uintptr) error) (uintptr, error) {
	stop, err := f.privatePages.each(start, end, 2, visit)
	return stop, errors.Join(err, errors.New("failed"))
}

// TestFindingFails: a memory is exact also when the dirty pages cannot be found any more.
func TestFindingFails(t *testing.T) {
	for name, finder := range finders(t) {
		t.Run(name, func(t *testing.T) {
			h := defaultHost(t, stateModule(t))
			i := h.first(mapped{pages: failing{finder}, keep: keepBytes}, Config{Min: wasmPage, Limit: mib})
			i.snapshot()
			want := i.contents()
			for range 3 {
				i.call("grow", 2)
				i.call("fill", 0, 0xff, 5*wasmPage)
				i.reset()
				i.mustBe(want)
				if n, ok := i.memory.Private(); ok {
					t.Errorf("%d bytes are said to be private", n)
				}
			}
		})
	}
}

// TestPreferred sees that nothing slower than what the kernel offers is used.
func TestPreferred(t *testing.T) {
	t.Log(Method())
	sys, ok := preferred().(mapped)
	if !ok {
		t.Fatalf("memories are kept as %s", Method())
	}
	var name unix.Utsname
	if err := unix.Uname(&name); err != nil {
		t.Fatal(err)
	}
	var major, minor int
	if _, err := fmt.Sscanf(unix.ByteSliceToString(name.Release[:]), "%d.%d", &major, &minor); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat("/proc/self/pagemap"); err != nil {
		t.Logf("NOT TESTED: PAGEMAP_SCAN, because there is no pagemap here: %v", err)
	} else if _, ok := sys.pages.(pagemapScan); !ok && (major > 6 || major == 6 && minor >= 7) {
		t.Errorf("Linux %d.%d has PAGEMAP_SCAN, but %s is used", major, minor, sys.pages)
	}
}
