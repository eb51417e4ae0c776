// Package wasmgen makes WebAssembly modules for tests: valid ones, with all of WebAssembly
// 2.0 in them, that compute, branch, call, write and trap at random.
//
// Each is a native module of abi/SPEC.md with activities that take no arguments. What it
// leaves behind can be seen through its exports: memory, and a function for each global
// and for the elements of each table. See [Module].
//
// It stands here and not in Rust, as wasm-smith does, so that nothing but Go is needed to
// make the same modules again, so that a module can say of itself whether it comes to an
// end, and so that what fails is made smaller by its choices: see [Shrink].
package wasmgen

import (
	"fmt"
	"maps"
	"slices"

	"github.com/wasmworker/wasmworker/abi"
)

// Module is a module and what is known of it.
type Module struct {
	Binary []byte
	// Activities are exported functions of type () -> i32, in the order of the file.
	// What they compute they leave in globals.
	Activities []string
	// Globals are the names of exported functions () -> t, each of which gives a global.
	// Of a reference it tells whether it is null.
	Globals []string
	// Tables are the suffixes of exported functions for each table: TableSize + suffix,
	// () -> i32, TableNull + suffix, (i32) -> i32, for whether an element is null, and,
	// if it is a table of functions, TableCall + suffix, (i32) -> i64, which traps unless
	// the element is one of the functions that say their number.
	Tables []string
	// Segments are the names of exported functions () -> i32, each of which gives the
	// first byte of a data segment, and traps if there is none any more. A module has
	// them only if its code may drop segments: they take instructions that keep the
	// segments in the module.
	Segments []string
	// Fuel is what some of the activities cost if they complete: code with a loop and no
	// other branches, reckoned from what was written, by the rules of package meter.
	Fuel map[string]int64
	// Ends tells whether all code comes to an end by itself.
	Ends bool
	// Arithmetic tells whether there may be NaNs whose bits are another engine's choice.
	Arithmetic bool
}

// The exports for tables. See Module.
const (
	TableSize = "_size"
	TableNull = "_null"
	TableCall = "_call"
)

const (
	numbered = 4    // functions that say their number
	steps    = 1500 // of an activity of a module that comes to an end
	callStep = 30
)

// signature is the type of a function.
type signature struct{ in, out []byte }

type global struct {
	value   byte
	mutable bool
}

type table struct {
	value byte
	slots map[int]int // the functions that are there at the start, by element
}

// generator makes a module. Indices of functions are those of the module.
type generator struct {
	*Source
	b      []byte // of the body that is being written
	module Module

	// What the module has.
	types     [][]byte // encoded
	imported  int
	callees   []int // functions that code may call, with their signatures
	sigs      map[int]signature
	globals   []global
	steps     int // index of the global that counts them, if module.Ends
	results   map[byte][]int
	tables    []table
	memory    bool
	pages     int // minimum
	unlimited bool
	passive   int // data segments, the first ones; all are data
	data      int
	elements  int // segments that are passive, of functions; the first ones

	// What it may use.
	vectors, floats, tableOps, drops, bulk, grows bool

	// Of the function that is being written.
	locals []byte
	labels [][]byte // types that a branch takes, by label, the outermost first
	out    []byte
	budget int

	// Code without branches: what it costs so far, and how often it sets a variable.
	straight bool
	fuel     int64
	sets     int64
}

// New makes a module of the source's choices.
func New(s *Source) *Module {
	g := &generator{Source: s, sigs: map[int]signature{}, results: map[byte][]int{}}
	g.module.Ends = !s.once(6)
	g.floats = s.below(3) > 0
	g.vectors = s.once(3)
	g.bulk = s.below(2) > 0
	g.grows = s.below(2) > 0
	g.memory = s.below(16) != 15
	switch s.below(5) {
	case 1:
		g.tableOps = true
	case 2:
		g.drops = true
	case 3:
		g.tableOps, g.drops = true, true
	}
	g.module.Binary = g.write()
	return &g.module
}

// write makes the binary.
func (g *generator) write() []byte {
	out := []byte("\x00asm\x01\x00\x00\x00")
	section := func(id byte, n int, content []byte) {
		if n > 0 {
			content = append(uleb(uint64(n)), content...)
			out = append(append(append(out, id), uleb(uint64(len(content)))...), content...)
		}
	}
	names := []string{"arg_count", "status"}[:1+g.below(2)]
	g.imported = len(names)
	var imports []byte
	for i, name := range names {
		imports = append(imports, text(abi.ModuleActivity)...)
		imports = append(append(append(imports, text(name)...), 0), uleb(uint64(g.typeOf(signature{out: []byte{i32}})))...)
		g.declare(i, signature{out: []byte{i32}})
	}
	for i := range numbered {
		g.declare(g.imported+i, signature{in: []byte{i64, i64, i64, i64, i64}, out: []byte{i64}})
	}
	random := 1 + g.below(5)
	for i := range random {
		g.declare(g.imported+numbered+i, g.signature())
	}
	tables := g.declareTables()
	globals := g.declareGlobals()
	memory := g.declareMemory()
	elements, nElements := g.elementSegments()
	data, nData := g.dataSegments()

	f := &functions{generator: g, next: g.imported}
	for i := range numbered {
		f.add("", g.sigs[f.next], func() { g.op(0x42).append(sleb(int64(1000 + i))) })
	}
	for range random {
		f.add("", g.sigs[f.next], func() { g.random() })
	}
	start := f.exports(random)
	section(1, len(g.types), slices.Concat(g.types...))
	section(2, g.imported, imports)
	section(3, f.count, f.types)
	section(4, len(g.tables), tables)
	if g.memory {
		section(5, 1, memory)
		f.export("memory", 2, 0)
	}
	section(6, len(g.globals), globals)
	section(7, f.exported, f.names)
	if start >= 0 {
		out = append(out, 8, byte(len(uleb(uint64(start)))))
		out = append(out, uleb(uint64(start))...)
	}
	section(9, nElements, elements)
	if nData > 0 {
		out = append(out, 12, 1, byte(nData))
	}
	section(10, f.count, f.bodies)
	section(11, nData, data)
	return out
}

// declare says that a function has a signature.
func (g *generator) declare(f int, s signature) {
	g.sigs[f] = s
	g.callees = append(g.callees, f)
}

func (g *generator) signature() (s signature) {
	for range g.below(4) {
		s.in = append(s.in, g.valueType())
	}
	for range g.below(4) {
		s.out = append(s.out, g.valueType())
	}
	return s
}

// valueType chooses the type of a value.
func (g *generator) valueType() byte {
	types := []byte{i32, i64}
	if g.floats {
		types = append(types, f32, f64)
	}
	if g.vectors {
		types = append(types, v128)
	}
	if g.once(12) {
		return []byte{funcref, externref}[g.below(2)]
	}
	return types[g.below(len(types))]
}

// typeOf returns the index of a type, which it adds if need be.
func (g *generator) typeOf(s signature) int {
	encoded := append([]byte{0x60}, uleb(uint64(len(s.in)))...)
	encoded = append(append(encoded, s.in...), uleb(uint64(len(s.out)))...)
	encoded = append(encoded, s.out...)
	for i, t := range g.types {
		if slices.Equal(t, encoded) {
			return i
		}
	}
	g.types = append(g.types, encoded)
	return len(g.types) - 1
}

// declareTables makes up to three tables, the first of functions.
func (g *generator) declareTables() (out []byte) {
	for i := range g.below(4) {
		t := table{value: funcref, slots: map[int]int{}}
		if i > 0 && g.once(3) {
			t.value = externref
		}
		least := g.below(12)
		out = append(out, t.value)
		if g.once(2) {
			out = append(out, 1, byte(least), byte(least+g.below(20)))
		} else {
			out = append(out, 0, byte(least))
		}
		for e := range least {
			if t.value == funcref && g.below(4) > 0 {
				t.slots[e] = g.callees[g.imported+g.below(len(g.callees)-g.imported)]
			}
		}
		g.tables = append(g.tables, t)
		g.module.Tables = append(g.module.Tables, fmt.Sprint(i))
	}
	return out
}

// declareGlobals makes variables and constants, and those for results and steps.
func (g *generator) declareGlobals() (out []byte) {
	add := func(t byte, mutable bool) int {
		g.globals = append(g.globals, global{t, mutable})
		m := byte(0)
		if mutable {
			m = 1
		}
		out = append(out, t, m)
		g.b = nil
		g.constant(t)
		out = append(append(out, g.b...), 0x0b)
		return len(g.globals) - 1
	}
	for range g.below(6) {
		t, mutable := g.valueType(), g.below(4) > 0
		if mutable && (t == v128 || t == funcref || t == externref) && !g.tableOps {
			t = i32 // such a variable cannot be reset
		}
		add(t, mutable)
	}
	for _, t := range []byte{i32, i64, i64} {
		g.results[t] = append(g.results[t], add(t, true))
	}
	if g.floats {
		for _, t := range []byte{f32, f64} {
			g.results[t] = append(g.results[t], add(t, true))
		}
	}
	if g.module.Ends {
		g.steps = add(i32, true)
	}
	return out
}

func (g *generator) declareMemory() []byte {
	if !g.memory {
		return nil
	}
	g.pages = []int{1, 2, 0, 18}[min(g.below(32), 18)%4]
	if g.unlimited = g.once(3); g.unlimited {
		return append([]byte{0}, uleb(uint64(g.pages))...)
	}
	return append(append([]byte{1}, uleb(uint64(g.pages))...), uleb(uint64(g.pages+g.below(6)))...)
}

// elementSegments makes the segments that fill tables, and those for table.init. What
// code refers to by ref.func is declared by the last.
func (g *generator) elementSegments() (out []byte, n int) {
	g.elements = g.below(3)
	for range g.elements {
		out = append(out, 1, 0) // passive, of functions
		out = g.list(out, g.below(6))
		n++
	}
	for i, t := range g.tables {
		for _, e := range slices.Sorted(maps.Keys(t.slots)) {
			switch {
			case i == 0 && g.below(2) == 0:
				out = append(append(out, 0, 0x41), sleb(int64(e))...)
				out = append(append(out, 0x0b, 1), uleb(uint64(t.slots[e]))...)
			default: // with the table, and of expressions
				out = append(append(out, 6, byte(i), 0x41), sleb(int64(e))...)
				out = append(append(out, 0x0b, funcref, 1, 0xd2), uleb(uint64(t.slots[e]))...)
				out = append(out, 0x0b)
			}
			n++
		}
	}
	out = append(out, 3, 0)
	out = append(out, uleb(uint64(len(g.callees)))...)
	for _, f := range g.callees {
		out = append(out, uleb(uint64(f))...)
	}
	return out, n + 1
}

// list appends a list of n functions.
func (g *generator) list(out []byte, n int) []byte {
	out = append(out, uleb(uint64(n))...)
	for range n {
		out = append(out, uleb(uint64(g.callees[g.below(len(g.callees))]))...)
	}
	return out
}

func (g *generator) dataSegments() (out []byte, n int) {
	if !g.memory {
		return nil, 0
	}
	g.passive = g.below(3)
	for range g.passive {
		out = append(out, 1)
		out = g.bytes(out)
		n++
	}
	for range g.below(4) {
		at := g.below(0x4000)
		if g.once(40) {
			at = g.below(0x20000) // may not fit
		}
		if g.pages == 0 {
			continue
		}
		out = append(append(out, 0, 0x41), sleb(int64(at))...)
		out = g.bytes(append(out, 0x0b))
		n++
	}
	g.data = n
	return out, n
}

func (g *generator) bytes(out []byte) []byte {
	n := g.below(40)
	out = append(out, byte(n))
	seed := g.below(251)
	for i := range n {
		out = append(out, byte(seed+7*i))
	}
	return out
}

// functions collects the functions of a module.
type functions struct {
	*generator
	next          int // index
	count         int
	types, bodies []byte
	names         []byte
	exported      int
}

// add adds a function, which is exported if it has a name.
func (f *functions) add(name string, s signature, body func()) int {
	g := f.generator
	g.b, g.out = nil, s.out
	g.locals, g.labels = slices.Clone(s.in), [][]byte{s.out}
	body()
	var locals []byte
	for _, t := range g.locals[len(s.in):] {
		locals = append(locals, 1, t)
	}
	body1 := slices.Concat(uleb(uint64(len(g.locals)-len(s.in))), locals, g.b, []byte{0x0b})
	f.bodies = append(append(f.bodies, uleb(uint64(len(body1)))...), body1...)
	f.types = append(f.types, uleb(uint64(g.typeOf(s)))...)
	if name != "" {
		f.export(name, 0, f.next)
	}
	f.count++
	f.next++
	return f.next - 1
}

func (f *functions) export(name string, kind byte, index int) {
	f.names = append(append(append(f.names, text(name)...), kind), uleb(uint64(index))...)
	f.exported++
}

// exports adds what is exported, and what runs first. It returns the index of the start
// function, or -1.
func (f *functions) exports(random int) (start int) {
	g := f.generator
	first := g.imported + numbered
	for i := range 1 + g.below(4) {
		name := fmt.Sprint("act", i)
		g.module.Activities = append(g.module.Activities, name)
		f.add(name, signature{out: []byte{i32}}, func() {
			g.entry(first + g.below(random))
			g.op(0x41, 0)
		})
	}
	if g.below(2) > 0 {
		name := "straight"
		g.module.Activities = append(g.module.Activities, name)
		f.add(name, signature{out: []byte{i32}}, g.straightLine)
		g.module.Fuel = map[string]int64{name: g.fuel}
	}
	if g.module.Ends && g.once(6) {
		f.add(abi.ExportInitialize, signature{}, func() { g.entry(first + g.below(random)) })
	}
	start = -1
	if g.module.Ends && g.once(6) {
		start = f.add("", signature{}, func() { g.entry(first + g.below(random)) })
	}
	for i, v := range g.globals {
		name := fmt.Sprint("_global", i)
		g.module.Globals = append(g.module.Globals, name)
		t := v.value
		if t == funcref || t == externref {
			t = i32
		}
		f.add(name, signature{out: []byte{t}}, func() {
			g.op(0x23).append(uleb(uint64(i)))
			if t != v.value {
				g.op(0xd1)
			}
		})
		if t == v.value && g.once(3) {
			f.export(fmt.Sprint("g", i), 3, i)
		}
	}
	for i := range g.data {
		if !g.drops || g.pages == 0 {
			break
		}
		name := fmt.Sprint("_data", i)
		g.module.Segments = append(g.module.Segments, name)
		f.add(name, signature{out: []byte{i32}}, func() {
			g.locals = append(g.locals, i32)
			g.op(0x41, 0, 0x2d, 0, 0, 0x21, 0)                   // what is at 0
			g.op(0x41, 0, 0x41, 0, 0x41, 1, 0xfc, 8, byte(i), 0) // memory.init
			g.op(0x41, 0, 0x2d, 0, 0)
			g.op(0x41, 0, 0x20, 0, 0x3a, 0, 0) // as it was
		})
	}
	for i, t := range g.tables {
		suffix := g.module.Tables[i]
		f.add(TableSize+suffix, signature{out: []byte{i32}}, func() { g.op(0xfc, 16, byte(i)) })
		f.add(TableNull+suffix, signature{in: []byte{i32}, out: []byte{i32}}, func() { g.op(0x20, 0, 0x25, byte(i), 0xd1) })
		if t.value == funcref {
			f.add(TableCall+suffix, signature{in: []byte{i32}, out: []byte{i64}}, func() {
				g.op(0x42, 0, 0x42, 0, 0x42, 0, 0x42, 0, 0x42, 0, 0x20, 0)
				g.op(0x11).append(append(uleb(uint64(g.typeOf(g.sigs[g.imported]))), byte(i)))
			})
		}
	}
	return start
}

func text(s string) []byte { return append(uleb(uint64(len(s))), s...) }
