package generator_test

import (
	"bytes"
	"encoding/binary"
	"math/rand/v2"
	"testing"

	"github.com/wasmworker/wasmworker/host/internal/generator"
)

const (
	address = 0x1238
	size    = 300
)

// first is what the runtime was given.
var first = bytes.Repeat([]byte{1, 2, 3, 5}, 8)

// state is a chacha8rand.State with that seed from which so many numbers were drawn.
func state(seed []byte, drawn int) []byte {
	numbers, counter, limit := rand.NewChaCha8([32]byte(seed)), 0, 32
	for drawn > limit {
		drawn -= limit
		numbers.Read(make([]byte, 8*limit))
		if counter += 4; counter == 12 {
			limit = 28
		}
	}
	s := make([]byte, 256, size)
	numbers.Read(s)
	s = append(s, seed...)
	for _, n := range []int{drawn, limit, counter} {
		s = binary.LittleEndian.AppendUint32(s, uint32(n))
	}
	return s
}

// yields returns what the runtime's own generator gives from a number on: a seed.
func yields(from int) []byte {
	all := make([]byte, 8*from+32)
	rand.NewChaCha8([32]byte(first)).Read(all)
	return all[8*from:]
}

// later returns the seed that follows after so many others.
func later(seed []byte, times int) []byte {
	for range times {
		// The last four numbers of the fourth block are not drawn, but the next seed.
		c := rand.NewChaCha8([32]byte(seed))
		for range 125 {
			c.Uint64()
		}
		marshaled, _ := c.MarshalBinary()
		seed = marshaled[16:]
	}
	return seed
}

func memory(states ...[]byte) []byte {
	m := make([]byte, 1<<16)
	for i, s := range states {
		copy(m[address+i*0x1000:], s)
	}
	return m
}

func TestFind(t *testing.T) {
	user := rand.NewChaCha8([32]byte(yields(4))) // what a guest makes of numbers that it has drawn
	users := make([]byte, 32)
	user.Read(users)
	for _, c := range []struct {
		name   string
		memory []byte
		want   generator.Generator
	}{
		{"drawn from once", memory(state(yields(4), 1)), address},
		{"in another place of the first block", memory(state(yields(0), 31)), address},
		{"drawn from often", memory(state(yields(4), 100)), address},
		{"the last number of the last block", memory(state(yields(4), 124)), address},
		{"with a later seed", memory(state(later(yields(4), 300), 77)), address},
		{"beside the generator that seeds it", memory(state(yields(8), 0), state(yields(4), 1)), address + 0x1000},
		{"beside a guest's own", memory(state(users, 50), state(yields(4), 60)), address + 0x1000},
	} {
		if got, ok := generator.Find(c.memory, first); !ok || got != c.want {
			t.Errorf("%s: %#x, %v, want %#x", c.name, got, ok, c.want)
		}
	}
	damaged := state(yields(4), 1)
	damaged[100]++
	for name, memory := range map[string][]byte{
		"nothing":           nil,
		"no state":          memory(),
		"a guest's own":     memory(state(users, 50)),
		"two of them":       memory(state(yields(4), 1), state(yields(4), 2)),
		"another block":     memory(damaged),
		"beyond the end":    memory(state(yields(4), 1))[:address+size-1],
		"nothing was drawn": memory(state(yields(4), 0)),
	} {
		if got, ok := generator.Find(memory, first); ok {
			t.Errorf("%s: found at %#x", name, got)
		}
	}
	if _, ok := generator.Find(memory(state(yields(4), 1)), first[:16]); ok {
		t.Error("found without a seed")
	}
}

// A guest that fills its memory with what looks like a state costs no more than others.
func TestFindIsBounded(t *testing.T) {
	m := append(memory(state(yields(4), 1)), bytes.Repeat([]byte{1, 0, 0, 0, 32, 0, 0, 0, 4, 0, 0, 0, 0, 0, 0, 0}, 1<<17)...)
	if _, ok := generator.Find(m, first); ok {
		t.Error("it was found, after how many others?")
	}
}

// A state that was seeded is that of a new generator, and nothing else is written.
func TestSeed(t *testing.T) {
	m := memory(state(yields(4), 100))
	g, _ := generator.Find(m, first)
	g.Seed(m, [32]byte(first))
	if want := memory(state(first, 0)); !bytes.Equal(m, want) {
		t.Error("the memory is another one")
	}
}

func BenchmarkSeed(b *testing.B) {
	m := memory(state(yields(4), 100))
	for b.Loop() {
		generator.Generator(address).Seed(m, [32]byte(first))
	}
}

// 8 MiB in which nothing is to be found.
func BenchmarkFind(b *testing.B) {
	m := bytes.Repeat([]byte{1, 0, 0, 0, 32, 0, 0, 0, 4, 0, 0, 0, 0, 0, 0, 0}, 1<<19)
	for b.Loop() {
		generator.Find(m, first)
	}
}
