package image

import "slices"

// copied keeps memories and images in Go slices. It works everywhere; a Reset costs as
// much as the image is large, and every instance has its own copy.
type copied struct{}

func (copied) String() string { return "copies" }

func (copied) reserve(limit uint64) (region, error) {
	return &slice{buf: []byte{}, limit: limit}, nil
}

func (copied) freeze(contents []byte) (frozen, error) {
	return frozenSlice(slices.Clone(contents)), nil
}

type frozenSlice []byte

func (f frozenSlice) contents() []byte { return f }
func (frozenSlice) release()           {}

// slice is a region. Between the length and the capacity of buf everything is zero.
type slice struct {
	buf   []byte
	limit uint64
}

func (s *slice) bytes() []byte { return s.buf }

func (s *slice) grow(size uint64) ([]byte, error) {
	if size > uint64(cap(s.buf)) {
		// Doubling keeps a guest that grows by a page at a time from copying its memory
		// each time.
		grown := make([]byte, size, max(size, min(2*uint64(cap(s.buf)), s.limit)))
		copy(grown, s.buf)
		s.buf = grown
	}
	s.buf = s.buf[:size]
	return s.buf[:size:size], nil
}

func (s *slice) shrink(size uint64) []byte {
	if uint64(cap(s.buf)) > 2*size {
		// One hungry call is not to cost the instance that much for the rest of its life.
		s.buf = make([]byte, size)
	}
	clear(s.buf[size:])
	s.buf = s.buf[:size]
	return s.buf[:size:size]
}

func (s *slice) restore(f frozen) error {
	copy(s.buf, f.(frozenSlice))
	return nil
}

func (s *slice) save(f frozen, to *State, _ bool) {
	to.addDifferent(s.buf, f.contents(), 0, uint64(len(s.buf)))
}

func (s *slice) load(f frozen, from *State) error {
	n := copy(s.buf, f.contents())
	clear(s.buf[n:])
	rest := from.all()
	rest.copyTo(s.buf, uint64(len(s.buf)))
	return nil
}

func (s *slice) trim()                   {}           // the instance holds on to the slice
func (s *slice) reserved() uint64        { return 0 } // Go's heap, which GOMEMLIMIT sees
func (s *slice) private() (uint64, bool) { return uint64(cap(s.buf)), false }
func (s *slice) release()                { s.buf = nil }
