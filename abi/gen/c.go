package main

import "strings"

// cConstants is include/wasmworker_abi.h of the SDK for C and C++. wasmworker.h includes
// it where its macros are defined.
func cConstants(c *contract) ([]byte, error) {
	var g code
	g.line("// %s", note)
	g.line("//")
	g.line("// Names, numbers and imports of the guest contract, abi/SPEC.md.")
	g.line("// wasmworker.h includes this file.")
	g.line("")
	g.line("#ifndef WASMWORKER_ABI_H")
	g.line("#define WASMWORKER_ABI_H")
	g.line("")
	g.line("// How an activity ends.")
	g.line("typedef enum ww_status {")
	for _, s := range c.Statuses {
		// The name in C is British, as in all SDKs but that for Go.
		name := strings.ToUpper(s.Name)
		if name == "CANCELED" {
			name = "CANCELLED"
		}
		g.comment("    //", sentence(s.Doc))
		g.line("    WW_%s = %d,", name, s.Number)
	}
	g.line("} ww_status;")
	g.line("")
	g.line("// What is asked of the activity.")
	g.line("enum {")
	var ends []string
	for _, f := range c.Flags {
		g.comment("    //", sentence(f.Doc))
		g.line("    WW_%s = %d,", f.Name, f.Bit)
		if f.Ends {
			ends = append(ends, "WW_"+f.Name)
		}
	}
	g.line("};")
	g.line("// A guest that goes on after one of these is interrupted.")
	g.line("#define WW_FLAGS_END (%s)", strings.Join(ends, " | "))
	g.line("")
	g.line("// Levels of log records, as in Go's slog.")
	g.line("enum {")
	for _, l := range c.LogLevels {
		name := map[string]string{"warning": "WARN"}[l.Name]
		if name == "" {
			name = strings.ToUpper(l.Name)
		}
		g.line("    WW_%s = %d,", name, l.Number)
	}
	g.line("};")
	g.line("")
	g.comment("//", "Why a host module did not answer. The numbers are those of <errno.h> in WASI's C "+
		"library, but not of other systems.")
	g.line("enum {")
	for _, e := range c.Errnos {
		g.line("    WW_%s = %d, // %s", e.Name, e.Number, e.Doc)
	}
	g.line("};")
	g.line("#define WW_ERRNO_CASES_ \\")
	for i, e := range c.Errnos {
		end := " \\"
		if i == len(c.Errnos)-1 {
			end = ""
		}
		g.line("    case WW_%s: return %q;%s", e.Name, e.Name, end)
	}
	g.line("")
	for _, e := range c.Encodings {
		g.line("#define WW_ENCODING_%s %q", upper(e.Name), e.Value)
	}
	g.line("#define WW_CATEGORY_BENIGN %q", c.CategoryBenign)
	g.line("")
	for _, l := range c.Limits {
		if !l.Configurable {
			g.line("#define WW_%s %du // %s", upper(l.Name), l.Value, plain(l.Doc))
		}
	}
	g.line("")
	g.line("// Types of failures.")
	for _, f := range c.FailureTypes {
		g.line("#define WW_TYPE_%s %q", upper(f.Name), f.Name)
	}
	for _, m := range c.activityModules() {
		if m.ProvidedBy != "" || m.Grant == "function" {
			continue
		}
		g.line("")
		for _, f := range m.Functions {
			cImport(&g, m, f)
		}
	}
	g.line("")
	g.line("#endif // WASMWORKER_ABI_H")
	return g.text()
}

func cImport(g *code, m module, f function) {
	params, out, prefix := f.Params, "", ""
	if m.passthrough() {
		params, out = []param{{Name: "request", Kind: "in"}, {Name: "len", Kind: "length"}}, "int64_t"
	} else {
		out = map[string]string{"i32": "int32_t", "i64": "int64_t"}[f.Result.Type]
	}
	if m.Name != "activity" {
		prefix = m.Name + "_"
	}
	list := make([]string, len(params))
	for i, p := range params {
		t := "uint32_t "
		switch p.Kind {
		case "in":
			t = "const void *"
		case "out":
			t = "void *"
		case "level":
			t = "int32_t "
		}
		list[i] = t + p.Name
	}
	if len(list) == 0 {
		list = []string{"void"}
	}
	g.line("WW_IMPORT_(%q, %q)", m.Import, f.Name)
	g.line("%s ww_host_%s%s(%s);", out, prefix, f.Name, strings.Join(list, ", "))
}
