package wasip1

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/wasmworker/wasmworker/abi"
	"github.com/wasmworker/wasmworker/host/passthrough"
	"github.com/wasmworker/wasmworker/host/passthrough/fsmod"
)

const (
	// entryCost is what a new file or directory counts against MaxWrittenBytes: without
	// it, empty ones would be free, and they are not.
	entryCost = 4 << 10
	// firstMount is the descriptor of the first mount. Those below are the standard
	// streams.
	firstMount = 3
)

// Mounts are the directories of an activity module, opened. They may be used by several
// activities at once.
type Mounts struct {
	mounts []*mount
	limits limits
	from   time.Time // see [OpenMounts]
}

// limits are those of a policy, with the defaults.
type limits struct {
	file, written int64
	open          int
}

// mount is a [fsmod.Mount] whose directory is open.
type mount struct {
	guest string
	write bool
	root  *os.Root
}

// OpenMounts opens the directories of a policy that was validated. They are to be closed.
//
// From is for replays, in which nothing that a guest sees may depend on the host: files
// that an activity finds were last modified at this time, and those that it changes by
// its own clock; inode numbers are given in the order in which it meets files;
// directories have no size; and names come in the order of their bytes. The zero time:
// files are as the host has them.
func OpenMounts(p *fsmod.Policy, from time.Time) (*Mounts, error) {
	f := &Mounts{from: from, limits: limits{
		file:    int64(cmp.Or(p.MaxFileBytes, fsmod.DefaultMaxFileBytes)),
		written: int64(cmp.Or(p.MaxWrittenBytes, fsmod.DefaultMaxWrittenBytes)),
		open:    cmp.Or(p.MaxOpen, fsmod.DefaultMaxOpen),
	}}
	// A guest gets their descriptors in this order.
	for _, guest := range slices.Sorted(maps.Keys(p.Mounts)) {
		root, err := os.OpenRoot(p.Mounts[guest].Directory)
		if err != nil {
			f.Close() //nolint:errcheck // the other error says more
			return nil, passthrough.At(fmt.Errorf("the directory cannot be opened: %w", err), "mounts", guest, "directory")
		}
		f.mounts = append(f.mounts, &mount{guest, p.Mounts[guest].Write, root})
	}
	return f, nil
}

// Close closes the directories. No [FDTable] of theirs may be in use.
func (f *Mounts) Close() error {
	var errs []error
	for _, m := range f.mounts {
		errs = append(errs, m.root.Close())
	}
	f.mounts = nil
	return errors.Join(errs...)
}

// FDTable is what one activity has open, by descriptors: the mounts from 3 on, in the
// order of their paths, and what it opens, each with the lowest number that is free. Like
// the activity, they belong to one goroutine at a time.
//
// Errors of its methods and of those of [File] are or wrap an [abi.Errno]. Where the
// policy is the reason they wrap a [*passthrough.Denial], too, for the operator.
type FDTable struct {
	limits      limits
	interrupted func(work int) bool
	view        *view // nil: what the host has
	open        map[uint32]*File
	opened      int   // beside the mounts
	written     int64 // bytes
}

// Begin makes the files of one activity. They are to be closed. While it works, it calls
// interrupted with about how many bytes it has worked on, and stops with EINTR when that
// returns true. In a replay, see [OpenMounts], changed is told of each change of a file
// or a directory, and returns the time by the activity's clock.
func (f *Mounts) Begin(interrupted func(work int) bool, changed func() time.Time) *FDTable {
	t := &FDTable{limits: f.limits, interrupted: interrupted, open: map[uint32]*File{}}
	if !f.from.IsZero() {
		t.view = &view{start: f.from, now: changed, nodes: map[node]*identity{}}
	}
	for i, m := range f.mounts {
		t.open[uint32(firstMount+i)] = &File{files: t, mount: m, device: uint64(i + 1), rel: ".", root: m.root, preopened: true}
	}
	return t
}

// Close closes what is open.
func (t *FDTable) Close() error {
	var errs []error
	for fd, f := range t.open {
		delete(t.open, fd)
		errs = append(errs, f.close())
	}
	return errors.Join(errs...)
}

// Get returns what a descriptor is of. EBADF: nothing.
func (t *FDTable) Get(fd uint32) (*File, error) {
	f, ok := t.open[fd]
	if !ok {
		return nil, abi.EBADF
	}
	return f, nil
}

// CloseFile closes a descriptor. One of a mount can be closed too: the activity cannot
// open that again.
func (t *FDTable) CloseFile(fd uint32) error {
	f, err := t.Get(fd)
	if err != nil {
		return err
	}
	delete(t.open, fd)
	return f.close()
}

// Renumber gives a descriptor another number, in place of what that is of. EBADF: one of
// them is of nothing.
func (t *FDTable) Renumber(from, to uint32) error {
	f, err := t.Get(from)
	if err != nil {
		return err
	}
	replaced, err := t.Get(to)
	if err != nil || from == to {
		return err
	}
	delete(t.open, from)
	t.open[to] = f
	return replaced.close()
}

// room tells whether one more can be opened.
func (t *FDTable) room(target string) error {
	if t.opened >= t.limits.open {
		return denied(abi.EMFILE, target, "the activity has %d files and directories open, which is max_open of the fs policy", t.opened)
	}
	return nil
}

func (t *FDTable) add(f *File) uint32 {
	fd := uint32(firstMount)
	for t.open[fd] != nil {
		fd++
	}
	f.files = t
	t.open[fd] = f
	t.opened++
	return fd
}

// charge counts n bytes as written, if they may be.
func (t *FDTable) charge(n int64, target string) error {
	if n > t.limits.written-t.written {
		return denied(abi.EDQUOT, target, "the activity would have written more than the %s that max_written_bytes of the fs policy allows", size(t.limits.written))
	}
	t.written += n
	return nil
}

func size(n int64) string {
	text, _ := passthrough.Size(n).MarshalText()
	return string(text)
}

// OpenFlags say how a file is opened. Neither Read nor Write is the same as Read.
type OpenFlags struct {
	Read, Write bool
	Append      bool // each write goes to the end
	Create      bool // if there is none
	Exclusive   bool // with Create: only if there is none
	Truncate    bool
	Directory   bool // only if it is a directory
	Follow      bool // if the path's last part is a symbolic link
	Sync        bool // writes return once they are on the disk
}

// Open opens a regular file or a directory.
func (t *FDTable) Open(dir *File, name string, how OpenFlags) (fd uint32, err error) {
	write := how.Write || how.Create || how.Truncate
	target := dir.target("read", name)
	if write {
		target = dir.target("write", name)
	}
	if err := dir.check(name, write, target); err != nil {
		return 0, err
	}
	if how.Create && how.Directory {
		return 0, abi.EINVAL
	}
	if err := t.room(target); err != nil {
		return 0, err
	}
	// What it is is looked at before it is opened, since opening alone can be an event to
	// a device, and again afterwards, since it may have become another one meanwhile.
	exclusive := how.Create && how.Exclusive
	info, err := dir.lookup(name, how.Follow && !exclusive)
	missing := errors.Is(err, fs.ErrNotExist)
	switch {
	case missing && how.Create:
	case err != nil:
		return 0, errnoOf(err, target)
	case exclusive:
		return 0, abi.EEXIST
	case info.IsDir() && write:
		return 0, abi.EISDIR
	case info.IsDir():
		root, err := dir.root.OpenRoot(name)
		if err != nil {
			return 0, errnoOf(err, target)
		}
		return t.add(&File{mount: dir.mount, device: dir.device, rel: dir.below(name), root: root}), nil
	case info.Mode()&os.ModeSymlink != 0:
		return 0, abi.ELOOP
	case !info.Mode().IsRegular():
		return 0, odd(target)
	case how.Directory:
		return 0, abi.ENOTDIR
	}
	if missing {
		if err := t.charge(entryCost, target); err != nil {
			return 0, err
		}
	}
	flags := os.O_RDONLY
	switch {
	case (how.Write || how.Truncate) && (how.Read || !how.Write):
		flags = os.O_RDWR
	case how.Write:
		flags = os.O_WRONLY
	}
	if how.Create {
		flags |= os.O_CREATE
	}
	if exclusive {
		flags |= os.O_EXCL
	}
	if how.Append && how.Write {
		flags |= os.O_APPEND
	}
	if how.Sync {
		flags |= os.O_SYNC
	}
	file, err := dir.root.OpenFile(name, flags|openFlags, 0o644)
	if err != nil {
		return 0, errnoOf(err, target)
	}
	if info, err = file.Stat(); err == nil && !info.Mode().IsRegular() {
		err = odd(target)
	}
	if err == nil && how.Truncate {
		err = file.Truncate(0)
	}
	if err != nil {
		file.Close() //nolint:errcheck // the other error says more
		return 0, errnoOf(err, target)
	}
	if missing {
		t.view.created(dir, name, info)
	}
	f := &File{
		mount: dir.mount, device: dir.device, rel: dir.below(name), file: file,
		Readable: how.Read || !how.Write, Writable: how.Write, Append: how.Append && how.Write,
	}
	fd = t.add(f)
	if how.Truncate {
		f.modified()
	}
	return fd, nil
}

// Mkdir makes a directory.
func (t *FDTable) Mkdir(dir *File, name string) error {
	target := dir.target("write", name)
	if err := dir.check(name, true, target); err != nil {
		return err
	}
	if _, err := dir.root.Lstat(name); err == nil {
		return abi.EEXIST
	}
	if err := t.charge(entryCost, target); err != nil {
		return err
	}
	err := dir.root.Mkdir(name, 0o755)
	if err == nil && t.view != nil {
		var info os.FileInfo
		if info, err = dir.root.Lstat(name); err == nil {
			t.view.created(dir, name, info)
		}
	}
	return errnoOf(err, target)
}

// Stat describes what a path names.
func (t *FDTable) Stat(dir *File, name string, follow bool) (Info, error) {
	target := dir.target("read", name)
	if err := dir.check(name, false, target); err != nil {
		return Info{}, err
	}
	info, err := dir.lookup(name, follow)
	if err != nil {
		return Info{}, errnoOf(err, target)
	}
	return dir.describe(info), nil
}

// Chtimes sets the times of what a path names; zero leaves one as it is. ENOTSUP: a
// symbolic link's own.
func (t *FDTable) Chtimes(dir *File, name string, follow bool, accessed, modified time.Time) error {
	target := dir.target("write", name)
	if err := dir.check(name, true, target); err != nil {
		return err
	}
	if !follow {
		if info, err := dir.root.Lstat(name); err == nil && info.Mode()&os.ModeSymlink != 0 {
			return abi.ENOTSUP
		}
	}
	if t.view != nil {
		info, err := dir.lookup(name, follow)
		if err == nil {
			t.view.chtimes(dir.device, info, modified)
		}
		return errnoOf(err, target)
	}
	return errnoOf(dir.root.Chtimes(name, accessed, modified), target)
}

// Readlink returns what a symbolic link names. A name outside of the directory is not
// told.
func (t *FDTable) Readlink(dir *File, name string) (string, error) {
	target := dir.target("read", name)
	if err := dir.check(name, false, target); err != nil {
		return "", err
	}
	info, err := dir.root.Lstat(name)
	if err == nil && info.Mode()&os.ModeSymlink == 0 {
		return "", abi.EINVAL
	}
	if err != nil {
		return "", errnoOf(err, target)
	}
	link, err := dir.root.Readlink(name)
	if err != nil {
		return "", errnoOf(err, target)
	}
	if filepath.IsAbs(link) {
		return "", outside(target)
	}
	return link, nil
}

// Unlink removes what a path names, unless it is a directory (EISDIR).
func (t *FDTable) Unlink(dir *File, name string) error { return t.remove(dir, name, false) }

// Rmdir removes an empty directory.
func (t *FDTable) Rmdir(dir *File, name string) error { return t.remove(dir, name, true) }

func (t *FDTable) remove(dir *File, name string, directory bool) error {
	target := dir.target("write", name)
	if err := dir.check(name, true, target); err != nil {
		return err
	}
	info, err := dir.root.Lstat(name)
	switch {
	case err != nil:
		return errnoOf(err, target)
	case directory && !info.IsDir():
		return abi.ENOTDIR
	case !directory && info.IsDir():
		return abi.EISDIR
	}
	if err := dir.root.Remove(name); err != nil {
		return errnoOf(err, target)
	}
	t.view.changed(dir, name)
	return nil
}

// Rename moves what a path names. EXDEV: to another mount.
func (t *FDTable) Rename(from *File, old string, to *File, name string) error {
	target, toTarget := from.target("write", old), to.target("write", name)
	if err := from.check(old, true, target); err != nil {
		return err
	}
	if err := to.check(name, true, toTarget); err != nil {
		return err
	}
	if from.mount != to.mount {
		return abi.EXDEV
	}
	if err := rename(from, old, to, name, target, toTarget); err != nil {
		return err
	}
	t.view.changed(from, old)
	t.view.changed(to, name)
	return nil
}

func rename(from *File, old string, to *File, name, target, toTarget string) error {
	if from == to {
		return errnoOf(from.root.Rename(old, name), target)
	}
	// No [os.Root] renames from one to another, so it is done from the mount, where
	// nothing but the paths holds them in their directories.
	if !filepath.IsLocal(old) {
		return outside(target)
	}
	if !filepath.IsLocal(name) {
		return outside(toTarget)
	}
	return errnoOf(from.mount.root.Rename(from.below(old), to.below(name)), target)
}

// checkName checks what os.Root leaves to the system.
func checkName(name string) error {
	switch {
	case name == "":
		return abi.ENOENT
	case len(name) > fsmod.MaxPath:
		return abi.ENAMETOOLONG
	case strings.IndexByte(name, 0) >= 0:
		return abi.EINVAL
	case runtime.GOOS == "windows" && strings.ContainsAny(name, `:\`):
		// The one leads to streams of a file. The other is no separator of a guest's.
		return abi.EINVAL
	}
	return nil
}

// denial is an error that has a number of its own, and is the operator's business.
type denial struct {
	errno  abi.Errno
	denial *passthrough.Denial
}

func (d *denial) Error() string   { return d.errno.Error() + ": " + d.denial.Error() }
func (d *denial) Unwrap() []error { return []error{d.errno, d.denial} }

func denied(errno abi.Errno, target, reason string, args ...any) error {
	return &denial{errno, &passthrough.Denial{Target: target, Reason: fmt.Sprintf(reason, args...)}}
}

func outside(target string) error {
	return denied(abi.EACCES, target, "the path, or a symbolic link in it, leads out of the directory")
}

func odd(target string) error {
	return denied(abi.EACCES, target, "it is neither a regular file nor a directory")
}

// errnos are the errors of the system that a guest can tell apart.
var errnos = []struct {
	err   error
	errno abi.Errno
}{
	{syscall.EISDIR, abi.EISDIR},
	{syscall.ENOTDIR, abi.ENOTDIR},
	{syscall.ENOTEMPTY, abi.ENOTEMPTY},
	{syscall.ELOOP, abi.ELOOP},
	{syscall.ENAMETOOLONG, abi.ENAMETOOLONG},
	{syscall.ENOSPC, abi.ENOSPC},
	{syscall.EDQUOT, abi.EDQUOT},
	{syscall.EFBIG, abi.EFBIG},
	{syscall.EXDEV, abi.EXDEV},
	{syscall.EROFS, abi.EROFS},
	{syscall.EMFILE, abi.EMFILE},
	{syscall.ENFILE, abi.EMFILE},
	{syscall.EBUSY, abi.EBUSY},
	{syscall.ETXTBSY, abi.ETXTBSY},
	{syscall.EINVAL, abi.EINVAL},
	{syscall.EBADF, abi.EBADF},
	{syscall.EPERM, abi.EPERM},
	{os.ErrClosed, abi.EBADF},
	{fs.ErrNotExist, abi.ENOENT},
	{fs.ErrExist, abi.EEXIST},
	{fs.ErrPermission, abi.EACCES},
	{errors.ErrUnsupported, abi.ENOTSUP},
}

// errnoOf makes an error with an errno of one of the system's, whose text has paths of
// the host.
func errnoOf(err error, target string) error {
	if err == nil {
		return nil
	}
	if _, ok := errors.AsType[abi.Errno](err); ok {
		return err
	}
	cause := err
	if e, ok := errors.AsType[*fs.PathError](err); ok {
		cause = e.Err
	} else if e, ok := errors.AsType[*os.LinkError](err); ok {
		cause = e.Err
	}
	if cause.Error() == "path escapes from parent" { // os has no name for it
		return outside(target)
	}
	for _, e := range errnos {
		if errors.Is(err, e.err) {
			return e.errno
		}
	}
	return abi.EIO
}
