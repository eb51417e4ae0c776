package sandbox

import (
	"encoding/binary"
	"errors"
	"io/fs"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/tetratelabs/wazero/api"
	"github.com/tetratelabs/wazero/experimental/sys"

	"github.com/wasmworker/wasmworker/abi"
	"github.com/wasmworker/wasmworker/host/passthrough"
	"github.com/wasmworker/wasmworker/host/passthrough/fsmod"
)

// openDirectories opens the directories that the module was granted, if there are any.
func (m *Module) openDirectories() (err error) {
	policy, ok := m.options.Policies[fsmod.Name].(*fsmod.Policy)
	if !ok || len(policy.Mounts) == 0 || !slices.Contains(m.options.Passthrough, fsmod.Name) {
		return nil
	}
	m.directories, err = policy.Open()
	return err
}

// lastStream is the descriptor of standard error. Those up to it are streams, which are the instance's and not files.
const lastStream = 2

// fileFuncs are the functions of WASI that a module with directories gets in place of those without. What the descriptors are of belongs to the
// call, so that each activity finds the mounts and nothing else, whatever became of the instance before.
var fileFuncs = map[string]struct {
	signature string
	f         func(c *call, mod api.Module, p []uint64) error
	stream    error // what is answered about a stream. [errOwn]: f does it
}{
	"fd_advise":               {"(i32, i64, i64, i32) -> i32", onFile(fdAdvise), nil},
	"fd_allocate":             {"(i32, i64, i64) -> i32", onFile(fdAllocate), abi.EINVAL},
	"fd_close":                {"(i32) -> i32", fdClose, nil},
	"fd_datasync":             {"(i32) -> i32", onFile(fdSync), nil},
	"fd_fdstat_get":           {"(i32, i32) -> i32", fdStat, errOwn},
	"fd_fdstat_set_flags":     {"(i32, i32) -> i32", onFile(fdSetFlags), nil},
	"fd_filestat_get":         {"(i32, i32) -> i32", fdFilestat, errOwn},
	"fd_filestat_set_size":    {"(i32, i64) -> i32", onFile(fdSetSize), abi.EINVAL},
	"fd_filestat_set_times":   {"(i32, i64, i64, i32) -> i32", fdSetTimes, abi.ENOSYS},
	"fd_pread":                {"(i32, i32, i32, i64, i32) -> i32", fdPread, abi.ESPIPE},
	"fd_prestat_dir_name":     {"(i32, i32, i32) -> i32", fdPrestatName, abi.EBADF},
	"fd_prestat_get":          {"(i32, i32) -> i32", fdPrestat, abi.EBADF},
	"fd_pwrite":               {"(i32, i32, i32, i64, i32) -> i32", fdPwrite, abi.ESPIPE},
	"fd_read":                 {"(i32, i32, i32, i32) -> i32", fdRead, errOwn},
	"fd_readdir":              {"(i32, i32, i32, i64, i32) -> i32", fdReaddir, abi.ENOTDIR},
	"fd_renumber":             {"(i32, i32) -> i32", fdRenumber, errOwn},
	"fd_seek":                 {"(i32, i64, i32, i32) -> i32", fdSeek, abi.ESPIPE},
	"fd_sync":                 {"(i32) -> i32", onFile(fdSync), nil},
	"fd_tell":                 {"(i32, i32) -> i32", fdTell, abi.ESPIPE},
	"fd_write":                {"(i32, i32, i32, i32) -> i32", fdWrite, errOwn},
	"path_create_directory":   {"(i32, i32, i32) -> i32", onPath((*fsmod.FDTable).Mkdir), abi.ENOTDIR},
	"path_filestat_get":       {"(i32, i32, i32, i32, i32) -> i32", pathFilestat, abi.ENOTDIR},
	"path_filestat_set_times": {"(i32, i32, i32, i32, i64, i64, i32) -> i32", pathSetTimes, abi.ENOTDIR},
	"path_link":               {"(i32, i32, i32, i32, i32, i32, i32) -> i32", noLinks, abi.ENOTDIR},
	"path_open":               {"(i32, i32, i32, i32, i32, i64, i64, i32, i32) -> i32", pathOpen, abi.ENOTDIR},
	"path_readlink":           {"(i32, i32, i32, i32, i32, i32) -> i32", pathReadlink, abi.ENOTDIR},
	"path_remove_directory":   {"(i32, i32, i32) -> i32", onPath((*fsmod.FDTable).Rmdir), abi.ENOTDIR},
	"path_rename":             {"(i32, i32, i32, i32, i32, i32) -> i32", pathRename, abi.ENOTDIR},
	"path_symlink":            {"(i32, i32, i32, i32, i32) -> i32", noLinks, errOwn},
	"path_unlink_file":        {"(i32, i32, i32) -> i32", onPath((*fsmod.FDTable).Unlink), abi.ENOTDIR},
}

var errOwn = errors.New("the function answers about streams itself")

// callWork is what a call to the system counts as, in bytes of [call.interrupted].
const callWork = 4 << 10

// linkFiles links the functions of files. Link wraps a function.
func linkFiles(link func(name, signature string, f func(c *call, mod api.Module, p []uint64) abi.Errno)) {
	for name, function := range fileFuncs {
		// While an instance is made, runtimes ask for the mounts. More would be shared by its activities, or not, as the policy has it.
		lookup := strings.HasPrefix(name, "path_") || name == "fd_readdir"
		link(name, function.signature, func(c *call, mod api.Module, p []uint64) abi.Errno {
			switch {
			case c.interrupted(callWork):
				return abi.EINTR
			case function.stream != errOwn && uint32(p[0]) <= lastStream:
				return c.fileError(function.stream)
			case lookup && c.activity.Module == nil:
				return abi.ENOTCAPABLE
			}
			return c.fileError(function.f(c, mod, p))
		})
	}
}

// fileError tells the operator what was denied, and returns the number.
func (c *call) fileError(err error) abi.Errno {
	if err == nil {
		return 0
	}
	if denial, ok := errors.AsType[*passthrough.Denial](err); ok {
		c.denied(fsmod.Name, denial)
	}
	errno, _ := abi.ErrnoOf(err)
	return errno
}

// file returns the file of a descriptor.
func (c *call) file(fd uint64) (*fsmod.File, error) { return c.files.Get(uint32(fd)) }

// path copies a path of the guest's.
func (c *call) path(mod api.Module, ptr, length uint64) (string, error) {
	data, ok := bytesOf(mod, ptr, uint64(uint32(length)))
	if !ok {
		return "", abi.EFAULT
	}
	if len(data) > fsmod.MaxPath {
		return "", abi.ENAMETOOLONG
	}
	return string(data), nil
}

// at returns the directory and the path of a function that looks something up.
func (c *call) at(mod api.Module, fd, ptr, length uint64) (*fsmod.File, string, error) {
	dir, err := c.file(fd)
	if err != nil {
		return nil, "", err
	}
	name, err := c.path(mod, ptr, length)
	return dir, name, err
}

// eachBuffer calls f for the guest's buffers, in pieces, until one is not used up, and stores how many bytes that were. An error
// after some bytes is not told: the guest gets it when it goes on.
func (c *call) eachBuffer(mod api.Module, list, count, result uint64, f func(p []byte) (int, error)) error {
	buffers, ok1 := bytesOf(mod, list, 8*uint64(uint32(count)))
	sum, ok2 := bytesOf(mod, result, 4)
	if !ok1 || !ok2 {
		return abi.EFAULT
	}
	total := 0
	for i := 0; i < len(buffers); i += 8 {
		if c.interrupted(64) {
			return abi.EINTR
		}
		data, ok := bytesOf(mod, uint64(binary.LittleEndian.Uint32(buffers[i:])), uint64(binary.LittleEndian.Uint32(buffers[i+4:])))
		if !ok {
			return abi.EFAULT
		}
		for len(data) > 0 {
			p := data[:min(len(data), piece, math.MaxInt32-total)]
			if c.interrupted(len(p)) {
				return abi.EINTR
			}
			n, err := f(p)
			total += n
			if err != nil && total == 0 {
				return err
			}
			if err != nil || n < len(p) || total == math.MaxInt32 {
				i = len(buffers)
				break
			}
			data = data[n:]
		}
	}
	binary.LittleEndian.PutUint32(sum, uint32(total))
	return nil
}

func fdRead(c *call, mod api.Module, p []uint64) error {
	if uint32(p[0]) <= lastStream {
		if errno := read(c, mod, p); errno != 0 {
			return errno
		}
		return nil
	}
	f, err := c.file(p[0])
	if err != nil {
		return err
	}
	return c.eachBuffer(mod, p[1], p[2], p[3], f.Read)
}

func fdPread(c *call, mod api.Module, p []uint64) error {
	f, err := c.file(p[0])
	if err != nil {
		return err
	}
	offset := int64(p[3])
	return c.eachBuffer(mod, p[1], p[2], p[4], func(data []byte) (int, error) {
		n, err := f.ReadAt(data, offset)
		offset += int64(n)
		return n, err
	})
}

func fdWrite(c *call, mod api.Module, p []uint64) error {
	var write func([]byte) (int, error)
	switch uint32(p[0]) {
	case 0:
		return abi.EBADF
	case 1:
		write = c.streams.out().Write
	case lastStream:
		write = c.streams.err().Write
	default:
		f, err := c.file(p[0])
		if err != nil {
			return err
		}
		write = f.Write
	}
	return c.eachBuffer(mod, p[1], p[2], p[3], func(data []byte) (int, error) {
		n, err := write(data)
		if err == sys.EINTR { // as the streams have it
			err = abi.EINTR
		}
		return n, err
	})
}

func fdPwrite(c *call, mod api.Module, p []uint64) error {
	f, err := c.file(p[0])
	if err != nil {
		return err
	}
	offset := int64(p[3])
	return c.eachBuffer(mod, p[1], p[2], p[4], func(data []byte) (int, error) {
		n, err := f.WriteAt(data, offset)
		offset += int64(n)
		return n, err
	})
}

func fdClose(c *call, _ api.Module, p []uint64) error { return c.files.CloseFile(uint32(p[0])) }

func fdRenumber(c *call, _ api.Module, p []uint64) error {
	switch from, to := uint32(p[0]), uint32(p[1]); {
	case from <= lastStream && to <= lastStream:
		return nil
	case from <= lastStream || to <= lastStream: // a stream is not the call's to change
		return abi.ENOTSUP
	default:
		return c.files.Renumber(from, to)
	}
}

// onFile makes a function of WASI of one that needs no more than the file of its descriptor, and its parameters.
func onFile(f func(f *fsmod.File, p []uint64) error) func(*call, api.Module, []uint64) error {
	return func(c *call, _ api.Module, p []uint64) error {
		file, err := c.file(p[0])
		if err != nil {
			return err
		}
		return f(file, p)
	}
}

func fdAdvise(_ *fsmod.File, p []uint64) error {
	if uint32(p[3]) > 5 {
		return abi.EINVAL
	}
	return nil // it is advice
}

func fdAllocate(f *fsmod.File, p []uint64) error { return f.Allocate(int64(p[1]), int64(p[2])) }

func fdSetSize(f *fsmod.File, p []uint64) error { return f.Truncate(int64(p[1])) }

func fdSync(f *fsmod.File, _ []uint64) error { return f.Sync() }

func fdSeek(c *call, mod api.Module, p []uint64) error {
	f, err := c.file(p[0])
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

func fdTell(c *call, mod api.Module, p []uint64) error {
	return fdSeek(c, mod, []uint64{p[0], 0, 1, p[1]})
}

func fdPrestat(c *call, mod api.Module, p []uint64) error {
	name, err := c.mountOf(p[0])
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

func fdPrestatName(c *call, mod api.Module, p []uint64) error {
	name, err := c.mountOf(p[0])
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

func (c *call) mountOf(fd uint64) (string, error) {
	f, err := c.file(fd)
	if err != nil {
		return "", err
	}
	name, ok := f.Mount()
	if !ok {
		return "", abi.EBADF
	}
	return name, nil
}

// Rights of WASI.
const (
	rightDatasync = 1 << iota
	rightRead
	rightSeek
	rightSetFlags
	rightSync
	rightTell
	rightWrite
	rightAdvise
	rightAllocate
	rightCreateDirectory
	rightCreateFile
	rightLinkSource
	rightLinkTarget
	rightOpen
	rightReaddir
	rightReadlink
	rightRenameSource
	rightRenameTarget
	rightPathFilestat
	rightPathSetSize
	rightPathSetTimes
	rightFilestat
	rightSetSize
	rightSetTimes
	rightSymlink
	rightRemoveDirectory
	rightUnlink
	rightPoll

	rightsFile      = rightDatasync | rightSync | rightSeek | rightTell | rightSetFlags | rightAdvise | rightFilestat | rightPoll
	rightsWrite     = rightWrite | rightAllocate | rightSetSize
	rightsDirectory = rightDatasync | rightSync | rightSetFlags | rightOpen | rightReaddir | rightReadlink | rightPathFilestat | rightFilestat
	rightsChanges   = rightCreateDirectory | rightCreateFile | rightRenameSource | rightRenameTarget | rightPathSetSize | rightPathSetTimes | rightSetTimes | rightRemoveDirectory | rightUnlink
)

// rights are what may be done with a file, and with what is opened below it.
func rights(f *fsmod.File) (base, inheriting uint64) {
	base = rightsFile
	if f.IsDir() {
		base = rightsDirectory
		inheriting = rightsDirectory | rightsFile | rightRead
		if f.MayWrite() {
			base |= rightsChanges
			inheriting |= rightsChanges | rightsWrite
		}
		return base, inheriting
	}
	if f.Readable {
		base |= rightRead
	}
	if f.Writable {
		base |= rightsWrite
	}
	if f.MayWrite() {
		base |= rightSetTimes
	}
	return base, 0
}

// Flags of descriptors.
const (
	flagAppend = 1 << iota
	flagDsync
	flagNonblock
	flagRsync
	flagSync

	flagsAll = flagAppend | flagDsync | flagNonblock | flagRsync | flagSync
)

// Kinds of files.
const (
	kindUnknown = iota
	kindBlockDevice
	kindCharacterDevice
	kindDirectory
	kindRegular
	_ // sockets for datagrams
	kindSocket
	kindSymlink

	// kindStream is wazero's for the standard streams: a character device would be a terminal, to which programs write line by line.
	kindStream = kindBlockDevice
)

func kindOf(mode fs.FileMode) byte {
	switch {
	case mode.IsRegular():
		return kindRegular
	case mode.IsDir():
		return kindDirectory
	case mode&fs.ModeSymlink != 0:
		return kindSymlink
	case mode&fs.ModeCharDevice != 0:
		return kindCharacterDevice
	case mode&fs.ModeDevice != 0:
		return kindBlockDevice
	case mode&fs.ModeSocket != 0:
		return kindSocket
	}
	return kindUnknown
}

func fdStat(c *call, mod api.Module, p []uint64) error {
	var kind byte
	var flags uint16
	var base, inheriting uint64
	if fd := uint32(p[0]); fd <= lastStream {
		kind, base = kindStream, rightSetFlags|rightFilestat|rightPoll|rightWrite
		if fd == 0 {
			base = base&^rightWrite | rightRead
		}
	} else {
		f, err := c.file(p[0])
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
	out, ok := bytesOf(mod, p[1], 24)
	if !ok {
		return abi.EFAULT
	}
	clear(out)
	out[0] = kind
	binary.LittleEndian.PutUint16(out[2:], flags)
	binary.LittleEndian.PutUint64(out[8:], base)
	binary.LittleEndian.PutUint64(out[16:], inheriting)
	return nil
}

func fdSetFlags(f *fsmod.File, p []uint64) error {
	flags := uint32(p[1])
	if flags > flagsAll {
		return abi.EINVAL
	}
	if flags&flagAppend != 0 != f.Append || flags&(flagDsync|flagRsync|flagSync) != 0 {
		return abi.ENOTSUP // that is decided when it is opened
	}
	return nil // a file does not block
}

// putFilestat stores what WASI says about a file. The host's other two times are those of programs that the guest has nothing to do with.
func putFilestat(mod api.Module, ptr uint64, info fsmod.Info) error {
	out, ok := bytesOf(mod, ptr, 64)
	if !ok {
		return abi.EFAULT
	}
	clear(out)
	binary.LittleEndian.PutUint64(out, info.Device)
	binary.LittleEndian.PutUint64(out[8:], info.Inode)
	out[16] = kindOf(info.Mode)
	binary.LittleEndian.PutUint64(out[24:], info.Links)
	binary.LittleEndian.PutUint64(out[32:], uint64(info.Size))
	if modified := info.Modified.UnixNano(); !info.Modified.IsZero() && modified > 0 {
		for _, at := range []int{40, 48, 56} {
			binary.LittleEndian.PutUint64(out[at:], uint64(modified))
		}
	}
	return nil
}

func fdFilestat(c *call, mod api.Module, p []uint64) error {
	if uint32(p[0]) <= lastStream {
		return putFilestat(mod, p[1], fsmod.Info{Mode: fs.ModeDevice, Links: 1})
	}
	f, err := c.file(p[0])
	if err != nil {
		return err
	}
	info, err := f.Stat()
	if err != nil {
		return err
	}
	return putFilestat(mod, p[1], info)
}

// now is the activity's clock.
func (c *call) now() time.Time {
	if c.clock == nil {
		return time.Now()
	}
	return time.Unix(0, c.clock.Walltime())
}

func (c *call) filesChanged() time.Time {
	if c.task.FilesChanged != nil {
		c.task.FilesChanged(c.ctx)
	}
	return c.now()
}

// times returns the times that a guest wants to set; zero is to be left as it is.
func (c *call) times(accessed, modified, flags uint64) (atime, mtime time.Time, err error) {
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
			return c.now(), nil
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

func fdSetTimes(c *call, _ api.Module, p []uint64) error {
	f, err := c.file(p[0])
	if err != nil {
		return err
	}
	atime, mtime, err := c.times(p[1], p[2], p[3])
	if err != nil {
		return err
	}
	return f.Chtimes(atime, mtime)
}

// pollFile answers a subscription to a file, which is always ready.
func (c *call) pollFile(fd uint32) abi.Errno {
	if c.files == nil {
		return abi.EBADF
	}
	_, err := c.files.Get(fd)
	return c.fileError(err)
}

// direntSize is the size of what comes before the name of an entry.
const direntSize = 24

// fdReaddir writes entries until the buffer is full, the last one as far as it goes: a guest that gets a full buffer asks again, for what it did
// not get as a whole.
func fdReaddir(c *call, mod api.Module, p []uint64) error {
	dir, err := c.file(p[0])
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
		binary.LittleEndian.PutUint32(head[16:], uint32(len(entry.Name)))
		head[20] = kindOf(entry.Mode)
		used += copy(out[used:], head[:])
		used += copy(out[used:], entry.Name)
		if c.interrupted(direntSize + len(entry.Name)) {
			return abi.EINTR
		}
	}
	binary.LittleEndian.PutUint32(result, uint32(used))
	return nil
}

func pathOpen(c *call, mod api.Module, p []uint64) error {
	const (
		create = 1 << iota
		directory
		exclusive
		truncate
	)
	dir, name, err := c.at(mod, p[0], p[2], p[3])
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
	fd, err := c.files.Open(dir, name, fsmod.OpenFlags{
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

// onPath makes a function of WASI of one that needs no more than a directory and a path in it.
func onPath(f func(files *fsmod.FDTable, dir *fsmod.File, name string) error) func(*call, api.Module, []uint64) error {
	return func(c *call, mod api.Module, p []uint64) error {
		dir, name, err := c.at(mod, p[0], p[1], p[2])
		if err != nil {
			return err
		}
		return f(c.files, dir, name)
	}
}

func pathRename(c *call, mod api.Module, p []uint64) error {
	from, old, err := c.at(mod, p[0], p[1], p[2])
	if err != nil {
		return err
	}
	to, name, err := c.at(mod, p[3], p[4], p[5])
	if err != nil {
		return err
	}
	return c.files.Rename(from, old, to, name)
}

func pathFilestat(c *call, mod api.Module, p []uint64) error {
	dir, name, err := c.at(mod, p[0], p[2], p[3])
	if err != nil {
		return err
	}
	info, err := c.files.Stat(dir, name, p[1]&1 != 0)
	if err != nil {
		return err
	}
	return putFilestat(mod, p[4], info)
}

func pathSetTimes(c *call, mod api.Module, p []uint64) error {
	dir, name, err := c.at(mod, p[0], p[2], p[3])
	if err != nil {
		return err
	}
	atime, mtime, err := c.times(p[4], p[5], p[6])
	if err != nil {
		return err
	}
	return c.files.Chtimes(dir, name, p[1]&1 != 0, atime, mtime)
}

func pathReadlink(c *call, mod api.Module, p []uint64) error {
	dir, name, err := c.at(mod, p[0], p[1], p[2])
	if err != nil {
		return err
	}
	out, ok1 := bytesOf(mod, p[3], uint64(uint32(p[4])))
	result, ok2 := bytesOf(mod, p[5], 4)
	if !ok1 || !ok2 {
		return abi.EFAULT
	}
	link, err := c.files.Readlink(dir, name)
	if err != nil {
		return err
	}
	binary.LittleEndian.PutUint32(result, uint32(copy(out, link)))
	return nil
}

// noLinks answers path_link and path_symlink, as a file system without links does: a guest must not lay a trail for others who use the directory.
func noLinks(*call, api.Module, []uint64) error { return abi.EPERM }
