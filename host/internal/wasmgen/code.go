package wasmgen

import "slices"

// op writes an instruction, or several.
func (g *generator) op(b ...byte) *generator {
	g.fuel++
	return g.append(b)
}

// append writes what belongs to the instruction before.
func (g *generator) append(b []byte) *generator {
	g.b = append(g.b, b...)
	return g
}

func (g *generator) index(op byte, i int) { g.op(op).append(uleb(uint64(i))) }

func (g *generator) i32(n int) { g.op(0x41).append(sleb(int64(n))) }

// entry calls a function with constants, and keeps its results.
func (g *generator) entry(f int) {
	if g.module.Ends {
		g.i32(steps)
		g.index(0x24, g.steps)
	}
	s := g.sigs[f]
	for _, t := range s.in {
		g.constant(t)
	}
	g.index(0x10, f)
	for _, t := range slices.Backward(s.out) {
		if t == v128 {
			g.op(0xfd, 29, byte(g.below(2)))
			t = i64
		}
		if kept := g.results[t]; len(kept) > 0 {
			g.index(0x24, kept[g.below(len(kept))])
		} else {
			g.op(0x1a)
		}
	}
}

// random writes the body of a function.
func (g *generator) random() {
	for range g.below(6) {
		g.locals = append(g.locals, g.valueType())
	}
	g.budget = 10 + g.below(120)
	g.step(callStep)
	g.statements(5)
	for _, t := range g.out {
		g.value(t, 3)
	}
}

// step takes steps, and returns if there are none left.
func (g *generator) step(n int) {
	if !g.module.Ends {
		return
	}
	g.index(0x23, g.steps)
	g.i32(n)
	g.op(0x6b)
	g.index(0x24, g.steps)
	g.index(0x23, g.steps)
	g.op(0x41, 0, 0x48, 0x04, 0x40)
	for _, t := range g.out {
		g.simple(t)
	}
	g.op(0x0f, 0x0b)
}

// simple pushes the simplest constant.
func (g *generator) simple(t byte) {
	switch t {
	case i32, i64:
		g.op(0x41+i32-t, 0)
	case f32:
		g.op(0x43, 0, 0, 0, 0)
	case f64:
		g.op(0x44, 0, 0, 0, 0, 0, 0, 0, 0)
	case v128:
		g.op(0xfd, 12).append(make([]byte, 16))
	default:
		g.op(0xd0, t)
	}
}

var interesting = []uint64{0, 1, 1<<64 - 1, 2, 7, 8, 255, 256, 0x7fff, 0x8000, 0xffff, 1 << 31, 1<<31 - 1, 1<<32 - 1, 1 << 32, 1 << 63, 1<<63 - 1,
	0x7fc00000, 0x7f800000, 0xff800000, 0x7f800001, 0x7ff8000000000000, 0x7ff0000000000000, 0xfff0000000000000, 0x7ff0000000000001, 0x3ff0000000000000}

// constant pushes a constant, as it may stand in a constant expression too.
func (g *generator) constant(t byte) {
	number := func() uint64 {
		if g.below(4) < 3 {
			return interesting[g.below(len(interesting))]
		}
		return g.bits()
	}
	little := func(n uint64, bytes int) {
		for range bytes {
			g.append([]byte{byte(n)})
			n >>= 8
		}
	}
	switch t {
	case i32:
		g.op(0x41).append(sleb(int64(int32(number()))))
	case i64:
		g.op(0x42).append(sleb(int64(number())))
	case f32:
		g.op(0x43)
		little(number(), 4)
	case f64:
		g.op(0x44)
		little(number(), 8)
	case v128:
		g.op(0xfd, 12)
		little(number(), 8)
		little(number(), 8)
	case funcref:
		if f := g.below(len(g.callees) + 1); f > 0 {
			g.index(0xd2, g.callees[f-1])
			return
		}
		g.op(0xd0, t)
	default:
		g.op(0xd0, t)
	}
}

// value pushes a value of the type, by code that nests up to depth.
func (g *generator) value(t byte, depth int) {
	if g.budget--; depth <= 0 || g.budget <= 0 {
		g.leaf(t)
		return
	}
	n := g.below(20)
	if g.straight {
		n %= 15
	}
	switch {
	case n < 4:
		g.leaf(t)
	case n < 11:
		g.operation(t, depth)
	case n < 13:
		g.load(t, depth)
	case n < 14: // select
		g.value(t, depth-1)
		g.value(t, depth-1)
		g.value(i32, depth-1)
		if t == funcref || t == externref || g.once(3) {
			g.op(0x1c, 1, t)
		} else {
			g.op(0x1b)
		}
	case n < 15: // local.tee
		if l := g.find(g.locals, t); l >= 0 {
			g.value(t, depth-1)
			g.index(0x22, l)
			g.sets++
			return
		}
		g.leaf(t)
	case n < 17:
		g.valueOfBlock(t, depth)
	case n < 18: // br_if that carries the value
		g.value(t, depth-1)
		if l := g.labelOf([]byte{t}); l >= 0 {
			g.value(i32, depth-1)
			g.index(0x0d, l)
		}
	case n < 19:
		for _, f := range g.rotated(g.callees) {
			if s := g.sigs[f]; len(s.out) > 0 && s.out[0] == t {
				g.call(f, s, depth)
				for range s.out[1:] {
					g.op(0x1a)
				}
				return
			}
		}
		g.leaf(t)
	default:
		g.special(t, depth)
	}
}

// rotated returns a list that begins at one of its items.
func (g *generator) rotated(list []int) []int {
	if len(list) == 0 {
		return nil
	}
	at := g.below(len(list))
	return append(slices.Clone(list[at:]), list[:at]...)
}

// find returns the index of one of the items that are t, or -1.
func (g *generator) find(list []byte, t byte) int {
	var at []int
	for i, have := range list {
		if have == t {
			at = append(at, i)
		}
	}
	if at == nil {
		return -1
	}
	return at[g.below(len(at))]
}

// labelOf returns a label that takes these types, or -1. Outer ones count from 0.
func (g *generator) labelOf(types []byte) int {
	var at []int
	for i := range g.labels {
		if slices.Equal(g.labels[len(g.labels)-1-i], types) {
			at = append(at, i)
		}
	}
	if at == nil {
		return -1
	}
	return at[g.below(len(at))]
}

// leaf pushes a constant or a variable.
func (g *generator) leaf(t byte) {
	switch g.below(3) {
	case 1:
		if l := g.find(g.locals, t); l >= 0 {
			g.index(0x20, l)
			return
		}
	case 2:
		var types []byte
		for _, v := range g.globals {
			types = append(types, v.value)
		}
		if i := g.find(types, t); i >= 0 {
			g.index(0x23, i)
			return
		}
	}
	g.constant(t)
}

func (g *generator) operation(t byte, depth int) {
	list := operations[t]
	if len(list) == 0 {
		g.leaf(t)
		return
	}
	if t == v128 && g.once(8) { // i8x16.shuffle
		g.value(v128, depth-1)
		g.value(v128, depth-1)
		g.op(0xfd, 13)
		for range 16 {
			g.append([]byte{byte(g.below(32))})
		}
		return
	}
	for range 8 {
		o := list[g.below(len(list))]
		if o.trap == trapTrunc && g.below(8) < 7 || slices.ContainsFunc(o.in, func(t byte) bool {
			return !g.floats && (t == f32 || t == f64) || !g.vectors && t == v128
		}) {
			continue
		}
		for _, in := range o.in {
			g.value(in, depth-1)
		}
		if o.trap == trapDivisor && g.below(8) < 7 {
			g.op(0x41+i32-t, 1)
			if t == i32 { // or
				g.op(0x72)
			} else {
				g.op(0x84)
			}
		}
		g.op(o.code...)
		if o.lanes > 0 {
			g.append([]byte{byte(g.below(o.lanes))})
		}
		g.module.Arithmetic = g.module.Arithmetic || o.nan
		return
	}
	g.leaf(t)
}

// address pushes an address that is most often one of the first page, and returns the
// offset to go with it.
func (g *generator) address(depth int) (offset int) {
	g.value(i32, depth-1)
	if g.below(24) == 23 {
		return g.below(0x20000)
	}
	g.i32(0x3fff)
	g.op(0x71)
	return g.below(64)
}

func (g *generator) access(a access, offset int) {
	g.op(a.code...).append([]byte{byte(g.below(a.log2 + 1))}).append(uleb(uint64(offset)))
	if a.lanes > 0 {
		g.append([]byte{byte(g.below(a.lanes))})
	}
}

func (g *generator) load(t byte, depth int) {
	list := loadsOf[t]
	if !g.memory || g.pages == 0 || len(list) == 0 {
		g.operation(t, depth)
		return
	}
	offset := g.address(depth)
	if t == v128 && g.once(4) {
		log2 := g.below(4)
		g.value(v128, depth-1)
		g.access(access{code: []byte{0xfd, byte(84 + log2)}, log2: log2, lanes: 16 >> log2}, offset)
		return
	}
	g.access(list[g.below(len(list))], offset)
}

func (g *generator) call(f int, s signature, depth int) {
	for _, in := range s.in {
		g.value(in, depth-1)
	}
	g.index(0x10, f)
}

// inside writes code inside of a label.
func (g *generator) inside(types []byte, body func()) {
	g.labels = append(g.labels, types)
	body()
	g.labels = g.labels[:len(g.labels)-1]
	g.op(0x0b)
}

func (g *generator) valueOfBlock(t byte, depth int) {
	switch g.below(3) {
	case 0:
		g.op(0x02, t)
		g.inside([]byte{t}, func() {
			g.statements(depth - 1)
			g.value(t, depth-1)
		})
	case 1:
		g.value(i32, depth-1)
		g.op(0x04, t)
		g.inside([]byte{t}, func() {
			g.statements(depth - 1)
			g.value(t, depth-1)
			g.op(0x05)
			g.value(t, depth-1)
		})
	default:
		g.op(0x03, t)
		g.inside(nil, func() {
			g.step(1)
			g.statements(depth - 1)
			g.value(t, depth-1)
		})
	}
}

// special pushes what only some types have.
func (g *generator) special(t byte, depth int) {
	switch {
	case t == i32 && g.memory && g.below(2) == 0:
		if g.grows && g.below(2) > 0 {
			g.growth(depth)
		} else {
			g.op(0x3f, 0)
		}
	case t == i32 && len(g.tables) > 0 && g.below(2) == 0:
		i := g.below(len(g.tables))
		if g.tableOps && g.below(2) > 0 {
			g.tableGrow(i, depth)
		} else {
			g.op(0xfc, 16, byte(i))
		}
	case t == i32:
		g.value([]byte{funcref, externref}[g.below(2)], depth-1)
		g.op(0xd1)
	case t == funcref || t == externref:
		for i, table := range g.tables {
			if table.value == t && g.below(2) == 0 {
				g.element(i, depth)
				g.op(0x25, byte(i))
				return
			}
		}
		g.leaf(t)
	default:
		g.leaf(t)
	}
}

// element pushes the index of an element that is there, most often.
func (g *generator) element(i, depth int) {
	g.value(i32, depth-1)
	g.i32([]int{3, 1, 7, 15}[g.below(4)])
	g.op(0x71)
}

// growth is memory.grow: by little, or by what nobody gets. A module that comes to an end
// stays well below the limit, so that it makes no difference what else counts there.
func (g *generator) growth(depth int) {
	g.step(20)
	if g.unlimited && g.module.Ends {
		g.i32(1 + g.below(2))
		g.op(0x41, 0, 0x3f, 0, 0x41).append(sleb(30))
		g.op(0x49, 0x1b)
	} else {
		g.i32([]int{1, 0, 2, 3, 65536, -1}[g.below(6)])
	}
	g.op(0x40, 0)
}

func (g *generator) tableGrow(i, depth int) {
	g.step(20)
	g.value(g.tables[i].value, depth-1)
	switch {
	case g.module.Ends:
		g.i32(g.below(8))
	default:
		g.i32([]int{1, 100, 5000, 1 << 20, -1}[g.below(5)])
	}
	g.op(0xfc, 15, byte(i))
}

// straightLine writes the body of an activity with a loop and no other branches, and
// reckons what it costs.
func (g *generator) straightLine() {
	for range g.below(6) {
		g.locals = append(g.locals, g.valueType())
	}
	g.straight, g.fuel, g.sets, g.budget = true, 0, 0, 100
	for range 1 + g.below(8) {
		t := g.valueType()
		g.value(t, 3)
		if l := g.find(g.locals, t); l >= 0 {
			g.index(0x21, l)
			g.sets++
		} else {
			g.op(0x1a)
		}
		if g.memory && g.pages > 0 && g.once(4) { // memory.fill
			n := []int{0, 1, 256, 257, 1000, 30_000}[g.below(6)]
			g.value(i32, 0)
			g.op(0x41).append(sleb(0x3fff))
			g.op(0x71)
			g.value(i32, 0)
			g.i32(n)
			g.op(0xfc, 11, 0)
			g.fuel += 15
			if n > 256 {
				g.fuel += int64(n / 16)
			}
		}
	}
	g.countedLoop()
	g.index(0x10, 0) // so that all of it is charged for, and not only by who calls it
	g.op(0x1a)
	g.op(0x41, 0)
	g.fuel += 15 + g.sets/16
	g.straight = false
}

// countedLoop is a loop that runs so many times, in straightLine.
func (g *generator) countedLoop() {
	counter, times := len(g.locals), 1+g.below(100)
	g.i32(times)
	g.locals = append(g.locals, i32)
	g.index(0x21, counter)
	g.sets++
	g.locals[counter] = 0 // nothing else may set it
	fuel, sets := g.fuel, g.sets
	g.op(0x03, 0x40)
	g.fuel-- // loop costs nothing
	for range 1 + g.below(3) {
		g.value(g.number(), 3)
		g.op(0x1a)
	}
	g.index(0x20, counter)
	g.i32(1)
	g.op(0x6b)
	g.index(0x22, counter)
	g.sets++
	g.index(0x0d, 0)
	g.op(0x0b)
	g.fuel--
	g.fuel = fuel + int64(times)*(g.fuel-fuel+(g.sets-sets)/16)
	g.locals[counter] = i32
}
