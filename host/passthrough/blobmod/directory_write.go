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
			if err := f.root.Mkdir(dir, 0o777); err != nil && !errors.Is(err, fs.ErrExist) {
				return "", tooLong(err)
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
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, syscall.ENOTDIR): // which above tells
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
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	if err == nil || errors.Is(err, fs.ErrNotExist) {
		err = f.rmdir(dir)
	}
	switch {
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, syscall.ENOTDIR): // others have made it something else
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
		if f.rmdir(dir) != nil {
			return
		}
	}
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

// Unfinished files that were not written to for so long are those of workers that were
// killed.
const (
	abandonedAfter = 24 * time.Hour
	sweepEvery     = 24 * time.Hour
)

// removeAbandoned removes a file if it is an unfinished one that nobody will finish, and
// returns errBelow if it is not.
func (f *directory) removeAbandoned(name string) error {
	if base := path.Base(name); !strings.HasPrefix(base, ".") || !strings.HasSuffix(base, tempSuffix) {
		return errBelow
	}
	info, err := f.root.Lstat(name)
	if err != nil {
		return err // another sweep may have removed it already
	}
	if !info.Mode().IsRegular() || time.Since(info.ModTime()) <= abandonedAfter {
		return errBelow
	}
	return f.root.Remove(name)
}

// sweep removes unfinished files that were left by workers that were killed, in the
// background and once a day. Only buckets that are written to have some. Their names are
// made once, so that several workers can do this at the same time.
func (f *directory) sweep() {
	last, now := f.swept.Load(), time.Now().Unix()
	if now-last < int64(sweepEvery/time.Second) || !f.swept.CompareAndSwap(last, now) {
		return
	}
	go f.sweepBelow("")
}

func (f *directory) sweepBelow(dir string) {
	entries, _ := f.entries(dir) // what cannot be read is left as it is
	for _, e := range entries {
		name := path.Join(dir, e.Name())
		switch {
		case f.ctx.Err() != nil:
			return
		case e.IsDir():
			f.sweepBelow(name)
		case f.removeAbandoned(name) == nil:
			f.prune(name)
		}
	}
}

// NewTypedWriter implements [driver.Bucket]. The unfinished file is as near to its place
// as there are directories, so that it is on the same file system, and keeps them from
// being removed. It stays behind if the worker crashes, until a [directory.sweep].
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
	f.sweep()
	w := &fileWriter{f: f, ctx: ctx, key: key, exclusive: opts.IfNotExist}
	if contentType != defaultType || len(opts.Metadata) > 0 {
		w.attrs = &attrs{contentType, opts.Metadata}
		if segment := path.Base(key) + attrsSuffix; len(segment) > maxSegment {
			return nil, errNote
		}
	}
	if opts.BeforeWrite != nil {
		if err := opts.BeforeWrite(func(any) bool { return false }); err != nil {
			return nil, err
		}
	}
	return w, w.begin()
}

const maxSegment = 255 // bytes of a name; a few file systems take less

// begin opens the unfinished file.
func (w *fileWriter) begin() error {
	name := "." + rand.Text() + tempSuffix
	for range races {
		near, err := w.f.above(w.key, false)
		if err == nil {
			err = w.f.vacate(w.ctx, w.key)
		}
		if err != nil {
			return err
		}
		w.temp = path.Join(near, name)
		w.file, err = w.f.root.OpenFile(w.temp, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o666)
		if near == "" || !changed(err) {
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
	err := w.ctx.Err()
	if err == nil {
		err = w.file.Sync() // or a crash of the machine could leave the name, and nothing in it
	}
	if closeErr := w.file.Close(); err == nil {
		err = closeErr
	}
	if err == nil {
		err = w.publish()
	}
	w.f.root.Remove(w.temp) //nolint:errcheck // most often it is not there any more
	if err != nil {
		w.f.prune(w.temp) // which may have been all that was left in its directory
		w.f.prune(w.key)
	}
	return err
}

func (w *fileWriter) publish() error {
	root := w.f.root
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
	if err := w.place(); err != nil {
		return err
	}
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
	if err := f.root.Remove(key); err != nil {
		return err
	}
	err := f.root.Remove(key + attrsSuffix)
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
