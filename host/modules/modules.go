// Package modules reads modules from files and directories: their digests, kinds, imports
// and activities. It compiles and runs nothing.
package modules

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"

	"github.com/wasmworker/wasmworker/abi"
	"github.com/wasmworker/wasmworker/host/internal/wasm"
	"github.com/wasmworker/wasmworker/internal/visible"
)

// MaxModuleSize is the size in bytes of the largest module that is read. Real modules
// stay below 50 MB, interpreters with their libraries included. A larger file in the
// directory is most likely something else.
const MaxModuleSize = wasm.MaxSize

// maxNameLength is how many bytes an activity's name may have. It is Temporal's default
// limit for identifiers.
const maxNameLength = 1000

// maxCompared bounds how often a function is compared with an export, which a runtime does
// for each of both when it has to tell who was running, at 2 ns each.
const maxCompared = 100_000_000

// Kind is the contract that a module follows.
type Kind string

// The kinds of module.
const (
	KindNative  Kind = "native"  // imports wasmworker:activity/v1
	KindExtism  Kind = "extism"  // imports extism:host/env: a plugin for Extism's hosts
	KindCommand Kind = "command" // a WASI program: standard input to standard output
	// KindWorkflow is a module of workflows: it imports wasmworker:workflow/v1.
	KindWorkflow Kind = "workflow"
)

// File is one module as its file describes it. It must not be changed after [Read] or
// [Parse] has returned it.
type File struct {
	// Name is the file's name without ".wasm". Configuration refers to a module by it. It
	// has no invisible characters.
	Name string
	// Path is the path from which the file was read. [Parse] sets it to Name.
	Path string
	// Digest is the SHA-256 of the file, in hexadecimal.
	Digest string
	// Kind is the contract that the module follows.
	Kind Kind
	// Exports are the names of the activities, or workflows, sorted. They are exported
	// functions, or Name alone for a program.
	Exports []string
	// Entry is the exported function that a program's one activity calls: a command's, or
	// that of a plugin with no other activity. Empty: each calls the function of its name.
	Entry string
	// Imports are all imports, in the order of the file.
	Imports []Import
	// MemoryMin and MemoryMax are the declared sizes of the memory in bytes. MemoryMax is
	// 0 if the module declares none.
	MemoryMin, MemoryMax uint64
	// TableMin is the number of elements that all tables of the module have together at
	// the start.
	TableMin uint64
	// Globals is the number of the module's global variables. ElementEntries is the
	// number of entries of all its element segments together. A host holds both for each
	// instance.
	Globals, ElementEntries uint64
	// Initialize are the exported functions that are called when an instance is made, in
	// this order and with zeros for parameters. They are _initialize of a WASI reactor,
	// or, in Extism plugins without that, the functions that Extism's hosts call instead.
	Initialize []string
	// Binary is the content of the file.
	Binary []byte
}

// Import is one import of a module.
type Import struct {
	Module string `json:"module"`
	Name   string `json:"name"`
	Kind   string `json:"kind"` // func, table, memory or global
	Type   string `json:"type,omitempty"`
}

// Open reads the modules that the paths name. A path is a .wasm file, or a directory with
// such files directly in it; hidden files and subdirectories are ignored. Open returns
// all modules that it could read, and one error that joins the errors of the others. A
// directory without modules and a name that occurs twice are errors too.
func Open(paths ...string) ([]*File, error) {
	var modules []*File
	var errs []error
	byName := map[string]*File{}
	for _, path := range paths {
		files, err := wasmFiles(path)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		// Digests take most of the time, so as many files are read at once as there are
		// processors.
		read, readErrs := make([]*File, len(files)), make([]error, len(files))
		var wg sync.WaitGroup
		slots := make(chan struct{}, runtime.GOMAXPROCS(0))
		for i, file := range files {
			slots <- struct{}{}
			wg.Go(func() {
				read[i], readErrs[i] = Read(file)
				<-slots
			})
		}
		wg.Wait()
		for i, m := range read {
			if err := readErrs[i]; err != nil {
				errs = append(errs, err)
				continue
			}
			if other, dup := byName[m.Name]; dup {
				errs = append(errs, fmt.Errorf("%s: there is a module of the name %q already: %s; rename one of the files", m.Path, m.Name, other.Path))
				continue
			}
			byName[m.Name] = m
			modules = append(modules, m)
		}
	}
	return modules, errors.Join(errs...)
}

func wasmFiles(path string) ([]string, error) {
	stat, err := os.Stat(path)
	if err != nil {
		if errors.Is(err, os.ErrNotExist) {
			return nil, fmt.Errorf("%s: no such file or directory", path)
		}
		return nil, err
	}
	if !stat.IsDir() {
		return []string{path}, nil
	}
	entries, err := os.ReadDir(path)
	if err != nil {
		return nil, err
	}
	var files []string
	for _, e := range entries {
		if name := e.Name(); strings.HasSuffix(name, ".wasm") && !strings.HasPrefix(name, ".") && !e.IsDir() {
			files = append(files, filepath.Join(path, name))
		}
	}
	if len(files) == 0 {
		return nil, fmt.Errorf("%s: there is no .wasm file in this directory; copy a module into it, or name another directory", path)
	}
	return files, nil
}

// Read reads one module from a file. Errors name the file.
func Read(path string) (*File, error) {
	binary, err := readFile(path)
	if err == nil {
		var m *File
		if m, err = Parse(strings.TrimSuffix(filepath.Base(path), ".wasm"), binary); err == nil {
			m.Path = path
			return m, nil
		}
	}
	return nil, fmt.Errorf("%s: %w", path, err)
}

func readFile(path string) ([]byte, error) {
	// Opening a named pipe could block for ever, so look before opening.
	stat, err := os.Stat(path)
	if err != nil {
		return nil, unwrapPath(err)
	}
	if !stat.Mode().IsRegular() {
		return nil, errors.New("not a regular file")
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, unwrapPath(err)
	}
	defer f.Close()
	// A file of another kind is identified by its head, whatever its size, and is not
	// read to its end.
	head := make([]byte, headSize)
	n, err := f.ReadAt(head, 0)
	if err != nil && err != io.EOF {
		return nil, unwrapPath(err)
	}
	if !bytes.HasPrefix(head[:n], []byte(magic)) {
		return nil, identify(head[:n])
	}
	if stat.Size() > MaxModuleSize {
		return nil, fmt.Errorf("%d MB are more than the %d MB that a module may have", stat.Size()>>20, MaxModuleSize>>20)
	}
	var data bytes.Buffer
	data.Grow(int(stat.Size()) + bytes.MinRead) // so that reading does not grow it
	if _, err := data.ReadFrom(io.LimitReader(f, MaxModuleSize+1)); err != nil {
		return nil, unwrapPath(err)
	}
	if data.Len() > MaxModuleSize {
		return nil, fmt.Errorf("the file is larger than the %d MB that a module may have", MaxModuleSize>>20)
	}
	return data.Bytes(), nil
}

// unwrapPath drops the path of an [os.PathError]. The caller adds the path itself.
func unwrapPath(err error) error {
	if p, ok := errors.AsType[*os.PathError](err); ok {
		return p.Err
	}
	return err
}

// Parse makes a File from a binary that does not come from a file. It keeps the slice,
// which must not be changed. It compiles nothing.
func Parse(name string, binary []byte) (*File, error) {
	b, err := wasm.Parse(binary)
	if errors.Is(err, wasm.ErrNotWasm) {
		return nil, identify(binary)
	}
	if err != nil {
		return nil, err
	}
	if err := visible.CheckName(name); err != nil {
		return nil, fmt.Errorf("the file's %w", err)
	}
	digest := sha256.Sum256(binary)
	m := &File{Name: name, Path: name, Digest: hex.EncodeToString(digest[:]), Binary: binary}
	native, extism, workflow, wasi := false, false, false, false
	importedFuncs := uint32(0)
	for _, imp := range b.Imports {
		entry := Import{Module: imp.Module, Name: imp.Name, Kind: imp.Kind.String()}
		if imp.Kind == wasm.Func {
			entry.Type = imp.Type.String()
			importedFuncs++
		}
		m.Imports = append(m.Imports, entry)
		native = native || imp.Module == abi.ModuleActivity
		extism = extism || imp.Module == abi.ModuleExtism
		workflow = workflow || imp.Module == abi.ModuleWorkflow
		wasi = wasi || imp.Module == abi.ModuleWASI
	}
	for _, mem := range b.Memories {
		if mem.Is64 {
			return nil, errors.New("the module has a 64-bit memory; build for wasm32")
		}
		if mem.Shared {
			return nil, errors.New("the module has a shared memory; build without threads")
		}
		m.MemoryMin, m.MemoryMax = mem.Min*wasm.PageSize, mem.Max*wasm.PageSize
	}
	for _, table := range b.Tables {
		if table.Is64 {
			return nil, errors.New("the module has a 64-bit table; build for wasm32")
		}
		m.TableMin += table.Min
	}
	m.Globals, m.ElementEntries = b.Sizes.Globals, b.Sizes.ElementEntries
	start, entry := false, wasm.FuncType{}
	initializers := map[string]bool{}
	for _, e := range b.Exports {
		if e.Kind != wasm.Func {
			continue
		}
		t, ok := b.FuncType(e.Index)
		if !ok {
			return nil, fmt.Errorf("export %.80q names function %d, which does not exist", e.Name, e.Index)
		}
		// wazero panics when a function that is to be called is looked up and turns out
		// to be an import.
		called := e.Name == abi.ExportStart || e.Name == abi.ExportInitialize || e.Name == exportConstructors || e.Name == exportHaskell ||
			isActivity(t, extism) && !toolchainExport(e.Name)
		if called && e.Index < importedFuncs {
			return nil, fmt.Errorf("export %.80q is a function that the module imports", e.Name)
		}
		switch {
		case e.Name == abi.ExportStart:
			start, entry = true, t
		case e.Name == abi.ExportInitialize, e.Name == exportConstructors && len(t.Params) == 0, e.Name == exportHaskell:
			initializers[e.Name] = true
		case (native || extism || workflow) && isActivity(t, extism) && !toolchainExport(e.Name):
			if err := CheckActivityName(e.Name); err != nil {
				return nil, fmt.Errorf("export %w", err)
			}
			m.Exports = append(m.Exports, e.Name)
		}
	}
	switch {
	case initializers[abi.ExportInitialize]:
		m.Initialize = []string{abi.ExportInitialize}
	case extism && initializers[exportConstructors]:
		m.Initialize = []string{exportConstructors}
	}
	if extism && initializers[exportHaskell] {
		m.Initialize = append(m.Initialize, exportHaskell)
	}
	switch {
	case workflow:
		m.Kind = KindWorkflow
		if err := m.checkWorkflow(start, b); err != nil {
			return nil, err
		}
	case native && extism:
		return nil, fmt.Errorf("the module imports both %s and %s: it has to be either a native module or an Extism plugin", abi.ModuleActivity, abi.ModuleExtism)
	case native && start:
		return nil, fmt.Errorf("the module imports %s but was built as a program (it exports %s): build a reactor or library (Go: -buildmode=c-shared, C: -mexec-model=reactor, Rust: crate-type cdylib)", abi.ModuleActivity, abi.ExportStart)
	case extism && len(m.Exports) == 0 && start:
		m.Kind = KindExtism
		if err := m.program(entry); err != nil {
			return nil, err
		}
	case (native || extism) && len(m.Exports) == 0:
		return nil, fmt.Errorf("the module exports no activity: export a function of type () -> i32 for each, whose name does not begin with _ (functions it exports: %s)", exportedFuncs(b))
	case native:
		m.Kind = KindNative
	case extism:
		m.Kind = KindExtism
	case start:
		m.Kind = KindCommand
		if err := m.program(entry); err != nil {
			return nil, err
		}
	default:
		return nil, fmt.Errorf("the module is neither native (it imports nothing from %s) nor one of workflows (nothing from %s) nor an Extism plugin (nothing from %s) nor a command (it exports no %s), so it has no activities; build it with an SDK, or as a WASI program", abi.ModuleActivity, abi.ModuleWorkflow, abi.ModuleExtism, abi.ExportStart)
	}
	if compared := len(m.Exports) * len(b.Funcs); compared > maxCompared {
		return nil, fmt.Errorf("the module has %d activities and %d functions; at most %d activities are supported with so many functions", len(m.Exports), len(b.Funcs), maxCompared/len(b.Funcs))
	}
	slices.Sort(m.Exports)
	for i, name := range m.Exports[1:] {
		if name == m.Exports[i] {
			return nil, fmt.Errorf("the module exports %q twice", name)
		}
	}
	return m, nil
}

// Extism's hosts call these functions to initialize a plugin: C constructors where there
// is no _initialize, and Haskell's runtime.
const (
	exportConstructors = "__wasm_call_ctors"
	exportHaskell      = "hs_init"
)

// checkWorkflow reports what a module of workflows cannot have.
func (m *File) checkWorkflow(start bool, b *wasm.Binary) error {
	for _, imp := range m.Imports {
		switch imp.Module {
		case abi.ModuleWorkflow, abi.ModuleLog, abi.ModuleWASI:
		case abi.ModuleActivity:
			return fmt.Errorf("the module imports both %s and %s: build the workflows and the activities as two modules, since a workflow may do nothing that a replay would not do again", abi.ModuleWorkflow, abi.ModuleActivity)
		default:
			return fmt.Errorf("the module imports %s and %s: a workflow may import %s and WASI besides, and nothing else, since what it learns from elsewhere would be another thing in a replay; let an activity of another module do that", abi.ModuleWorkflow, imp.Module, abi.ModuleLog)
		}
	}
	if start {
		return fmt.Errorf("the module imports %s but was built as a program (it exports %s): build a reactor or library (Go: -buildmode=c-shared, Rust: crate-type cdylib)", abi.ModuleWorkflow, abi.ExportStart)
	}
	if len(m.Exports) == 0 {
		return fmt.Errorf("the module exports no workflow: export a function of type () -> i32 for each, whose name does not begin with _ (functions it exports: %s)", exportedFuncs(b))
	}
	return nil
}

// program makes the module's entry its one activity.
func (m *File) program(t wasm.FuncType) error {
	if len(t.Params) > 0 || len(t.Results) > 0 {
		return fmt.Errorf("its export %s has the type %s, and that of a program has neither parameters nor results", abi.ExportStart, t)
	}
	if err := CheckActivityName(m.Name); err != nil {
		return fmt.Errorf("the file's %w", err)
	}
	m.Exports, m.Entry = []string{m.Name}, abi.ExportStart
	return nil
}

// isActivity tells whether activities have the type. Extism's hosts call a function
// without a result too, and take the lower half of one with 64 bits.
func isActivity(t wasm.FuncType, extism bool) bool {
	if len(t.Params) > 0 || len(t.Results) > 1 {
		return false
	}
	if len(t.Results) == 0 {
		return extism
	}
	return t.Results[0] == wasm.I32 || extism && t.Results[0] == wasm.I64
}

// toolchainExport reports whether toolchains add an export of this name by themselves.
func toolchainExport(name string) bool {
	switch name {
	case "malloc", "free", "realloc", "calloc", "go_scheduler":
		return true
	}
	return strings.HasPrefix(name, "_") || strings.HasPrefix(name, "asyncify_") || strings.HasPrefix(name, "cabi_")
}

// CheckActivityName returns an error if a name cannot be a Temporal activity type. A name
// has 1 to 1,000 bytes of UTF-8. It has no control characters and no invisible
// characters, such as U+202E. It does not begin with __temporal_, which Temporal keeps
// for itself.
func CheckActivityName(name string) error {
	switch {
	case name == "":
		return errors.New("name is empty")
	case len(name) > maxNameLength:
		return fmt.Errorf("name %q… is %d bytes long; at most %d are allowed", name[:32], len(name), maxNameLength)
	case strings.HasPrefix(name, "__temporal_"):
		return fmt.Errorf("name %q begins with __temporal_, which Temporal keeps for itself", name)
	}
	return visible.CheckName(name)
}

func exportedFuncs(b *wasm.Binary) string {
	var names []string
	for _, e := range b.Exports {
		if e.Kind == wasm.Func && len(names) < 12 {
			t, _ := b.FuncType(e.Index)
			names = append(names, fmt.Sprintf("%.40q %s", e.Name, t))
		}
	}
	if len(names) == 0 {
		return "none"
	}
	return strings.Join(names, ", ")
}
