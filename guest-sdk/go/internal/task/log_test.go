package task

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"math"
	"testing"
	"testing/slogtest"
	"time"

	"github.com/wasmworker/wasmworker/guest-sdk/go/internal/host"
)

type logHost struct {
	host.Host
	records []record
	refuse  bool
}

type record struct {
	level   int32
	message string
	attrs   string
}

func (h *logHost) Log(level int32, message string, attrs []byte) int64 {
	if h.refuse {
		return -28
	}
	h.records = append(h.records, record{level, message, string(attrs)})
	return 0
}

func (h *logHost) LastError(dst []byte) int64 { return int64(copy(dst, "not an object")) }

// timeKeeper lets slogtest see the time that the host would add, and that is not
// the handler's to write.
type timeKeeper struct {
	slog.Handler
	had *bool
}

func (k timeKeeper) Handle(ctx context.Context, r slog.Record) error {
	*k.had = !r.Time.IsZero()
	return k.Handler.Handle(ctx, r)
}
func (k timeKeeper) WithAttrs(a []slog.Attr) slog.Handler {
	return timeKeeper{k.Handler.WithAttrs(a), k.had}
}
func (k timeKeeper) WithGroup(name string) slog.Handler {
	return timeKeeper{k.Handler.WithGroup(name), k.had}
}

func TestHandlerConforms(t *testing.T) {
	var h *logHost
	hadTime := new(bool)
	slogtest.Run(t, func(*testing.T) slog.Handler {
		h = &logHost{}
		return timeKeeper{&handler{task: &Task{host: h}}, hadTime}
	}, func(t *testing.T) map[string]any {
		r := h.records[0]
		out := map[string]any{}
		if r.attrs != "" {
			if err := json.Unmarshal([]byte(r.attrs), &out); err != nil {
				t.Fatalf("%s: %v", r.attrs, err)
			}
		}
		out[slog.LevelKey], out[slog.MessageKey] = slog.Level(r.level), r.message
		if *hadTime {
			out[slog.TimeKey] = time.Now()
		}
		return out
	})
}

type nilError struct{ text string }

func (e *nilError) Error() string { return e.text }

func TestHandlerValues(t *testing.T) {
	h := &logHost{}
	log := slog.New(&handler{task: &Task{host: h}})
	log.Warn("quote \" and é",
		"s", "a\"b<é\n", "i", -1, "u", uint64(math.MaxUint64), "b", true, "f", 1.5, "nan", math.NaN(), "inf", math.Inf(-1),
		"d", 1500*time.Millisecond, "t", time.Date(2026, 1, 2, 3, 4, 5, 6, time.UTC), "e", errors.New("bad"), "n", nil,
		"ch", make(chan int) == nil, "fn", []any{1, "x"}, "m", map[string]int{"k": 1}, "ne", (*nilError)(nil), "bad", math.NaN,
		"msg", "mine", "level", "mine")
	r := h.records[0]
	if r.level != 4 || r.message != "quote \" and é" {
		t.Errorf("%+v", r)
	}
	var got map[string]any
	if err := json.Unmarshal([]byte(r.attrs), &got); err != nil {
		t.Fatalf("%s: %v", r.attrs, err)
	}
	for key, want := range map[string]any{"s": "a\"b<é\n", "i": -1.0, "b": true, "f": 1.5, "nan": "NaN", "inf": "-Inf", "d": "1.5s",
		"t": "2026-01-02T03:04:05.000000006Z", "e": "bad", "n": nil, "msg": "mine", "level": "mine"} {
		if got[key] != want {
			t.Errorf("%s is %#v, want %#v", key, got[key], want)
		}
	}
	if s, _ := got["ne"].(string); len(s) < 6 || s[:6] != "!PANIC" {
		t.Errorf("a nil error became %v", got["ne"])
	}
	if s, _ := got["bad"].(string); s == "" {
		t.Errorf("a function became %v", got["bad"])
	}
}

func TestHandlerOrderAndGroups(t *testing.T) {
	h := &logHost{}
	base := slog.New(&handler{task: &Task{host: h}})
	base.Info("bare")
	a := base.With("a", 1)
	g := a.WithGroup("g")
	g.With("b", 2).WithGroup("h").Info("x", "c", 3)
	g.Info("y")
	g.With("d", 4).Info("z", slog.Group("k", "l", 5), slog.Group("empty"), slog.Group("", "inline", 6))
	a.Info("again", "e", 7)
	want := []string{"", `{"a":1,"g":{"b":2,"h":{"c":3}}}`, `{"a":1}`, `{"a":1,"g":{"d":4,"k":{"l":5},"inline":6}}`, `{"a":1,"e":7}`}
	for i, w := range want {
		if h.records[i].attrs != w {
			t.Errorf("record %d has %s, want %s", i, h.records[i].attrs, w)
		}
	}
}

func TestHandlerAfterTheEndAndErrors(t *testing.T) {
	h := &logHost{refuse: true}
	task := &Task{host: h}
	handler := &handler{task: task}
	if err := handler.Handle(t.Context(), slog.NewRecord(time.Time{}, 0, "m", 0)); err == nil || err.Error() != "log: not an object" {
		t.Error(err)
	}
	h.refuse = false
	task.over.Store(true)
	slog.New(handler).Info("late")
	if err := handler.Handle(t.Context(), slog.NewRecord(time.Time{}, 0, "later", 0)); err != nil || len(h.records) > 0 {
		t.Error(err, h.records)
	}
}

func TestHandlerAllocations(t *testing.T) {
	h := &logHost{records: make([]record, 0, 8)}
	log := slog.New(&handler{task: &Task{host: h}}).With("module", "m").WithGroup("g")
	allocs := testing.AllocsPerRun(100, func() {
		h.records = h.records[:0]
		log.Info("message", "n", 1, "s", "text")
	})
	if allocs > 2 { // the fake host's string and slack for the pool
		t.Errorf("%v allocations for a record", allocs)
	}
}
