package blobmod

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/url"
	"os"
	"runtime"
	"slices"
	"strings"
	"sync"
	"syscall"

	"gocloud.dev/blob"
	"gocloud.dev/blob/driver"
	"gocloud.dev/gcerrors"
)

// directory is a driver of gocloud's for a directory of this machine. Theirs, fileblob,
// follows links to anywhere, waits for whoever may write to a named pipe, keeps
// unfinished files where guests find them, and lists out of order.
//
// Here everything is opened below the directory, by [os.Root]: a path cannot leave it,
// whatever others do to it at the same time. Objects are regular files that are reached
// through real directories. Links, pipes, devices and what cannot be a key do not exist
// for guests. The directory itself is opened once: another one that takes its name, or is
// mounted there, is found after a restart.
//
// Attributes that a file does not have itself are beside it, under the name with .attrs,
// as fileblob has them, if there are any. That name, and the one of unfinished files, are
// reserved.
//
// Directories in it are there for as long as objects are below them: a key is free if
// nothing but empty directories is in its place, and what a deletion leaves empty goes
// too.
type directory struct {
	root    *os.Root
	ctx     context.Context // ends with the bucket
	end     context.CancelFunc
	usage   usage
	placing sync.Mutex // held while an object gets its place or goes, so that its size is known
}

const (
	attrsSuffix = ".attrs"
	tempSuffix  = ".wasmworker-tmp"

	maxAttrs = 64 << 10
)

func checkDirectory(u *url.URL) error {
	if u.Host != "" {
		return errors.New("a directory's URL has three slashes and an absolute path: file:///srv/exports")
	}
	info, err := os.Stat(u.Path)
	switch {
	case err != nil:
		return fmt.Errorf("the directory cannot be used: %w", err)
	case !info.IsDir():
		return fmt.Errorf("%s is not a directory", u.Path)
	}
	return nil
}

func openDirectory(ctx context.Context, u *url.URL, _ func(string) (string, error)) (*Opened, error) {
	root, err := os.OpenRoot(u.Path)
	if err != nil {
		return nil, err
	}
	f := &directory{root: root}
	f.ctx, f.end = context.WithCancel(ctx)
	return &Opened{Bucket: blob.NewBucket(f)}, nil
}

func (f *directory) Close() error {
	f.end()
	return f.root.Close()
}

// ErrorCode implements [driver.Bucket].
func (f *directory) ErrorCode(err error) gcerrors.ErrorCode {
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return gcerrors.NotFound
	case errors.Is(err, fs.ErrExist):
		return gcerrors.AlreadyExists
	case errors.Is(err, fs.ErrPermission):
		return gcerrors.PermissionDenied
	case errors.Is(err, errReserved):
		return gcerrors.InvalidArgument
	}
	return gcerrors.Unknown
}

const errReserved = reason("a directory takes no names that end with .attrs or .wasmworker-tmp, or that its operating system reads in another way")

// reserved tells whether a key leads to what is not an object. File systems may not tell
// upper from lower case.
func reserved(key string) bool {
	for segment := range strings.SplitSeq(strings.ToLower(key), "/") {
		if strings.HasSuffix(segment, attrsSuffix) || strings.HasSuffix(segment, tempSuffix) {
			return true
		}
		if runtime.GOOS == "windows" && (strings.ContainsAny(segment, `\:`) || strings.TrimRight(segment, ". ") != segment) {
			return true
		}
	}
	return false
}

// parents are the directories above a key, outermost first.
func parents(key string) (dirs []string) {
	for i, c := range key {
		if c == '/' {
			dirs = append(dirs, key[:i])
		}
	}
	return dirs
}

// isDir tells whether there is a real directory. Links do not count.
func (f *directory) isDir(name string) (bool, error) {
	info, err := f.root.Lstat(name)
	if err != nil {
		return false, err
	}
	return info.IsDir(), nil
}

// file opens a regular file that is reached without links. Links that are put there at
// the same moment are followed, but not out of the directory.
func (f *directory) file(name string) (*os.File, fs.FileInfo, error) {
	for _, dir := range parents(name) {
		if real, err := f.isDir(dir); err != nil || !real {
			return nil, nil, fs.ErrNotExist
		}
	}
	info, err := f.root.Lstat(name) // before: to open a device can do something already
	if errors.Is(err, syscall.ENAMETOOLONG) {
		return nil, nil, fs.ErrNotExist // so it cannot be there
	}
	if err != nil {
		return nil, nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, nil, fs.ErrNotExist
	}
	// and not to wait if it is a pipe by now
	file, err := f.root.OpenFile(name, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, nil, err
	}
	if info, err = file.Stat(); err != nil || !info.Mode().IsRegular() {
		file.Close()
		return nil, nil, fs.ErrNotExist
	}
	return file, info, nil
}

// object opens an object.
func (f *directory) object(key string) (*os.File, *driver.Attributes, error) {
	if reserved(key) {
		return nil, nil, fs.ErrNotExist
	}
	file, info, err := f.file(key)
	if err != nil {
		return nil, nil, err
	}
	attrs := f.attrs(key)
	return file, &driver.Attributes{
		ContentType: attrs.ContentType, Metadata: attrs.Metadata, ModTime: info.ModTime(), Size: info.Size(),
		ETag: fmt.Sprintf("\"%x-%x\"", info.ModTime().UnixNano(), info.Size()),
	}, nil
}

// attrs are what is beside a file, by fileblob's names.
type attrs struct {
	ContentType string            `json:"user.content_type"`
	Metadata    map[string]string `json:"user.metadata"`
}

const defaultType = "application/octet-stream"

func (f *directory) attrs(key string) attrs {
	none := attrs{ContentType: defaultType}
	file, _, err := f.file(key + attrsSuffix)
	if err != nil {
		return none
	}
	defer file.Close()
	var a attrs
	data, err := io.ReadAll(io.LimitReader(file, maxAttrs))
	// the object itself is still worth to be read
	if err != nil || json.Unmarshal(data, &a) != nil {
		return none
	}
	if a.ContentType == "" {
		a.ContentType = defaultType
	}
	return a
}

// Attributes implements [driver.Bucket].
func (f *directory) Attributes(_ context.Context, key string) (*driver.Attributes, error) {
	file, attributes, err := f.object(key)
	if err != nil {
		return nil, err
	}
	file.Close()
	return attributes, nil
}

// NewRangeReader implements [driver.Bucket].
func (f *directory) NewRangeReader(ctx context.Context, key string, offset, length int64, opts *driver.ReaderOptions) (driver.Reader, error) {
	file, attributes, err := f.object(key)
	if err != nil {
		return nil, err
	}
	if length < 0 {
		length = max(attributes.Size-offset, 0)
	}
	r := &fileReader{SectionReader: io.NewSectionReader(file, offset, length), file: file, ctx: ctx, attributes: driver.ReaderAttributes{
		ContentType: attributes.ContentType, ModTime: attributes.ModTime, Size: attributes.Size,
	}}
	if opts.BeforeRead != nil {
		if err := opts.BeforeRead(r.As); err != nil {
			file.Close()
			return nil, err
		}
	}
	return r, nil
}

type fileReader struct {
	*io.SectionReader
	file       *os.File
	ctx        context.Context
	attributes driver.ReaderAttributes
}

func (r *fileReader) Read(p []byte) (int, error) {
	if err := r.ctx.Err(); err != nil {
		return 0, err
	}
	return r.SectionReader.Read(p)
}

func (r *fileReader) Close() error                         { return r.file.Close() }
func (r *fileReader) Attributes() *driver.ReaderAttributes { return &r.attributes }
func (r *fileReader) As(any) bool                          { return false }

// ListPaged implements [driver.Bucket]. It looks at no more directories than the page
// needs.
func (f *directory) ListPaged(ctx context.Context, opts *driver.ListOptions) (*driver.ListPage, error) {
	l := &lister{directory: f, ctx: ctx, opts: opts}
	// What gocloud's package means by its first page could be a key too.
	l.after = strings.TrimPrefix(string(opts.PageToken), tokenPrefix)
	if rest, ok := strings.CutPrefix(l.after, opts.Prefix); ok && opts.Delimiter != "" && strings.HasSuffix(rest, opts.Delimiter) {
		l.collapsed = l.after
	}
	start := opts.Prefix[:strings.LastIndexByte(opts.Prefix, '/')+1]
	if start != "" {
		for _, dir := range parents(start) {
			if real, err := f.isDir(dir); err != nil || !real {
				return &driver.ListPage{}, nil
			}
		}
	}
	if err := l.walk(start); err != nil && err != errPage {
		return nil, err
	}
	return &l.page, nil
}

const tokenPrefix = "after:"

// lister visits keys in their order.
type lister struct {
	*directory
	ctx       context.Context
	opts      *driver.ListOptions
	page      driver.ListPage
	after     string // all up to this was on pages before
	collapsed string // the prefix that was listed last, in place of its keys
}

var errPage = errors.New("the page is full")

// walk visits what is in a directory, "" or a name with a slash at its end.
func (l *lister) walk(dir string) error {
	entries, err := l.entries(dir)
	if err != nil {
		return l.skip(err, dir)
	}
	type entry struct {
		fs.DirEntry
		key string
	}
	var found []entry
	for _, e := range entries {
		key := dir + e.Name()
		if !e.IsDir() && !e.Type().IsRegular() || reserved(e.Name()) || checkKey(key) != nil {
			continue
		}
		if e.IsDir() {
			key += "/" // which decides its place among the keys
		}
		if strings.HasPrefix(key, l.opts.Prefix) || e.IsDir() && strings.HasPrefix(l.opts.Prefix, key) {
			found = append(found, entry{e, key})
		}
	}
	slices.SortFunc(found, func(a, b entry) int { return strings.Compare(a.key, b.key) })
	for _, e := range found {
		if err := l.ctx.Err(); err != nil {
			return err
		}
		if e.key <= l.after && !strings.HasPrefix(l.after, e.key) || l.collapsed != "" && strings.HasPrefix(e.key, l.collapsed) {
			continue // all of the directory's keys too
		}
		if e.IsDir() {
			err = l.walk(e.key)
		} else {
			err = l.visit(e.key)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// skip passes over directories that are not to be read, or have gone in the meantime; all
// others would not be found for them.
func (l *lister) skip(err error, dir string) error {
	if dir != "" && (errors.Is(err, fs.ErrPermission) || errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOTDIR)) {
		return nil
	}
	return err
}

func (l *lister) visit(key string) error {
	object := &driver.ListObject{Key: key}
	if l.opts.Delimiter != "" {
		if before, _, ok := strings.Cut(key[len(l.opts.Prefix):], l.opts.Delimiter); ok {
			l.collapsed = l.opts.Prefix + before + l.opts.Delimiter
			object = &driver.ListObject{Key: l.collapsed, IsDir: true}
		}
	}
	if object.Key <= l.after {
		return nil
	}
	if !object.IsDir {
		// the entry would look by the path from the root of all, which can be too long
		info, err := l.root.Lstat(key)
		if err != nil || !info.Mode().IsRegular() { // it has gone
			return nil
		}
		object.Size, object.ModTime = info.Size(), info.ModTime()
	}
	if n := len(l.page.Objects); n == l.opts.PageSize {
		l.page.NextPageToken = []byte(tokenPrefix + l.page.Objects[n-1].Key)
		return errPage
	}
	l.page.Objects = append(l.page.Objects, object)
	return nil
}

// What the module does not use.

func (f *directory) As(any) bool             { return false }
func (f *directory) ErrorAs(error, any) bool { return false }

func (f *directory) Copy(context.Context, string, string, *driver.CopyOptions) error {
	return errors.ErrUnsupported
}

func (f *directory) SignedURL(context.Context, string, *driver.SignedURLOptions) (string, error) {
	return "", errors.ErrUnsupported
}
