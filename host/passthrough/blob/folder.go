package blob

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/url"
	"os"
	"path"
	"runtime"
	"slices"
	"strings"
	"syscall"

	gcblob "gocloud.dev/blob"
	"gocloud.dev/blob/driver"
	"gocloud.dev/gcerrors"
)

// folder is a driver of gocloud's for a folder of this machine. Theirs, fileblob, follows links to anywhere, waits for whoever may
// write to a named pipe, keeps unfinished files where guests find them, and lists out of order.
//
// Here everything is opened below the folder, by [os.Root]: a path cannot leave it, whatever others do to it at the same
// time. Objects are regular files that are reached through real folders. Links, pipes, devices and what cannot be a key
// do not exist for guests. The folder itself is opened once: another one that takes its name, or is mounted there, is found after a
// restart.
//
// Attributes that a file does not have itself are beside it, under the name with .attrs, as fileblob has them, if there are any.
// That name, and the one of unfinished files, are reserved.
type folder struct{ root *os.Root }

const (
	attrsSuffix = ".attrs"
	tempSuffix  = ".wasmworker-tmp"

	maxAttrs = 64 << 10
)

func checkFolder(u *url.URL) error {
	if u.Host != "" {
		return errors.New("a folder's URL has three slashes and an absolute path: file:///srv/exports")
	}
	info, err := os.Stat(u.Path)
	switch {
	case err != nil:
		return fmt.Errorf("the folder cannot be used: %w", err)
	case !info.IsDir():
		return fmt.Errorf("%s is not a folder", u.Path)
	}
	return nil
}

func openFolder(_ context.Context, u *url.URL, _ func(string) (string, error)) (*Opened, error) {
	root, err := os.OpenRoot(u.Path)
	if err != nil {
		return nil, err
	}
	return &Opened{Bucket: gcblob.NewBucket(&folder{root})}, nil
}

func (f *folder) Close() error { return f.root.Close() }

// ErrorCode implements [driver.Bucket].
func (f *folder) ErrorCode(err error) gcerrors.ErrorCode {
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

const errReserved = reason("a folder takes no names that end with .attrs or .wasmworker-tmp, or that its operating system reads in another way")

// reserved tells whether a key leads to what is not an object. File systems may not tell upper from lower case.
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

// parents are the folders above a key, outermost first.
func parents(key string) (dirs []string) {
	for i, c := range key {
		if c == '/' {
			dirs = append(dirs, key[:i])
		}
	}
	return dirs
}

// isDir tells whether there is a real folder. Links do not count.
func (f *folder) isDir(name string) (bool, error) {
	info, err := f.root.Lstat(name)
	if err != nil {
		return false, err
	}
	return info.IsDir(), nil
}

// file opens a regular file that is reached without links. Links that are put there at the same moment are followed, but not out
// of the folder.
func (f *folder) file(name string) (*os.File, fs.FileInfo, error) {
	for _, dir := range parents(name) {
		if real, err := f.isDir(dir); err != nil || !real {
			return nil, nil, fs.ErrNotExist
		}
	}
	info, err := f.root.Lstat(name) // before: to open a device can do something already
	if err != nil {
		return nil, nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, nil, fs.ErrNotExist
	}
	file, err := f.root.OpenFile(name, os.O_RDONLY|syscall.O_NONBLOCK, 0) // and not to wait if it is a pipe by now
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
func (f *folder) object(key string) (*os.File, *driver.Attributes, error) {
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

func (f *folder) attrs(key string) attrs {
	none := attrs{ContentType: defaultType}
	file, _, err := f.file(key + attrsSuffix)
	if err != nil {
		return none
	}
	defer file.Close()
	var a attrs
	data, err := io.ReadAll(io.LimitReader(file, maxAttrs))
	if err != nil || json.Unmarshal(data, &a) != nil { // the object itself is still worth to be read
		return none
	}
	if a.ContentType == "" {
		a.ContentType = defaultType
	}
	return a
}

// Attributes implements [driver.Bucket].
func (f *folder) Attributes(_ context.Context, key string) (*driver.Attributes, error) {
	file, attributes, err := f.object(key)
	if err != nil {
		return nil, err
	}
	file.Close()
	return attributes, nil
}

// NewRangeReader implements [driver.Bucket].
func (f *folder) NewRangeReader(ctx context.Context, key string, offset, length int64, opts *driver.ReaderOptions) (driver.Reader, error) {
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

// NewTypedWriter implements [driver.Bucket]. The unfinished file is as near to its place as there are folders, so that it is on
// the same file system. It stays behind if the worker crashes.
func (f *folder) NewTypedWriter(ctx context.Context, key, contentType string, opts *driver.WriterOptions) (driver.Writer, error) {
	if reserved(key) {
		return nil, errReserved
	}
	near := ""
	for _, dir := range parents(key) {
		real, err := f.isDir(dir)
		if errors.Is(err, fs.ErrNotExist) {
			break
		}
		if err != nil {
			return nil, err
		}
		if !real {
			return nil, reason("what the key has before one of its slashes is not a folder in the bucket")
		}
		near = dir
	}
	if info, err := f.root.Lstat(key); err == nil && !info.Mode().IsRegular() {
		return nil, reason("what has that name in the bucket's folder is not an object")
	}
	if opts.BeforeWrite != nil {
		if err := opts.BeforeWrite(func(any) bool { return false }); err != nil {
			return nil, err
		}
	}
	w := &fileWriter{f: f, ctx: ctx, key: key, temp: path.Join(near, "."+rand.Text()+tempSuffix), exclusive: opts.IfNotExist}
	if contentType != defaultType || len(opts.Metadata) > 0 {
		w.attrs = &attrs{contentType, opts.Metadata}
	}
	var err error
	w.file, err = f.root.OpenFile(w.temp, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o666)
	return w, err
}

type fileWriter struct {
	f         *folder
	ctx       context.Context
	key, temp string
	file      *os.File
	attrs     *attrs // nil: none
	exclusive bool
}

func (w *fileWriter) Write(p []byte) (int, error) {
	if err := w.ctx.Err(); err != nil {
		return 0, err
	}
	return w.file.Write(p)
}

// Close puts the file in its place, unless the context has ended.
func (w *fileWriter) Close() error {
	defer w.f.root.Remove(w.temp) //nolint:errcheck // most often it is not there any more
	err := w.ctx.Err()
	if err == nil {
		err = w.file.Sync() // or a crash of the machine could leave the name, and nothing in it
	}
	if closeErr := w.file.Close(); err == nil {
		err = closeErr
	}
	if err != nil {
		return err
	}
	return w.publish()
}

func (w *fileWriter) publish() error {
	root := w.f.root
	for _, dir := range parents(w.key) {
		if err := root.Mkdir(dir, 0o777); err != nil && !errors.Is(err, fs.ErrExist) {
			return err
		}
		if real, err := w.f.isDir(dir); err != nil || !real {
			return reason("what the key has before one of its slashes is not a folder in the bucket")
		}
	}
	tempAttrs := strings.TrimSuffix(w.temp, tempSuffix) + attrsSuffix + tempSuffix
	if w.attrs != nil {
		text, err := json.Marshal(w.attrs)
		if err == nil {
			err = root.WriteFile(tempAttrs, text, 0o666)
		}
		if err != nil {
			return err
		}
		defer root.Remove(tempAttrs) //nolint:errcheck // as above
	}
	var err error
	if w.exclusive {
		err = root.Link(w.temp, w.key) // which, unlike a renaming, does not replace
	} else {
		err = root.Rename(w.temp, w.key)
	}
	if err != nil {
		return err
	}
	// Two files cannot be replaced at once: for a moment a reader may find the new object with the old attributes.
	if w.attrs != nil {
		return root.Rename(tempAttrs, w.key+attrsSuffix)
	}
	if err := root.Remove(w.key + attrsSuffix); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// Delete implements [driver.Bucket]. Folders that it leaves empty stay.
func (f *folder) Delete(ctx context.Context, key string, _ *driver.DeleteOptions) error {
	if _, err := f.Attributes(ctx, key); err != nil {
		return err
	}
	if err := f.root.Remove(key); err != nil {
		return err
	}
	if err := f.root.Remove(key + attrsSuffix); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// ListPaged implements [driver.Bucket]. It looks at no more folders than the page needs.
func (f *folder) ListPaged(ctx context.Context, opts *driver.ListOptions) (*driver.ListPage, error) {
	l := &lister{folder: f, ctx: ctx, opts: opts}
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
	*folder
	ctx       context.Context
	opts      *driver.ListOptions
	page      driver.ListPage
	after     string // all up to this was on pages before
	collapsed string // the prefix that was listed last, in place of its keys
}

var errPage = errors.New("the page is full")

// walk visits what is in a folder, "" or a name with a slash at its end.
func (l *lister) walk(dir string) error {
	file, err := l.root.OpenFile(path.Clean(dir), os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return l.skip(err, dir)
	}
	entries, err := file.ReadDir(-1)
	file.Close()
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
			continue // all of the folder's keys too
		}
		if e.IsDir() {
			err = l.walk(e.key)
		} else {
			err = l.visit(e.key, e)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// skip passes over folders that are not to be read, or have gone in the meantime; all others would not be found for them.
func (l *lister) skip(err error, dir string) error {
	if dir != "" && (errors.Is(err, fs.ErrPermission) || errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOTDIR)) {
		return nil
	}
	return err
}

func (l *lister) visit(key string, e fs.DirEntry) error {
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
		info, err := e.Info()
		if err != nil { // it has gone
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

func (f *folder) As(any) bool             { return false }
func (f *folder) ErrorAs(error, any) bool { return false }

func (f *folder) Copy(context.Context, string, string, *driver.CopyOptions) error {
	return errors.ErrUnsupported
}

func (f *folder) SignedURL(context.Context, string, *driver.SignedURLOptions) (string, error) {
	return "", errors.ErrUnsupported
}
