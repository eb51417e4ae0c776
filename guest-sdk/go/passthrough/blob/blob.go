// Package blob keeps objects in buckets, such as those of S3 or a folder, by the host
// module wasmworker:blob/v1. A module that uses this package needs the grant of blob, and
// the operator's policy has to name the buckets and what may be done in them.
//
//	exports := blob.Bucket("exports")
//	w, err := exports.NewWriter(ctx, "2026/orders.csv", &blob.WriteOptions{ContentType: "text/csv"})
//	if err != nil {
//		return err
//	}
//	defer w.Close() // gives up what was not committed
//	if err := csv.NewWriter(w).WriteAll(records); err != nil {
//		return err
//	}
//	return w.Commit()
//
// Keys are UTF-8 without control characters, of 1 to 1024 bytes, not beginning with a
// slash, and without empty, "." and ".." segments.
//
// While a call waits for the store, the whole instance does, all goroutines included. The
// operator's policy limits the time; a context is looked at before each call, and its
// cancellation does not interrupt one. Errors are that of the context if it has ended, or
// else *passthrough.Error:
//
//	EACCES      the policy denies it: the bucket, the key, or writing
//	ENOENT      there is no such object; errors.Is finds fs.ErrNotExist too
//	EEXIST      there is one already; errors.Is finds fs.ErrExist too
//	EINVAL      the request is not valid, such as its key
//	EBADF       the reader or writer was closed, or its activity is over
//	EMFILE      too many readers or writers are open
//	EMSGSIZE    the object is larger than the policy allows
//	ETIMEDOUT   it took longer than the policy allows
//	ECANCELED   the activity was interrupted
//	EIO         the store does not answer, or says no
package blob

import (
	"context"
	"io"
	"iter"
	"time"
	"unicode/utf8"

	"github.com/wasmworker/wasmworker/guest-sdk/go/internal/host"
	"github.com/wasmworker/wasmworker/guest-sdk/go/passthrough"
)

// Bucket is the operator's name for a bucket. Whether there is such a bucket shows at the
// first call.
type Bucket string

// Attributes are what a store knows about an object.
type Attributes struct {
	// Size is that of the whole object, in bytes.
	Size int64 `json:"size"`
	// ContentType is empty if the store does not know it.
	ContentType string    `json:"content_type"`
	Modified    time.Time `json:"modified"`
	// ETag changes with the object. Its form is the store's own. May be empty.
	ETag string `json:"etag"`
	// Metadata is what was given when the object was written. Stores may change the case
	// of the names.
	Metadata map[string]string `json:"metadata"`
}

// WriteOptions are for Put and NewWriter. The zero value and nil are the defaults.
type WriteOptions struct {
	// ContentType is what the store shall say the object is. Default: it guesses, or says
	// nothing.
	ContentType string `json:"content_type,omitempty"`
	// Metadata is kept with the object. Default: none.
	Metadata map[string]string `json:"metadata,omitempty"`
	// IfNoneMatch writes the object only if there is none of that key, or else fails with
	// EEXIST. Default: it is replaced.
	IfNoneMatch bool `json:"if_none_match,omitempty"`
}

// target is a part of most requests.
type target struct {
	Bucket Bucket `json:"bucket"`
	Key    string `json:"key"`
	Offset int64  `json:"offset,omitempty"`
	Length *int64 `json:"length,omitempty"`
}

type writeTarget struct {
	target
	WriteOptions
}

// call calls the host, unless the context has ended.
func call(ctx context.Context, fn passthrough.Func, head any, body []byte, answer any) ([]byte, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	return passthrough.CallFrame(fn, head, body, answer)
}

// at names an object. JSON would make another key of one that is not UTF-8.
func (b Bucket) at(key string) (target, error) {
	if !utf8.ValidString(key) {
		return target{}, &passthrough.Error{Errno: passthrough.EINVAL, Message: "the key is not UTF-8"}
	}
	return target{Bucket: b, Key: key}, nil
}

// Get returns an object, all of it in memory. See NewReader for large ones.
func (b Bucket) Get(ctx context.Context, key string) ([]byte, error) {
	return b.GetRange(ctx, key, 0, -1)
}

// GetRange returns length bytes of an object, from offset on: fewer if the object ends
// before, and the rest if length is negative.
func (b Bucket) GetRange(ctx context.Context, key string, offset, length int64) ([]byte, error) {
	t, err := b.at(key)
	if err != nil {
		return nil, err
	}
	if t.Offset = offset; length >= 0 {
		t.Length = &length
	}
	return call(ctx, hostGet, t, nil, &Attributes{})
}

// Put writes an object, of just under 16 MiB at most. See NewWriter for larger ones.
func (b Bucket) Put(ctx context.Context, key string, data []byte, o *WriteOptions) error {
	t, err := b.write(key, o)
	if err == nil {
		_, err = call(ctx, hostPut, t, data, nil)
	}
	return err
}

func (b Bucket) write(key string, o *WriteOptions) (w writeTarget, err error) {
	if o != nil {
		w.WriteOptions = *o
	}
	w.target, err = b.at(key)
	return w, err
}

// Stat returns the attributes of an object.
func (b Bucket) Stat(ctx context.Context, key string) (*Attributes, error) {
	t, err := b.at(key)
	if err != nil {
		return nil, err
	}
	var a Attributes
	if _, err := call(ctx, hostStat, t, nil, &a); err != nil {
		return nil, err
	}
	return &a, nil
}

// Delete deletes an object. It fails with ENOENT if there is none.
func (b Bucket) Delete(ctx context.Context, key string) error {
	t, err := b.at(key)
	if err == nil {
		_, err = call(ctx, hostDelete, t, nil, nil)
	}
	return err
}

// Object is an entry of a list.
type Object struct {
	Key      string    `json:"key"`
	Size     int64     `json:"size"`
	Modified time.Time `json:"modified"`
	// IsPrefix says that the entry stands for all objects whose keys begin with Key, up
	// to the delimiter; the other fields are zero.
	IsPrefix bool `json:"prefix"`
}

// ListOptions are for List. The zero value and nil are the defaults.
type ListOptions struct {
	// Prefix is what the keys begin with. The operator's policy may ask for one. Default:
	// none.
	Prefix string
	// Delimiter, most often "/", lists what keys have in common after the prefix and up
	// to the delimiter once, as a folder would be. Default: every object is listed.
	Delimiter string
}

// List iterates over objects, sorted by their keys. It asks for 1000 at a time; what
// changes meanwhile may be seen or not. After an error it ends.
func (b Bucket) List(ctx context.Context, o *ListOptions) iter.Seq2[Object, error] {
	if o == nil {
		o = &ListOptions{}
	}
	return func(yield func(Object, error) bool) {
		if !utf8.ValidString(o.Prefix) {
			yield(Object{}, &passthrough.Error{Errno: passthrough.EINVAL, Message: "the prefix is not UTF-8"})
			return
		}
		for page := ""; ; {
			head := map[string]string{"bucket": string(b), "prefix": o.Prefix, "delimiter": o.Delimiter, "page": page}
			var answer struct {
				Objects []Object `json:"objects"`
				Next    string   `json:"next"`
			}
			if _, err := call(ctx, hostList, head, nil, &answer); err != nil {
				yield(Object{}, err)
				return
			}
			for _, object := range answer.Objects {
				if !yield(object, nil) {
					return
				}
			}
			if page = answer.Next; page == "" {
				return
			}
		}
	}
}

// Reader reads an object. It is not safe for use by several goroutines. It is closed with
// its activity at the latest.
type Reader struct {
	// Attributes are those of the object.
	Attributes
	ctx    context.Context
	handle host.Handle
	end    bool
}

// NewReader opens an object. Its reads look at ctx, too.
func (b Bucket) NewReader(ctx context.Context, key string) (*Reader, error) {
	return b.NewRangeReader(ctx, key, 0, -1)
}

// NewRangeReader opens a part of an object, which is that of GetRange.
func (b Bucket) NewRangeReader(ctx context.Context, key string, offset, length int64) (*Reader, error) {
	t, err := b.at(key)
	if err != nil {
		return nil, err
	}
	if t.Offset = offset; length >= 0 {
		t.Length = &length
	}
	var answer struct {
		Attributes
		Reader uint32 `json:"reader"`
	}
	if _, err := call(ctx, hostOpen, t, nil, &answer); err != nil {
		return nil, err
	}
	return &Reader{Attributes: answer.Attributes, ctx: ctx, handle: host.NewHandle(answer.Reader)}, nil
}

// most is how many bytes one call moves.
const most = 1 << 20

var errClosed = &passthrough.Error{Errno: passthrough.EBADF, Message: "it was closed, or its activity is over"}

// Read implements io.Reader. Each call is one to the host, for 1 MiB at most: use a
// buffer of some KiB, or a bufio.Reader.
func (r *Reader) Read(p []byte) (int, error) {
	number, ok := r.handle.Number()
	switch {
	case !ok:
		return 0, errClosed
	case r.end:
		return 0, io.EOF
	case len(p) == 0:
		return 0, nil
	}
	var answer struct {
		End bool `json:"end"`
	}
	data, err := call(r.ctx, hostRead, map[string]any{"reader": number, "max": min(len(p), most)}, nil, &answer)
	if err != nil {
		return 0, err
	}
	n := copy(p, data)
	if n < len(data) {
		return n, &passthrough.Error{Errno: passthrough.EIO, Message: "the host sent more than it was asked for"}
	}
	if r.end = answer.End; r.end {
		return n, io.EOF
	}
	return n, nil
}

// Close closes the reader. Once it is closed, Close does nothing.
func (r *Reader) Close() error { return closeHandle(&r.handle, "reader") }

// Writer writes an object, which is there, as a whole, once it is committed. It is not
// safe for use by several goroutines. What is not committed when the activity ends is
// given up.
type Writer struct {
	ctx    context.Context
	handle host.Handle
}

// NewWriter begins an object. Its writes look at ctx, too. With the default options, one
// of the key is replaced by Commit.
func (b Bucket) NewWriter(ctx context.Context, key string, o *WriteOptions) (*Writer, error) {
	t, err := b.write(key, o)
	if err != nil {
		return nil, err
	}
	var answer struct {
		Writer uint32 `json:"writer"`
	}
	if _, err := call(ctx, hostCreate, t, nil, &answer); err != nil {
		return nil, err
	}
	return &Writer{ctx, host.NewHandle(answer.Writer)}, nil
}

// Write implements io.Writer. Each call is one to the host, or one for each MiB: write
// some KiB at once, or use a bufio.Writer.
func (w *Writer) Write(p []byte) (n int, err error) {
	number, ok := w.handle.Number()
	if !ok {
		return 0, errClosed
	}
	for n < len(p) {
		piece := p[n:min(n+most, len(p))]
		if _, err := call(w.ctx, hostWrite, map[string]uint32{"writer": number}, piece, nil); err != nil {
			return n, err
		}
		n += len(piece)
	}
	return n, nil
}

// Commit writes what is left, and closes the writer. Without an error, the object is
// there. It fails with EEXIST if the options say IfNoneMatch and there is one.
func (w *Writer) Commit() error {
	number, ok := w.handle.Number()
	if !ok {
		return errClosed
	}
	_, err := call(w.ctx, hostCommit, map[string]uint32{"writer": number}, nil, nil)
	if err == nil {
		w.handle = host.Handle{}
	}
	return err
}

// Close gives the object up, and what was there before stays. After Commit, or once it is
// closed, Close does nothing.
func (w *Writer) Close() error { return closeHandle(&w.handle, "writer") }

func closeHandle(h *host.Handle, kind string) error {
	number, ok := h.Number()
	*h = host.Handle{}
	if !ok {
		return nil
	}
	// Not with a context: what has to be given up when one has ended is most often this.
	_, err := passthrough.CallFrame(hostClose, map[string]uint32{kind: number}, nil, nil)
	// an error has closed it
	if errno, _ := err.(*passthrough.Error); errno != nil && errno.Errno == passthrough.EBADF {
		return nil
	}
	return err
}
