package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"reflect"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/dustin/go-humanize"
	"github.com/urfave/cli/v2"

	"github.com/wasmworker/wasmworker/host"
	"github.com/wasmworker/wasmworker/host/modules"
	"github.com/wasmworker/wasmworker/host/passthrough"
	"github.com/wasmworker/wasmworker/host/sandbox"
	"github.com/wasmworker/wasmworker/internal/visible"
)

// moduleReport is what inspect --json prints for a module.
type moduleReport struct {
	Name       string             `json:"name"`
	Path       string             `json:"path"`
	Kind       modules.Kind       `json:"kind"`
	Digest     string             `json:"digest"`
	Size       int                `json:"size_bytes"`
	MemoryMin  uint64             `json:"memory_min_bytes"`
	MemoryMax  uint64             `json:"memory_max_bytes,omitempty"`
	Activities []string           `json:"activities"`
	Workflows  []string           `json:"workflows,omitempty"`
	Imports    []passthrough.Need `json:"imports"`
	Instances  sandbox.Isolation  `json:"instances"`
	Fallback   string             `json:"fallback,omitempty"`
	Manifest   *manifestReport    `json:"manifest,omitempty"`
	Effective  *effectiveOptions  `json:"effective,omitempty"` // with --config
}

// effectiveOptions are the options that a configuration file gives a module.
type effectiveOptions struct {
	Refused    string   `json:"refused,omitempty"` // why the module would not be served
	Activities []string `json:"activities"`        // their types, with prefix and renamed
	Workflows  []string `json:"workflows,omitempty"`
	// Passthrough are the policies by the names of granted modules; null if a module has
	// none.
	Passthrough map[string]any `json:"passthrough"`
	Env         []string       `json:"env"`
	Timeout     int64          `json:"timeout_ms,omitempty"` // of an Extism manifest; 0: no limit

	options host.ModuleOptions
}

// MarshalJSON adds the value of each setting that is a limit: memory_limit_bytes,
// max_output_bytes, max_fuel.
func (e *effectiveOptions) MarshalJSON() ([]byte, error) {
	var b bytes.Buffer
	encoder := json.NewEncoder(&b)
	encoder.SetEscapeHTML(false)
	type fields effectiveOptions
	if err := encoder.Encode((*fields)(e)); err != nil {
		return nil, err
	}
	b.Truncate(b.Len() - len("}\n"))
	for i := range settings {
		if s := &settings[i]; s.limit != nil {
			key := s.key()
			if _, size := s.value.(bytesFlag); size {
				key += "_bytes"
			}
			fmt.Fprintf(&b, ",%q:%d", key, reflect.ValueOf(s.module(&e.options)).Elem().Interface())
		}
	}
	b.WriteByte('}')
	return b.Bytes(), nil
}

// kindWorkflow is apart, since the variables of what was read are called modules.
const kindWorkflow = modules.KindWorkflow

func inspectCommand() *cli.Command {
	return &cli.Command{
		Name:      "inspect",
		Usage:     "say what modules are, offer and ask for, and what a configuration grants them; nothing is run",
		ArgsUsage: "[FILE-OR-DIRECTORY…]",
		Description: `   wasmworker inspect ./acts
   wasmworker inspect --json ./acts/greet.wasm | jq '.[].imports'
   wasmworker inspect ./acts/plugin.json               # what an Extism manifest asks for
   wasmworker inspect --config wasmworker.yaml         # the modules of the file, with their effective grants`,
		Flags:  append(flagsOf(inInspect), jsonFlag()),
		Action: inspect,
	}
}

func jsonFlag() cli.Flag {
	return &cli.BoolFlag{Name: "json", EnvVars: []string{"WASMWORKER_JSON"}, Usage: "print JSON"}
}

func inspect(c *cli.Context) error {
	file, err := applyConfig(c)
	if err != nil {
		return err
	}
	paths := c.Args().Slice()
	if len(paths) == 0 {
		paths = c.StringSlice("modules")
	}
	if len(paths) == 0 {
		return usagef("name .wasm files or directories to inspect")
	}
	found, unusable := findModules(paths)
	modules, unreadable := found.open()
	unreadable = errors.Join(unusable, unreadable)
	granting, err := passthroughModules(file)
	if err != nil {
		return err
	}
	defer closeAll(granting)
	set, err := passthrough.NewSet(granting...)
	if err != nil {
		return err
	}
	var effective map[string]*effectiveOptions
	if file.path != "" {
		if effective, err = effectiveGrants(c, file, set, found, modules); err != nil {
			return err
		}
	}
	reports := []moduleReport{}
	for _, m := range modules {
		instances := sandbox.IsolationPristine
		fallback, err := sandbox.NotResettable(m)
		switch {
		case err != nil:
			unreadable = errors.Join(unreadable, fmt.Errorf("%s: the module is not valid: %w", m.Path, err))
			continue
		case fallback != "":
			instances = sandbox.IsolationFresh
		}
		activities, workflows := m.Exports, []string(nil)
		if m.Kind == kindWorkflow {
			activities, workflows = []string{}, m.Exports
		}
		reports = append(reports, moduleReport{
			Name: m.Name, Path: m.Path, Kind: m.Kind, Digest: "sha256:" + m.Digest, Size: len(m.Binary),
			MemoryMin: m.MemoryMin, MemoryMax: m.MemoryMax, Activities: activities, Workflows: workflows, Imports: set.Needs(m),
			Instances: instances, Fallback: fallback, Effective: effective[m.Name], Manifest: found.report(m),
		})
	}
	if c.Bool("json") {
		encoder := json.NewEncoder(raw(c.App.Writer))
		encoder.SetIndent("", "  ")
		encoder.SetEscapeHTML(false)
		err = encoder.Encode(reports)
	} else {
		err = printReports(c.App.Writer, reports)
	}
	if unreadable != nil {
		unreadable = usageError{unreadable}
	}
	return errors.Join(err, unreadable)
}

// effectiveGrants returns the effective options of each module, by the rules of the
// sandbox itself.
func effectiveGrants(c *cli.Context, file *configFile, set passthrough.Set, found moduleFiles, files []*modules.File) (map[string]*effectiveOptions, error) {
	if len(files) == 0 {
		return nil, nil
	}
	defaults, perModule, err := moduleOptions(c, file, set)
	if err != nil {
		return nil, err
	}
	if c.Args().Present() { // a part of what the file is about
		maps.DeleteFunc(perModule, func(name string, _ sandbox.Options) bool {
			return !slices.ContainsFunc(files, func(m *modules.File) bool { return m.Name == name })
		})
	}
	effective := map[string]*effectiveOptions{}
	_, perModule, refused := found.grant(defaults, perModule, set)
	for _, r := range refused {
		effective[r.manifest.Plugin.Name] = &effectiveOptions{Refused: r.Error()}
	}
	files = slices.DeleteFunc(slices.Clone(files), func(m *modules.File) bool { return effective[m.Name] != nil })
	if len(files) == 0 {
		return effective, nil
	}
	box, err := sandbox.New(sandbox.Config{Modules: files, Defaults: defaults, PerModule: perModule, Passthrough: set, SkipRefused: true})
	var refusals []error
	if box != nil {
		defer box.Close(c.Context) //nolint:errcheck // nothing was compiled
		refusals = box.Refused()
		for _, m := range box.Modules() {
			effective[m.File().Name] = effectiveOf(m)
		}
		for _, a := range box.Activities() {
			e := effective[a.Module.File().Name]
			e.Activities = append(e.Activities, a.Type)
		}
		for _, w := range box.Workflows() {
			e := effective[w.Module.File().Name]
			e.Workflows = append(e.Workflows, w.Type)
		}
	} else {
		refusals = flatten(err)
	}
	for _, refused := range refusals {
		refusal, ok := errors.AsType[*passthrough.AdmissionError](refused)
		if !ok {
			return nil, usageError{err}
		}
		effective[refusal.File.Name] = &effectiveOptions{Refused: explained(refusal)}
	}
	return effective, nil
}

func effectiveOf(m *sandbox.Module) *effectiveOptions {
	e := &effectiveOptions{
		Activities: []string{}, Passthrough: map[string]any{}, Env: append([]string{}, m.Options().Env...),
		options: m.Options(),
		Timeout: m.Options().Timeout.Milliseconds(),
	}
	for _, name := range m.Options().Passthrough {
		e.Passthrough[name] = m.Options().Policies[name]
	}
	return e
}

func printReports(w io.Writer, reports []moduleReport) error {
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for i, r := range reports {
		if i > 0 {
			fmt.Fprintln(table)
		}
		memory := humanize.IBytes(r.MemoryMin) + " at the start"
		if r.MemoryMax > 0 {
			memory += ", at most " + humanize.IBytes(r.MemoryMax)
		}
		row(table, "module", r.Path)
		if r.Manifest != nil {
			r.Manifest.print(table)
		}
		row(table, "kind", string(r.Kind))
		row(table, "digest", r.Digest)
		row(table, "size", humanize.IBytes(uint64(r.Size)))
		row(table, "memory", memory)
		switch {
		case r.Kind == kindWorkflow && r.Fallback == "":
			row(table, "instances", "one for each workflow run")
		case r.Kind == kindWorkflow:
			row(table, "instances", "none, since it cannot be set back after a query, and is refused: "+r.Fallback)
		case r.Fallback == "":
			row(table, "instances", "reset after each activity (pristine)")
		default:
			row(table, "instances", "a new one for each activity (fresh): "+r.Fallback)
		}
		if r.Kind == kindWorkflow {
			row(table, "workflows", strings.Join(r.Workflows, ", "))
		} else {
			row(table, "activities", strings.Join(r.Activities, ", "))
		}
		for j, need := range r.Imports {
			grant := "always available"
			switch {
			case need.Problem != "":
				grant = "refused: " + need.Problem
			case need.Grant != "" && r.Effective != nil && r.Effective.Refused == "":
				grant = "granted as " + need.Grant
			case need.Grant != "":
				grant = "needs --passthrough " + need.Grant
			}
			row(table, first(j, "imports"), fmt.Sprintf("%q (%d functions): %s", need.Import, len(need.Functions), grant))
		}
		if r.Effective != nil {
			printEffective(table, r.Effective)
		}
	}
	return table.Flush()
}

// row writes a row of a table. The text comes from elsewhere, and is escaped so that it
// stays in its cell.
func row(table io.Writer, label, text string) {
	fmt.Fprintf(table, "%s\t%s\n", label, visible.Line(text))
}

// first returns the label for the first of several rows, and "" for the others.
func first(i int, label string) string {
	if i > 0 {
		return ""
	}
	return label
}

func printEffective(table io.Writer, e *effectiveOptions) {
	if e.Refused != "" {
		for i, line := range strings.Split(e.Refused, "\n") {
			row(table, first(i, "refused"), line)
		}
		return
	}
	row(table, "served as", strings.Join(append(slices.Clone(e.Activities), e.Workflows...), ", "))
	var limits []string
	for i := range settings {
		if s := &settings[i]; s.limit != nil {
			limits = append(limits, s.limit(&e.options))
		}
	}
	if e.Timeout > 0 {
		limits = append(limits, (time.Duration(e.Timeout) * time.Millisecond).String())
	}
	row(table, "limits", strings.Join(limits, ", "))
	env := strings.Join(e.Env, ", ")
	if env == "" {
		env = "none"
	}
	row(table, "env", env)
	label := "grants"
	for _, name := range slices.Sorted(maps.Keys(e.Passthrough)) {
		lines := []string{"(nothing to decide)"}
		if policy := e.Passthrough[name]; policy != nil {
			if lines = fieldLines(policy); lines == nil {
				lines = []string{"with its defaults"}
			}
		}
		for i, line := range lines {
			head := name
			if i > 0 {
				label, head = "", strings.Repeat(" ", len(name))
			}
			row(table, label, head+"  "+line)
		}
		label = ""
	}
	if len(e.Passthrough) == 0 {
		row(table, "grants", "none")
	}
}

// fieldLines returns a policy's fields, one a line: allow[0].origin:
// https://api.example.com.
func fieldLines(policy any) []string {
	data, err := json.Marshal(policy)
	if err != nil {
		return []string{err.Error()}
	}
	var value any
	if err := json.Unmarshal(data, &value); err != nil {
		return []string{err.Error()}
	}
	var lines []string
	var walk func(path []any, value any)
	walk = func(path []any, value any) {
		switch value := value.(type) {
		case map[string]any:
			for _, key := range slices.Sorted(maps.Keys(value)) {
				walk(append(slices.Clone(path), key), value[key])
			}
			if len(value) == 0 && len(path) > 0 {
				lines = append(lines, passthrough.PathString(path)+": with its defaults")
			}
		case []any:
			if !slices.ContainsFunc(value, func(v any) bool { _, ok := v.(map[string]any); return ok }) {
				lines = append(lines, passthrough.PathString(path)+": "+strings.Trim(fmt.Sprint(value), "[]"))
				return
			}
			for i, v := range value {
				walk(append(slices.Clone(path), i), v)
			}
		default:
			lines = append(lines, fmt.Sprintf("%s: %v", passthrough.PathString(path), value))
		}
	}
	walk(nil, value)
	return lines
}
