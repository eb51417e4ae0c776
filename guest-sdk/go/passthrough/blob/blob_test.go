//go:build !wasip1

package blob_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/wasmworker/wasmworker/guest-sdk/go/passthrough"
	"github.com/wasmworker/wasmworker/guest-sdk/go/passthrough/blob"
	"github.com/wasmworker/wasmworker/guest-sdk/go/testsuite"
)

type request struct {
	Bucket      string            `json:"bucket"`
	Key         string            `json:"key"`
	Offset      int               `json:"offset"`
	Length      *int              `json:"length"`
	ContentType string            `json:"content_type"`
	Metadata    map[string]string `json:"metadata"`
	IfNoneMatch bool              `json:"if_none_match"`
	Prefix      string            `json:"prefix"`
	Delimiter   string            `json:"delimiter"`
	Page        string            `json:"page"`
	Reader      int               `json:"reader"`
	Writer      int               `json:"writer"`
	Max         int               `json:"max"`
}

type stored struct {
	data []byte
	request
}

// store is a host of wasmworker:blob/v1 in memory, with pages of two objects.
type store struct {
	objects map[string]stored
	readers map[int][]byte
	writers map[int]*stored
	last    int
	calls   []string
}

func newStore(t *testing.T) *store {
	s := &store{objects: map[string]stored{}, readers: map[int][]byte{}, writers: map[int]*stored{}}
	for _, function := range []string{"get", "put", "stat", "delete", "list", "open", "read", "create", "write", "commit", "close"} {
		t.Cleanup(testsuite.SetPassthrough("wasmworker:blob/v1", function, func(frame []byte) ([]byte, error) {
			var r request
			body, err := passthrough.DecodeFrame(frame, &r)
			if err != nil {
				return nil, passthrough.EINVAL
			}
			s.calls = append(s.calls, function)
			if r.Bucket != "" && r.Bucket != "exports" {
				return nil, &passthrough.Error{Errno: passthrough.EACCES, Message: "the blob policy does not name the bucket"}
			}
			head, data, err := s.serve(function, r, body)
			if err != nil || head == nil {
				return nil, err
			}
			return passthrough.EncodeFrame(head, data)
		}))
	}
	return s
}

func (s *store) serve(function string, r request, body []byte) (head map[string]any, data []byte, err error) {
	object, there := s.objects[r.Key]
	switch function {
	case "get", "stat", "open", "delete":
		if !there {
			return nil, nil, passthrough.ENOENT
		}
		head = map[string]any{"size": len(object.data), "content_type": object.ContentType, "modified": "2026-01-02T03:04:05Z", "etag": "e", "metadata": object.Metadata}
		data = object.data[min(r.Offset, len(object.data)):]
		if r.Length != nil {
			data = data[:min(*r.Length, len(data))]
		}
	}
	switch function {
	case "stat":
		data = nil
	case "delete":
		delete(s.objects, r.Key)
		return nil, nil, nil
	case "open":
		s.last++
		s.readers[s.last] = data
		head["reader"], data = s.last, nil
	case "put":
		if there && r.IfNoneMatch {
			return nil, nil, passthrough.EEXIST
		}
		s.objects[r.Key] = stored{bytes.Clone(body), r}
	case "read":
		rest, ok := s.readers[r.Reader]
		if !ok {
			return nil, nil, passthrough.EBADF
		}
		n := min(r.Max, len(rest))
		s.readers[r.Reader] = rest[n:]
		return map[string]any{"end": n == len(rest)}, rest[:n], nil
	case "create":
		s.last++
		s.writers[s.last] = &stored{nil, r}
		return map[string]any{"writer": s.last}, nil, nil
	case "write", "commit":
		w := s.writers[r.Writer]
		if w == nil {
			return nil, nil, passthrough.EBADF
		}
		if w.data = append(w.data, body...); function == "commit" {
			s.objects[w.Key] = *w
			delete(s.writers, r.Writer)
		}
	case "close":
		if s.readers[r.Reader] == nil && s.writers[r.Writer] == nil {
			return nil, nil, passthrough.EBADF
		}
		delete(s.readers, r.Reader)
		delete(s.writers, r.Writer)
	case "list":
		var keys []string
		for key := range s.objects {
			if strings.HasPrefix(key, r.Prefix) && key > r.Page {
				keys = append(keys, key)
			}
		}
		slices.Sort(keys)
		var objects []any
		for _, key := range keys[:min(2, len(keys))] {
			objects = append(objects, map[string]any{"key": key, "size": len(s.objects[key].data), "modified": "2026-01-02T03:04:05Z", "prefix": strings.HasSuffix(key, "/")})
		}
		head = map[string]any{"objects": objects}
		if len(keys) > 2 {
			head["next"] = keys[1]
		}
	}
	return head, data, nil
}

const exports = blob.Bucket("exports")

func TestObjects(t *testing.T) {
	s, ctx := newStore(t), t.Context()
	if err := exports.Put(ctx, "a", []byte("0123456789"), nil); err != nil {
		t.Fatal(err)
	}
	if err := exports.Put(ctx, "a", []byte("x"), &blob.WriteOptions{IfNoneMatch: true}); !errors.Is(err, passthrough.EEXIST) || !errors.Is(err, fs.ErrExist) {
		t.Error(err)
	}
	if err := exports.Put(ctx, "b", nil, &blob.WriteOptions{ContentType: "text/plain", Metadata: map[string]string{"made": "by hand"}}); err != nil {
		t.Error(err)
	}
	if got, err := exports.Get(ctx, "a"); err != nil || string(got) != "0123456789" {
		t.Error(got, err)
	}
	for _, c := range []struct {
		offset, length int64
		want           string
	}{{3, 4, "3456"}, {8, 100, "89"}, {100, 1, ""}, {7, -1, "789"}, {3, 0, ""}} {
		if got, err := exports.GetRange(ctx, "a", c.offset, c.length); err != nil || string(got) != c.want {
			t.Errorf("%d, %d: %q, %v", c.offset, c.length, got, err)
		}
	}
	got, err := exports.Stat(ctx, "b")
	if err != nil || got.Size != 0 || got.ContentType != "text/plain" || got.Metadata["made"] != "by hand" || got.ETag != "e" || !got.Modified.Equal(time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)) {
		t.Error(got, err)
	}
	if err := exports.Delete(ctx, "a"); err != nil {
		t.Error(err)
	}
	_, getErr := exports.Get(ctx, "a")
	_, statErr := exports.Stat(ctx, "a")
	_, openErr := exports.NewReader(ctx, "a")
	for _, err := range []error{getErr, statErr, openErr, exports.Delete(ctx, "a")} {
		if !errors.Is(err, passthrough.ENOENT) || !errors.Is(err, fs.ErrNotExist) {
			t.Error(err)
		}
	}
	if _, err := blob.Bucket("other").Get(ctx, "a"); !errors.Is(err, passthrough.EACCES) || !strings.Contains(err.Error(), "does not name the bucket") {
		t.Error(err)
	}
	calls := len(s.calls)
	for name, err := range map[string]error{
		"put": exports.Put(ctx, "\xff", nil, nil), "delete": exports.Delete(ctx, "\xff"),
	} {
		if !errors.Is(err, passthrough.EINVAL) || len(s.calls) != calls {
			t.Error(name, err)
		}
	}
}

func TestReader(t *testing.T) {
	s, ctx := newStore(t), t.Context()
	text := strings.Repeat("0123456789", 300_000)
	if err := exports.Put(ctx, "large", []byte(text), nil); err != nil {
		t.Fatal(err)
	}
	r, err := exports.NewReader(ctx, "large")
	if err != nil || r.Size != 3_000_000 {
		t.Fatal(r, err)
	}
	if got, err := io.ReadAll(r); err != nil || string(got) != text {
		t.Error(len(got), err)
	}
	if n, err := r.Read(make([]byte, 5)); n != 0 || err != io.EOF {
		t.Error(n, err)
	}
	for range 2 {
		if err := r.Close(); err != nil {
			t.Error(err)
		}
	}
	if _, err := r.Read(make([]byte, 5)); !errors.Is(err, passthrough.EBADF) {
		t.Error(err)
	}
	r, err = exports.NewRangeReader(ctx, "large", 5, 1_500_000)
	if err != nil {
		t.Fatal(err)
	}
	big := make([]byte, 2_000_000)
	if n, err := r.Read(big); n != 1<<20 || err != nil { // one call to the host
		t.Error(n, err)
	}
	if err := r.Close(); err != nil || len(s.readers) != 0 {
		t.Error(err, s.readers)
	}
	r, err = exports.NewRangeReader(ctx, "large", 3, 1000)
	if err != nil {
		t.Fatal(err)
	}
	if err := iotest.TestReader(r, []byte(text[3:1003])); err != nil {
		t.Error(err)
	}
	ended, cancel := context.WithCancel(ctx)
	r, err = exports.NewReader(ended, "large")
	if err != nil {
		t.Fatal(err)
	}
	cancel()
	if _, err := r.Read(big); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	if err := r.Close(); err != nil {
		t.Error(err)
	}
}

func TestWriter(t *testing.T) {
	s, ctx := newStore(t), t.Context()
	w, err := exports.NewWriter(ctx, "a", &blob.WriteOptions{ContentType: "text/csv"})
	if err != nil {
		t.Fatal(err)
	}
	large := bytes.Repeat([]byte("x"), 1<<20+1)
	if n, err := w.Write(large); n != len(large) || err != nil {
		t.Error(n, err)
	}
	if n, err := io.WriteString(w, ""); n != 0 || err != nil {
		t.Error(n, err)
	}
	fmt.Fprintf(w, "%d", 42)
	if _, there := s.objects["a"]; there {
		t.Error("it is there before it is committed")
	}
	if err := w.Commit(); err != nil {
		t.Error(err)
	}
	if got := s.objects["a"]; string(got.data) != string(large)+"42" || got.ContentType != "text/csv" {
		t.Error(len(got.data), got.ContentType)
	}
	if want := []string{"create", "write", "write", "write", "commit"}; !slices.Equal(s.calls, want) {
		t.Error(s.calls)
	}
	if err := w.Close(); err != nil {
		t.Error(err)
	}
	if _, err := w.Write(large); !errors.Is(err, passthrough.EBADF) {
		t.Error(err)
	}
	if err := w.Commit(); !errors.Is(err, passthrough.EBADF) {
		t.Error(err)
	}

	ended, cancel := context.WithCancel(ctx)
	w, err = exports.NewWriter(ended, "given up", nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write([]byte("x")); err != nil {
		t.Error(err)
	}
	cancel()
	if _, err := w.Write([]byte("x")); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	if err := w.Commit(); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	if err := w.Close(); err != nil || len(s.writers) != 0 || len(s.objects) != 1 {
		t.Error(err, len(s.writers), len(s.objects))
	}
}

func TestList(t *testing.T) {
	s, ctx := newStore(t), t.Context()
	for _, key := range []string{"a/1", "a/2", "a/3/", "a/4", "a/5", "b"} {
		s.objects[key] = stored{data: []byte(key)}
	}
	var keys []string
	for object, err := range exports.List(ctx, &blob.ListOptions{Prefix: "a/", Delimiter: "/"}) {
		if err != nil {
			t.Fatal(err)
		}
		if object.IsPrefix != (object.Key == "a/3/") || object.Size != int64(len(object.Key)) || object.Modified.IsZero() {
			t.Errorf("%+v", object)
		}
		keys = append(keys, object.Key)
	}
	if !slices.Equal(keys, []string{"a/1", "a/2", "a/3/", "a/4", "a/5"}) || len(s.calls) != 3 {
		t.Error(keys, s.calls)
	}
	for range exports.List(ctx, nil) {
		break
	}
	if len(s.calls) != 4 {
		t.Error("after the loop's end:", s.calls)
	}
	for object, err := range blob.Bucket("other").List(ctx, nil) {
		if object.Key != "" || !errors.Is(err, passthrough.EACCES) {
			t.Error(object, err)
		}
	}
	for _, err := range exports.List(ctx, &blob.ListOptions{Prefix: "\xff"}) {
		if !errors.Is(err, passthrough.EINVAL) {
			t.Error(err)
		}
	}
}

// What a request has is as abi/SPEC.md says: names that are not needed are not there.
func TestRequests(t *testing.T) {
	var heads []string
	for _, function := range []string{"get", "put", "open", "create"} {
		t.Cleanup(testsuite.SetPassthrough("wasmworker:blob/v1", function, func(frame []byte) ([]byte, error) {
			var head json.RawMessage
			_, err := passthrough.DecodeFrame(frame, &head)
			heads = append(heads, string(head))
			return nil, errors.Join(passthrough.EIO, err)
		}))
	}
	ctx := t.Context()
	exports.Get(ctx, "k")
	exports.GetRange(ctx, "k", 0, 0)
	exports.NewRangeReader(ctx, "k", 5, 7)
	exports.Put(ctx, "k", nil, nil)
	exports.NewWriter(ctx, "k", &blob.WriteOptions{ContentType: "t", Metadata: map[string]string{"a": "b"}, IfNoneMatch: true})
	if want := []string{
		`{"bucket":"exports","key":"k"}`,
		`{"bucket":"exports","key":"k","length":0}`,
		`{"bucket":"exports","key":"k","offset":5,"length":7}`,
		`{"bucket":"exports","key":"k"}`,
		`{"bucket":"exports","key":"k","content_type":"t","metadata":{"a":"b"},"if_none_match":true}`,
	}; !slices.Equal(heads, want) {
		t.Errorf("%s", strings.Join(heads, "\n"))
	}
}
