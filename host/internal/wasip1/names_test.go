package wasip1_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/wasmworker/wasmworker/abi"
	"github.com/wasmworker/wasmworker/host/internal/wasip1"
	"github.com/wasmworker/wasmworker/host/passthrough/fsmod"
)

func TestNames(t *testing.T) {
	dir, second := t.TempDir(), t.TempDir()
	put(t, dir, "a", "sub/x", "full/y")
	policy := writable(dir)
	policy.Mounts["/two"] = fsmod.Mount{Directory: second, Write: true}
	files := begin(t, policy)
	root, two := mount(t, files), get(t, files, 4)
	fd, err := files.Open(root, "sub", wasip1.OpenFlags{Directory: true})
	if err != nil {
		t.Fatal(err)
	}
	sub := get(t, files, fd)
	is(t, "unlink a directory", files.Unlink(root, "sub"), abi.EISDIR)
	is(t, "rmdir a file", files.Rmdir(root, "a"), abi.ENOTDIR)
	is(t, "rmdir what is full", files.Rmdir(root, "full"), abi.ENOTEMPTY)
	is(t, "unlink nothing", files.Unlink(root, "none"), abi.ENOENT)
	is(t, "rename nothing", files.Rename(root, "none", root, "b"), abi.ENOENT)
	is(t, "rename to another mount", files.Rename(root, "a", two, "a"), abi.EXDEV)
	if err := errors.Join(
		files.Mkdir(root, "new"), files.Rename(root, "a", root, "new/a"), files.Rename(root, "new/a", sub, "b"), files.Rename(sub, "b", sub, "c"),
		files.Rename(sub, "c", root, "d"), files.Rmdir(root, "new"), files.Unlink(sub, "x"),
	); err != nil {
		t.Error(err)
	}
	when := time.Unix(1_000_000_000, 123456789)
	fd, err = files.Open(root, "d", wasip1.OpenFlags{})
	if err != nil {
		t.Fatal(err)
	}
	d := get(t, files, fd)
	for what, set := range map[string]func() error{
		"by name": func() error { return files.Chtimes(root, "d", true, time.Time{}, when) },
		"by file": func() error { return d.Chtimes(time.Time{}, when) },
	} {
		put(t, dir, "d")
		err := set()
		info, statErr := d.Stat()
		if err != nil || statErr != nil || info.Modified.Unix() != when.Unix() {
			t.Error(what, info, err, statErr)
		}
	}
	info, err := files.Stat(root, "d", false)
	if own, ownErr := d.Stat(); err != nil || ownErr != nil || own != info || info.Size != int64(len("content of d")) || !info.Mode.IsRegular() || info.Device != 1 || info.Links != 1 {
		t.Error(info, own, err, ownErr)
	}
	if err := errors.Join(root.Chtimes(when, time.Time{}), files.Rename(root, "d", root, "e")); err != nil {
		t.Error(err)
	}
	is(t, "times under another name", d.Chtimes(time.Time{}, when), abi.ENOTSUP)
}

// A directory is listed in pieces, from anywhere.
func TestEntries(t *testing.T) {
	dir := t.TempDir()
	want := []string{".", ".."}
	for i := range 1000 {
		name := fmt.Sprintf("f%04d", i)
		put(t, dir, name)
		want = append(want, name)
	}
	interrupted := false
	directories, err := wasip1.OpenMounts(writable(dir), time.Time{})
	if err != nil {
		t.Fatal(err)
	}
	defer directories.Close()
	files := directories.Begin(func(int) bool { return interrupted }, nil)
	defer files.Close()
	root := mount(t, files)
	all := func() (names []string) {
		for i := uint64(0); ; i++ {
			e, ok, err := root.Entry(i)
			if err != nil {
				t.Fatal(err)
			}
			if !ok {
				return names
			}
			if e.Mode.IsDir() != (i < 2) {
				t.Errorf("%+v", e)
			}
			names = append(names, e.Name)
		}
	}
	listed := all()
	sorted := slices.Sorted(slices.Values(listed))
	if !slices.Equal(sorted, want) {
		t.Errorf("%d entries", len(listed))
	}
	for _, i := range []uint64{5, 4, 900, 2, 300, 299, 1001} {
		if e, ok, err := root.Entry(i); e.Name != listed[i] || !ok || err != nil {
			t.Errorf("%d: %+v, %v, %v; want %s", i, e, ok, err, listed[i])
		}
	}
	for _, i := range []uint64{1002, 1 << 40, 1<<64 - 1} {
		if e, ok, err := root.Entry(i); ok || err != nil {
			t.Errorf("%d: %+v, %v", i, e, err)
		}
	}
	put(t, dir, "new")
	if n := len(all()); n != 1003 { // beginning anew finds what is new
		t.Errorf("%d entries", n)
	}
	interrupted = true
	root.Entry(0)
	is(t, "interrupted", third(root.Entry(900)), abi.EINTR)
}

// No path reaches what is beside the directory.
func FuzzPath(f *testing.F) {
	for _, name := range []string{"file", "..", "../outside", "sub/../../outside", "/etc/passwd", "", ".", "a\x00b", "//", "sub//../file/", "./././", "up/outside", "\\..\\outside", "C:\\x", "\xff"} {
		f.Add(name, "sub/x")
	}
	f.Fuzz(func(t *testing.T, name, other string) {
		outer := t.TempDir()
		put(t, outer, "outside", "data/file", "data/sub/inner")
		dir := filepath.Join(outer, "data")
		if err := os.Symlink("..", filepath.Join(dir, "up")); err != nil {
			t.Fatal(err)
		}
		files := begin(t, writable(dir))
		root := mount(t, files)
		for _, how := range []wasip1.OpenFlags{{Follow: true}, {Write: true, Create: true, Follow: true}, {Create: true, Exclusive: true}, {Directory: true}} {
			fd, err := files.Open(root, name, how)
			if err != nil {
				continue
			}
			file := get(t, files, fd)
			if _, err := file.Write([]byte("x")); err == nil && file.IsDir() {
				t.Error("a directory was written")
			}
			files.Stat(file, other, true) //nolint:errcheck // none of these need succeed
		}
		files.Mkdir(root, name)               //nolint:errcheck
		files.Rename(root, name, root, other) //nolint:errcheck
		files.Unlink(root, name)              //nolint:errcheck
		files.Rmdir(root, other)              //nolint:errcheck
		left, err := os.ReadDir(outer)
		if data, readErr := os.ReadFile(filepath.Join(outer, "outside")); err != nil || len(left) != 2 || string(data) != "content of outside" || readErr != nil {
			t.Errorf("%q, %q: %v, %q, %v, %v", name, other, left, data, err, readErr)
		}
	})
}
