package wasm_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"

	"github.com/wasmworker/wasmworker/host/internal/wasm"
)

func TestParse(t *testing.T) {
	m := parse(t, fixture(t, "echo.wasm"))
	var imports, exports []string
	for _, imp := range m.Imports {
		imports = append(imports, fmt.Sprintf("%s %s.%s %s", imp.Kind, imp.Module, imp.Name, imp.Type))
	}
	for _, e := range m.Exports {
		text := e.Kind.String() + " " + e.Name
		if e.Kind == wasm.Func {
			typ, ok := m.FuncType(e.Index)
			text += fmt.Sprint(" ", typ, " ", ok)
		}
		exports = append(exports, text)
	}
	const activity = "func wasmworker:activity/v1."
	equal(t, "imports", imports, []string{
		activity + "arg_count () -> i32",
		activity + "arg_read (i32, i32, i32) -> i64",
		activity + "arg_metadata (i32, i32, i32) -> i64",
		activity + "output_write (i32, i32) -> i64",
		activity + "output_metadata (i32, i32) -> i64",
		activity + "info (i32, i32) -> i64",
	})
	equal(t, "exports", exports, []string{
		"memory memory", "func Echo () -> i32 true", "func Args () -> i32 true", "func Info () -> i32 true",
		"func _hidden () -> i32 true", "func add (i32, i32) -> i32 true",
	})
	equal(t, "memories", m.Memories, []wasm.Limits{{Min: 64}})
	equal(t, "number of functions", len(m.Funcs), 5)
	equal(t, "number of tables", len(m.Tables), 0)
	equal(t, "start", m.HasStart, false)
	equal(t, "start of startloop", parse(t, fixture(t, "startloop.wasm")).HasStart, true)
}

// everything has each section that is read, and each kind of import and export.
var everything = module(
	custom("first", "skipped"),
	section(1, vec(
		funcType(nil, nil),
		funcType([]byte{wasm.I32, wasm.I64, wasm.F32, wasm.F64, wasm.V128, wasm.FuncRef, wasm.ExternRef}, []byte{wasm.I32, wasm.F64}))),
	section(2, vec(
		imported("a", "f", 0, 1),
		imported("a", "t", 1, wasm.FuncRef, 1, 2, 9),
		imported("b", "g", 3, wasm.I32, 0),
		imported("a", "h", 0, 0))),
	custom("between", ""),
	section(3, vec(leb(0), leb(1))),
	section(4, vec([]byte{wasm.FuncRef, 0, 3})),
	section(5, vec([]byte{1, 1, 200, 1})),
	section(6, vec(
		[]byte{wasm.I32, 1, 0x41, 0xff, 0x00, 0x0b},                               // i32.const 127
		[]byte{wasm.I64, 0, 0x42, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x00, 0x0b}, // i64.const 0
		[]byte{wasm.F32, 0, 0x43, 1, 2, 3, 4, 0x0b},                               // f32.const
		[]byte{wasm.F64, 0, 0x44, 1, 2, 3, 4, 5, 6, 7, 8, 0x0b},                   // f64.const
		append(append([]byte{wasm.V128, 0, 0xfd, 12}, make([]byte, 16)...), 0x0b), // v128.const
		[]byte{wasm.FuncRef, 0, 0xd0, wasm.FuncRef, 0x0b},                         // ref.null
		[]byte{wasm.FuncRef, 0, 0xd2, 0, 0x0b})),                                  // ref.func
	section(7, vec(
		exported("imported", 0, 0), exported("own", 0, 3), exported("mem", 2, 0), exported("glob", 3, 0), exported("tab", 1, 1))),
	section(8, leb(2)),
	section(9, vec(
		[]byte{0, 0x41, 0, 0x0b, 1, 2},             // active
		[]byte{1, 0, 2, 2, 3},                      // passive
		[]byte{2, 1, 0x41, 0, 0x0b, 0, 1, 2},       // active, with its table
		[]byte{3, 0, 1, 2},                         // declarative
		[]byte{4, 0x41, 0, 0x0b, 1, 0xd2, 2, 0x0b}, // the same with expressions
		[]byte{5, wasm.FuncRef, 1, 0xd0, wasm.FuncRef, 0x0b},
		[]byte{6, 1, 0x41, 0, 0x0b, wasm.FuncRef, 1, 0xd2, 2, 0x0b},
		[]byte{7, wasm.ExternRef, 1, 0xd0, wasm.ExternRef, 0x0b})),
	section(12, leb(3)),
	section(10, vec(
		// () -> (), with local variables
		sized([]byte{2, 10, wasm.I32, 0x83, 0x00, wasm.V128, 0x0b}),
		sized([]byte{0, 0x41, 0, 0x44, 0, 0, 0, 0, 0, 0, 0, 0, 0x0b}))), // i32.const 0, f64.const 0
	section(11, vec(
		append([]byte{0, 0x41, 8, 0x0b}, sized([]byte("active"))...),
		append([]byte{1}, sized([]byte("passive"))...),
		append([]byte{2, 0, 0x23, 0, 0x0b}, sized([]byte("active, with its memory"))...))),
	custom("last", strings.Repeat("x", 300)),
	custom("name", string(slices.Concat(
		append([]byte{0}, sized(text("everything"))...),
		append([]byte{1}, sized(vec(append(leb(0), text("f")...), append(leb(2), text("start")...)))...),
		append([]byte{2}, sized(vec(append(leb(2), vec(append(leb(0), text("x")...))...)))...),
		append([]byte{7}, sized([]byte("global names, which are not looked at"))...)))),
)

func TestParseEverything(t *testing.T) {
	m := parse(t, everything)
	equal(t, "type", m.Types[0].String(), "() -> ()")
	equal(t, "type", m.Types[1].String(), "(i32, i64, f32, f64, v128, funcref, externref) -> (i32, f64)")
	equal(t, "imported table", m.Imports[1].Limits, wasm.Limits{Min: 2, Max: 9, HasMax: true})
	equal(t, "imported global", m.Imports[2].Kind, wasm.Global)
	equal(t, "tables", m.Tables, []wasm.Limits{{Min: 3}})
	equal(t, "memories", m.Memories, []wasm.Limits{{Min: 1, Max: 200, HasMax: true}})
	equal(t, "start", m.HasStart, true)
	// Imported functions come first, whatever else is imported between them.
	for index, want := range []wasm.FuncType{m.Types[1], m.Types[0], m.Types[0], m.Types[1]} {
		if got, ok := m.FuncType(uint32(index)); !ok || !got.Equal(want) {
			t.Errorf("function %d is %s (%t), want %s", index, got, ok, want)
		}
	}
	for _, index := range []uint32{4, 5, 1<<32 - 1} {
		if got, ok := m.FuncType(index); ok {
			t.Errorf("function %d, which does not exist, is %s", index, got)
		}
	}
}

// The fence decides on what Parse reads, and what the compiler reads is linked: the two
// must agree.
func TestParseAgreesWithCompiler(t *testing.T) {
	binaries := fixtures(t)
	binaries["everything"] = everything
	for name, data := range binaries {
		t.Run(name, func(t *testing.T) {
			if err := newCompiler(t).compare(t, parse(t, data), data); err != nil {
				t.Fatal(err)
			}
		})
	}
}

func TestParseRefuses(t *testing.T) {
	i32 := []byte{wasm.I32}
	tests := []struct {
		name string
		data []byte
		want string // what the error says
	}{
		{"nothing", nil, `"\0asm"`},
		{"three bytes", []byte("\x00as"), `"\0asm"`},
		{"a text file", []byte("(module (memory 1))\n"), `"\0asm"`},
		{"another magic", []byte("\x7fELF\x02\x01\x01\x00"), `"\0asm"`},
		{"half a header", []byte("\x00asm\x01\x00"), "truncated"},
		{"a component", []byte("\x00asm\x0d\x00\x01\x00"), "component"},
		{"version 2", []byte("\x00asm\x02\x00\x00\x00"), "02 00 00 00"},
		{"a section without a size", []byte("\x00asm\x01\x00\x00\x00\x01"), "0x9"},
		{"a section beyond the end", module([]byte{1, 10, 1}), "section 1 at offset 0x8 says it has 10 bytes, 1 are left"},
		{"a section of 4 GiB", module([]byte{0, 0xff, 0xff, 0xff, 0xff, 0x0f}), "truncated"},
		{"a section that is too long", module(section(1, vec(), []byte{0})), "1 bytes too many at offset 0xb"},
		{"sections in disorder", module(section(3, vec()), section(1, vec())), "section 1 at offset 0xb is out of order"},
		{"a section twice", module(section(1, vec()), section(1, vec())), "section 1 at offset 0xb is out of order or repeated"},
		{"a number of five bytes that does not fit", module([]byte{1, 0xff, 0xff, 0xff, 0xff, 0x10}), "number at offset 0x9 does not fit into 32 bits"},
		{"a number of six bytes", module([]byte{1, 0x80, 0x80, 0x80, 0x80, 0x80, 0x00}), "number at offset 0x9 does not fit into 32 bits"},
		{"a number that does not end", module([]byte{1, 0x80}), "unexpected end at offset 0xa"},
		{"2^32-1 types", module(section(1, leb(1<<32-1))), "4294967295 types at offset 0xa are more than"},
		{"one type too many", module(section(1, leb(1<<20+1))), "1048577 types at offset 0xa are more than"},
		{"2^32-1 imports", module(section(2, leb(1<<32-1))), "imports at offset 0xa"},
		{"2^32-1 functions", module(section(3, leb(1<<32-1))), "functions at offset 0xa"},
		{"2^32-1 tables", module(section(4, leb(1<<32-1))), "tables at offset 0xa"},
		{"2^32-1 memories", module(section(5, leb(1<<32-1))), "at offset 0xa"},
		{"2^32-1 exports", module(section(7, leb(1<<32-1))), "exports at offset 0xa"},
		{"2^32-1 parameters", module(section(1, vec(append([]byte{0x60}, leb(1<<32-1)...)))), "value types at offset 0xc"},
		{"a million types, but none there", module(section(1, leb(1<<20))), "unexpected end at offset 0xd"},
		{"a type of another kind", module(section(1, vec([]byte{0x5f, 0}))), "type form 0x5f at offset 0xb"},
		{"an unknown value type", module(section(1, vec(funcType([]byte{0x63}, nil)))), "value type 0x63 at offset 0xd"},
		{"an import of an unknown type", module(section(2, vec(imported("m", "f", 0, 0)))), `import "m"."f" has type 0, but there are 0 types`},
		{"an import of an unknown kind", module(section(2, vec(imported("m", "f", 9, 0)))), `import "m"."f" has the unknown kind 9 at offset 0xf`},
		{"an imported global of an unknown type", module(section(2, vec(imported("m", "g", 3, 0x40, 0)))), "value type 0x40 at offset 0x10"},
		{"a name that is not UTF-8", module(section(2, vec(imported("m\xff", "f", 0, 0)))), "name at offset 0xb is not UTF-8"},
		{"a name beyond its section", module(section(7, vec(leb(100))), custom("room", strings.Repeat("x", 200))), "unexpected end at offset 0xc"},
		{"a function of an unknown type", module(section(1, vec(funcType(nil, i32))), section(3, vec(leb(1)))), "type 1, but there are 1 types"},
		{"a table of numbers", module(section(4, vec([]byte{wasm.I32, 0, 0}))), "table element type 0x7f at offset 0xb"},
		{"unknown limits", module(section(5, vec([]byte{8, 0}))), "limits flags 0x8 at offset 0xb"},
		{"limits without an end", module(section(5, vec([]byte{1, 0}))), "unexpected end at offset 0xd"},
		{"an export of an unknown kind", module(section(7, vec(exported("x", 9, 0)))), `export "x" has the unknown kind 9 at offset 0xd`},
		{"a long name in an error", module(section(7, vec(exported(strings.Repeat("é", 1<<20), 9, 0)))), "unknown kind 9"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			m, err := wasm.Parse(tt.data)
			if err == nil || m != nil {
				t.Fatalf("got %+v, error %v", m, err)
			}
			if text := err.Error(); !strings.Contains(text, tt.want) || len(text) > 500 {
				t.Errorf("error %.1000q, want one that contains %q and is short", text, tt.want)
			}
		})
	}
	for data, want := range map[string]error{
		"not wasm":                         wasm.ErrNotWasm,
		"":                                 wasm.ErrNotWasm,
		"\x00asm\x0d\x00\x01\x00component": wasm.ErrComponent,
	} {
		if _, err := wasm.Parse([]byte(data)); !errors.Is(err, want) {
			t.Errorf("%q: error %v, want %v", data, err, want)
		}
	}
}

// The compiler allocates what a count or size asks for before it looks at what is there,
// and a process that asks for hundreds of gigabytes is gone. So these must not get to it.
func TestParseRefusesCounts(t *testing.T) {
	huge := leb(1<<32 - 1)
	million := leb(1 << 20)
	end := []byte{0x0b}
	names := func(subsection byte, content ...[]byte) []byte {
		return custom("name", string(append([]byte{subsection}, sized(slices.Concat(content...))...)))
	}
	tests := []struct {
		name string
		data []byte
		want string
	}{
		{"name of a custom section", module(section(0, huge)), "section 0: unexpected end at offset 0xf"},
		{"custom section without a name", module(section(0)), "section 0: unexpected end at offset 0xa"},
		{"name of the module", module(names(0, huge)), "unexpected end"},
		{"names of functions", module(names(1, huge)), "4294967295 names"},
		{"names of functions that are not there", module(names(1, million)), "unexpected end"},
		{"name of a function", module(names(1, vec(append(leb(0), huge...)))), "unexpected end"},
		{"names of local variables", module(names(2, huge)), "4294967295 names"},
		{"names of one function's local variables", module(names(2, vec(append(leb(0), huge...)))), "4294967295 names"},
		{"name of a local variable", module(names(2, vec(append(leb(0), vec(append(leb(0), huge...))...)))), "unexpected end"},
		{"names beyond their subsection", module(custom("name", "\x01\x01\x01\x00\x00")), "unexpected end"},
		{"names short of their subsection", module(names(1, vec(), []byte{0})), "1 bytes too many"},
		{"size of names", module(custom("name", "\x01\xff\xff\xff\xff\x0f")), "says it has 4294967295 bytes, 0 are left"},
		{"globals", module(section(6, huge)), "4294967295 globals"},
		{"globals that are not there", module(section(6, million)), "unexpected end"},
		{"global of an unknown type", module(section(6, vec([]byte{0x00, 0, 0x0b}))), "value type 0x0"},
		{"constant that does not end", module(section(6, vec([]byte{wasm.I32, 0, 0x41, 0}))), "unexpected end"},
		{"constant with another instruction", module(section(6, vec([]byte{wasm.I32, 0, 0x10, 0, 0x0b}))), "instruction 0x10 at offset 0xd"},
		{"constant of six bytes", module(section(6, vec([]byte{wasm.I32, 0, 0x41, 0x80, 0x80, 0x80, 0x80, 0x80, 0, 0x0b}))), "longer than 5 bytes"},
		{"constant of half a float", module(section(6, vec([]byte{wasm.F64, 0, 0x44, 0, 0, 0, 0}))), "unexpected end"},
		{"element segments", module(section(9, huge)), "4294967295 element segments"},
		{"elements", module(section(9, vec(slices.Concat([]byte{1, 0}, huge)))), "4294967295 elements"},
		{"elements that are not there", module(section(9, vec(slices.Concat([]byte{1, 0}, million)))), "unexpected end"},
		{"elements as expressions", module(section(9, vec(slices.Concat([]byte{5, wasm.FuncRef}, huge)))), "4294967295 elements"},
		{"element segment of another kind", module(section(9, vec([]byte{8}))), "flags 0x8"},
		{"functions", module(section(10, huge)), "4294967295 function bodies"},
		{"functions that are not there", module(section(10, million)), "unexpected end"},
		{"size of a function", module(section(10, vec(huge))), "says it has 4294967295 bytes, 0 are left"},
		{"local variables", module(section(10, vec(sized(slices.Concat(vec(append(huge, wasm.I64)), end))))), "4294967295 local variables"},
		{"local variables in sum", module(section(10, vec(sized(slices.Concat(
			vec(slices.Repeat([][]byte{append(leb(10_000), wasm.I64)}, 6)...), end))))), "60000 local variables"},
		{"groups of local variables", module(section(10, vec(sized(slices.Concat(huge, end))))), "4294967295 group"},
		{"data segments", module(section(11, huge)), "4294967295 data segments"},
		{"data", module(section(11, vec(append([]byte{1}, huge...)))), "unexpected end"},
		{"data of a memory", module(section(11, vec(slices.Concat([]byte{0, 0x41, 0, 0x0b}, huge)))), "unexpected end"},
		{"data segment of another kind", module(section(11, vec([]byte{3}))), "flags 0x3"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if _, err := wasm.Parse(tt.data); err == nil || !strings.Contains(err.Error(), tt.want) || !strings.Contains(err.Error(), "offset 0x") {
				t.Errorf("error %v, want one that contains %q and an offset", err, tt.want)
			}
		})
	}
}

// A number may be longer than it need be, as long as it fits: linkers leave room that
// way.
func TestParsePaddedNumbers(t *testing.T) {
	m := parse(t, module([]byte{1, 0x88, 0x80, 0x80, 0x80, 0x00, 0x81, 0x80, 0x80, 0x80, 0x00, 0x60, 0, 0}))
	equal(t, "number of types", len(m.Types), 1)
}

func TestParse64BitAndSharedMemory(t *testing.T) {
	m := parse(t, module(section(5, vec(append([]byte{7}, append(leb(1<<40), leb(1<<48)...)...)))))
	equal(t, "memories", m.Memories, []wasm.Limits{{Min: 1 << 40, Max: 1 << 48, HasMax: true, Shared: true, Is64: true}})
	m = parse(t, module(section(5, vec([]byte{3, 1, 2}))))
	equal(t, "memories", m.Memories, []wasm.Limits{{Min: 1, Max: 2, HasMax: true, Shared: true}})
	// 32-bit limits do not take 64-bit numbers, and 64-bit ones no more than that.
	for _, limits := range [][]byte{append([]byte{0}, leb(1<<32)...), append([]byte{4}, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x02)} {
		if _, err := wasm.Parse(module(section(5, vec(limits)))); err == nil || !strings.Contains(err.Error(), "offset 0xc") {
			t.Errorf("limits % x: error %v", limits, err)
		}
	}
}

// A module as large as a hostile one can be costs no more than its size: neither its
// rendered types nor the look-up of its functions grow with the product of its parts.
func TestParseHuge(t *testing.T) {
	const n = 10_000 // imports are limited to as many
	params := bytes.Repeat([]byte{wasm.I64}, n)
	imports, exports := make([][]byte, n), make([][]byte, n)
	for i := range n {
		imports[i] = imported("", "", 0, 0)
		exports[i] = exported("", 0, uint32(i))
	}
	m := parse(t, module(section(1, vec(funcType(params, params))), section(2, vec(imports...)), section(7, vec(exports...))))
	equal(t, "number of imports", len(m.Imports), n)
	for _, e := range m.Exports {
		if typ, ok := m.FuncType(e.Index); !ok || len(typ.Params) != n {
			t.Fatalf("function %d was not found", e.Index)
		}
	}
	text := m.Types[0].String()
	if len(text) > 300 || !strings.Contains(text, "… 9980 more) -> (i64, ") {
		t.Errorf("a type with %d parameters is %.500q", n, text)
	}
}

// Of a file that ends early every byte offset is tried: it is refused with the place
// where it ends, unless that is between two sections.
func TestParseTruncated(t *testing.T) {
	place := regexp.MustCompile(`offset 0x[0-9a-f]+`)
	for name, data := range fixtures(t) {
		t.Run(name, func(t *testing.T) {
			ends := sectionEnds(t, data)
			for n := range data {
				m, err := wasm.Parse(slices.Clip(data[:n]))
				switch whole := slices.Contains(ends, n); {
				case whole && err != nil:
					t.Errorf("%d bytes, which end with a section: %v", n, err)
				case !whole && err == nil:
					t.Errorf("%d bytes were read as %+v", n, m)
				case !whole && n > 8 && !place.MatchString(err.Error()):
					t.Errorf("%d bytes: the error names no offset: %v", n, err)
				}
			}
		})
	}
}

// Whatever one byte is changed to, Parse returns, and so do the methods of what it read.
// Where the compiler still takes the module, the two agree about it.
func TestParseMutated(t *testing.T) {
	binaries := fixtures(t)
	binaries["everything"] = everything
	for name, original := range binaries {
		t.Run(name, func(t *testing.T) {
			compiler := newCompiler(t)
			for i := range original {
				data := bytes.Clone(original)
				for _, b := range []byte{0x00, 0x01, 0x7f, 0x80, 0xff, original[i] + 1, original[i] - 1, original[i] ^ 0x10, original[i] ^ 0x80} {
					data[i] = b
					m, err := wasm.Parse(data)
					if (m == nil) == (err == nil) {
						t.Fatalf("byte %#x set to %#x: got %v and the error %v", i, b, m, err)
					}
					if m == nil {
						continue
					}
					use(m)
					if name == "everything" { // one of them will do: this takes its time
						_ = compiler.compare(t, m, data) // most are not valid
					}
				}
			}
		})
	}
}

func TestKindString(t *testing.T) {
	equal(t, "kind", fmt.Sprint(wasm.Func, wasm.Table, wasm.Memory, wasm.Global, wasm.Kind(9)), "func table memory global kind 9")
}

func FuzzParse(f *testing.F) {
	for _, data := range fixtures(f) {
		f.Add(data)
	}
	f.Add(everything)
	f.Add([]byte("\x00asm\x0d\x00\x01\x00"))
	compiler := newCompiler(f)
	f.Fuzz(func(t *testing.T, data []byte) {
		m, err := wasm.Parse(data)
		if err != nil {
			if m != nil {
				t.Fatalf("got a module beside the error %v", err)
			}
			return
		}
		use(m)
		_ = compiler.compare(t, m, data) // most of them are not valid
	})
}

// use calls every method.
func use(m *wasm.Binary) {
	for _, e := range m.Exports {
		typ, _ := m.FuncType(e.Index)
		_ = typ.String() + e.Kind.String()
	}
	for _, imp := range m.Imports {
		_ = imp.Type.String() + imp.Kind.String()
	}
}

func parse(t testing.TB, data []byte) *wasm.Binary {
	t.Helper()
	m, err := wasm.Parse(data)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// compiler reads and validates binaries with the features that the sandbox has, and
// translates nothing to machine code.
type compiler struct{ runtime wazero.Runtime }

func newCompiler(t testing.TB) compiler {
	ctx := context.Background()
	runtime := wazero.NewRuntimeWithConfig(ctx, wazero.NewRuntimeConfigInterpreter().WithCoreFeatures(api.CoreFeaturesV2))
	t.Cleanup(func() { runtime.Close(ctx) })
	return compiler{runtime}
}

// compare checks that the compiler sees the imports and exports that Parse does. The
// error is the compiler's, of a module that is not valid.
func (c compiler) compare(t *testing.T, m *wasm.Binary, data []byte) error {
	t.Helper()
	compiled, err := c.runtime.CompileModule(context.Background(), data)
	if err != nil {
		return err
	}
	defer compiled.Close(context.Background())
	var want, got []string
	typeOf := func(d api.FunctionDefinition) wasm.FuncType {
		return wasm.FuncType{Params: d.ParamTypes(), Results: d.ResultTypes()}
	}
	for _, d := range compiled.ImportedFunctions() {
		module, name, _ := d.Import()
		want = append(want, fmt.Sprintf("import %q %q %s", module, name, typeOf(d)))
	}
	for _, d := range compiled.ImportedMemories() {
		module, name, _ := d.Import()
		want = append(want, fmt.Sprintf("import %q %q memory", module, name))
	}
	for name, d := range compiled.ExportedFunctions() {
		want = append(want, fmt.Sprintf("export %q %s", name, typeOf(d)))
	}
	for name, d := range compiled.ExportedMemories() {
		want = append(want, fmt.Sprintf("export %q memory of %d", name, d.Min()))
	}
	for _, imp := range m.Imports {
		switch imp.Kind {
		case wasm.Func:
			got = append(got, fmt.Sprintf("import %q %q %s", imp.Module, imp.Name, imp.Type))
		case wasm.Memory:
			got = append(got, fmt.Sprintf("import %q %q memory", imp.Module, imp.Name))
		}
	}
	memories := m.Memories
	for _, imp := range m.Imports {
		if imp.Kind == wasm.Memory {
			memories = append([]wasm.Limits{imp.Limits}, memories...)
		}
	}
	for _, e := range m.Exports {
		switch e.Kind {
		case wasm.Func:
			typ, ok := m.FuncType(e.Index)
			if !ok {
				t.Errorf("the compiler takes export %q, and Parse does not find function %d", e.Name, e.Index)
			}
			got = append(got, fmt.Sprintf("export %q %s", e.Name, typ))
		case wasm.Memory:
			got = append(got, fmt.Sprintf("export %q memory of %d", e.Name, memories[e.Index].Min))
		}
	}
	slices.Sort(want)
	slices.Sort(got)
	equal(t, "imports and exports, beside those of the compiler,", got, want)
	return nil
}

func fixtures(t testing.TB) map[string][]byte {
	t.Helper()
	paths, err := filepath.Glob("../../../testdata/wat/*.wasm")
	if err != nil || len(paths) == 0 {
		t.Fatalf("no fixtures: %v", err)
	}
	found := map[string][]byte{}
	for _, path := range paths {
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		found[filepath.Base(path)] = data
	}
	return found
}

func fixture(t testing.TB, name string) []byte {
	t.Helper()
	data, ok := fixtures(t)[name]
	if !ok {
		t.Fatalf("there is no fixture %s", name)
	}
	return data
}

// sectionEnds returns the offsets at which a module may end: after its header, and after
// each section.
func sectionEnds(t *testing.T, data []byte) []int {
	t.Helper()
	ends := []int{8}
	for pos := 8; pos < len(data); ends = append(ends, pos) {
		size, n := binary.Uvarint(data[pos+1:])
		if n <= 0 {
			t.Fatalf("no section at %d", pos)
		}
		pos += 1 + n + int(size)
	}
	return ends
}

func equal(t *testing.T, what string, got, want any) {
	t.Helper()
	if !reflect.DeepEqual(got, want) {
		t.Errorf("%s: got\n%v, want\n%v", what, got, want)
	}
}

// A small encoder of the binary format.

func module(sections ...[]byte) []byte {
	return append([]byte("\x00asm\x01\x00\x00\x00"), slices.Concat(sections...)...)
}

func section(id byte, content ...[]byte) []byte {
	return append([]byte{id}, sized(slices.Concat(content...))...)
}

func custom(name, content string) []byte { return section(0, text(name), []byte(content)) }

func vec(items ...[]byte) []byte { return append(leb(uint64(len(items))), slices.Concat(items...)...) }

func sized(content []byte) []byte { return append(leb(uint64(len(content))), content...) }

func text(s string) []byte { return sized([]byte(s)) }

func leb(n uint64) []byte { return binary.AppendUvarint(nil, n) }

func funcType(params, results []byte) []byte {
	return slices.Concat([]byte{0x60}, sized(params), sized(results))
}

func imported(module, name string, kind byte, description ...byte) []byte {
	return slices.Concat(text(module), text(name), []byte{kind}, description)
}

func exported(name string, kind byte, index uint32) []byte {
	return slices.Concat(text(name), []byte{kind}, leb(uint64(index)))
}
