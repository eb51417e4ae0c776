package wasip1

import (
	"encoding/binary"
	"io/fs"
	"math"
	"time"

	"github.com/tetratelabs/wazero/api"
	"github.com/tetratelabs/wazero/experimental/sys"

	"github.com/wasmworker/wasmworker/abi"
)

func fdRead(proc *Process, mod api.Module, p []uint64) error {
	if uint32(p[0]) <= lastStream {
		if errno := readStream(proc, mod, p); errno != 0 {
			return errno
		}
		return nil
	}
	f, err := proc.file(p[0])
	if err != nil {
		return err
	}
	return proc.eachBuffer(mod, p[1], p[2], p[3], f.Read)
}

func fdPread(proc *Process, mod api.Module, p []uint64) error {
	f, err := proc.file(p[0])
	if err != nil {
		return err
	}
	offset := int64(p[3])
	return proc.eachBuffer(mod, p[1], p[2], p[4], func(data []byte) (int, error) {
		n, err := f.ReadAt(data, offset)
		offset += int64(n)
		return n, err
	})
}

func fdWrite(proc *Process, mod api.Module, p []uint64) error {
	var write func([]byte) (int, error)
	switch uint32(p[0]) {
	case 0:
		return abi.EBADF
	case 1:
		write = func(data []byte) (int, error) { return proc.write(proc.host.Stdout, data) }
	case lastStream:
		write = func(data []byte) (int, error) { return proc.write(proc.host.Stderr, data) }
	default:
		f, err := proc.file(p[0])
		if err != nil {
			return err
		}
		write = f.Write
	}
	return proc.eachBuffer(mod, p[1], p[2], p[3], func(data []byte) (int, error) {
		n, err := write(data)
		if err == sys.EINTR { // as the streams have it
			err = abi.EINTR
		}
		return n, err
	})
}

func fdPwrite(proc *Process, mod api.Module, p []uint64) error {
	f, err := proc.file(p[0])
	if err != nil {
		return err
	}
	offset := int64(p[3])
	return proc.eachBuffer(mod, p[1], p[2], p[4], func(data []byte) (int, error) {
		n, err := f.WriteAt(data, offset)
		offset += int64(n)
		return n, err
	})
}

func fdClose(proc *Process, _ api.Module, p []uint64) error {
	defer func() { proc.host.FilesOpen(proc.files.opened) }() //nolint:errcheck // no more than before
	return proc.files.CloseFile(uint32(p[0]))
}

func fdRenumber(proc *Process, _ api.Module, p []uint64) error {
	switch from, to := uint32(p[0]), uint32(p[1]); {
	case from <= lastStream && to <= lastStream:
		return nil
	case from <= lastStream || to <= lastStream: // a stream is not the call's to change
		return abi.ENOTSUP
	default:
		return proc.files.Renumber(from, to)
	}
}

// onFile makes a function of WASI of one that needs no more than the file of its
// descriptor, and its parameters.
func onFile(f func(f *File, p []uint64) error) fileFunc {
	return func(proc *Process, _ api.Module, p []uint64) error {
		file, err := proc.file(p[0])
		if err != nil {
			return err
		}
		return f(file, p)
	}
}

func fdAdvise(_ *File, p []uint64) error {
	if uint32(p[3]) > 5 {
		return abi.EINVAL
	}
	return nil // it is advice
}

func fdAllocate(f *File, p []uint64) error { return f.Allocate(int64(p[1]), int64(p[2])) }

func fdSetSize(f *File, p []uint64) error { return f.Truncate(int64(p[1])) }

func fdSync(f *File, _ []uint64) error { return f.Sync() }

func fdSeek(proc *Process, mod api.Module, p []uint64) error {
	f, err := proc.file(p[0])
	if err != nil {
		return err
	}
	result, ok := bytesOf(mod, p[3], 8)
	if !ok {
		return abi.EFAULT
	}
	at, err := f.Seek(int64(p[1]), int(uint32(p[2]))) // of whence WASI's numbers are Go's
	if err != nil {
		return err
	}
	binary.LittleEndian.PutUint64(result, uint64(at))
	return nil
}

func fdTell(proc *Process, mod api.Module, p []uint64) error {
	return fdSeek(proc, mod, []uint64{p[0], 0, 1, p[1]})
}

func fdPrestat(proc *Process, mod api.Module, p []uint64) error {
	name, err := proc.mountOf(p[0])
	if err != nil {
		return err
	}
	result, ok := bytesOf(mod, p[1], 8)
	if !ok {
		return abi.EFAULT
	}
	binary.LittleEndian.PutUint64(result, uint64(len(name))<<32) // of the kind 0: a directory
	return nil
}

func fdPrestatName(proc *Process, mod api.Module, p []uint64) error {
	name, err := proc.mountOf(p[0])
	if err != nil {
		return err
	}
	if uint32(p[2]) < uint32(len(name)) {
		return abi.ENAMETOOLONG
	}
	dst, ok := bytesOf(mod, p[1], uint64(len(name)))
	if !ok {
		return abi.EFAULT
	}
	copy(dst, name)
	return nil
}

func (proc *Process) mountOf(fd uint64) (string, error) {
	f, err := proc.file(fd)
	if err != nil {
		return "", err
	}
	name, ok := f.Mount()
	if !ok {
		return "", abi.EBADF
	}
	return name, nil
}

func fdStat(proc *Process, mod api.Module, p []uint64) error {
	var kind byte
	var flags uint16
	var base, inheriting uint64
	if fd := uint32(p[0]); fd <= lastStream {
		kind, base = kindStream, streamRights(fd)
	} else {
		f, err := proc.file(p[0])
		if err != nil {
			return err
		}
		kind = kindRegular
		if f.IsDir() {
			kind = kindDirectory
		}
		if f.Append {
			flags = flagAppend
		}
		base, inheriting = rights(f)
	}
	if !putStat(mod, p[1], kind, flags, base, inheriting) {
		return abi.EFAULT
	}
	return nil
}

// streamRights are what may be done with a stream.
func streamRights(fd uint32) uint64 {
	const both = rightSetFlags | rightFilestat | rightPoll
	if fd == 0 {
		return both | rightRead
	}
	return both | rightWrite
}

// statOfStream is fd_fdstat_get of a workflow, for which descriptor 0 does not block.
func statOfStream(_ *Process, mod api.Module, p []uint64) abi.Errno {
	fd, flags := uint32(p[0]), uint16(0)
	switch {
	case fd > lastStream:
		return abi.EBADF
	case fd == 0:
		flags = flagNonblock
	}
	if !putStat(mod, p[1], kindStream, flags, streamRights(fd), 0) {
		return abi.EFAULT
	}
	return 0
}

// putStat stores what WASI says about a descriptor.
func putStat(mod api.Module, ptr uint64, kind byte, flags uint16, base, inheriting uint64) bool {
	out, ok := bytesOf(mod, ptr, 24)
	if !ok {
		return false
	}
	clear(out)
	out[0] = kind
	binary.LittleEndian.PutUint16(out[2:], flags)
	binary.LittleEndian.PutUint64(out[8:], base)
	binary.LittleEndian.PutUint64(out[16:], inheriting)
	return true
}

func fdSetFlags(f *File, p []uint64) error {
	flags := uint32(p[1])
	if flags > flagsAll {
		return abi.EINVAL
	}
	if flags&flagAppend != 0 != f.Append || flags&(flagDsync|flagRsync|flagSync) != 0 {
		return abi.ENOTSUP // that is decided when it is opened
	}
	return nil // a file does not block
}

func fdFilestat(proc *Process, mod api.Module, p []uint64) error {
	if uint32(p[0]) <= lastStream {
		return putFilestat(mod, p[1], Info{Mode: fs.ModeDevice, Links: 1})
	}
	f, err := proc.file(p[0])
	if err != nil {
		return err
	}
	info, err := f.Stat()
	if err != nil {
		return err
	}
	return putFilestat(mod, p[1], info)
}

// times returns the times that a guest wants to set; zero is to be left as it is.
func (proc *Process) times(accessed, modified, flags uint64) (atime, mtime time.Time, err error) {
	const (
		setAccessed = 1 << iota
		setAccessedNow
		setModified
		setModifiedNow
	)
	one := func(nanoseconds uint64, set, now bool) (time.Time, error) {
		switch {
		case set && now || set && nanoseconds > math.MaxInt64:
			return time.Time{}, abi.EINVAL
		case set:
			return time.Unix(0, int64(nanoseconds)), nil
		case now:
			return proc.now(), nil
		}
		return time.Time{}, nil
	}
	if flags = uint64(uint32(flags)); flags >= 2*setModifiedNow {
		return atime, mtime, abi.EINVAL
	}
	if atime, err = one(accessed, flags&setAccessed != 0, flags&setAccessedNow != 0); err != nil {
		return atime, mtime, err
	}
	mtime, err = one(modified, flags&setModified != 0, flags&setModifiedNow != 0)
	return atime, mtime, err
}

func fdSetTimes(proc *Process, _ api.Module, p []uint64) error {
	f, err := proc.file(p[0])
	if err != nil {
		return err
	}
	atime, mtime, err := proc.times(p[1], p[2], p[3])
	if err != nil {
		return err
	}
	return f.Chtimes(atime, mtime)
}

// direntSize is the size of what comes before the name of an entry.
const direntSize = 24

// fdReaddir writes entries until the buffer is full, the last one as far as it goes: a
// guest that gets a full buffer asks again, for what it did not get as a whole.
func fdReaddir(proc *Process, mod api.Module, p []uint64) error {
	dir, err := proc.file(p[0])
	if err != nil {
		return err
	}
	out, ok1 := bytesOf(mod, p[1], uint64(uint32(p[2])))
	result, ok2 := bytesOf(mod, p[4], 4)
	if !ok1 || !ok2 {
		return abi.EFAULT
	}
	if len(out) < direntSize {
		return abi.EINVAL // no entry would ever fit
	}
	used := 0
	for cookie := p[3]; used < len(out); cookie++ {
		entry, ok, err := dir.Entry(cookie)
		if err != nil {
			return err
		}
		if !ok {
			break
		}
		var head [direntSize]byte
		binary.LittleEndian.PutUint64(head[:], cookie+1)
		binary.LittleEndian.PutUint64(head[8:], entry.Inode)
		binary.LittleEndian.PutUint32(head[16:], uint32(len(entry.Name)))
		head[20] = kindOf(entry.Mode)
		used += copy(out[used:], head[:])
		used += copy(out[used:], entry.Name)
		if proc.host.Interrupted(direntSize + len(entry.Name)) {
			return abi.EINTR
		}
	}
	binary.LittleEndian.PutUint32(result, uint32(used))
	return nil
}
