package main

import (
	"go/format"
	"path"
	"strings"
)

const goSDK = "guest-sdk/go/"

// goPackages maps passthrough modules to the packages of the SDK for Go that call them,
// where the names differ.
var goPackages = map[string]string{"sql": "database"}

// goSDKConstants is package internal/abi of the SDK for Go.
func goSDKConstants(c *contract) ([]byte, error) {
	var g code
	g.line("// %s", note)
	g.line("")
	g.line("package abi")
	g.line("")
	g.line("import (\n\"encoding/json\"\n\"time\"\n)")
	goShared(&g, c, "int32")
	goErrnos(&g, c, "")
	goLimits(&g, c)
	goFailureTypes(&g, c, true)
	for _, name := range goRecords {
		goRecord(&g, c.record(name))
	}
	return format.Source([]byte(g.String()))
}

// goSDKErrnos is the list of errnos in package passthrough of the SDK for Go.
func goSDKErrnos(c *contract) ([]byte, error) {
	var g code
	g.line("// %s", note)
	g.line("")
	g.line("package passthrough")
	goErrnos(&g, c, "Errno")
	goErrnoNames(&g, c)
	return format.Source([]byte(g.String()))
}

// goSDKImports writes the declarations of the functions of modules that need no grant.
func goSDKImports(c *contract) ([]byte, error) {
	var g code
	g.line("// %s", note)
	g.line("")
	g.line("package host")
	g.line("")
	g.line("import \"unsafe\"")
	for _, name := range []string{"activity", "workflow", "log"} {
		m := c.module(name)
		for _, f := range m.Functions {
			goImport(&g, m, f, name+pascal(f.Name), f.Params, f.Result)
		}
	}
	return format.Source([]byte(g.String()))
}

func goImport(g *code, m module, f function, name string, params []param, r *result) {
	list, pointers := make([]string, len(params)), false
	for i, p := range params {
		t := "uint32"
		switch {
		case p.pointer():
			t, pointers = "unsafe.Pointer", true
		case p.Kind == "index" || p.Kind == "level":
			t = "int32"
		}
		list[i] = camel(p.Name) + " " + t
	}
	out := map[string]string{"i32": "int32", "i64": "int64"}[r.Type]
	if r.Type == "i32" && r.Kind == "flags" {
		out = "uint32"
	}
	g.line("")
	g.line("//go:wasmimport %s %s", m.Import, f.Name)
	if pointers {
		g.line("//go:noescape")
	}
	g.line("func %s(%s) %s", name, strings.Join(list, ", "), out)
}

// goPassthroughFiles returns, for each package that calls a passthrough module, the file
// with its imports, and the file that replaces them in other builds.
func goPassthroughFiles(c *contract) (map[string][]byte, error) {
	files := map[string][]byte{}
	for _, m := range c.Modules {
		if !m.passthrough() {
			continue
		}
		name := m.Name
		if other, ok := goPackages[name]; ok {
			name = other
		}
		var guest, native code
		guest.line("// %s", note)
		guest.line("")
		guest.line("package %s", name)
		guest.line("")
		guest.line("import \"unsafe\"")
		native.line("// %s", note)
		native.line("")
		native.line("//go:build !wasip1")
		native.line("")
		native.line("package %s", name)
		native.line("")
		native.line("import \"github.com/wasmworker/wasmworker/guest-sdk/go/internal/host\"")
		native.line("")
		native.line("// Outside of a WebAssembly build, tests say what answers: see testsuite.SetPassthrough.")
		native.line("var (")
		for _, f := range m.Functions {
			guest.line("")
			guest.line("//go:wasmimport %s %s", m.Import, f.Name)
			guest.line("func host%s(req unsafe.Pointer, n uint32) int64", pascal(f.Name))
			native.line("host%s = host.Import(%q, %q)", pascal(f.Name), m.Import, f.Name)
		}
		native.line(")")
		for file, g := range map[string]*code{"import_wasip1.go": &guest, "import_native.go": &native} {
			text, err := format.Source([]byte(g.String()))
			if err != nil {
				return nil, err
			}
			files[path.Join(goSDK, "passthrough", name, file)] = text
		}
	}
	return files, nil
}
