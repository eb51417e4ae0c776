package flow

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"runtime"
	"runtime/debug"
	"time"
)

// What is the same in every first activation is done now, and so becomes a part of the
// image that the host makes instances of.
func init() {
	// Instances live long and wait nearly always: their size matters, and the little time
	// that collections take does not.
	debug.SetGCPercent(25)
	openIdle()
	for range 2 {
		rehearse()
	}
	runtime.GC()
}

// rehearsal is the host of a run that is only rehearsed.
type rehearsal struct{ frame []byte }

func (r *rehearsal) Activation(dst []byte) int64 {
	copy(dst, r.frame)
	return int64(len(r.frame))
}
func (r *rehearsal) Commands(frame []byte) int64     { return 1 }
func (r *rehearsal) Patched(string) int32            { return 1 }
func (r *rehearsal) LastError([]byte) int64          { return 0 }
func (r *rehearsal) Log(int32, string, []byte) int64 { return 0 }
func (r *rehearsal) Random([]byte)                   {}
func (r *rehearsal) Yield()                          { runtime.Gosched() }
func (r *rehearsal) Idle() {
	for range 8 {
		runtime.Gosched()
	}
}

func rehearse() {
	type value struct {
		Text   string         `json:"text"`
		Number float64        `json:"number"`
		Map    map[string]any `json:"map"`
	}
	h := &rehearsal{}
	r := New(h, func(ctx context.Context, in value) (value, error) {
		r := Of(ctx)
		if err := r.SetQuery("q", "", func() (string, error) { return "", nil }); err != nil {
			return in, err
		}
		f := r.Start(ctx, "activity", []any{in, "text", 1}, func(w *Writer) {
			w.Text("type", "a")
			w.Object("options", func(w *Writer) { w.Milliseconds("start_to_close_timeout_ms", time.Second) })
		})
		var out value
		err := f.Get(ctx, &out)
		r.Logger().Info("rehearsal", "number", 1, "text", "text")
		return out, err
	})
	const body = `{"text":"text","number":1.5,"map":{"a":[1,"x",null,true]}}`
	for _, head := range []string{
		`{"now":"2026-01-01T00:00:00Z","history":{"length":3},"jobs":[{"job":"start","args":[{"bytes":[0,58]}],"info":{"workflow_id":"w","start_time":"2026-01-01T00:00:00Z"}}]}`,
		`{"jobs":[{"job":"query","name":"q"}]}`,
		`{"jobs":[{"job":"resolve","id":1,"result":{"bytes":[0,58]}}]}`,
	} {
		h.frame = binary.LittleEndian.AppendUint32(nil, uint32(len(head)))
		h.frame = append(append(h.frame, head...), body...)
		r.Activate()
	}
	var any map[string]any
	if err := json.Unmarshal([]byte(body), &any); err != nil || len(body) != 58 {
		panic("wasmworker: the rehearsal does not work")
	}
}
