// Package generator finds the random number generator of Go's runtime in the memory of a
// module, and seeds it anew.
//
// A program in Go seeds it from random_get before anything else, once. From then on
// math/rand, math/rand/v2, hash/maphash, os.CreateTemp and the order and hashes of maps
// draw from it, and no part of Go can seed it again. So its state is in the image of the
// module, and every activity would draw the same numbers.
//
// Nothing here depends on where a version of Go keeps the state. It is found by what it
// has to be, from the bytes that the runtime was given: if the runtime makes something
// else of them, nothing is found.
package generator

import (
	"encoding/binary"
	"math/rand/v2"
)

// The state in memory is internal/chacha8rand.State: a block of 32 numbers, the seed of
// 32 bytes that it was made of, and as 4 bytes each how many numbers of the block were
// drawn, how many there are to draw, and the block's counter.
const (
	SeedSize = 32 // bytes

	numbers   = 32
	atSeed    = 8 * numbers
	atDrawn   = atSeed + SeedSize
	atLimit   = atDrawn + 4
	atCounter = atLimit + 4
	size      = atCounter + 4

	lastCounter = 12          // of 0, 4, 8 and 12
	lastLimit   = numbers - 4 // of the block with that counter; the rest is the next seed
)

// mostSeeds is how many seeds the generator may have had: each serves for 124 numbers, so
// these do for half a million in the initialization.
const mostSeeds = 1 << 12

// mostMemory is how far into the memory the state may be. Variables of the runtime come
// first in it, and the memory of a module may be gigabytes that nothing has touched.
const mostMemory = 64 << 20

// mostChecked is how many places are looked at for more than their small numbers, a
// microsecond each. A real module has some hundred; one that fills its memory with such
// numbers has nothing found.
const mostChecked = 10_000

// Generator is the address of the state.
type Generator uint32

// Find looks for the state in the memory of a module that was initialized. First is what
// the module's first call of random_get gave it. There is none unless exactly one place
// has the state that the runtime makes of these bytes.
func Find(memory, first []byte) (g Generator, ok bool) {
	if len(first) != SeedSize {
		return 0, false
	}
	memory = memory[:min(len(memory), mostMemory)]
	found := map[[SeedSize]byte]Generator{}
	checked := 0
	for at := 0; at+size <= len(memory); at += 8 {
		state := memory[at : at+size]
		if !plausible(state) {
			continue
		}
		if checked++; checked > mostChecked {
			return 0, false
		}
		if consistent(state) {
			seed := [SeedSize]byte(state[atSeed:])
			if _, twice := found[seed]; twice {
				return 0, false
			}
			found[seed] = Generator(at)
		}
	}
	if len(found) == 0 {
		return 0, false
	}
	// The runtime has a generator that seeds those of its threads, of which a module has
	// one: four numbers of the first block are its first seed.
	var yields [8 * numbers]byte
	block(yields[:], [SeedSize]byte(first))
	var seeds [][SeedSize]byte
	for at := 0; at+SeedSize <= len(yields); at += 8 {
		seeds = append(seeds, [SeedSize]byte(yields[at:]))
	}
	for range mostSeeds {
		for i, seed := range seeds {
			if g, ok = found[seed]; ok {
				return g, true
			}
			seeds[i] = next(seed)
		}
	}
	return 0, false
}

// plausible tells whether the small numbers of a state are such. A state that nothing was
// drawn from is not that of a thread, which draws at once, but may be that of the
// generator that seeds it.
func plausible(state []byte) bool {
	drawn, limit, counter := binary.LittleEndian.Uint32(state[atDrawn:]), binary.LittleEndian.Uint32(state[atLimit:]), binary.LittleEndian.Uint32(state[atCounter:])
	if limit != numbers && (limit != lastLimit || counter != lastCounter) {
		return false
	}
	return drawn <= limit && drawn+counter > 0 && counter <= lastCounter && counter%4 == 0
}

// consistent tells whether the block of a state is that of its seed and counter.
func consistent(state []byte) bool {
	var want [8 * lastLimit]byte
	c := after([SeedSize]byte(state[atSeed:]), 8*binary.LittleEndian.Uint32(state[atCounter:]))
	c.Read(want[:]) //nolint:errcheck // never fails
	return string(state[:len(want)]) == string(want[:])
}

// Seed makes the state what it is in a program that was just started with the seed. The
// memory is that of an instance, and not smaller than when the state was found.
func (g Generator) Seed(memory []byte, seed [SeedSize]byte) {
	state := memory[g : g+size]
	block(state[:atSeed], seed)
	copy(state[atSeed:], seed[:])
	binary.LittleEndian.PutUint32(state[atDrawn:], 0)
	binary.LittleEndian.PutUint32(state[atLimit:], numbers)
	binary.LittleEndian.PutUint32(state[atCounter:], 0)
}

// block writes what a seed yields first, at most a block.
func block(dst []byte, seed [SeedSize]byte) {
	var c rand.ChaCha8
	c.Seed(seed)
	c.Read(dst) //nolint:errcheck // never fails
}

// next returns the seed that follows when all numbers of one have been drawn.
func next(seed [SeedSize]byte) [SeedSize]byte {
	c := after(seed, 8*lastCounter+lastLimit)
	c.Uint64()
	marshaled, err := c.MarshalBinary()
	if err != nil {
		panic(err) // it has no errors
	}
	return [SeedSize]byte(marshaled[len(marshaled)-SeedSize:])
}

// after makes a generator from which so many numbers were drawn since it had the seed.
func after(seed [SeedSize]byte, drawn uint32) (c rand.ChaCha8) {
	marshaled := binary.BigEndian.AppendUint64([]byte("chacha8:"), uint64(drawn))
	if err := c.UnmarshalBinary(append(marshaled, seed[:]...)); err != nil {
		panic(err) // its form is documented by math/rand/v2, and does not change
	}
	return c
}
