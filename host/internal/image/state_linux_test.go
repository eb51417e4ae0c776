//go:build linux && (amd64 || arm64)

package image

import (
	"fmt"
	"testing"
	"time"
)

// TestLoadTouchesLittle is about which pages are private after a Load.
func TestLoadTouchesLittle(t *testing.T) {
	for name, finder := range finders(t) {
		t.Run(name, func(t *testing.T) {
			size := 1000 * int(pageSize) / wasmPage
			h := defaultHost(t, withMemory(stateModule(t), size, 2*size))
			i := h.first(mapped{pages: finder, keep: 100 * pageSize}, Config{Min: uint64(size) * wasmPage, Limit: uint64(size+10) * wasmPage})
			image := i.snapshot()
			i.reset()
			page := uint64(pageSize)
			write := func(i *instance, from, n, step uint64) {
				for p := range n {
					view, ok := i.module.Memory().Read(uint32((from+p*step)*page), 1)
					if !ok {
						t.Fatal("no such page")
					}
					view[0]++
				}
			}
			private := func(i *instance, want uint64) {
				t.Helper()
				if got, ok := i.memory.Private(); !ok || got != want*page {
					t.Fatalf("%d bytes are private; want %d pages", got, want)
				}
			}
			write(i, 10, 20, 2)
			var fast, compact State
			i.save(&fast, false)
			i.save(&compact, true)
			private(i, 20)
			if most := 20*uint64(line) + 1024; compact.Size() > most {
				t.Errorf("a state of 20 words takes %d bytes; want at most %d", compact.Size(), most)
			}
			// What a fork wrote to stays private.
			write(i, 100, 30, 1)
			i.load(&fast)
			private(i, 50)
			// Also of what it grew, which can be given back later.
			before := i.memory.Size()
			i.call("grow", 2)
			write(i, before/page, 1, 1)
			i.load(&fast)
			i.reset()
			i.memory.Trim()
			private(i, 0)
			i.load(&fast)
			private(i, 20)
			// Up to what a reset would keep.
			write(i, 200, 150, 3)
			i.load(&fast)
			private(i, 120)
			// In a new instance, there is nothing but the state.
			for _, s := range []*State{&fast, &compact} {
				j := h.fresh(image)
				j.load(s)
				private(j, 20)
				j.mustBe(i.contents())
			}
			// A state of more than a reset keeps stays private.
			write(i, 0, 300, 3)
			i.save(&fast, false)
			write(i, 1, 2, 3)
			i.load(&fast)
			if got, _ := i.memory.Private(); got < 300*page {
				t.Errorf("%d bytes are private; want at least 300 pages", got)
			}
		})
	}
}

// TestStateWhenFindingFails: a state is exact also when the dirty pages cannot be found
// any more.
func TestStateWhenFindingFails(t *testing.T) {
	for name, finder := range finders(t) {
		t.Run(name, func(t *testing.T) {
			h := defaultHost(t, stateModule(t))
			i := h.first(mapped{pages: finder, keep: keepBytes}, Config{Min: wasmPage, Limit: mib})
			i.snapshot()
			i.reset()
			i.call("fill", 5000, 0xff, 2*wasmPage)
			want := i.contents()
			good := i.memory.region.(*mapping).pages
			for _, compact := range []bool{false, true} {
				for _, saving := range []privatePages{good, failing{finder}} {
					for _, loading := range []privatePages{good, failing{finder}} {
						var s State
						i.memory.region.(*mapping).pages = saving
						i.save(&s, compact)
						i.call("grow", 2)
						i.call("fill", 0, 0xee, 5*wasmPage)
						i.memory.region.(*mapping).pages = loading
						i.load(&s)
						i.mustBe(want)
					}
				}
			}
		})
	}
}

// BenchmarkState measures what a fork and a hibernation cost, beside the calls and the
// instances: an image of 4 MiB, dirty pages in runs of four of which a word differs in each
// line of a quarter of the page, and a query that writes to a tenth of them and two more.
//
//	go test -run '^$' -bench State -benchtime 500x
func BenchmarkState(b *testing.B) {
	for _, dirty := range []int{5, 20, 70, 80, 300} {
		b.Run(fmt.Sprintf("dirty=%d", dirty), func(b *testing.B) { benchmarkState(b, dirty) })
	}
}

func benchmarkState(b *testing.B, dirty int) {
	const size = 4 * mib
	h := defaultHost(b, withMemory(stateModule(b), size/wasmPage-2, 2*size/wasmPage))
	i := h.first(preferred(), Config{Min: size, Limit: 2 * size})
	mem, _ := i.module.Memory().Read(0, size)
	for n := range mem {
		mem[n] = byte(n) | 1
	}
	image := i.snapshot()
	i.reset()
	mem, _ = i.module.Memory().Read(0, size)
	at := func(n int) int {
		runs := (dirty + 3) / 4
		return (n/4*(size/4096/runs) + n%4) * 4096
	}
	for n := range dirty {
		for k := range 16 {
			mem[at(n)+64*k]++
		}
	}
	var s State
	var saves, loads, compacts, wakes []time.Duration
	lap := func(into *[]time.Duration, f func()) {
		start := time.Now()
		f()
		*into = append(*into, time.Since(start))
	}
	for b.Loop() {
		lap(&saves, func() { i.save(&s, false) })
		for n := 0; n < dirty; n += 10 {
			mem[at(n)+9]++
		}
		mem[size-1]++
		mem[size-5000]++
		lap(&loads, func() { i.load(&s) })
	}
	for range 50 {
		lap(&compacts, func() { i.save(&s, true) })
		j := h.further(image)
		lap(&wakes, func() { j.load(&s) })
		j.close()
	}
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(median(saves), "us-save")
	b.ReportMetric(median(loads), "us-load")
	b.ReportMetric(median(saves)+median(loads), "us-fork")
	b.ReportMetric(median(compacts), "us-compact")
	b.ReportMetric(median(wakes), "us-wake")
}
