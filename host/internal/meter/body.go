package meter

import "context"

// What instructions cost, in units: 1, but for those here, and nop, block, loop, else and
// end, which compile to nothing.
const (
	callCost     = 16 // calls, and instructions that call something or work on a range
	bytesShift   = 4  // working on memory costs 1 more for each 1<<bytesShift bytes,
	entriesShift = 1  // and on a table, for each 1<<entriesShift entries
	// growing a memory costs 1<<pageShift for each page, as to fill it would
	pageShift = 16 - bytesShift
	moveShift = 4 // 1<<moveShift moves of local variables cost 1, see segment.total
)

// maxCharge caps what is charged at once: fuel, which is not negative before, must not
// wrap around.
const maxCharge = 1 << 30

// rewriter rewrites the bodies of functions (5.4.9, 5.5.13), one after the other.
type rewriter struct {
	*module
	in      instruction // the current one
	charges []int       // of the function, and of its loops in the order of their headers

	// While measuring:
	blocks   []block
	segments []segment
	live     bool // the current instruction can be reached
	sets     int  // assignments to local variables so far
	ranges   bool // memory.copy or memory.fill occurs
	long     bool // an opcode is not in its shortest encoding, so that nothing is written yet
	locals   int  // parameters and local variables, without the one that is added if ranges

	// While writing:
	frames []frame
	depth  int // labels that are in scope
}

// bodies rewrites the bodies of n functions.
func (m *module) bodies(r *reader, n int) {
	w := &rewriter{module: m}
	for i := range n {
		if m.ctx.Err() != nil {
			r.fail("%w", context.Cause(m.ctx))
			return
		}
		start := r.pos
		body := r.part("a function")
		f := m.imported + i
		whole := *body
		w.function(body, m.types[m.funcs[f]])
		if w.long && body.err == nil {
			body = newReader(w.shortest(&whole), 0)
			w.function(body, m.types[m.funcs[f]])
		}
		if body.err != nil {
			r.fail("function %d at offset %#x: %w", f, start, body.err)
			return
		}
		r.replace(start).sized(body.content())
	}
}

func (w *rewriter) function(r *reader, t arity) {
	start := r.pos
	groups := r.count("groups of local variables")
	first := r.pos
	locals := uint64(0)
	for range groups {
		locals += uint64(r.u32())
		r.byte() // type
	}
	if locals > maxLocals {
		r.fail("%d local variables are more than the %d that are supported", locals, maxLocals)
	}
	w.locals = t.params + int(locals)
	code := r.pos
	if w.measure(r, t.results); !r.done() {
		r.fail("%d bytes too many at offset %#x", len(r.rest()), r.pos)
	}
	if r.err != nil || w.long {
		return
	}
	if w.ranges {
		r.pos = first
		r.replace(start).u32(groups + 1)
		r.pos = code
		r.insert().op(1, typeI32)
	}
	r.pos = code
	w.write(r)
}

// shortest returns the body of a function with all opcodes in their shortest encoding. It
// has been measured, so that it can be decoded.
func (w *rewriter) shortest(r *reader) []byte {
	for range r.count("groups of local variables") {
		r.u32()
		r.byte()
	}
	for in := &w.in; !r.done() && r.err == nil; {
		w.next(r, in)
		if in.long {
			end := r.pos
			r.pos = in.head
			r.replace(in.pos).op(byte(in.op >> 8)).u32(in.op & 0xff)
			r.pos = end
		}
	}
	return r.content()
}

// segment is the code that is charged for at one place, the entry of a function or the
// header of a loop: what can run from there until control comes to such a place again.
// So a loop within is not part of it.
type segment struct {
	charge int  // index of what is charged
	cost   int  // of the costliest path from the header to the current instruction
	most   int  // of the costliest path from the header
	sets   int  // assignments to local variables before it
	calls  bool // functions
}

// total is what a segment costs. Where paths join, the compiler may move all local
// variables that were assigned on any of them, even on those not taken. That is cheap,
// but there can be thousands, so assignments count a little, those in inner loops
// included.
func (s *segment) total(sets int) int {
	return min(s.most+(sets-s.sets)>>moveShift, maxCharge)
}

// block is a block around the current instruction.
type block struct {
	op      int  // block, loop, if, or else behind that
	segment int  // in which it stands; a loop's own one is the next
	values  int  // that a branch to it carries
	start   int  // cost at its beginning
	arrived int  // cost of the costliest branch to its end, -1 if there is none
	live    bool // its beginning can be reached
}

// measure decodes the instructions up to the end of the function, and computes what to
// charge: the cost of the costliest path through each segment.
func (w *rewriter) measure(r *reader, results int) {
	w.live, w.sets, w.ranges, w.long = true, 0, false, false
	w.charges = append(w.charges[:0], 0)
	w.segments = append(w.segments[:0], segment{})
	w.blocks = append(w.blocks[:0], block{values: results, arrived: -1, live: true})
	for in := &w.in; len(w.blocks) > 0 && r.err == nil; {
		w.next(r, in)
		w.long = w.long || in.long
		b := &w.blocks[len(w.blocks)-1]
		s := &w.segments[len(w.segments)-1]
		switch in.op {
		case opNop:
		case opBlock, opLoop, opIf:
			if in.op == opIf {
				w.spend(1)
			}
			w.spend(in.block.params + in.block.results) // to be moved into place
			b := block{op: in.op, segment: len(w.segments) - 1, values: in.block.results, start: s.cost, arrived: -1, live: w.live}
			if in.op == opLoop {
				b.values = in.block.params
				w.segments = append(w.segments, segment{charge: len(w.charges), sets: w.sets})
				w.charges = append(w.charges, 0)
			}
			w.blocks = append(w.blocks, b)
		case opElse:
			if b.op != opIf {
				r.fail("else at offset %#x has no if", in.pos)
				return
			}
			w.arrive(b)
			b.op, w.live, s.cost = opElse, b.live, b.start
		case opEnd:
			if b.op == opLoop { // no branch goes to its end
				w.charges[s.charge] = max(s.total(w.sets), 1)
				w.segments = w.segments[:len(w.segments)-1]
			} else {
				w.arrive(b)
				if b.op == opIf && b.live { // without else
					b.arrived = max(b.arrived, b.start)
				}
				w.live, s.cost = b.arrived >= 0, b.arrived
			}
			w.blocks = w.blocks[:len(w.blocks)-1]
		case opBr, opBrIf:
			b := w.target(r, in.index)
			w.spend(1 + b.values)
			w.arrive(b)
			w.live = w.live && in.op == opBrIf
		case opBrTable:
			for i, l := range in.labels {
				b := w.target(r, l)
				if i == 0 {
					w.spend(1 + b.values) // that of all others are as many
				}
				w.arrive(b)
			}
			w.live = false
		case opReturn, opUnreachable:
			w.spend(1)
			w.live = false
		case opCall, opCallIndirect:
			w.spend(callCost)
			s.calls = true
		case opMemoryGrow, opTableGrow, opMemoryInit, opMemoryCopy, opMemoryFill, opTableInit, opTableCopy, opTableFill:
			w.spend(callCost)
			w.ranges = w.ranges || in.op == opMemoryCopy || in.op == opMemoryFill
		case opLocalGet, opLocalSet, opLocalTee:
			if uint64(in.index) >= uint64(w.locals) {
				r.fail("local variable %d at offset %#x does not exist", in.index, in.pos)
			}
			w.spend(1)
			if in.op != opLocalGet {
				w.sets++
			}
		default:
			w.spend(1)
		}
	}
	// What a caller has paid for is free. Recursion is charged for all the same, as it
	// takes a call: from the function's own segment, or from a loop.
	if s := &w.segments[0]; s.calls || s.total(w.sets) > callCost {
		w.charges[0] = max(s.total(w.sets), 1)
	}
}

func (w *rewriter) spend(units int) {
	if w.live {
		s := &w.segments[len(w.segments)-1]
		s.cost = min(s.cost+units, maxCharge)
		s.most = max(s.most, s.cost)
	}
}

// target returns the block that a label names.
func (w *rewriter) target(r *reader, label uint32) *block {
	if uint64(label) >= uint64(len(w.blocks)) {
		r.fail("label %d at offset %#x does not exist", label, w.in.pos)
		label = 0
	}
	return &w.blocks[len(w.blocks)-1-int(label)]
}

// arrive notes that control comes from here to the end of a block. From an inner loop, it
// comes at the cost that the outer segment had before the loop: the loop charges for
// itself.
func (w *rewriter) arrive(b *block) {
	if w.live && b.op != opLoop {
		b.arrived = max(b.arrived, w.segments[b.segment].cost)
	}
}

// frame is a block around the current instruction.
type frame struct {
	label  int // by which branches leave or repeat it, counted from the outermost
	charge int // at its header, of a loop
}

// write copies the instructions and adds the metering: of a loop
//
//	loop … end
//
// it makes
//
//	loop
//	  fuel -= charge
//	  if (fuel >= 0)
//	    …
//	  else
//	    fuel = refill(fuel, charge) ;; so much that it can be charged again
//	    br 1                        ;; the loop
//	  end
//	end
//
// and so it does with the body of a function, in a loop that only refill repeats. With
// the shorter "if (fuel < 0) refill", what follows would be code where two paths join,
// and there wazero's register allocator takes over the state from the path with the call,
// so that the other one, without, loads all variables from the stack again (the TODO in
// finalizeStartReg of its regalloc.go): a loop of matrix multiplication takes 1.5 times
// as long.
func (w *rewriter) write(r *reader) {
	w.depth = 1
	w.frames = append(w.frames[:0], frame{charge: w.charges[0]})
	if w.charges[0] > 0 {
		w.open(r.insert().op(opLoop, typeNone), w.charges[0], typeNone)
		w.depth += 2
	}
	loops := 0
	for in := &w.in; len(w.frames) > 0 && r.err == nil; {
		w.next(r, in)
		switch in.op {
		case opBlock, opIf:
			w.frames = append(w.frames, frame{label: w.depth})
			w.depth++
		case opLoop:
			loops++
			f := frame{label: w.depth, charge: w.charges[loops]}
			w.open(r.insert(), f.charge, r.data[in.pos+1:r.pos]...)
			w.frames = append(w.frames, f)
			w.depth += 2
		case opEnd:
			f := w.frames[len(w.frames)-1]
			w.frames = w.frames[:len(w.frames)-1]
			w.depth = f.label
			if f.charge == 0 {
				continue
			}
			c := r.replace(in.pos)
			if len(w.frames) > 0 {
				w.close(c, f.charge)
			} else { // of the function
				w.close(c.op(opReturn), f.charge)
				c.op(opEnd, opUnreachable)
			}
			c.op(opEnd)
		case opBr, opBrIf:
			r.replace(in.pos).op(byte(in.op)).u32(w.label(in.index))
		case opBrTable:
			c := r.replace(in.pos).op(opBrTable).u32(len(in.labels) - 1)
			for _, l := range in.labels {
				c.u32(w.label(l))
			}
		case opCall:
			r.replace(in.pos).call(w.moved(in.index))
		case opRefFunc:
			r.replace(in.pos).globalGet(w.ref(in.index))
		case opMemoryCopy:
			w.short(r).call(w.copy()).op(opEnd)
		case opMemoryFill:
			w.short(r).call(w.fill()).op(opEnd)
		case opMemoryGrow:
			r.replace(in.pos).call(w.growMemory())
		case opTableGrow:
			if uint64(in.index) >= uint64(len(w.tables)) {
				r.fail("table %d at offset %#x does not exist", in.index, in.pos)
				return
			}
			r.replace(in.pos).call(w.growTable(in.index))
		case opMemoryInit: // the topmost operand is the length
			r.replace(in.pos).call(w.chargeBytes()).op(r.data[in.pos:r.pos]...)
		case opTableInit, opTableCopy, opTableFill:
			r.replace(in.pos).call(w.chargeEntries()).op(r.data[in.pos:r.pos]...)
		default:
			if kind, ok := nanKind[in.op]; ok && w.canonical {
				r.insert().call(w.nan(kind))
			}
		}
	}
}

// short keeps an instruction for short ranges, whose length is the topmost operand: a
// call instead of each memory.copy would double the time of a copy of a few bytes.
func (w *rewriter) short(r *reader) *code {
	whole := r.data[w.in.pos:r.pos]
	c := r.replace(w.in.pos).op(opLocalTee).u32(w.locals).get(w.locals)
	c.i32(callCost<<bytesShift).op(opI32LeU, opIf).signed(int64(len(w.types) + typeBulk))
	return c.op(whole...).op(opElse)
}

// label returns what a label of the original function has become.
func (w *rewriter) label(l uint32) int {
	return w.depth - 1 - w.frames[len(w.frames)-1-int(l)].label
}

// open begins what is charged for, in a loop of the same type.
func (w *rewriter) open(c *code, charge int, blockType ...byte) {
	c.globalGet(w.fuel()).i32(charge).op(opI32Sub).globalSet(w.fuel())
	c.globalGet(w.fuel()).i32(0).op(opI32GeS, opIf).op(blockType...)
}

// close ends it.
func (w *rewriter) close(c *code, charge int) {
	c.op(opElse).globalGet(w.fuel()).i32(charge).call(w.refill()).globalSet(w.fuel())
	c.op(opBr, 1, opEnd)
}
