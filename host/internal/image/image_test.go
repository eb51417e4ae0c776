package image

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"
	"github.com/tetratelabs/wazero/experimental"
)

const mib = 1 << 20

// TestResetIsExact does at random what a guest and its host can do to a memory, and
// compares it with the image after each reset.
func TestResetIsExact(t *testing.T) {
	onEachSystem(t, func(t *testing.T, sys system) {
		const seed = 42
		random := rand.New(rand.NewPCG(seed, seed))
		h := defaultHost(t, stateModule(t))
		i := h.first(withKeep(sys, 128<<10), Config{Min: wasmPage, Limit: 4 * mib})
		for range 30 {
			scribble(i, random)
		}
		image := i.snapshot()
		want := i.contents()
		for round := range 400 {
			for range random.IntN(20) {
				scribble(i, random)
			}
			if random.IntN(3) == 0 && i.memory.Size() < 3*mib {
				at := uint64(len(i.contents()))
				i.call("grow", uint64(1+random.IntN(4)))
				if grown := i.contents()[at:]; len(bytes.Trim(grown, "\x00")) > 0 {
					t.Fatalf("round %d: new memory is not zero", round)
				}
				scribble(i, random)
			}
			i.reset()
			i.mustBe(want)
			switch random.IntN(10) {
			case 0:
				i.reset()
				i.mustBe(want)
			case 1:
				i.memory.Trim()
				i.mustBe(want)
			case 2:
				if round%10 == 0 {
					i.close()
					i = h.further(image)
					i.mustBe(want)
				}
			}
		}
	})
}

// scribble writes something somewhere.
func scribble(i *instance, random *rand.Rand) {
	size := uint64(i.module.Memory().Size())
	at := random.Uint64N(size)
	n := min(size-at, 1+random.Uint64N(20_000))
	switch random.IntN(5) {
	case 0: // one byte
		i.call("store", at, uint64(random.IntN(256)))
	case 1: // always the same page, as a stack would
		i.call("store", size/2, uint64(random.IntN(256)))
	case 2: // what is there already
		view, _ := i.module.Memory().Read(uint32(at), uint32(n))
		i.module.Memory().Write(uint32(at), bytes.Clone(view))
	case 3: // by the host
		data := make([]byte, n)
		for k := range data {
			data[k] = byte(random.Uint32())
		}
		i.module.Memory().Write(uint32(at), data)
	case 4:
		i.call("fill", at, uint64(random.IntN(2)*0xff), n)
	}
}

// TestShrinks pins what Reset relies on in wazero: a memory that has grown shrinks, the
// guest sees it, and its accesses beyond the new end trap.
func TestShrinks(t *testing.T) {
	onEachSystem(t, func(t *testing.T, sys system) {
		onEachEngine(t, stateModule(t), func(t *testing.T, h *host) {
			i := h.first(sys, Config{Min: wasmPage, Limit: 4 * mib})
			i.snapshot()
			want := i.contents()
			for round := range 3 {
				if got := i.call("grow", 10); got != 3 {
					t.Fatalf("round %d: memory.grow returned %d; want 3", round, got)
				}
				if got := i.call("load", 12*wasmPage); got != 0 {
					t.Fatalf("round %d: new memory has %#x", round, got)
				}
				i.call("fill", 2*wasmPage, 0xee, 11*wasmPage)
				if got := i.call("grow_and_store", 0xdd); got != 0xdd {
					t.Fatalf("round %d: grow_and_store returned %#x", round, got)
				}
				i.reset()
				i.mustBe(want)
				if got := i.call("size"); got != 3 {
					t.Fatalf("round %d: memory.size is %d after a reset; want 3", round, got)
				}
				for _, at := range []uint64{3 * wasmPage, 12 * wasmPage} {
					if _, err := i.try("load", at); err == nil || !strings.Contains(err.Error(), "out of bounds") {
						t.Fatalf("round %d: a load at %#x, beyond the end, returned %v", round, at, err)
					}
				}
				if _, ok := i.module.Memory().Read(3*wasmPage, 1); ok {
					t.Fatal("the host can read beyond the end")
				}
			}
		})
	})
}

// TestShrinksToNothing is about a memory that was empty when it was snapshotted. wazero
// takes a nil slice for a refusal.
func TestShrinksToNothing(t *testing.T) {
	onEachSystem(t, func(t *testing.T, sys system) {
		wasm := rewrite(withMemory(stateModule(t), 0, 64), sectionData, func([]byte) []byte { return []byte{0} })
		onEachEngine(t, wasm, func(t *testing.T, h *host) {
			i := h.instantiate(newTestMemory(t, sys, Config{Limit: mib}))
			image := i.snapshot()
			if image.Size() != 0 {
				t.Fatalf("the image has %d bytes", image.Size())
			}
			for range 3 {
				i.mustBe(nil)
				if got := i.call("grow", 2); got != 0 {
					t.Fatalf("memory.grow returned %d; want 0", got)
				}
				if got := i.call("load", wasmPage); got != 0 {
					t.Fatalf("new memory has %#x", got)
				}
				i.call("fill", 0, 0xff, 2*wasmPage)
				i.reset()
				if _, err := i.try("load", 0); err == nil {
					t.Fatal("an empty memory can be read")
				}
			}
			h.further(image).mustBe(nil)
		})
	})
}

// TestAtMaximum pins the one state that wazero offers no way out of.
func TestAtMaximum(t *testing.T) {
	onEachSystem(t, func(t *testing.T, sys system) {
		h := defaultHost(t, withMemory(stateModule(t), 1, 5))
		i := h.first(sys, Config{Min: wasmPage, Limit: 4 * mib})
		i.snapshot()
		want := i.contents()
		i.call("grow", 1) // one page short of the maximum
		i.reset()
		i.mustBe(want)
		i.call("grow", 2)
		if err := i.memory.Reset(i.module.Memory()); !errors.Is(err, ErrAtMaximum) {
			t.Fatalf("Reset at the declared maximum returned %v", err)
		}

		// Where the size never changes, the maximum does not matter.
		h = defaultHost(t, withMemory(stateModule(t), 5, 5))
		i = h.first(sys, Config{Min: 5 * wasmPage, Limit: 5 * wasmPage})
		i.snapshot()
		want = i.contents()
		i.call("fill", 0, 1, 5*wasmPage)
		i.reset()
		i.mustBe(want)
	})
}

// TestFurtherInstances: a reset is all that a further instance needs. Its data segments
// and start function leave no trace.
func TestFurtherInstances(t *testing.T) {
	onEachSystem(t, func(t *testing.T, sys system) {
		for name, wasm := range map[string][]byte{
			"plain":           stateModule(t),
			"start function":  withStart(stateModule(t), 0),
			"no data to copy": withoutData(stateModule(t)),
		} {
			t.Run(name, func(t *testing.T) {
				onEachEngine(t, wasm, func(t *testing.T, h *host) {
					i := h.first(sys, Config{Min: wasmPage, Limit: 4 * mib})
					i.call("fill", 16, 0x77, 4) // where a data segment is
					image := i.snapshot()
					want := i.contents()
					i.call("fill", 0, 0xff, wasmPage) // after the snapshot: not in the image
					for range 3 {
						j := h.further(image)
						j.mustBe(want)
						j.call("fill", 0, 0xaa, 3*wasmPage)
					}
					i.reset()
					i.mustBe(want)
				})
			})
		}
	})
}

func TestManyAtOnce(t *testing.T) {
	onEachSystem(t, func(t *testing.T, sys system) {
		h := defaultHost(t, stateModule(t))
		i := h.first(withKeep(sys, 64<<10), Config{Min: wasmPage, Limit: 4 * mib})
		image := i.snapshot()
		want := i.contents()
		var wg sync.WaitGroup
		for n := range 8 {
			wg.Go(func() {
				random := rand.New(rand.NewPCG(uint64(n), 0))
				j, err := image.NewMemory()
				if err != nil {
					t.Error(err)
					return
				}
				defer j.Close()
				ctx := experimental.WithMemoryAllocator(t.Context(), j)
				module, err := h.runtime.InstantiateModule(ctx, h.compiled, wazero.NewModuleConfig().WithName("").WithStartFunctions())
				if err != nil {
					t.Error(err)
					return
				}
				defer module.Close(context.Background())
				mem := module.Memory()
				fill := module.ExportedFunction("fill")
				for range 100 {
					if err := j.Reset(mem); err != nil {
						t.Error(err)
						return
					}
					got, _ := mem.Read(0, mem.Size())
					if !bytes.Equal(got, want) {
						t.Errorf("memory %d is not what it was", n)
						return
					}
					// All of it, or a page, with a value that only this one writes.
					from, length := uint64(0), uint64(len(want))
					if random.IntN(2) == 0 {
						from, length = random.Uint64N(uint64(len(want)-4096)), 4096
					}
					if _, err := fill.Call(t.Context(), from, uint64(n+1), length); err != nil {
						t.Error(err)
						return
					}
					got, _ = mem.Read(uint32(from), uint32(length))
					if len(bytes.Trim(got, string(rune(n+1)))) > 0 {
						t.Errorf("memory %d has something that it did not write", n)
						return
					}
				}
			})
		}
		wg.Wait()
		i.mustBe(want)
	})
}

func TestRefusals(t *testing.T) {
	onEachSystem(t, func(t *testing.T, sys system) {
		h := defaultHost(t, stateModule(t))
		budget := NewBudget(14 * wasmPage)
		i := h.first(sys, Config{Min: wasmPage, Limit: 8 * wasmPage, Budget: budget})
		const refused = 0xffffffff
		grow := func(i *instance, pages, want uint64, why GrowFailure) {
			t.Helper()
			if got := i.call("grow", pages); got != want {
				t.Errorf("memory.grow %d returned %d; want %d", pages, int32(got), int32(want))
			}
			if got := i.memory.TakeGrowFailure(); got != why {
				t.Errorf("after memory.grow %d: refused by %v; want %v", pages, got, why)
			}
		}
		used := func(want uint64) {
			t.Helper()
			if got := budget.Used(); got != want*wasmPage {
				t.Errorf("%d bytes of the budget are used; want %d pages", got, want)
			}
		}
		used(3)
		image := i.snapshot()
		used(6)
		want := i.contents()
		grow(i, 6, refused, GrowOverLimit)
		grow(i, 1, 3, NoGrowFailure)
		grow(i, 5, refused, GrowOverLimit)
		used(7)
		i.mustBe(append(bytes.Clone(want), make([]byte, wasmPage)...))

		j := h.further(image)
		used(10)
		grow(j, 4, 3, NoGrowFailure)
		used(14)
		grow(j, 1, refused, GrowOverBudget)
		grow(i, 1, refused, GrowOverBudget)
		if _, err := image.NewMemory(); !errors.Is(err, ErrBudget) {
			t.Errorf("a memory beyond the budget: %v", err)
		}
		if _, err := newMemory(sys, Config{Min: 1, Limit: mib, Budget: budget}); !errors.Is(err, ErrBudget) {
			t.Errorf("a memory beyond the budget: %v", err)
		}
		// What refused is forgotten when it was asked for, not by a reset.
		i.call("grow", 1)
		j.reset()
		used(10)
		i.reset()
		used(9)
		if got := i.memory.TakeGrowFailure(); got != GrowOverBudget {
			t.Errorf("refused by %v after a reset", got)
		}
		j.mustBe(want)
		i.mustBe(want)
		// A further instance counts with the image's size, not with the module's minimum.
		k := h.further(image)
		used(12)
		if _, err := image.NewMemory(); !errors.Is(err, ErrBudget) {
			t.Errorf("a memory beyond the budget: %v", err)
		}
		k.close()
		j.close()
		used(6)
		i.close()
		image.Close()
		used(0)

		// A snapshot counts, too.
		i = h.first(sys, Config{Min: wasmPage, Limit: 8 * wasmPage, Budget: NewBudget(5 * wasmPage)})
		if _, err := i.memory.Snapshot(); !errors.Is(err, ErrBudget) {
			t.Errorf("a snapshot beyond the budget: %v", err)
		}
		i.mustBe(want)
		if _, err := newMemory(sys, Config{Min: 2, Limit: 1}); err == nil {
			t.Error("a minimum above the limit was accepted")
		}

		// So does the operating system refuse.
		i = h.first(sys, Config{Min: wasmPage, Limit: 8 * wasmPage, Budget: budget})
		used(3)
		i.memory.region = full{i.memory.region}
		grow(i, 1, refused, GrowNoSystemMemory)
		used(3)
		i.mustBe(want)
	})
}

// full is a region for which there is no more memory.
type full struct{ region }

func (full) grow(uint64) ([]byte, error) { return nil, errors.New("no more memory") }

// TestNoAddressSpace: what could not be made costs nothing.
func TestNoAddressSpace(t *testing.T) {
	onEachSystem(t, func(t *testing.T, sys system) {
		budget := NewBudget(mib)
		m, err := newMemory(sys, Config{Min: wasmPage, Limit: 1 << 60, Budget: budget})
		if err == nil { // Go slices reserve nothing
			m.Close()
		} else if !strings.Contains(err.Error(), "address space") {
			t.Error(err)
		}
		if budget.Used() != 0 {
			t.Errorf("%d bytes of the budget are used", budget.Used())
		}
	})
}

func TestWithoutImage(t *testing.T) {
	onEachSystem(t, func(t *testing.T, sys system) {
		h := defaultHost(t, stateModule(t))
		i := h.first(sys, Config{Min: wasmPage, Limit: mib})
		want := i.contents()
		if err := i.memory.Reset(i.module.Memory()); !errors.Is(err, ErrNoImage) {
			t.Errorf("Reset without a snapshot returned %v", err)
		}
		i.memory.Trim() // has nothing to go back to, so it must not do anything
		i.mustBe(want)

		image := i.snapshot()
		i.memory.Trim() // nor before the first reset
		i.mustBe(want)
		if _, err := i.memory.Snapshot(); err == nil {
			t.Error("a second snapshot was made")
		}
		j := h.further(image)
		if _, err := j.memory.Snapshot(); err == nil {
			t.Error("a second snapshot was made")
		}
		// A memory is told from that of its sister.
		if err := i.memory.Reset(j.module.Memory()); err == nil {
			t.Error("the memory of another instance was accepted")
		}
		i.reset()
	})
}

func TestModuleWithoutMemory(t *testing.T) {
	onEachSystem(t, func(t *testing.T, sys system) {
		h := defaultHost(t, []byte("\x00asm\x01\x00\x00\x00"))
		i := h.instantiate(newTestMemory(t, sys, Config{Limit: mib}))
		i.snapshot()
		i.reset() // Memory() is an interface with a nil pointer in it
		i.memory.Trim()
	})
}

// TestFreeDoesNotFree: the module may be closed while a call is running, by a guest that
// exits, or by the runtime.
func TestFreeDoesNotFree(t *testing.T) {
	onEachSystem(t, func(t *testing.T, sys system) {
		h := defaultHost(t, stateModule(t))
		i := h.first(sys, Config{Min: wasmPage, Limit: mib})
		want := i.contents()
		if err := i.module.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
		i.mustBe(want)
	})
}

func TestClosing(t *testing.T) {
	onEachSystem(t, func(t *testing.T, sys system) {
		for name, order := range map[string]func(i, j *instance, image *Image){
			"memories first": func(i, j *instance, image *Image) { i.close(); j.close(); image.Close() },
			"image first":    func(i, j *instance, image *Image) { image.Close(); i.close(); j.close() },
			"image between":  func(i, j *instance, image *Image) { j.close(); image.Close(); i.close() },
		} {
			t.Run(name, func(t *testing.T) {
				before := Usage()
				h := defaultHost(t, stateModule(t))
				i := h.first(sys, Config{Min: wasmPage, Limit: mib})
				image := i.snapshot()
				j := h.further(image)
				during := Usage()
				if during.Memories != before.Memories+2 || during.Images != before.Images+1 ||
					during.Committed != before.Committed+6*wasmPage || during.ImageBytes != before.ImageBytes+3*wasmPage {
					t.Errorf("usage rose from %+v to %+v", before, during)
				}
				for range 2 {
					order(i, j, image)
					if after := Usage(); after != before {
						t.Errorf("before: %+v; after: %+v", before, after)
					}
				}
				if _, err := image.NewMemory(); !errors.Is(err, ErrClosed) {
					t.Errorf("a memory of a closed image: %v", err)
				}
				if err := i.memory.Reset(i.module.Memory()); !errors.Is(err, ErrClosed) {
					t.Errorf("Reset of a closed memory: %v", err)
				}
				if _, err := i.memory.Snapshot(); !errors.Is(err, ErrClosed) {
					t.Errorf("Snapshot of a closed memory: %v", err)
				}
				if got := i.memory.Reallocate(wasmPage); got != nil {
					t.Error("a closed memory can grow")
				}
				i.memory.Trim()
				if n, ok := i.memory.Private(); n != 0 || !ok {
					t.Errorf("a closed memory holds %d bytes", n)
				}
			})
		}
	})
}

// TestImageOutlivesItsClose: an image is used by its memories after it was closed.
func TestImageOutlivesItsClose(t *testing.T) {
	onEachSystem(t, func(t *testing.T, sys system) {
		h := defaultHost(t, stateModule(t))
		i := h.first(sys, Config{Min: wasmPage, Limit: mib})
		image := i.snapshot()
		want := i.contents()
		j := h.further(image)
		i.close()
		image.Close()
		j.call("fill", 0, 1, 3*wasmPage)
		j.reset()
		j.mustBe(want)
	})
}

// TestFailedInstantiation: wazero frees nothing then, so Close must.
func TestFailedInstantiation(t *testing.T) {
	onEachSystem(t, func(t *testing.T, sys system) {
		for name, wasm := range map[string][]byte{
			"data out of bounds": withMemory(rewrite(stateModule(t), sectionData, func([]byte) []byte {
				return []byte("\x01\x00\x41\x80\x80\x04\x0b\x04data")
			}), 1, 2),
			"start function traps": withStart(rewrite(stateModule(t), 10, func(body []byte) []byte {
				// store at -1
				return bytes.Replace(body, []byte("\x41\xa0\x8d\x06"), []byte("\x41\xff\xff\x7f"), 1)
			}), 0),
		} {
			t.Run(name, func(t *testing.T) {
				h := defaultHost(t, wasm)
				m := newTestMemory(t, sys, Config{Min: wasmPage, Limit: mib})
				ctx := experimental.WithMemoryAllocator(t.Context(), m)
				_, err := h.runtime.InstantiateModule(ctx, h.compiled, wazero.NewModuleConfig().WithName("").WithStartFunctions())
				if err == nil || !strings.Contains(err.Error(), "out of bounds") {
					t.Fatalf("the instantiation returned %v", err)
				}
				m.Close()
			})
		}
	})
}

func TestOneInstanceOnly(t *testing.T) {
	onEachSystem(t, func(t *testing.T, sys system) {
		h := defaultHost(t, stateModule(t))
		i := h.first(sys, Config{Min: wasmPage, Limit: mib})
		defer func() {
			if recover() == nil {
				t.Error("two instances share a memory")
			}
		}()
		_, _ = h.runtime.InstantiateModule(experimental.WithMemoryAllocator(t.Context(), i.memory), h.compiled, wazero.NewModuleConfig().WithName(""))
	})
}

// TestGoGuest does it all with a module of standard Go: its heap, maps, stacks and data.
func TestGoGuest(t *testing.T) {
	host := defaultHost(t, goModule(t)) // compiling takes seconds under the race detector
	onEachSystem(t, func(t *testing.T, sys system) {
		h := host.in(t)
		i := h.first(sys, Config{Min: 42 * wasmPage, Limit: 64 * mib})
		image := i.snapshot()
		want := i.contents()
		globals := i.globals()
		for round := range 20 {
			if got := i.call("next"); got != 1 {
				t.Fatalf("round %d: the first call after a reset says that it is call %d", round, got)
			}
			if got := i.call("next"); got != 2 {
				t.Fatalf("round %d: the second call says that it is call %d", round, got)
			}
			if round%4 == 0 {
				i.call("eat", 8)
				i.call("collect")
			}
			i.reset()
			i.mustBe(want)
			i.setGlobals(globals)
		}
		for range 3 {
			j := h.further(image)
			j.setGlobals(globals) // no _initialize
			if got := j.call("next"); got != 1 {
				t.Fatalf("the first call of a further instance says that it is call %d", got)
			}
			j.reset()
			j.mustBe(want)
		}
	})
}

func (i *instance) globals() (values [goGlobals]uint64) {
	for n := range values {
		values[n] = i.module.ExportedGlobal(fmt.Sprint("g", n)).Get()
	}
	return values
}

func (i *instance) setGlobals(values [goGlobals]uint64) {
	for n, value := range values {
		i.module.ExportedGlobal(fmt.Sprint("g", n)).(api.MutableGlobal).Set(value)
	}
}
