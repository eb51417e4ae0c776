package wasmgen

import (
	"maps"
	"slices"
)

// statements writes some statements: code that takes nothing off the stack and leaves
// nothing there.
func (g *generator) statements(depth int) {
	for range g.below(5) {
		if g.budget <= 0 {
			return
		}
		g.statement(depth)
	}
}

func (g *generator) statement(depth int) {
	g.budget--
	if depth <= 0 {
		g.assign(0)
		return
	}
	switch g.below(16) {
	case 0, 1, 2:
		g.assign(depth)
	case 3, 4:
		g.store(depth)
	case 5:
		g.value(i32, depth-1)
		g.op(0x04, 0x40)
		g.inside(nil, func() {
			g.statements(depth - 1)
			if g.below(2) > 0 {
				g.op(0x05)
				g.statements(depth - 1)
			}
		})
	case 6, 7:
		g.loop(depth)
	case 8:
		g.op(0x02, 0x40)
		g.inside(nil, func() { g.statements(depth - 1) })
	case 9:
		g.branch(depth)
	case 10:
		g.branchTable(depth)
	case 11:
		f := g.callees[g.below(len(g.callees))]
		s := g.sigs[f]
		g.call(f, s, depth)
		g.keep(s.out)
	case 12:
		g.callIndirect(depth)
	case 13:
		g.bulkMemory(depth)
	case 14:
		g.changeTable(depth)
	case 15:
		g.manyValues(depth)
	}
}

// assign sets a variable.
func (g *generator) assign(depth int) {
	var set []int
	for i, v := range g.globals {
		if v.mutable && (!g.module.Ends || i != g.steps) {
			set = append(set, i)
		}
	}
	if len(g.locals) > 0 && g.below(2) == 0 {
		l := g.below(len(g.locals))
		g.value(g.locals[l], depth-1)
		g.index(0x21, l)
		return
	}
	i := set[g.below(len(set))]
	g.value(g.globals[i].value, depth-1)
	g.index(0x24, i)
}

// keep takes values off the stack, into variables where there are such.
func (g *generator) keep(types []byte) {
	for _, t := range slices.Backward(types) {
		if l := g.find(g.locals, t); l >= 0 {
			g.index(0x21, l)
		} else {
			g.op(0x1a)
		}
	}
}

func (g *generator) store(depth int) {
	if !g.memory || g.pages == 0 {
		g.assign(depth)
		return
	}
	a := stores[g.below(len(stores))]
	if a.value == v128 && !g.vectors || (a.value == f32 || a.value == f64) && !g.floats {
		a = stores[0]
	}
	offset := g.address(depth)
	g.value(a.value, depth-1)
	g.access(a, offset)
}

// loop repeats statements as long as something holds, and sometimes with values that it
// carries from one round to the next.
func (g *generator) loop(depth int) {
	if g.below(4) < 3 {
		g.op(0x03, 0x40)
		g.inside(nil, func() {
			g.step(1)
			g.statements(depth - 1)
			g.value(i32, depth-1)
			g.index(0x0d, 0)
		})
		return
	}
	carried := []byte{i32, g.number()}
	for _, t := range carried {
		g.value(t, depth-1)
	}
	g.op(0x03).append(sleb(int64(g.typeOf(signature{in: carried, out: carried}))))
	g.inside(carried, func() {
		g.step(1)
		g.keep(carried)
		g.statements(depth - 1)
		for _, t := range carried {
			g.value(t, depth-1)
		}
		g.value(i32, depth-1)
		g.index(0x0d, 0)
	})
	g.keep(carried)
}

func (g *generator) number() byte {
	if g.floats {
		return []byte{i32, i64, f32, f64}[g.below(4)]
	}
	return []byte{i32, i64}[g.below(2)]
}

// branch leaves a block, or goes to the beginning of a loop. What follows may be code
// that cannot be reached.
func (g *generator) branch(depth int) {
	l := g.below(len(g.labels))
	types := g.labels[len(g.labels)-1-l]
	switch n := g.below(8); {
	case n < 5:
		g.values(types, depth)
		g.value(i32, depth-1)
		g.index(0x0d, l)
		g.keep(types)
	case n < 6:
		g.values(types, depth)
		g.index(0x0c, l)
	case n < 7:
		g.values(g.out, depth)
		g.op(0x0f)
	case g.once(4):
		g.op(0x00)
	default:
		g.op(0x01)
	}
}

func (g *generator) values(types []byte, depth int) {
	for _, t := range types {
		g.value(t, depth-1)
	}
}

// branchTable is br_table in a block of its own, so that what follows can be reached.
func (g *generator) branchTable(depth int) {
	types := g.labels[len(g.labels)-1-g.below(len(g.labels))]
	g.op(0x02, 0x40)
	g.inside(nil, func() {
		g.values(types, depth)
		g.value(i32, depth-1)
		n := g.below(6)
		g.op(0x0e).append(uleb(uint64(n)))
		for range n + 1 {
			g.op(byte(g.labelOf(types)))
		}
	})
}

func (g *generator) callIndirect(depth int) {
	if len(g.tables) == 0 {
		g.assign(depth)
		return
	}
	i := g.below(len(g.tables))
	t := g.tables[i]
	if t.value != funcref {
		g.assign(depth)
		return
	}
	if known := slices.Sorted(maps.Keys(t.slots)); len(known) > 0 && g.below(8) < 7 {
		// What is there unless the code has changed it.
		e := known[g.below(len(known))]
		s := g.sigs[t.slots[e]]
		g.values(s.in, depth)
		g.i32(e)
		g.indirectly(s, i)
		return
	}
	s := g.sigs[g.callees[g.below(len(g.callees))]]
	g.values(s.in, depth)
	g.element(i, depth)
	g.indirectly(s, i)
}

func (g *generator) indirectly(s signature, table int) {
	g.index(0x11, g.typeOf(s))
	g.op(byte(table))
	g.keep(s.out)
}

// bulkMemory works on ranges of memory.
func (g *generator) bulkMemory(depth int) {
	if !g.memory || g.pages == 0 || !g.bulk {
		g.store(depth)
		return
	}
	g.step(50)
	ranged := func(most int) {
		g.value(i32, depth-1)
		if g.below(24) < 23 {
			g.i32(most)
			g.op(0x71)
		}
	}
	at, length := 0x3fff, []int{0xff, 0x3ff, 0x7fff}[g.below(3)]
	if g.pages >= 18 {
		at, length = 0x3ffff, 0xbffff // 1.1 MB together
		if g.below(2) == 0 {
			at, length = 0xffff, 0x10ffff
		}
	}
	switch n := g.below(4); {
	case n < 2: // memory.copy
		ranged(at)
		ranged(at)
		ranged(length)
		g.op(0xfc, 10, 0, 0)
	case n < 3 || g.data == 0: // memory.fill
		ranged(at)
		g.value(i32, depth-1)
		ranged(length)
		g.op(0xfc, 11, 0)
	default: // memory.init, data.drop
		segment := g.below(g.data)
		if g.drops && g.once(4) {
			g.op(0xfc, 9, byte(segment))
			return
		}
		ranged(at)
		g.value(i32, 0)
		g.op(0x41, 7, 0x71)
		g.value(i32, 0)
		g.op(0x41, 3, 0x71)
		g.op(0xfc, 8, byte(segment), 0)
	}
}

// changeTable writes to tables.
func (g *generator) changeTable(depth int) {
	if len(g.tables) == 0 || !g.tableOps {
		switch n := g.below(3); {
		case !g.drops:
		case n == 1 && g.data > 0:
			g.op(0xfc, 9, byte(g.below(g.data)))
			return
		case n == 2 && g.elements > 0:
			g.op(0xfc, 13, byte(g.below(g.elements)))
			return
		}
		g.assign(depth)
		return
	}
	g.step(20)
	i := g.below(len(g.tables))
	t := g.tables[i]
	few := func() { g.i32(g.below(4)) }
	switch g.below(5) {
	case 0: // table.set
		g.element(i, depth)
		g.value(t.value, depth-1)
		g.op(0x26, byte(i))
	case 1:
		g.tableGrow(i, depth)
		g.op(0x1a)
	case 2: // table.fill
		g.element(i, depth)
		g.value(t.value, depth-1)
		few()
		g.op(0xfc, 17, byte(i))
	case 3: // table.copy
		g.element(i, depth)
		g.element(i, depth)
		few()
		g.op(0xfc, 14, byte(i), byte(i))
	default: // table.init
		if t.value != funcref || g.elements == 0 {
			g.assign(depth)
			return
		}
		g.element(i, depth)
		few()
		few()
		g.op(0xfc, 12, byte(g.below(g.elements)), byte(i))
	}
}

// manyValues is a block, or an if, that takes values and gives others.
func (g *generator) manyValues(depth int) {
	s := g.signature()
	g.values(s.in, depth)
	block := sleb(int64(g.typeOf(s)))
	if g.below(2) == 0 {
		g.op(0x02).append(block)
		g.inside(s.out, func() {
			g.keep(s.in)
			g.statements(depth - 1)
			g.values(s.out, depth)
		})
	} else {
		g.value(i32, depth-1)
		g.op(0x04).append(block)
		g.inside(s.out, func() {
			g.keep(s.in)
			g.values(s.out, depth)
			g.op(0x05)
			g.keep(s.in)
			g.values(s.out, depth)
		})
	}
	g.keep(s.out)
}
