package sandbox_test

import (
	"bytes"
	"context"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/tetratelabs/wazero/api"

	"github.com/wasmworker/wasmworker/abi"
	"github.com/wasmworker/wasmworker/host/internal/image"
	"github.com/wasmworker/wasmworker/host/sandbox"
)

// header builds a native module in which one section is what the test says.
func header(id byte, content ...[]byte) []byte {
	sections := [][]byte{
		section(sectionType, vec(builtTypes...)),
		section(sectionImport, vec(hostImport(abi.ModuleActivity, "status", typeActivity))),
		section(sectionFunction, []byte{1, typeActivity}),
		section(sectionTable, []byte{1, 0x70, 0, 1}),
		section(sectionMemory, []byte{1, 0, 1}),
		section(sectionGlobal, []byte{0}),
		section(sectionExport, vec(export("A", 0, 1))),
		nil, // start
		section(sectionElement, []byte{0}),
		section(sectionCode, vec(sized([]byte{0, 0x41, 0, 0x0b}))),
		section(sectionData, []byte{0}),
	}
	sections[id-1] = section(id, content...)
	return module(sections...)
}

// body is the section of code with one function.
func body(content ...[]byte) []byte { return vec(sized(slices.Concat(content...), []byte{0x0b})) }

// What a few bytes of a binary ask for is refused before it is taken: sizes and numbers
// that are far beyond what the file has, or what a machine has.
func TestHostileHeaders(t *testing.T) {
	const most = 1<<32 - 1
	noLocals, zero := []byte{0}, []byte{0x41, 0}
	nested := func(n int) []byte {
		return slices.Concat(bytes.Repeat([]byte{0x02, 0x40}, n), bytes.Repeat([]byte{0x0b}, n))
	}
	tests := map[string]struct {
		binary []byte
		refuse string // part of the message; empty: it is served, and A completes
	}{
		"nothing wrong":                 {header(sectionMemory, []byte{1, 0, 1}), ""},
		"4 GiB of memory":               {header(sectionMemory, []byte{1, 0}, leb(65536)), "of memory at the start"},
		"more memory than 32 bits have": {header(sectionMemory, []byte{1, 0}, leb(most)), "of memory at the start"},
		"4 GiB of memory some day":      {header(sectionMemory, []byte{1, 1, 1}, leb(65536)), ""},
		"memory with more than 4 GiB":   {header(sectionMemory, []byte{1, 1, 1}, leb(most)), "65536"},
		"a maximum below the minimum":   {header(sectionMemory, []byte{1, 1, 2, 1}), "min 2 pages"},
		"memories":                      {header(sectionMemory, leb(most)), "memor"},
		"two memories":                  {header(sectionMemory, vec([]byte{0, 1}, []byte{0, 1})), "memor"},
		"a table":                       {header(sectionTable, []byte{1, 0x70, 0}, leb(most)), "elements at the start"},
		"a table of externref":          {header(sectionTable, []byte{1, 0x6f, 1}, leb(most), leb(most)), "elements at the start"},
		"tables that are small":         {header(sectionTable, vec(slices.Repeat([][]byte{slices.Concat([]byte{0x6f, 0}, leb(1<<20))}, 100)...)), "elements at the start"},
		"tables that overflow 64 bits":  {header(sectionTable, vec(slices.Repeat([][]byte{slices.Concat([]byte{0x6f, 0}, leb(most))}, 1000)...)), "1000 tables; at most 100"},
		"number of tables":              {header(sectionTable, leb(most)), "4294967295 tables"},
		"number of types":               {header(sectionType, leb(most)), "4294967295 types"},
		"number of types, a million":    {header(sectionType, leb(1<<20)), "unexpected end"},
		"number of parameters":          {header(sectionType, []byte{1, 0x60}, leb(most)), "4294967295 value types"},
		"number of results":             {header(sectionType, []byte{1, 0x60, 0}, leb(most)), "4294967295 value types"},
		"number of imports":             {header(sectionImport, leb(most)), "4294967295 imports"},
		"number of functions":           {header(sectionFunction, leb(most)), "4294967295 functions"},
		"functions without bodies":      {header(sectionFunction, vec(slices.Repeat([][]byte{{0}}, 100_000)...)), "1 bodies"},
		"number of globals":             {header(sectionGlobal, leb(most)), "4294967295 globals"},
		"number of exports":             {header(sectionExport, leb(most)), "4294967295 exports"},
		"number of element segments":    {header(sectionElement, leb(most)), "4294967295 element segments"},
		"number of elements":            {header(sectionElement, []byte{1, 0, 0x41, 0, 0x0b}, leb(most)), ""},
		"number of bodies":              {header(sectionCode, leb(most)), "4294967295 function bodie"},
		"size of a body":                {header(sectionCode, []byte{1}, leb(most)), "4294967295 bytes, 0 are left"},
		"number of data segments":       {header(sectionData, leb(most)), "4294967295 data segments"},
		"size of a data segment":        {header(sectionData, []byte{1, 0, 0x41, 0, 0x0b}, leb(most)), "unexpected end"},
		"offset of a data segment":      {header(sectionData, []byte{1, 0, 0x41, 0x7f, 0x0b, 1, 0}), "out of bounds"},
		// wazero leaves them out
		"offset of elements":              {header(sectionElement, []byte{1, 0, 0x41, 0x7f, 0x0b, 1, 0}), ""},
		"size of a name":                  {header(sectionExport, []byte{1}, leb(most)), "unexpected end"},
		"size of a section":               {append(header(sectionMemory, []byte{1, 0, 1}), append([]byte{0}, leb(most)...)...), "truncated"},
		"size of a number":                {header(sectionMemory, []byte{1, 0}, bytes.Repeat([]byte{0x80}, 1<<20)), "does not fit"},
		"locals":                          {header(sectionCode, body([]byte{1}, leb(most), []byte{api.ValueTypeI64}, zero)), "local variables"},
		"locals that overflow":            {header(sectionCode, body([]byte{2}, leb(1<<31), []byte{api.ValueTypeI64}, leb(1<<31), []byte{api.ValueTypeI64}, zero)), "local variables"},
		"groups of locals":                {header(sectionCode, body(leb(most), zero)), ""},
		"locals, a few too many":          {header(sectionCode, body([]byte{1}, leb(50_001), []byte{api.ValueTypeI64}, zero)), "local variables"},
		"locals, as many as there may be": {header(sectionCode, body([]byte{1}, leb(49_000), []byte{api.ValueTypeI64}, zero)), ""},
		"targets of br_table":             {header(sectionCode, body(noLocals, zero, []byte{0x0e}, leb(most))), ""},
		"types of select":                 {header(sectionCode, body(noLocals, zero, zero, zero, []byte{0x1c}, leb(most))), ""},
		"a start function that is none":   {header(sectionStart, leb(most)), "function 4294967295"},
		"blocks in blocks":                {header(sectionCode, body(noLocals, nested(2_000), zero)), ""},
		"many blocks in blocks":           {header(sectionCode, body(noLocals, nested(5_000), zero)), "blocks of each function, squared"},
		"a shared memory":                 {header(sectionMemory, []byte{1, 3, 1, 2}), "shared"},
		"a 64-bit memory":                 {header(sectionMemory, []byte{1, 4, 1}), "64-bit"},
		"a 64-bit table":                  {header(sectionTable, []byte{1, 0x70, 4, 1}), "64-bit"},
	}
	refusedAnyhow := map[string]bool{ // whoever sees it first has his own words
		"number of elements": true, "groups of locals": true, "targets of br_table": true, "types of select": true,
	}
	usage := image.Usage()
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			box, err := load(t, "module", tt.binary, sandbox.Config{})
			runtime.ReadMemStats(&after)
			if allocated := after.TotalAlloc - before.TotalAlloc; allocated > 128<<20 {
				t.Errorf("%d MB were allocated to load %d bytes", allocated>>20, len(tt.binary))
			}
			if box != nil {
				defer box.Close(context.Background())
			}
			switch {
			case refusedAnyhow[name] || tt.refuse != "":
				if err == nil || !strings.Contains(err.Error(), tt.refuse) {
					t.Errorf("got %v, want a refusal with %q", err, tt.refuse)
				}
			case err != nil:
				t.Error(err)
			default:
				run(t, box, "A")
			}
		})
	}
	equal(t, "what is left", image.Usage(), usage)
}

// Calls with the largest frames there may be: the stack that they take is bounded by its
// size, not by their number.
func TestHostileFrames(t *testing.T) {
	call := []byte{0x41, 0, 0x10, 2, 0x41, 0} // f(0), then 0
	var deep [][]byte                         // calls itself with all its locals in use
	deep = append(deep, []byte{1}, leb(49_000), []byte{api.ValueTypeI64})
	for i := 1; i < 49_000; i += 100 {
		// local.set i (i64.extend_i32_u (local.get 0))
		deep = append(deep, []byte{0x20, 0, 0xad, 0x21}, leb(uint64(i)))
	}
	deep = append(deep, []byte{0x20, 0, 0x10, 2}) // f(its argument)
	for i := 1; i < 49_000; i += 100 {
		// they are needed after it
		deep = append(deep, []byte{0x20}, leb(uint64(i)), []byte{0xa7, 0x1a})
	}
	binary := module(
		section(sectionType, vec(builtTypes...)),
		section(sectionImport, vec(hostImport(abi.ModuleActivity, "status", typeActivity))),
		section(sectionFunction, []byte{2, typeActivity, typeOne}),
		section(sectionExport, vec(export("A", 0, 1))),
		section(sectionCode, vec(sized([]byte{0}, call, []byte{0x0b}), sized(slices.Concat(deep...), []byte{0x0b}))),
	)
	for _, policy := range []sandbox.Isolation{sandbox.IsolationFresh, sandbox.IsolationPristine, sandbox.IsolationReuse} {
		box, err := load(t, "module", binary, sandbox.Config{Defaults: sandbox.Options{Isolation: policy}})
		if err != nil {
			t.Fatal(err)
		}
		for range 3 {
			_, err = box.Run(t.Context(), sandbox.Task{Activity: "A"})
			checkFailure(t, "frames", failure(t, err, abi.TypeStackOverflow))
		}
		if err := box.Close(context.Background()); err != nil {
			t.Error(err)
		}
	}
}
