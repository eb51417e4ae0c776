package sandbox_test

import (
	"encoding/binary"
	"slices"
	"testing"

	"github.com/tetratelabs/wazero/api"

	"github.com/wasmworker/wasmworker/abi"
	"github.com/wasmworker/wasmworker/host/modules"
)

// Some hostile modules are built here: from what the host has at the moment, or of names
// and numbers that the text format cannot express.

// The sections of a binary.
const (
	sectionType     = 1
	sectionImport   = 2
	sectionFunction = 3
	sectionTable    = 4
	sectionMemory   = 5
	sectionGlobal   = 6
	sectionExport   = 7
	sectionStart    = 8
	sectionElement  = 9
	sectionCode     = 10
	sectionData     = 11
)

func leb(n uint64) []byte { return binary.AppendUvarint(nil, n) }

// sized puts its length before a part of a binary.
func sized(content ...[]byte) []byte {
	all := slices.Concat(content...)
	return append(leb(uint64(len(all))), all...)
}

// vec puts their number before items.
func vec(items ...[]byte) []byte {
	return append(leb(uint64(len(items))), slices.Concat(items...)...)
}

func section(id byte, content ...[]byte) []byte { return append([]byte{id}, sized(content...)...) }

// module puts sections together.
func module(sections ...[]byte) []byte {
	return slices.Concat([]byte("\x00asm\x01\x00\x00\x00"), slices.Concat(sections...))
}

// hostImport is the import of a function.
func hostImport(module, name string, typ uint64) []byte {
	return slices.Concat(sized([]byte(module)), sized([]byte(name)), []byte{0}, leb(typ))
}

func export(name string, kind byte, index uint64) []byte {
	return slices.Concat(sized([]byte(name)), []byte{kind}, leb(index))
}

// The types that every built module begins with.
const (
	typeActivity = 0 // () -> i32
	typeNothing  = 1 // () -> ()
	typeOne      = 2 // (i32) -> ()
	typeRead     = 3 // (i32, i32, i32) -> i64
	typeWrite    = 4 // (i32, i32) -> i64
	typeSize     = 5 // () -> i64
	typeLoad     = 6 // (i64) -> i64
)

var builtTypes = [][]byte{
	funcType(nil, []byte{api.ValueTypeI32}),
	funcType(nil, nil),
	funcType([]byte{api.ValueTypeI32}, nil),
	funcType([]byte{api.ValueTypeI32, api.ValueTypeI32, api.ValueTypeI32}, []byte{api.ValueTypeI64}),
	funcType([]byte{api.ValueTypeI32, api.ValueTypeI32}, []byte{api.ValueTypeI64}),
	funcType(nil, []byte{api.ValueTypeI64}),
	funcType([]byte{api.ValueTypeI64}, []byte{api.ValueTypeI64}),
}

func funcType(params, results []byte) []byte {
	return slices.Concat([]byte{0x60}, sized(params), sized(results))
}

// parsed reads a built module, which package modules must accept.
func parsed(t *testing.T, name string, binary []byte) *modules.File {
	t.Helper()
	m, err := modules.Parse(name, binary)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// hostFunction is a function that guests can import.
type hostFunction struct {
	module, name    string
	params, results []api.ValueType
}

func (f hostFunction) String() string { return f.module + " " + f.name }

const (
	// recordSize is that of one call in the argument of Script: the index of the
	// function, and nine parameters, of 8 bytes each. The result takes the index's place.
	recordSize = 80
	// scriptMemory is the size of the memory. Scripts lie at its begin.
	scriptMemory = 64 << 10
	scriptRoom   = 32 << 10
)

// scriptModule builds a module that imports functions and can call each with any
// parameters. Script reads calls from its argument, makes one after the other, and writes
// them back with their results; an Extism plugin writes nothing. Fill fills the memory
// with a pattern, and Check traps if it is not there.
func scriptModule(kind modules.Kind, functions []hostFunction) []byte {
	const opEnd, opDrop, opLocalGet, opLocalSet, opI32Const, opI32Add = 0x0b, 0x1a, 0x20, 0x21, 0x41, 0x6a
	types, imports := slices.Clone(builtTypes), [][]byte{
		hostImport(abi.ModuleActivity, "arg_read", typeRead),
		hostImport(abi.ModuleActivity, "output_write", typeWrite),
	}
	if kind == modules.KindExtism {
		imports = [][]byte{
			hostImport(abi.ModuleExtism, "input_length", typeSize),
			hostImport(abi.ModuleExtism, "input_load_u64", typeLoad),
		}
	}
	for i, f := range functions {
		types = append(types, funcType(f.params, f.results))
		imports = append(imports, hostImport(f.module, f.name, uint64(len(builtTypes)+i)))
	}
	var declared, code, wrappers [][]byte
	add := func(typ uint64, locals []byte, body ...byte) (index uint64) {
		declared = append(declared, leb(typ))
		code = append(code, sized(locals, body, []byte{opEnd}))
		return uint64(len(imports) + len(declared) - 1)
	}
	noLocals := []byte{0}
	for i, f := range functions { // a wrapper of one type for each, for the table
		body := []byte{opLocalGet, 0} // where the result goes
		for p, typ := range f.params {
			load := byte(0x29) // i64.load
			if typ == api.ValueTypeI32 {
				load = 0x28
			}
			body = append(append(body, opLocalGet, 0, load, 0), leb(uint64(8+8*p))...)
		}
		body = append(append(body, 0x10), leb(uint64(2+i))...) // call
		switch {
		case len(f.results) == 0:
			body = append(body, 0x42, 0) // i64.const 0
		case f.results[0] == api.ValueTypeI32:
			body = append(body, 0xad) // i64.extend_i32_u
		}
		// i64.store
		wrappers = append(wrappers, leb(add(typeOne, noLocals, append(body, 0x37, 0, 0)...)))
	}
	// Local 0 is the size of the script, local 1 where the next call is.
	begin := slices.Concat([]byte{opI32Const, 0, opI32Const, 0, opI32Const}, sleb(scriptRoom), []byte{0x10, 0, 0xa7, opLocalSet, 0})
	end := []byte{opI32Const, 0, opLocalGet, 0, 0x10, 1, opDrop, opI32Const, 0}
	// local.tee, i32.lt_u, br_if, end
	whileLess := []byte{0x22, 1, opLocalGet, 0, 0x49, 0x0d, 0, opEnd}
	if kind == modules.KindExtism {
		begin = slices.Concat([]byte{0x10, 0, 0xa7, opLocalSet, 0, 0x03, 0x40}, // loop
			// i64.store of input_load_u64
			[]byte{opLocalGet, 1, opLocalGet, 1, 0xad, 0x10, 1, 0x37, 0, 0},
			[]byte{opLocalGet, 1, opI32Const, 8, opI32Add}, whileLess, []byte{opI32Const, 0, opLocalSet, 1})
		end = []byte{opI32Const, 0}
	}
	script := slices.Concat(begin, []byte{0x03, 0x40}, // loop
		[]byte{opLocalGet, 1, opLocalGet, 1, 0x28, 0, 0, 0x11, typeOne, 0}, // call_indirect
		[]byte{opLocalGet, 1, opI32Const}, sleb(recordSize), []byte{opI32Add}, whileLess, end)
	twoLocals := []byte{1, 2, api.ValueTypeI32}
	fill := slices.Concat([]byte{opI32Const, 0, opI32Const}, sleb(0x5a), []byte{opI32Const}, sleb(scriptMemory), []byte{0xfc, 11, 0, opI32Const, 0})
	check := slices.Concat(
		// unreachable if it is another
		[]byte{0x03, 0x40, opLocalGet, 0, 0x2d, 0, 0, opI32Const}, sleb(0x5a), []byte{0x47, 0x04, 0x40, 0x00, opEnd},
		[]byte{opLocalGet, 0, opI32Const, 1, opI32Add, 0x22, 0, opI32Const}, sleb(scriptMemory), []byte{0x49, 0x0d, 0, opEnd, opI32Const, 0})
	exports := vec(
		export("memory", 2, 0),
		export("Script", 0, add(typeActivity, twoLocals, script...)),
		export("Fill", 0, add(typeActivity, noLocals, fill...)),
		export("Check", 0, add(typeActivity, twoLocals, check...)),
	)
	return module(
		section(sectionType, vec(types...)),
		section(sectionImport, vec(imports...)),
		section(sectionFunction, vec(declared...)),
		section(sectionTable, []byte{1, 0x70, 0}, leb(uint64(len(functions)))),
		section(sectionMemory, []byte{1, 1, 1, 1}), // one page, which is also the most
		section(sectionExport, exports),
		section(sectionElement, []byte{1, 0, opI32Const, 0, opEnd}, vec(wrappers...)),
		section(sectionCode, vec(code...)),
	)
}

// sleb encodes a number of i32.const that is not negative.
func sleb(n int) []byte {
	var out []byte
	for {
		b := byte(n & 0x7f)
		if n >>= 7; n == 0 && b&0x40 == 0 {
			return append(out, b)
		}
		out = append(out, b|0x80)
	}
}

// hostCall is one call in a script.
type hostCall struct {
	function int
	params   []uint64
}

// script is the argument of Script.
func script(calls ...hostCall) []byte {
	out := make([]byte, recordSize*len(calls))
	for i, c := range calls {
		record := out[recordSize*i:]
		binary.LittleEndian.PutUint64(record, uint64(c.function))
		for p, v := range c.params {
			binary.LittleEndian.PutUint64(record[8+8*p:], v)
		}
	}
	return out
}
