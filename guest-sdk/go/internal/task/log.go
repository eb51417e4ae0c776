package task

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"math"
	"strconv"
	"sync"
	"time"
)

// handler is a slog.Handler that hands records to the host, attributes as one JSON
// object. The host adds time, module and activity, and decides about the level.
type handler struct {
	task   *Task
	prefix []byte   // members of the object from WithAttrs, with the groups opened for them
	open   int      // how many of groups prefix has opened
	groups []string // names from WithGroup
}

// Enabled is true as long as the activity runs: the level is the host's to choose.
func (h *handler) Enabled(context.Context, slog.Level) bool { return !h.task.over.Load() }

func (h *handler) WithGroup(name string) slog.Handler {
	if name == "" {
		return h
	}
	h2 := *h
	h2.groups = append(h.groups[:len(h.groups):len(h.groups)], name)
	return &h2
}

func (h *handler) WithAttrs(attrs []slog.Attr) slog.Handler {
	b := buffer(append([]byte(nil), h.prefix...))
	if !b.inGroups(h.groups[h.open:], func() bool { return b.attrs(attrs) }) {
		return h
	}
	h2 := *h
	h2.prefix = b
	h2.open = len(h.groups)
	return &h2
}

var buffers = sync.Pool{New: func() any { b := make(buffer, 0, 512); return &b }}

func (h *handler) Handle(_ context.Context, r slog.Record) error {
	if h.task.over.Load() {
		return nil
	}
	p := buffers.Get().(*buffer)
	defer func() {
		if cap(*p) <= 16<<10 {
			*p = (*p)[:0]
			buffers.Put(p)
		}
	}()
	b := append((*p)[:0], '{')
	b = append(b, h.prefix...)
	open := h.open
	if r.NumAttrs() > 0 && b.inGroups(h.groups[open:], func() (some bool) {
		r.Attrs(func(a slog.Attr) bool {
			some = b.attr(a) || some
			return true
		})
		return some
	}) {
		open = len(h.groups)
	}
	for range open {
		b = append(b, '}')
	}
	b = append(b, '}')
	*p = b
	if len(b) == len("{}") {
		b = nil
	}
	if n := h.task.host.Log(int32(r.Level), r.Message, b); n < 0 {
		return h.task.hostError("log", n)
	}
	return nil
}

// buffer is a JSON object being written: it ends with '{' before its first member
// (or is empty, in a prefix).
type buffer []byte

// inGroups writes members within groups, and nothing at all if there are none. It
// leaves the groups open.
func (b *buffer) inGroups(groups []string, members func() bool) bool {
	before := len(*b)
	for _, g := range groups {
		b.key(g)
		*b = append(*b, '{')
	}
	if !members() {
		*b = (*b)[:before]
		return false
	}
	return true
}

func (b *buffer) attrs(attrs []slog.Attr) (some bool) {
	for _, a := range attrs {
		some = b.attr(a) || some
	}
	return some
}

// attr writes one attribute, and tells whether it wrote anything.
func (b *buffer) attr(a slog.Attr) bool {
	v := a.Value.Resolve()
	if a.Key == "" && v.Equal(slog.Value{}) {
		return false
	}
	if v.Kind() != slog.KindGroup {
		b.key(a.Key)
		b.value(v)
		return true
	}
	if a.Key == "" {
		return b.attrs(v.Group())
	}
	before := len(*b)
	b.key(a.Key)
	*b = append(*b, '{')
	if !b.attrs(v.Group()) {
		*b = (*b)[:before]
		return false
	}
	*b = append(*b, '}')
	return true
}

func (b *buffer) key(k string) {
	if n := len(*b); n > 0 && (*b)[n-1] != '{' {
		*b = append(*b, ',')
	}
	b.text(k)
	*b = append(*b, ':')
}

func (b *buffer) value(v slog.Value) {
	switch v.Kind() {
	case slog.KindString:
		b.text(v.String())
	case slog.KindInt64:
		*b = strconv.AppendInt(*b, v.Int64(), 10)
	case slog.KindUint64:
		*b = strconv.AppendUint(*b, v.Uint64(), 10)
	case slog.KindBool:
		*b = strconv.AppendBool(*b, v.Bool())
	case slog.KindFloat64:
		if f := v.Float64(); math.IsNaN(f) || math.IsInf(f, 0) { // not in JSON
			b.text(strconv.FormatFloat(f, 'g', -1, 64))
		} else {
			b.json(f)
		}
	case slog.KindDuration:
		b.text(v.Duration().String())
	case slog.KindTime:
		b.text(v.Time().Format(time.RFC3339Nano))
	default:
		b.any(v.Any())
	}
}

func (b *buffer) any(v any) {
	before := len(*b)
	defer func() { // an Error or MarshalJSON method that panics, such as one of a nil pointer
		if p := recover(); p != nil {
			*b = (*b)[:before]
			b.text(fmt.Sprintf("!PANIC: %v", p))
		}
	}()
	if _, ok := v.(json.Marshaler); !ok {
		if err, ok := v.(error); ok {
			b.text(err.Error())
			return
		}
	}
	b.json(v)
}

func (b *buffer) json(v any) {
	data, err := json.Marshal(v)
	if err != nil {
		b.text(fmt.Sprintf("%+v", v))
		return
	}
	*b = append(*b, data...)
}

// text writes a JSON string.
func (b *buffer) text(s string) {
	for i := range len(s) {
		if c := s[i]; c < ' ' || c > '~' || c == '"' || c == '\\' {
			b.json(s)
			return
		}
	}
	*b = append(*b, '"')
	*b = append(*b, s...)
	*b = append(*b, '"')
}
