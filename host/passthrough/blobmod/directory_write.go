package blobmod

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"strings"
	"syscall"
	"time"

	"gocloud.dev/blob/driver"

	"github.com/wasmworker/wasmworker/abi"
)

// What a key meets in a directory that an object store would not mind.
var (
	errBelow = &refusal{abi.EISDIR, "there are objects, or other files, whose names begin with the key and a slash; in a bucket that is a directory, a and a/b exclude each other"}
	errAbove = &refusal{abi.ENOTDIR, "what the key has before one of its slashes is an object; in a bucket that is a directory, a and a/b exclude each other"}
	errLong  = &refusal{abi.ENAMETOOLONG, "a part of the key between slashes is longer than the bucket's file system takes, most often 255 bytes"}
	errNote  = &refusal{abi.ENAMETOOLONG, "what the key has after its last slash is too long for an object with content_type or metadata, which a directory keeps " +
		"in a file with " + attrsSuffix + " behind the name: most often 249 bytes are left"}
)

const (
	errNoDirectory = reason("what the key has before one of its slashes is not a directory in the bucket")
	errNoObject    = reason("what has that name in the bucket's directory is not an object")
	errRaces       = reason("directories of the key were removed by others again and again")
)

// races is how often something is tried again because others have removed a directory in
// between. Each time, one of them got its work done.
const races = 1000

// above makes directories for a key, if make is set. It returns the innermost one that is
// there, "" for the bucket's own.
func (f *directory) above(key string, make bool) (near string, err error) {
	for _, dir := range parents(key) {
		if make {
			err := f.root.Mkdir(dir, 0o777)
			if err != nil && !errors.Is(err, fs.ErrExist) {
				return "", tooLong(err)
			}
			if err == nil {
				f.usage.add(0, 1)
			}
		}
		info, err := f.root.Lstat(dir)
		switch {
		case errors.Is(err, fs.ErrNotExist) && !make:
			return near, nil
		case err != nil:
			return "", tooLong(err)
		case info.Mode().IsRegular():
			return "", errAbove
		case !info.IsDir():
			return "", errNoDirectory
		}
		near = dir
	}
	return near, nil
}

// tooLong tells what is wrong with a key that the file system has no room for.
func tooLong(err error) error {
	if errors.Is(err, syscall.ENAMETOOLONG) {
		return errLong
	}
	return err
}

// vacate makes a key's place free for a file, or says why it is not.
func (f *directory) vacate(ctx context.Context, key string) error {
	info, err := f.root.Lstat(key)
	switch {
	case changed(err): // which above tells
		return nil
	case err != nil:
		return tooLong(err)
	case info.IsDir():
		return f.clear(ctx, key)
	case !info.Mode().IsRegular():
		return errNoObject
	}
	return nil
}

// clear removes a directory in which there is nothing but empty directories, and what is
// left of workers that were killed.
func (f *directory) clear(ctx context.Context, dir string) error {
	entries, err := f.entries(dir)
	for _, e := range entries {
		name := dir + "/" + e.Name()
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case e.IsDir():
			err = f.clear(ctx, name)
		default:
			err = f.removeAbandoned(name)
		}
		if err != nil && !changed(err) {
			return err
		}
	}
	if err == nil || changed(err) {
		err = f.removeDir(dir)
	}
	switch {
	case changed(err): // others have made it something else
		return nil
	case errors.Is(err, fs.ErrExist): // which ENOTEMPTY is too
		return errBelow
	}
	return err
}

// prune removes the directories above a key that are empty. That they are is the system's
// word, which holds when they go.
func (f *directory) prune(key string) {
	for dir := path.Dir(key); dir != "."; dir = path.Dir(dir) {
		if f.removeDir(dir) != nil {
			return
		}
	}
}

// removeDir removes a directory that is empty.
func (f *directory) removeDir(dir string) error {
	err := f.rmdir(dir)
	if err == nil {
		f.usage.add(0, -1)
	}
	return err
}

// entries are what is in a directory, "" for the bucket's own.
func (f *directory) entries(dir string) ([]fs.DirEntry, error) {
	file, err := f.root.OpenFile(path.Clean(dir), os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	return file.ReadDir(-1)
}

// abandonedAfter is when unfinished files that were not written to are those of workers
// that were killed, where no lock tells.
const abandonedAfter = 24 * time.Hour

// removeAbandoned removes a file if it is an unfinished one that nobody will finish, and
// returns errBelow if it is not.
func (f *directory) removeAbandoned(name string) error {
	if base := path.Base(name); !strings.HasPrefix(base, ".") || !strings.HasSuffix(base, tempSuffix) {
		return errBelow
	}
	info, err := f.root.Lstat(name)
	if err != nil {
		return err // another worker may have removed it already
	}
	if !info.Mode().IsRegular() || !f.nobodys(name, info) {
		return errBelow
	}
	return f.root.Remove(name)
}

// NewTypedWriter implements [driver.Bucket]. The unfinished file is as near to its place
// as there are directories, so that it is on the same file system, and keeps them from
// being removed. It stays behind if the worker crashes, until another one counts what there
// is.
func (f *directory) NewTypedWriter(ctx context.Context, key, contentType string, opts *driver.WriterOptions) (driver.Writer, error) {
	if reserved(key) {
		return nil, errReserved
	}
	// of which only those that exist already are told by the system
	for segment := range strings.SplitSeq(key, "/") {
		if len(segment) > maxSegment {
			return nil, errLong
		}
	}
	w := &fileWriter{f: f, ctx: ctx, key: key, exclusive: opts.IfNotExist, most: Access{}.quota()}
	if contentType != defaultType || len(opts.Metadata) > 0 {
		text, err := json.Marshal(&attrs{contentType, opts.Metadata})
		if err != nil {
			return nil, err
		}
		w.attrs = text
		if segment := path.Base(key) + attrsSuffix; len(segment) > maxSegment {
			return nil, errNote
		}
	}
	if opts.BeforeWrite != nil {
		as := func(i any) bool {
			most, ok := i.(*quota)
			if ok {
				w.most = *most
			}
			return ok
		}
		if err := opts.BeforeWrite(as); err != nil {
			return nil, err
		}
	}
	err := w.begin()
	if err != nil {
		w.release()
	}
	return w, err
}

const maxSegment = 255 // bytes of a name; a few file systems take less

// reserve takes room in the directory until the writer is closed.
func (w *fileWriter) reserve(bytes, entries int64) error {
	err := w.f.reserve(w.ctx, w.most, bytes, entries)
	if err == nil {
		w.reserved.bytes += bytes
		w.reserved.entries += entries
	}
	return err
}

func (w *fileWriter) release() {
	w.f.usage.release(w.reserved.bytes, w.reserved.entries)
	w.reserved = quota{}
}

// begin opens the unfinished file.
func (w *fileWriter) begin() error {
	near, err := w.f.above(w.key, false)
	if err != nil && !changed(err) {
		return err
	}
	var entries int64 // that are not there yet
	if _, there := w.f.size(w.key); !there {
		entries = 1
	}
	for _, dir := range parents(w.key) {
		if len(dir) > len(near) {
			entries++
		}
	}
	if err := w.reserve(int64(len(w.attrs)), entries); err != nil {
		return err
	}
	name := "." + rand.Text() + tempSuffix
	for range races {
		near, err := w.f.above(w.key, false)
		if err == nil {
			err = w.f.vacate(w.ctx, w.key)
		}
		if err == nil {
			w.temp = path.Join(near, name)
			if w.file, err = w.f.createTemp(w.temp); near == "" {
				return err
			}
		}
		if !changed(err) {
			return err
		}
	}
	return errRaces
}

// changed tells whether a directory was removed, or made a file, in between.
func changed(err error) bool {
	return errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOTDIR)
}

type fileWriter struct {
	f         *directory
	ctx       context.Context
	key, temp string
	file      *os.File
	attrs     []byte // as JSON; nil: none
	exclusive bool
	most      quota // of all that is in the directory
	reserved  quota
	size      int64
}

func (w *fileWriter) Write(p []byte) (int, error) {
	if err := w.ctx.Err(); err != nil {
		return 0, err
	}
	if err := w.reserve(int64(len(p)), 0); err != nil {
		return 0, err
	}
	n, err := w.file.Write(p)
	w.size += int64(n)
	return n, err
}

// Close puts the file in its place, unless the context has ended.
func (w *fileWriter) Close() error {
	defer w.release()
	err := w.ctx.Err()
	if err == nil {
		err = w.file.Sync() // or a crash of the machine could leave the name, and nothing in it
	}
	if locks {
		defer w.file.Close() // until then it is locked, and nobody's to remove
	} else if closeErr := w.file.Close(); err == nil {
		err = closeErr
	}
	if err == nil {
		err = w.publish()
	}
	w.f.removeTemp(w.temp)
	if err != nil {
		w.f.prune(w.temp) // which may have been all that was left in its directory
		w.f.prune(w.key)
	}
	return err
}

func (w *fileWriter) publish() error {
	root := w.f.root
	w.f.placing.Lock()
	defer w.f.placing.Unlock()
	tempAttrs := strings.TrimSuffix(w.temp, tempSuffix) + attrsSuffix + tempSuffix
	if w.attrs != nil {
		file, err := w.f.createTemp(tempAttrs)
		if err != nil {
			return err
		}
		defer w.f.removeTemp(tempAttrs)
		_, err = file.Write(w.attrs)
		if locks {
			defer file.Close()
		} else if closeErr := file.Close(); err == nil {
			err = closeErr
		}
		if err != nil {
			return err
		}
	}
	oldSize, old := w.f.size(w.key)
	oldAttrs, _ := w.f.size(w.key + attrsSuffix)
	if !old && w.reserved.entries == 0 { // others have deleted it since
		if err := w.reserve(0, 1); err != nil {
			return err
		}
	}
	if err := w.place(); err != nil {
		return err
	}
	defer func() {
		entries := int64(1)
		if old {
			entries = 0
		}
		newAttrs, _ := w.f.size(w.key + attrsSuffix)
		w.f.usage.add(w.size+newAttrs-oldSize-oldAttrs, entries)
	}()
	// Two files cannot be replaced at once: for a moment a reader may find the new object
	// with the old attributes.
	var err error
	if w.attrs != nil {
		err = root.Rename(tempAttrs, w.key+attrsSuffix)
	} else {
		err = root.Remove(w.key + attrsSuffix)
	}
	if changed(err) || errors.Is(err, syscall.ENAMETOOLONG) {
		return nil // it had none; or others have removed the object already, and its directory
	}
	return err
}

// place gives the file its name.
func (w *fileWriter) place() error {
	for range races {
		_, err := w.f.above(w.key, true)
		if err == nil {
			err = w.f.vacate(w.ctx, w.key)
		}
		if err == nil {
			if w.exclusive {
				err = w.f.root.Link(w.temp, w.key) // which, unlike a renaming, does not replace
			} else {
				err = w.f.root.Rename(w.temp, w.key)
			}
		}
		if err == nil {
			return nil
		}
		if _, tempErr := w.f.root.Lstat(w.temp); errors.Is(tempErr, fs.ErrNotExist) {
			return errGone
		}
		info, statErr := w.f.root.Lstat(w.key)
		again := changed(err) || (errors.Is(err, fs.ErrExist) || errors.Is(err, syscall.EISDIR)) && statErr == nil && info.IsDir()
		if !again {
			return tooLong(err)
		}
	}
	return errRaces
}

const errGone = reason("the object was not written to for more than a day, or others have removed its unfinished file")

// Delete implements [driver.Bucket]. Directories that it leaves empty go too.
func (f *directory) Delete(ctx context.Context, key string, _ *driver.DeleteOptions) error {
	if _, err := f.Attributes(ctx, key); err != nil {
		return err
	}
	f.placing.Lock()
	defer f.placing.Unlock()
	size, _ := f.size(key)
	attrs, _ := f.size(key + attrsSuffix)
	if err := f.root.Remove(key); err != nil {
		return err
	}
	err := f.root.Remove(key + attrsSuffix)
	if err != nil {
		attrs = 0
	}
	f.usage.add(-size-attrs, -1)
	f.prune(key)
	if changed(err) || errors.Is(err, syscall.ENAMETOOLONG) {
		return nil
	}
	return err
}

// refusal is an error of which guests may know number and text.
type refusal struct {
	errno abi.Errno
	text  string
}

func (r *refusal) Error() string { return fmt.Sprintf("%s: %s", r.errno, r.text) }
