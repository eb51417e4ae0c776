package wasmgen

import (
	"slices"

	"github.com/wasmworker/wasmworker/host/internal/wasm"
)

// operation is an instruction that takes operands off the stack, pushes one result, and
// has no effect beside that.
type operation struct {
	code []byte
	in   []byte // types of the operands
	out  byte
	// trap is what keeps it from trapping, mostly: opDivisor or opTrunc.
	trap byte
	// lanes is from how many numbers its immediate is, which follows the code; 0: none.
	lanes int
	// nan: it does arithmetic on floating-point numbers, whose NaNs the specification
	// leaves open.
	nan bool
}

const (
	trapNever   = iota
	trapDivisor // by a zero
	trapTrunc   // of a number that is too large
)

const (
	i32, i64, f32, f64, v128      = wasm.I32, wasm.I64, wasm.F32, wasm.F64, wasm.V128
	funcref, externref       byte = wasm.FuncRef, wasm.ExternRef
)

// operations are those by the type of their result.
var operations = func() map[byte][]operation {
	all := map[byte][]operation{}
	add := func(prefix byte, first, last int, out byte, in ...byte) {
		for op := first; op <= last; op++ {
			o := operation{code: []byte{byte(op)}, in: in, out: out}
			if prefix != 0 {
				o.code = append([]byte{prefix}, uleb(uint64(op))...)
			}
			switch {
			case prefix == 0 && (op >= 0x6d && op <= 0x70 || op >= 0x7f && op <= 0x82):
				o.trap = trapDivisor
			case prefix == 0 && (op >= 0xa8 && op <= 0xab || op >= 0xae && op <= 0xb1):
				o.trap = trapTrunc
			}
			o.nan = isArithmetic(prefix, op)
			all[out] = append(all[out], o)
		}
	}
	plain := func(first, last int, out byte, in ...byte) { add(0, first, last, out, in...) }
	plain(0x45, 0x45, i32, i32)
	plain(0x46, 0x4f, i32, i32, i32)
	plain(0x50, 0x50, i32, i64)
	plain(0x51, 0x5a, i32, i64, i64)
	plain(0x5b, 0x60, i32, f32, f32)
	plain(0x61, 0x66, i32, f64, f64)
	plain(0x67, 0x69, i32, i32)
	plain(0x6a, 0x78, i32, i32, i32)
	plain(0x79, 0x7b, i64, i64)
	plain(0x7c, 0x8a, i64, i64, i64)
	plain(0x8b, 0x91, f32, f32)
	plain(0x92, 0x98, f32, f32, f32)
	plain(0x99, 0x9f, f64, f64)
	plain(0xa0, 0xa6, f64, f64, f64)
	plain(0xa7, 0xa7, i32, i64)
	plain(0xa8, 0xa9, i32, f32)
	plain(0xaa, 0xab, i32, f64)
	plain(0xac, 0xad, i64, i32)
	plain(0xae, 0xaf, i64, f32)
	plain(0xb0, 0xb1, i64, f64)
	plain(0xb2, 0xb3, f32, i32)
	plain(0xb4, 0xb5, f32, i64)
	plain(0xb6, 0xb6, f32, f64)
	plain(0xb7, 0xb8, f64, i32)
	plain(0xb9, 0xba, f64, i64)
	plain(0xbb, 0xbb, f64, f32)
	plain(0xbc, 0xbc, i32, f32)
	plain(0xbd, 0xbd, i64, f64)
	plain(0xbe, 0xbe, f32, i32)
	plain(0xbf, 0xbf, f64, i64)
	plain(0xc0, 0xc1, i32, i32)
	plain(0xc2, 0xc4, i64, i64)
	add(0xfc, 0, 1, i32, f32)
	add(0xfc, 2, 3, i32, f64)
	add(0xfc, 4, 5, i64, f32)
	add(0xfc, 6, 7, i64, f64)
	vectorOperations(func(first, last int, out byte, in ...byte) { add(0xfd, first, last, out, in...) })
	for i, t := range []struct {
		lane  byte
		count int
	}{{i32, 16}, {i32, 16}, {i32, 8}, {i32, 8}, {i32, 4}, {i64, 2}, {f32, 4}, {f64, 2}} {
		extract := []int{0x15, 0x16, 0x18, 0x19, 0x1b, 0x1d, 0x1f, 0x21}[i]
		all[t.lane] = append(all[t.lane], operation{code: []byte{0xfd, byte(extract)}, in: []byte{v128}, out: t.lane, lanes: t.count})
		if extract != 0x15 && extract != 0x18 { // the signed ones
			all[v128] = append(all[v128], operation{code: []byte{0xfd, byte(extract + 1)}, in: []byte{v128, t.lane}, out: v128, lanes: t.count})
		}
	}
	return all
}()

// vectorOperations are those of 0xfd without an immediate.
func vectorOperations(add func(first, last int, out byte, in ...byte)) {
	unary := func(ops ...int) {
		for _, op := range ops {
			add(op, op, v128, v128)
		}
	}
	binary := func(first, last int) { add(first, last, v128, v128, v128) }
	add(0x0e, 0x0e, v128, v128, v128)
	for i, t := range []byte{i32, i32, i32, i64, f32, f64} {
		add(0x0f+i, 0x0f+i, v128, t)
	}
	binary(0x23, 0x4c)
	unary(0x4d)
	binary(0x4e, 0x51)
	add(0x52, 0x52, v128, v128, v128, v128)
	unary(0x5e, 0x5f, 0x60, 0x61, 0x62, 0x67, 0x68, 0x69, 0x6a, 0x74, 0x75, 0x7a, 0x7c, 0x7d, 0x7e, 0x7f, 0x80, 0x81, 0x87, 0x88, 0x89, 0x8a,
		0x94, 0xa0, 0xa1, 0xa7, 0xa8, 0xa9, 0xaa, 0xc0, 0xc1, 0xc7, 0xc8, 0xc9, 0xca, 0xe0, 0xe1, 0xe3, 0xec, 0xed, 0xef,
		0xf8, 0xf9, 0xfa, 0xfb, 0xfc, 0xfd, 0xfe, 0xff)
	for _, r := range [][2]int{{0x65, 0x66}, {0x6e, 0x73}, {0x76, 0x79}, {0x7b, 0x7b}, {0x82, 0x82}, {0x85, 0x86}, {0x8e, 0x93}, {0x95, 0x99},
		{0x9b, 0x9f}, {0xae, 0xae}, {0xb1, 0xb1}, {0xb5, 0xba}, {0xbc, 0xbf}, {0xce, 0xce}, {0xd1, 0xd1}, {0xd5, 0xdf}, {0xe4, 0xeb}, {0xf0, 0xf7}} {
		binary(r[0], r[1])
	}
	for _, op := range []int{0x6b, 0x8b, 0xab, 0xcb} {
		add(op, op+2, v128, v128, i32)
	}
	for _, op := range []int{0x53, 0x63, 0x64, 0x83, 0x84, 0xa3, 0xa4, 0xc3, 0xc4} {
		add(op, op, i32, v128)
	}
}

// isArithmetic tells whether the NaNs that an instruction makes are left open.
func isArithmetic(prefix byte, op int) bool {
	switch prefix {
	case 0:
		return op >= 0x8d && op <= 0x97 || op >= 0x9b && op <= 0xa5 || op == 0xb6 || op == 0xbb
	case 0xfd:
		return slices.Contains([]int{0x5e, 0x5f, 0x67, 0x68, 0x69, 0x6a, 0x74, 0x75, 0x7a, 0x94, 0xe3, 0xef}, op) ||
			op >= 0xe4 && op <= 0xe9 || op >= 0xf0 && op <= 0xf5
	}
	return false
}

// access is an instruction that reads or writes memory.
type access struct {
	code  []byte
	value byte
	log2  int // of the bytes
	lanes int // see operation; 0: none
}

var loads, stores = func() (loads, stores []access) {
	for i, a := range []access{{value: i32, log2: 2}, {value: i64, log2: 3}, {value: f32, log2: 2}, {value: f64, log2: 3},
		{value: i32}, {value: i32}, {value: i32, log2: 1}, {value: i32, log2: 1},
		{value: i64}, {value: i64}, {value: i64, log2: 1}, {value: i64, log2: 1}, {value: i64, log2: 2}, {value: i64, log2: 2}} {
		a.code = []byte{byte(0x28 + i)}
		loads = append(loads, a)
	}
	for i, a := range []access{{value: i32, log2: 2}, {value: i64, log2: 3}, {value: f32, log2: 2}, {value: f64, log2: 3},
		{value: i32}, {value: i32, log2: 1}, {value: i64}, {value: i64, log2: 1}, {value: i64, log2: 2}} {
		a.code = []byte{byte(0x36 + i)}
		stores = append(stores, a)
	}
	for i, log2 := range []int{4, 3, 3, 3, 3, 3, 3, 0, 1, 2, 3} {
		loads = append(loads, access{code: []byte{0xfd, byte(i)}, value: v128, log2: log2})
	}
	loads = append(loads, access{code: []byte{0xfd, 92}, value: v128, log2: 2}, access{code: []byte{0xfd, 93}, value: v128, log2: 3})
	stores = append(stores, access{code: []byte{0xfd, 11}, value: v128, log2: 4})
	for i := range 4 {
		stores = append(stores, access{code: []byte{0xfd, byte(88 + i)}, value: v128, log2: i, lanes: 16 >> i})
	}
	return loads, stores
}()

// loadsOf are the loads of a type.
var loadsOf = func() map[byte][]access {
	of := map[byte][]access{}
	for _, a := range loads {
		of[a.value] = append(of[a.value], a)
	}
	return of
}()

func uleb(n uint64) (out []byte) {
	for ; n >= 0x80; n >>= 7 {
		out = append(out, byte(n)|0x80)
	}
	return append(out, byte(n))
}

func sleb(n int64) (out []byte) {
	for ; n < -0x40 || n >= 0x40; n >>= 7 {
		out = append(out, byte(n)|0x80)
	}
	return append(out, byte(n)&0x7f)
}
