package main

import (
	"math/bits"
	"strings"
)

// zigConstants is src/contract.zig of the SDK for Zig.
func zigConstants(c *contract) ([]byte, error) {
	var g code
	g.line("// %s", note)
	g.line("")
	g.line("//! Names, numbers and imports of the guest contract, abi/SPEC.md.")
	g.line("")
	g.line("const abi = @import(\"abi.zig\");")
	g.line("")
	for _, m := range c.activityModules() {
		if m.ProvidedBy == "" && m.Grant != "function" {
			g.line("pub const module_%s = %q;", m.Name, m.Import)
		}
	}
	g.line("")
	for _, s := range c.Statuses {
		g.line("pub const status_%s = %d;", s.Name, s.Number)
	}
	g.line("")
	g.line("/// What is asked of the running attempt. Flags stay set once they are.")
	g.line("pub const Status = packed struct(u32) {")
	top := 0
	for _, f := range c.Flags {
		g.line("    /// %s", sentence(f.Doc))
		g.line("    %s: bool = false,", strings.ToLower(f.Name))
		top = bits.Len(uint(f.Bit))
	}
	g.line("    _: u%d = 0,", 32-top)
	g.line("")
	g.line("    /// Whether any flag is set, that of a stopping worker included.")
	g.line("    pub const shouldStop = abi.shouldStop;")
	g.line("};")
	g.line("")
	for _, l := range c.LogLevels {
		g.line("pub const level_%s = %d;", l.Name, l.Number)
	}
	g.line("")
	for _, e := range c.Encodings {
		g.line("pub const encoding_%s = %q;", snake(e.Name), e.Value)
	}
	g.line("")
	for _, l := range c.Limits {
		if !l.Configurable {
			g.line("/// %s", sentence(l.Doc))
			g.line("pub const %s = %s;", snake(l.Name), grouped(l.Value, "_"))
		}
	}
	g.line("")
	for _, f := range c.FailureTypes {
		g.line("pub const type_%s = %q;", snake(f.Name), f.Name)
	}
	g.line("")
	g.comment("///", "Why a host function refused: the error numbers of WASI preview 1. "+
		"`@tagName` is for the named ones only; a host module may use others.")
	g.line("pub const Errno = enum(u16) {")
	for _, e := range c.Errnos {
		name := e.Name[1:]
		if name[0] >= '0' && name[0] <= '9' {
			name = "@\"" + name + "\""
		}
		g.line("    /// %s", sentence(e.Doc))
		g.line("    %s = %d,", name, e.Number)
	}
	g.line("    _,")
	g.line("")
	g.line("    /// The number in a host function's negative result.")
	g.line("    pub const fromResult = abi.errnoFromResult;")
	g.line("    /// Prints the name as C has it, such as `EACCES`.")
	g.line("    pub const format = abi.formatErrno;")
	g.line("};")
	for _, m := range c.activityModules() {
		if m.Grant == "never" && m.ProvidedBy == "" {
			zigImports(&g, m)
		}
	}
	return g.text()
}

func zigImports(g *code, m module) {
	g.line("")
	g.line("pub const %s = struct {", m.Name)
	for _, f := range m.Functions {
		params := make([]string, len(f.Params))
		for i, p := range f.Params {
			t := "u32"
			switch p.Kind {
			case "in":
				t = "[*]const u8"
			case "out":
				t = "[*]u8"
			case "length", "capacity", "offset":
				t = "usize"
			case "level":
				t = "i32"
			}
			params[i] = p.Name + ": " + t
		}
		out := f.Result.Type
		if out == "i32" {
			out = "u32"
		}
		g.line("    pub extern %q fn %s(%s) %s;", m.Import, f.Name, strings.Join(params, ", "), out)
	}
	g.line("};")
}
