// Package conformance runs the cases of testdata/conformance against modules.
package conformance

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"math/big"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/wasmworker/wasmworker/abi"
	"github.com/wasmworker/wasmworker/host/passthrough"
	"github.com/wasmworker/wasmworker/host/replay"
	"github.com/wasmworker/wasmworker/host/sandbox"
)

// Case is a case of cases.json. The README beside that file describes the fields.
type Case struct {
	Step
	Name       string   `json:"name"`
	Feature    string   `json:"feature"`
	Kinds      []string `json:"kinds"`
	Except     []string `json:"except"`
	Languages  []string `json:"languages"`
	Details    []Value  `json:"details"`
	Denied     bool     `json:"denied"`
	FlagsAfter struct {
		Heartbeats int       `json:"heartbeats"`
		Flags      abi.Flags `json:"flags"`
	} `json:"flags_after"`
	Then []Step `json:"then"`
}

// Step is one activity and what it should do.
type Step struct {
	Activity string  `json:"activity"`
	Args     []Value `json:"args"`
	Want     struct {
		Result      *Value         `json:"result"`
		Canceled    *Value         `json:"canceled"`
		Interrupted bool           `json:"interrupted"`
		Failure     *Failure       `json:"failure"`
		Heartbeats  [][]Value      `json:"heartbeats"`
		Logs        []Record       `json:"logs"`
		Calls       map[string]int `json:"calls"`
	} `json:"want"`
}

// Failure is what is expected of an [abi.Failure]. Fields that are nil are not checked.
type Failure struct {
	Type           *string           `json:"type"`
	Message        *string           `json:"message"`
	Contains       string            `json:"contains"`
	NonRetryable   *bool             `json:"non_retryable"`
	NextRetryDelay *abi.Milliseconds `json:"next_retry_delay_ms"`
	Category       *string           `json:"category"`
	Details        []json.RawMessage `json:"details"`
	Cause          *Failure          `json:"cause"`
}

// Record is a log record.
type Record struct {
	Level   string         `json:"level"`
	Message string         `json:"message"`
	Attrs   map[string]any `json:"attrs"`
}

// Value is a payload. Exactly one of its forms is used.
type Value struct {
	JSON     json.RawMessage   `json:"json"`
	Text     string            `json:"text"`
	Count    *int              `json:"count"`
	Null     bool              `json:"null"`
	None     bool              `json:"none"`
	Encoding *string           `json:"encoding"`
	Metadata map[string]string `json:"metadata"` // besides the encoding
}

// originOf stands for the origin of a world's server in arguments.
const originOf = "$ORIGIN"

// payload returns the value as a payload.
func (v Value) payload() sandbox.Payload {
	switch {
	case v.Null:
		return sandbox.NewPayload(abi.EncodingNull, nil)
	case v.JSON != nil:
		data, err := json.Marshal(repeat(v.JSON))
		if err != nil {
			panic(err) // raw was decoded from JSON
		}
		return sandbox.NewPayload(abi.EncodingJSON, data)
	case v.Count != nil:
		data := make([]byte, *v.Count)
		for i := range data {
			data[i] = byte(i)
		}
		return v.bytes(data)
	}
	return v.bytes([]byte(v.Text))
}

// bytes makes a payload of any encoding, or of none.
func (v Value) bytes(data []byte) sandbox.Payload {
	p := sandbox.Payload{Data: data}
	if v.Encoding != nil {
		p = sandbox.NewPayload(*v.Encoding, data)
	}
	for name, value := range v.Metadata {
		if p.Metadata == nil {
			p.Metadata = map[string][]byte{}
		}
		p.Metadata[name] = []byte(value)
	}
	return p
}

// repeat decodes JSON. {"$repeat": ["text", n], "before": "", "after": ""} stands for a
// long string.
func repeat(raw json.RawMessage) any {
	decoded, err := decode(raw)
	if err != nil {
		panic(err)
	}
	var walk func(any) any
	walk = func(v any) any {
		switch v := v.(type) {
		case map[string]any:
			if r, ok := v["$repeat"].([]any); ok {
				times, _ := strconv.Atoi(r[1].(json.Number).String())
				before, _ := walk(v["before"]).(string)
				after, _ := walk(v["after"]).(string)
				return before + strings.Repeat(r[0].(string), times) + after
			}
			for k := range v {
				v[k] = walk(v[k])
			}
		case []any:
			for i := range v {
				v[i] = walk(v[i])
			}
		}
		return v
	}
	return walk(decoded)
}

// matches returns an error if a payload is not as expected. JSON is compared by value.
func (v Value) matches(got *sandbox.Payload) error {
	if string(v.JSON) == "null" && (got == nil || got.Encoding() == abi.EncodingNull) {
		return nil // the form of null depends on the language's data converter
	}
	if v.None || got == nil {
		if got != nil || !v.None {
			return fmt.Errorf("the result is %s, want %s", describe(got), v)
		}
		return nil
	}
	want := v.payload()
	if got.Encoding() != want.Encoding() {
		return fmt.Errorf("the encoding is %q, want %q: %s", got.Encoding(), want.Encoding(), describe(got))
	}
	if v.JSON == nil {
		if !bytes.Equal(got.Data, want.Data) {
			return fmt.Errorf("got %s, want %s", describe(got), describe(&want))
		}
		return nil
	}
	return sameJSON(got.Data, want.Data)
}

func sameJSON(got, want []byte) error {
	g, err := decode(got)
	if err != nil {
		return fmt.Errorf("%.200q is not JSON: %w", got, err)
	}
	w, err := decode(want)
	if err != nil {
		return err
	}
	if !same(g, w) {
		return fmt.Errorf("got %.2000s, want %.2000s", got, want)
	}
	return nil
}

// decode decodes JSON. Numbers keep their written form.
func decode(text []byte) (value any, err error) {
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.UseNumber()
	if err := decoder.Decode(&value); err != nil {
		return nil, err
	}
	if _, err := decoder.Token(); err != io.EOF {
		return nil, errors.New("something follows the value")
	}
	return value, nil
}

// same reports whether two JSON values are equal. Whole numbers are compared exactly.
// Other numbers are compared as float64, because languages write the same number in
// several ways.
func same(got, want any) bool {
	switch want := want.(type) {
	case json.Number:
		got, ok := got.(json.Number)
		if !ok || got == want {
			return ok
		}
		g, err := got.Float64()
		w, _ := want.Float64()
		if err != nil || g != w {
			return false
		}
		whole, err := want.Int64()
		if err != nil {
			return true
		}
		exact, ok := new(big.Rat).SetString(got.String())
		return ok && exact.Cmp(new(big.Rat).SetInt64(whole)) == 0
	case []any:
		got, ok := got.([]any)
		return ok && slices.EqualFunc(got, want, same)
	case map[string]any:
		got, ok := got.(map[string]any)
		return ok && maps.EqualFunc(got, want, same)
	}
	return reflect.DeepEqual(got, want)
}

// String returns the value in the form of messages.
func (v Value) String() string {
	if v.None {
		return "none"
	}
	p := v.payload()
	return describe(&p)
}

func describe(p *sandbox.Payload) string {
	if p == nil {
		return "none"
	}
	return fmt.Sprintf("%s %.200q (%d bytes)", p.Encoding(), p.Data, len(p.Data))
}

// For reports whether the case is for a kind of module and for the language of a
// directory.
func (c Case) For(kind, language string) bool {
	if c.Languages != nil && !slices.Contains(c.Languages, language) {
		return false
	}
	return kind == "native" && !slices.Contains(c.Except, kind) || slices.Contains(c.Kinds, kind)
}

// info returns the information with which every activity runs.
func (s Step) info() abi.Info {
	return abi.Info{
		ActivityID: "17", ActivityType: s.Activity, Attempt: 3, Namespace: "conformance", TaskQueue: "queue ☃",
		WorkflowID: "order-17", WorkflowType: "Order", WorkflowRunID: "0197", HeartbeatTimeout: abi.Milliseconds(30 * time.Second),
	}
}

// Patience is how long an activity may take. An activity that is to be interrupted has a
// twentieth of it.
const Patience = 20 * time.Second

// Run runs the case. The error joins everything that is not as expected.
func (c Case) Run(ctx context.Context, s *sandbox.Sandbox, w *World) error {
	errs := []error{c.run(ctx, s, w, c.Step)}
	for i, step := range c.Then {
		after := Case{Step: step}
		if err := after.run(ctx, s, w, step); err != nil {
			errs = append(errs, fmt.Errorf("then, %d: %s: %w", i, step.Activity, err))
		}
	}
	return errors.Join(errs...)
}

func (c Case) run(ctx context.Context, s *sandbox.Sandbox, w *World, step Step) error {
	patience := Patience
	if step.Want.Interrupted {
		patience /= 20
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	visit := &visit{denied: c.Denied, calls: map[string]int{}}
	ctx = context.WithValue(ctx, visitKey{}, visit)
	var heartbeats [][]sandbox.Payload
	var logs []Record
	task := sandbox.Task{
		Activity: step.Activity,
		Info:     step.info(),
		Heartbeat: func(_ context.Context, details []sandbox.Payload) error {
			heartbeats = append(heartbeats, details)
			return nil
		},
		Flags: func(context.Context) abi.Flags {
			if c.FlagsAfter.Flags != 0 && len(heartbeats) >= c.FlagsAfter.Heartbeats {
				return c.FlagsAfter.Flags
			}
			return 0
		},
		Log: func(_ context.Context, level slog.Level, message string, attrs []slog.Attr) {
			r := Record{Level: level.String(), Message: message, Attrs: map[string]any{}}
			for _, a := range attrs { // the guest's attributes are a group
				for _, a := range a.Value.Group() {
					r.Attrs[a.Key] = a.Value.Any()
				}
			}
			logs = append(logs, r)
		},
	}
	for _, a := range step.Args {
		task.Args = append(task.Args, a.in(w))
	}
	for _, d := range c.Details {
		task.Details = append(task.Details, d.payload())
	}
	result, err := s.Run(ctx, task)
	want := step.Want
	errs := []error{step.outcome(result, err), visit.check(want.Calls)}
	if want.Heartbeats != nil {
		errs = append(errs, sameHeartbeats(heartbeats, want.Heartbeats))
	}
	if want.Logs != nil {
		got, _ := json.Marshal(logs)
		records, _ := json.Marshal(want.Logs)
		if err := sameJSON(got, records); err != nil {
			errs = append(errs, fmt.Errorf("logs: %w", err))
		}
	}
	return errors.Join(errs...)
}

func (s Step) outcome(result *sandbox.Payload, err error) error {
	want := s.Want
	var failure *abi.Failure
	var canceled *sandbox.CanceledError
	var interrupted *sandbox.InterruptedError
	switch {
	case err == nil && want.Result != nil:
		return want.Result.matches(result)
	case err == nil:
		return fmt.Errorf("it completed with %s", describe(result))
	case errors.As(err, &canceled) && want.Canceled != nil:
		return want.Canceled.matches(canceled.Details)
	case errors.As(err, &interrupted) && want.Interrupted:
		return nil
	case errors.As(err, &failure) && want.Failure != nil:
		return want.Failure.matches(failure)
	case failure != nil:
		text, _ := json.Marshal(failure)
		return fmt.Errorf("it failed: %s", text)
	}
	return err
}

func (f *Failure) matches(got *abi.Failure) error {
	text, _ := json.Marshal(got)
	complain := func(what string) error { return fmt.Errorf("%s is another one in the failure %.1000s", what, text) }
	switch {
	case got == nil:
		return errors.New("there is no cause")
	case f.Type != nil && got.Type != *f.Type:
		return complain("type")
	case f.Message != nil && got.Message != *f.Message:
		return complain("message")
	case !strings.Contains(string(text), f.Contains): // a command's standard error is in the details
		return complain("message")
	case f.NonRetryable != nil && got.NonRetryable != *f.NonRetryable:
		return complain("non_retryable")
	case f.NextRetryDelay != nil && got.NextRetryDelay != *f.NextRetryDelay:
		return complain("next_retry_delay_ms")
	case f.Category != nil && got.Category != *f.Category:
		return complain("category")
	case f.Details != nil && len(got.Details) != len(f.Details):
		return complain("details")
	case f.Cause != nil:
		return f.Cause.matches(got.Cause)
	}
	for i, d := range f.Details {
		if err := sameJSON(got.Details[i], d); err != nil {
			return fmt.Errorf("detail %d: %w", i, err)
		}
	}
	return nil
}

func sameHeartbeats(got [][]sandbox.Payload, want [][]Value) error {
	if len(got) != len(want) {
		return fmt.Errorf("there were %d heartbeats, want %d", len(got), len(want))
	}
	for i := range want {
		if len(got[i]) != len(want[i]) {
			return fmt.Errorf("heartbeat %d has %d details, want %d", i, len(got[i]), len(want[i]))
		}
		for k, d := range want[i] {
			if err := d.matches(&got[i][k]); err != nil {
				return fmt.Errorf("heartbeat %d: %w", i, err)
			}
		}
	}
	return nil
}

// Passthrough is the module wasmworker:conformance/v1.
func Passthrough() passthrough.Module {
	return passthrough.Module{Name: "conformance", Functions: map[string]passthrough.Func{
		"upper": func(_ context.Context, _ *passthrough.Call, req []byte) ([]byte, error) {
			return []byte(strings.ReplaceAll(strings.ToUpper(string(req)), "ß", "SS")), nil
		},
		"deny": func(context.Context, *passthrough.Call, []byte) ([]byte, error) {
			return nil, denial{}
		},
	}}
}

type denial struct{}

func (denial) Error() string { return "the policy says no" }
func (denial) Unwrap() error { return abi.EACCES }

// Activities returns the activities of the case for package replay, one for each step.
func (c Case) Activities(w *World) []replay.Activity {
	var all []replay.Activity
	for i, step := range append([]Step{c.Step}, c.Then...) {
		info := step.info()
		a := replay.Activity{Type: step.Activity, Info: &info}
		for _, v := range step.Args {
			a.Args = append(a.Args, v.in(w))
		}
		if i == 0 {
			for _, v := range c.Details {
				a.Details = append(a.Details, v.payload())
			}
			if c.FlagsAfter.Flags != 0 {
				a.Flags, a.Cancel = c.FlagsAfter.Flags, replay.Trigger{Heartbeats: c.FlagsAfter.Heartbeats}
				if c.FlagsAfter.Heartbeats == 0 {
					a.Cancel.Fuel = 1
				}
			}
		}
		if step.Want.Interrupted {
			a.Kill = 5_000_000
		}
		all = append(all, a)
	}
	return all
}

// in returns the payload of an argument in a world.
func (v Value) in(w *World) sandbox.Payload {
	p := v.payload()
	p.Data = bytes.ReplaceAll(p.Data, []byte(originOf), []byte(w.Origin()))
	return p
}

// Visit returns a context for the activities of the case. By it the world knows whether
// to deny their calls.
func (c Case) Visit(ctx context.Context) context.Context {
	return context.WithValue(ctx, visitKey{}, &visit{denied: c.Denied, calls: map[string]int{}})
}
