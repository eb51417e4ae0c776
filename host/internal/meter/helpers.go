package meter

// What is added to a module stands at the end of the sections, so no index changes but
// those of the functions that the module defines: they stand behind the imported ones,
// and refill and reserve are two of these. The original module could mean what is added only by an
// index above its own ones, and such an index is refused: see reader.below.

// The types of the added functions.
const (
	typeRefill = iota
	typeCharge
	typeBulk
	typeGrow       // of a table of functions
	typeGrowExtern // of another one
)

var addedTypes = [...][]byte{
	typeRefill: {0x60, 2, typeI32, typeI32, 1, typeI32},
	typeCharge: {0x60, 1, typeI32, 1, typeI32},
	typeBulk:   {0x60, 3, typeI32, typeI32, typeI32, 0},

	typeGrow:       {0x60, 2, typeFuncRef, typeI32, 1, typeI32},
	typeGrowExtern: {0x60, 2, typeExtern, typeI32, 1, typeI32},
}

// moved returns the new index of a function.
func (m *module) moved(f uint32) int {
	if uint64(f) < uint64(m.imported) {
		return int(f)
	}
	return int(f) + len(addedImports)
}

// addedImports are the functions of the host.
var addedImports = [...]string{refillName, reserveName}

// The indices of what is added: of functions, of which copy, fill and growMemory are
// there only if there is a memory, and of globals.
func (m *module) refill() int        { return m.imported }
func (m *module) reserve() int       { return m.imported + 1 }
func (m *module) chargeBytes() int   { return len(m.funcs) + len(addedImports) }
func (m *module) chargeEntries() int { return m.chargeBytes() + 1 }
func (m *module) copy() int          { return m.chargeBytes() + 2 }
func (m *module) fill() int          { return m.chargeBytes() + 3 }
func (m *module) growMemory() int    { return m.chargeBytes() + 4 }
func (m *module) fuel() int          { return m.globals }

// fixed is the index of the first function behind those.
func (m *module) fixed() int {
	if m.memory {
		return m.growMemory() + 1
	}
	return m.chargeEntries() + 1
}

// growTable returns the index of the function that grows a table.
func (m *module) growTable(table uint32) int {
	i, ok := m.grown[table]
	if !ok {
		i = len(m.grown)
		m.grown[table] = i
	}
	if m.canonical {
		i += nanKinds
	}
	return m.fixed() + i
}

// ref returns the index of the global that holds a reference to a function.
//
// Whenever ref.func is executed, wazero allocates some 60 bytes that it keeps as long as
// the instance (moduleEngine.FunctionInstanceReference): a loop takes all memory of the
// host in a few seconds. So that is done once for each function.
func (m *module) ref(f uint32) int {
	i, ok := m.refs[f]
	if !ok {
		i = len(m.refs)
		m.refs[f] = i
	}
	return m.globals + 1 + i
}

// extend adds everything, when all sections have been read.
func (m *module) extend(sections *[sectionDataCount + 1]*section) {
	types, functions, code := sections[sectionType], sections[sectionFunction], sections[sectionCode]
	for _, t := range addedTypes {
		types.add().op(t...)
	}
	for _, name := range addedImports {
		sections[sectionImport].add().name(Module).name(name).op(kindFunc).u32(len(m.types) + typeRefill)
	}
	function := func(t int, body []byte) {
		functions.add().u32(len(m.types) + t)
		code.add().sized(body)
	}
	function(typeCharge, m.chargeBody(bytesShift))
	function(typeCharge, m.chargeBody(entriesShift))
	if m.memory {
		function(typeBulk, m.bulkBody(opMemoryCopy))
		function(typeBulk, m.bulkBody(opMemoryFill))
		function(typeCharge, m.growMemoryBody())
	}
	if m.canonical {
		for kind, t := range nanTypes {
			functions.add().u32(len(m.types) + len(addedTypes) + kind)
			types.add().op(0x60, 1, t, 1, t)
			code.add().sized(nanBody(kind))
		}
	}
	grown := make([]uint32, len(m.grown))
	for table, i := range m.grown {
		grown[i] = table
	}
	for _, table := range grown {
		if m.tables[table] == typeFuncRef {
			function(typeGrow, m.growTableBody(table))
		} else {
			function(typeGrowExtern, m.growTableBody(table))
		}
	}
	// With nothing in fuel, the first thing that code does is to ask for a refill.
	globals := sections[sectionGlobal]
	globals.add().op(typeI32, 1).i32(0).op(opEnd)
	refs := make([]uint32, len(m.refs))
	for f, i := range m.refs {
		refs[i] = f
	}
	for _, f := range refs {
		globals.add().op(typeFuncRef, 0, opRefFunc).u32(m.moved(f)).op(opEnd)
	}
	sections[sectionExport].add().name(GlobalFuel).op(kindGlobal).u32(m.fuel())
}

// chargeBody charges a unit for each 1<<shift of its parameter, and returns that.
func (m *module) chargeBody(shift int) []byte {
	const n, units = 0, 1
	c := &code{}
	c.op(1, 1, typeI32)
	c.get(n).i32(shift).op(opI32ShrU).set(units)
	c.globalGet(m.fuel()).get(units).op(opI32Sub).globalSet(m.fuel())
	c.globalGet(m.fuel()).i32(0).op(opI32LtS, opIf, typeNone)
	c.globalGet(m.fuel()).get(units).call(m.refill()).get(units).op(opI32Sub).globalSet(m.fuel())
	c.op(opEnd)
	return c.get(n).op(opEnd).bytes
}

// growMemoryBody does the same as memory.grow, and charges for what the memory has grown
// by. It charges afterwards: only then is it known whether anything was done, and what was
// is small, as the system gives pages when they are first used.
func (m *module) growMemoryBody() []byte {
	const n, before = 0, 1
	c := (&code{}).op(1, 1, typeI32)
	c.get(n).op(opMemoryGrow, 0).op(opLocalTee).u32(before)
	c.i32(-1).op(opI32Ne, opIf, typeNone)
	// chargeEntries takes off entriesShift
	c.get(n).i32(pageShift + entriesShift).op(opI32Shl).call(m.chargeEntries()).op(opDrop)
	c.op(opEnd)
	return c.get(before).op(opEnd).bytes
}

// growTableBody does the same as table.grow, if the host has room for the entries, which
// it reserves before and gets back if the table does not take them. What the table has
// grown by is charged for.
func (m *module) growTableBody(table uint32) []byte {
	const init, n, before = 0, 1, 2
	c := (&code{}).op(1, 1, typeI32)
	c.get(n).i32(reserveEntries).call(m.reserve()).op(opI32Eqz, opIf, typeNone)
	c.i32(-1).op(opReturn, opEnd)
	c.get(init).get(n).op(prefixMisc, opTableGrow&0xff).u32(int(table)).op(opLocalTee).u32(before)
	c.i32(-1).op(opI32Ne, opIf, typeNone)
	c.get(n).call(m.chargeEntries()).op(opDrop, opElse)
	c.get(n).i32(returnEntries).call(m.reserve()).op(opDrop)
	c.op(opEnd)
	return c.get(before).op(opEnd).bytes
}

// bulkBody does the same as memory.copy or memory.fill, but in pieces, and charges for
// each: so even gigabytes do not hold up anybody.
func (m *module) bulkBody(op int) []byte {
	const dst, src, n, piece = 0, 1, 2, 3 // of memory.fill, src is the value
	isCopy := op == opMemoryCopy
	c := &code{}
	perform := func() {
		if c.op(byte(op>>8), byte(op), 0); isCopy {
			c.op(0)
		}
	}
	outOfBounds := func(address int) {
		c.get(address).op(opI64ExtendU).get(n).op(opI64ExtendU, opI64Add)
		c.op(opMemorySize, 0, opI64ExtendU).i64(16).op(opI64Shl, opI64GtU)
	}
	c.op(1, 1, typeI32)
	// If the end is out of bounds, nothing may be written: the instruction traps.
	c.get(n).i32(pieceSize).op(opI32GtU, opIf, typeNone)
	if outOfBounds(dst); isCopy {
		outOfBounds(src)
		c.op(opI32Or)
	}
	c.op(opIf, typeNone).get(dst).get(src).get(n)
	perform()
	c.op(opUnreachable, opEnd, opEnd)

	c.op(opLoop, typeNone)
	// piece = min(n, pieceSize), n -= piece
	c.get(n).i32(pieceSize).get(n).i32(pieceSize).op(opI32LtU, opSelect)
	c.call(m.chargeBytes()).set(piece)
	c.get(n).get(piece).op(opI32Sub).set(n)
	if isCopy {
		// The ranges may overlap: to lower addresses from the beginning, to higher ones
		// from the end.
		c.get(dst).get(src).op(opI32LeU, opIf, typeNone)
		c.get(dst).get(src).get(piece)
		perform()
		c.get(dst).get(piece).op(opI32Add).set(dst)
		c.get(src).get(piece).op(opI32Add).set(src)
		c.op(opElse)
		c.get(dst).get(n).op(opI32Add).get(src).get(n).op(opI32Add).get(piece)
		perform()
		c.op(opEnd)
	} else {
		c.get(dst).get(n).op(opI32Add).get(src).get(piece)
		perform()
	}
	c.get(n).op(opBrIf, 0, opEnd)
	return c.op(opEnd).bytes
}
