//go:build !unix

package blobmod

import "syscall"

// rmdir removes a directory that is empty. Between the two steps others could put an
// object in its place, which would be removed.
func (f *directory) rmdir(dir string) error {
	if real, err := f.isDir(dir); err != nil || !real {
		return syscall.ENOTDIR
	}
	return f.root.Remove(dir)
}
