package meter

// Option changes what [Instrument] makes.
type Option func(*module)

// CanonicalNaN makes each NaN that arithmetic yields the canonical one, positive and with
// the highest bit of its payload alone. The specification leaves sign and payload open
// (4.3.3, NaN propagation), and processors differ: amd64 makes a negative NaN of 0/0
// where arm64 makes a positive one. Code that looks at the bits then does the same on
// both. It takes a call for each operation on floating-point numbers, and counts for
// nothing in units.
func CanonicalNaN(m *module) { m.canonical = true }

// The kinds of floating-point results, and of functions that make them canonical.
const (
	nanF32 = iota
	nanF64
	nanF32x4
	nanF64x2
	nanKinds
)

var nanTypes = [nanKinds]byte{nanF32: 0x7d, nanF64: 0x7c, nanF32x4: 0x7b, nanF64x2: 0x7b}

// nanKind says which kind of result an instruction has that may make a NaN. What only
// moves bits (abs, neg, copysign, pmin, pmax) keeps those of its operands.
var nanKind = func() map[int]int {
	// demote, promote
	kinds := map[int]int{0xb6: nanF32, 0xbb: nanF64, 0xfd5e: nanF32x4, 0xfd5f: nanF64x2}
	add := func(kind int, ops ...int) {
		for _, op := range ops {
			kinds[op] = kind
		}
	}
	// f32.ceil to f32.max
	add(nanF32, 0x8d, 0x8e, 0x8f, 0x90, 0x91, 0x92, 0x93, 0x94, 0x95, 0x96, 0x97)
	// f64.ceil to f64.max
	add(nanF64, 0x9b, 0x9c, 0x9d, 0x9e, 0x9f, 0xa0, 0xa1, 0xa2, 0xa3, 0xa4, 0xa5)
	// ceil, floor, trunc, nearest, sqrt to max
	add(nanF32x4, 0xfd67, 0xfd68, 0xfd69, 0xfd6a, 0xfde3, 0xfde4, 0xfde5, 0xfde6, 0xfde7, 0xfde8, 0xfde9)
	// the same
	add(nanF64x2, 0xfd74, 0xfd75, 0xfd7a, 0xfd94, 0xfdef, 0xfdf0, 0xfdf1, 0xfdf2, 0xfdf3, 0xfdf4, 0xfdf5)
	return kinds
}()

// nan is the index of the function that makes a result canonical.
func (m *module) nan(kind int) int { return m.fixed() + kind }

// nanBody returns its parameter, or the canonical NaN in place of one.
func nanBody(kind int) []byte {
	c := (&code{}).op(0)
	switch kind {
	case nanF32:
		c.get(0).op(opF32Const, 0, 0, 0xc0, 0x7f).get(0).get(0).op(0x5b, opSelect) // f32.eq
	case nanF64:
		// f64.eq
		c.get(0).op(opF64Const, 0, 0, 0, 0, 0, 0, 0xf8, 0x7f).get(0).get(0).op(0x61, opSelect)
	case nanF32x4:
		c.get(0).op(prefixVector, 12)
		for range 4 {
			c.op(0, 0, 0xc0, 0x7f)
		}
		c.get(0).get(0).op(prefixVector, 65, prefixVector, 82) // f32x4.eq, v128.bitselect
	case nanF64x2:
		c.get(0).op(prefixVector, 12)
		for range 2 {
			c.op(0, 0, 0, 0, 0, 0, 0xf8, 0x7f)
		}
		c.get(0).get(0).op(prefixVector, 71, prefixVector, 82) // f64x2.eq, v128.bitselect
	}
	return c.op(opEnd).bytes
}
