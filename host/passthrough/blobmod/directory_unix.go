//go:build unix

package blobmod

import (
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
