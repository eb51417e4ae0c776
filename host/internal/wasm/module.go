// Package wasm reads WebAssembly binaries: enough of them to know what a module
// asks for and offers before anything is compiled or run.
//
// The format is that of the WebAssembly Core Specification 2.0, chapter 5.
// Every error names the byte offset at which reading failed.
package wasm

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"
)

// PageSize is the size of a memory page in bytes.
const PageSize = 64 << 10

// Module is what [Parse] reads from a binary.
type Binary struct {
	Types    []FuncType
	Imports  []Import
	Funcs    []uint32 // type indices of the functions that the module defines itself
	Tables   []Limits // defined, not imported
	Memories []Limits // defined, not imported; in pages
	Exports  []Export
	HasStart bool
	Sizes    Sizes

	imported         []FuncType // of the imported functions: the first of the function indices
	importedMemories int
}

// FuncType is the type of a function.
type FuncType struct {
	Params, Results []byte
}

// String renders the type like "(i32, i32) -> i64". A type that no host function has,
// with a thousand parameters, is cut short.
func (t FuncType) String() string {
	results := "()"
	switch names := valueTypeNames(t.Results); len(names) {
	case 0:
	case 1:
		results = names[0]
	default:
		results = "(" + strings.Join(names, ", ") + ")"
	}
	return "(" + strings.Join(valueTypeNames(t.Params), ", ") + ") -> " + results
}

// Equal tells whether two types are the same.
func (t FuncType) Equal(o FuncType) bool {
	return bytes.Equal(t.Params, o.Params) && bytes.Equal(t.Results, o.Results)
}

// Value types, as the binary format encodes them.
const (
	I32       = 0x7f
	I64       = 0x7e
	F32       = 0x7d
	F64       = 0x7c
	V128      = 0x7b
	FuncRef   = 0x70
	ExternRef = 0x6f
)

// maxTypeNames is how many of a function's parameters, and of its results, are named.
const maxTypeNames = 20

func valueTypeNames(types []byte) []string {
	if more := len(types) - maxTypeNames; more > 0 {
		return append(valueTypeNames(types[:maxTypeNames]), fmt.Sprintf("… %d more", more))
	}
	names := make([]string, len(types))
	for i, t := range types {
		switch t {
		case I32:
			names[i] = "i32"
		case I64:
			names[i] = "i64"
		case F32:
			names[i] = "f32"
		case F64:
			names[i] = "f64"
		case V128:
			names[i] = "v128"
		case FuncRef:
			names[i] = "funcref"
		case ExternRef:
			names[i] = "externref"
		}
	}
	return names
}

// Kind is the kind of an import or export.
type Kind byte

// The kinds, as the binary format encodes them.
const (
	Func Kind = iota
	Table
	Memory
	Global
)

// kindTag is what exceptions add.
const kindTag = 4

// String returns the kind's name in the text format.
func (k Kind) String() string {
	if names := [...]string{"func", "table", "memory", "global"}; int(k) < len(names) {
		return names[k]
	}
	return fmt.Sprintf("kind %d", byte(k))
}

// Import is one import.
type Import struct {
	Module, Name string
	Kind         Kind
	Type         FuncType // of a function
	Limits       Limits   // of a table or memory
}

// Export is one export. Index counts imports first.
type Export struct {
	Name  string
	Kind  Kind
	Index uint32
}

// Limits bound a memory (in pages) or a table (in elements).
type Limits struct {
	Min    uint64
	Max    uint64
	HasMax bool
	Shared bool
	Is64   bool
}

// ErrComponent is returned for a binary of the component model.
var ErrComponent = errors.New("this is a WebAssembly component, not a core module: build for wasm32-wasip1 (not wasip2), or extract the core module")

// ErrNotWasm is returned for a file that is not WebAssembly at all.
var ErrNotWasm = errors.New(`this is not a WebAssembly binary: it does not begin with "\0asm"; build for wasm32-wasip1, and use the .wasm file that comes of it`)

// of any vector: far above real modules, far below what would hurt to allocate
const maxItems = 1 << 20

// FuncType returns the type of the function with the given index, imports counted first.
func (m *Binary) FuncType(index uint32) (FuncType, bool) {
	if uint64(index) < uint64(len(m.imported)) {
		return m.imported[index], true
	}
	index -= uint32(len(m.imported))
	if uint64(index) >= uint64(len(m.Funcs)) || uint64(m.Funcs[index]) >= uint64(len(m.Types)) {
		return FuncType{}, false
	}
	return m.Types[m.Funcs[index]], true
}

// Parse reads a module's types, imports, functions, tables, memories, exports and
// start section, and counts what is limited (see [Sizes]) and refuses too much of it. Of
// the other sections it checks that every count and size in them fits, and no more; it
// does not validate the module: a compiler does that. It never panics, whatever the
// input, and takes time and memory in proportion to that.
func Parse(binary []byte) (*Binary, error) {
	if len(binary) < 8 {
		if len(binary) >= 4 && string(binary[:4]) == "\x00asm" {
			return nil, errors.New("the file is truncated: it ends within the 8 bytes of the header; build or copy it again")
		}
		return nil, ErrNotWasm
	}
	if string(binary[:4]) != "\x00asm" {
		return nil, ErrNotWasm
	}
	switch version := string(binary[4:8]); {
	case version == "\x01\x00\x00\x00":
	case version[2] == 1:
		return nil, ErrComponent
	default:
		return nil, fmt.Errorf("unknown binary version % x; version 1 is the one that is supported", version)
	}
	if len(binary) > MaxSize {
		return nil, fmt.Errorf("%d bytes are more than the %d that a module may have", len(binary), MaxSize)
	}
	r := &reader{data: binary, pos: 8}
	m := &Binary{Sizes: Sizes{File: uint64(len(binary))}}
	last := byte(0)
	for r.pos < len(r.data) {
		start := r.pos
		id, err := r.byte()
		if err != nil {
			return nil, err
		}
		size, err := r.u32()
		if err != nil {
			return nil, err
		}
		if uint64(size) > uint64(len(r.data)-r.pos) {
			return nil, fmt.Errorf("the file is truncated: section %d at offset %#x says it has %d bytes, %d are left; build or copy it again", id, start, size, len(r.data)-r.pos)
		}
		end := r.pos + int(size)
		if isRead(id) {
			if id <= last {
				return nil, fmt.Errorf("section %d at offset %#x is out of order or repeated", id, start)
			}
			last = id
		}
		section := &reader{data: r.data[:end], pos: r.pos}
		if err := m.section(id, section); err != nil {
			if u, ok := errors.AsType[*Unsupported](err); ok {
				if u.Function >= 0 {
					u.Name = m.functionName(binary, u.Function)
				}
				return nil, u
			}
			return nil, fmt.Errorf("section %d: %w", id, err)
		}
		if isRead(id) && section.pos != end {
			return nil, fmt.Errorf("section %d: %d bytes too many at offset %#x", id, end-section.pos, section.pos)
		}
		r.pos = end
	}
	for _, t := range m.Funcs {
		if uint64(t) >= uint64(len(m.Types)) {
			return nil, fmt.Errorf("a function has type %d, but there are %d types", t, len(m.Types))
		}
	}
	s := &m.Sizes
	s.Types, s.Imports, s.Functions = uint64(len(m.Types)), uint64(len(m.Imports)), uint64(len(m.Funcs))
	for _, t := range m.Types {
		n := uint64(len(t.Params) + len(t.Results))
		s.TypesSquared += n * n
	}
	s.Tables, s.Exports = uint64(len(m.Tables)), uint64(len(m.Exports))
	if err := s.within(); err != nil {
		return nil, err
	}
	return m, nil
}

// isRead tells which sections are read to their end, in this order, each at most once.
// The rest is custom sections, which may stand anywhere, and the count of data segments.
func isRead(id byte) bool { return id >= 1 && id <= 11 }

func (m *Binary) section(id byte, r *reader) error {
	switch id {
	case 0:
		return r.custom(nil)
	case 12: // the number of data segments
		_, err := r.u32()
		return err
	case 1:
		return r.vector("type", func() error {
			form, err := r.byte()
			if err != nil {
				return err
			}
			if form != 0x60 {
				return unsupported(proposalOfType(form), r.pos-1, "type form %#x", form)
			}
			var t FuncType
			if t.Params, err = r.valueTypes(); err != nil {
				return err
			}
			if t.Results, err = r.valueTypes(); err != nil {
				return err
			}
			m.Types = append(m.Types, t)
			return nil
		})
	case 2:
		return r.vector("import", func() error { return m.importEntry(r) })
	case 3:
		return r.vector("function", func() error {
			t, err := r.u32()
			m.Funcs = append(m.Funcs, t)
			return err
		})
	case 4:
		return r.vector("table", func() error {
			l, err := r.table()
			m.Tables = append(m.Tables, l)
			return err
		})
	case 5:
		return r.vector("memory", func() error {
			at := r.pos
			l, err := r.limits()
			if m.Memories = append(m.Memories, l); len(m.Memories)+m.importedMemories > 1 && err == nil {
				return unsupported(&memories, at, "a second memory")
			}
			return err
		})
	case 6:
		return r.vector("global", func() error {
			m.Sizes.Globals++
			return r.globalVariable()
		})
	case 7:
		return r.vector("export", func() error {
			name, err := r.name()
			if err != nil {
				return err
			}
			kind, err := r.byte()
			if err != nil {
				return err
			}
			if kind == kindTag {
				return unsupported(&exceptions, r.pos-1, "the tag %.80q among the exports", name)
			}
			if kind > byte(Global) {
				return fmt.Errorf("export %.80q has the unknown kind %d at offset %#x", name, kind, r.pos-1)
			}
			index, err := r.u32()
			m.Exports = append(m.Exports, Export{Name: name, Kind: Kind(kind), Index: index})
			return err
		})
	case 8:
		m.HasStart = true
		_, err := r.u32()
		return err
	case 9:
		return r.vector("element segment", func() error {
			m.Sizes.Elements++
			return r.elementSegment(&m.Sizes.ElementEntries)
		})
	case 10:
		s := m.newScanner()
		return r.vector("function bodie", func() error { return r.functionBody(&m.Sizes, s) })
	case 13:
		return unsupported(&exceptions, r.pos, "a section with tags")
	case 11:
		return r.vector("data segment", func() error {
			m.Sizes.DataSegments++
			return r.dataSegment()
		})
	}
	return nil
}

func (m *Binary) importEntry(r *reader) error {
	var imp Import
	var err error
	if imp.Module, err = r.name(); err != nil {
		return err
	}
	if imp.Name, err = r.name(); err != nil {
		return err
	}
	kind, err := r.byte()
	if err != nil {
		return err
	}
	imp.Kind = Kind(kind)
	switch imp.Kind {
	case Func:
		t, err := r.u32()
		if err != nil {
			return err
		}
		if uint64(t) >= uint64(len(m.Types)) {
			return fmt.Errorf("import %.80q.%.80q has type %d, but there are %d types", imp.Module, imp.Name, t, len(m.Types))
		}
		imp.Type = m.Types[t]
		m.imported = append(m.imported, imp.Type)
	case Table:
		imp.Limits, err = r.table()
	case Memory:
		if m.importedMemories++; m.importedMemories > 1 {
			return unsupported(&memories, r.pos-1, "a second memory")
		}
		imp.Limits, err = r.limits()
	case Global:
		if _, err = r.valueType(); err == nil {
			_, err = r.byte()
		}
	case kindTag:
		return unsupported(&exceptions, r.pos-1, "the import %.80q.%.80q of a tag", imp.Module, imp.Name)
	default:
		return fmt.Errorf("import %.80q.%.80q has the unknown kind %d at offset %#x", imp.Module, imp.Name, kind, r.pos-1)
	}
	m.Imports = append(m.Imports, imp)
	return err
}

// reader reads the primitive values of the binary format.
type reader struct {
	data []byte
	pos  int
}

func (r *reader) truncated() error {
	return fmt.Errorf("unexpected end at offset %#x", r.pos)
}

func (r *reader) byte() (byte, error) {
	if r.pos >= len(r.data) {
		return 0, r.truncated()
	}
	b := r.data[r.pos]
	r.pos++
	return b, nil
}

func (r *reader) u32() (uint32, error) {
	v, err := r.uleb(32)
	return uint32(v), err
}

// uleb reads an unsigned LEB128 number of at most the given number of bits.
func (r *reader) uleb(bits uint) (uint64, error) {
	start := r.pos
	var v uint64
	for shift := uint(0); ; shift += 7 {
		b, err := r.byte()
		if err != nil {
			return 0, err
		}
		if left := bits - shift; left < 7 && b>>left != 0 {
			return 0, fmt.Errorf("number at offset %#x does not fit into %d bits", start, bits)
		}
		v |= uint64(b&0x7f) << shift
		if b&0x80 == 0 {
			return v, nil
		}
	}
}

func (r *reader) bytes(n uint32) ([]byte, error) {
	if uint64(n) > uint64(len(r.data)-r.pos) {
		return nil, r.truncated()
	}
	b := r.data[r.pos : r.pos+int(n)]
	r.pos += int(n)
	return b, nil
}

func (r *reader) name() (string, error) {
	start := r.pos
	n, err := r.u32()
	if err != nil {
		return "", err
	}
	b, err := r.bytes(n)
	if err != nil {
		return "", err
	}
	if !utf8.Valid(b) {
		return "", fmt.Errorf("name at offset %#x is not UTF-8", start)
	}
	return string(b), nil
}

func (r *reader) vector(what string, item func() error) error {
	start := r.pos
	n, err := r.u32()
	if err != nil {
		return err
	}
	if n > maxItems {
		return fmt.Errorf("%d %ss at offset %#x are more than the %d that are supported", n, what, start, maxItems)
	}
	for i := uint32(0); i < n; i++ {
		if err := item(); err != nil {
			return err
		}
	}
	return nil
}

func (r *reader) valueType() (byte, error) {
	t, err := r.byte()
	if err != nil {
		return 0, err
	}
	switch t {
	case I32, I64, F32, F64, V128, FuncRef, ExternRef:
		return t, nil
	}
	return 0, unsupported(proposalOfType(t), r.pos-1, "value type %#x", t)
}

func (r *reader) valueTypes() ([]byte, error) {
	var types []byte
	err := r.vector("value type", func() error {
		t, err := r.valueType()
		types = append(types, t)
		return err
	})
	return types, err
}

func (r *reader) table() (Limits, error) {
	t, err := r.byte()
	if err != nil {
		return Limits{}, err
	}
	if t != FuncRef && t != ExternRef {
		p := proposalOfType(t)
		if t == 0x40 { // and what its elements are at the start
			p = &references
		}
		return Limits{}, unsupported(p, r.pos-1, "table element type %#x", t)
	}
	return r.limits()
}

func (r *reader) limits() (Limits, error) {
	flags, err := r.byte()
	if err != nil {
		return Limits{}, err
	}
	if flags > 7 {
		return Limits{}, fmt.Errorf("limits flags %#x at offset %#x are unknown", flags, r.pos-1)
	}
	l := Limits{HasMax: flags&1 != 0, Shared: flags&2 != 0, Is64: flags&4 != 0}
	bits := uint(32)
	if l.Is64 {
		bits = 64
	}
	if l.Min, err = r.uleb(bits); err != nil {
		return Limits{}, err
	}
	if l.HasMax {
		l.Max, err = r.uleb(bits)
	}
	return l, err
}
