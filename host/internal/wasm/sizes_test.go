package wasm_test

import (
	"bytes"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/wasmworker/wasmworker/host/internal/wasm"
)

// repeated is n times the same, as a vector.
func repeated(n int, item ...byte) []byte {
	return append(leb(uint64(n)), bytes.Repeat(item, n)...)
}

// functions is a module with functions of the type 0, which has no parameters. Type 1 has
// a thousand.
func functions(bodies ...[]byte) []byte {
	sizedBodies := make([][]byte, len(bodies))
	for i, b := range bodies {
		sizedBodies[i] = sized(b)
	}
	return module(
		section(1, vec(funcType(nil, nil), funcType(bytes.Repeat([]byte{wasm.I32}, 1000), nil))),
		section(3, repeated(len(bodies), 0)),
		section(10, vec(sizedBodies...)))
}

// body is one with so many local variables.
func body(locals int, code ...[]byte) []byte {
	return slices.Concat([]byte{1}, leb(uint64(locals)), []byte{wasm.I32}, slices.Concat(code...), []byte{0x0b})
}

func times(n int, code ...byte) []byte { return bytes.Repeat(code, n) }

// around is code within so many blocks or loops.
func around(n int, op byte) []byte { return append(times(n, op, 0x40), times(n, 0x0b)...) }

// TestLimits has a module for each limit that is at it, and is read, and one that is
// beyond it, and is refused with both numbers.
func TestLimits(t *testing.T) {
	const block = "\x02\x40\x0b"
	for _, c := range []struct {
		within, beyond []byte
		want           string
	}{
		{module(section(1, repeated(20_000, 0x60, 0, 0))), module(section(1, repeated(20_001, 0x60, 0, 0))),
			"the module has 20001 types; at most 20000 are supported"},
		{module(section(1, vec(slices.Repeat([][]byte{funcType(times(1000, wasm.I32), nil)}, 500)...))), module(section(1, vec(slices.Repeat([][]byte{funcType(times(1000, wasm.I32), nil)}, 501)...))),
			"the module has 501000000 parameters and results of each type, squared; at most 500000000 are supported"},
		{module(section(2, repeated(10_000, 0, 0, 3, wasm.I32, 0))), module(section(2, repeated(10_001, 0, 0, 3, wasm.I32, 0))),
			"the module has 10001 imports; at most 10000 are supported"},
		{functions(slices.Repeat([][]byte{body(0)}, 300_000)...), functions(slices.Repeat([][]byte{body(0)}, 300_001)...),
			"the module has 300001 functions; at most 300000 are supported"},
		{module(section(4, repeated(100, wasm.FuncRef, 0, 0))), module(section(4, repeated(101, wasm.FuncRef, 0, 0))),
			"the module has 101 tables; at most 100 are supported"},
		{module(section(6, repeated(150_000, wasm.I32, 0, 0x41, 0, 0x0b))), module(section(6, repeated(150_001, wasm.I32, 0, 0x41, 0, 0x0b))),
			"the module has 150001 globals; at most 150000 are supported"},
		{module(section(7, repeated(400_000, 0, 0, 0))), module(section(7, repeated(400_001, 0, 0, 0))),
			"the module has 400001 exports; at most 400000 are supported"},
		{module(section(9, repeated(1000, 1, 0, 0))), module(section(9, repeated(1001, 1, 0, 0))),
			"the module has 1001 element segments; at most 1000 are supported"},
		{module(section(9, leb(1), []byte{1, 0}, repeated(400_000, 0))), module(section(9, leb(2), []byte{1, 0}, repeated(200_000, 0), []byte{1, 0}, repeated(200_001, 0))),
			"the module has 400001 entries of element segments; at most 400000 are supported"},
		{module(section(11, repeated(500_000, 1, 0))), module(section(11, repeated(500_001, 1, 0))),
			"the module has 500001 data segments; at most 500000 are supported"},

		{functions(body(0, []byte(strings.Repeat(block, 2047)))), functions(body(0, []byte(strings.Repeat(block, 60_000)))),
			"function 0 has 60001 blocks; at most 60000 are supported"},
		{functions(body(0, around(2000, 0x02))), functions(body(0), body(0, around(32_001, 0x02))),
			"function 1 has 32001 blocks within each other; at most 32000 are supported"},
		{functions(body(0, around(64, 0x03))), functions(body(0, around(65, 0x03))),
			"function 0 has 65 loops within each other; at most 64 are supported"},
		{functions(body(0, []byte{0x41, 0, 0x0e}, repeated(65_520, 0), []byte{0})), functions(body(0, []byte{0x41, 0, 0x0e}, repeated(65_521, 0), []byte{0})),
			"function 0 has 65521 labels in one br_table; at most 65520 are supported"},

		{functions(body(32_768), body(32_768)), functions(body(32_768), body(32_769)),
			"the module has 65537 local variables together; at most 65536 are supported in a file of "},
		{functions(body(0, times(65, 0x11, 1, 0)), body(0)), functions(body(0, times(65, 0x11, 1, 0)), body(0, times(20, 0x02, 1, 0x0b))),
			"the module has 85000 values carried by calls, blocks and branches together; at most 65536 are supported in a file of "},
		{functions(body(0, []byte(strings.Repeat(block, 2047)))), functions(body(0, []byte(strings.Repeat(block, 2047))), body(0)),
			"the module has 4194305 blocks of each function, squared, together; at most 4194304 are supported in a file of "},
		{functions(body(512, times(1023, 0x0c, 0))), functions(body(512, times(1024, 0x0c, 0))),
			"the module has 524800 variables of each function, times its blocks and branches, together; at most 524288 are supported in a file of "},
		{functions(body(1024, around(63, 0x03))), functions(body(1025, around(64, 0x03))),
			"the module has 2132000 variables of each function, times its loops, together; at most 2097152 are supported in a file of "},
	} {
		if _, err := wasm.Parse(c.within); err != nil {
			t.Errorf("at the limit of %q: %v", c.want, err)
		}
		if _, err := wasm.Parse(c.beyond); err == nil || !strings.HasPrefix(err.Error(), c.want) && !strings.HasPrefix(err.Error(), "section 10: "+c.want) {
			t.Errorf("beyond the limit: %.200v, want %s", err, c.want)
		}
	}
	large := make([]byte, wasm.MaxSize+8)
	copy(large, module())
	if _, err := wasm.Parse(large); err == nil || !strings.Contains(err.Error(), "134217736 bytes are more than the 134217728 that a module may have") {
		t.Errorf("beyond the largest file: %v", err)
	}
}

// TestLimitsHaveRoom reads every module of the repository. None has a quarter of what is
// allowed.
func TestLimitsHaveRoom(t *testing.T) {
	read := 0
	nearest := wasm.Limit{Limit: 1 << 62}
	where := ""
	err := filepath.WalkDir("../../..", func(path string, d fs.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(path, ".wasm") || d.IsDir() {
			return err
		}
		data, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		m, err := wasm.Parse(data)
		if err != nil {
			if !strings.Contains(path, "hostile") {
				t.Errorf("%s: %v", path, err)
			}
			return nil
		}
		read++
		for _, l := range m.Sizes.Limits() {
			if l.Has > 0 && l.Limit/l.Has < nearest.Limit/max(nearest.Has, 1) {
				nearest, where = l, path
			}
		}
		return nil
	})
	if err != nil || read < 50 {
		t.Fatalf("%d modules were read, %v", read, err)
	}
	t.Logf("the nearest of %d modules is %s with %d %s: the limit is %.1f times as much", read, where, nearest.Has, nearest.What, float64(nearest.Limit)/float64(nearest.Has))
	if nearest.Limit < 4*nearest.Has {
		t.Errorf("%s has %d %s of %d", where, nearest.Has, nearest.What, nearest.Limit)
	}
}
