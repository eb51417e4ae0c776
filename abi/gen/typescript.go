package main

import (
	"slices"
	"strings"
)

const tsSDK = "guest-sdk/typescript/"

// tsConstants is src/internal/abi.js of the SDK for TypeScript.
func tsConstants(c *contract) ([]byte, error) {
	var g code
	g.line("// %s", note)
	g.line("")
	g.line("// Names and numbers of the guest contract, abi/SPEC.md.")
	g.line("")
	g.line("/** Error numbers of WASI preview 1. */")
	g.line("export const Errno = Object.freeze({")
	for _, e := range c.Errnos {
		g.line("  %s: %d, // %s", e.Name, e.Number, e.Doc)
	}
	g.line("});")
	g.line("")
	for _, s := range c.Statuses {
		// Temporal's SDK for TypeScript has this spelling.
		g.line("export const %s = %d;", strings.Replace(upper(s.Name), "CANCELED", "CANCELLED", 1), s.Number)
	}
	g.line("")
	var ends []string
	for _, f := range c.Flags {
		g.line("/** %s */", sentence(f.Doc))
		g.line("export const %s = %d;", f.Name, f.Bit)
		if f.Ends {
			ends = append(ends, f.Name)
		}
	}
	g.line("/** After these an activity has to end. */")
	g.line("export const FLAGS_END = %s;", strings.Join(ends, " | "))
	g.line("")
	for _, l := range c.LogLevels {
		g.line("export const LEVEL_%s = %d;", upper(l.Name), l.Number)
	}
	g.line("")
	for _, e := range c.Encodings {
		g.line("export const ENCODING_%s = %q;", upper(e.Name), e.Value)
	}
	g.line("")
	for _, l := range c.Limits {
		if !l.Configurable {
			g.line("/** %s */", sentence(l.Doc))
			g.line("export const %s = %d;", upper(l.Name), l.Value)
		}
	}
	g.line("")
	g.line("export const CATEGORY_BENIGN = %q;", c.CategoryBenign)
	g.line("")
	for _, f := range c.FailureTypes {
		g.line("export const TYPE_%s = %q;", upper(f.Name), f.Name)
	}
	return g.text()
}

// tsErrnos declares the errnos for the SDK's users.
func tsErrnos(c *contract) ([]byte, error) {
	var g code
	g.line("// %s", note)
	g.line("")
	g.line("/** The numbers that host modules use: those of WASI preview 1. */")
	g.line("export declare const Errno: Readonly<{")
	for _, e := range c.Errnos {
		g.line("  /** %s */", sentence(e.Doc))
		g.line("  %s: number;", e.Name)
	}
	g.line("}>;")
	return g.text()
}

// tsWASI are the WASI functions that the shim calls.
var tsWASI = []string{"environ_get", "environ_sizes_get", "fd_write", "poll_oneoff", "random_get"}

// tsImports returns the declarations of the host functions that the shim imports.
func tsImports(c *contract) ([]byte, error) {
	var g code
	g.line("// %s", note)
	g.line("")
	g.line("// The types of the host's functions, as WebAssembly's text has them.")
	for _, m := range c.Modules {
		if m.Grant != "never" {
			continue
		}
		g.line("")
		g.line("export const %s = {", strings.ToUpper(m.Name))
		g.line("  module: %q,", m.Import)
		g.line("  functions: {")
		for _, f := range m.Functions {
			if m.ProvidedBy == "" || slices.Contains(tsWASI, f.Name) {
				g.line("    %s: %q,", f.Name, wat(f))
			}
		}
		g.line("  },")
		g.line("};")
	}
	g.line("")
	g.line("/** The type of each function of a passthrough module. */")
	g.line("export const PASSTHROUGH_TYPE = %q;", wat(passthroughType))
	return g.text()
}

// wat returns a function's type in WebAssembly's text format.
func wat(f function) string {
	var parts []string
	if len(f.Params) > 0 {
		types := make([]string, len(f.Params))
		for i, p := range f.Params {
			types[i] = wasmTypes[p.Kind]
		}
		parts = append(parts, "(param "+strings.Join(types, " ")+")")
	}
	if f.Result != nil {
		parts = append(parts, "(result "+f.Result.Type+")")
	}
	return strings.Join(parts, " ")
}
