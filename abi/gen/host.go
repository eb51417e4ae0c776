package main

import (
	"go/format"
	"strings"
)

// hostSignatures is package passthrough's list of the functions that guests may import,
// and of those that passthrough modules answer.
func hostSignatures(c *contract) ([]byte, error) {
	var g code
	g.line("// %s", note)
	g.line("")
	g.line("package passthrough")
	g.line("")
	g.line("import \"github.com/wasmworker/wasmworker/abi\"")
	g.line("")
	g.line("// always has the functions that every guest may import, with their types.")
	g.line("var always = map[string]map[string]string{")
	for _, m := range c.Modules {
		if m.passthrough() || m.ProvidedBy != "" {
			continue
		}
		g.line("abi.Module%s: {", goModule(m))
		for _, f := range m.Functions {
			g.line("%q: %q,", f.Name, f.signature())
		}
		g.line("},")
	}
	g.line("}")
	g.line("")
	g.line("// extismFunctions are the functions of Extism's host module that are not always available:")
	g.line("// the passthrough module, and its function, that answer them.")
	g.line("var extismFunctions = map[string]struct{ module, function string }{")
	for _, f := range c.module("extism").Functions {
		if module, function, ok := strings.Cut(f.AnsweredBy, " "); ok {
			g.line("%q: {%q, %q},", f.Name, module, function)
		}
	}
	g.line("}")
	return format.Source([]byte(g.String()))
}

// hostModules is the list of the functions of passthrough modules. A test checks that the
// modules have them.
func hostModules(c *contract) ([]byte, error) {
	var g code
	g.line("// %s", note)
	g.line("")
	g.line("package conformance")
	g.line("")
	g.line("import \"github.com/wasmworker/wasmworker/abi\"")
	g.line("")
	g.line("// contractModules has the functions of the passthrough modules of the contract.")
	g.line("var contractModules = map[string][]string{")
	for _, m := range c.Modules {
		if !m.passthrough() {
			continue
		}
		g.line("abi.Module%s: {", goModule(m))
		for _, f := range m.Functions {
			g.line("%q,", f.Name)
		}
		g.line("},")
	}
	g.line("}")
	return format.Source([]byte(g.String()))
}

// hostPointers is the list of pointer parameters, for the tests of hostile pointers.
func hostPointers(c *contract) ([]byte, error) {
	var g code
	g.line("// %s", note)
	g.line("")
	g.line("package sandbox_test")
	g.line("")
	g.line("import \"github.com/wasmworker/wasmworker/abi\"")
	g.line("")
	g.line("// contractFunctions has the type of each function that a native module may import, and the")
	g.line("// pointers among its parameters.")
	g.line("var contractFunctions = map[string]contractFunction{")
	for _, m := range c.Modules {
		if m.Grant != "never" {
			continue
		}
		for _, f := range m.Functions {
			g.line("abi.Module%s + %q: {%q, []contractPointer{", goModule(m), " "+f.Name, f.signature())
			for i, p := range f.Params {
				if p.pointer() {
					g.line("{%d, %d, %s, %d},", i, sizeOf(f, i), useOf(f, i), p.Size)
				}
			}
			g.line("}},")
		}
	}
	g.line("}")
	return format.Source([]byte(g.String()))
}

// sizeOf returns the index of the parameter with the size of the memory behind a pointer,
// or -1.
func sizeOf(f function, pointer int) int {
	for i := pointer + 1; i < len(f.Params); i++ {
		switch kind := f.Params[i].Kind; {
		case kind == "length" || kind == "capacity":
			return i
		case kind == "count":
			return i
		case kind == "out" || kind == "in":
			return -1
		}
	}
	return -1
}

// useOf returns how much of the memory behind a pointer a function uses.
func useOf(f function, pointer int) string {
	p := f.Params[pointer]
	size := sizeOf(f, pointer)
	switch {
	case p.Kind == "array":
		return "usesArray"
	case size < 0:
		return "usesFixed"
	case f.Params[size].Kind == "length":
		return "usesAll"
	case f.Result.Kind == "copied":
		return "usesPieces"
	}
	return "usesValue"
}
