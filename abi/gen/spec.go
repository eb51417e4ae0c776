package main

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// marks matches a table between two comments. The first comment names the table: "<!--
// abi.json: errnos -->". The second is "<!-- end -->". The table is written anew with the
// indentation of the comments.
var marks = regexp.MustCompile(`(?ms)^( *)<!-- abi\.json: ([A-Za-z_ ]+) -->\n(.*?)^ *<!-- end -->\n`)

// fillTables returns a Markdown file with its tables made from abi.json.
func fillTables(c *contract, path, text string) ([]byte, error) {
	var problem error
	text = marks.ReplaceAllStringFunc(text, func(found string) string {
		m := marks.FindStringSubmatch(found)
		indent, name := m[1], m[2]
		table, err := tableOf(c, name)
		if err != nil {
			problem = fmt.Errorf("%s: %w", path, err)
			return found
		}
		var b strings.Builder
		fmt.Fprintf(&b, "%s<!-- abi.json: %s -->\n", indent, name)
		for line := range strings.Lines(table) {
			b.WriteString(indent + strings.ReplaceAll(line, "|  |", "| |"))
		}
		fmt.Fprintf(&b, "%s<!-- end -->\n", indent)
		return b.String()
	})
	if n := strings.Count(text, "<!-- abi.json:"); problem == nil && n != len(marks.FindAllString(text, -1)) {
		problem = fmt.Errorf("%s: a table has no end", path)
	}
	if problem != nil {
		return nil, problem
	}
	if path != "abi/SPEC.md" {
		return []byte(text), nil
	}
	for _, name := range errnoNames.FindAllStringSubmatch(text, -1) {
		if !slices.ContainsFunc(c.Errnos, func(e errno) bool { return e.Name == name[1] }) {
			return nil, fmt.Errorf("%s names %s, which is no errno of abi.json", path, name[1])
		}
	}
	return []byte(text), nil
}

// tableOf returns a table by its name.
func tableOf(c *contract, name string) (string, error) {
	kind, rest, _ := strings.Cut(name, " ")
	switch kind {
	case "functions":
		name, group, _ := strings.Cut(rest, " ")
		if !slices.ContainsFunc(c.Modules, func(m module) bool { return m.Name == name }) {
			return "", fmt.Errorf("there is no module %s", name)
		}
		return functionTable(c, c.module(name), group)
	case "heads":
		f := c.module(rest).Functions[0]
		return fmt.Sprintf("\n    request   %s\n    response  %s\n\n", inline(c.record(f.Request.Head)), inline(c.record(f.Response.Head))), nil
	case "record":
		r := c.record(rest)
		if r == nil {
			return "", fmt.Errorf("there is no record %s", rest)
		}
		return exampleBlock(c, r), nil
	}
	tables := map[string]func(*contract) string{
		"statuses": statusTable, "flags": flagTable, "errnos": errnoTable, "limits": limitTable,
		"failure_types": failureTable, "flags_that_end": endingFlags,
	}
	if make, ok := tables[name]; ok {
		return make(c), nil
	}
	return "", fmt.Errorf("there is no table %q", name)
}

func functionTable(c *contract, m module, group string) (string, error) {
	var b strings.Builder
	if m.passthrough() {
		b.WriteString("| function | request | response |\n|---|---|---|\n")
		for i := 0; i < len(m.Functions); i++ {
			f := m.Functions[i]
			names := "`" + f.Name + "`"
			// Neighboring functions that differ only in their names share a row.
			for i+1 < len(m.Functions) && *m.Functions[i+1].Request == *f.Request && *m.Functions[i+1].Response == *f.Response && f.Request.Head != "" {
				i++
				names += ", `" + m.Functions[i].Name + "`"
			}
			fmt.Fprintf(&b, "| %s | %s | %s |\n", names, c.cell(f.Request), c.cell(f.Response))
		}
		return b.String(), nil
	}
	b.WriteString("| function | type | |\n|---|---|---|\n")
	n := 0
	for _, f := range m.Functions {
		if group != "" && f.Group != group {
			continue
		}
		n++
		names := make([]string, len(f.Params))
		for i, p := range f.Params {
			names[i] = p.Name
		}
		fmt.Fprintf(&b, "| `%s` | `(%s) -> %s` | %s |\n", f.Name, strings.Join(names, ", "), f.Result.Type, f.Doc)
	}
	if n == 0 {
		return "", fmt.Errorf("module %s has no functions of the group %q", m.Name, group)
	}
	return b.String(), nil
}

// cell returns the text of a table's cell for a request or a response.
func (c *contract) cell(s *side) string {
	if s.Text != "" {
		return s.Text
	}
	return "`" + inline(c.record(s.Head)) + "`" + s.Note
}

// inline returns a record on one line, with the fields that have an example.
func inline(r *record) string {
	var members []string
	for _, f := range r.Fields {
		if f.Example != "" {
			members = append(members, fmt.Sprintf("%q: %s", f.Name, f.Example))
		}
	}
	return "{" + strings.Join(members, ", ") + "}"
}

// exampleBlock returns all fields of a record as a block of code, at most 100 columns
// wide if possible.
func exampleBlock(c *contract, r *record) string {
	var b strings.Builder
	line := "     "
	for i, f := range r.Fields {
		example := f.Example
		if example == "" {
			example = inline(c.record(f.Type))
		}
		member := fmt.Sprintf(" %q: %s", f.Name, example)
		if i < len(r.Fields)-1 {
			member += ","
		}
		if len(line)+len(member) > 100 && strings.TrimSpace(line) != "" {
			b.WriteString(line + "\n")
			line = "     "
		}
		line += member
	}
	return "\n    {\n" + b.String() + line + "\n    }\n\n"
}

func statusTable(c *contract) string {
	var b strings.Builder
	b.WriteString("| status | name | meaning |\n|---|---|---|\n")
	for _, s := range c.Statuses {
		fmt.Fprintf(&b, "| %d | %s | %s |\n", s.Number, s.Name, s.Doc)
	}
	return b.String()
}

func flagTable(c *contract) string {
	var b strings.Builder
	b.WriteString("| bit | name | meaning | what a guest should do |\n|---|---|---|---|\n")
	for _, f := range c.Flags {
		fmt.Fprintf(&b, "| %d | `%s` | %s | %s |\n", f.Bit, f.Name, f.Doc, f.Advice)
	}
	return b.String()
}

// endingFlags returns the sentence about the flags after which a guest is interrupted.
func endingFlags(c *contract) string {
	var names []string
	for _, f := range c.Flags {
		if f.Ends {
			names = append(names, "`"+f.Name+"`")
		}
	}
	last := len(names) - 1
	return "A guest that goes on after " + strings.Join(names[:last], ", ") + " or " + names[last] +
		" is interrupted after the operator's cancel grace period (default 10 s).\n"
}

func errnoTable(c *contract) string {
	var b strings.Builder
	b.WriteString("| errno | number | meaning |\n|---|---|---|\n")
	for _, e := range c.Errnos {
		fmt.Fprintf(&b, "| `%s` | %d | %s |\n", e.Name, e.Number, e.Doc)
	}
	return b.String()
}

func limitTable(c *contract) string {
	var b strings.Builder
	b.WriteString("| what | limit | beyond it |\n|---|---|---|\n")
	for _, l := range c.Limits {
		value := grouped(l.Value, ",")
		if l.Unit == "bytes" {
			value = byteSize(l.Value)
		}
		if l.Note != "" {
			value += " (" + l.Note + ")"
		} else if l.Configurable {
			value += " (default)"
		}
		fmt.Fprintf(&b, "| %s | %s | %s |\n", l.Doc, value, l.Beyond)
	}
	return b.String()
}

func byteSize(n uint64) string {
	switch {
	case n >= 1<<20 && n%(1<<20) == 0:
		return fmt.Sprintf("%d MiB", n>>20)
	case n >= 1<<10 && n%(1<<10) == 0:
		return fmt.Sprintf("%d KiB", n>>10)
	}
	return fmt.Sprintf("%d bytes", n)
}

func failureTable(c *contract) string {
	var b strings.Builder
	b.WriteString("| type | retried | when | what to do |\n|---|---|---|---|\n")
	for _, f := range c.FailureTypes {
		if f.By != "" {
			continue
		}
		retried := "no"
		if f.Retryable {
			retried = "yes"
		}
		fmt.Fprintf(&b, "| `%s` | %s | %s | %s |\n", f.Name, retried, f.Doc, f.Advice)
	}
	return b.String()
}
