package wasm

import "fmt"

// Unsupported is the error for what a module has of a later version of WebAssembly than
// 2.0, or of a proposal.
type Unsupported struct {
	What     string // that it has
	Offset   int    // of it in the file
	Function int    // in which it is, or -1
	Name     string // of the function, as far as the module tells
	Proposal Proposal
}

// Error names the proposal, the function, and what avoids it.
func (e *Unsupported) Error() string {
	where := ""
	switch {
	case e.Function >= 0 && e.Name != "":
		where = fmt.Sprintf("function %d (%.80q): ", e.Function, e.Name)
	case e.Function >= 0:
		where = fmt.Sprintf("function %d: ", e.Function)
	}
	return fmt.Sprintf("%s%s at offset %#x belongs to WebAssembly's proposal %q, which is not supported: %s", where, e.What, e.Offset, e.Proposal.Name, e.Proposal.Advice)
}

// Proposal is what came to WebAssembly after version 2.0.
type Proposal struct {
	Name   string // "exception handling"
	Advice string // what a toolchain is to be told
}

// The proposals, by what toolchains call them.
var (
	exceptions = Proposal{"exception handling", "build without it (clang and Emscripten: -fno-exceptions and without -fwasm-exceptions, and without setjmp; Rust: panic = \"abort\")"}
	tailCalls  = Proposal{"tail calls", "build without them (clang: -mno-tail-call; Rust: -C target-feature=-tail-call)"}
	references = Proposal{"typed function references", "use the toolchain's option for WebAssembly 2.0"}
	collected  = Proposal{"garbage collection", "build for linear memory, which not all toolchains can (TeaVM: target WEBASSEMBLY_WASI; Kotlin and Dart have none)"}
	relaxed    = Proposal{"relaxed SIMD", "build without it (clang: -mno-relaxed-simd; Rust: -C target-feature=-relaxed-simd)"}
	threads    = Proposal{"threads", "build without them (clang: -mno-atomics and the target wasm32-wasip1 without -threads; Rust: the target wasm32-wasip1)"}
	memories   = Proposal{"several memories", "link it to have one (wasm-ld does; wasm-opt: --multi-memory-lowering)"}
	extended   = Proposal{"extended constant expressions", "build without them (clang: -mno-extended-const; no position-independent code, -fPIC)"}
	wide       = Proposal{"wide arithmetic", "build without it (clang: -mno-wide-arithmetic; Rust: -C target-feature=-wide-arithmetic)"}
)

// proposalOf tells which proposal an instruction that is unknown is of, from where it
// begins, and how many bytes of it say so. Nil: of none that is known.
func proposalOf(code []byte) (*Proposal, int) {
	switch op := code[0]; op {
	case 0x06, 0x07, 0x08, 0x09, 0x0a, 0x18, 0x19, 0x1f: // try, catch, throw, rethrow, throw_ref, delegate, catch_all, try_table
		return &exceptions, 1
	case 0x12, 0x13: // return_call, return_call_indirect
		return &tailCalls, 1
	case 0x14, 0x15, 0xd4, 0xd5, 0xd6: // call_ref, return_call_ref, ref.as_non_null, br_on_null, br_on_non_null
		return &references, 1
	case 0xd3, 0xfb: // ref.eq; struct, array, i31 and casts
		return &collected, 1
	case 0xfe:
		return &threads, 1
	case 0xfc:
		if sub, after := leb(code, 1); sub >= 19 && sub <= 22 { // i64.add128 to i64.mul_wide_u
			return &wide, after
		}
	case 0xfd:
		if sub, after := leb(code, 1); sub >= 0x100 && sub <= 0x12f {
			return &relaxed, after
		}
	}
	return nil, 0
}

// proposalOfType is the same for a value type, or for the form of a type.
func proposalOfType(t byte) *Proposal {
	switch t {
	case 0x69, 0x74: // exnref, nullexnref
		return &exceptions
	case 0x63, 0x64: // a reference that says to what
		return &references
	case 0x4e, 0x4f, 0x50, 0x5e, 0x5f, 0x65, 0x6a, 0x6b, 0x6c, 0x6d, 0x6e, 0x71, 0x72, 0x73:
		// rec, sub, array and struct; shared; arrayref to nullref
		return &collected
	}
	return nil
}

// unsupported is the error for what is at an offset, if a proposal is known of it, or else
// an error that says that it is not of WebAssembly 2.0.
func unsupported(p *Proposal, offset int, format string, args ...any) error {
	what := fmt.Sprintf(format, args...)
	if p == nil {
		return fmt.Errorf("%s at offset %#x is not of WebAssembly 2.0", what, offset)
	}
	return &Unsupported{What: what, Offset: offset, Function: -1, Proposal: *p}
}

// functionName returns the name of a function, as far as the module tells, or "".
func (m *Binary) functionName(binary []byte, function int) string {
	for _, e := range m.Exports {
		if e.Kind == Func && int(e.Index) == function {
			return e.Name
		}
	}
	var name string
	found := func(index uint32, text string) {
		if int(index) == function {
			name = text
		}
	}
	r := &reader{data: binary, pos: 8}
	for name == "" {
		id, err := r.byte()
		if err == nil {
			err = r.sized("section", func() (err error) {
				if id == 0 {
					err = r.custom(found)
				}
				r.pos = len(r.data)
				return err
			})
		}
		if err != nil { // no more sections, or one that is broken
			break
		}
	}
	return name
}
