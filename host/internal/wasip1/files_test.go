package wasip1_test

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/wasmworker/wasmworker/abi"
	"github.com/wasmworker/wasmworker/host/internal/wasip1"
	"github.com/wasmworker/wasmworker/host/passthrough"
	"github.com/wasmworker/wasmworker/host/passthrough/fsmod"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// descriptors returns how many the process has open, or 0 where that is not known.
func descriptors(t *testing.T) int {
	t.Helper()
	if runtime.GOOS != "linux" {
		return 0
	}
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(entries)
}

// begin opens a policy's directories, and closes them with the test, after which as many
// descriptors must be open as before.
func begin(t *testing.T, policy *fsmod.Policy) *wasip1.FDTable {
	t.Helper()
	before := descriptors(t)
	if err := policy.Validate(); err != nil {
		t.Fatal(err)
	}
	directories, err := wasip1.OpenMounts(policy, time.Time{})
	if err != nil {
		t.Fatal(err)
	}
	files := directories.Begin(func(int) bool { return false }, nil)
	t.Cleanup(func() {
		if err := errors.Join(files.Close(), directories.Close()); err != nil {
			t.Error(err)
		}
		if after := descriptors(t); after != before {
			t.Errorf("%d descriptors were open before, and %d are", before, after)
		}
	})
	return files
}

// writable mounts a directory at /data.
func writable(dir string) *fsmod.Policy {
	return &fsmod.Policy{Mounts: map[string]fsmod.Mount{"/data": {Directory: dir, Write: true}}}
}

func mount(t *testing.T, files *wasip1.FDTable) *wasip1.File { t.Helper(); return get(t, files, 3) }

func get(t *testing.T, files *wasip1.FDTable, fd uint32) *wasip1.File {
	t.Helper()
	f, err := files.Get(fd)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// put writes files, and directories where the name ends with a slash.
func put(t *testing.T, dir string, names ...string) {
	t.Helper()
	for _, name := range names {
		path := filepath.Join(dir, filepath.FromSlash(name))
		err := os.MkdirAll(filepath.Dir(path), 0o755)
		if strings.HasSuffix(name, "/") {
			err = errors.Join(err, os.MkdirAll(path, 0o755))
		} else {
			err = errors.Join(err, os.WriteFile(path, []byte("content of "+name), 0o600))
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

func is(t *testing.T, what string, err error, want abi.Errno) {
	t.Helper()
	if errno, ok := errors.AsType[abi.Errno](err); !ok || errno != want {
		t.Errorf("%s: %v, want %v", what, err, want)
	}
}

// isDenied asserts an error that the operator is told of, without the host's paths.
func isDenied(t *testing.T, what string, err error, want abi.Errno, target, reason string) {
	t.Helper()
	is(t, what, err, want)
	if d, ok := errors.AsType[*passthrough.Denial](err); !ok || d.Target != target || !strings.Contains(d.Reason, reason) {
		t.Errorf("%s: %v, want a denial of %q with %q", what, err, target, reason)
	}
}

func TestReadAndWrite(t *testing.T) {
	dir := t.TempDir()
	files := begin(t, writable(dir))
	fd, err := files.Open(mount(t, files), "a.txt", wasip1.OpenFlags{Read: true, Write: true, Create: true, Exclusive: true})
	if err != nil || fd != 4 {
		t.Fatal(fd, err)
	}
	f := get(t, files, fd)
	for _, text := range []string{"hello", ", ", "", "world"} {
		if n, err := f.Write([]byte(text)); n != len(text) || err != nil {
			t.Error(n, err)
		}
	}
	if n, err := f.WriteAt([]byte("J"), 0); n != 1 || err != nil {
		t.Error(n, err)
	}
	buf := make([]byte, 100)
	for _, want := range []struct {
		offset int64
		whence int
		at     int64
		text   string
	}{{0, io.SeekStart, 0, "Jello, world"}, {-5, io.SeekCurrent, 7, "world"}, {-2, io.SeekEnd, 10, "ld"}, {100, io.SeekEnd, 112, ""}} {
		at, err := f.Seek(want.offset, want.whence)
		n, readErr := f.Read(buf)
		if at != want.at || string(buf[:n]) != want.text || err != nil || readErr != nil {
			t.Errorf("%+v: %d, %q, %v, %v", want, at, buf[:n], err, readErr)
		}
	}
	if n, err := f.ReadAt(buf[:3], 7); string(buf[:n]) != "wor" || err != nil {
		t.Error(n, err)
	}
	if err := errors.Join(f.Truncate(5), f.Allocate(0, 3), f.Allocate(4, 4), f.Sync(), mount(t, files).Sync()); err != nil {
		t.Error(err)
	}
	is(t, "read at a negative offset", second(f.ReadAt(buf, -1)), abi.EINVAL)
	is(t, "write at a negative offset", second(f.WriteAt(buf, -1)), abi.EINVAL)
	is(t, "seek before the start", second(f.Seek(-1, io.SeekStart)), abi.EINVAL)
	is(t, "seek nowhere", second(f.Seek(0, 3)), abi.EINVAL)
	f.Seek(1<<62, io.SeekStart)
	is(t, "seek too far", second(f.Seek(1<<62, io.SeekCurrent)), abi.EOVERFLOW)
	is(t, "negative size", f.Truncate(-1), abi.EINVAL)
	is(t, "allocate nothing", f.Allocate(0, 0), abi.EINVAL)
	is(t, "allocate everything", f.Allocate(1, 1<<63-1), abi.EFBIG)
	if data, err := os.ReadFile(filepath.Join(dir, "a.txt")); string(data) != "Jello\x00\x00\x00" || err != nil {
		t.Errorf("%q, %v", data, err)
	}
	if err := files.CloseFile(fd); err != nil {
		t.Error(err)
	}
	is(t, "close again", files.CloseFile(fd), abi.EBADF)
}

func second[T any](_ T, err error) error { return err }

func third[T, U any](_ T, _ U, err error) error { return err }

// How a file is opened decides what can be done with it.
func TestOpen(t *testing.T) {
	dir := t.TempDir()
	put(t, dir, "file", "sub/inner", "empty/")
	files := begin(t, writable(dir))
	root := mount(t, files)
	open := func(name string, how wasip1.OpenFlags) (*wasip1.File, error) {
		fd, err := files.Open(root, name, how)
		if err != nil {
			return nil, err
		}
		return get(t, files, fd), nil
	}
	for _, tt := range []struct {
		name string
		how  wasip1.OpenFlags
		want abi.Errno
	}{
		{"file", wasip1.OpenFlags{}, 0},
		{"./sub/../file", wasip1.OpenFlags{Read: true}, 0},
		{"sub/inner", wasip1.OpenFlags{Read: true, Write: true}, 0},
		{"sub", wasip1.OpenFlags{Read: true}, 0},
		{"sub", wasip1.OpenFlags{Read: true, Directory: true}, 0},
		{"sub/", wasip1.OpenFlags{Read: true}, 0},
		{".", wasip1.OpenFlags{}, 0},
		{"", wasip1.OpenFlags{}, abi.ENOENT},
		{"none", wasip1.OpenFlags{}, abi.ENOENT},
		{"none/none", wasip1.OpenFlags{Create: true}, abi.ENOENT},
		{"none", wasip1.OpenFlags{Directory: true}, abi.ENOENT},
		{"file", wasip1.OpenFlags{Directory: true}, abi.ENOTDIR},
		{"file/", wasip1.OpenFlags{}, abi.ENOTDIR},
		{"file/x", wasip1.OpenFlags{}, abi.ENOTDIR},
		{"sub", wasip1.OpenFlags{Write: true}, abi.EISDIR},
		{"sub", wasip1.OpenFlags{Truncate: true}, abi.EISDIR},
		{"sub", wasip1.OpenFlags{Create: true}, abi.EISDIR},
		{"file", wasip1.OpenFlags{Create: true, Exclusive: true}, abi.EEXIST},
		{"sub", wasip1.OpenFlags{Create: true, Exclusive: true}, abi.EEXIST},
		{"file", wasip1.OpenFlags{Create: true, Directory: true}, abi.EINVAL},
		{"a\x00b", wasip1.OpenFlags{}, abi.EINVAL},
		{strings.Repeat("x", 300), wasip1.OpenFlags{}, abi.ENAMETOOLONG},
		{strings.Repeat("x/", 3000), wasip1.OpenFlags{}, abi.ENAMETOOLONG},
		{strings.Repeat("x", 10<<20), wasip1.OpenFlags{}, abi.ENAMETOOLONG},
	} {
		_, err := open(tt.name, tt.how)
		if tt.want == 0 && err != nil || tt.want != 0 && !errors.Is(err, tt.want) {
			t.Errorf("%.20q %+v: %v, want %v", tt.name, tt.how, err, tt.want)
		}
	}
	f, err := open("file", wasip1.OpenFlags{Write: true})
	if err != nil {
		t.Fatal(err)
	}
	is(t, "read what is written", second(f.Read(make([]byte, 1))), abi.EBADF)
	if f, err = open("file", wasip1.OpenFlags{Read: true, Truncate: true}); err != nil {
		t.Fatal(err)
	}
	is(t, "write what is read", second(f.Write([]byte("x"))), abi.EBADF)
	is(t, "resize what is read", f.Truncate(1), abi.EBADF)
	is(t, "list a file", third(f.Entry(0)), abi.ENOTDIR)
	_, err = files.Open(f, "x", wasip1.OpenFlags{})
	is(t, "look below a file", err, abi.ENOTDIR)
	is(t, "read a directory", second(root.Read(make([]byte, 1))), abi.EISDIR)
	is(t, "write a directory", second(root.Write(make([]byte, 1))), abi.EBADF)
	is(t, "seek in a directory", second(root.Seek(0, 0)), abi.ESPIPE)
	is(t, "resize a directory", root.Truncate(0), abi.EBADF)
	if info, err := os.Stat(filepath.Join(dir, "file")); err != nil || info.Size() != 0 {
		t.Error("it was not truncated", err)
	}
	// Each of two that append finds the end.
	one, err1 := open("log", wasip1.OpenFlags{Write: true, Append: true, Create: true})
	two, err2 := open("log", wasip1.OpenFlags{Read: true, Write: true, Append: true, Create: true, Sync: true})
	if err1 != nil || err2 != nil {
		t.Fatal(err1, err2)
	}
	for i, f := range []*wasip1.File{one, two, one} {
		f.Seek(0, io.SeekStart)
		if n, err := f.Write([]byte{'a' + byte(i)}); n != 1 || err != nil {
			t.Error(n, err)
		}
	}
	if at, err := one.Seek(0, io.SeekCurrent); at != 3 || err != nil {
		t.Error(at, err)
	}
	if n, err := two.WriteAt([]byte("d"), 0); n != 1 || err != nil {
		t.Error(n, err)
	}
	if data, _ := os.ReadFile(filepath.Join(dir, "log")); string(data) != "abcd" {
		t.Errorf("%q", data)
	}
}

// Nothing leads out of a directory, and nothing but regular files and directories can be
// opened. The operator is told.
func TestOutside(t *testing.T) {
	outer := t.TempDir()
	dir := filepath.Join(outer, "data")
	put(t, outer, "secret", "data/file", "data/sub/inner", "other/x")
	for name, target := range map[string]string{
		"absolute": filepath.Join(outer, "secret"), "up": "../secret", "directory": "..", "through": "sub/../../secret",
		"loop": "loop", "inside": "sub/inner", "sub/back": "../file", "inwards": "sub", "etc": "/etc", "dangling": "sub/new",
	} {
		if err := os.Symlink(target, filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	files := begin(t, writable(dir))
	root := mount(t, files)
	fd, err := files.Open(root, "sub", wasip1.OpenFlags{Directory: true})
	if err != nil {
		t.Fatal(err)
	}
	sub := get(t, files, fd)
	leaving := []struct {
		dir  *wasip1.File
		name string
	}{
		{root, "../secret"}, {root, ".."}, {root, "sub/../../secret"}, {root, "/etc/passwd"}, {root, "/"}, {root, "/data/file"}, {root, "directory/secret"},
		{root, "etc/passwd"}, {root, "directory/other/x"}, {root, "directory/data/file"},
		{sub, "../file"}, {sub, ".."}, {sub, "../sub/inner"}, {sub, "/data/sub/inner"},
	}
	for _, at := range leaving {
		reads, writes := "read "+at.name, "write "+at.name
		if !strings.HasPrefix(at.name, "/") {
			prefix := " /data/"
			if at.dir == sub {
				prefix += "sub/"
			}
			reads, writes = "read"+prefix+at.name, "write"+prefix+at.name
		}
		for what, do := range map[string]func() error{
			"open":     func() error { return second(files.Open(at.dir, at.name, wasip1.OpenFlags{Read: true, Follow: true})) },
			"nofollow": func() error { return second(files.Open(at.dir, at.name, wasip1.OpenFlags{Read: true})) },
			"opendir": func() error {
				return second(files.Open(at.dir, at.name, wasip1.OpenFlags{Directory: true, Follow: true}))
			},
			"stat":  func() error { return second(files.Stat(at.dir, at.name, true)) },
			"lstat": func() error { return second(files.Stat(at.dir, at.name, false)) },
			"link":  func() error { return second(files.Readlink(at.dir, at.name)) },
		} {
			isDenied(t, what+" "+at.name, do(), abi.EACCES, reads, "leads out of the directory")
		}
		for what, do := range map[string]func() error{
			"create": func() error {
				return second(files.Open(at.dir, at.name, wasip1.OpenFlags{Write: true, Create: true, Follow: true}))
			},
			"excl": func() error {
				return second(files.Open(at.dir, at.name, wasip1.OpenFlags{Write: true, Create: true, Exclusive: true}))
			},
			"chtimes": func() error { return files.Chtimes(at.dir, at.name, true, time.Time{}, time.Unix(1, 0)) },
			"unlink":  func() error { return files.Unlink(at.dir, at.name) },
			"rmdir":   func() error { return files.Rmdir(at.dir, at.name) },
			"mkdir":   func() error { return files.Mkdir(at.dir, at.name+"/new") },
		} {
			target := writes
			if what == "mkdir" {
				target += "/new"
			}
			isDenied(t, what+" "+at.name, do(), abi.EACCES, target, "leads out of the directory")
		}
		is(t, "rename from "+at.name, files.Rename(at.dir, at.name, root, "x"), abi.EACCES)
		is(t, "rename to "+at.name, files.Rename(root, "file", at.dir, at.name+"/y"), abi.EACCES)
		is(t, "rename down from "+at.name, files.Rename(at.dir, at.name, sub, "x"), abi.EACCES)
	}
	for _, name := range []string{"absolute", "up", "through", "etc", "directory"} {
		err := second(files.Open(root, name, wasip1.OpenFlags{Read: true, Follow: true}))
		isDenied(t, name, err, abi.EACCES, "read /data/"+name, "leads out of the directory")
		is(t, name, second(files.Open(root, name, wasip1.OpenFlags{Read: true})), abi.ELOOP)
		err = second(files.Open(root, name, wasip1.OpenFlags{Write: true, Create: true, Truncate: true, Follow: true}))
		isDenied(t, name, err, abi.EACCES, "write /data/"+name, "leads out of the directory")
		if info, err := files.Stat(root, name, false); err != nil || info.Mode&fs.ModeSymlink == 0 {
			t.Error(name, info, err)
		}
	}
	is(t, "a loop", second(files.Open(root, "loop", wasip1.OpenFlags{Read: true, Follow: true})), abi.ELOOP)
	isDenied(t, "an absolute link", second(files.Readlink(root, "absolute")), abi.EACCES, "read /data/absolute", "leads out")
	if link, err := files.Readlink(root, "inside"); link != "sub/inner" || err != nil {
		t.Error(link, err)
	}
	is(t, "a link that is none", second(files.Readlink(root, "file")), abi.EINVAL)
	is(t, "times of a link", files.Chtimes(root, "inside", false, time.Time{}, time.Unix(1, 0)), abi.ENOTSUP)
	// Within, links lead where they should.
	for name, want := range map[string]string{"inside": "content of data/sub/inner", "inwards/inner": "content of data/sub/inner", "sub/back": "content of data/file"} {
		fd, err := files.Open(root, name, wasip1.OpenFlags{Read: true, Follow: true})
		if err != nil {
			t.Fatal(name, err)
		}
		buf := make([]byte, 100)
		if n, err := get(t, files, fd).Read(buf); string(buf[:n]) != want || err != nil {
			t.Errorf("%s: %q, %v", name, buf[:n], err)
		}
	}
	if _, err := files.Open(root, "dangling", wasip1.OpenFlags{Write: true, Create: true, Follow: true}); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(filepath.Join(dir, "sub", "new")); err != nil {
		t.Error(err)
	}
	if data, err := os.ReadFile(filepath.Join(outer, "secret")); string(data) != "content of secret" || err != nil {
		t.Errorf("%q, %v", data, err)
	}
}

// A mount without write is only read, by each of its functions.
func TestReadOnly(t *testing.T) {
	dir := t.TempDir()
	put(t, dir, "file", "sub/", "old")
	files := begin(t, &fsmod.Policy{Mounts: map[string]fsmod.Mount{"/data": {Directory: dir}}})
	root := mount(t, files)
	before, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for what, do := range map[string]func() error{
		"write":          func() error { return second(files.Open(root, "file", wasip1.OpenFlags{Write: true})) },
		"read and write": func() error { return second(files.Open(root, "file", wasip1.OpenFlags{Read: true, Write: true})) },
		"truncate":       func() error { return second(files.Open(root, "file", wasip1.OpenFlags{Read: true, Truncate: true})) },
		"create":         func() error { return second(files.Open(root, "file", wasip1.OpenFlags{Read: true, Create: true})) },
		"times":          func() error { return files.Chtimes(root, "file", true, time.Time{}, time.Unix(1, 0)) },
		"unlink":         func() error { return files.Unlink(root, "file") },
		"rename":         func() error { return files.Rename(root, "file", root, "new") },
	} {
		isDenied(t, what, do(), abi.EROFS, "write /data/file", "would allow it with write: true")
	}
	is(t, "mkdir", files.Mkdir(root, "new"), abi.EROFS)
	is(t, "rmdir", files.Rmdir(root, "sub"), abi.EROFS)
	fd, err := files.Open(root, "file", wasip1.OpenFlags{Read: true})
	if err != nil {
		t.Fatal(err)
	}
	f := get(t, files, fd)
	is(t, "write what is open", second(f.Write([]byte("x"))), abi.EBADF)
	is(t, "resize what is open", f.Truncate(0), abi.EBADF)
	is(t, "allocate", f.Allocate(0, 100), abi.EBADF)
	is(t, "times of what is open", f.Chtimes(time.Time{}, time.Unix(1, 0)), abi.EROFS)
	is(t, "times of the mount", root.Chtimes(time.Time{}, time.Unix(1, 0)), abi.EROFS)
	after, err := os.ReadDir(dir)
	if err != nil || len(before) != len(after) || root.MayWrite() {
		t.Error(before, after, err)
	}
	if data, _ := os.ReadFile(filepath.Join(dir, "file")); string(data) != "content of file" {
		t.Errorf("%q", data)
	}
}

func TestLimits(t *testing.T) {
	dir := t.TempDir()
	policy := writable(dir)
	policy.MaxFileBytes, policy.MaxWrittenBytes, policy.MaxOpen = 10<<10, 40<<10, 3
	files := begin(t, policy)
	root := mount(t, files)
	// 4 KiB
	fd, err := files.Open(root, "a", wasip1.OpenFlags{Read: true, Write: true, Create: true})
	if err != nil {
		t.Fatal(err)
	}
	f := get(t, files, fd)
	data := make([]byte, 12<<10)
	if n, err := f.Write(data); n != 10<<10 || err != nil { // 14
		t.Error(n, err)
	}
	tooLarge := "larger than the 10KiB that max_file_bytes"
	isDenied(t, "one byte more", second(f.Write(data[:1])), abi.EFBIG, "write /data/a", tooLarge)
	isDenied(t, "far behind", second(f.WriteAt(data[:1], 1<<40)), abi.EFBIG, "write /data/a", tooLarge)
	isDenied(t, "resize", f.Truncate(10<<10+1), abi.EFBIG, "write /data/a", tooLarge)
	isDenied(t, "allocate", f.Allocate(10<<10, 1), abi.EFBIG, "write /data/a", tooLarge)
	if err := f.Truncate(0); err != nil {
		t.Error(err)
	}
	if err := f.Truncate(10 << 10); err != nil { // 24
		t.Error(err)
	}
	if n, err := f.WriteAt(data, 0); n != 10<<10 || err != nil { // 34: it was overwritten
		t.Error(n, err)
	}
	if err := files.Mkdir(root, "sub"); err != nil { // 38
		t.Error(err)
	}
	if n, err := f.WriteAt(data, 0); n != 2<<10 || err != nil { // 40
		t.Error(n, err)
	}
	spent := "more than the 40KiB that max_written_bytes"
	isDenied(t, "write", second(f.WriteAt(data, 0)), abi.EDQUOT, "write /data/a", spent)
	isDenied(t, "directory", files.Mkdir(root, "more"), abi.EDQUOT, "write /data/more", spent)
	isDenied(t, "file", second(files.Open(root, "more", wasip1.OpenFlags{Create: true})), abi.EDQUOT, "write /data/more", spent)
	is(t, "directory that is there", files.Mkdir(root, "sub"), abi.EEXIST)
	// What is there can still be opened, and made smaller.
	if err := f.Truncate(5); err != nil {
		t.Error(err)
	}
	isDenied(t, "grow", f.Truncate(6), abi.EDQUOT, "write /data/a", spent)
	for _, name := range []string{"a", "sub"} {
		if _, err := files.Open(root, name, wasip1.OpenFlags{Create: name == "a"}); err != nil {
			t.Error(err)
		}
	}
	isDenied(t, "a fourth", second(files.Open(root, "a", wasip1.OpenFlags{})), abi.EMFILE, "read /data/a", "3 files and directories open, which is max_open")
	if err := files.CloseFile(5); err != nil {
		t.Error(err)
	}
	if fd, err := files.Open(root, "a", wasip1.OpenFlags{}); fd != 5 || err != nil {
		t.Error(fd, err)
	}
}

// Each activity has limits and descriptors of its own.
func TestBegin(t *testing.T) {
	dir := t.TempDir()
	put(t, dir, "x")
	policy := &fsmod.Policy{Mounts: map[string]fsmod.Mount{"/b": {Directory: dir}, "/a": {Directory: dir}, "/c": {Directory: dir}}}
	directories, err := wasip1.OpenMounts(policy, time.Time{})
	if err != nil {
		t.Fatal(err)
	}
	defer directories.Close()
	for range 2 {
		before := descriptors(t)
		files := directories.Begin(func(int) bool { return false }, nil)
		var names []string
		for fd := uint32(3); ; fd++ {
			f, err := files.Get(fd)
			if err != nil {
				is(t, "one beyond", err, abi.EBADF)
				break
			}
			name, ok := f.Mount()
			if !ok || !f.IsDir() {
				t.Error(fd, "is no mount")
			}
			names = append(names, name)
		}
		if !slices.Equal(names, []string{"/a", "/b", "/c"}) {
			t.Error(names)
		}
		for range 20 {
			fd, err := files.Open(mount(t, files), ".", wasip1.OpenFlags{})
			if err != nil {
				t.Fatal(err)
			}
			if _, _, err := get(t, files, fd).Entry(2); err != nil {
				t.Error(err)
			}
		}
		// A mount can be closed, renumbered and replaced, for this activity.
		if err := errors.Join(files.CloseFile(4), files.Renumber(10, 3), files.Renumber(3, 3)); err != nil {
			t.Error(err)
		}
		if _, ok := mount(t, files).Mount(); ok {
			t.Error("3 is a mount still")
		}
		is(t, "to nothing", files.Renumber(3, 4), abi.EBADF)
		is(t, "to a number that is none", files.Renumber(3, 1<<31), abi.EBADF)
		is(t, "from nothing", files.Renumber(4, 3), abi.EBADF)
		if err := files.Close(); err != nil {
			t.Error(err)
		}
		if after := descriptors(t); after != before {
			t.Errorf("%d descriptors were open before, and %d are", before, after)
		}
	}
}
