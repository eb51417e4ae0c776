package main

import (
	"fmt"
	"strings"
)

// rustConstants is src/abi.rs of the SDK for Rust.
func rustConstants(c *contract) ([]byte, error) {
	var g code
	g.line("// %s", note)
	g.line("")
	g.line("//! Names, numbers and imports of the guest contract, abi/SPEC.md.")
	g.line("")
	g.line("#![allow(dead_code, reason = \"it has all of the contract\")]")
	g.line("")
	g.line("use crate::passthrough::Errno;")
	g.line("")
	for _, s := range c.Statuses {
		g.line("pub(crate) const STATUS_%s: i32 = %d;", upper(s.Name), s.Number)
	}
	g.line("")
	var ends []string
	for _, f := range c.Flags {
		g.line("/// %s", sentence(f.Doc))
		g.line("pub(crate) const %s: u32 = %d;", f.Name, f.Bit)
		if f.Ends {
			ends = append(ends, f.Name)
		}
	}
	g.line("/// After these the activity has to end.")
	g.line("pub(crate) const FLAGS_END: u32 = %s;", strings.Join(ends, " | "))
	g.line("")
	for _, l := range c.LogLevels {
		g.line("pub(crate) const LEVEL_%s: i32 = %d;", upper(l.Name), l.Number)
	}
	g.line("")
	g.line("pub(crate) const METADATA_ENCODING: &str = %q;", c.MetadataEncoding)
	for _, e := range c.Encodings {
		g.line("pub(crate) const ENCODING_%s: &str = %q;", upper(e.Name), e.Value)
	}
	g.line("")
	for _, l := range c.Limits {
		if !l.Configurable {
			g.line("/// %s", sentence(l.Doc))
			g.line("pub(crate) const %s: usize = %s;", upper(l.Name), grouped(l.Value, "_"))
		}
	}
	g.line("")
	g.line("pub(crate) const CATEGORY_BENIGN: &str = %q;", c.CategoryBenign)
	g.line("")
	for _, f := range c.FailureTypes {
		g.line("pub(crate) const TYPE_%s: &str = %q;", upper(f.Name), f.Name)
	}
	g.line("")
	g.line("impl Errno {")
	for _, e := range c.Errnos {
		g.line("    /// %s", sentence(e.Doc))
		g.line("    pub const %s: Errno = Errno(%d);", e.Name, e.Number)
	}
	g.line("")
	g.line("    pub(crate) fn name(self) -> Option<&'static str> {")
	g.line("        match self {")
	for _, e := range c.Errnos {
		g.line("            Errno::%s => Some(%q),", e.Name, e.Name)
	}
	g.line("            _ => None,")
	g.line("        }")
	g.line("    }")
	g.line("}")
	for _, m := range c.Modules {
		switch {
		case m.passthrough():
			rustPassthrough(&g, m)
		case m.Name == "activity" || m.Name == "workflow" || m.Name == "log":
			rustImports(&g, m)
		}
	}
	return g.text()
}

// rustImports writes the declarations of the functions of a module that needs no grant.
// Functions without pointers are safe to call.
func rustImports(g *code, m module) {
	g.line("")
	g.line("#[cfg(target_family = \"wasm\")]")
	g.line("#[allow(unsafe_code, reason = \"of the imports\")]")
	g.line("pub(crate) mod %s {", m.Name)
	pointers := false
	for _, f := range m.Functions {
		for _, p := range f.Params {
			pointers = pointers || p.Kind == "out"
		}
	}
	if pointers {
		g.line("    use std::mem::MaybeUninit;")
		g.line("")
	}
	g.line("    #[link(wasm_import_module = %q)]", m.Import)
	g.line("    unsafe extern \"C\" {")
	for _, f := range m.Functions {
		safe := "safe "
		params := make([]string, len(f.Params))
		for i, p := range f.Params {
			t := "u32"
			switch p.Kind {
			case "in":
				t, safe = "*const u8", ""
			case "out":
				t, safe = "*mut MaybeUninit<u8>", ""
			case "length", "capacity":
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
		g.line("        pub(crate) %sfn %s(%s) -> %s;", safe, f.Name, strings.Join(params, ", "), out)
	}
	g.line("    }")
	g.line("}")
}

func rustPassthrough(g *code, m module) {
	g.line("")
	g.line("#[allow(unsafe_code, reason = \"of the imports\")]")
	g.line("pub(crate) mod %s {", m.Name)
	g.line("    crate::passthrough! {")
	g.line("        %q {", m.Import)
	for _, f := range m.Functions {
		g.line("            pub(crate) fn %s(request: &[u8]) -> crate::passthrough::Result<Vec<u8>>;", f.Name)
	}
	g.line("        }")
	g.line("    }")
	g.line("}")
}

// sentence returns a description as a sentence, with a capital letter and a full stop.
func sentence(doc string) string {
	doc = plain(doc)
	return fmt.Sprintf("%s%s.", strings.ToUpper(doc[:1]), doc[1:])
}
