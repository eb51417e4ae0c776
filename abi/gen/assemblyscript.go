package main

import (
	"slices"
	"strings"
)

// asConstants is assembly/abi.ts of the SDK for AssemblyScript.
func asConstants(c *contract) ([]byte, error) {
	var g code
	g.line("// %s", note)
	g.line("")
	g.line("// Names and numbers of the guest contract, abi/SPEC.md.")
	g.line("")
	for _, s := range c.Statuses {
		g.line("export const STATUS_%s = %d;", upper(s.Name), s.Number)
	}
	g.line("")
	g.line("/** What the activity has been asked for, as bits of `status()`. They stay set. */")
	g.line("export enum Flag {")
	for _, f := range c.Flags {
		g.line("  /** %s */", sentence(f.Doc))
		g.line("  %s = %d,", pascal(f.Name), f.Bit)
	}
	g.line("}")
	g.line("")
	g.line("/** Why a host module did not answer: the numbers of WASI preview 1. */")
	g.line("export enum Errno {")
	for _, e := range c.Errnos {
		g.line("  /** %s */", sentence(e.Doc))
		g.line("  %s = %d,", e.Name, e.Number)
	}
	g.line("}")
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

// asWASI are the WASI functions that the SDK for AssemblyScript calls. The language has
// no library that calls them.
var asWASI = []string{"clock_time_get", "fd_write", "poll_oneoff", "random_get"}

// asImports is assembly/imports.ts. A module imports only the functions that it calls.
func asImports(c *contract) ([]byte, error) {
	var g code
	g.line("// %s", note)
	g.line("")
	g.line("// The host's functions. A module imports those that it calls.")
	for _, m := range c.activityModules() {
		if m.Grant == "function" {
			continue
		}
		g.line("")
		for _, f := range m.Functions {
			if m.ProvidedBy != "" && !slices.Contains(asWASI, f.Name) {
				continue
			}
			name := f.Name
			if m.passthrough() || m.Name == "log" {
				name = m.Name + "_" + f.Name
			}
			params, out := f.Params, ""
			if m.passthrough() {
				params, out = []param{{Name: "ptr", Kind: "in"}, {Name: "len", Kind: "length"}}, "i64"
			} else {
				out = f.Result.Type
			}
			list := make([]string, len(params))
			for i, p := range params {
				t := wasmTypes[p.Kind]
				if p.pointer() {
					t = "usize"
				}
				list[i] = camel(p.Name) + ": " + t
			}
			g.line("// @ts-ignore: decorator")
			g.line("@external(%q, %q)", m.Import, f.Name)
			g.line("export declare function %s(%s): %s;", name, strings.Join(list, ", "), out)
		}
	}
	return g.text()
}
