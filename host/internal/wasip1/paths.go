package wasip1

import (
	"encoding/binary"

	"github.com/tetratelabs/wazero/api"

	"github.com/wasmworker/wasmworker/abi"
)

func pathOpen(proc *Process, mod api.Module, p []uint64) error {
	const (
		create = 1 << iota
		directory
		exclusive
		truncate
	)
	dir, name, err := proc.at(mod, p[0], p[2], p[3])
	if err != nil {
		return err
	}
	result, ok := bytesOf(mod, p[8], 4)
	if !ok {
		return abi.EFAULT
	}
	lookup, how, want, flags := uint32(p[1]), uint32(p[4]), p[5], uint32(p[7])
	if lookup > 1 || how >= 2*truncate || flags > flagsAll {
		return abi.EINVAL
	}
	// Of the rights, guests ask for all that they know. These two say what for.
	if err := proc.host.FilesOpen(proc.files.opened + 1); err != nil {
		return err
	}
	defer func() { proc.host.FilesOpen(proc.files.opened) }() //nolint:errcheck // no more than before
	fd, err := proc.files.Open(dir, name, OpenFlags{
		Read:      want&rightRead != 0,
		Write:     want&rightWrite != 0,
		Append:    flags&flagAppend != 0,
		Create:    how&create != 0,
		Exclusive: how&exclusive != 0,
		Truncate:  how&truncate != 0,
		Directory: how&directory != 0,
		Follow:    lookup&1 != 0,
		Sync:      flags&(flagDsync|flagRsync|flagSync) != 0,
	})
	if err != nil {
		return err
	}
	binary.LittleEndian.PutUint32(result, fd)
	return nil
}

// onPath makes a function of WASI of one that needs no more than a directory and a path
// in it.
func onPath(f func(files *FDTable, dir *File, name string) error) func(*Process, api.Module, []uint64) error {
	return func(proc *Process, mod api.Module, p []uint64) error {
		dir, name, err := proc.at(mod, p[0], p[1], p[2])
		if err != nil {
			return err
		}
		return f(proc.files, dir, name)
	}
}

func pathRename(proc *Process, mod api.Module, p []uint64) error {
	from, old, err := proc.at(mod, p[0], p[1], p[2])
	if err != nil {
		return err
	}
	to, name, err := proc.at(mod, p[3], p[4], p[5])
	if err != nil {
		return err
	}
	return proc.files.Rename(from, old, to, name)
}

func pathFilestat(proc *Process, mod api.Module, p []uint64) error {
	dir, name, err := proc.at(mod, p[0], p[2], p[3])
	if err != nil {
		return err
	}
	info, err := proc.files.Stat(dir, name, p[1]&1 != 0)
	if err != nil {
		return err
	}
	return putFilestat(mod, p[4], info)
}

func pathSetTimes(proc *Process, mod api.Module, p []uint64) error {
	dir, name, err := proc.at(mod, p[0], p[2], p[3])
	if err != nil {
		return err
	}
	atime, mtime, err := proc.times(p[4], p[5], p[6])
	if err != nil {
		return err
	}
	return proc.files.Chtimes(dir, name, p[1]&1 != 0, atime, mtime)
}

func pathReadlink(proc *Process, mod api.Module, p []uint64) error {
	dir, name, err := proc.at(mod, p[0], p[1], p[2])
	if err != nil {
		return err
	}
	out, ok1 := bytesOf(mod, p[3], uint64(uint32(p[4])))
	result, ok2 := bytesOf(mod, p[5], 4)
	if !ok1 || !ok2 {
		return abi.EFAULT
	}
	link, err := proc.files.Readlink(dir, name)
	if err != nil {
		return err
	}
	binary.LittleEndian.PutUint32(result, uint32(copy(out, link)))
	return nil
}

// noLinks answers path_link and path_symlink, as a file system without links does: a
// guest must not lay a trail for others who use the directory.
func noLinks(*Process, api.Module, []uint64) error { return abi.EPERM }
