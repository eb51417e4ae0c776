package main

import "strings"

const javaSDK = "guest-sdk/java/sdk/src/main/java/dev/wasmworker/"

// javaErrnos is the public class Errno.
func javaErrnos(c *contract) ([]byte, error) {
	var g code
	g.line("// %s", note)
	g.line("package dev.wasmworker;")
	g.line("")
	g.line("/** Error numbers of the host, which are those of WASI preview 1. */")
	g.line("public final class Errno {")
	for _, e := range c.Errnos {
		g.line("    /** %s */", sentence(e.Doc))
		g.line("    public static final int %s = %d;", e.Name, e.Number)
	}
	g.line("")
	g.line("    private Errno() {")
	g.line("    }")
	g.line("}")
	return g.text()
}

// javaConstants is the class Abi, which only the SDK uses.
func javaConstants(c *contract) ([]byte, error) {
	var g code
	g.line("// %s", note)
	g.line("package dev.wasmworker.internal;")
	g.line("")
	g.line("/** Names and numbers of the guest contract, abi/SPEC.md. */")
	g.line("public final class Abi {")
	constant := func(doc, t, name, value string) {
		if doc != "" {
			g.line("    /** %s */", doc)
		}
		g.line("    public static final %s %s = %s;", t, name, value)
	}
	for _, m := range c.activityModules() {
		constant("", "String", "MODULE_"+upper(m.Name), "\""+m.Import+"\"")
	}
	g.line("")
	for _, s := range c.Statuses {
		constant("", "int", "STATUS_"+upper(s.Name), decimal(s.Number))
	}
	g.line("")
	var ends []string
	for _, f := range c.Flags {
		constant(sentence(f.Doc), "int", f.Name, decimal(f.Bit))
		if f.Ends {
			ends = append(ends, f.Name)
		}
	}
	constant("After these an activity has to end.", "int", "FLAGS_END", strings.Join(ends, " | "))
	g.line("")
	for _, l := range c.LogLevels {
		constant("", "int", "LEVEL_"+upper(l.Name), decimal(l.Number))
	}
	g.line("")
	for _, e := range c.Encodings {
		constant("", "String", "ENCODING_"+upper(e.Name), "\""+e.Value+"\"")
	}
	g.line("")
	for _, l := range c.Limits {
		if !l.Configurable {
			constant(sentence(l.Doc), "int", upper(l.Name), grouped(l.Value, "_"))
		}
	}
	g.line("")
	constant("", "String", "CATEGORY_BENIGN", "\""+c.CategoryBenign+"\"")
	g.line("")
	for _, f := range c.FailureTypes {
		constant("", "String", "TYPE_"+upper(f.Name), "\""+f.Name+"\"")
	}
	g.line("")
	g.line("    private Abi() {")
	g.line("    }")
	g.line("}")
	return g.text()
}

// javaImports is the class Imports. A module imports only the functions that it calls.
func javaImports(c *contract) ([]byte, error) {
	var g code
	g.line("// %s", note)
	g.line("package dev.wasmworker.internal;")
	g.line("")
	g.line("import org.teavm.interop.Address;")
	g.line("import org.teavm.interop.Import;")
	g.line("")
	g.line("/** The host's functions. A module imports those that it calls. */")
	g.line("public final class Imports {")
	g.line("    private Imports() {")
	g.line("    }")
	for _, m := range c.activityModules() {
		if m.ProvidedBy != "" || m.Grant == "function" {
			continue
		}
		for _, f := range m.Functions {
			params, out := f.Params, "long"
			if m.passthrough() {
				params = []param{{Name: "request", Kind: "in"}, {Name: "size", Kind: "length"}}
			} else if f.Result.Type == "i32" {
				out = "int"
			}
			list := make([]string, len(params))
			for i, p := range params {
				t := "int"
				if p.pointer() {
					t = "Address"
				}
				list[i] = t + " " + camel(p.Name)
			}
			g.line("")
			g.line("    @Import(module = Abi.MODULE_%s, name = %q)", upper(m.Name), f.Name)
			g.line("    public static native %s %s(%s);", out, m.Name+pascal(f.Name), strings.Join(list, ", "))
		}
	}
	g.line("}")
	return g.text()
}
