package wasmgen

import "math/rand/v2"

// Source is where a generator's choices come from: a random number generator, or a list
// of choices that were made before. It keeps what it gave, so that a module can be made
// again, and of fewer choices.
type Source struct {
	rand  *rand.Rand
	given []uint32 // if rand is nil
	taken []uint32
}

// Seeded returns a source of random choices. The same two numbers give the same ones.
func Seeded(seed, number uint64) *Source {
	return &Source{rand: rand.New(rand.NewPCG(seed, number))}
}

// Replay returns a source of these choices. Where they have come to an end, or are too
// large for what is to be chosen from, others take their place: the first of what there
// is, or what remains of a division.
func Replay(choices []uint32) *Source { return &Source{given: choices} }

// Choices returns the choices that were made.
func (s *Source) Choices() []uint32 { return s.taken }

// below chooses a number from 0 to n-1. The lower, the simpler is what comes of it.
func (s *Source) below(n int) int {
	if n <= 1 {
		return 0
	}
	choice := uint32(0)
	switch i := len(s.taken); {
	case s.rand != nil:
		choice = uint32(s.rand.IntN(n))
	case i < len(s.given):
		choice = s.given[i] % uint32(n)
	}
	s.taken = append(s.taken, choice)
	return int(choice)
}

// once chooses true once in n times.
func (s *Source) once(n int) bool { return s.below(n) == n-1 }

// bits chooses any number.
func (s *Source) bits() uint64 {
	return uint64(s.below(1<<16)) | uint64(s.below(1<<16))<<16 | uint64(s.below(1<<16))<<32 | uint64(s.below(1<<16))<<48
}

// Shrink looks for fewer and simpler choices with which fails is still true, as it is
// with these. It calls fails at most tries times.
func Shrink(choices []uint32, tries int, fails func([]uint32) bool) []uint32 {
	best := choices
	try := func(candidate []uint32) bool {
		if tries <= 0 {
			return false
		}
		tries--
		if !fails(candidate) {
			return false
		}
		best = candidate
		return true
	}
	for before := -1; tries > 0 && before != weight(best); {
		before = weight(best)
		// Leave parts out, large ones first.
		for size := len(best) / 2; size > 0; size /= 2 {
			for at := len(best) - size; at >= 0 && tries > 0; at -= size {
				if at = min(at, len(best)-size); at < 0 {
					break
				}
				try(append(append([]uint32{}, best[:at]...), best[at+size:]...))
			}
		}
		// Choose what is simplest, in parts and then one by one, and then what is simpler.
		for size := len(best) / 2; size > 0; size /= 2 {
			for at := 0; at+size <= len(best) && tries > 0; at += size {
				candidate := append([]uint32{}, best...)
				clear(candidate[at : at+size])
				if weight(candidate) < weight(best) {
					try(candidate)
				}
			}
		}
		for at := 0; at < len(best) && tries > 0; at++ {
			for best[at] > 0 {
				candidate := append([]uint32{}, best...)
				candidate[at] /= 2
				if !try(candidate) {
					break
				}
			}
		}
	}
	return best
}

// weight is what Shrink makes less of.
func weight(choices []uint32) int {
	n := 16 * len(choices)
	for _, c := range choices {
		for ; c > 0; c /= 2 {
			n++
		}
	}
	return n
}
