//go:build unix

package blobmod

import (
	"os"
	"path"

	"golang.org/x/sys/unix"
)

// rmdir removes a directory that is empty, and nothing else: [os.Root.Remove] would
// remove the object that others have put in its place.
func (f *directory) rmdir(dir string) error {
	parent, err := f.root.Open(path.Dir(dir))
	if err != nil {
		return err
	}
	defer parent.Close()
	raw, err := parent.SyscallConn()
	if err != nil {
		return err
	}
	failed := raw.Control(func(fd uintptr) { err = unix.Unlinkat(int(fd), path.Base(dir), unix.AT_REMOVEDIR) })
	if failed != nil {
		return failed
	}
	return err
}

// locks tells whether there are locks.
const locks = true

// lock locks a file until it is closed, or its process ends. It may wait for who looks
// whether it is locked. Where the file system has no locks, age tells alone.
func lock(file *os.File) {
	control(file, func(fd int) { unix.Flock(fd, unix.LOCK_EX) }) //nolint:errcheck // as said
}

// unlocked tells whether nobody has a file locked, and locks it.
func unlocked(file *os.File) bool {
	err := error(unix.EBADF)
	control(file, func(fd int) { err = unix.Flock(fd, unix.LOCK_EX|unix.LOCK_NB) })
	return err == nil
}

func control(file *os.File, f func(fd int)) {
	if raw, err := file.SyscallConn(); err == nil {
		raw.Control(func(fd uintptr) { f(int(fd)) }) //nolint:errcheck // it was opened just now
	}
}
