package image

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"unsafe"

	"github.com/tetratelabs/wazero/api"
)

const (
	// line is the unit in which memories are compared with their image: small, since of a
	// page that a guest wrote to it mostly wrote a few words; and much more than a run takes.
	line = 64
	// block is compared before the lines in it are: the smallest page of any system.
	block = 4 << 10
)

var zeroBlock [block]byte

// ErrOtherImage is returned by [Memory.Load] for the state of a memory of another image,
// and for a State that holds none.
var ErrOtherImage = errors.New("image: the state is not that of a memory of this image")

// State is what a memory is beyond its image: its size, and where its contents differ. The
// zero value is ready to be saved to; what it allocated is used again by the next Save. It
// is used by one goroutine at a time, by which one does not matter. It does not keep the
// image alive.
type State struct {
	image   *Image // nil: holds nothing
	size    uint64 // of the memory
	runs    []run  // in ascending order; none touches another
	data    []byte // of all runs
	compact bool
	held    uint64 // taken from the budget
	scratch [64 * 8]byte
}

// run is a part of a memory, in lines.
type run struct{ at, n uint32 }

// Save makes s what the memory is. The memory must have an image, and must have been reset
// once if it is that of a further instance. Save must not run during a call.
//
// With compact, s has exactly what differs from the image, so it is small, and the same
// wherever the memory is: to keep it while there is no instance, or for a digest. Without,
// it may have more, but where the dirty pages can be found they are copied as they are,
// which is several times faster: for what is taken back soon.
//
// After an error s holds nothing.
func (m *Memory) Save(s *State, compact bool) error {
	s.clear()
	switch {
	case m.closed:
		return ErrClosed
	case m.image == nil:
		return ErrNoImage
	case m.allocated && m.size < m.image.size:
		return errors.New("image: the memory cannot be saved before it is reset for the first time")
	}
	if m.allocated {
		m.region.save(m.image.frozen, s, compact)
	}
	s.image, s.size, s.compact = m.image, m.size, compact
	return nil
}

// Load makes the memory what it was when s was saved, byte for byte, size included: that
// memory or another one of the same image, also one that was just instantiated and never
// reset. mem is the memory of the instance that m backs (api.Module.Memory). s remains as
// it is: what is tried next on the same state needs no Save.
//
// On an error the instance must be discarded. Errors are those of [Memory.Reset], the
// refusals of a memory that is to grow, and [ErrOtherImage]. ErrAtMaximum does not occur
// with modules that declare a maximum of less than 4 GiB and went through
// [github.com/wasmworker/wasmworker/host/internal/meter.Expose], which raises it by a page.
//
// What Load writes is lost by a [Memory.Trim] that follows.
func (m *Memory) Load(mem api.Memory, s *State) error {
	switch {
	case m.closed:
		return ErrClosed
	case m.image == nil:
		return ErrNoImage
	case s.image != m.image:
		return ErrOtherImage
	case !m.allocated:
		return nil
	}
	if err := m.check(mem); err != nil {
		return err
	}
	if err := m.resize(mem, s.size); err != nil {
		return err
	}
	if err := m.region.load(m.image.frozen, s); err != nil {
		return fmt.Errorf("image: the memory could not be set to its saved state: %w", err)
	}
	m.discharge(s.size)
	return m.check(mem)
}

// Size returns how many bytes s itself takes.
func (s *State) Size() uint64 {
	return uint64(unsafe.Sizeof(*s)) + uint64(cap(s.data)) + uint64(cap(s.runs))*uint64(unsafe.Sizeof(run{}))
}

// MemorySize returns the size of the memory that was saved.
func (s *State) MemorySize() uint64 { return s.size }

// Hold makes s as small as it can be, and charges what it then takes to the budget and the
// ledger of its image. It returns false, and charges nothing, if the budget does not have
// it. It is for a state that is kept while there is no instance; [State.Release] is to be
// called in the end. The next Save gives the charge back.
func (s *State) Hold() bool {
	if s.image == nil {
		return false
	}
	if s.held > 0 {
		return true
	}
	s.data, s.runs = fit(s.data), fit(s.runs)
	n := s.Size()
	if !s.image.config.Budget.Take(n) {
		return false
	}
	s.image.config.Ledger.add(States, int64(n))
	s.held = n
	return true
}

// fit returns a slice without room to grow.
func fit[S ~[]E, E any](s S) S {
	if len(s) == cap(s) {
		return s
	}
	return append(make(S, 0, len(s)), s...)
}

// Release empties s, gives back what Hold has charged, and lets go of the memory that s
// takes. Further calls do nothing.
func (s *State) Release() {
	s.clear()
	s.runs, s.data = nil, nil
}

// clear makes s hold nothing, in the room that it has.
func (s *State) clear() {
	if s.held > 0 {
		s.image.config.Budget.Give(s.held)
		s.image.config.Ledger.add(States, -int64(s.held))
		s.held = 0
	}
	s.image, s.size, s.compact = nil, 0, false
	s.runs, s.data = s.runs[:0], s.data[:0]
}

// WriteTo writes what a compact Save has saved, in a form that depends on the contents of
// the image and the memory alone, and on no system or way in which they are kept. All
// numbers are little-endian:
//
//	u64      size of the memory in bytes
//	u64      number of runs: the longest sequences of 64-byte lines that differ from the image
//	u32 u32  of each run, in ascending order: its first line, and how many lines it has
//	bytes    the contents of all runs
//
// Beyond its size, the image is taken as zeros.
func (s *State) WriteTo(w io.Writer) (int64, error) {
	if s.image == nil || !s.compact {
		return 0, errors.New("image: only a state that was saved compactly can be written")
	}
	written := int64(0)
	write := func(b []byte) error {
		n, err := w.Write(b)
		written += int64(n)
		return err
	}
	buf := binary.LittleEndian.AppendUint64(s.scratch[:0], s.size)
	buf = binary.LittleEndian.AppendUint64(buf, uint64(len(s.runs)))
	for _, r := range s.runs {
		if len(buf) == len(s.scratch) {
			if err := write(buf); err != nil {
				return written, err
			}
			buf = buf[:0]
		}
		buf = binary.LittleEndian.AppendUint32(buf, r.at)
		buf = binary.LittleEndian.AppendUint32(buf, r.n)
	}
	if err := write(buf); err != nil {
		return written, err
	}
	return written, write(s.data)
}

// add appends a part of the memory, which lies behind all that was added before.
func (s *State) add(at uint64, contents []byte) {
	first, n := uint32(at/line), uint32(len(contents)/line)
	if last := len(s.runs) - 1; last >= 0 && s.runs[last].at+s.runs[last].n == first {
		s.runs[last].n += n
	} else {
		s.runs = append(s.runs, run{first, n})
	}
	s.data = append(s.data, contents...)
}

// addDifferent appends what of mem differs from the image between two addresses, which are
// multiples of block.
func (s *State) addDifferent(mem, image []byte, from, to uint64) {
	for ; from < to; from += block {
		now, original := mem[from:from+block], zeroBlock[:]
		if from < uint64(len(image)) {
			original = image[from : from+block]
		}
		if bytes.Equal(now, original) {
			continue
		}
		differs := func(i int) bool {
			return *(*[line]byte)(now[i:]) != *(*[line]byte)(original[i:])
		}
		for i := 0; i < block; {
			if !differs(i) {
				i += line
				continue
			}
			end := i + line
			for end < block && differs(end) {
				end += line
			}
			s.add(from+uint64(i), now[i:end])
			i = end
		}
	}
}

// remainder goes through the contents of a state from the lowest address to the highest.
type remainder struct {
	runs  []run
	data  []byte
	taken uint64 // bytes of the first of runs
}

func (s *State) all() remainder { return remainder{runs: s.runs, data: s.data} }

// next returns the address of the next part, beyond all memories if there is none.
func (p *remainder) next() uint64 {
	if len(p.runs) == 0 {
		return math.MaxUint64
	}
	return uint64(p.runs[0].at)*line + p.taken
}

// take returns the next part, up to an address that is greater than its own.
func (p *remainder) take(to uint64) []byte {
	left := uint64(p.runs[0].n)*line - p.taken
	n := min(left, to-p.next())
	part := p.data[:n]
	p.data = p.data[n:]
	if n == left {
		p.runs, p.taken = p.runs[1:], 0
	} else {
		p.taken += n
	}
	return part
}

// copyTo copies the parts up to an address.
func (p *remainder) copyTo(mem []byte, to uint64) {
	for at := p.next(); at < to; at = p.next() {
		copy(mem[at:], p.take(to))
	}
}
