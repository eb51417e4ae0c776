package workflow_test

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/wasmworker/wasmworker/guest-sdk/go/internal/flow"
)

// fake is a host that a test drives. It belongs into a bubble of synctest, which tells when
// everything waits, and gives the time.
type fake struct {
	t       testing.TB
	run     *flow.Run
	frame   []byte
	frames  [][]byte
	logs    []string
	patches map[string]bool
	refuse  string
}

func (f *fake) Activation(dst []byte) int64 {
	if len(f.frame) <= len(dst) {
		copy(dst, f.frame)
	}
	return int64(len(f.frame))
}

func (f *fake) Commands(frame []byte) int64 {
	if f.refuse != "" && !strings.Contains(string(frame), "fail_task") {
		return -28
	}
	f.frames = append(f.frames, append([]byte(nil), frame...))
	return 1
}

func (f *fake) Patched(id string) int32 {
	if f.patches[id] {
		return 1
	}
	return 0
}
func (f *fake) LastError(dst []byte) int64 { return int64(copy(dst, f.refuse)) }
func (f *fake) Log(level int32, message string, attrs []byte) int64 {
	f.logs = append(f.logs, fmt.Sprint(level, " ", message, " ", string(attrs)))
	return 0
}
func (f *fake) Idle()  { synctest.Wait() }
func (f *fake) Yield() { synctest.Wait() }
func (f *fake) Random(b []byte) {
	for i := range b {
		b[i] = byte(i)
	}
}

// object is JSON.
type object = map[string]any

// value is a payload to be: its JSON goes into the body.
type value struct{ v any }

// start makes a run of fn with a fake host. The test has to let all goroutines of the run end.
func start(t *testing.T, fn any, test func(f *fake)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		f := &fake{t: t}
		f.run = flow.New(f, fn)
		test(f)
	})
}

// activate gives the run jobs, and returns the commands. Values in jobs become payloads,
// and payloads in commands values.
func (f *fake) activate(jobs ...object) []object {
	f.t.Helper()
	commands, status := f.activation(object{"jobs": jobs})
	if status != 0 {
		f.t.Fatalf("status %d: %v", status, commands)
	}
	return commands
}

func (f *fake) activation(head object) ([]object, int32) {
	f.t.Helper()
	var body []byte
	data, err := json.Marshal(lay(head, &body))
	if err != nil {
		f.t.Fatal(err)
	}
	f.frame = binary.LittleEndian.AppendUint32(nil, uint32(len(data)))
	f.frame = append(append(f.frame, data...), body...)
	f.frames = nil
	status := f.run.Activate()
	var commands []object
	for _, frame := range f.frames {
		n := 4 + binary.LittleEndian.Uint32(frame)
		var head struct{ Commands []object }
		if err := json.Unmarshal(frame[4:n], &head); err != nil {
			f.t.Fatalf("%v: %s", err, frame)
		}
		for _, c := range head.Commands {
			commands = append(commands, lift(c, frame[n:]).(object))
		}
	}
	return commands, status
}

// lay puts values into the body.
func lay(v any, body *[]byte) any {
	switch v := v.(type) {
	case object:
		out := object{}
		for k, x := range v {
			out[k] = lay(x, body)
		}
		return out
	case []object:
		out := []any{}
		for _, x := range v {
			out = append(out, lay(x, body))
		}
		return out
	case []any:
		out := []any{}
		for _, x := range v {
			out = append(out, lay(x, body))
		}
		return out
	case value:
		data, _ := json.Marshal(v.v)
		*body = append(*body, data...)
		return object{"bytes": []int{len(*body) - len(data), len(data)}}
	}
	return v
}

// lift puts JSON of the body in the place of payloads.
func lift(v any, body []byte) any {
	switch v := v.(type) {
	case object:
		if v["encoding"] == "binary/null" {
			return nil
		}
		if at, ok := v["bytes"].([]any); ok {
			from, n := int(at[0].(float64)), int(at[1].(float64))
			if v["encoding"] != nil {
				return fmt.Sprint(v["encoding"], " ", string(body[from:from+n]), " ", v["metadata"])
			}
			var out any
			if err := json.Unmarshal(body[from:from+n], &out); err != nil {
				panic(err)
			}
			return out
		}
		for k, x := range v {
			v[k] = lift(x, body)
		}
	case []any:
		for i, x := range v {
			v[i] = lift(x, body)
		}
	}
	return v
}

func args(values ...any) []any {
	out := []any{}
	for _, v := range values {
		out = append(out, value{v})
	}
	return out
}

func startJob(values ...any) object {
	return object{"job": "start", "args": args(values...), "info": object{"workflow_id": "w", "run_id": "r", "workflow_type": "Order"}}
}

func resolve(id int, v any) object { return object{"job": "resolve", "id": id, "result": value{v}} }

func fired(id int) object { return object{"job": "resolve", "id": id} }

// want compares commands with JSON.
func want(t testing.TB, got []object, wanted ...string) {
	t.Helper()
	var texts []string
	for _, c := range got {
		data, _ := json.Marshal(c)
		texts = append(texts, string(data))
	}
	var wants []string
	for _, w := range wanted {
		var v any
		if err := json.Unmarshal([]byte(w), &v); err != nil {
			t.Fatalf("%v: %s", err, w)
		}
		data, _ := json.Marshal(v)
		wants = append(wants, string(data))
	}
	if strings.Join(texts, "\n") != strings.Join(wants, "\n") {
		_, _, line, _ := runtime.Caller(1)
		t.Errorf("line %d: commands\n%s\nwanted\n%s", line, strings.Join(texts, "\n"), strings.Join(wants, "\n"))
	}
}
