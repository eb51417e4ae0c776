package image

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"math/rand/v2"
	"testing"
)

func (i *instance) save(s *State, compact bool) {
	i.t.Helper()
	if err := i.memory.Save(s, compact); err != nil {
		i.t.Fatal(err)
	}
}

func (i *instance) load(s *State) {
	i.t.Helper()
	if err := i.memory.Load(i.module.Memory(), s); err != nil {
		i.t.Fatal(err)
	}
}

// fresh makes an instance that was not reset.
func (h *host) fresh(image *Image) *instance {
	h.t.Helper()
	m, err := image.NewMemory()
	if err != nil {
		h.t.Fatal(err)
	}
	return h.instantiate(m)
}

// written is what WriteTo writes, computed from the whole memory and the whole image.
func written(image, memory []byte) []byte {
	original := append(bytes.Clone(image), make([]byte, len(memory)-len(image))...)
	differs := func(n int) bool {
		return n*64 < len(memory) && !bytes.Equal(memory[n*64:][:64], original[n*64:][:64])
	}
	var heads, contents []byte
	runs := uint64(0)
	for n := 0; n*64 < len(memory); n++ {
		if !differs(n) {
			continue
		}
		first := n
		for differs(n) {
			n++
		}
		runs++
		heads = binary.LittleEndian.AppendUint32(heads, uint32(first))
		heads = binary.LittleEndian.AppendUint32(heads, uint32(n-first))
		contents = append(contents, memory[first*64:n*64]...)
	}
	out := binary.LittleEndian.AppendUint64(nil, uint64(len(memory)))
	out = binary.LittleEndian.AppendUint64(out, runs)
	return append(append(out, heads...), contents...)
}

// TestStateIsExact does at random what a guest and its host can do to a memory, and saves
// and loads between, in the same instance and in others.
func TestStateIsExact(t *testing.T) {
	onEachSystem(t, func(t *testing.T, sys system) {
		const seed = 42
		random := rand.New(rand.NewPCG(seed, seed))
		h := defaultHost(t, stateModule(t))
		i := h.first(withKeep(sys, 64<<10), Config{Min: wasmPage, Limit: 4 * mib})
		for range 30 {
			scribble(i, random)
		}
		image := i.snapshot()
		original := i.contents()
		var saved [6]struct {
			state State
			want  []byte
		}
		for round := range 250 {
			for range random.IntN(10) {
				scribble(i, random)
			}
			if random.IntN(6) == 0 && i.memory.Size() < 3*mib {
				at := len(i.contents())
				i.call("grow", uint64(1+random.IntN(6)))
				if grown := i.contents()[at:]; len(bytes.Trim(grown, "\x00")) > 0 {
					t.Fatalf("round %d: new memory is not zero", round)
				}
				scribble(i, random)
			}
			s := &saved[random.IntN(len(saved))]
			switch random.IntN(6) {
			case 0, 1:
				compact := random.IntN(2) == 0
				i.save(&s.state, compact)
				s.want = i.contents()
				var out bytes.Buffer
				n, err := s.state.WriteTo(&out)
				if !compact && err == nil {
					t.Fatalf("round %d: a state that may be anything was written", round)
				}
				if compact && (err != nil || n != int64(out.Len()) || !bytes.Equal(out.Bytes(), written(original, s.want))) {
					t.Fatalf("round %d: %d bytes were written (%v), which is not what it should be", round, n, err)
				}
			case 2, 3:
				if s.want != nil {
					i.load(&s.state)
					i.mustBe(s.want)
				}
			case 4: // a fork
				before := i.contents()
				var fork State
				i.save(&fork, false)
				for range random.IntN(10) {
					scribble(i, random)
				}
				i.load(&fork)
				i.mustBe(before)
			case 5:
				switch {
				case round%3 == 0:
					i.reset()
					i.mustBe(original)
				case round%5 == 0 && s.want != nil: // in another one
					i.close()
					if i = h.fresh(image); random.IntN(2) == 0 {
						i.reset()
						i.memory.Trim()
					}
					i.load(&s.state)
					i.mustBe(s.want)
				}
			}
		}
	})
}

// TestStateOfFirstInstance: the first instance has not mapped its image yet, nor has one
// that is never reset.
func TestStateOfFirstInstance(t *testing.T) {
	onEachSystem(t, func(t *testing.T, sys system) {
		for _, compact := range []bool{false, true} {
			h := defaultHost(t, stateModule(t))
			i := h.first(sys, Config{Min: wasmPage, Limit: 4 * mib})
			image := i.snapshot()
			original := i.contents()
			i.call("fill", 0, 0, 100) // zeros where the image has data
			i.call("grow_and_store", 5)
			var s State
			i.save(&s, compact)
			want := i.contents()
			i.call("fill", 0, 1, 3*wasmPage)
			i.load(&s)
			i.mustBe(want)
			i.reset()
			i.mustBe(original)
			i.load(&s)
			i.mustBe(want)

			j := h.fresh(image)
			j.call("grow", 2) // zeros where the image has what _initialize wrote
			j.save(&s, compact)
			i.load(&s)
			i.mustBe(j.contents())
		}
	})
}

// TestForkThatGrows: a guest that has grown its memory sees it shrink to what it was, up to
// the maximum that the module declares, short of one page.
func TestForkThatGrows(t *testing.T) {
	onEachSystem(t, func(t *testing.T, sys system) {
		onEachEngine(t, withMemory(stateModule(t), 1, 10), func(t *testing.T, h *host) {
			budget := NewBudget(20 * wasmPage)
			i := h.first(sys, Config{Min: wasmPage, Limit: 10 * wasmPage, Budget: budget})
			i.snapshot()
			i.reset()
			i.call("grow", 1)
			i.call("store", 4*wasmPage-1, 7)
			var s State
			i.save(&s, false)
			if s.MemorySize() != 4*wasmPage {
				t.Errorf("MemorySize() = %d", s.MemorySize())
			}
			want, used := i.contents(), budget.Used()
			for range 3 {
				if got := i.call("grow", 5); got != 4 {
					t.Fatalf("memory.grow returned %d; want 4", got)
				}
				i.call("fill", 0, 0xee, 9*wasmPage)
				i.load(&s)
				i.mustBe(want)
				if budget.Used() != used {
					t.Fatalf("%d bytes of the budget are used; want %d", budget.Used(), used)
				}
				if _, err := i.try("load", 4*wasmPage); err == nil {
					t.Fatal("what was grown can be read")
				}
			}
			i.call("grow", 6)
			if err := i.memory.Load(i.module.Memory(), &s); !errors.Is(err, ErrAtMaximum) {
				t.Fatalf("Load at the declared maximum returned %v", err)
			}
		})
	})
}

func TestStateErrors(t *testing.T) {
	onEachSystem(t, func(t *testing.T, sys system) {
		h := defaultHost(t, stateModule(t))
		cfg := Config{Min: wasmPage, Limit: mib}
		i := h.first(sys, cfg)
		var s State
		check := func(what string, err, want error) {
			t.Helper()
			if err == nil || want != nil && !errors.Is(err, want) {
				t.Errorf("%s: %v; want %v", what, err, want)
			}
		}
		check("Save without an image", i.memory.Save(&s, false), ErrNoImage)
		check("Load without an image", i.memory.Load(i.module.Memory(), &s), ErrNoImage)
		image := i.snapshot()
		check("Load of nothing", i.memory.Load(i.module.Memory(), &s), ErrOtherImage)
		if s.Hold() {
			t.Error("a state of nothing is held")
		}
		other := h.first(sys, cfg)
		other.snapshot()
		other.save(&s, true)
		check("Load of another image's", i.memory.Load(i.module.Memory(), &s), ErrOtherImage)
		j := h.fresh(image)
		check("Save before the first reset", j.memory.Save(&s, false), nil)
		check("Load after a Save that failed", other.memory.Load(other.module.Memory(), &s), ErrOtherImage)
		_, err := s.WriteTo(io.Discard)
		check("WriteTo after a Save that failed", err, nil)

		i.call("grow", 5)
		i.save(&s, true)
		check("Load into another instance's memory", j.memory.Load(i.module.Memory(), &s), nil)
		j.memory.FailGrowFrom(1)
		check("Load without memory", j.memory.Load(j.module.Memory(), &s), nil)
		j.memory.FailGrowFrom(0)
		j.load(&s)
		j.mustBe(i.contents())
		j.close()
		check("Save of a closed memory", j.memory.Save(&s, false), ErrClosed)
		check("Load of a closed memory", j.memory.Load(j.module.Memory(), &s), ErrClosed)
		i.save(&s, true)
		i.call("fill", 0, 1, 3*wasmPage)
		i.save(&s, true)
		broken := errors.New("broken")
		for _, room := range []int{0, 16} {
			n, err := s.WriteTo(&limited{room, broken})
			if !errors.Is(err, broken) || n != int64(room) {
				t.Errorf("WriteTo with room for %d bytes: %d, %v", room, n, err)
			}
		}
	})
}

type limited struct {
	room int
	err  error
}

func (l *limited) Write(p []byte) (int, error) {
	n := min(len(p), l.room)
	if l.room -= n; n < len(p) {
		return n, l.err
	}
	return n, nil
}

func TestStateWithoutMemory(t *testing.T) {
	onEachSystem(t, func(t *testing.T, sys system) {
		h := defaultHost(t, []byte("\x00asm\x01\x00\x00\x00"))
		i := h.instantiate(newTestMemory(t, sys, Config{Limit: mib}))
		i.snapshot()
		var s State
		for _, compact := range []bool{false, true} {
			i.save(&s, compact)
			i.load(&s)
		}
		var out bytes.Buffer
		if _, err := s.WriteTo(&out); err != nil || !bytes.Equal(out.Bytes(), make([]byte, 16)) {
			t.Errorf("%x, %v", out.Bytes(), err)
		}
	})
}

// TestHoldState: a state that is kept counts until it is released or saved to again.
func TestHoldState(t *testing.T) {
	onEachSystem(t, func(t *testing.T, sys system) {
		budget, ledger := NewBudget(16*wasmPage), &Ledger{}
		h := defaultHost(t, stateModule(t))
		i := h.first(sys, Config{Min: wasmPage, Limit: mib, Budget: budget, Ledger: ledger})
		image := i.snapshot()
		i.reset()
		before := budget.Used()
		var s State
		i.call("fill", 0, 1, wasmPage)
		i.save(&s, true)
		held := func(want uint64) {
			t.Helper()
			var got uint64
			ledger.Each(func(p Part, bytes uint64) {
				if p == States {
					got = bytes
				}
			})
			if got != want || budget.Used() != before+want {
				t.Errorf("%d bytes of states, %d more of the budget; want %d", got, budget.Used()-before, want)
			}
		}
		held(0)
		for range 2 {
			if !s.Hold() {
				t.Fatal("it cannot be held")
			}
			if s.Size() < wasmPage || s.Size() > wasmPage+1024 {
				t.Errorf("a state of 64 KiB takes %d bytes", s.Size())
			}
			held(s.Size())
		}
		want := i.contents()
		i.close()
		before -= 3 * wasmPage
		j := h.fresh(image)
		before += 3 * wasmPage
		j.load(&s)
		j.mustBe(want)
		held(s.Size())
		j.save(&s, true)
		held(0)
		if !budget.Take(budget.Limit() - budget.Used()) {
			t.Fatal("not as much is left as there is")
		}
		before = budget.Used()
		if s.Hold() {
			t.Error("it is held beyond the budget")
		}
		held(0)
		budget.Give(wasmPage + 1024)
		before = budget.Used()
		if !s.Hold() {
			t.Error("it is not held after a refusal")
		}
		j.close()
		image.Close()
		before -= 3 * wasmPage
		before -= 3 * wasmPage
		held(s.Size())
		for range 2 {
			s.Release()
			held(0)
		}
		if s.Size() > 1024 {
			t.Errorf("a state of nothing takes %d bytes", s.Size())
		}
	})
}

// TestStateOfGoGuest: a Go program goes on where it was, in another instance.
func TestStateOfGoGuest(t *testing.T) {
	host := defaultHost(t, goModule(t))
	onEachSystem(t, func(t *testing.T, sys system) {
		h := host.in(t)
		i := h.first(sys, Config{Min: 42 * wasmPage, Limit: 64 * mib})
		image := i.snapshot()
		var s, fork State
		for round := range uint64(6) {
			if round%2 == 0 {
				globals := i.globals()
				i.save(&fork, false)
				i.call("next")
				i.call("eat", 8)
				i.call("collect")
				i.load(&fork)
				i.setGlobals(globals)
			}
			if got := i.call("next"); got != round+1 {
				t.Fatalf("call %d says that it is call %d", round+1, got)
			}
			i.save(&s, true)
			want, globals := i.contents(), i.globals()
			i.close()
			i = h.fresh(image)
			i.load(&s)
			i.mustBe(want)
			i.setGlobals(globals)
		}
	})
}

// FuzzState saves and loads a small memory with contents by the input: pairs of where and
// what, the state saved half-way.
func FuzzState(f *testing.F) {
	f.Add([]byte{0, 1, 255, 2, 64, 0, 64, 1, 63, 9})
	f.Fuzz(func(t *testing.T, input []byte) {
		for name, sys := range systems(t) {
			i := defaultHost(t, stateModule(t)).first(sys, Config{Min: wasmPage, Limit: mib})
			i.snapshot()
			original := i.contents()
			i.reset()
			write := func(input []byte) {
				for ; len(input) > 1; input = input[2:] {
					if input[1] == 7 && i.memory.Size() < mib {
						i.call("grow", 1)
					}
					i.call("store", uint64(input[0])*uint64(i.memory.Size()-1)/255, uint64(input[1]))
				}
			}
			write(input[:len(input)/2])
			want := i.contents()
			var fast, compact State
			i.save(&fast, false)
			i.save(&compact, true)
			for _, s := range []*State{&fast, &compact} {
				write(input[len(input)/2:])
				i.load(s)
				i.mustBe(want)
			}
			var out bytes.Buffer
			if _, err := compact.WriteTo(&out); err != nil || !bytes.Equal(out.Bytes(), written(original, want)) {
				t.Errorf("%s: %d bytes were written (%v)", name, out.Len(), err)
			}
			i.close()
		}
	})
}
