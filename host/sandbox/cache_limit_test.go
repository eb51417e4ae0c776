package sandbox_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/wasmworker/wasmworker/host/sandbox"
)

// What has not been of use for longest makes room in the cache, and nothing else.
func TestCacheLimit(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "cache")
	names := []string{"echo", "memory", "misbehave", "dirty"}
	has := func() (found string) {
		t.Helper()
		entries, err := os.ReadDir(dir)
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range names {
			for _, e := range entries {
				if strings.HasSuffix(e.Name(), "-"+fixture(t, name).Digest) {
					found += name + " "
				}
			}
		}
		return found
	}
	compile := func(limit uint64, names ...string) {
		t.Helper()
		start(t, sandbox.Config{Modules: files(t, names...), CacheDir: dir, CacheLimit: limit})
	}
	for i, name := range names[:3] {
		compile(0, name)
		for _, e := range entriesOf(t, dir) { // in this order, whatever the clock of the files
			if strings.HasSuffix(e, fixture(t, name).Digest) {
				at := time.Now().Add(time.Duration(i-10) * time.Hour)
				if err := os.Chtimes(filepath.Join(dir, e), at, at); err != nil {
					t.Fatal(err)
				}
			}
		}
	}
	if err := os.MkdirAll(filepath.Join(dir, "of-somebody"), 0o700); err != nil {
		t.Fatal(err)
	}
	compile(1, "echo") // it was there: nothing is added, and nothing goes
	equal(t, "without anything new", has(), "echo memory misbehave ")
	room := size(t, dir)
	compile(room, "dirty") // as much as there was before, so that something has to go
	if got := has(); strings.Contains(got, "memory") || !strings.Contains(got, "echo") || !strings.Contains(got, "dirty") {
		t.Errorf("left are %s, want memory gone, which was not used for longest", got)
	}
	if got := size(t, dir); got > room {
		t.Errorf("%d bytes, with a limit of %d", got, room)
	}
	// What is served stays, whatever the limit, and that is told.
	logged := &recorder{}
	start(t, sandbox.Config{Modules: files(t, "memory", "misbehave"), CacheDir: dir, CacheLimit: 1, Logger: logged.logger(), PerModule: map[string]sandbox.Options{"misbehave": {Prefix: "m."}}})
	equal(t, "what one worker serves", has(), "memory misbehave ")
	told := false
	for _, record := range logged.all() {
		told = told || strings.HasPrefix(record.message, "the modules that are served take more of the cache")
	}
	equal(t, "told", told, true)
	if _, err := os.Stat(filepath.Join(dir, "of-somebody")); err != nil {
		t.Error(err)
	}
}

// What another process removes at the same time makes room, too: no more goes than has to.
func TestCacheLimitOfSeveral(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "cache")
	others := []string{"echo", "memory", "misbehave", "initialize"}
	paths := map[string]string{}
	for i, name := range others {
		start(t, sandbox.Config{Modules: files(t, name), CacheDir: dir})
		for _, e := range entriesOf(t, dir) {
			if strings.HasSuffix(e, fixture(t, name).Digest) {
				paths[name] = filepath.Join(dir, e)
				at := time.Now().Add(time.Duration(i-10) * time.Hour)
				if err := os.Chtimes(paths[name], at, at); err != nil {
					t.Fatal(err)
				}
			}
		}
	}
	another := filepath.Join(t.TempDir(), "cache")
	start(t, sandbox.Config{Modules: files(t, "dirty"), CacheDir: another})
	room := size(t, paths["misbehave"]) + size(t, paths["initialize"]) + size(t, another)
	// Two have to go. When the first one has gone, another process has removed the second.
	logged := &recorder{onLog: func(message string) {
		if strings.HasPrefix(message, "removed from the cache") {
			if err := os.RemoveAll(paths["memory"]); err != nil {
				t.Error(err)
			}
		}
	}}
	start(t, sandbox.Config{Modules: files(t, "dirty"), CacheDir: dir, CacheLimit: room, Logger: logged.logger()})
	for _, name := range others {
		_, err := os.Stat(paths[name])
		if left := err == nil; left != (name == "misbehave" || name == "initialize") {
			t.Errorf("%s is left: %t", name, left)
		}
	}
}

func entriesOf(t *testing.T, dir string) (names []string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}

func size(t *testing.T, dir string) (total uint64) {
	t.Helper()
	for _, info := range entries(t, dir) {
		total += uint64(info.Size())
	}
	return total
}

// A cache from which another process removes directories stays one that is written to.
func TestCacheThatIsTrimmedByOthers(t *testing.T) {
	dir, logged := filepath.Join(t.TempDir(), "cache"), &recorder{}
	cfg := sandbox.Config{Modules: files(t, "echo", "memory"), CacheDir: dir, Logger: logged.logger(), Preload: sandbox.PreloadNone}
	s := start(t, cfg)
	run(t, s, "Echo", raw("x"))
	stop, done := make(chan struct{}), make(chan struct{})
	go func() { // whatever the other does at that moment
		defer close(done)
		for {
			select {
			case <-stop:
				return
			default:
			}
			for _, e := range entriesOf(t, dir) {
				if !strings.HasPrefix(e, ".") { // what is being handed over is nobody else's
					os.RemoveAll(filepath.Join(dir, e))
				}
			}
		}
	}()
	for range 20 {
		start(t, cfg)
		s := start(t, sandbox.Config{Modules: files(t, "memory"), CacheDir: dir, Logger: logged.logger(), Defaults: sandbox.Options{Isolation: sandbox.IsolationFresh}})
		equal(t, "modules", len(s.Modules()), 1)
	}
	close(stop)
	<-done
	for _, record := range logged.all() {
		if strings.HasPrefix(record.message, "the cache of compiled modules cannot be written") {
			t.Errorf("%s %s", record.message, record.attrs)
		}
	}
}
