// Package modules reads modules from files and directories: their digests, kinds,
// imports and the activities that they offer. Nothing is compiled or run here.
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

// MaxModuleSize is the size in bytes of the largest module that is read. Real
// modules stay below 50 MB, interpreters with their libraries included; a
// larger file in the directory is most likely something else.
const MaxModuleSize = wasm.MaxSize

// maxNameLength bounds the names of activities: Temporal's default limit for identifiers
// is 1,000 bytes.
const maxNameLength = 1000

// Kind tells which contract a module follows.
type Kind string

// The kinds of module.
const (
	KindNative  Kind = "native"  // imports wasmworker:activity/v1
	KindExtism  Kind = "extism"  // imports extism:host/env: a plugin for Extism's hosts
	KindCommand Kind = "command" // a WASI program: standard input to standard output
)

// Module is one module as its file describes it. It is not changed after Read returns it.
type File struct {
	// Name is the file's name without ".wasm". Configuration refers to a module by it.
	// Every character of it is seen.
	Name string
	// Path is where the file was read.
	Path string
	// Digest is the SHA-256 of the file, in hexadecimal.
	Digest string
	// Kind is the contract that the module follows.
	Kind Kind
	// Exports are the names of the activities: exported functions, or Name for a command.
	// Sorted.
	Exports []string
	// Imports are all imports, in the order of the file.
	Imports []Import
	// MemoryMin and MemoryMax are the declared size of the memory in bytes; MemoryMax is
	// 0 if the module declares none.
	MemoryMin, MemoryMax uint64
	// TableMin is the number of elements that the module's tables have at the start,
	// together.
	TableMin uint64
	// Globals and ElementEntries are how many global variables the module has, and how
	// many entries its element segments have together. A host holds them for each
	// instance.
	Globals, ElementEntries uint64
	// Initialize are the exported functions that are called, in this order and with zeros
	// for parameters, when an instance is made: _initialize of a WASI reactor, or what
	// Extism's hosts call in plugins that have no such function.
	Initialize []string
	// Binary is the file.
	Binary []byte
}

// Import is one import of a module.
type Import struct {
	Module string `json:"module"`
	Name   string `json:"name"`
	Kind   string `json:"kind"` // func, table, memory or global
	Type   string `json:"type,omitempty"`
}

// Open reads the modules that the paths name: .wasm files, and directories with such
// files directly in them (hidden files and directories below are not looked at). It
// returns everything that could be read, and one error that joins all that could not.
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
		// Most of the time goes into digests: as many at once as there are processors.
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

// Read reads one module. Errors name the file.
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
	// A named pipe would block the open for good: look before opening.
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
	// What is something else is told so whatever its size, and not read to its end.
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
	data.Grow(int(stat.Size()) + bytes.MinRead) // to be read without growing
	if _, err := data.ReadFrom(io.LimitReader(f, MaxModuleSize+1)); err != nil {
		return nil, unwrapPath(err)
	}
	if data.Len() > MaxModuleSize {
		return nil, fmt.Errorf("the file is larger than the %d MB that a module may have", MaxModuleSize>>20)
	}
	return data.Bytes(), nil
}

// unwrapPath drops the path of an [os.PathError], which the caller adds itself.
func unwrapPath(err error) error {
	if p, ok := errors.AsType[*os.PathError](err); ok {
		return p.Err
	}
	return err
}

// Parse makes a Module from a binary that does not come from a file. It keeps the slice.
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
	native, extism, wasi := false, false, false
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
	start := false
	initializers := map[string]bool{}
	for _, e := range b.Exports {
		if e.Kind != wasm.Func {
			continue
		}
		t, ok := b.FuncType(e.Index)
		if !ok {
			return nil, fmt.Errorf("export %.80q names function %d, which does not exist", e.Name, e.Index)
		}
		// An imported function under the name of one that is called: wazero panics when
		// it is looked up.
		called := e.Name == abi.ExportStart || e.Name == abi.ExportInitialize || e.Name == exportConstructors || e.Name == exportHaskell ||
			t.Equal(activityType) && !toolchainExport(e.Name)
		if called && e.Index < importedFuncs {
			return nil, fmt.Errorf("export %.80q is a function that the module imports", e.Name)
		}
		switch {
		case e.Name == abi.ExportStart:
			start = true
		case e.Name == abi.ExportInitialize, e.Name == exportConstructors && len(t.Params) == 0, e.Name == exportHaskell:
			initializers[e.Name] = true
		case (native || extism) && t.Equal(activityType) && !toolchainExport(e.Name):
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
	case native && extism:
		return nil, fmt.Errorf("the module imports both %s and %s: it has to be either a native module or an Extism plugin", abi.ModuleActivity, abi.ModuleExtism)
	case native && start:
		return nil, fmt.Errorf("the module imports %s but was built as a program (it exports %s): build a reactor or library (Go: -buildmode=c-shared, C: -mexec-model=reactor, Rust: crate-type cdylib)", abi.ModuleActivity, abi.ExportStart)
	case (native || extism) && len(m.Exports) == 0:
		return nil, fmt.Errorf("the module exports no activity: export a function of type () -> i32 for each, whose name does not begin with _ (functions it exports: %s)", exportedFuncs(b))
	case native:
		m.Kind = KindNative
	case extism:
		m.Kind = KindExtism
	case start:
		m.Kind = KindCommand
		if err := CheckActivityName(name); err != nil {
			return nil, fmt.Errorf("the file's %w", err)
		}
		m.Exports = []string{name}
	default:
		return nil, fmt.Errorf("the module is neither native (it imports nothing from %s) nor an Extism plugin (nothing from %s) nor a command (it exports no %s), so it has no activities; build it with an SDK, or as a WASI program", abi.ModuleActivity, abi.ModuleExtism, abi.ExportStart)
	}
	slices.Sort(m.Exports)
	for i, name := range m.Exports[1:] {
		if name == m.Exports[i] {
			return nil, fmt.Errorf("the module exports %q twice", name)
		}
	}
	return m, nil
}

// What Extism's hosts call to initialize a plugin: C constructors where there is no
// _initialize, and Haskell's runtime.
const (
	exportConstructors = "__wasm_call_ctors"
	exportHaskell      = "hs_init"
)

var activityType = wasm.FuncType{Results: []byte{wasm.I32}}

// toolchainExport tells whether toolchains add an export of this name by themselves.
func toolchainExport(name string) bool {
	switch name {
	case "malloc", "free", "realloc", "calloc", "go_scheduler":
		return true
	}
	return strings.HasPrefix(name, "_") || strings.HasPrefix(name, "asyncify_") || strings.HasPrefix(name, "cabi_")
}

// CheckActivityName says whether a name can be a Temporal activity type: not empty, at
// most 1,000 bytes of UTF-8, without control characters and characters that are not seen
// (Unicode's category Cf, such as U+202E), and not with the prefix that Temporal keeps for
// itself.
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
