package wasip1_test

import (
	"errors"
	"net"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"testing"

	"github.com/wasmworker/wasmworker/abi"
	"github.com/wasmworker/wasmworker/host/internal/wasip1"
	"github.com/wasmworker/wasmworker/host/passthrough/fsmod"
)

// Pipes, sockets and devices are refused at once, however they are opened: nobody is at
// the other end.
func TestKinds(t *testing.T) {
	dir := t.TempDir()
	if err := syscall.Mkfifo(filepath.Join(dir, "pipe"), 0o600); err != nil {
		t.Fatal(err)
	}
	listener, err := net.Listen("unix", filepath.Join(dir, "socket"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { listener.Close() }) // after the files
	names := []string{"pipe", "socket"}
	// As /dev/null. Only root may.
	if err := syscall.Mknod(filepath.Join(dir, "device"), syscall.S_IFCHR|0o666, 1<<8|3); err == nil {
		names = append(names, "device")
	} else if !errors.Is(err, syscall.EPERM) {
		t.Fatal(err)
	}
	if err := os.Symlink("pipe", filepath.Join(dir, "link")); err != nil {
		t.Fatal(err)
	}
	files := begin(t, writable(dir))
	for _, name := range append(names, "link") {
		for _, how := range []wasip1.OpenFlags{{Read: true}, {Write: true}, {Read: true, Write: true}, {Create: true}, {Truncate: true}, {Write: true, Append: true}} {
			how.Follow = true
			if _, err := files.Open(mount(t, files), name, how); !errors.Is(err, abi.EACCES) {
				t.Errorf("%s %+v: %v", name, how, err)
			}
		}
		if _, err := files.Open(mount(t, files), name, wasip1.OpenFlags{Directory: true, Follow: true}); !errors.Is(err, abi.EACCES) {
			t.Errorf("%s as a directory: %v", name, err)
		}
	}
}

// A file that becomes a pipe between two looks at it neither blocks nor is opened.
func TestPipeRace(t *testing.T) {
	dir := t.TempDir()
	put(t, dir, "file")
	pipe, file, name := filepath.Join(dir, "pipe"), filepath.Join(dir, "file"), filepath.Join(dir, "name")
	if err := errors.Join(syscall.Mkfifo(pipe, 0o600), os.Link(file, name)); err != nil {
		t.Fatal(err)
	}
	race(t, func() error {
		next := filepath.Join(dir, "next")
		for _, from := range []string{pipe, file} {
			if err := errors.Join(os.Link(from, next), os.Rename(next, name)); err != nil {
				return err
			}
			os.Remove(next) // a rename to another name of the same file does nothing
		}
		return nil
	}, func(files *wasip1.FDTable) (opened bool) {
		for _, how := range []wasip1.OpenFlags{{Read: true}, {Write: true}} {
			fd, err := files.Open(mount(t, files), "name", how)
			if err != nil {
				if errno, _ := errors.AsType[abi.Errno](err); errno != abi.EACCES && errno != abi.EIO && errno != abi.ENOENT {
					// EIO is the pipe's ENXIO.
					t.Error(err)
				}
				continue
			}
			opened = true
			if info, err := get(t, files, fd).Stat(); err != nil || !info.Mode.IsRegular() {
				t.Error(info, err)
			}
			files.CloseFile(fd) //nolint:errcheck
		}
		return opened
	}, dir)
}

// A directory that becomes a link out of the mount, while something is looked up in it,
// lets nothing out.
func TestLinkRace(t *testing.T) {
	outer := t.TempDir()
	put(t, outer, "secret/file", "data/real/file")
	dir := filepath.Join(outer, "data")
	name, real, aside := filepath.Join(dir, "name"), filepath.Join(dir, "real"), filepath.Join(dir, "link")
	if err := errors.Join(os.Symlink("../secret", aside), os.Rename(real, name)); err != nil {
		t.Fatal(err)
	}
	buf := make([]byte, 100)
	race(t, func() error {
		return errors.Join(os.Rename(name, real), os.Rename(aside, name), os.Rename(name, aside), os.Rename(real, name))
	}, func(files *wasip1.FDTable) bool {
		fd, err := files.Open(mount(t, files), "name/file", wasip1.OpenFlags{Read: true, Follow: true})
		if err != nil {
			return false
		}
		if n, err := get(t, files, fd).Read(buf); string(buf[:n]) != "content of data/real/file" || err != nil {
			t.Fatalf("%q, %v", buf[:n], err)
		}
		if fd, err := files.Open(mount(t, files), "name/written", wasip1.OpenFlags{Write: true, Create: true, Follow: true}); err == nil {
			files.CloseFile(fd) //nolint:errcheck
		}
		files.CloseFile(fd) //nolint:errcheck
		return true
	}, dir)
	if _, err := os.Stat(filepath.Join(outer, "secret", "written")); err == nil {
		t.Error("a file was written outside")
	}
}

// race changes something as fast as it goes, while something else is tried until that has
// worked and not worked often enough.
func race(t *testing.T, change func() error, try func(files *wasip1.FDTable) bool, dir string) {
	t.Helper()
	files := begin(t, func() *fsmod.Policy { p := writable(dir); p.MaxWrittenBytes = 1 << 40; return p }())
	stop := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			select {
			case <-stop:
				return
			default:
				if err := change(); err != nil {
					t.Error(err)
					return
				}
			}
		}
	})
	yes, no := 0, 0
	for i := 0; i < 100_000 && (yes < 1000 || no < 1000); i++ {
		if try(files) {
			yes++
		} else {
			no++
		}
	}
	close(stop)
	wg.Wait()
	if yes == 0 || no == 0 {
		t.Errorf("it worked %d times and did not %d times", yes, no)
	}
}
