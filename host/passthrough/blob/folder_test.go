package blob_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/wasmworker/wasmworker/abi"
	"github.com/wasmworker/wasmworker/host/passthrough"
	"github.com/wasmworker/wasmworker/host/passthrough/blob"
)

func writeFile(t testing.TB, s store, name, text string) {
	t.Helper()
	file := filepath.Join(s.folder, name)
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

func readFile(t testing.TB, s store, name string) string {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(s.folder, name))
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

func sparse(t testing.TB, s store, name string, size int64) {
	t.Helper()
	writeFile(t, s, name, "")
	if err := os.Truncate(filepath.Join(s.folder, name), size); err != nil {
		t.Fatal(err)
	}
}

// files are all that is in the folder.
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

// A folder's objects are files as people would write them, and others' files are objects.
func TestFolderIsPlain(t *testing.T) {
	s := folder(t)
	a := begin(t, newModule(t, s.Options), everything("things"))
	a.ok("put", at("a/b.txt"), "text")
	if got := files(t, s.folder); !slices.Equal(got, []string{"a/b.txt"}) || readFile(t, s, "a/b.txt") != "text" {
		t.Errorf("the folder has %v", got)
	}
	writeFile(t, s, "c/d", "theirs")
	if got, body := a.ok("get", at("c/d"), ""); body != "theirs" || got["content_type"] != "application/octet-stream" {
		t.Errorf("get: %q, %v", body, got)
	}
	a.ok("put", with(at("a/b.txt"), object{"content_type": "text/plain"}), "text")
	if got := files(t, s.folder); !slices.Equal(got, []string{"a/b.txt", "a/b.txt.attrs", "c/d"}) {
		t.Errorf("the folder has %v", got)
	}
	a.ok("delete", at("a/b.txt"), "")
	if got := files(t, s.folder); !slices.Equal(got, []string{"c/d"}) {
		t.Errorf("the folder has %v", got)
	}
}

// Links lead nowhere, wherever they point to: out of the folder, and past prefixes inside of it.
func TestFolderLinks(t *testing.T) {
	s := folder(t)
	outside := store{folder: t.TempDir()}
	writeFile(t, outside, "x", "not-to-be-seen")
	writeFile(t, s, "private/x", "not-to-be-seen")
	writeFile(t, s, "out/real", "real")
	link := func(target, name string) {
		if err := os.Symlink(target, filepath.Join(s.folder, name)); err != nil {
			t.Fatal(err)
		}
	}
	link(outside.folder, "out/dir")
	link(filepath.Join(outside.folder, "x"), "out/file")
	link("../private", "out/inner")
	link("../private/x", "out/innerfile")
	link(filepath.Join(outside.folder, "x"), "out/real.attrs")
	link(outside.folder, "out/nowhere")
	link("loop", "out/loop")
	a := begin(t, newModule(t, s.Options), &blob.Policy{Buckets: map[string]blob.Access{"things": {Prefixes: []string{"out/"}, Write: true}}})
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
	a.want(abi.EIO, "commit", object{"writer": created["writer"]}, "", "not a folder")
	// A replaced or deleted object's attributes go, and not what they were a link to.
	a.ok("put", with(at("out/real"), object{"metadata": object{"a": "b"}}), "new")
	a.ok("delete", at("out/real"), "")
	if readFile(t, outside, "x") != "not-to-be-seen" || len(files(t, outside.folder)) != 1 || readFile(t, s, "private/x") != "not-to-be-seen" {
		t.Error("something outside was changed")
	}
}

// A folder that is swapped for a link at any moment leads nowhere either.
func TestFolderLinksRace(t *testing.T) {
	s := folder(t)
	outside := store{folder: t.TempDir()}
	writeFile(t, outside, "x", "not-to-be-seen")
	writeFile(t, s, "real/x", "real")
	swapped := filepath.Join(s.folder, "dir")
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
				os.Symlink(outside.folder, swapped)
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
	if got := files(t, outside.folder); !slices.Equal(got, []string{"x"}) {
		t.Errorf("outside there is %v", got)
	}
}

// What is no file is no object, and nothing waits for it.
func TestFolderSpecialFiles(t *testing.T) {
	s := folder(t)
	writeFile(t, s, "x", "x")
	for _, name := range []string{"pipe", "x.attrs"} {
		if err := syscall.Mkfifo(filepath.Join(s.folder, name), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Mkdir(filepath.Join(s.folder, "dir"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mknod(filepath.Join(s.folder, "null"), syscall.S_IFCHR|0o666, 1<<8|3); err != nil {
		t.Logf("without a device: %v", err)
	}
	a := begin(t, newModule(t, s.Options), everything("things"))
	for _, key := range []string{"pipe", "dir", "null", "pipe/x", "x/y"} {
		for _, function := range []string{"get", "open", "stat", "delete"} {
			a.want(abi.ENOENT, function, at(key), "")
		}
		if key != "null" {
			a.want(abi.EIO, "put", at(key), "x")
		}
	}
	if _, body := a.ok("get", at("x"), ""); body != "x" {
		t.Errorf("get: %q", body)
	}
	if got, _ := a.ok("list", object{"bucket": "things"}, ""); !slices.Equal(keys(got), []string{"x"}) {
		t.Errorf("list: %v", keys(got))
	}
}

func TestFolderReservedNames(t *testing.T) {
	s := folder(t)
	module := newModule(t, s.Options)
	a := begin(t, module, everything("things"))
	a.ok("put", with(at("x"), object{"metadata": object{"a": "b"}}), "x")
	created, _ := a.ok("create", at("y"), "")
	a.ok("write", object{"writer": created["writer"]}, "y")
	unfinished := files(t, s.folder)[0]
	if !strings.HasSuffix(unfinished, ".wasmworker-tmp") {
		t.Fatalf("the folder has %v", files(t, s.folder))
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

// A list goes on where folders cannot be read, and fails where the bucket itself cannot.
func TestFolderOfOthers(t *testing.T) {
	s := folder(t)
	writeFile(t, s, "a/x", "x")
	writeFile(t, s, "bad\xffname", "x")
	writeFile(t, s, "control\nname", "x")
	a := begin(t, newModule(t, s.Options), everything("things"))
	if got, _ := a.ok("list", object{"bucket": "things"}, ""); !slices.Equal(keys(got), []string{"a/x"}) {
		t.Errorf("list: %v", keys(got))
	}
	if err := os.RemoveAll(s.folder); err != nil {
		t.Fatal(err)
	}
	for _, function := range []string{"list", "put"} {
		a.want(abi.EIO, function, at("x"), "")
	}
}

// A folder that is not there is a mistake of the configuration, or one that shows when it is used.
func TestFolderVanishes(t *testing.T) {
	s := folder(t)
	module := newModule(t, s.Options)
	if err := os.Remove(s.folder); err != nil {
		t.Fatal(err)
	}
	a := begin(t, module, everything("things"))
	a.want(abi.EIO, "put", at("x"), "x")
	a.want(abi.EIO, "list", at(""), "")
	if err := os.Mkdir(s.folder, 0o755); err != nil {
		t.Fatal(err)
	}
	a.ok("put", at("x"), "x") // it is opened again
}

// clean asserts that nothing is left of writers that were given up.
func clean(t *testing.T, s store, module passthrough.Module) {
	t.Helper()
	switch {
	case s.folder != "":
		noTemps(t, s.folder)
	case s.s3 != nil:
		noUploads(t, s.s3)
	}
}
