//go:build !unix

package blobmod

import (
	"os"
	"syscall"
)

// rmdir removes a directory that is empty. Between the two steps others could put an
// object in its place, which would be removed.
func (f *directory) rmdir(dir string) error {
	if real, err := f.isDir(dir); err != nil || !real {
		return syscall.ENOTDIR
	}
	return f.root.Remove(dir)
}

// locks tells whether there are locks: here a file that is open can be no other's to
// remove, or age tells alone.
const locks = false

func lock(*os.File) {}

func unlocked(*os.File) bool { return false }
