package modules_test

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"reflect"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/wasmworker/wasmworker/abi"
	"github.com/wasmworker/wasmworker/host/modules"
)

const wat = "../../testdata/wat/"

func TestRead(t *testing.T) {
	path := filepath.Join(wat, "echo.wasm")
	m, err := modules.Read(path)
	if err != nil {
		t.Fatal(err)
	}
	data := readFile(t, path)
	digest := sha256.Sum256(data)
	equal(t, "name", m.Name, "echo")
	equal(t, "path", m.Path, path)
	equal(t, "digest", m.Digest, hex.EncodeToString(digest[:]))
	equal(t, "kind", m.Kind, modules.KindNative)
	// sorted, without _hidden and add
	equal(t, "activities", m.Exports, []string{"Args", "Echo", "Info"})
	equal(t, "first import", m.Imports[0], modules.Import{Module: abi.ModuleActivity, Name: "arg_count", Kind: "func", Type: "() -> i32"})
	equal(t, "number of imports", len(m.Imports), 6)
	equal(t, "memory", [2]uint64{m.MemoryMin, m.MemoryMax}, [2]uint64{64 * 65536, 0})
	equal(t, "initialize", len(m.Initialize), 0)
	equal(t, "binary", m.Binary, data)

	m, err = modules.Read(filepath.Join(wat, "initialize.wasm"))
	if err != nil {
		t.Fatal(err)
	}
	equal(t, "initialize", m.Initialize, []string{"_initialize"})
	equal(t, "activities", m.Exports, []string{"Check"})
}

func TestParse(t *testing.T) {
	tests := []struct {
		name       string
		binary     []byte
		kind       modules.Kind
		activities []string
	}{
		{"native", native(fn("Charge"), fn("Refund")), modules.KindNative, []string{"Charge", "Refund"}},
		{"any name that Temporal takes", native(fn("z"), fn("Größe/日本 🙂"), fn("a b"), fn(strings.Repeat("n", 1000))), modules.KindNative,
			[]string{"Größe/日本 🙂", "a b", strings.Repeat("n", 1000), "z"}},
		{"what toolchains export", native(fn("Activity"),
			fn("malloc"), fn("free"), fn("realloc"), fn("calloc"), fn("go_scheduler"), fn("_private"), fn("_"), fn("__data_end"),
			fn("asyncify_start_unwind"), fn("cabi_realloc"), fn("_initialize"), entry{name: "memory", kind: 2}),
			modules.KindNative, []string{"Activity"}},
		{"names that only resemble those of toolchains", native(fn("mallocs"), fn("asyncify"), fn("cabi"), fn("initialize"), fn("start")), modules.KindNative,
			[]string{"asyncify", "cabi", "initialize", "mallocs", "start"}},
		{"functions of other types", native(fn("Activity"),
			entry{name: "nothing", typ: 1}, entry{name: "takes", typ: 2}, entry{name: "i64", typ: 3}, entry{name: "two", typ: 4}),
			modules.KindNative, []string{"Activity"}},
		{"an Extism plugin", build(options{imports: []string{abi.ModuleExtism}}, fn("Activity"), fn("_private"), entry{name: "_start", typ: 1},
			entry{name: "nothing", typ: 1}, entry{name: "takes", typ: 2}, entry{name: "i64", typ: 3}, entry{name: "two", typ: 4}),
			modules.KindExtism, []string{"Activity", "i64", "nothing"}},
		{"an Extism plugin that is a program", build(options{imports: []string{abi.ModuleExtism}}, entry{name: "_start", typ: 1}, entry{name: "takes", typ: 2}),
			modules.KindExtism, []string{"an Extism plugin that is a program"}},
		{"command", build(options{imports: []string{abi.ModuleWASI}}, entry{name: "_start", typ: 1}, fn("main")), modules.KindCommand, []string{"command"}},
		{"command without imports", build(options{}, entry{name: "_start", typ: 1}), modules.KindCommand, []string{"command without imports"}},
		{"command that logs", build(options{imports: []string{abi.ModuleLog}}, entry{name: "_start", typ: 1}), modules.KindCommand, []string{"command that logs"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			m, err := modules.Parse(tt.name, tt.binary)
			if err != nil {
				t.Fatal(err)
			}
			equal(t, "kind", m.Kind, tt.kind)
			equal(t, "activities", m.Exports, tt.activities)
			equal(t, "name", m.Name, tt.name)
		})
	}
}

func TestParseRefuses(t *testing.T) {
	long := strings.Repeat("x", 1<<20)
	tests := []struct {
		name   string
		binary []byte
		want   string
	}{
		{"neither native nor command", build(options{}, fn("Activity")), "neither native"},
		{"only logging", build(options{imports: []string{abi.ModuleLog}}, fn("Activity")), "neither native"},
		{"a program with the activity module", native(fn("Activity"), entry{name: "_start", typ: 1}), "build a reactor"},
		{"no activity", native(entry{name: "add", typ: 2}, fn("_hidden")), `"add" (i32) -> i32, "_hidden" () -> i32`},
		{"a program that takes something", build(options{}, entry{name: "_start", typ: 2}), "_start has the type (i32) -> i32"},
		{"a plugin that takes something", build(options{imports: []string{abi.ModuleExtism}}, entry{name: "_start", typ: 2}), "_start has the type (i32) -> i32"},
		{"no function at all", native(), "functions it exports: none"},
		{"no function at all, but a memory", native(entry{name: "memory", kind: 2}), "functions it exports: none"},
		{"a name with an escape sequence", native(fn("\x1b[31mred")), `name "\x1b[31mred" contains control characters`},
		{"a name with a line break", native(fn("a\nb")), "control characters"},
		{"a name that turns its reader", native(fn("A\u202egnp.exe")), `export name "A\u202egnp.exe" contains U+202E, which a reader does not see`},
		{"a name with a zero byte", native(fn("a\x00")), "control characters"},
		{"a name with a C1 control character", native(fn("a\u0085")), "control characters"},
		{"an empty name", native(fn("")), "name is empty"},
		{"a name of 1001 bytes", native(fn(long[:1001])), "1001 bytes long"},
		{"a name of 1 MB", native(fn(long)), "1048576 bytes long"},
		{"a name of 1 MB of control characters", native(fn(strings.Repeat("\a", 1<<20))), "1048576 bytes long"},
		{"an export twice", native(fn("Twice"), fn("Once"), fn("Twice")), `exports "Twice" twice`},
		{"an export without a function", native(fn("Activity"), entry{name: long, typ: 99}), "which does not exist"},
		{"a shared memory", build(options{imports: []string{abi.ModuleActivity}, memory: []byte{3, 1, 2}}, fn("Activity")), "shared memory"},
		{"a 64-bit memory", build(options{imports: []string{abi.ModuleActivity}, memory: []byte{4, 1}}, fn("Activity")), "64-bit memory"},
		{"a 64-bit table", build(options{imports: []string{abi.ModuleActivity}, table: []byte{4, 1}}, fn("Activity")), "64-bit table"},
		{"a component", []byte("\x00asm\x0d\x00\x01\x00"), "wasm32-wasip1"},
		{"many functions with long names and types", build(options{}, slices.Repeat([]entry{{name: long[:1000], typ: 5}}, 1000)...), "neither native"},
		{"a native module of many functions", native(slices.Repeat([]entry{{name: long[:1000], typ: 5}}, 1000)...), "exports no activity"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			m, err := modules.Parse("module", tt.binary)
			if err == nil {
				t.Fatalf("got %s module with the activities %q", m.Kind, m.Exports)
			}
			text := err.Error()
			if !strings.Contains(text, tt.want) {
				t.Errorf("error %.500q, want one that contains %q", text, tt.want)
			}
			if strings.ContainsAny(text, "\x1b\x00\a\n\u0085") || len(text) > 8000 {
				t.Errorf("the error would disturb a terminal: %.500q (%d bytes)", text, len(text))
			}
		})
	}
}

func TestParseMemory(t *testing.T) {
	for _, tt := range []struct {
		memory   []byte
		min, max uint64
	}{
		{nil, 0, 0},
		{[]byte{0, 2}, 2 << 16, 0},
		{[]byte{1, 2, 3}, 2 << 16, 3 << 16},
		{append([]byte{0}, leb(65536)...), 4 << 30, 0},
		// The declared size exceeds the address space and must not wrap around.
		{append([]byte{0}, leb(1<<32-1)...), (1<<32 - 1) << 16, 0},
	} {
		m, err := modules.Parse("m", build(options{imports: []string{abi.ModuleActivity}, memory: tt.memory, table: append([]byte{0}, leb(70_000)...)}, fn("A")))
		if err != nil {
			t.Fatal(err)
		}
		equal(t, "memory", [2]uint64{m.MemoryMin, m.MemoryMax}, [2]uint64{tt.min, tt.max})
		equal(t, "table", m.TableMin, uint64(70_000))
	}
}

// The imports that are compared with grants are all imports, of every kind.
func TestParseImports(t *testing.T) {
	m, err := modules.Parse("m", build(options{imports: []string{abi.ModuleActivity, "env"}, importedMemory: true}, fn("A")))
	if err != nil {
		t.Fatal(err)
	}
	equal(t, "imports", m.Imports, []modules.Import{
		{Module: abi.ModuleActivity, Name: "f", Kind: "func", Type: "() -> ()"},
		{Module: "env", Name: "f", Kind: "func", Type: "() -> ()"},
		{Module: "env", Name: "memory", Kind: "memory"},
	})
}

func TestCheckActivityName(t *testing.T) {
	for _, name := range []string{"A", "order.Charge", "日本", "naïve 🙂", "_x", "temporal_", strings.Repeat("é", 500)} {
		if err := modules.CheckActivityName(name); err != nil {
			t.Errorf("%q is refused: %v", name, err)
		}
	}
	for _, name := range []string{"", "__temporal_", "__temporal_sleep", "tab\t", "del\x7f", "half \xc3", "A\u202egnp.exe", "a\u200bb", "\ufeffA", "\U000e0041", "a\u2028b", "soft\u00adhyphen", strings.Repeat("é", 501)} {
		if err := modules.CheckActivityName(name); err == nil {
			t.Errorf("%q is accepted", name)
		}
	}
}

func TestOpenDirectory(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, "b.wasm", native(fn("B")))
	write(t, dir, "a.wasm", native(fn("A")))
	write(t, dir, "same as a.wasm", native(fn("A"))) // two names for one content are two modules
	write(t, dir, "README.md", []byte("# not a module"))
	write(t, dir, "c.wasm.bak", []byte("neither"))
	write(t, dir, ".hidden.wasm", []byte("nor this"))
	write(t, dir, "._resource.wasm", []byte("nor this"))
	mkdir(t, dir, "x.wasm")
	write(t, filepath.Join(dir, "x.wasm"), "nested.wasm", native(fn("Nested")))
	files, err := modules.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	equal(t, "modules", names(files), []string{"a", "b", "same as a"})
	equal(t, "path", files[0].Path, filepath.Join(dir, "a.wasm"))
	equal(t, "digest", files[2].Digest, files[0].Digest)
	if files[1].Digest == files[0].Digest {
		t.Error("different files have the same digest")
	}

	// A directory with a file's name counts as a directory when it is named.
	files, err = modules.Open(filepath.Join(dir, "x.wasm"))
	if err != nil {
		t.Fatal(err)
	}
	equal(t, "modules", names(files), []string{"nested"})
}

func TestOpenFiles(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, "b.wasm", native(fn("B")))
	write(t, dir, "a.wasm", native(fn("A")))
	write(t, dir, ".hidden.wasm", native(fn("H")))
	write(t, dir, "plugin", native(fn("P")))
	// A file that is named is read, whatever its name, in the order given.
	files, err := modules.Open(filepath.Join(dir, "b.wasm"), filepath.Join(dir, ".hidden.wasm"), filepath.Join(dir, "a.wasm"), filepath.Join(dir, "plugin"))
	if err != nil {
		t.Fatal(err)
	}
	equal(t, "modules", names(files), []string{"b", ".hidden", "a", "plugin"})

	files, err = modules.Open()
	if len(files) != 0 || err != nil {
		t.Errorf("no paths: got %v, error %v", names(files), err)
	}
}

// One bad file hides no other, good or bad.
func TestOpenReportsEverything(t *testing.T) {
	dir := t.TempDir()
	whole := native(fn("A"))
	write(t, dir, "good.wasm", whole)
	write(t, dir, "text.wasm", []byte("(module)\n"))
	write(t, dir, "empty.wasm", nil)
	write(t, dir, "truncated.wasm", whole[:len(whole)-3])
	write(t, dir, "component.wasm", []byte("\x00asm\x0d\x00\x01\x00"))
	write(t, dir, "library.wasm", build(options{}, fn("A")))
	write(t, dir, "__temporal_x.wasm", build(options{}, entry{name: "_start", typ: 1}))
	write(t, dir, "control\x01.wasm", build(options{}, entry{name: "_start", typ: 1}))
	write(t, dir, "tur\u202ened.wasm", whole)
	symlink(t, filepath.Join(dir, "nowhere"), filepath.Join(dir, "dangling.wasm"))
	symlink(t, filepath.Join(dir, "loop.wasm"), filepath.Join(dir, "loop.wasm"))
	empty := mkdir(t, dir, "empty")
	files, err := modules.Open(dir, filepath.Join(dir, "missing.wasm"), empty)
	equal(t, "modules", names(files), []string{"good"})
	if err == nil {
		t.Fatal("no error")
	}
	found := map[string]string{}
	for line := range strings.Lines(err.Error()) {
		path, problem, _ := strings.Cut(strings.TrimSuffix(line, "\n"), ": ")
		found[filepath.Base(path)] = problem
	}
	for file, want := range map[string]string{
		"text.wasm":         "text format",
		"empty.wasm":        "the file is empty",
		"truncated.wasm":    "truncated",
		"component.wasm":    "component",
		"library.wasm":      "neither native",
		"__temporal_x.wasm": "Temporal keeps for itself",
		"control\x01.wasm":  "control characters",
		"tur\u202ened.wasm": `the file's name "tur\u202ened" contains U+202E, which a reader does not see`,
		"dangling.wasm":     "no such file",
		"loop.wasm":         "too many",
		"missing.wasm":      "no such file or directory",
		"empty":             "there is no .wasm file",
	} {
		if !strings.Contains(found[file], want) {
			t.Errorf("%s: %q, want %q", file, found[file], want)
		}
		delete(found, file)
	}
	if len(found) > 0 {
		t.Errorf("unexpected problems: %v", found)
	}
}

// A file that has a module's name but is something else is identified, with advice,
// whatever its size.
func TestForeignFiles(t *testing.T) {
	packed := func(w func(io.Writer) io.WriteCloser) []byte {
		var b bytes.Buffer
		writer := w(&b)
		if _, err := writer.Write(native(fn("A"))); err != nil {
			t.Fatal(err)
		}
		if err := writer.Close(); err != nil {
			t.Fatal(err)
		}
		return b.Bytes()
	}
	var zipped, tarred bytes.Buffer
	z, tr := zip.NewWriter(&zipped), tar.NewWriter(&tarred)
	if _, err := z.Create("a.wasm"); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(z.Close(), tr.WriteHeader(&tar.Header{Name: "a.wasm", Mode: 0o644}), tr.Close()); err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	path := filepath.Join(dir, "a.wasm")
	for _, test := range []struct {
		name, content string
		wants         []string
	}{
		{"empty", "", []string{"the file is empty", "again"}},
		{"zeros", strings.Repeat("\x00", 4096), []string{"zeros", "copy it again"}},
		{"ends within the magic", "\x00as", []string{"truncated", "again"}},
		{"ends within the header", "\x00asm\x01\x00", []string{"truncated", "again"}},
		{"Git LFS", "version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345\n", []string{"Git LFS pointer", "`git lfs pull`"}},
		{"git-annex", "/annex/objects/SHA256E-s1--x.wasm\n", []string{"git-annex pointer", "`git annex get`"}},
		{"gzip", string(packed(func(w io.Writer) io.WriteCloser { return gzip.NewWriter(w) })), []string{"gzip file", "`gunzip`"}},
		{"zip", zipped.String(), []string{"zip archive", "`unzip`"}},
		{"tar", tarred.String(), []string{"tar archive", "`tar -xf`"}},
		{"zstd", "\x28\xb5\x2f\xfd\x00", []string{"Zstandard", "`unzstd`"}},
		{"HTML", "\xef\xbb\xbf\n<!-- x\n -->\n<!DOCTYPE html>\n<html>", []string{"HTML page", "download"}},
		{"HTML without a type", "<html><head>", []string{"HTML page"}},
		{"XML", "<?xml version=\"1.0\"?><Error><Code>NoSuchKey</Code></Error>", []string{"XML", "download"}},
		{"an Extism manifest", `{"memory": {}, "wasm": [{"path": "plugin.wasm"}]}`, []string{"an Extism manifest", "name the .wasm file"}},
		{"JSON", `{"errors": []}`, []string{"JSON", "download"}},
		{"text", ";; (a comment)\n(; another\n one ;)\n( module $m\n(func))", []string{"text format", "`wat2wasm`"}},
		{"text of a component", "(component)", []string{"text format"}},
		{"a component", "\x00asm\x0d\x00\x01\x00", []string{"a WebAssembly component", "wasm32-wasip1"}},
		{"a machine's program", "\x7fELF\x02\x01\x01", []string{"for machines", "GOOS=wasip1"}},
		{"a script", "#!/bin/sh\n", []string{"script"}},
		{"anything else", "something else", []string{"not a WebAssembly binary", "wasm32-wasip1"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			_, parseErr := modules.Parse("a", []byte(test.content))
			if err := os.WriteFile(path, []byte(test.content), 0o644); err != nil {
				t.Fatal(err)
			}
			_, readErr := modules.Read(path)
			errs := []error{parseErr, readErr}
			// the rest is not looked at
			if n := len(test.content); n > 4 && !strings.HasPrefix(test.content, "\x00asm") {
				if err := os.Truncate(path, modules.MaxModuleSize*4); err != nil {
					t.Fatal(err)
				}
				_, err := modules.Read(path)
				errs = append(errs, err)
			}
			for _, err := range errs {
				for _, want := range test.wants {
					if err == nil || !strings.Contains(err.Error(), want) {
						t.Errorf("%v, not %q", err, want)
					}
				}
			}
			if !strings.HasPrefix(readErr.Error(), path+": ") {
				t.Errorf("the file is not named: %v", readErr)
			}
		})
	}
}

func TestOpenSameNameTwice(t *testing.T) {
	one, two := t.TempDir(), t.TempDir()
	write(t, one, "orders.wasm", native(fn("A")))
	write(t, two, "orders.wasm", native(fn("B")))
	files, err := modules.Open(one, two)
	equal(t, "modules", names(files), []string{"orders"})
	if err == nil || !strings.Contains(err.Error(), filepath.Join(one, "orders.wasm")) || !strings.Contains(err.Error(), filepath.Join(two, "orders.wasm")) {
		t.Errorf("error %v, want one that names both files", err)
	}
}

func TestOpenSymlinks(t *testing.T) {
	target, dir := t.TempDir(), t.TempDir()
	write(t, target, "v7.bin", native(fn("A")))
	mkdir(t, target, "directory")
	symlink(t, filepath.Join(target, "v7.bin"), filepath.Join(dir, "current.wasm"))
	files, err := modules.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	equal(t, "modules", names(files), []string{"current"}) // the link's name
	equal(t, "path", files[0].Path, filepath.Join(dir, "current.wasm"))

	symlink(t, filepath.Join(target, "directory"), filepath.Join(dir, "directory.wasm"))
	if _, err := modules.Open(dir); err == nil || !strings.Contains(err.Error(), "directory.wasm: not a regular file") {
		t.Errorf("a link to a directory: error %v", err)
	}
}

// A file that is too large is refused by its size: it is not read.
func TestReadHugeFile(t *testing.T) {
	path := write(t, t.TempDir(), "huge.wasm", []byte("\x00asm\x01\x00\x00\x00"))
	if err := os.Truncate(path, 300<<20); err != nil { // sparse: takes no room
		t.Fatal(err)
	}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	_, err := modules.Read(path)
	runtime.ReadMemStats(&after)
	if want := path + ": 300 MB are more than the 128 MB that a module may have"; err == nil || err.Error() != want {
		t.Errorf("error %v, want %s", err, want)
	}
	if allocated := after.TotalAlloc - before.TotalAlloc; allocated > 1<<20 {
		t.Errorf("%d bytes were allocated for a file that is not to be read", allocated)
	}
}

// The tests build their modules. They are about names and types, in quantities that a
// text format would hide.

type options struct {
	imports        []string // modules from which a function "f" is imported
	importedMemory bool     // from "env"
	memory, table  []byte   // limits
}

// entry is an export. Its type is one of: 0: () -> i32, 1: () -> (), 2: (i32) -> i32,
// 3: () -> i64, 4: () -> (i32, i32), 5: a thousand parameters.
type entry struct {
	name string
	kind byte
	typ  int
}

// fn is an exported function of the type that activities have.
func fn(name string) entry { return entry{name: name} }

// native builds a module that imports the activity module.
func native(entries ...entry) []byte {
	return build(options{imports: []string{abi.ModuleActivity}, memory: []byte{0, 1}}, entries...)
}

func build(o options, entries ...entry) []byte {
	const i32, i64 = "\x7f", "\x7e"
	types := vec(
		funcType("", i32), funcType("", ""), funcType(i32, i32), funcType("", i64), funcType("", i32+i32), funcType(strings.Repeat(i64, 1000), ""))
	const typeCount = 6
	var imports, functions, exports [][]byte
	for _, module := range o.imports {
		imports = append(imports, slices.Concat(sized(module), sized("f"), []byte{0, 1}))
	}
	if o.importedMemory {
		imports = append(imports, slices.Concat(sized("env"), sized("memory"), []byte{2, 0, 1}))
	}
	for i := range typeCount { // one function of each type
		functions = append(functions, leb(i))
	}
	for _, e := range entries {
		index := 0
		if e.kind == 0 {
			index = len(o.imports) + e.typ
		}
		exports = append(exports, slices.Concat(sized(e.name), []byte{e.kind}, leb(index)))
	}
	binary := []byte("\x00asm\x01\x00\x00\x00")
	section := func(id byte, content []byte) {
		binary = append(append(binary, id), sized(string(content))...)
	}
	section(1, types)
	section(2, vec(imports...))
	section(3, vec(functions...))
	if o.table != nil {
		section(4, vec(append([]byte{0x70}, o.table...)))
	}
	if o.memory != nil {
		section(5, vec(o.memory))
	}
	section(7, vec(exports...))
	return binary // without code: package modules does not look into it
}

func funcType(params, results string) []byte {
	return slices.Concat([]byte{0x60}, sized(params), sized(results))
}

func vec(items ...[]byte) []byte { return append(leb(len(items)), slices.Concat(items...)...) }

func sized(content string) []byte { return append(leb(len(content)), content...) }

func leb(n int) []byte { return binary.AppendUvarint(nil, uint64(n)) }

func write(t *testing.T, dir, name string, data []byte) string {
	t.Helper()
	path := filepath.Join(dir, name)
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func mkdir(t *testing.T, dir, name string) string {
	t.Helper()
	path := filepath.Join(dir, name)
	if err := os.Mkdir(path, 0o700); err != nil {
		t.Fatal(err)
	}
	return path
}

func symlink(t *testing.T, target, path string) {
	t.Helper()
	if err := os.Symlink(target, path); err != nil {
		t.Fatal(err)
	}
}

func readFile(t *testing.T, path string) []byte {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func names(modules []*modules.File) []string {
	var list []string
	for _, m := range modules {
		list = append(list, m.Name)
	}
	return list
}

func equal(t *testing.T, what string, got, want any) {
	t.Helper()
	if !reflect.DeepEqual(got, want) {
		t.Errorf("%s: got\n%.1000s, want\n%.1000s", what, fmt.Sprintf("%v", got), fmt.Sprintf("%v", want))
	}
}

// A module cannot follow two contracts at once.
func TestNativeAndExtism(t *testing.T) {
	_, err := modules.Read("../../testdata/hostile/native-and-extism.wasm")
	if err == nil || !strings.Contains(err.Error(), "imports both wasmworker:activity/v1 and extism:host/env") {
		t.Errorf("got %v", err)
	}
}
