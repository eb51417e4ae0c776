package meter

import (
	"context"
	"fmt"
	"slices"
)

// StatePrefix begins the names under which [Expose] exports globals.
const StatePrefix = "wasmworker:state/"

// Exposed is a module whose state can be read and reset from outside.
type Exposed struct {
	// Binary is the module. It is to be instrumented yet.
	Binary []byte
	// Data is what the module's data segments were, if they could be taken out. Whoever
	// instantiates Binary has to write it to the memory, in this order, before any of the
	// module's code runs. It fits into the memory's minimum.
	//
	// A runtime copies the segments for each instance, 36,000 of a Go program: 1.5 ms.
	// For instances that share an image this is done once, and for others these are
	// fewer.
	Data []Data
	// Globals are the names under which the mutable globals are exported.
	Globals []string
	// Irreversible says which part of an instance's state the code can change and nobody
	// can reset, or "".
	Irreversible string

	keepData bool // something needs the data segments
	count    *int // of data segments, if a section says so
}

const (
	pageSize = 64 << 10 // of memory
	maxPages = 1 << 16
	// maxCompared is how often a function is compared with an export, at 2 ns each.
	maxCompared = 100_000_000
	maxGap      = 64 // between two parts of data that are worth making one: an access to cached memory
)

// Data is a part of an initial memory.
type Data struct {
	Offset uint32
	Bytes  []byte
}

// Instructions that change what the API of a runtime does not reach: tables, and whether
// segments were dropped. memory.init changes memory alone.
var irreversible = map[int]string{
	0x26:   "table.set",
	0xfc09: "data.drop",
	0xfc0c: "table.init",
	0xfc0d: "elem.drop",
	0xfc0e: "table.copy",
	0xfc0f: "table.grow",
	0xfc11: "table.fill",
}

// Expose exports the mutable globals of a module, finds out whether the rest of its state
// can be reset, takes the data segments out if it can, and makes two changes to limits:
// the growth of tables is capped at maxTable elements each, which the runtime does not
// limit; and a memory may grow by a page more than it declares, since wazero shrinks one
// by way of growing it. Whoever instantiates the module has to limit it to what it
// declared.
//
// Of what the module exports itself, functions with the given names stay, and nothing
// else; with no names everything does. A runtime that tells who was running compares each
// function with each export, without an end to it: 10 s for 60,000 and 80,000.
//
// It refuses what it cannot decode, as Instrument does, and gives up with the context's
// cause once that has ended.
func Expose(ctx context.Context, binary []byte, maxTable uint32, names ...string) (*Exposed, error) {
	sections, err := split(binary)
	if err != nil {
		return nil, err
	}
	m := &module{ctx: ctx, refs: map[uint32]int{}, grown: map[uint32]int{}}
	e := &Exposed{}
	var memory uint64 // its minimum, in bytes
	var mutable []int
	for _, s := range sections {
		switch s.id {
		case sectionCustom:
		case sectionTable:
			for range s.n {
				m.tables = append(m.tables, s.byte())
				s.capLimits(maxTable)
			}
		case sectionMemory:
			for range s.n {
				memory = uint64(s.raiseLimits(maxPages)) * pageSize
				m.memory = true
			}
		case sectionGlobal:
			mutable = e.globals(m, s)
		case sectionExport:
			if len(names) > 0 {
				m.keepExports(s, names)
			}
			if len(mutable)*len(m.funcs) > maxCompared {
				mutable, e.Globals = nil, nil
				e.Irreversible = "it has too many mutable globals for its many functions"
			}
			for i, index := range mutable {
				s.add().name(e.Globals[i]).op(kindGlobal).u32(index)
			}
		case sectionStart:
			e.keepData = true // its code runs before anybody could write the data
		case sectionCode:
			e.code(m, newReader(s.data, s.pos), s.n)
			if ctx.Err() != nil {
				return nil, context.Cause(ctx)
			}
		case sectionDataCount:
			n := int(newReader(s.data, s.pos).u32())
			e.count = &n
		case sectionData:
			e.data(newReader(s.data, s.pos), s.n, memory)
		default:
			// Read for what the code refers to. What it is rewritten to is of no use
			// here.
			read := &section{id: s.id, vector: s.vector, n: s.n, reader: newReader(s.data, s.pos)}
			if m.section(read); read.err != nil {
				return nil, fmt.Errorf("section %d: %w", s.id, read.err)
			}
		}
		if s.err != nil {
			return nil, fmt.Errorf("section %d: %w", s.id, s.err)
		}
	}
	out := &code{bytes: make([]byte, 0, len(binary)+1024)}
	out.op(binary[:8]...)
	for _, s := range sections {
		if e.Data != nil && (s.id == sectionData || s.id == sectionDataCount) {
			continue
		}
		out.op(byte(s.id)).sized(s.bytes())
	}
	e.Binary = out.bytes
	return e, nil
}

// keepExports leaves out all exports but functions with the names. It checks all of them,
// since nobody else will see them.
func (m *module) keepExports(s *section, names []string) {
	keep, seen := map[string]bool{}, map[string]bool{}
	for _, name := range names {
		keep[name] = true
	}
	for range s.n {
		start := s.pos
		name, kind := s.name(), s.byte()
		switch kind {
		case kindFunc:
			s.below(len(m.funcs), "function")
		case kindTable:
			s.below(len(m.tables), "table")
		case kindMemory:
			if i := s.u32(); i > 0 || !m.memory {
				s.fail("memory %d of the export %.80q at offset %#x does not exist", i, name, start)
			}
		case kindGlobal:
			s.below(m.globals, "global")
		default:
			s.fail("kind %d of the export %.80q at offset %#x is unknown", kind, name, start)
		}
		if seen[name] {
			s.fail("export at offset %#x duplicates name %.80q", start, name)
		}
		if s.err != nil {
			return
		}
		seen[name] = true
		if kind != kindFunc || !keep[name] {
			s.replace(start)
			s.n--
		}
	}
}

// globals reads the global section and returns the indices of the mutable ones.
func (e *Exposed) globals(m *module, s *section) (mutable []int) {
	for i := range s.n {
		valueType, isMutable := s.byte(), s.byte() == 1
		for in := (instruction{}); in.op != opEnd && s.err == nil; {
			m.next(s.reader, &in)
		}
		if !isMutable {
			continue
		}
		switch valueType {
		case 0x7f, 0x7e, 0x7d, 0x7c: // the numbers
			mutable = append(mutable, m.globals+i)
			e.Globals = append(e.Globals, fmt.Sprintf("%s%d", StatePrefix, i))
		default: // wazero's API cannot set a v128 or a reference
			e.Irreversible = "it has a mutable global that is not a number"
		}
	}
	m.globals += s.n
	return mutable
}

// code looks for instructions whose effect cannot be reset, and for those that need the
// data segments.
func (e *Exposed) code(m *module, r *reader, n int) {
	for range n {
		if m.ctx.Err() != nil {
			return
		}
		body := r.part("the function")
		for range body.count("groups of local variables") {
			body.u32()
			body.byte()
		}
		for in := (instruction{}); !body.done(); {
			m.next(body, &in)
			if body.err != nil {
				e.keepData = true
				return // Instrument says so
			}
			if what, ok := irreversible[in.op]; ok && e.Irreversible == "" {
				e.Irreversible = "its code has the instruction " + what
			}
			e.keepData = e.keepData || in.op == opMemoryInit || in.op == opDataDrop
		}
	}
}

// data takes the segments if all of them are active, begin at a constant and fit into the
// memory.
func (e *Exposed) data(r *reader, n int, memory uint64) {
	if e.keepData || memory == 0 || e.count != nil && *e.count != n {
		return
	}
	var taken []Data
	ends := uint64(0) // of what is taken; everything from there on is zero
	for range n {
		flags, op := r.u32(), r.byte()
		offset := uint64(uint32(r.signed(32)))
		closing := r.byte()
		bytes := r.part("a data segment").rest()
		end := offset + uint64(len(bytes))
		if r.err != nil || flags != 0 || op != opI32Const || closing != opEnd || end > memory {
			return // whoever instantiates it will tell what is wrong, if something is
		}
		if last := len(taken) - 1; last >= 0 && offset >= ends && offset-ends <= maxGap && uint64(taken[last].Offset)+uint64(len(taken[last].Bytes)) == ends {
			taken[last].Bytes = append(append(taken[last].Bytes, make([]byte, offset-ends)...), bytes...)
		} else {
			taken = append(taken, Data{uint32(offset), slices.Clip(bytes)})
		}
		ends = max(ends, end)
	}
	if !r.done() {
		return
	}
	e.Data = taken
}

// capLimits lowers the maximum of limits, or adds one.
func (r *reader) capLimits(most uint32) {
	start := r.pos
	flags, lowest := r.byte(), r.u32()
	if flags > 1 {
		r.fail("limits %#x at offset %#x are not those of WebAssembly 2.0", flags, start)
		return
	}
	if flags == 1 {
		highest := r.u32()
		if highest < lowest {
			return // for the compiler to refuse
		}
		most = min(most, highest)
	}
	r.replace(start).op(1).u32(int(lowest)).u32(int(max(most, lowest)))
}

// raiseLimits raises the maximum of limits, if they have one, by one up to most, and
// returns the minimum.
func (r *reader) raiseLimits(most uint32) uint32 {
	start := r.pos
	flags, lowest := r.byte(), r.u32()
	if flags != 1 {
		return lowest // others than 0 are for the compiler to refuse
	}
	if highest := r.u32(); highest > 0 && highest < most && lowest <= highest {
		r.replace(start).op(1).u32(int(lowest)).u32(int(highest + 1))
	}
	return lowest
}
