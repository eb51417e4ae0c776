// Package blobmod is the passthrough module blob: guests read and write objects in the
// buckets that the operator has defined and the policy names: directories, and stores
// such as S3. abi/SPEC.md describes it as a guest sees it.
//
// What keeps a guest within its policy:
//
//   - Deny by default: a bucket must be named, a key must have one of its prefixes, and
//     writing is a grant of its own.
//   - Keys are taken in one form only, so that no store finds another object by a key
//     than the one whose prefix was compared.
//   - Credentials are the host's. No URL, address or path gets into an error.
//   - A directory's files are opened below it and nowhere else, without following links.
//   - What is open has an end: a number of streams, a size, a time for each operation,
//     and the end of the activity.
//
// Directories and mem:// are part of this package. Other schemes come with a blank
// import, as with database/sql: packages s3, gcs and azure beside this one.
package blobmod

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"sync"
	"time"

	"gocloud.dev/blob"
	"gocloud.dev/gcerrors"

	"github.com/wasmworker/wasmworker/abi"
	"github.com/wasmworker/wasmworker/host/passthrough"
	"github.com/wasmworker/wasmworker/host/passthrough/secretmod"
)

// Options are what the module is made of.
type Options struct {
	// Buckets are the buckets that policies can name. Default: none.
	Buckets map[string]Bucket
	// Secrets has the credentials that buckets name. Default: none.
	Secrets *secretmod.Store
}

const (
	maxGet      = 64 << 20           // bytes in one response, which the worker holds in memory
	maxRead     = abi.MaxRequestSize // the same for a reader's next bytes
	defaultRead = 1 << 20
	maxList     = 1000
	maxMetadata = 2 << 10 // bytes of names and values, as S3 has it
	maxWriters  = 8       // of one activity: an upload has up to 32 MiB of the worker's memory
	partSize    = 8 << 20 // of an upload
)

// New makes the passthrough module. Its policy is a [*Policy]. The error joins all that
// is wrong with the buckets, each part with its place by [passthrough.At], beginning with
// the bucket's name. Nothing is connected before it is used.
func New(options Options) (passthrough.Module, error) {
	m := &module{buckets: map[string]*bucket{}, writers: map[*passthrough.Resources]int{}}
	m.ctx, m.cancel = context.WithCancel(context.Background())
	var errs []error
	for _, name := range slices.Sorted(maps.Keys(options.Buckets)) {
		b, err := newBucket(name, options.Buckets[name], options.Secrets)
		errs = append(errs, err)
		m.buckets[name] = b
	}
	return passthrough.Module{
		Name: "blob",
		Functions: map[string]passthrough.Func{
			"get": m.get, "put": m.put, "stat": m.stat, "delete": m.delete, "list": m.list,
			"open": m.open, "read": m.read, "create": m.create, "write": m.write, "commit": m.commit, "close": m.closeStream,
		},
		Policy: &Policy{},
		Check:  func(policy any) error { return m.check(policy.(*Policy)) },
		Close:  m.close,
	}, errors.Join(errs...)
}

type module struct {
	buckets    map[string]*bucket // not changed any more
	ctx        context.Context    // of what outlives a call; it ends with the module
	cancel     context.CancelFunc
	background sync.WaitGroup // what outlives a call

	mu      sync.Mutex
	writers map[*passthrough.Resources]int // by activity
}

// check finds buckets that do not exist.
func (m *module) check(p *Policy) error {
	known := "the configuration has none"
	if len(m.buckets) > 0 {
		known = "there are: " + strings.Join(slices.Sorted(maps.Keys(m.buckets)), ", ")
	}
	var errs []error
	for _, name := range slices.Sorted(maps.Keys(p.Buckets)) {
		if _, ok := m.buckets[name]; !ok {
			errs = append(errs, passthrough.At(fmt.Errorf("there is no bucket %q; %s", name, known), "buckets", name))
			continue
		}
		if b := m.buckets[name]; b == nil || b.url.Scheme == "file" {
			continue
		}
		const limited = "the bucket is not a directory, and stores have quotas of their own: set it there"
		if p.Buckets[name].MaxBucketBytes != 0 {
			errs = append(errs, passthrough.At(errors.New(limited), "buckets", name, "max_bucket_bytes"))
		}
		if p.Buckets[name].MaxBucketObjects != 0 {
			errs = append(errs, passthrough.At(errors.New(limited), "buckets", name, "max_bucket_objects"))
		}
	}
	return errors.Join(errs...)
}

// close waits for what still goes on in the background, and closes the buckets.
func (m *module) close(ctx context.Context) error {
	done := make(chan struct{})
	go func() {
		m.background.Wait()
		close(done)
	}()
	m.cancel()
	select {
	case <-done:
	case <-ctx.Done():
		return errors.New("uploads that were given up have not ended, or a bucket that does not answer is in use")
	}
	var errs []error
	for _, b := range m.buckets {
		if b != nil {
			errs = append(errs, b.close())
		}
	}
	return errors.Join(errs...)
}

// request is the head of all functions' requests; each looks at its part of it.
type request struct {
	Bucket      string            `json:"bucket"`
	Key         string            `json:"key"`
	Offset      int64             `json:"offset"`
	Length      *int64            `json:"length"`
	ContentType string            `json:"content_type"`
	Metadata    map[string]string `json:"metadata"`
	IfNoneMatch bool              `json:"if_none_match"`
	Prefix      string            `json:"prefix"`
	Delimiter   string            `json:"delimiter"`
	Page        []byte            `json:"page"`
	Max         int               `json:"max"`
	Reader      uint32            `json:"reader"`
	Writer      uint32            `json:"writer"`
}

// attributes are what is known of an object.
type attributes struct {
	Size        int64             `json:"size"`
	ContentType string            `json:"content_type,omitempty"`
	Modified    time.Time         `json:"modified,omitzero"`
	ETag        string            `json:"etag,omitempty"`
	Metadata    map[string]string `json:"metadata,omitempty"`
	Reader      uint32            `json:"reader,omitempty"`
}

// item is what a list has: an object, or what several keys begin with.
type item struct {
	Key      string    `json:"key"`
	Size     *int64    `json:"size,omitempty"`
	Modified time.Time `json:"modified,omitzero"`
	Prefix   bool      `json:"prefix,omitempty"`
}

// begin checks a request that names a bucket, and begins what is to be done there, if the
// policy allows it.
func (m *module) begin(ctx context.Context, caller *passthrough.Call, function string, req *request) (*stream, Access, error) {
	key := req.Key
	if function == "list" {
		key = req.Prefix
	}
	if err := checkTarget(function, key); err != nil {
		return nil, Access{}, fmt.Errorf("%w: %w", abi.EINVAL, err)
	}
	policy := passthrough.PolicyOf[Policy](caller)
	what := function + " " + shorten(req.Bucket) + "/" + shorten(key)
	if verdict := policy.verdict(function, req.Bucket, key); !verdict.Allowed {
		return nil, Access{}, passthrough.Deny(what, "%s", verdict.Reason)
	}
	if m.buckets[req.Bucket] == nil { // a policy that was not checked
		return nil, Access{}, fmt.Errorf("%w: %s: there is no such bucket", abi.EIO, what)
	}
	access := policy.Buckets[req.Bucket]
	return m.stream(ctx, what, access), access, nil
}

// stat is wasmworker:blob/v1 stat.
func (m *module) stat(ctx context.Context, caller *passthrough.Call, frame []byte) ([]byte, error) {
	var req request
	if _, err := passthrough.DecodeFrame(frame, &req); err != nil {
		return nil, err
	}
	s, _, err := m.begin(ctx, caller, "stat", &req)
	if err != nil {
		return nil, err
	}
	defer s.Close()
	var found attributes
	err = s.step(func(ctx context.Context) error {
		opened, err := m.buckets[req.Bucket].open(ctx, m)
		if err == nil {
			found, err = attributesOf(ctx, opened.Bucket, req.Key)
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	return passthrough.EncodeFrame(found, nil)
}

func attributesOf(ctx context.Context, b *blob.Bucket, key string) (attributes, error) {
	found, err := b.Attributes(ctx, key)
	if err != nil {
		return attributes{}, err
	}
	return attributes{Size: found.Size, ContentType: found.ContentType, Modified: found.ModTime.UTC(), ETag: found.ETag, Metadata: found.Metadata}, nil
}

// reader begins to read an object, or the part of it that is asked for.
func (m *module) reader(ctx context.Context, caller *passthrough.Call, function string, frame []byte) (*reader, attributes, error) {
	var req request
	if _, err := passthrough.DecodeFrame(frame, &req); err != nil {
		return nil, attributes{}, err
	}
	if req.Offset < 0 || req.Length != nil && *req.Length < 0 {
		return nil, attributes{}, fmt.Errorf("%w: offset or length is negative", abi.EINVAL)
	}
	s, access, err := m.begin(ctx, caller, function, &req)
	if err != nil {
		return nil, attributes{}, err
	}
	r := &reader{stream: s}
	most, limit := access.maxObject(), "max_object_bytes of the blob policy"
	if function == "get" && most > maxGet {
		most, limit = maxGet, "what one get may have"
	}
	var found attributes
	err = s.step(func(ctx context.Context) error {
		opened, err := m.buckets[req.Bucket].open(ctx, m)
		if err != nil {
			return err
		}
		if found, err = attributesOf(ctx, opened.Bucket, req.Key); err != nil {
			return err
		}
		// Two sizes are compared: the first one saves to open what is too large, and
		// stores refuse ranges beyond the end; the second one belongs to the bytes that
		// will come, in case that the object was replaced in between.
		part := func() error {
			r.remaining = max(found.Size-req.Offset, 0)
			if req.Length != nil {
				r.remaining = min(r.remaining, *req.Length)
			}
			if r.remaining > most {
				return fmt.Errorf("%w: %s: %d bytes are more than %s, %d; read a part of the object, or in pieces from a reader", abi.EMSGSIZE, s.what, r.remaining, limit, most)
			}
			return nil
		}
		if err := part(); err != nil || r.remaining == 0 {
			return err
		}
		length := int64(-1)
		if req.Length != nil {
			length = min(*req.Length, math.MaxInt64-req.Offset) // stores are told where the part ends
		}
		if s.r, err = opened.Bucket.NewRangeReader(ctx, req.Key, req.Offset, length, nil); err != nil {
			return err
		}
		found.Size, found.ContentType, found.Modified = s.r.Size(), s.r.ContentType(), s.r.ModTime().UTC()
		return part()
	})
	if err != nil {
		s.Close() //nolint:errcheck // has none
		return nil, attributes{}, err
	}
	return r, found, nil
}

// get is wasmworker:blob/v1 get.
func (m *module) get(ctx context.Context, caller *passthrough.Call, frame []byte) ([]byte, error) {
	r, found, err := m.reader(ctx, caller, "get", frame)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	return r.frame(found, r.remaining)
}

// frame makes a response with the next bytes.
func (r *reader) frame(head any, size int64) ([]byte, error) {
	frame, err := passthrough.EncodeFrame(head, nil)
	if err != nil {
		return nil, err
	}
	n := len(frame)
	frame = slices.Grow(frame, int(size))[:n+int(size)]
	if err := r.next(frame[n:]); err != nil {
		return nil, err
	}
	return frame, nil
}

// open is wasmworker:blob/v1 open.
func (m *module) open(ctx context.Context, caller *passthrough.Call, frame []byte) ([]byte, error) {
	r, found, err := m.reader(ctx, caller, "open", frame)
	if err != nil {
		return nil, err
	}
	if found.Reader, err = caller.Open(r); err != nil {
		return nil, err
	}
	return passthrough.EncodeFrame(found, nil)
}

// read is wasmworker:blob/v1 read.
func (m *module) read(ctx context.Context, caller *passthrough.Call, frame []byte) ([]byte, error) {
	var req request
	if _, err := passthrough.DecodeFrame(frame, &req); err != nil {
		return nil, err
	}
	if req.Max < 0 {
		return nil, fmt.Errorf("%w: max is negative", abi.EINVAL)
	}
	r, err := passthrough.Resource[*reader](caller, req.Reader)
	if err != nil {
		return nil, err
	}
	size := min(int64(cmp.Or(req.Max, defaultRead)), maxRead, r.remaining)
	return r.frame(struct {
		End bool `json:"end,omitempty"`
	}{size == r.remaining}, size)
}

// closeStream is wasmworker:blob/v1 close.
func (m *module) closeStream(ctx context.Context, caller *passthrough.Call, frame []byte) ([]byte, error) {
	var req request
	if _, err := passthrough.DecodeFrame(frame, &req); err != nil {
		return nil, err
	}
	if (req.Reader == 0) == (req.Writer == 0) {
		return nil, fmt.Errorf("%w: close needs either reader or writer", abi.EINVAL)
	}
	if req.Reader != 0 {
		return nil, passthrough.CloseResource[*reader](caller, req.Reader)
	}
	return nil, passthrough.CloseResource[*writer](caller, req.Writer)
}

// delete is wasmworker:blob/v1 delete.
func (m *module) delete(ctx context.Context, caller *passthrough.Call, frame []byte) ([]byte, error) {
	var req request
	if _, err := passthrough.DecodeFrame(frame, &req); err != nil {
		return nil, err
	}
	s, _, err := m.begin(ctx, caller, "delete", &req)
	if err != nil {
		return nil, err
	}
	defer s.Close()
	return nil, s.step(func(ctx context.Context) error {
		opened, err := m.buckets[req.Bucket].open(ctx, m)
		if err == nil {
			err = opened.Bucket.Delete(ctx, req.Key)
		}
		return err
	})
}

// list is wasmworker:blob/v1 list.
func (m *module) list(ctx context.Context, caller *passthrough.Call, frame []byte) ([]byte, error) {
	var req request
	if _, err := passthrough.DecodeFrame(frame, &req); err != nil {
		return nil, err
	}
	if req.Max < 0 {
		return nil, fmt.Errorf("%w: max is negative", abi.EINVAL)
	}
	if len(req.Delimiter) > maxKey {
		return nil, fmt.Errorf("%w: the delimiter has more than %d bytes", abi.EINVAL, maxKey)
	}
	s, _, err := m.begin(ctx, caller, "list", &req)
	if err != nil {
		return nil, err
	}
	defer s.Close()
	page := req.Page
	if len(page) == 0 {
		page = blob.FirstPageToken
	}
	var response struct {
		Objects []item `json:"objects"`
		Next    []byte `json:"next,omitempty"`
	}
	response.Objects = []item{}
	err = s.step(func(ctx context.Context) error {
		opened, err := m.buckets[req.Bucket].open(ctx, m)
		if err != nil {
			return err
		}
		found, next, err := opened.Bucket.ListPage(ctx, page, min(cmp.Or(req.Max, maxList), maxList), &blob.ListOptions{Prefix: req.Prefix, Delimiter: req.Delimiter})
		if gcerrors.Code(err) == gcerrors.NotFound {
			err = reason("the bucket does not exist, or not for this worker")
		}
		if err != nil {
			return err
		}
		response.Next = next
		for _, object := range found {
			// The page is the guest's word, and a store might look at nothing else. A key
			// that no function takes is of no use.
			if !strings.HasPrefix(object.Key, req.Prefix) || !object.IsDir && checkKey(object.Key) != nil || checkPrefix(object.Key) != nil {
				continue
			}
			i := item{Key: object.Key, Prefix: object.IsDir}
			if !object.IsDir {
				i.Size, i.Modified = &object.Size, object.ModTime.UTC()
			}
			response.Objects = append(response.Objects, i)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return passthrough.EncodeFrame(response, nil)
}
