package pybundle

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
)

// Sections of a module, and kinds of imports and exports (Core Specification 2.0, 5.5).
const (
	sectionImport = 2
	sectionMemory = 5
	sectionGlobal = 6
	sectionExport = 7
	sectionCount  = 12
	sectionData   = 11

	kindFunction = 0
	kindMemory   = 2
	kindGlobal   = 3

	pageSize = 64 << 10
)

var errTruncated = errors.New("it ends too early")

// section is a section of a module, and what is left of it while it is read.
type section struct {
	id   byte
	body []byte
}

// sectionsOf splits a module.
func sectionsOf(module []byte) ([]section, error) {
	if !bytes.HasPrefix(module, []byte("\x00asm\x01\x00\x00\x00")) {
		return nil, errors.New("it is no WebAssembly module")
	}
	var sections []section
	for r := (reader{rest: module[8:]}); len(r.rest) > 0; {
		id := r.bytes(1)
		body := r.bytes(uint64(r.number()))
		if r.err != nil {
			return nil, r.err
		}
		sections = append(sections, section{id[0], body})
	}
	return sections, nil
}

// moduleOf puts sections together.
func moduleOf(sections []section, size int) []byte {
	module := append(make([]byte, 0, size), "\x00asm\x01\x00\x00\x00"...)
	for _, s := range sections {
		module = append(module, s.id)
		module = append(appendNumber(module, uint32(len(s.body))), s.body...)
	}
	return module
}

// reader reads what sections are made of. After an error everything is zero.
type reader struct {
	rest []byte
	err  error
}

func (r *reader) bytes(n uint64) []byte {
	if r.err != nil || n > uint64(len(r.rest)) {
		r.rest, r.err = nil, errTruncated
		return []byte{0}
	}
	part := r.rest[:n:n]
	r.rest = r.rest[n:]
	return part
}

func (r *reader) byte() byte { return r.bytes(1)[0] }

func (r *reader) number() uint32 {
	value, n := binary.Uvarint(r.rest)
	if n <= 0 || value > 1<<32-1 {
		r.rest, r.err = nil, errTruncated
		return 0
	}
	r.rest = r.rest[n:]
	return uint32(value)
}

func (r *reader) name() string { return string(r.bytes(uint64(r.number()))) }

// constant reads an expression that is one i32.const.
func (r *reader) constant() (uint32, error) {
	if op := r.byte(); op != 0x41 {
		return 0, fmt.Errorf("instruction %#x where i32.const is expected", op)
	}
	var value int64
	for shift := 0; shift < 35; shift += 7 {
		b := r.byte()
		value |= int64(b&0x7f) << shift
		if b < 0x80 {
			if b&0x40 != 0 {
				value |= -1 << (shift + 7)
			}
			break
		}
	}
	if end := r.byte(); r.err == nil && end != 0x0b {
		return 0, errors.New("more than one instruction")
	}
	return uint32(value), r.err
}

func appendNumber(b []byte, n uint32) []byte { return binary.AppendUvarint(b, uint64(n)) }

func appendName(b []byte, name string) []byte {
	return append(appendNumber(b, uint32(len(name))), name...)
}

// appendSigned appends the operand of an i32.const.
func appendSigned(b []byte, n int32) []byte {
	for {
		c := byte(n & 0x7f)
		n >>= 7
		if n == 0 && c&0x40 == 0 || n == -1 && c&0x40 != 0 {
			return append(b, c)
		}
		b = append(b, c|0x80)
	}
}

type imported struct {
	module, name string
	description  []byte
}

func importsOf(body []byte) ([]imported, error) {
	r := reader{rest: body}
	var list []imported
	for n := r.number(); n > 0 && r.err == nil; n-- {
		module, name := r.name(), r.name()
		start := r.rest
		if kind := r.byte(); kind != kindFunction {
			return nil, fmt.Errorf("the import %s %s is no function", module, name)
		}
		r.number()
		list = append(list, imported{module, name, start[:len(start)-len(r.rest)]})
	}
	return list, r.err
}

func appendImports(b []byte, list []imported) []byte {
	b = appendNumber(b, uint32(len(list)))
	for _, i := range list {
		b = append(appendName(appendName(b, i.module), i.name), i.description...)
	}
	return b
}

type exported struct {
	name  string
	kind  byte
	index uint32
}

func exportsOf(body []byte) ([]exported, error) {
	r := reader{rest: body}
	var list []exported
	for n := r.number(); n > 0 && r.err == nil; n-- {
		list = append(list, exported{r.name(), r.byte(), r.number()})
	}
	return list, r.err
}

func appendExports(b []byte, list []exported) []byte {
	b = appendNumber(b, uint32(len(list)))
	for _, e := range list {
		b = appendNumber(append(appendName(b, e.name), e.kind), e.index)
	}
	return b
}
