package blobmod

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"mime"
	"strings"

	"gocloud.dev/blob"

	"github.com/wasmworker/wasmworker/abi"
	"github.com/wasmworker/wasmworker/host/passthrough"
)

// writer begins an object.
func (m *module) writer(ctx context.Context, caller *passthrough.Call, function string, frame []byte) (*writer, []byte, error) {
	var req request
	body, err := passthrough.DecodeFrame(frame, &req)
	if err != nil {
		return nil, nil, err
	}
	options := &blob.WriterOptions{
		Metadata: req.Metadata, IfNotExist: req.IfNoneMatch, BufferSize: partSize, MaxConcurrency: 1,
		// What a store or a library would guess is different from one to the other.
		ContentType: cmp.Or(req.ContentType, "application/octet-stream"), DisableContentTypeDetection: true,
	}
	if err := checkAttributes(options.ContentType, options.Metadata); err != nil {
		return nil, nil, fmt.Errorf("%w: %w", abi.EINVAL, err)
	}
	s, access, err := m.begin(ctx, caller, function, &req)
	if err != nil {
		return nil, nil, err
	}
	w := &writer{stream: s, most: access.maxObject(), conflict: req.IfNoneMatch}
	if err := m.claim(caller, w); err != nil {
		s.Close() //nolint:errcheck // has none
		return nil, nil, err
	}
	err = s.step(func(ctx context.Context) error {
		opened, err := m.buckets[req.Bucket].open(ctx, m)
		if err != nil {
			return err
		}
		options.BeforeWrite = func(as func(any) bool) error {
			most := access.quota()
			as(&most) // of a directory
			if opened.BeforeWrite == nil {
				return nil
			}
			return opened.BeforeWrite(as)
		}
		s.w, err = opened.Bucket.NewWriter(s.ctx, req.Key, options)
		return w.reason(err)
	})
	if err != nil {
		s.Close() //nolint:errcheck // has none
		return nil, nil, err
	}
	return w, body, nil
}

// claim counts a writer of an activity until it is closed. EMFILE: there are too many.
func (m *module) claim(caller *passthrough.Call, w *writer) error {
	activity := caller.Resources
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.writers[activity] >= maxWriters {
		return fmt.Errorf("%w: the activity has %d writers open, or given up and not ended yet: commit or close one before the next", abi.EMFILE, maxWriters)
	}
	m.writers[activity]++
	w.release = func() {
		m.mu.Lock()
		defer m.mu.Unlock()
		if m.writers[activity]--; m.writers[activity] == 0 {
			delete(m.writers, activity)
		}
	}
	return nil
}

// checkAttributes checks what guests say about an object. The limits are the same for all
// stores.
func checkAttributes(contentType string, metadata map[string]string) error {
	t, params, err := mime.ParseMediaType(contentType)
	if err != nil || mime.FormatMediaType(t, params) == "" || !strings.Contains(t, "/") || len(contentType) > 255 {
		return errors.New("content_type is not a media type such as text/plain, of 255 bytes at most")
	}
	size := 0
	seen := map[string]bool{}
	for name, value := range metadata {
		size += len(name) + len(value)
		lower := strings.ToLower(name)
		if name == "" || seen[lower] {
			return errors.New("metadata has an empty name, or one that differs from another one in upper and lower case alone")
		}
		seen[lower] = true
	}
	if size > maxMetadata {
		return fmt.Errorf("metadata has %d bytes, and at most %d are allowed", size, maxMetadata)
	}
	return nil
}

// put is wasmworker:blob/v1 put.
func (m *module) put(ctx context.Context, caller *passthrough.Call, frame []byte) ([]byte, error) {
	w, body, err := m.writer(ctx, caller, "put", frame)
	if err != nil {
		return nil, err
	}
	defer w.Close()
	if err := w.write(body); err != nil {
		return nil, err
	}
	return nil, w.commit()
}

// create is wasmworker:blob/v1 create.
func (m *module) create(ctx context.Context, caller *passthrough.Call, frame []byte) ([]byte, error) {
	w, _, err := m.writer(ctx, caller, "create", frame)
	if err != nil {
		return nil, err
	}
	handle, err := caller.Open(w)
	if err != nil {
		return nil, err
	}
	return passthrough.EncodeFrame(struct {
		Writer uint32 `json:"writer"`
	}{handle}, nil)
}

// write is wasmworker:blob/v1 write.
func (m *module) write(ctx context.Context, caller *passthrough.Call, frame []byte) ([]byte, error) {
	var req request
	body, err := passthrough.DecodeFrame(frame, &req)
	if err != nil {
		return nil, err
	}
	w, err := passthrough.Resource[*writer](caller, req.Writer)
	if err != nil {
		return nil, err
	}
	return nil, w.write(body)
}

// commit is wasmworker:blob/v1 commit.
func (m *module) commit(ctx context.Context, caller *passthrough.Call, frame []byte) ([]byte, error) {
	var req request
	if _, err := passthrough.DecodeFrame(frame, &req); err != nil {
		return nil, err
	}
	w, err := passthrough.Resource[*writer](caller, req.Writer)
	if err != nil {
		return nil, err
	}
	err = w.commit()
	passthrough.CloseResource[*writer](caller, req.Writer) //nolint:errcheck // it was there
	return nil, err
}
