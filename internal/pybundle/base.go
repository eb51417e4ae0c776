// Package pybundle makes a module of activities or of workflows of a Python app: it attaches
// the app's files to the interpreter's module, which stays as it is otherwise.
//
// The interpreter is guest-sdk/python/interpreter, whose README tells what both agree on.
package pybundle

import (
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/wasmworker/wasmworker/abi"
	"github.com/wasmworker/wasmworker/internal/nearest"
)

// What the interpreter exports for this package.
const (
	exportActivities = "_activities"
	exportCompiled   = "_compiled"
	exportNotes      = "_notes"
	exportActivity   = "_activity_" // and a number in hexadecimal
	exportInitialize = "_initialize"
	exportMemory     = "memory"
	exportHeapEnd    = "__heap_end"
	importSlot       = "python:slot" // the module of functions that have no name yet
)

// pagesAtOnce is what the memory of a bundle is rounded up to, so that modules whose
// bundles have nearly the same size have the same code, which is compiled once.
const pagesAtOnce = 16

// PythonVersion is the interpreter's, for what chooses packages for it.
const PythonVersion = "3.13"

// pythonFullVersion is the same with the last number, as the interpreter's build.sh has it.
const pythonFullVersion = "3.13.5"

// Base is an interpreter without a bundle.
type Base struct {
	sections []section
	size     int

	imports    []imported
	twoNumbers []byte // the type of (i32, i32) -> i64, which info and last_error have
	pages      uint32 // of its memory
	end        uint32 // of its memory, in bytes, where a bundle begins
	initialize exported
	list       exported
	compiled   exported
	notes      exported
	memory     exported
	activities []exported // in order: a bundle can have so many
	segments   uint32     // of its data
}

// Read reads an interpreter's module.
func Read(module []byte) (*Base, error) {
	sections, err := sectionsOf(module)
	if err != nil {
		return nil, err
	}
	b := &Base{sections: sections, size: len(module)}
	exports := map[string]exported{}
	var globals []uint32
	for _, s := range sections {
		r := reader{rest: s.body}
		switch s.id {
		case sectionImport:
			b.imports, err = importsOf(s.body)
		case sectionMemory:
			if n, flags := r.number(), r.byte(); n != 1 || flags != 0 {
				err = errors.New("it has a limit of its own, or is not the only one")
			}
			b.pages = r.number()
		case sectionGlobal:
			globals = globalsOf(&r)
		case sectionExport:
			var list []exported
			list, err = exportsOf(s.body)
			for _, e := range list {
				exports[e.name] = e
			}
		case sectionData:
			b.segments = r.number()
		}
		if err = errors.Join(err, r.err); err != nil {
			return nil, fmt.Errorf("section %d: %w", s.id, err)
		}
	}
	if err := b.find(exports, globals); err != nil {
		return nil, err
	}
	return b, nil
}

// globalsOf returns the values of the globals up to the first one that is no constant
// number of 32 bits.
func globalsOf(r *reader) (values []uint32) {
	for n := r.number(); n > 0; n-- {
		if valueType := r.byte(); valueType != 0x7f {
			break
		}
		r.byte() // whether it is mutable
		value, err := r.constant()
		if err != nil {
			break
		}
		values = append(values, value)
	}
	return values
}

// find takes what is needed of the exports and imports.
func (b *Base) find(exports map[string]exported, globals []uint32) error {
	for _, i := range b.imports {
		if i.module == abi.ModuleActivity && i.name == "info" {
			b.twoNumbers = i.description
		}
	}
	if b.twoNumbers == nil {
		return errors.New("it is no interpreter for bundles: it does not import info of activities")
	}
	for name, of := range map[string]*exported{exportInitialize: &b.initialize, exportActivities: &b.list, exportCompiled: &b.compiled, exportNotes: &b.notes, exportMemory: &b.memory} {
		e, ok := exports[name]
		if !ok {
			return fmt.Errorf("it is no interpreter for bundles: it does not export %s", name)
		}
		*of = e
	}
	for {
		e, ok := exports[fmt.Sprintf("%s%02x", exportActivity, len(b.activities))]
		if !ok {
			break
		}
		b.activities = append(b.activities, e)
	}
	end, ok := exports[exportHeapEnd]
	if !ok || end.kind != kindGlobal || int(end.index) >= len(globals) {
		return fmt.Errorf("it is no interpreter for bundles: it does not export %s", exportHeapEnd)
	}
	b.end = globals[end.index]
	if uint64(b.end) != uint64(b.pages)*pageSize {
		return fmt.Errorf("its memory has %d bytes and %s is %d: it has a bundle, or was linked in another way", uint64(b.pages)*pageSize, exportHeapEnd, b.end)
	}
	return nil
}

// Passthrough returns the passthrough modules that a bundle can ask for.
func (b *Base) Passthrough() []string {
	var names []string
	for _, i := range b.imports {
		if name := passthroughOf(i.module); name != "" && !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// passthroughOf returns the name of a passthrough module from that of its import, or "".
func passthroughOf(module string) string {
	rest, ours := strings.CutPrefix(module, "wasmworker:")
	if !ours || module == abi.ModuleActivity || module == abi.ModuleWorkflow || module == abi.ModuleLog {
		return ""
	}
	name, _, _ := strings.Cut(rest, "/")
	return name
}

// Attach returns the interpreter with a bundle: an archive, as [Archive] makes it, and what
// it asks for of passthrough modules, see [Base.CheckPassthrough]. The module exports the
// activities or workflows. Without any it exports three activities: listDefined, whose result
// is a [Defined], listCompiled, whose result is the compiled code of the app, and listNotes,
// whose result is a list of what its author should know.
func (b *Base) Attach(archive []byte, passthrough []string, defined Defined) ([]byte, error) {
	exports := []exported{b.memory, b.initialize}
	for i, name := range defined.names() {
		exports = append(exports, exported{name, kindFunction, b.activities[i].index})
	}
	if len(defined.names()) == 0 {
		exports = append(exports, exported{listDefined, kindFunction, b.list.index}, exported{listCompiled, kindFunction, b.compiled.index}, exported{listNotes, kindFunction, b.notes.index})
	}
	bundle := bundleOf(archive, passthrough)
	pages := (uint64(len(bundle)) + pageSize - 1) / pageSize
	pages = (pages + pagesAtOnce - 1) / pagesAtOnce * pagesAtOnce
	if uint64(b.pages)+pages > 1<<16-1 {
		return nil, fmt.Errorf("the bundle has %d MiB, with which the module's memory would be larger than 4 GiB", len(bundle)>>20)
	}
	out := slices.Clone(b.sections)
	for i, s := range out {
		r := reader{rest: s.body}
		switch s.id {
		case sectionImport:
			out[i].body = appendImports(nil, b.asked(passthrough, len(defined.Workflows) > 0))
		case sectionMemory:
			out[i].body = appendNumber([]byte{1, 0}, b.pages+uint32(pages))
		case sectionExport:
			out[i].body = appendExports(nil, exports)
		case sectionCount:
			out[i].body = appendNumber(nil, b.segments+1)
		case sectionData:
			r.number()
			body := append(appendNumber(make([]byte, 0, len(s.body)+len(bundle)+32), b.segments+1), r.rest...)
			body = append(appendSigned(append(body, 0, 0x41), int32(b.end)), 0x0b) // active, at i32.const
			out[i].body = append(appendNumber(body, uint32(len(bundle))), bundle...)
		}
	}
	return moduleOf(out, b.size+len(bundle)+4096), nil
}

// asked returns the imports: slots have the names of an embedder's functions that are
// asked for. What is not asked for, and what is for modules of the other kind, becomes an
// import that each module of its kind may have. Nobody calls that, and the interpreter calls
// all of these by pointers, so that a type that is another one does no harm.
func (b *Base) asked(passthrough []string, workflows bool) []imported {
	imports, functions := slices.Clone(b.imports), functionsOf(passthrough)
	unused := imported{abi.ModuleActivity, "info", b.twoNumbers}
	if workflows {
		unused = imported{abi.ModuleWorkflow, "last_error", b.twoNumbers}
	}
	for i, imp := range imports {
		name := passthroughOf(imp.module)
		switch slot := slotOf(imp); {
		case slot >= 0 && slot < len(functions):
			imports[i].module, imports[i].name = functions[slot].module, functions[slot].name
		case slot >= 0, name != "" && !slices.Contains(passthrough, name),
			imp.module == abi.ModuleActivity && workflows, imp.module == abi.ModuleWorkflow && !workflows:
			imports[i] = unused
		}
	}
	return imports
}

// slotOf returns the number of a slot, or -1 for another import.
func slotOf(i imported) int {
	n, err := strconv.ParseUint(i.name, 16, 16)
	if i.module != importSlot || err != nil {
		return -1
	}
	return int(n)
}

// embedded is how an app names a function of a passthrough module that an embedder has.
var embedded = regexp.MustCompile(`^([a-z][a-z0-9-]*)(/v[1-9][0-9]*)?\.([A-Za-z_][A-Za-z0-9_]*)$`)

// functionsOf returns the imports of an embedder's functions that are asked for, in the
// order of their slots.
func functionsOf(passthrough []string) (functions []imported) {
	for _, name := range passthrough {
		if m := embedded.FindStringSubmatch(name); m != nil {
			functions = append(functions, imported{module: "wasmworker:" + m[1] + cmp.Or(m[2], "/v1"), name: m[3]})
		}
	}
	return functions
}

// CheckPassthrough says what is wrong with the passthrough modules that an app asks for:
// the interpreter's, by their names, and functions of an embedder's, as "weather.forecast",
// or "weather/v2.forecast" for another version than 1.
func (b *Base) CheckPassthrough(asked []string) error {
	known := b.Passthrough()
	functions := 0
	for _, name := range asked {
		m := embedded.FindStringSubmatch(name)
		switch {
		case m == nil && !slices.Contains(known, name):
			return fmt.Errorf("the interpreter knows %s, and no %q%s; name each function of a module that an embedder's worker has, as in weather.forecast", strings.Join(known, ", "), name, nearest.Hint(name, known))
		case m != nil && slices.Contains(known, m[1]) && cmp.Or(m[2], "/v1") == "/v1":
			return fmt.Errorf("%s: name %s alone, which is all of its functions", name, m[1])
		case m != nil:
			functions++
		}
	}
	slots := 0
	for _, imp := range b.imports {
		if slotOf(imp) >= 0 {
			slots++
		}
	}
	if functions > slots {
		return fmt.Errorf("%d functions of an embedder's modules, and the interpreter has room for %d: have one function do several things", functions, slots)
	}
	return nil
}

// bundleOf is what the interpreter reads at the end of its own memory.
func bundleOf(archive []byte, passthrough []string) []byte {
	var names []byte
	for _, name := range passthrough {
		names = append(append(names, name...), 0)
	}
	bundle := []byte("wwbundle")
	bundle = binary.LittleEndian.AppendUint32(bundle, uint32(len(names)))
	bundle = binary.LittleEndian.AppendUint32(bundle, uint32(len(archive)))
	return append(append(bundle, names...), archive...)
}

// Defined is what an app defines: activities or workflows, by their names.
type Defined struct {
	Activities []string `json:"activities"`
	Workflows  []string `json:"workflows"`
}

// names are those of what the app's module exports. An app with workflows defines
// activities only to name them.
func (d Defined) names() []string {
	if len(d.Workflows) > 0 {
		return d.Workflows
	}
	return d.Activities
}

// check says what is wrong with what a bundle defines.
func (b *Base) check(defined Defined, passthrough []string) error {
	kind, decorator, names := "activity", "@activity.defn", defined.names()
	plural := "activities"
	if len(defined.Workflows) > 0 {
		kind, decorator, plural = "workflow", "@workflow.defn", "workflows"
	}
	switch {
	case len(names) == 0:
		return errors.New("it defines no activities and no workflows: put @activity.defn before a function, or @workflow.defn before a class, and import its module in the app")
	case len(names) > len(b.activities):
		return fmt.Errorf("it defines %d %s, and a module can have %d: make several apps of it", len(names), plural, len(b.activities))
	case kind == "workflow" && len(passthrough) > 0:
		return fmt.Errorf("it defines workflows, which have no passthrough modules: leave out --passthrough %s, and have an activity call that", strings.Join(passthrough, ","))
	}
	for i, name := range names {
		if slices.Contains(names[:i], name) {
			return fmt.Errorf("it defines two %s with the name %q: give one of them another with %s(name=…)", plural, name, decorator)
		}
		if strings.HasPrefix(name, "_") {
			return fmt.Errorf("the %s %q has a name that begins with _, which is not served: give it another with %s(name=…)", kind, name, decorator)
		}
	}
	return nil
}

// String lists the names, and tells them apart from those that are only named.
func (d Defined) String() string {
	if len(d.Workflows) == 0 {
		return strings.Join(d.Activities, ", ")
	}
	text := "workflows " + strings.Join(d.Workflows, ", ")
	if len(d.Activities) > 0 {
		text += "; not in it, since they need a bundle of their own: activities " + strings.Join(d.Activities, ", ")
	}
	return text
}
