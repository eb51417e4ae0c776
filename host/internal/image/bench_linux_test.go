//go:build linux && (amd64 || arm64)

package image

import (
	"fmt"
	"os"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tetratelabs/wazero"
	"golang.org/x/sys/unix"
)

// BenchmarkPages measures the two ways to make dirty pages clean, which is what keepBytes
// and idleResets are chosen from:
//
//	go test -run '^$' -bench Pages -benchtime 200x
//
// The guest dirties the same pages each time, in runs of four. "read" says whether it
// also reads the whole image each time. us-reset and us-next are medians: the reset
// itself, and what the guest's next accesses to the same pages cost.
func BenchmarkPages(b *testing.B) {
	finder := pagemapFinder(b)
	for _, size := range []int{2 * mib, 16 * mib} {
		for _, read := range []string{"none", "all"} {
			for _, dirty := range []int{1, 8, 25, 100, 500, 1000, 2000, 4000} {
				for name, sys := range map[string]mapped{
					"copy":     {pages: finder, keep: 1 << 40},
					"giveback": {pages: blind{}},
				} {
					if uintptr(dirty)*pageSize > uintptr(size) {
						continue
					}
					b.Run(fmt.Sprintf("image=%dMiB/read=%s/dirty=%d/%s", size/mib, read, dirty, name), func(b *testing.B) {
						benchmarkPages(b, sys, size, dirty, read == "all")
					})
				}
			}
		}
	}
}

var sink byte

func benchmarkPages(b *testing.B, sys mapped, size, dirty int, readAll bool) {
	contents := make([]byte, size)
	for i := range contents {
		contents[i] = byte(i) | 1
	}
	f, err := sys.freeze(contents)
	if err != nil {
		b.Fatal(err)
	}
	defer f.release()
	r, err := sys.reserve(uint64(size))
	if err != nil {
		b.Fatal(err)
	}
	defer r.release()
	if _, err := r.grow(uint64(size)); err != nil {
		b.Fatal(err)
	}
	if err := r.restore(f); err != nil {
		b.Fatal(err)
	}
	mem := r.bytes()
	pages := size / int(pageSize)
	var at []int
	const run = 4
	for i := range dirty {
		runs := (dirty + run - 1) / run
		at = append(at, (min(i/run*(pages/runs)+i%run, pages-1))*int(pageSize)+64)
	}
	use := func() time.Duration {
		start := time.Now()
		if readAll {
			for i := 0; i < size; i += int(pageSize) {
				sink += mem[i]
			}
		}
		for _, i := range at {
			mem[i]++
		}
		return time.Since(start)
	}
	var resets, nexts []time.Duration
	use()
	for b.Loop() {
		start := time.Now()
		if err := r.restore(f); err != nil {
			b.Fatal(err)
		}
		resets = append(resets, time.Since(start))
		nexts = append(nexts, use())
	}
	b.ReportMetric(median(resets), "us-reset")
	b.ReportMetric(median(nexts), "us-next")
	b.ReportMetric(median(resets)+median(nexts), "us-both")
	b.ReportMetric(0, "ns/op") // the sum of both with their setup: leave it out
}

func median(d []time.Duration) float64 {
	slices.Sort(d)
	return float64(d[len(d)/2].Nanoseconds()) / 1e3
}

func pagemapFinder(t testing.TB) privatePages {
	all := finders(t)
	for _, name := range []string{"scan", "pagemap"} {
		if p := all[name]; p != nil {
			return p
		}
	}
	t.Fatal("nothing to measure: dirty pages cannot be found on this machine")
	return nil
}

// BenchmarkInstance measures a call of a Go guest, with its instance.
func BenchmarkInstance(b *testing.B) {
	wasm := goModule(b)
	cfg := Config{Min: 42 * wasmPage, Limit: 256 * mib}
	b.Run("fresh", func(b *testing.B) {
		h := defaultHost(b, wasm)
		for b.Loop() {
			i := h.first(preferred(), cfg)
			i.call("next")
			i.close()
		}
	})
	for name, module := range map[string][]byte{
		"as it is":     wasm,
		"data emptied": withoutData(wasm),
		"data removed": rewrite(wasm, sectionData, func([]byte) []byte { return []byte{0} }),
	} {
		b.Run("image, "+name, func(b *testing.B) {
			// A host that keeps data segments out of the module would write them itself;
			// here a first instance of the whole module makes the image.
			h := defaultHost(b, wasm)
			i := h.first(preferred(), cfg)
			image, globals := i.snapshot(), i.globals()
			i.reset()
			h = defaultHost(b, module)
			var instantiate, reset, call, closing []time.Duration
			lap := func(into *[]time.Duration, f func()) {
				start := time.Now()
				f()
				*into = append(*into, time.Since(start))
			}
			for b.Loop() {
				var j *instance
				lap(&instantiate, func() {
					m, err := image.NewMemory()
					if err != nil {
						b.Fatal(err)
					}
					j = h.instantiate(m)
				})
				lap(&reset, j.reset)
				j.setGlobals(globals)
				lap(&call, func() { j.call("next") })
				lap(&closing, j.close)
			}
			b.ReportMetric(median(instantiate), "us-instantiate")
			b.ReportMetric(median(reset), "us-reset")
			b.ReportMetric(median(call), "us-call")
			b.ReportMetric(median(closing), "us-close")
		})
	}
	for name, sys := range map[string]system{"copyback": preferred(), "giveback": mapped{pages: blind{}}, "copied": copied{}} {
		b.Run("pristine/"+name, func(b *testing.B) {
			h := defaultHost(b, wasm)
			i := h.first(sys, cfg)
			i.snapshot()
			globals := i.globals()
			next := i.module.ExportedFunction("next")
			mem := i.module.Memory()
			var resets, calls []time.Duration
			i.reset()
			for b.Loop() {
				start := time.Now()
				if _, err := next.Call(b.Context()); err != nil {
					b.Fatal(err)
				}
				called := time.Now()
				if err := i.memory.Reset(mem); err != nil {
					b.Fatal(err)
				}
				calls, resets = append(calls, called.Sub(start)), append(resets, time.Since(called))
				i.setGlobals(globals)
			}
			b.ReportMetric(median(resets), "us-reset")
			b.ReportMetric(median(calls), "us-call")
			private, _ := i.memory.Private()
			b.ReportMetric(float64(private)/1024, "KiB-private")
		})
	}
	b.Run("reused", func(b *testing.B) {
		i := defaultHost(b, wasm).first(preferred(), cfg)
		next := i.module.ExportedFunction("next")
		for b.Loop() {
			if _, err := next.Call(b.Context()); err != nil {
				b.Fatal(err)
			}
		}
	})
}

// BenchmarkIdle measures what 50 idle instances hold whose memory has 4 MiB, all of it
// written during initialization, and of which a call has dirtied ten pages. By the
// kernel's account, in KiB: Pss of the process before and after, and the blocks of the
// image's file, which Pss contains only as far as they are mapped.
func BenchmarkIdle(b *testing.B) {
	const instances = 50
	wasm := withMemory(stateModule(b), 64, 128)
	cfg := Config{Min: 64 * wasmPage, Limit: 8 * mib}
	initialize := func(i *instance) {
		i.call("_initialize")
		i.call("fill", 0, 0x11, 64*wasmPage)
	}
	use := func(i *instance) { i.call("fill", mib, 0x22, 10*4096) } // ten pages
	for name, make50 := range map[string]func(h *host) *Image{
		"fresh": func(h *host) *Image {
			for range instances {
				i := h.instantiate(newTestMemory(b, preferred(), cfg))
				initialize(i)
				use(i)
			}
			return nil
		},
		"shared":          func(h *host) *Image { return shared(h, cfg, instances, initialize, use, false) },
		"shared, trimmed": func(h *host) *Image { return shared(h, cfg, instances, initialize, use, true) },
	} {
		b.Run(name, func(b *testing.B) {
			h := newHost(b, wazero.NewRuntimeConfig(), wasm)
			before := pss(b)
			image := make50(h)
			all := pss(b) - before
			for b.Loop() { // nothing is timed here
			}
			b.ReportMetric(0, "ns/op")
			b.ReportMetric(float64(all), "KiB-Pss")
			if image != nil {
				var stat unix.Stat_t
				if err := unix.Fstat(image.frozen.(*memfd).fd, &stat); err != nil {
					b.Fatal(err)
				}
				b.ReportMetric(float64(stat.Blocks)/2, "KiB-image")
			}
		})
	}
}

func shared(h *host, cfg Config, n int, initialize, use func(*instance), trim bool) *Image {
	i := h.instantiate(newTestMemory(h.t, preferred(), cfg))
	initialize(i)
	image := i.snapshot()
	for k := range n {
		if k > 0 {
			i = h.further(image)
		} else {
			i.reset()
		}
		use(i)
		i.reset()
		if trim {
			i.memory.Trim()
		}
	}
	return image
}

// pss returns the proportional set size of this process in KiB.
func pss(t testing.TB) int {
	runtime.GC()
	runtime.GC()
	text, err := os.ReadFile("/proc/self/smaps_rollup")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		var kib int
		if n, _ := fmt.Sscanf(line, "Pss: %d kB", &kib); n == 1 {
			return kib
		}
	}
	t.Fatal("no Pss")
	return 0
}
