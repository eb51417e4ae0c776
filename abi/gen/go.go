package main

import (
	"go/format"
	"slices"
	"strings"
)

// goConstants is abi/generated.go.
func goConstants(c *contract) ([]byte, error) {
	var g code
	g.line("// %s", note)
	g.line("")
	g.line("package abi")
	g.line("")
	g.line("import (\n\"encoding/json\"\n\"time\"\n)")
	g.line("")
	g.line("// Import names of the host modules.")
	g.line("const (")
	for _, m := range c.Modules {
		g.line("Module%s = %q", goModule(m), m.Import)
	}
	g.line(")")
	g.line("")
	g.line("// PassthroughType is the type of each function of a passthrough module.")
	g.line("const PassthroughType = %q", passthroughType.signature())
	g.line("")
	g.line("// Names of exports with a meaning of their own.")
	g.line("const (")
	for _, e := range c.Exports {
		g.line("Export%s = %q // %s", e.Name, e.Export, e.Doc)
	}
	g.line(")")
	goShared(&g, c, "Status")
	goErrnos(&g, c, "Errno")
	goErrnoNames(&g, c)
	goLimits(&g, c)
	goFailureTypes(&g, c, false)
	for _, name := range slices.Concat(goRecords, goWorkflowRecords) {
		goRecord(&g, c.record(name))
	}
	return format.Source([]byte(g.String()))
}

// goModule returns the Go name of a module, such as HTTP.
func goModule(m module) string {
	switch m.Name {
	case "http", "sql", "wasi":
		return strings.ToUpper(m.Name)
	}
	return pascal(m.Name)
}

// goShared writes the declarations that package abi and the SDK for Go share. Each has
// its own type of statuses.
func goShared(g *code, c *contract, statusType string) {
	g.line("")
	g.line("// The statuses of version %d. Any other is a protocol error.", c.Version)
	g.line("const (")
	for _, s := range c.Statuses {
		g.line("Status%s %s = %d", pascal(s.Name), statusType, s.Number)
	}
	g.line(")")
	g.line("")
	g.line("// The flags of version %d.", c.Version)
	g.line("const (")
	var ends []string
	for _, f := range c.Flags {
		g.comment("//", sentence(f.Doc))
		g.line("Flag%s Flags = %d", pascal(f.Name), f.Bit)
		if f.Ends {
			ends = append(ends, "Flag"+pascal(f.Name))
		}
	}
	g.line(")")
	g.line("")
	g.line("// FlagsEnd are the flags after which a guest is expected to return. A guest that does not is")
	g.line("// interrupted when its grace period is over.")
	g.line("const FlagsEnd = %s", strings.Join(ends, " | "))
	g.line("")
	g.line("// MetadataEncoding is the name of an encoding in the metadata of a payload.")
	g.line("const MetadataEncoding = %q", c.MetadataEncoding)
	g.line("")
	g.line("// Encodings that the contract knows. The host passes all others on.")
	g.line("const (")
	for _, e := range c.Encodings {
		g.line("Encoding%s = %q // %s", e.Name, e.Value, e.Doc)
	}
	g.line(")")
	g.line("")
	g.line("// CategoryBenign marks a failure that Temporal neither counts nor logs as an error.")
	g.line("const CategoryBenign = %q", c.CategoryBenign)
}

func goErrnos(g *code, c *contract, errnoType string) {
	g.line("")
	g.line("// The error numbers that host functions return.")
	g.line("const (")
	for _, e := range c.Errnos {
		g.line("%s %s = %d // %s", e.Name, errnoType, e.Number, e.Doc)
	}
	g.line(")")
}

func goErrnoNames(g *code, c *contract) {
	g.line("")
	g.line("var errnoNames = map[Errno]string{")
	for _, e := range c.Errnos {
		g.line("%s: %q,", e.Name, e.Name)
	}
	g.line("}")
}

func goLimits(g *code, c *contract) {
	for _, configurable := range []bool{false, true} {
		g.line("")
		prefix := ""
		if configurable {
			g.line("// Defaults of the limits that an operator can change.")
			prefix = "Default"
		} else {
			g.line("// Limits of version %d that are not configurable.", c.Version)
		}
		g.line("const (")
		for _, l := range c.Limits {
			if l.Configurable != configurable {
				continue
			}
			text := l.Doc
			if l.Unit != "" {
				text = l.Unit + ": " + text
			}
			value := grouped(l.Value, "_")
			if l.Unit == "bytes" {
				value = shift(l.Value)
			}
			g.line("%s%s = %s // %s", prefix, l.Name, value, plain(text))
		}
		g.line(")")
	}
}

// goFailureTypes writes the failure types that the host reports, and for an SDK also
// those of the SDKs.
func goFailureTypes(g *code, c *contract, sdk bool) {
	g.line("")
	g.line("// Types of the failures that the host itself reports, in place of a guest that could not.")
	g.line("// docs/errors.md explains each.")
	g.line("const (")
	for _, f := range c.FailureTypes {
		if f.By != "" && !sdk {
			continue
		}
		retried := "not retryable"
		if f.Retryable {
			retried = "retryable"
		}
		g.line("Type%s = %q // %s", f.Name, f.Name, retried)
	}
	g.line(")")
}

// goRecords are the records for which package abi and the SDK for Go have types. The
// heads of passthrough modules are decoded into types of their own packages.
var goRecords = []string{"Info", "RetryPolicy", "Priority", "Failure"}

// goWorkflowRecords are those of workflows, for which package abi alone has types.
var goWorkflowRecords = []string{
	"WorkflowActivation", "WorkflowHistory", "WorkflowJob", "WorkflowInfo", "WorkflowExecution", "WorkflowPayload", "WorkflowSearchAttribute",
	"WorkflowFailure", "WorkflowCommands", "WorkflowCommand", "WorkflowOptions", "WorkflowHandler",
}

func goRecord(g *code, r *record) {
	g.line("")
	g.line("// %s is %s.", r.Name, r.Doc)
	g.line("type %s struct {", r.Name)
	for _, f := range r.Fields {
		omit := ",omitempty"
		if f.Type == "time" || strings.HasPrefix(f.Type, "[2]") {
			omit = ",omitzero"
		}
		if f.Required {
			omit = ""
		}
		g.line("%s %s `json:\"%s%s\"`", goName(f), goType(f.Type), f.Name, omit)
	}
	g.line("}")
}

func goType(t string) string {
	if rest, ok := strings.CutPrefix(t, "[]"); ok {
		return "[]" + goType(rest)
	}
	if rest, ok := strings.CutPrefix(t, "[2]"); ok {
		return "[2]" + goType(rest)
	}
	if rest, ok := strings.CutPrefix(t, "map[string]"); ok {
		return "map[string]" + goType(rest)
	}
	switch t {
	case "milliseconds":
		return "Milliseconds"
	case "time":
		return "time.Time"
	case "json":
		return "json.RawMessage"
	}
	if scalars[t] {
		return t
	}
	return "*" + t
}
