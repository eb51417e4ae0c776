package wasip1

import (
	"errors"
	"io"
	"io/fs"
	"math"
	"os"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/wasmworker/wasmworker/abi"
)

// File is an open file, or a directory. Each belongs to its [FDTable].
type File struct {
	// Readable, Writable and Append are how a file was opened. A directory is none of
	// that.
	Readable, Writable, Append bool

	files     *FDTable
	mount     *mount
	device    uint64 // tells mounts apart
	rel       string // path below the mount, as it was when it was opened
	preopened bool   // it is the mount: its root belongs to that

	file *os.File // of a file
	pos  int64

	root    *os.Root // of a directory
	list    *os.File // while it is listed
	entries []fs.DirEntry
	first   uint64 // index of the first of entries
}

// Info describes a file, a directory, or something else.
type Info struct {
	Mode     fs.FileMode
	Size     int64
	Modified time.Time
	Device   uint64 // tells mounts apart
	Inode    uint64 // tells files of a mount apart; 0 where the host does not know
	Links    uint64
}

// Entry is a part of a directory.
type Entry struct {
	Name  string
	Mode  fs.FileMode // the type alone
	Inode uint64      // 0: the host has none, or the entry has gone meanwhile
}

// IsDir tells whether it is a directory.
func (f *File) IsDir() bool { return f.root != nil }

// MayWrite tells whether the mount is one that may be written to.
func (f *File) MayWrite() bool { return f.mount.write }

// Mount returns the path at which the guest finds the directory, if that is a mount.
func (f *File) Mount() (guestPath string, ok bool) { return f.mount.guest, f.preopened }

func (f *File) close() error {
	var errs []error
	if f.file != nil {
		errs = append(errs, f.file.Close())
	}
	if f.list != nil {
		errs = append(errs, f.list.Close())
	}
	if f.root != nil && !f.preopened {
		errs = append(errs, f.root.Close())
	}
	if !f.preopened {
		f.files.opened--
	}
	return errnoOf(errors.Join(errs...), "")
}

// below is the path of a name in a directory, from the mount on.
func (f *File) below(name string) string {
	if f.rel == "." {
		return name
	}
	return f.rel + "/" + name
}

// target names something for the operator, as the guest knows it.
func (f *File) target(verb, name string) string {
	if f.root == nil {
		return verb
	}
	if len(name) > 200 {
		name = strings.ToValidUTF8(name[:200], "") + "…"
	}
	if path.IsAbs(name) {
		return verb + " " + name
	}
	return verb + " " + path.Join(f.mount.guest, f.rel) + "/" + name
}

func (f *File) own(verb string) string { return verb + " " + path.Join(f.mount.guest, f.rel) }

// errno is [errnoOf] of the file itself, which is named only where there is an error:
// most calls have none.
func (f *File) errno(err error, verb string) error {
	if err == nil {
		return nil
	}
	return errnoOf(err, f.own(verb))
}

// check tells whether a name can be looked for in a directory, and written to.
func (f *File) check(name string, write bool, target string) error {
	if f.root == nil {
		return abi.ENOTDIR
	}
	if err := checkName(name); err != nil {
		return err
	}
	if write {
		return f.checkWrite(target)
	}
	return nil
}

func (f *File) checkWrite(target string) error {
	if !f.mount.write {
		return denied(abi.EROFS, target, "the mount %s is only read; the fs policy would allow it with write: true", f.mount.guest)
	}
	return nil
}

func (f *File) lookup(name string, follow bool) (os.FileInfo, error) {
	if follow {
		return f.root.Stat(name)
	}
	return f.root.Lstat(name)
}

func (f *File) describe(info os.FileInfo) Info {
	if v := f.files.view; v != nil {
		return v.describe(f.device, info)
	}
	inode, links := inodeOf(info)
	return Info{Mode: info.Mode(), Size: info.Size(), Modified: info.ModTime(), Device: f.device, Inode: inode, Links: links}
}

// modified notes that what is in the file has changed.
func (f *File) modified() {
	if v := f.files.view; v != nil {
		if info, err := f.file.Stat(); err == nil {
			v.chtimes(f.device, info, v.now())
		}
	}
}

func (f *File) info() (os.FileInfo, error) {
	if f.root != nil {
		return f.root.Stat(".")
	}
	return f.file.Stat()
}

// Stat describes it.
func (f *File) Stat() (Info, error) {
	info, err := f.info()
	if err != nil {
		return Info{}, f.errno(err, "read")
	}
	return f.describe(info), nil
}

// Read reads at the position, and moves that on. There is nothing at the end. EISDIR: it
// is a directory, EBADF: it was opened for writing alone.
func (f *File) Read(p []byte) (int, error) {
	n, err := f.ReadAt(p, f.pos)
	f.pos += int64(n)
	return n, err
}

// ReadAt reads as Read does, anywhere.
func (f *File) ReadAt(p []byte, offset int64) (int, error) {
	switch {
	case f.root != nil:
		return 0, abi.EISDIR
	case !f.Readable:
		return 0, abi.EBADF
	case offset < 0:
		return 0, abi.EINVAL
	case len(p) == 0:
		return 0, nil
	}
	n, err := f.file.ReadAt(p, offset)
	if err == io.EOF {
		err = nil
	}
	return n, f.errno(err, "read")
}

// Write writes at the position, or at the end if it was opened so, and moves the position
// behind that. It writes less where the policy's limits end, and if there is no room at
// all it answers EFBIG (of the file) or EDQUOT (of the activity). EBADF: it is a
// directory, or was not opened for writing.
func (f *File) Write(p []byte) (int, error) {
	n, err := f.WriteAt(p, f.pos)
	if f.Append && n > 0 {
		var at int64
		if at, err = f.file.Seek(0, io.SeekCurrent); err != nil {
			return n, f.errno(err, "write")
		}
		f.pos = at
		return n, nil
	}
	f.pos += int64(n)
	return n, err
}

// WriteAt writes as Write does, anywhere; at the end if it was opened so, as on Linux.
func (f *File) WriteAt(p []byte, offset int64) (n int, err error) {
	switch {
	case f.root != nil || !f.Writable:
		return 0, abi.EBADF
	case offset < 0:
		return 0, abi.EINVAL
	case len(p) == 0:
		return 0, nil
	}
	if f.Append {
		info, err := f.file.Stat()
		if err != nil {
			return 0, f.errno(err, "write")
		}
		offset = info.Size()
	}
	room := f.files.limits.file - offset
	if room <= 0 {
		return 0, f.tooLarge()
	}
	left := f.files.limits.written - f.files.written
	if left <= 0 {
		return 0, f.files.charge(1, f.own("write"))
	}
	p = p[:min(int64(len(p)), room, left)]
	if f.Append {
		n, err = f.file.Write(p)
	} else {
		n, err = f.file.WriteAt(p, offset)
	}
	f.files.written += int64(n)
	f.modified()
	return n, f.errno(err, "write")
}

func (f *File) tooLarge() error {
	return denied(abi.EFBIG, f.own("write"), "the file would become larger than the %s that max_file_bytes of the fs policy allows", size(f.files.limits.file))
}

// Seek moves the position, as [io.Seeker] does, and returns it. ESPIPE: it is a
// directory.
func (f *File) Seek(offset int64, whence int) (int64, error) {
	if f.root != nil {
		return 0, abi.ESPIPE
	}
	var base int64
	switch whence {
	case io.SeekStart:
	case io.SeekCurrent:
		base = f.pos
	case io.SeekEnd:
		info, err := f.file.Stat()
		if err != nil {
			return 0, f.errno(err, "read")
		}
		base = info.Size()
	default:
		return 0, abi.EINVAL
	}
	if offset > math.MaxInt64-base {
		return 0, abi.EOVERFLOW
	}
	if base+offset < 0 {
		return 0, abi.EINVAL
	}
	f.pos = base + offset
	return f.pos, nil
}

// Truncate sets the size. By how much the file grows counts as written. Errors are those
// of [File.Write].
func (f *File) Truncate(size int64) error {
	if size < 0 {
		return abi.EINVAL
	}
	return f.resize(size, false)
}

// Allocate makes the file at least as large as offset and length say, by zeros. Errors
// are those of [File.Write].
func (f *File) Allocate(offset, length int64) error {
	if offset < 0 || length <= 0 {
		return abi.EINVAL
	}
	if length > math.MaxInt64-offset {
		return abi.EFBIG
	}
	return f.resize(offset+length, true)
}

func (f *File) resize(size int64, growOnly bool) error {
	if f.root != nil || !f.Writable {
		return abi.EBADF
	}
	target := f.own("write")
	info, err := f.file.Stat()
	if err != nil {
		return errnoOf(err, target)
	}
	switch grows := size - info.Size(); {
	case growOnly && grows <= 0:
		return nil
	case grows > 0 && size > f.files.limits.file:
		return f.tooLarge()
	case grows > 0:
		if err := f.files.charge(grows, target); err != nil {
			return err
		}
	}
	err = f.file.Truncate(size)
	f.modified()
	return errnoOf(err, target)
}

// Sync returns once what was written is on the disk; of a directory, what it has.
func (f *File) Sync() error {
	if f.root == nil {
		return f.errno(f.file.Sync(), "write")
	}
	dir, err := f.root.Open(".")
	if err != nil {
		return f.errno(err, "read")
	}
	defer dir.Close()
	return f.errno(dir.Sync(), "write")
}

// Chtimes sets the times; zero leaves one as it is. ENOTSUP: the file has another name by
// now.
func (f *File) Chtimes(accessed, modified time.Time) error {
	target := f.own("write")
	if err := f.checkWrite(target); err != nil {
		return err
	}
	if f.files.view != nil {
		info, err := f.info()
		if err == nil {
			f.files.view.chtimes(f.device, info, modified)
		}
		return errnoOf(err, target)
	}
	if f.root != nil {
		return errnoOf(f.root.Chtimes(".", accessed, modified), target)
	}
	// The standard library sets times by name.
	info, err := f.file.Stat()
	if err != nil {
		return errnoOf(err, target)
	}
	if named, err := f.mount.root.Stat(f.rel); err != nil || !os.SameFile(info, named) {
		return abi.ENOTSUP
	}
	return errnoOf(f.mount.root.Chtimes(f.rel, accessed, modified), target)
}

// Entry returns a part of a directory by its number: 0 is the directory itself, 1 the one
// above, and then comes what is in it, in the host's order; in a replay, in that of the
// names' bytes. It is false at the end. What is asked for one after the other is read
// once; 0 begins anew. ENOTDIR: it is no directory.
func (f *File) Entry(number uint64) (Entry, bool, error) {
	switch {
	case f.root == nil:
		return Entry{}, false, abi.ENOTDIR
	case number == 0:
		f.rewind()
		return Entry{".", os.ModeDir, f.inode(".")}, true, nil
	case number == 1:
		// The one above may be outside of the mount. 0 would make C libraries look for it.
		return Entry{"..", os.ModeDir, f.inode(".")}, true, nil
	}
	const batch = 256
	index := number - 2
	if index < f.first {
		f.rewind()
	}
	if f.list == nil {
		list, err := f.root.Open(".")
		if err != nil {
			return Entry{}, false, f.errno(err, "read")
		}
		f.list = list
		if f.files.view != nil {
			// What comes and goes from here on is not seen: that, too, would be in the
			// host's order.
			if f.entries, err = list.ReadDir(-1); err != nil {
				return Entry{}, false, f.errno(err, "read")
			}
			slices.SortFunc(f.entries, func(a, b fs.DirEntry) int { return strings.Compare(a.Name(), b.Name()) })
		}
	}
	if f.files.view != nil && index >= uint64(len(f.entries)) {
		return Entry{}, false, nil
	}
	for index-f.first >= uint64(len(f.entries)) {
		if f.files.interrupted(batch * 64) {
			return Entry{}, false, abi.EINTR
		}
		entries, err := f.list.ReadDir(batch)
		if err == io.EOF || err == nil && len(entries) == 0 {
			return Entry{}, false, nil
		}
		if err != nil {
			return Entry{}, false, f.errno(err, "read")
		}
		f.first += uint64(len(f.entries))
		f.entries = entries
	}
	e := f.entries[index-f.first]
	return Entry{e.Name(), e.Type(), f.inode(e.Name())}, true, nil
}

// inode is that of an entry of the directory.
func (f *File) inode(name string) uint64 {
	info, err := f.root.Lstat(name)
	if err != nil {
		return 0
	}
	return f.describe(info).Inode
}

// rewind forgets what was listed.
func (f *File) rewind() {
	if f.list != nil {
		f.list.Close() //nolint:errcheck // nothing was written
	}
	f.list, f.entries, f.first = nil, nil, 0
}
