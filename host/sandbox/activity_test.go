package sandbox_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	commonpb "go.temporal.io/api/common/v1"
	"google.golang.org/protobuf/proto"

	"github.com/wasmworker/wasmworker/abi"
	"github.com/wasmworker/wasmworker/host/sandbox"
)

// misbehave is one way in which a guest goes wrong.
type misbehave struct {
	activity     string
	failure      string // the type
	nonRetryable bool
	broken       bool   // the instance is of no more use
	message      string // a part of it
	details      string // a part of them
}

var misbehaviours = []misbehave{
	{"Trap", abi.TypeWasmTrap, false, true, "unreachable", `"wasm_stack":[`},
	{"Recurse", abi.TypeStackOverflow, false, true, "overflowed its stack", ""},
	{"Grow", abi.TypeOutOfMemory, false, true, "memory limit of 8 MiB", `"wasm_stack":[`},
	{"BadPointer", abi.TypeWasmTrap, false, true, "outside of the memory of 65536 bytes", "wasm_stack"},
	{"BadStatus", abi.TypeProtocolError, true, true, "BadStatus of module misbehave returned 7", ""},
	{"Exit", abi.TypeExitCode, false, true, "exited with code 3", `"exit_code":3`},
	{"SilentFailure", abi.TypeActivityFailed, false, false, "SilentFailure", ""},
	{"Cancel", abi.TypeUnexpectedCancel, false, false, "nobody requested", ""},
	{"Big", abi.TypeOutputTooLarge, true, false, "more than 1000000 bytes", ""},
}

// Each misbehavior costs its own activity, and its instance if that is no longer sound.
// The next activity works. Count tells whether it got the same instance.
func TestMisbehaviour(t *testing.T) {
	options := sandbox.Options{MemoryLimit: 8 << 20, MaxOutput: 1_000_000}
	for _, policy := range []sandbox.Isolation{sandbox.IsolationFresh, sandbox.IsolationReuse} {
		for _, tt := range misbehaviours {
			t.Run(fmt.Sprintf("%s/%s", policy, tt.activity), func(t *testing.T) {
				options := options
				options.Isolation = policy
				s := startOne(t, "misbehave", options)
				equal(t, "first count", text(run(t, s, "Count")), "0")

				p, err := s.Run(t.Context(), sandbox.Task{Activity: tt.activity, Args: []sandbox.Payload{jsonPayload("7")}})
				f := failure(t, err, tt.failure)
				if p != nil {
					t.Errorf("got a result beside the failure: %s", text(p))
				}
				equal(t, "non-retryable", f.NonRetryable, tt.nonRetryable)
				if !strings.Contains(f.Message, tt.message) {
					t.Errorf("message %q does not contain %q", f.Message, tt.message)
				}
				if details := string(bytes.Join(rawMessages(f.Details), nil)); !strings.Contains(details, tt.details) {
					t.Errorf("details %s do not contain %q", details, tt.details)
				}

				kept := policy == sandbox.IsolationReuse && !tt.broken
				wantCount, wantLive := "0", 0
				if kept {
					wantCount, wantLive = "1", 1
				}
				equal(t, "live instances", live(s), wantLive)
				equal(t, "count after it", text(run(t, s, "Count")), wantCount)
				equal(t, "instances in use", stats(s).InUse, 0)
			})
		}
	}
}

func rawMessages(list []json.RawMessage) [][]byte {
	out := make([][]byte, len(list))
	for i := range list {
		out[i] = list[i]
	}
	return out
}

// Temporal keeps failures in its history: a deep stack is cut off.
func TestStackOfTrap(t *testing.T) {
	s := startOne(t, "probe", sandbox.Options{})
	_, err := s.Run(t.Context(), sandbox.Task{Activity: "DeepTrap"})
	f := failure(t, err, abi.TypeWasmTrap)
	var details struct {
		Stack []string `json:"wasm_stack"`
	}
	if len(f.Details) != 1 {
		t.Fatalf("details %s", f.Details)
	}
	if err := json.Unmarshal(f.Details[0], &details); err != nil {
		t.Fatal(err)
	}
	if n := len(details.Stack); n != 21 || details.Stack[20] != "…" || details.Stack[0] == "…" {
		t.Errorf("%d frames: %q", n, details.Stack)
	}
}

// The guest is told of its own mistake, which costs nothing if it copes.
func TestGuestErrors(t *testing.T) {
	s := startOne(t, "misbehave", sandbox.Options{})
	if got := text(run(t, s, "BadFailure")); !strings.Contains(got, "the failure is not a JSON object") || strings.Contains(got, "EINVAL") {
		t.Errorf("last_error says %q", got)
	}
	if p := run(t, s, "ForgedHandle"); p != nil {
		t.Errorf("got %s", text(p))
	}
}

func TestIsolationFreshNeverLeaks(t *testing.T) {
	s := startOne(t, "misbehave", sandbox.Options{})
	for range 20 {
		equal(t, "count", text(run(t, s, "Count")), "0")
		equal(t, "live instances", live(s), 0)
	}
}

// Under the isolation reuse state stays, until the instance's calls are used up.
func TestIsolationReuse(t *testing.T) {
	s := startOne(t, "misbehave", sandbox.Options{Isolation: sandbox.IsolationReuse, MaxCalls: 3})
	for _, want := range []string{"0", "1", "2", "0", "1", "2", "0"} {
		equal(t, "count", text(run(t, s, "Count")), want)
		wantLive := 1
		if want == "2" {
			wantLive = 0
		}
		equal(t, "live instances after count "+want, live(s), wantLive)
	}
}

func TestEcho(t *testing.T) {
	all := make([]byte, 256)
	for i := range all {
		all[i] = byte(i)
	}
	tests := []struct {
		name string
		arg  sandbox.Payload
	}{
		{"JSON", jsonPayload(`{"name": "Ada"}`)},
		{"JSON that is none", jsonPayload(`{"name"`)},
		{"bytes", sandbox.NewPayload(abi.EncodingBinary, all)},
		{"no bytes", sandbox.NewPayload(abi.EncodingBinary, nil)},
		{"null", sandbox.NewPayload(abi.EncodingNull, nil)},
		{"an encoding of somebody's own", sandbox.NewPayload("acme/avro;v=3", all)},
		{"protobuf with its type", sandbox.Payload{Metadata: map[string][]byte{"encoding": []byte("json/protobuf"), "messageType": []byte("acme.Order")}, Data: []byte("{}")}},
		{"metadata that are not UTF-8", sandbox.Payload{Metadata: map[string][]byte{"encoding": []byte("binary/encrypted"), "key": {0xff, 0x00, 0xfe}, "empty": {}}, Data: []byte("x")}},
		{"metadata without an encoding", sandbox.Payload{Metadata: map[string][]byte{"": []byte("nameless")}, Data: []byte("x")}},
		{"no metadata", sandbox.Payload{Data: []byte("x")}},
		{"nothing at all", sandbox.Payload{}},
		{"2 MiB", filled(sandbox.NewPayload(abi.EncodingBinary, nil), abi.DefaultMaxOutput)},
	}
	s := startOne(t, "echo", sandbox.Options{})
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			before := sandbox.Payload{Data: bytes.Clone(tt.arg.Data), Metadata: tt.arg.Metadata}
			p := run(t, s, "Echo", tt.arg)
			if p == nil {
				t.Fatal("no result")
			}
			if !bytes.Equal(p.Data, tt.arg.Data) || !sameMetadata(p.Metadata, tt.arg.Metadata) {
				t.Errorf("got %.200q, want %.200q", p, tt.arg)
			}
			if !bytes.Equal(tt.arg.Data, before.Data) {
				t.Error("the argument was changed")
			}
		})
	}
	if p := run(t, s, "Echo"); p != nil {
		t.Errorf("without an argument: got %q", text(p))
	}
	for n := range 5 {
		equal(t, "number of arguments", text(run(t, s, "Args", make([]sandbox.Payload, n)...)), fmt.Sprint(n))
	}
}

func TestInfo(t *testing.T) {
	s := startOne(t, "echo", sandbox.Options{})
	info := abi.Info{
		ActivityID: "5", ActivityType: "Info", Attempt: 2, Namespace: "default",
		HeartbeatTimeout: abi.Milliseconds(30 * time.Second),
		ScheduledTime:    time.Date(2026, 1, 2, 15, 4, 5, 0, time.UTC),
		RetryPolicy:      &abi.RetryPolicy{MaximumAttempts: 3},
	}
	p, err := s.Run(t.Context(), sandbox.Task{Activity: "Info", Info: info})
	if err != nil {
		t.Fatal(err)
	}
	var got abi.Info
	if err := json.Unmarshal(p.Data, &got); err != nil {
		t.Fatal(err)
	}
	equal(t, "info", got, info)
	equal(t, "encoding", p.Encoding(), abi.EncodingJSON)
}

func TestReadingFunctions(t *testing.T) {
	s := startOne(t, "probe", sandbox.Options{})
	got := results(t, run(t, s, "Buffers", jsonPayload(`12345`)))
	const einval = -int64(abi.EINVAL)
	equal(t, "results", got, []int64{
		5,                  // the size, asked for with cap 0
		5,                  // cap 4
		0x1122334455667788, // nothing was copied
		5,                  // cap 5
		0x1122333534333231, // "12345", and no byte more
		5,                  // at the end of the memory, with a cap beyond it
		int64(len("json/plain")),
		int64(len(`{"encoding":"json/plain"}`)),
		einval, einval, einval, einval, einval,
		0, // nothing written from an address outside of the memory
		1,
	})
	equal(t, "numbers before the activity", results(t, run(t, s, "Early")), []int64{0})
	sentence := int64(len("there is no handle 9"))
	equal(t, "last error", results(t, run(t, s, "LastError")), []int64{0, -int64(abi.EBADF), sentence, 0, sentence})
}

func TestOutput(t *testing.T) {
	s := startOne(t, "probe", sandbox.Options{})
	p := run(t, s, "Plain")
	if p == nil || string(p.Data) != "7" || !sameMetadata(p.Metadata, jsonPayload("").Metadata) {
		t.Errorf("output without an encoding is %q", p)
	}
	for _, encoding := range []string{abi.EncodingNull, abi.EncodingBinary, "acme/none"} {
		p := run(t, s, "EncodingOnly", raw(encoding))
		if p == nil || len(p.Data) != 0 || p.Encoding() != encoding {
			t.Errorf("an encoding without output makes %q", p)
		}
	}
	p = run(t, s, "Metadata", raw("data"), raw(`{"encoding": "acme/x", "key": {"base64": "/w=="}}`))
	if p == nil || string(p.Data) != "data" || !sameMetadata(p.Metadata, map[string][]byte{"encoding": []byte("acme/x"), "key": {0xff}}) {
		t.Errorf("output with metadata is %q", p)
	}
	for _, metadata := range []string{"", "null", "[]", `{"a": 1}`, `{"a": "` + strings.Repeat("x", abi.MaxMetadata) + `"}`} {
		_, err := s.Run(t.Context(), sandbox.Task{Activity: "Metadata", Args: []sandbox.Payload{raw("data"), raw(metadata)}})
		failure(t, err, abi.TypeActivityFailed) // the fixture fails when it is refused
	}
}

// filled fills a payload up to a size as Temporal counts it.
func filled(p sandbox.Payload, size int) sandbox.Payload {
	p.Data = make([]byte, size)
	// the fewer bytes, the shorter is their length
	for excess := sandbox.Size(p) - size; excess != 0; excess = sandbox.Size(p) - size {
		p.Data = p.Data[:len(p.Data)-excess]
	}
	copy(p.Data, bytes.Repeat([]byte("0123456789abcdef"), len(p.Data)/16))
	return p
}

// Sizes are those that the server reckons with.
func TestSize(t *testing.T) {
	metadata := map[string][]byte{"encoding": []byte("binary/plain"), "": nil, "long": bytes.Repeat([]byte{0xff}, 300)}
	var list commonpb.Payloads
	var payloads []sandbox.Payload
	for _, data := range []int{0, 1, 100, 127, 128, 16_383, 16_384, 3 << 20} {
		for _, m := range []map[string][]byte{nil, {}, {"encoding": []byte("json/plain")}, metadata} {
			p := sandbox.Payload{Metadata: m, Data: make([]byte, data)}
			one := &commonpb.Payload{Metadata: m, Data: p.Data}
			equal(t, fmt.Sprintf("size of %d bytes with %d metadata", data, len(m)), sandbox.Size(p), proto.Size(&commonpb.Payloads{Payloads: []*commonpb.Payload{one}}))
			payloads, list.Payloads = append(payloads, p), append(list.Payloads, one)
		}
	}
	equal(t, "size of all", sandbox.Size(payloads...), proto.Size(&list))
}

// A limit is what may be reached, and not what must be stayed below. Metadata count.
func TestOutputLimit(t *testing.T) {
	const limit = 100_000
	s := start(t, sandbox.Config{Modules: files(t, "echo", "probe"), Defaults: sandbox.Options{MaxOutput: limit}})
	described := sandbox.Payload{Metadata: map[string][]byte{"encoding": []byte("acme/x"), "key": bytes.Repeat([]byte("k"), 50_000)}}
	for what, p := range map[string]sandbox.Payload{"bytes": raw(""), "many metadata": described, "no metadata": {}} {
		exactly := filled(p, limit)
		equal(t, what+" of exactly the limit", sandbox.Size(*run(t, s, "Echo", exactly)), limit)
		_, err := s.Run(t.Context(), sandbox.Task{Activity: "Echo", Args: []sandbox.Payload{filled(p, limit+1)}})
		if f := failure(t, err, abi.TypeOutputTooLarge); !f.NonRetryable || !strings.Contains(f.Message, "100000 bytes, which is the module's output limit") {
			t.Errorf("%s: the failure is %+v", what, f)
		}
		// The server's limit counts where it is lower.
		equal(t, what+" below a higher limit of the server", len(runTask(t, s, sandbox.Task{Activity: "Echo", Args: []sandbox.Payload{exactly}, PayloadLimit: limit + 1}).Data), len(exactly.Data))
		_, err = s.Run(t.Context(), sandbox.Task{Activity: "Echo", Args: []sandbox.Payload{exactly}, PayloadLimit: limit - 1})
		if f := failure(t, err, abi.TypeOutputTooLarge); !f.NonRetryable || !strings.Contains(f.Message, "99999 bytes, which is the Temporal server's limit") {
			t.Errorf("%s: the failure is %+v", what, f)
		}
	}
	// A guest that fails because of it need not say so.
	_, err := s.Run(t.Context(), sandbox.Task{Activity: "WriteAndFail", Args: []sandbox.Payload{raw(strings.Repeat("x", limit+1))}})
	failure(t, err, abi.TypeOutputTooLarge)
	_, err = s.Run(t.Context(), sandbox.Task{Activity: "WriteAndFail", Args: []sandbox.Payload{filled(jsonPayload(""), limit)}})
	failure(t, err, abi.TypeActivityFailed)
	// The sum counts.
	for _, size := range []int{len(filled(jsonPayload(""), limit).Data), limit/2 + 1} {
		_, err = s.Run(t.Context(), sandbox.Task{Activity: "Twice", Args: []sandbox.Payload{raw(strings.Repeat("x", size))}})
		failure(t, err, abi.TypeOutputTooLarge)
	}
}

func runTask(t *testing.T, s *sandbox.Sandbox, task sandbox.Task) *sandbox.Payload {
	t.Helper()
	p, err := s.Run(t.Context(), task)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestMemoryLimit(t *testing.T) {
	const page = 64 << 10
	for limit, pages := range map[uint64]byte{2 * page: 2, 10 * page: 10, 10*page + 100: 10, 11*page - 1: 10} {
		s := startOne(t, "memory", sandbox.Options{MemoryLimit: limit})
		// It was refused memory, and did without: no failure.
		equal(t, fmt.Sprintf("pages of %d bytes", limit), run(t, s, "Pages").Data, []byte{pages, 0, 0, 0})
		run(t, s, "Touch")
	}
	_, err := sandbox.New(sandbox.Config{Modules: files(t, "memory"), Defaults: sandbox.Options{MemoryLimit: 2*page - 1}})
	if err == nil || !strings.Contains(err.Error(), "needs 0.125 MiB of memory") {
		t.Errorf("a module that needs more than it may have: error %v", err)
	}
}

// Only who dies after it was refused memory dies of that, and a call before does not
// count.
func TestOutOfMemoryIsOfOneCall(t *testing.T) {
	s := startOne(t, "memory", sandbox.Options{MemoryLimit: 1 << 20, Isolation: sandbox.IsolationReuse})
	run(t, s, "Pages")
	_, err := s.Run(t.Context(), sandbox.Task{Activity: "Trap"})
	failure(t, err, abi.TypeWasmTrap)
	_, err = s.Run(t.Context(), sandbox.Task{Activity: "GrowAndTrap"})
	failure(t, err, abi.TypeOutOfMemory)
}

func TestFail(t *testing.T) {
	s := startOne(t, "probe", sandbox.Options{Isolation: sandbox.IsolationReuse})
	_, err := s.Run(t.Context(), sandbox.Task{Activity: "Fail", Args: []sandbox.Payload{
		raw(`{"type": "CardDeclined", "message": "no", "non_retryable": true, "details": [{"code": 51}], "cause": {"message": "limit"}}`)}})
	f := failure(t, err, "CardDeclined")
	equal(t, "failure", f, &abi.Failure{Type: "CardDeclined", Message: "no", NonRetryable: true,
		Details: []json.RawMessage{json.RawMessage(`{"code": 51}`)}, Cause: &abi.Failure{Message: "limit"}})
	// What fail refuses is not reported.
	for _, text := range []string{"null", "[]", `{"message": "` + strings.Repeat("x", abi.MaxFailureSize) + `"}`} {
		_, err = s.Run(t.Context(), sandbox.Task{Activity: "Fail", Args: []sandbox.Payload{raw(text)}})
		failure(t, err, abi.TypeActivityFailed)
	}
	equal(t, "live instances", live(s), 1) // failing is not misbehaving
}

func TestCanceled(t *testing.T) {
	s := startOne(t, "misbehave", sandbox.Options{Isolation: sandbox.IsolationReuse})
	for _, flag := range []abi.Flags{abi.FlagCancelRequested, abi.FlagWorkerStopping, abi.FlagPaused, abi.FlagReset, abi.FlagGone} {
		asked := 0
		p, err := s.Run(t.Context(), sandbox.Task{Activity: "WaitForFlags", Flags: func(context.Context) abi.Flags {
			if asked++; asked <= 10 {
				return 0
			}
			return flag
		}})
		if canceled, ok := errors.AsType[*sandbox.CanceledError](err); !ok || p != nil || canceled.Details != nil {
			t.Errorf("flag %d: got %v, error %v", flag, p, err)
		}
	}
	equal(t, "live instances", live(s), 1)
	// Output of a guest that gives up becomes details.
	s = startOne(t, "probe", sandbox.Options{})
	_, err := s.Run(t.Context(), sandbox.Task{Activity: "GiveUp", Args: []sandbox.Payload{raw("so far")}, Flags: func(context.Context) abi.Flags { return abi.FlagPaused }})
	if canceled, ok := errors.AsType[*sandbox.CanceledError](err); !ok || text(canceled.Details) != "so far" {
		t.Errorf("error %#v, want a cancellation with details", err)
	}
}

func TestHeartbeat(t *testing.T) {
	s := startOne(t, "probe", sandbox.Options{MaxOutput: 1000})
	var sent [][]sandbox.Payload
	task := sandbox.Task{
		Activity:  "Heartbeat",
		Args:      []sandbox.Payload{jsonPayload("1"), {Data: []byte("2")}, sandbox.NewPayload("acme/x", nil)},
		Flags:     func(context.Context) abi.Flags { return abi.FlagCancelRequested | abi.FlagPaused },
		Heartbeat: func(_ context.Context, details []sandbox.Payload) error { sent = append(sent, details); return nil },
	}
	p, err := s.Run(t.Context(), task)
	if err != nil {
		t.Fatal(err)
	}
	// how many details there are, and the flags
	equal(t, "results", results(t, p), []int64{1, 2, 3, 5, 5})
	want := [][]sandbox.Payload{{jsonPayload("1"), jsonPayload("2"), sandbox.NewPayload("acme/x", []byte{})}, nil}
	if len(sent) != 2 || len(sent[1]) != 0 || len(sent[0]) != 3 {
		t.Fatalf("sent %q, want %q", sent, want)
	}
	for i, detail := range sent[0] {
		if !bytes.Equal(detail.Data, want[0][i].Data) || detail.Encoding() != want[0][i].Encoding() {
			t.Errorf("detail %d is %q, want %q", i, detail, want[0][i])
		}
	}

	// A heartbeat that cannot be sent is an error of the guest's, no more.
	task.Heartbeat = func(context.Context, []sandbox.Payload) error { return fmt.Errorf("not now: %w", abi.EAGAIN) }
	if p, err = s.Run(t.Context(), task); err != nil {
		t.Fatal(err)
	}
	equal(t, "results of failing heartbeats", results(t, p), []int64{1, 2, 3, -int64(abi.EAGAIN), -int64(abi.EAGAIN)})

	// Heartbeats may go nowhere.
	task.Heartbeat, task.Flags = nil, nil
	if p, err = s.Run(t.Context(), task); err != nil {
		t.Fatal(err)
	}
	equal(t, "results without heartbeats", results(t, p), []int64{1, 2, 3, 0, 0})

	// Details beyond the limit are refused, and those before them dropped with it.
	task.Args = []sandbox.Payload{raw("kept?"), raw(strings.Repeat("x", 1001)), raw("last")}
	sent = nil
	task.Heartbeat = func(_ context.Context, details []sandbox.Payload) error { sent = append(sent, details); return nil }
	if p, err = s.Run(t.Context(), task); err != nil {
		t.Fatal(err)
	}
	equal(t, "results with a detail that is too large", results(t, p), []int64{1, -int64(abi.EMSGSIZE), 1, 0, 0})
	if len(sent) != 2 || len(sent[0]) != 1 || string(sent[0][0].Data) != "last" {
		t.Errorf("sent %q", sent)
	}
}

func TestHeartbeatDetails(t *testing.T) {
	s := startOne(t, "probe", sandbox.Options{})
	p, err := s.Run(t.Context(), sandbox.Task{Activity: "Details", Details: []sandbox.Payload{jsonPayload("5"), raw("\x00\xff"), {}}})
	if err != nil {
		t.Fatal(err)
	}
	equal(t, "details", text(p), "json/plain:5;binary/plain:\x00\xff;:;")
	equal(t, "details of a first attempt", text(run(t, s, "Details")), "<nil>")
}

func TestUnknownActivity(t *testing.T) {
	s := startOne(t, "echo", sandbox.Options{Prefix: "x."})
	for _, name := range []string{"Echo", "", "x._hidden", "x.add", "x.memory"} {
		_, err := s.Run(t.Context(), sandbox.Task{Activity: name})
		unknown, ok := errors.AsType[*sandbox.UnknownActivityError](err)
		if !ok || unknown.Type != name {
			t.Errorf("%q: error %v", name, err)
			continue
		}
		if !strings.HasSuffix(err.Error(), "there are: x.Args, x.Echo, x.Info") {
			t.Errorf("error %q", err)
		}
		equal(t, "known", unknown.Known, []string{"x.Args", "x.Echo", "x.Info"})
	}
}
