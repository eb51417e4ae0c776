package sandbox_test

import (
	"bytes"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/wasmworker/wasmworker/abi"
	"github.com/wasmworker/wasmworker/host/modules"
	"github.com/wasmworker/wasmworker/host/sandbox"
)

// entries lists the files below a directory.
func entries(t *testing.T, dir string) map[string]os.FileInfo {
	t.Helper()
	found := map[string]os.FileInfo{}
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		// The first is written by activities; of the second, nobody reads what it has.
		if err != nil || d.IsDir() || d.Name() == "used" || strings.HasPrefix(d.Name(), "code-") {
			return err
		}
		found[path], err = d.Info()
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// unchanged asserts that no file below a directory was written again, and that there are
// no others.
func unchanged(t *testing.T, before map[string]os.FileInfo, dir string) {
	t.Helper()
	after := entries(t, dir)
	equal(t, "number of files", len(after), len(before))
	for path, info := range after {
		if b := before[path]; b == nil || !os.SameFile(b, info) || !b.ModTime().Equal(info.ModTime()) {
			t.Errorf("%s was written again", path)
		}
	}
}

// What was compiled once is not compiled again: its file is used, and stays the same.
func TestCacheDir(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "deep", "cache")
	cfg := sandbox.Config{Modules: files(t, "echo", "misbehave"), CacheDir: dir}
	start(t, cfg)
	if stat, err := os.Stat(dir); err != nil || stat.Mode().Perm() != 0o700 {
		t.Errorf("the directory is %v (error %v): what lies in it is run, so others must not write there", stat.Mode(), err)
	}
	before := entries(t, dir)
	equal(t, "number of files", len(before), 6) // rewritten, compiled and a checksum, of each

	var logged recorder
	cfg.Logger = logged.logger()
	s := start(t, cfg)
	unchanged(t, before, dir)
	equal(t, "modules from the cache", cached(&logged), 2)
	equal(t, "result of cached code", text(run(t, s, "Echo", raw("x"))), "x")
	equal(t, "result of cached code", text(run(t, s, "Count")), "0")
}

// cached is how many modules came from the cache.
func cached(r *recorder) (n int) {
	for _, record := range r.all() {
		if record.message == "module loaded" && strings.Contains(record.attrs, "cached=true") {
			n++
		}
	}
	return n
}

// warnings are the warnings that were logged.
func warnings(r *recorder) (found []record) {
	for _, record := range r.all() {
		if record.level >= slog.LevelWarn {
			found = append(found, record)
		}
	}
	return found
}

// Whatever happened to a file of the cache, the next start says so and makes it again,
// and the one after it has nothing to say and nothing to do. wazero's own checksum is
// over machine code alone: a flipped bit in its table of functions would crash the
// process.
func TestCacheIsRepaired(t *testing.T) {
	dir := t.TempDir()
	cfg := sandbox.Config{Modules: files(t, "echo"), CacheDir: dir}
	start(t, cfg)
	damages := map[string]func(data []byte) []byte{
		"it is empty":         func([]byte) []byte { return nil },
		"half of it":          func(data []byte) []byte { return data[:len(data)/2] },
		"all but a byte":      func(data []byte) []byte { return data[:len(data)-1] },
		"one byte more":       func(data []byte) []byte { return append(data, 0) },
		"zeros":               func(data []byte) []byte { return make([]byte, len(data)) },
		"something else":      func([]byte) []byte { return []byte("damaged") },
		"the end of an older": func(data []byte) []byte { return data[len(data)/3:] },
	}
	for i := range 16 {
		damages[fmt.Sprintf("a bit at %d sixteenths", i)] = func(data []byte) []byte {
			data[i*len(data)/16] ^= 1 << (i % 8)
			return data
		}
	}
	for i := range 8 { // wazero's header and table of functions
		damages[fmt.Sprintf("a bit of byte %d", 8*i)] = func(data []byte) []byte {
			data[min(8*i, len(data)-1)] ^= 0x40
			return data
		}
	}
	for path := range entries(t, dir) {
		whole, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		for name, damage := range damages {
			name = filepath.Base(path) + ", " + name
			if err := os.WriteFile(path, damage(bytes.Clone(whole)), 0o600); err != nil {
				t.Fatal(err)
			}
			repaired(t, name, cfg)
			if now, err := os.ReadFile(path); err != nil || !bytes.Equal(now, whole) {
				t.Errorf("%s: afterwards the file is another one (error %v)", name, err)
			}
		}
		if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
		if err := os.MkdirAll(filepath.Join(path, "below"), 0o700); err != nil {
			t.Fatal(err)
		}
		repaired(t, filepath.Base(path)+", a directory in its place", cfg)
	}
}

// repaired starts twice: the first time, something is damaged.
func repaired(t *testing.T, name string, cfg sandbox.Config) {
	t.Helper()
	var logged recorder
	cfg.Logger = logged.logger()
	s := start(t, cfg)
	if w := warnings(&logged); len(w) != 1 || !strings.Contains(w[0].message, "is damaged, so it is made again") || !strings.Contains(w[0].attrs, cfg.CacheDir) {
		t.Errorf("%s: warnings %v", name, w)
	}
	equal(t, name+": result", text(run(t, s, "Echo", raw("x"))), "x")
	before := entries(t, cfg.CacheDir)
	logged = recorder{}
	s = start(t, cfg)
	if w := warnings(&logged); len(w) != 0 {
		t.Errorf("%s: warnings at the second start: %v", name, w)
	}
	equal(t, name+": modules from the cache", cached(&logged), 1)
	unchanged(t, before, cfg.CacheDir)
	equal(t, name+": result of cached code", text(run(t, s, "Echo", raw("x"))), "x")
}

// A process that ends before it has written the checksum leaves a file that nobody can
// vouch for. The next start makes it again.
func TestCacheWithoutChecksum(t *testing.T) {
	cfg := sandbox.Config{Modules: files(t, "echo"), CacheDir: t.TempDir()}
	start(t, cfg)
	for path := range entries(t, cfg.CacheDir) {
		if strings.HasSuffix(path, ".crc32c") {
			if err := os.Remove(path); err != nil {
				t.Fatal(err)
			}
		}
	}
	for _, want := range []int{0, 1} {
		var logged recorder
		cfg.Logger = logged.logger()
		start(t, cfg)
		equal(t, "modules from the cache", cached(&logged), want)
		equal(t, "warnings", len(warnings(&logged)), 0)
	}
}

// A cache that cannot be made is told once, with what to do about it, and the modules
// work without.
func TestCacheDirCannotBeMade(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, dir := range []string{file, filepath.Join(file, "below")} {
		var logged recorder
		s := start(t, sandbox.Config{Modules: files(t, "echo", "misbehave"), CacheDir: dir, Logger: logged.logger()})
		w := warnings(&logged)
		if len(w) != 1 || !strings.Contains(w[0].message, "--cache-dir (WASMWORKER_CACHE_DIR), or none") || !strings.Contains(w[0].attrs, "directory="+dir) || !strings.Contains(w[0].attrs, "not a directory") {
			t.Errorf("%s: warnings %v", dir, w)
		}
		equal(t, "result", text(run(t, s, "Echo", raw("x"))), "x")
	}
}

func TestDefaultCacheDir(t *testing.T) {
	t.Setenv("XDG_CACHE_HOME", "/var/cache/me") // where there is such a thing
	t.Setenv("HOME", "/home/me")
	dir := sandbox.DefaultCacheDir()
	if want, err := os.UserCacheDir(); err != nil || dir != filepath.Join(want, "wasmworker") {
		t.Errorf("got %s", dir)
	}
	t.Setenv("XDG_CACHE_HOME", "not/absolute")
	t.Setenv("HOME", "")
	if _, err := os.UserCacheDir(); err != nil {
		equal(t, "directory where there is none", sandbox.DefaultCacheDir(), "")
	}
}

// What a module's names say is no trouble with the cache: the others are kept.
func TestCacheIsNotTheModules(t *testing.T) {
	const name = "compilationcache: error"
	binary := header(sectionExport, vec(export(name, 0, 1)))
	// it returns nothing, and wazero says which function that is
	bad, err := modules.Parse("bad", bytes.Replace(binary, []byte{4, 0, 0x41, 0, 0x0b}, []byte{4, 0, 1, 1, 0x0b}, 1))
	if err != nil {
		t.Fatal(err)
	}
	dir, logged := filepath.Join(t.TempDir(), "cache"), &recorder{}
	cfg := sandbox.Config{Modules: []*modules.File{bad, fixture(t, "echo")}, CacheDir: dir, SkipRefused: true, Logger: logged.logger(), Preload: sandbox.PreloadNone}
	s := start(t, cfg)
	_, err = s.Run(t.Context(), sandbox.Task{Activity: name})
	if f := failure(t, err, abi.TypeModuleRefused); !strings.Contains(f.Message, name) {
		t.Errorf("it was refused otherwise: %s", f.Message)
	}
	run(t, s, "Echo")
	for _, r := range logged.all() {
		if r.level >= slog.LevelWarn && r.message != "module left out" {
			t.Errorf("it was told that %s (%s)", r.message, r.attrs)
		}
	}
	run(t, start(t, cfg), "Echo")
	all, cached := loads(logged)
	equal(t, "loads, and those from the cache", [2]int{all, cached}, [2]int{2, 1})
}

// A cache is one however its path is written.
func TestCacheDirIsRelative(t *testing.T) {
	echo := files(t, "echo")
	t.Chdir(t.TempDir())
	for _, dir := range []string{"cache", "./cache/1", "cache/2/", "cache//3"} {
		logged := &recorder{}
		cfg := sandbox.Config{Modules: echo, CacheDir: dir, Logger: logged.logger()}
		start(t, cfg)
		start(t, cfg)
		all, cached := loads(logged)
		equal(t, dir+": loads, and those from the cache", [2]int{all, cached}, [2]int{2, 1})
	}
}

// Modules that differ in what lies in their memory at the start have the same code, which
// is compiled once.
func TestCacheOfTheSameCode(t *testing.T) {
	dir := t.TempDir()
	load := func(file *modules.File) (greeting string, fromCache int) {
		var logged recorder
		s := start(t, sandbox.Config{Modules: []*modules.File{file}, CacheDir: dir, Logger: logged.logger()})
		got := string(run(t, s, "Greet").Data)
		return got, cached(&logged)
	}
	variant := func(greeting string) *modules.File {
		binary := bytes.Replace(fixture(t, "greeting").Binary, []byte("good morning"), []byte(greeting), 1)
		file, err := modules.Parse("greeting", binary)
		if err != nil {
			t.Fatal(err)
		}
		return file
	}
	for i, greeting := range []string{"good morning", "good evening", "good morning"} {
		got, fromCache := load(variant(greeting))
		if !strings.Contains(got, greeting) {
			t.Errorf("it says %q", got)
		}
		equal(t, greeting, fromCache, min(i, 1))
	}
}
