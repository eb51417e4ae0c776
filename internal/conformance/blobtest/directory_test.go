package blobmod_test

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/wasmworker/wasmworker/abi"
	"github.com/wasmworker/wasmworker/host/passthrough"
	"github.com/wasmworker/wasmworker/host/passthrough/blobmod"
	"github.com/wasmworker/wasmworker/internal/testbed"
)

func writeFile(t testing.TB, s store, name, text string) {
	t.Helper()
	file := filepath.Join(s.directory, name)
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

func readFile(t testing.TB, s store, name string) string {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(s.directory, name))
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

func sparse(t testing.TB, s store, name string, size int64) {
	t.Helper()
	writeFile(t, s, name, "")
	if err := os.Truncate(filepath.Join(s.directory, name), size); err != nil {
		t.Fatal(err)
	}
}

// files are all that is in the directory.
func files(t testing.TB, dir string) (names []string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(name string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			rel, _ := filepath.Rel(dir, name)
			names = append(names, rel)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return names
}

// A directory's objects are files as people would write them, and others' files are
// objects.
func TestDirectoryIsPlain(t *testing.T) {
	s := directory(t)
	a := begin(t, newModule(t, s.Options), everything("things"))
	a.ok("put", at("a/b.txt"), "text")
	if got := files(t, s.directory); !slices.Equal(got, []string{"a/b.txt"}) || readFile(t, s, "a/b.txt") != "text" {
		t.Errorf("the directory has %v", got)
	}
	writeFile(t, s, "c/d", "theirs")
	if got, body := a.ok("get", at("c/d"), ""); body != "theirs" || got["content_type"] != "application/octet-stream" {
		t.Errorf("get: %q, %v", body, got)
	}
	a.ok("put", with(at("a/b.txt"), object{"content_type": "text/plain"}), "text")
	if got := files(t, s.directory); !slices.Equal(got, []string{"a/b.txt", "a/b.txt.attrs", "c/d"}) {
		t.Errorf("the directory has %v", got)
	}
	a.ok("delete", at("a/b.txt"), "")
	if got := files(t, s.directory); !slices.Equal(got, []string{"c/d"}) {
		t.Errorf("the directory has %v", got)
	}
}

// Links lead nowhere, wherever they point to: out of the directory, and past prefixes
// inside of it.
func TestDirectoryLinks(t *testing.T) {
	s := directory(t)
	outside := store{directory: t.TempDir()}
	writeFile(t, outside, "x", "not-to-be-seen")
	writeFile(t, s, "private/x", "not-to-be-seen")
	writeFile(t, s, "out/real", "real")
	link := func(target, name string) {
		if err := os.Symlink(target, filepath.Join(s.directory, name)); err != nil {
			t.Fatal(err)
		}
	}
	link(outside.directory, "out/dir")
	link(filepath.Join(outside.directory, "x"), "out/file")
	link("../private", "out/inner")
	link("../private/x", "out/innerfile")
	link(filepath.Join(outside.directory, "x"), "out/real.attrs")
	link(outside.directory, "out/nowhere")
	link("loop", "out/loop")
	a := begin(t, newModule(t, s.Options), &blobmod.Policy{Buckets: map[string]blobmod.Access{"things": {Prefixes: []string{"out/"}, Write: true}}})
	for _, key := range []string{"out/dir/x", "out/file", "out/inner/x", "out/innerfile", "out/loop", "out/loop/x", "out/dir"} {
		for _, function := range []string{"get", "open", "stat", "delete"} {
			a.want(abi.ENOENT, function, at(key), "")
		}
		for _, function := range []string{"put", "create"} {
			a.want(abi.EIO, function, at(key), "mine", "in the bucket")
		}
	}
	a.want(abi.EIO, "put", at("out/dir/deeper/y"), "mine")
	for _, prefix := range []string{"out/", "out/dir/", "out/inner/", "out/loop/"} {
		want := []string(nil)
		if prefix == "out/" {
			want = []string{"out/real"}
		}
		if got, _ := a.ok("list", object{"bucket": "things", "prefix": prefix}, ""); !slices.Equal(keys(got), want) {
			t.Errorf("list %s: %v", prefix, keys(got))
		}
	}
	if got, body := a.ok("get", at("out/real"), ""); body != "real" || got["metadata"] != nil {
		t.Errorf("get: %q, %v", body, got)
	}
	// Nor do links that are put there before a commit.
	created, _ := a.ok("create", at("out/new/x"), "")
	link("../private", "out/new")
	a.want(abi.EIO, "commit", object{"writer": created["writer"]}, "", "not a directory")
	// A replaced or deleted object's attributes go, and not what they were a link to.
	a.ok("put", with(at("out/real"), object{"metadata": object{"a": "b"}}), "new")
	a.ok("delete", at("out/real"), "")
	if readFile(t, outside, "x") != "not-to-be-seen" || len(files(t, outside.directory)) != 1 || readFile(t, s, "private/x") != "not-to-be-seen" {
		t.Error("something outside was changed")
	}
}

// A directory that is swapped for a link at any moment leads nowhere either.
func TestDirectoryLinksRace(t *testing.T) {
	s := directory(t)
	outside := store{directory: t.TempDir()}
	writeFile(t, outside, "x", "not-to-be-seen")
	writeFile(t, s, "real/x", "real")
	swapped := filepath.Join(s.directory, "dir")
	stop, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		for i := 0; ; i++ {
			select {
			case <-stop:
				return
			default:
			}
			os.Remove(swapped)
			if i%2 == 0 {
				os.Symlink(outside.directory, swapped)
			} else if os.Mkdir(swapped, 0o755) == nil {
				os.WriteFile(filepath.Join(swapped, "x"), []byte("real"), 0o644)
				os.RemoveAll(swapped)
			}
		}
	}()
	a := begin(t, newModule(t, s.Options), everything("things"))
	for i := range 2000 {
		if _, body, err := a.call("get", at("dir/x"), ""); err == nil && strings.Contains(body, "not-to-be-seen") {
			t.Error("the link was followed")
		}
		if i%20 == 0 {
			a.call("put", at("dir/y"), "mine") //nolint:errcheck // either way
			a.call("delete", at("dir/x"), "")  //nolint:errcheck
		}
	}
	close(stop)
	<-stopped
	if got := files(t, outside.directory); !slices.Equal(got, []string{"x"}) {
		t.Errorf("outside there is %v", got)
	}
}

// What is no file is no object, and nothing waits for it.
func TestDirectorySpecialFiles(t *testing.T) {
	s := directory(t)
	writeFile(t, s, "x", "x")
	for _, name := range []string{"pipe", "x.attrs"} {
		if err := syscall.Mkfifo(filepath.Join(s.directory, name), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Mkdir(filepath.Join(s.directory, "dir"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mknod(filepath.Join(s.directory, "null"), syscall.S_IFCHR|0o666, 1<<8|3); err != nil {
		t.Logf("without a device: %v", err)
	}
	a := begin(t, newModule(t, s.Options), everything("things"))
	for _, key := range []string{"pipe", "dir", "null", "pipe/x", "x/y"} {
		for _, function := range []string{"get", "open", "stat", "delete"} {
			a.want(abi.ENOENT, function, at(key), "")
		}
	}
	for key, errno := range map[string]abi.Errno{"pipe": abi.EIO, "pipe/x": abi.EIO, "x/y": abi.ENOTDIR} {
		a.want(errno, "put", at(key), "x", "bucket")
	}
	if _, body := a.ok("get", at("x"), ""); body != "x" {
		t.Errorf("get: %q", body)
	}
	if got, _ := a.ok("list", object{"bucket": "things"}, ""); !slices.Equal(keys(got), []string{"x"}) {
		t.Errorf("list: %v", keys(got))
	}
}

func TestDirectoryReservedNames(t *testing.T) {
	s := directory(t)
	module := newModule(t, s.Options)
	a := begin(t, module, everything("things"))
	a.ok("put", with(at("x"), object{"metadata": object{"a": "b"}}), "x")
	created, _ := a.ok("create", at("y"), "")
	a.ok("write", object{"writer": created["writer"]}, "y")
	unfinished := files(t, s.directory)[0]
	if !strings.HasSuffix(unfinished, ".wasmworker-tmp") {
		t.Fatalf("the directory has %v", files(t, s.directory))
	}
	for _, key := range []string{"x.attrs", "X.ATTRS", "new.attrs", "new.attrs/x", "a/b.Attrs/c", unfinished, "a.wasmworker-tmp"} {
		for _, function := range []string{"get", "open", "stat", "delete"} {
			a.want(abi.ENOENT, function, at(key), "")
		}
		a.want(abi.EINVAL, "put", at(key), "{}", "takes no names", ".attrs")
		a.want(abi.EINVAL, "create", at(key), "")
	}
	if got, _ := a.ok("list", object{"bucket": "things"}, ""); !slices.Equal(keys(got), []string{"x"}) {
		t.Errorf("list: %v", keys(got))
	}
	if got, _ := a.ok("list", object{"bucket": "things", "prefix": "x."}, ""); len(keys(got)) != 0 {
		t.Errorf("list: %v", keys(got))
	}
	writeFile(t, s, "x.attrs", "no JSON")
	if got, _ := a.ok("get", at("x"), ""); got["content_type"] != "application/octet-stream" {
		t.Errorf("get: %v", got)
	}
}

// A list goes on where directories cannot be read, and fails where the bucket itself
// cannot.
func TestDirectoryOfOthers(t *testing.T) {
	s := directory(t)
	writeFile(t, s, "a/x", "x")
	writeFile(t, s, "bad\xffname", "x")
	writeFile(t, s, "control\nname", "x")
	a := begin(t, newModule(t, s.Options), everything("things"))
	if got, _ := a.ok("list", object{"bucket": "things"}, ""); !slices.Equal(keys(got), []string{"a/x"}) {
		t.Errorf("list: %v", keys(got))
	}
	if err := os.RemoveAll(s.directory); err != nil {
		t.Fatal(err)
	}
	for _, function := range []string{"list", "put"} {
		a.want(abi.EIO, function, at("x"), "")
	}
}

// A directory that is not there is a mistake of the configuration, or one that shows when
// it is used.
func TestDirectoryVanishes(t *testing.T) {
	s := directory(t)
	module := newModule(t, s.Options)
	if err := os.Remove(s.directory); err != nil {
		t.Fatal(err)
	}
	a := begin(t, module, everything("things"))
	a.want(abi.EIO, "put", at("x"), "x")
	a.want(abi.EIO, "list", at(""), "")
	if err := os.Mkdir(s.directory, 0o755); err != nil {
		t.Fatal(err)
	}
	a.ok("put", at("x"), "x") // it is opened again
}

// dirs are the directories in a directory.
func dirs(t testing.TB, dir string) (names []string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(name string, d fs.DirEntry, err error) error {
		if err == nil && d.IsDir() && name != dir {
			rel, _ := filepath.Rel(dir, name)
			names = append(names, rel)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return names
}

// A key is free once the objects below it are gone, and the directories that were made
// for them go with them.
func TestDirectoryTurnsIntoObject(t *testing.T) {
	s := directory(t)
	a := begin(t, newModule(t, s.Options), everything("things"))
	a.ok("put", with(at("p/q/r"), object{"metadata": object{"a": "b"}}), "x")
	a.ok("put", at("p/s"), "x")
	for _, key := range []string{"p", "p/q"} {
		a.want(abi.EISDIR, "put", at(key), "x", "begin with the key and a slash")
		a.want(abi.EISDIR, "put", with(at(key), object{"if_none_match": true}), "x")
		a.want(abi.EISDIR, "create", at(key), "")
	}
	a.ok("delete", at("p/q/r"), "")
	if got := dirs(t, s.directory); !slices.Equal(got, []string{"p"}) {
		t.Errorf("the directory has %v", got)
	}
	a.ok("delete", at("p/s"), "")
	if got := dirs(t, s.directory); len(got) != 0 {
		t.Errorf("the directory has %v", got)
	}
	a.ok("put", at("p"), "object")
	for _, key := range []string{"p/q", "p/q/r"} {
		a.want(abi.ENOTDIR, "put", at(key), "x", "exclude each other")
		a.want(abi.ENOTDIR, "create", with(at(key), object{"if_none_match": true}), "")
		a.want(abi.ENOENT, "get", at(key), "")
	}
	a.ok("delete", at("p"), "")
	// Empty directories of others are in nobody's way.
	for _, function := range []object{{}, {"if_none_match": true}} {
		if err := os.MkdirAll(filepath.Join(s.directory, "p/q/r/s"), 0o755); err != nil {
			t.Fatal(err)
		}
		a.ok("put", with(at("p"), function), "object")
		a.ok("delete", at("p"), "")
	}
	// What was in the way, or was not, when a writer began can be different when it
	// commits.
	created, _ := a.ok("create", at("p"), "")
	a.ok("put", at("p/q"), "x")
	a.want(abi.EISDIR, "commit", object{"writer": created["writer"]}, "")
	created, _ = a.ok("create", at("p/r"), "")
	a.ok("delete", at("p/q"), "")
	a.ok("commit", object{"writer": created["writer"]}, "")
	a.ok("delete", at("p/r"), "")
	created, _ = a.ok("create", at("p/q"), "")
	a.ok("put", at("p"), "x")
	a.want(abi.ENOTDIR, "commit", object{"writer": created["writer"]}, "")
	a.ok("delete", at("p"), "")
	// A writer that gives up leaves no directory either.
	a.ok("put", at("p/q"), "x")
	created, _ = a.ok("create", at("p/r"), "")
	a.ok("delete", at("p/q"), "")
	a.ok("close", object{"writer": created["writer"]}, "")
	testbed.Eventually(t, "the directory is empty", func() error {
		if got := slices.Concat(dirs(t, s.directory), files(t, s.directory)); len(got) != 0 {
			return fmt.Errorf("it has %v", got)
		}
		return nil
	})
}

// Deletions remove directories in which others are about to put objects, in two workers.
// Nothing is lost or refused for it, unless somebody wants an object where others have a
// directory.
func TestDirectoryDeleteRace(t *testing.T) {
	for name, test := range map[string]struct {
		keys     []string
		conflict bool
	}{
		"siblings": {keys: []string{"a/b/c/1", "a/b/c/2", "a/b/3", "a/b/c/4"}},
		"conflict": {keys: []string{"a/b/c/1", "a/b", "a/b/c/2", "a"}, conflict: true},
	} {
		t.Run(name, func(t *testing.T) {
			s := directory(t)
			var modules []passthrough.Module
			for range 2 {
				m := newModule(t, s.Options)
				// opens it, which the next one has to know
				begin(t, m, everything("things")).ok("list", object{"bucket": "things"}, "")
				modules = append(modules, m)
			}
			var workers sync.WaitGroup
			for n, key := range test.keys {
				a, head := begin(t, modules[n%2], everything("things")), at(key)
				workers.Go(func() {
					for i := range 200 {
						more := object{}
						if i%3 == 0 {
							more = object{"metadata": object{"a": "b"}, "if_none_match": true}
						}
						_, _, err := a.call("put", with(head, more), "x")
						if errno, _ := errors.AsType[abi.Errno](err); test.conflict && (errno == abi.EISDIR || errno == abi.ENOTDIR) {
							continue
						}
						if err != nil {
							t.Errorf("put: %v", err)
						}
						if _, body, err := a.call("get", head, ""); err != nil || body != "x" {
							t.Errorf("get: %q, %v", body, err)
						}
						if _, _, err := a.call("delete", head, ""); err != nil {
							t.Errorf("delete: %v", err)
						}
						if got, _, err := a.call("list", object{"bucket": "things"}, ""); err != nil || len(keys(got)) >= len(test.keys) {
							t.Errorf("list: %v, %v", got, err)
						}
					}
				})
			}
			workers.Wait()
			if got := slices.Concat(dirs(t, s.directory), files(t, s.directory)); len(got) != 0 {
				t.Errorf("the directory has %v", got)
			}
		})
	}
}

// Keys that are too long for a file system, by parts or in all, work or are refused for
// what they are.
func TestDirectoryLongNames(t *testing.T) {
	long := strings.Repeat("x", 255)
	dir := t.TempDir()
	// With the key, a path of more than 4096 bytes, which is reached in steps alone.
	bucket := dir + strings.Repeat("/"+strings.Repeat("d", 250), 15)
	if err := os.MkdirAll(bucket, 0o755); err != nil {
		t.Fatal(err)
	}
	a := begin(t, newModule(t, blobmod.Options{Buckets: map[string]blobmod.Bucket{"things": {URL: "file://" + bucket}}}), everything("things"))
	meta := object{"metadata": object{"a": "b"}}
	for _, key := range []string{long, long + "/" + long + "/" + long + "/" + strings.Repeat("y", 249)} {
		a.ok("put", at(key), "text")
		a.ok("put", with(at(key[:len(key)-6]), meta), "more") // 6 for .attrs
		if _, body := a.ok("get", at(key), ""); body != "text" {
			t.Errorf("get: %q", body)
		}
		if got, _ := a.ok("stat", at(key[:len(key)-6]), ""); fmt.Sprint(got["metadata"]) != "map[a:b]" {
			t.Errorf("stat: %v", got)
		}
		if got, _ := a.ok("list", object{"bucket": "things", "prefix": key[:len(key)-6]}, ""); len(keys(got)) != 2 {
			t.Errorf("list: %v", keys(got))
		}
		a.ok("delete", at(key), "")
		a.ok("delete", at(key[:len(key)-6]), "")
	}
	for _, function := range []string{"put", "create"} {
		a.want(abi.ENAMETOOLONG, function, with(at(long), meta), "", "content_type or metadata", "249")
		for _, key := range []string{long + "y", "a/" + long + "y/b", long + "y/" + long} {
			a.want(abi.ENAMETOOLONG, function, at(key), "", "255 bytes")
		}
		a.want(abi.EINVAL, function, at("a/"), "", "ends with an empty")
		a.want(abi.EINVAL, function, at(strings.Repeat("a/", 512)+"b"), "", "1024 bytes at most")
	}
	for _, function := range []string{"get", "open", "stat", "delete"} {
		for _, key := range []string{long + "y", long + "y/b"} {
			a.want(abi.ENOENT, function, at(key), "")
		}
	}
	if got, _ := a.ok("list", object{"bucket": "things", "prefix": long + "y/"}, ""); len(keys(got)) != 0 {
		t.Errorf("list: %v", keys(got))
	}
	if left := slices.Concat(dirs(t, bucket), files(t, bucket)); len(left) != 0 {
		t.Errorf("the directory has %v", left)
	}
}

// What killed workers left goes, by its age where there is no lock to tell, and what
// others are still writing stays.
func TestDirectorySweeps(t *testing.T) {
	s := directory(t)
	old := time.Now().Add(-25 * time.Hour)
	for _, name := range []string{".OLD.wasmworker-tmp", "a/b/.OLD.wasmworker-tmp", "a/b/.OLD.attrs.wasmworker-tmp", "c/.OLD.wasmworker-tmp", "c/.YOUNG.wasmworker-tmp", "c/old", "old.wasmworker-tmp"} {
		writeFile(t, s, name, "x")
		if strings.Contains(strings.ToLower(name), "old") {
			if err := os.Chtimes(filepath.Join(s.directory, name), old, old); err != nil {
				t.Fatal(err)
			}
		}
	}
	young, err := os.Open(filepath.Join(s.directory, "c/.YOUNG.wasmworker-tmp"))
	if err != nil {
		t.Fatal(err)
	}
	defer young.Close()
	if err := syscall.Flock(int(young.Fd()), syscall.LOCK_EX); err != nil { // as who writes it does
		t.Fatal(err)
	}
	reader := begin(t, newModule(t, s.Options), &blobmod.Policy{Buckets: map[string]blobmod.Access{"things": {}}})
	reader.ok("list", object{"bucket": "things"}, "")
	if got := files(t, s.directory); len(got) != 7 {
		t.Errorf("who may read alone has removed some: %v", got)
	}
	for range 2 { // workers, at the same time
		begin(t, newModule(t, s.Options), everything("things")).ok("put", at("a/b"), "in the place of a directory")
	}
	testbed.Eventually(t, "old files are gone", func() error {
		if got := files(t, s.directory); !slices.Equal(got, []string{"a/b", "c/.YOUNG.wasmworker-tmp", "c/old", "old.wasmworker-tmp"}) {
			return fmt.Errorf("the directory has %v", got)
		}
		return nil
	})
}

// clean asserts that nothing is left of writers that were given up.
func clean(t *testing.T, s store, module passthrough.Module) {
	t.Helper()
	switch {
	case s.directory != "":
		noTemps(t, s.directory)
	case s.s3 != nil:
		noUploads(t, s.s3)
	}
}
