package meter

import (
	"context"
	"errors"
	"testing"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"
)

// growing is a module with two tables, the second of at most 10 entries, and a memory.
// Its functions grow them by a number, which many does of the first table a hundred times
// in a row.
func growing(t testing.TB) []byte {
	c := &code{}
	c.op([]byte(header)...)
	section := func(id byte, content ...byte) { c.op(id).sized(content) }
	section(sectionType, 1, 0x60, 1, typeI32, 1, typeI32)
	section(sectionFunction, 4, 0, 0, 0, 0)
	section(sectionTable, 2, typeFuncRef, 0, 0, typeExtern, 1, 0, 10)
	section(sectionMemory, 1, 1, 1, 200, 1)
	exports := (&code{}).u32(4)
	for i, name := range []string{"first", "second", "memory", "many"} {
		exports.name(name).op(kindFunc).u32(i)
	}
	section(sectionExport, exports.bytes...)
	grow := func(c *code, table byte) *code {
		return c.op(opRefNull, []byte{typeFuncRef, typeExtern}[table]).get(0).op(0xfc, 0x0f, table)
	}
	many := (&code{}).op(0)
	for range 100 {
		grow(many, 0).op(opDrop)
	}
	bodies := (&code{}).u32(4)
	bodies.sized(grow((&code{}).op(0), 0).op(opEnd).bytes)
	bodies.sized(grow((&code{}).op(0), 1).op(opEnd).bytes)
	bodies.sized((&code{}).op(0).get(0).op(opMemoryGrow, 0, opEnd).bytes)
	bodies.sized(many.i32(0).op(opEnd).bytes)
	section(sectionCode, bodies.bytes...)
	return instrument(t, c.bytes)
}

// TestGrowIsCharged grows tables and memories: each costs by what it has grown by, and
// nothing more where nothing was grown.
func TestGrowIsCharged(t *testing.T) {
	onEngines(t, func(t *testing.T, rt wazero.Runtime) {
		in := instantiate(t, rt, growing(t))
		for _, step := range []struct {
			function string
			by       uint64
			result   int32
			more     int64 // than for nothing
		}{
			{"first", 100_000, 0, 50_000},
			{"first", 0xffff_ffff, -1, 0},
			{"first", 3_000, 100_000, 1_500},
			{"second", 10, 0, 5},
			{"second", 1, -1, 0},
			{"memory", 99, 1, 99 << 12},
			{"memory", 1 << 16, -1, 0},
			{"memory", 100, 100, 100 << 12},
			{"memory", 1, -1, 0},
		} {
			ctx := context.Background()
			_, nothing, err := in.call(ctx, Unlimited, step.function, 0)
			if err != nil {
				t.Fatal(err)
			}
			got, used, err := in.call(ctx, Unlimited, step.function, step.by)
			if err != nil || api.DecodeI32(got[0]) != step.result || used != nothing+step.more {
				t.Errorf("%s by %d: %v, %d units (%v); want %d, %d more than %d", step.function, step.by, got, used, err, step.result, step.more, nothing)
			}
			// One unit less does not suffice.
			again := instantiate(t, rt, growing(t))
			if step.result != 0 {
				continue
			}
			if _, _, err := again.call(ctx, used-1, step.function, step.by); !errors.Is(err, ErrOutOfFuel) {
				t.Errorf("%s by %d with a unit less: %v", step.function, step.by, err)
			}
		}
	})
}

// TestReserve lets the host refuse entries, which the code sees as -1, and ends code that
// grows a table again and again without any loop.
func TestReserve(t *testing.T) {
	onEngines(t, func(t *testing.T, rt wazero.Runtime) {
		in := instantiate(t, rt, growing(t))
		reserved, calls := int64(0), 0
		ctx, cancel := context.WithCancelCause(context.Background())
		in.Reserve = func(entries int64) bool {
			calls++
			if calls > 100 {
				cancel(errors.New("enough"))
			}
			if reserved+entries > 1000 {
				return false
			}
			reserved += entries
			return true
		}
		for _, step := range []struct {
			function string
			by       uint64
			result   int32
			reserved int64 // then
		}{
			{"first", 990, 0, 990},
			{"second", 10, 0, 1000},
			{"first", 1, -1, 1000},
			{"second", 0, 10, 1000},
			{"first", 0xffff_ffff, -1, 1000},
		} {
			if got, _, err := in.call(ctx, Unlimited, step.function, step.by); err != nil || api.DecodeI32(got[0]) != step.result || reserved != step.reserved {
				t.Errorf("%s by %d: %v, %d reserved (%v); want %d, %d", step.function, step.by, got, reserved, err, step.result, step.reserved)
			}
		}
		reserved = 0
		// The table itself refuses it, and it is given back.
		if got, _, err := in.call(ctx, Unlimited, "second", 1); err != nil || api.DecodeI32(got[0]) != -1 || reserved != 0 {
			t.Errorf("beyond the table's own maximum: %v, %d reserved (%v)", got, reserved, err)
		}
		calls = 95
		if _, _, err := in.call(ctx, Unlimited, "many", 0); !errors.Is(err, ErrStopped) || calls != 101 {
			t.Errorf("a hundred times: %v after %d calls", err, calls)
		}
	})
}
