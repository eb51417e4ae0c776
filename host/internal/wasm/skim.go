package wasm

import "fmt"

// The sections here are skimmed: nothing in them is of interest, but the compiler
// trusts their counts and sizes. A file of thirty bytes, broken or hostile, makes it
// allocate hundreds of gigabytes before it notices that the file is too short, and a
// process does not survive that. So each number is checked here against what is there.

// maxLocals caps the local variables of a function. It is the limit of browsers.
const maxLocals = 50_000

// custom skims a custom section. Of those the compiler reads the one with names. Function,
// if there is one, is told the functions' names.
func (r *reader) custom(function func(index uint32, name string)) error {
	name, err := r.name()
	if err != nil || name != "name" {
		return err
	}
	entry := func() error { // index and name
		if _, err := r.u32(); err != nil {
			return err
		}
		_, err := r.name()
		return err
	}
	for r.pos < len(r.data) {
		id, err := r.byte()
		if err != nil {
			return err
		}
		err = r.sized("subsection", func() error {
			switch id {
			case 0: // of the module
				_, err := r.name()
				return err
			case 1: // of functions
				return r.vector("name", func() error {
					index, err := r.u32()
					if err != nil {
						return err
					}
					name, err := r.name()
					if err == nil && function != nil {
						function(index, name)
					}
					return err
				})
			case 2: // of local variables, by function
				return r.vector("name", func() error {
					if _, err := r.u32(); err != nil {
						return err
					}
					return r.vector("name", entry)
				})
			}
			r.pos = len(r.data)
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

func (r *reader) globalVariable() error {
	if _, err := r.valueType(); err != nil {
		return err
	}
	if _, err := r.byte(); err != nil { // mutable or not
		return err
	}
	return r.constant()
}

// elementSegment skims an element segment. The bits of its flags are: passive or
// declarative; with a table index, or declarative; with expressions instead of function
// indices.
func (r *reader) elementSegment(entries *uint64) error {
	flags, err := r.u32()
	if err != nil {
		return err
	}
	if flags > 7 {
		return fmt.Errorf("element segment flags %#x before offset %#x are unknown", flags, r.pos)
	}
	if flags&1 == 0 {
		if flags&2 != 0 {
			if _, err := r.u32(); err != nil {
				return err
			}
		}
		if err := r.constant(); err != nil {
			return err
		}
	}
	if flags&3 != 0 {
		if _, err := r.byte(); err != nil { // the kind of element
			return err
		}
	}
	if flags&4 != 0 {
		return r.vector("element", func() error {
			*entries++
			return r.constant()
		})
	}
	return r.vector("element", func() error {
		*entries++
		_, err := r.u32()
		return err
	})
}

// functionBody reads the local variables of a function, and scans its code.
func (r *reader) functionBody(sizes *Sizes, s *scanner) error {
	return r.sized("function body", func() error {
		start, locals := r.pos, uint64(0)
		err := r.vector("group of local variable", func() error {
			n, err := r.u32()
			if err != nil {
				return err
			}
			locals += uint64(n)
			_, err = r.valueType()
			return err
		})
		if locals > maxLocals {
			return fmt.Errorf("the function at offset %#x has %d local variables; at most %d are supported", start, locals, maxLocals)
		}
		if err != nil {
			return err
		}
		index := s.imported + s.bodies
		s.bodies++
		of := at(s.funcs, uint32(index))
		code := r.data[r.pos:]
		f := s.scan(code, of)
		if f.unknown >= 0 {
			if p, n := proposalOf(code[f.unknown:]); p != nil { // else the metering names it
				return &Unsupported{fmt.Sprintf("instruction % x", code[f.unknown:f.unknown+n]), r.pos + f.unknown, index, "", *p}
			}
		}
		sizes.Locals += locals
		sizes.add(f, locals+uint64(of.params))
		r.pos = len(r.data)
		return f.within(index)
	})
}

func (r *reader) dataSegment() error {
	flags, err := r.u32()
	if err != nil {
		return err
	}
	switch flags {
	case 0:
		err = r.constant()
	case 1: // passive
	case 2:
		if _, err = r.u32(); err == nil {
			err = r.constant()
		}
	default:
		err = fmt.Errorf("data segment flags %#x before offset %#x are unknown", flags, r.pos)
	}
	if err != nil {
		return err
	}
	n, err := r.u32()
	if err != nil {
		return err
	}
	_, err = r.bytes(n)
	return err
}

// constant skims a constant expression.
func (r *reader) constant() error {
	for {
		op, err := r.byte()
		if err != nil {
			return err
		}
		switch op {
		case 0x0b: // end
			return nil
		case 0x41: // i32.const
			err = r.skipNumber(5)
		case 0x42: // i64.const
			err = r.skipNumber(10)
		case 0x43: // f32.const
			_, err = r.bytes(4)
		case 0x44: // f64.const
			_, err = r.bytes(8)
		case 0x23, 0xd2: // global.get, ref.func
			_, err = r.u32()
		case 0xd0: // ref.null
			_, err = r.byte()
		case 0xfd: // v128.const
			if _, err = r.u32(); err == nil {
				_, err = r.bytes(16)
			}
		case 0x6a, 0x6b, 0x6c, 0x7c, 0x7d, 0x7e: // addition, subtraction and multiplication
			return unsupported(&extended, r.pos-1, "instruction %#x in a constant expression", op)
		case 0xfb:
			return unsupported(&collected, r.pos-1, "instruction %#x in a constant expression", op)
		default:
			err = fmt.Errorf("instruction %#x at offset %#x is not one of a constant expression", op, r.pos-1)
		}
		if err != nil {
			return err
		}
	}
}

// skipNumber skips a LEB128 number of at most so many bytes.
func (r *reader) skipNumber(most int) error {
	start := r.pos
	for range most {
		if b, err := r.byte(); err != nil || b < 0x80 {
			return err
		}
	}
	return fmt.Errorf("number at offset %#x is longer than %d bytes", start, most)
}

// sized reads something that begins with its size, all of it.
func (r *reader) sized(what string, read func() error) error {
	start := r.pos
	size, err := r.u32()
	if err != nil {
		return err
	}
	if uint64(size) > uint64(len(r.data)-r.pos) {
		return fmt.Errorf("%s at offset %#x says it has %d bytes, %d are left", what, start, size, len(r.data)-r.pos)
	}
	outer := r.data
	r.data = outer[:r.pos+int(size)]
	defer func() { r.data = outer }()
	if err := read(); err != nil {
		return err
	}
	if r.pos != len(r.data) {
		return fmt.Errorf("%s at offset %#x: %d bytes too many at offset %#x", what, start, len(r.data)-r.pos, r.pos)
	}
	return nil
}
