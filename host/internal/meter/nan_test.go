package meter

import (
	"context"
	"math"
	"slices"
	"testing"

	"github.com/tetratelabs/wazero"
)

// Each operation yields the same number as without, and of NaNs the canonical one,
// whatever those of the operands were. It uses as many units.
func TestCanonicalNaN(t *testing.T) {
	unary := []int{0x8d, 0x8e, 0x8f, 0x90, 0x91, 0xb6, 0x9b, 0x9c, 0x9d, 0x9e, 0x9f, 0xbb, 0xfd67, 0xfd68, 0xfd69, 0xfd6a, 0xfde3, 0xfd74, 0xfd75, 0xfd7a, 0xfd94, 0xfdef, 0xfd5e, 0xfd5f}
	operands32 := []uint64{0, 0x80000000, 0x3fc00000, 0xbf800000, 0x7f800000, 0xff800000, 0x7fc00000, 0xffc00000, 0x7fc12345, 0x7f800001, 0xffffffff}
	operands64 := []uint64{
		0, 1 << 63, math.Float64bits(1.5), math.Float64bits(-1), math.Float64bits(math.Inf(1)), math.Float64bits(math.Inf(-1)),
		0x7ff8000000000000, 0xfff8000000000000, 0x7ff8000012345678, 0x7ff0000000000001, math.MaxUint64,
	}
	for name, config := range engines {
		t.Run(name, func(t *testing.T) {
			for op, kind := range nanKind {
				// operands of 64 bits
				wide := kind == nanF64 && op != 0xbb || op == 0xb6 || kind == nanF64x2 && op != 0xfd5f || op == 0xfd5e
				binary := operation(op, kind, wide, slices.Contains(unary, op))
				var got [2][]uint64
				var units [2]int64
				operands := operands32
				if wide {
					operands = operands64
				}
				for i, options := range [][]Option{nil, {CanonicalNaN}} {
					out, err := Instrument(t.Context(), binary, options...)
					if err != nil {
						t.Fatalf("%#x: %v", op, err)
					}
					got[i], units[i] = calculate(t, config(), out, operands)
				}
				if units[0] != units[1] {
					t.Errorf("%#x takes %d units, and %d canonical", op, units[0], units[1])
				}
				nans := 0
				for k, want := range got[0] {
					if kind == nanF32 || kind == nanF32x4 {
						if f := math.Float32frombits(uint32(want)); f != f {
							nans++
							want = 0x7fc00000
						}
					} else if f := math.Float64frombits(want); f != f {
						nans++
						want = 0x7ff8000000000000
					}
					if got[1][k] != want {
						t.Errorf("%#x of %#x and %#x is %#x, want %#x", op, operands[k/len(operands)], operands[k%len(operands)], got[1][k], want)
					}
				}
				if nans == 0 {
					t.Errorf("%#x made no NaN", op)
				}
			}
		})
	}
}

// operation makes a module whose export f applies an operation to two numbers, given and
// returned as their bits.
func operation(op, kind int, wide, unary bool) []byte {
	vector := kind >= nanF32x4
	c := (&code{}).op(0)
	for i := range 2 {
		if unary && i == 1 {
			break
		}
		c.get(i)
		switch {
		case vector && wide:
			c.op(prefixVector, 18) // i64x2.splat
		case vector:
			c.op(opI32WrapI64, prefixVector, 17) // i32x4.splat
		case wide:
			c.op(0xbf) // f64.reinterpret_i64
		default:
			c.op(opI32WrapI64, 0xbe) // f32.reinterpret_i32
		}
	}
	if op > 0xff {
		c.op(prefixVector).u32(op & 0xff)
	} else {
		c.op(byte(op))
	}
	switch kind {
	case nanF32:
		c.op(0xbc, opI64ExtendU) // i32.reinterpret_f32
	case nanF64:
		c.op(0xbd) // i64.reinterpret_f64
	case nanF32x4:
		c.op(prefixVector, 27, 0, opI64ExtendU) // i32x4.extract_lane
	case nanF64x2:
		c.op(prefixVector, 29, 0) // i64x2.extract_lane
	}
	c.op(opEnd)
	out := (&code{}).op([]byte("\x00asm\x01\x00\x00\x00")...)
	out.op(sectionType).sized([]byte{1, 0x60, 2, typeI64, typeI64, 1, typeI64})
	out.op(sectionFunction).sized([]byte{1, 0})
	out.op(sectionExport).sized([]byte{1, 1, 'f', kindFunc, 0})
	return out.op(sectionCode).sized((&code{}).u32(1).sized(c.bytes).bytes).bytes
}

// calculate calls f with all pairs of operands.
func calculate(t *testing.T, config wazero.RuntimeConfig, binary []byte, operands []uint64) (results []uint64, units int64) {
	t.Helper()
	ctx := context.Background()
	rt := wazero.NewRuntimeWithConfig(ctx, config)
	defer rt.Close(ctx)
	if err := Instantiate(ctx, rt); err != nil {
		t.Fatal(err)
	}
	var m Meter
	units, err := m.Run(ctx, Unlimited, func(ctx context.Context) error {
		mod, err := rt.Instantiate(ctx, binary)
		if err != nil {
			return err
		}
		for _, a := range operands {
			for _, b := range operands {
				result, err := mod.ExportedFunction("f").Call(ctx, a, b)
				if err != nil {
					return err
				}
				results = append(results, result[0])
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return results, units
}
