package testsuite_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"math"
	"reflect"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/wasmworker/wasmworker/guest-sdk/go/activity"
	"github.com/wasmworker/wasmworker/guest-sdk/go/converter"
	"github.com/wasmworker/wasmworker/guest-sdk/go/temporal"
	"github.com/wasmworker/wasmworker/guest-sdk/go/testsuite"
)

type Input struct {
	Name  string `json:"name"`
	Times int    `json:"times,omitempty"`
}

type Output struct {
	Greeting string `json:"greeting"`
}

func Greet(ctx context.Context, in Input) (Output, error) {
	return Output{"Hello, " + in.Name + "!"}, nil
}

type acts struct{ prefix string }

func (a *acts) Prefix(s string) (string, error) { return a.prefix + s, nil }

func result[T any](t *testing.T, fn any, args ...any) T {
	t.Helper()
	value, err := testsuite.NewTestActivityEnvironment().ExecuteActivity(fn, args...)
	if err != nil {
		t.Fatal(err)
	}
	var out T
	if err := value.Get(&out); err != nil {
		t.Fatal(err)
	}
	return out
}

func failure(t *testing.T, fn any, args ...any) *temporal.ApplicationError {
	t.Helper()
	return failureIn(t, testsuite.NewTestActivityEnvironment(), fn, args...)
}

func failureIn(t *testing.T, env *testsuite.TestActivityEnvironment, fn any, args ...any) *temporal.ApplicationError {
	t.Helper()
	_, err := env.ExecuteActivity(fn, args...)
	e, ok := err.(*temporal.ApplicationError)
	if !ok {
		t.Fatalf("the error is %T: %v", err, err)
	}
	return e
}

func raw(encoding, data string, more ...string) converter.RawValue {
	p := &converter.Payload{Metadata: map[string][]byte{"encoding": []byte(encoding)}, Data: []byte(data)}
	for i := 0; i < len(more); i += 2 {
		p.Metadata[more[i]] = []byte(more[i+1])
	}
	return converter.NewRawValue(p)
}

func TestArgumentsAndResults(t *testing.T) {
	if out := result[Output](t, Greet, Input{Name: "Ada"}); out.Greeting != "Hello, Ada!" {
		t.Error(out)
	}
	long := strings.Repeat("x", 100_000)
	if out := result[string](t, func(a string, b int) (string, error) { return a + fmt.Sprint(b), nil }, long, 5); out != long+"5" {
		t.Error(len(out))
	}
	if out := result[string](t, (&acts{"pre-"}).Prefix, "x"); out != "pre-x" {
		t.Error(out)
	}
	// missing arguments are zero values, extra ones are ignored
	three := func(ctx context.Context, a int, b string, c *Input) (string, error) {
		return fmt.Sprintf("%v %v %v", a, b, c == nil), nil
	}
	if out := result[string](t, three, 1); out != "1  true" {
		t.Error(out)
	}
	if out := result[string](t, three, 1, "b", Input{}, "extra"); out != "1 b false" {
		t.Error(out)
	}
	if out := result[[]byte](t, func(b []byte) ([]byte, error) { return append(b, '!'), nil }, []byte("bytes")); string(out) != "bytes!" {
		t.Errorf("%q", out)
	}
	if out := result[int](t, func(v any) (int, error) { return len(v.([]byte)), nil }, []byte("bytes")); out != 5 {
		t.Error(out)
	}
	if out := result[string](t, func(in Input) (string, error) { return in.Name, nil }, nil); out != "" {
		t.Error(out)
	}
	if out := result[int](t, func(ns ...int) (sum int, err error) {
		for _, n := range ns {
			sum += n
		}
		return sum, nil
	}, 1, 2, 3); out != 6 {
		t.Error(out)
	}
	if out := result[int](t, func(_ context.Context, ns ...int) (int, error) { return len(ns), nil }); out != 0 {
		t.Error(out)
	}
	if out := result[string](t, func(_ int, rest []converter.RawValue) (string, error) {
		return fmt.Sprintf("%d %s", len(rest), rest[1].Payload().Encoding()), nil
	}, 1, "a", raw("x/y", "")); out != "2 x/y" {
		t.Error(out)
	}
	// a []byte argument is the activity's own
	var kept [][]byte
	keep := func(bs ...[]byte) error { kept = bs; return nil }
	env := testsuite.NewTestActivityEnvironment()
	if _, err := env.ExecuteActivity(keep, []byte("one"), []byte("two"), make([]byte, 5000)); err != nil || string(kept[0]) != "one" || string(kept[1]) != "two" || len(kept[2]) != 5000 {
		t.Errorf("%q, %v", kept, err)
	}
}

func TestEncodingOfResults(t *testing.T) {
	for _, test := range []struct {
		fn       any
		encoding string
		data     string
	}{
		{func() (string, error) { return "x", nil }, "json/plain", `"x"`},
		{func() (*Input, error) { return &Input{Name: "x"}, nil }, "json/plain", `{"name":"x"}`},
		{func() (any, error) { return 1, nil }, "json/plain", `1`},
		{func() ([]byte, error) { return []byte("x"), nil }, "binary/plain", "x"},
		{func() ([]byte, error) { return nil, nil }, "binary/plain", ""},
		{func() (*Input, error) { return nil, nil }, "binary/null", ""},
		{func() (any, error) { return nil, nil }, "binary/null", ""},
		{func() (converter.RawValue, error) { return raw("a/b", "x"), nil }, "a/b", "x"},
		{func() (*converter.RawValue, error) { r := raw("a/b", "x"); return &r, nil }, "a/b", "x"},
		{func() (*converter.RawValue, error) { return nil, nil }, "binary/null", ""},
		{func() (converter.RawValue, error) { return converter.RawValue{}, nil }, "binary/null", ""},
	} {
		r := result[converter.RawValue](t, test.fn)
		if r.Payload().Encoding() != test.encoding || string(r.Payload().Data) != test.data || len(r.Payload().Metadata) != 1 {
			t.Errorf("%T: %s %q", test.fn, r.Payload().Metadata, r.Payload().Data)
		}
	}
	value, err := testsuite.NewTestActivityEnvironment().ExecuteActivity(func() error { return nil })
	if err != nil || value.HasValue() {
		t.Error("no result became one", err)
	}
}

func TestEcho(t *testing.T) {
	echo := func(v converter.RawValue) (converter.RawValue, error) { return v, nil }
	for _, in := range []converter.RawValue{
		raw("json/plain", `{"a": 1}`),
		raw("json/plain", `"x"`, "messageType", "acme.Order", "binary", "\xff\x00"),
		raw("json/protobuf", `{}`, "messageType", "acme.Order"),
		raw("binary/plain", strings.Repeat("\x00\xff", 10_000)),
		raw("binary/null", ""),
		raw("", "no encoding"),
		converter.NewRawValue(&converter.Payload{Data: []byte("no metadata")}),
	} {
		out := result[converter.RawValue](t, echo, in)
		want := in.Payload().Metadata
		if want == nil {
			want = map[string][]byte{}
		}
		if !reflect.DeepEqual(out.Payload().Metadata, want) || !bytes.Equal(out.Payload().Data, in.Payload().Data) {
			t.Errorf("%s %.20q became %s %.20q", in.Payload().Metadata, in.Payload().Data, out.Payload().Metadata, out.Payload().Data)
		}
	}
}

type panicky struct{}

func (panicky) MarshalJSON() ([]byte, error) { panic("in MarshalJSON") }
func (*panicky) UnmarshalJSON([]byte) error  { panic("in UnmarshalJSON") }

func TestInvalid(t *testing.T) {
	for _, test := range []struct {
		fn      any
		args    []any
		errType string
		message string
	}{
		{Greet, []any{map[string]int{"name": 7}}, "InvalidInput", "argument 1 of 1: unable to decode: json: cannot unmarshal number into Go struct field Input.name of type string"},
		{func(_ int, _ string) error { return nil }, []any{1, []byte("x")}, "InvalidInput", "argument 2 of 2: binary/plain into string: type is not a byte slice"},
		{func(_ Input) error { return nil }, []any{raw("binary/encrypted", "{}", "messageType", "acme.Order")}, "InvalidInput", "argument 1 of 1: binary/encrypted into testsuite_test.Input: payload encoding is not supported (take a converter.RawValue for it)"},
		{func(_ any) error { return nil }, []any{raw("binary/protobuf", "{}")}, "InvalidInput", "argument 1 of 1: binary/protobuf into interface {}: payload encoding is not supported (take a converter.RawValue for it)"},
		{func(_ []byte) error { return nil }, []any{raw("json/plain+zlib", "{}")}, "InvalidInput", "argument 1 of 1: json/plain+zlib into []uint8: payload encoding is not supported (take a converter.RawValue for it)"},
		{func(_ Input) error { return nil }, []any{raw("json/protobuf", `{"name": 7}`)}, "InvalidInput", "argument 1 of 1: unable to decode: json: cannot unmarshal number into Go struct field Input.name of type string"},
		{func(_ Input) error { return nil }, []any{raw("", "")}, "InvalidInput", "argument 1 of 1: unable to decode: unexpected end of JSON input"},
		{func(_ ...int) error { return nil }, []any{1, "x"}, "InvalidInput", "argument 2 of 2: unable to decode: json: cannot unmarshal string into Go value of type int"},
		{func() (float64, error) { return math.NaN(), nil }, nil, "InvalidOutput", "result: unable to encode: json: unsupported value: NaN"},
		{func() (any, error) { return []converter.RawValue{raw("a/b", "")}, nil }, nil, "InvalidOutput", ""},
		{func() ([]byte, error) { return make([]byte, 2<<20+1), nil }, nil, "OutputTooLarge", "result: output_write: the output is longer than 2 MiB"},
		{func() {}, nil, "InvalidActivity", "an activity returns error or (T, error), this is of type func()"},
		{func() string { return "" }, nil, "InvalidActivity", ""},
		//lint:ignore ST1008 that is the mistake
		{func() (error, string) { return nil, "" }, nil, "InvalidActivity", ""},
		{func() (int, int, error) { return 0, 0, nil }, nil, "InvalidActivity", ""},
		{17, nil, "InvalidActivity", "an activity is a function, this is of type int"},
		{nil, nil, "InvalidActivity", ""},
		{(func() error)(nil), nil, "InvalidActivity", ""},
	} {
		e := failure(t, test.fn, test.args...)
		if e.Type() != test.errType || !e.NonRetryable() || test.message != "" && e.Message() != test.message {
			t.Errorf("%T: %v", test.fn, e)
		}
	}
	env := testsuite.NewTestActivityEnvironment()
	for _, fn := range []any{func(panicky) error { return nil }, func() (panicky, error) { return panicky{}, nil }} {
		if _, err := env.ExecuteActivity(fn, 1); !temporal.IsPanicError(err) || !strings.Contains(err.Error(), "arshalJSON") {
			t.Errorf("%T: %v", fn, err)
		}
	}
	if _, err := env.ExecuteActivity(Greet, make(chan int)); err == nil || err.Error() != "argument 1: unable to encode: json: unsupported type: chan int" {
		t.Error(err)
	}
}

type customError struct{ cause error }

func (e *customError) Error() string { return "custom: " + e.cause.Error() }
func (e *customError) Unwrap() error { return e.cause }

func TestFailures(t *testing.T) {
	for _, test := range []struct {
		err     error
		errType string
		message string
	}{
		{errors.New("plain"), "", "plain"},
		{fmt.Errorf("plain"), "", "plain"},
		{fmt.Errorf("outer: %w", errors.New("inner")), "wrapError", "outer: inner"},
		{&fs.PathError{Op: "open", Path: "x", Err: fs.ErrNotExist}, "PathError", "open x: file does not exist"},
		{&customError{errors.New("x")}, "customError", "custom: x"},
		{errors.Join(errors.New("a"), errors.New("b")), "joinError", "a\nb"},
		{context.DeadlineExceeded, "deadlineExceededError", "context deadline exceeded"},
		{context.Canceled, "", "context canceled"}, // the activity's own: nobody has asked for it
	} {
		e := failure(t, func() (int, error) { return 1, test.err })
		if e.Type() != test.errType || e.Message() != test.message || e.NonRetryable() {
			t.Errorf("%#v: %v", test.err, e)
		}
	}

	e := failure(t, func() error {
		return temporal.NewApplicationErrorWithOptions("declined", "Card", temporal.ApplicationErrorOptions{
			NonRetryable:   true,
			Cause:          &customError{fmt.Errorf("no connection: %w", temporal.NewApplicationError("timeout", "Net", "host", 80))},
			Details:        []any{Input{Name: "Ada"}, []byte{1, 2}, nil, raw("json/plain", `"raw"`), raw("binary/null", ""), raw("binary/plain", "b"), make(chan int), raw("x/y", "\xff")},
			NextRetryDelay: 1500 * time.Microsecond,
			Category:       temporal.ApplicationErrorCategoryBenign,
		})
	})
	if e.Type() != "Card" || e.Message() != "declined" || !e.NonRetryable() || e.NextRetryDelay() != time.Millisecond || e.Category() != temporal.ApplicationErrorCategoryBenign {
		t.Errorf("%+v", e)
	}
	var in Input
	var b, b2 []byte
	var text, unencodable, binary string
	var nothing1, nothing2 any
	if err := e.Details(&in, &b, &nothing1, &text, &nothing2, &b2, &unencodable, &binary); err != nil ||
		in.Name != "Ada" || string(b) != "\x01\x02" || nothing1 != nil || text != "raw" || nothing2 != nil || string(b2) != "b" ||
		!strings.Contains(unencodable, "unsupported type: chan int") || !strings.Contains(binary, "could not be encoded") {
		t.Error(in, b, nothing1, text, nothing2, b2, unencodable, binary, err)
	}
	var chain []string
	for err := e.Unwrap(); err != nil; err = errors.Unwrap(err) {
		e := err.(*temporal.ApplicationError)
		chain = append(chain, e.Type()+"/"+e.Message())
	}
	if got := strings.Join(chain, "; "); got != `customError/custom: no connection: timeout (type: Net, retryable: true); wrapError/no connection: timeout (type: Net, retryable: true); Net/timeout` {
		t.Error(got)
	}
	var inner *temporal.ApplicationError
	var host string
	errors.As(e.Unwrap().(*temporal.ApplicationError).Unwrap().(*temporal.ApplicationError).Unwrap(), &inner)
	if err := inner.Details(&host); err != nil || host != "host" {
		t.Error(host, err)
	}

	// an error that came out of a failure goes back into one
	again := failure(t, func() error { return e })
	if err := again.Details(&in, &b); err != nil || string(b) != "\x01\x02" || again.Type() != "Card" {
		t.Error(again, err)
	}
}

// several is an error of several that does not tell their texts.
type several []error

func (e several) Error() string   { return fmt.Sprint(len(e), " errors") }
func (e several) Unwrap() []error { return e }

func TestSeveralErrors(t *testing.T) {
	declined := temporal.NewNonRetryableApplicationError("declined", "CardDeclined", nil, 51)
	e := failure(t, func() error { return errors.Join(declined, fs.ErrClosed, errors.New("c")) })
	var inner *temporal.ApplicationError
	var code int
	if e.Message() != declined.Error()+"\nfile already closed\nc" || !errors.As(e.Unwrap(), &inner) || inner.Type() != "CardDeclined" ||
		!inner.NonRetryable() || inner.Details(&code) != nil || code != 51 {
		t.Errorf("%v, caused by %v", e, e.Unwrap())
	}
	e = failure(t, func() error { return fmt.Errorf("%w, after %w", errors.New("a"), declined) })
	if e.Message() != "a, after "+declined.Error() || e.Type() != "wrapErrors" || e.Unwrap().Error() != "a" {
		t.Errorf("%v, caused by %v", e, e.Unwrap())
	}
	e = failure(t, func() error {
		return fmt.Errorf("outer: %w", several{nil, errors.New("a"), &customError{errors.New("b")}, nil, declined, errors.New("c")})
	})
	inner = e.Unwrap().(*temporal.ApplicationError)
	if e.Message() != "outer: 6 errors" || inner.Type() != "several" || inner.Unwrap().Error() != "a" ||
		inner.Message() != "6 errors (also: customError: custom: b; declined (type: CardDeclined, retryable: false); c)" {
		t.Errorf("%v, caused by %v", e, e.Unwrap())
	}
	for _, empty := range []error{several{}, several{nil}} {
		if e := failure(t, func() error { return empty }); e.Unwrap() != nil || e.Message() != empty.Error() {
			t.Errorf("%v, caused by %v", e, e.Unwrap())
		}
	}
}

func TestSeveralErrorsHaveLimits(t *testing.T) {
	var many several
	for i := range 1000 {
		many = append(many, fmt.Errorf("%d: %s", i, strings.Repeat("é", 20_000)))
	}
	e := failure(t, func() error { return many })
	if !strings.HasPrefix(e.Message(), "1000 errors (also: 1: éé") ||
		!strings.HasSuffix(e.Message(), "; and 991 more)") || len(e.Message()) > 5000 || !strings.HasPrefix(e.Unwrap().Error(), "0: éé") {
		t.Errorf("%d bytes: %.100s … %s", len(e.Message()), e.Message(), e.Message()[len(e.Message())-100:])
	}
	// Errors of errors: what is added is bounded for all of them together.
	nested := several{errors.New("bottom")}
	for i := range 30 {
		nested = several{nested, errors.New(strings.Repeat("x", 10_000)), fmt.Errorf("%d", i)}
	}
	size, depth := 0, 0
	for err := error(failure(t, func() error { return nested })); err != nil; err = errors.Unwrap(err) {
		size += len(err.(*temporal.ApplicationError).Message())
		depth++
	}
	if depth != 16 || size > 5000 {
		t.Errorf("%d bytes in %d causes", size, depth)
	}
	// One whose text has all of them takes no longer for that.
	joined := make([]error, 20_000)
	for i := range joined {
		joined[i] = errors.New("the same")
	}
	if e := failure(t, func() error { return errors.Join(joined...) }); strings.Contains(e.Message(), "also") {
		t.Errorf("%.100v", e)
	}
	e = failure(t, func() error { return temporal.NewNonRetryableApplicationError("m", strings.Repeat("T", 300<<10), nil) })
	if e.Type() != strings.Repeat("T", 256) || e.Message() != "m" || !e.NonRetryable() {
		t.Errorf("%.300v", e)
	}
}

func TestLongFailures(t *testing.T) {
	deep := errors.New("bottom")
	for range 50 {
		deep = fmt.Errorf("%w", deep)
	}
	depth := 0
	for err := error(failure(t, func() error { return deep })); err != nil; err = errors.Unwrap(err) {
		depth++
	}
	if depth != 16 {
		t.Errorf("%d causes deep", depth)
	}
	e := failure(t, func() error {
		return temporal.NewNonRetryableApplicationError(strings.Repeat("é", 200_000), "Long", deep, strings.Repeat("d", 300_000))
	})
	if e.Type() != "Long" || !e.NonRetryable() || e.HasDetails() || e.Unwrap() != nil || len(e.Message()) > 5000 || !strings.HasPrefix(e.Message(), "éé") ||
		!strings.Contains(e.Message(), "details were too long") {
		t.Errorf("%.100v", e)
	}
	e = failure(t, func() error { return errors.New(strings.Repeat("x", 1<<20)) })
	if len(e.Message()) > 5000 {
		t.Errorf("%.100v", e)
	}
}

func TestPanics(t *testing.T) {
	env := testsuite.NewTestActivityEnvironment()
	for _, test := range []struct {
		fn   any
		want string
	}{
		{func() error { panic("oh no") }, "oh no"},
		{func() error { panic(fmt.Errorf("an error")) }, "an error"},
		//lint:ignore SA5000 that is the mistake
		{func() error { var m map[string]int; m["x"] = 1; return nil }, "assignment to entry in nil map"},
		{func() error { panic(nil) }, "panic called with nil argument"},
		{func() error { var e *temporal.ApplicationError; return e }, "invalid memory address or nil pointer dereference"},
	} {
		_, err := env.ExecuteActivity(test.fn)
		var e *temporal.PanicError
		if !errors.As(err, &e) || !strings.Contains(e.Error(), test.want) {
			t.Errorf("%v instead of %s", err, test.want)
			continue
		}
		if stack := e.StackTrace(); stack == "" || len(stack) > 4<<10 || strings.Contains(stack, "goroutine") {
			t.Errorf("the stack is %s", stack)
		}
	}
	_, err := env.ExecuteActivity(panicsDeep)
	var e *temporal.PanicError
	if errors.As(err, &e); !strings.Contains(e.StackTrace(), "testsuite_test.panicsDeep") || !strings.Contains(e.StackTrace(), "testsuite_test.go:") ||
		strings.Contains(e.StackTrace(), "reflect.Value") {
		t.Errorf("the stack is\n%s", e.StackTrace())
	}
	if e := failure(t, func() error { runtime.Goexit(); return nil }); e.Type() != "Goexit" || e.NonRetryable() {
		t.Error(e)
	}
	// recovered by the activity itself: nothing has happened
	if out := result[string](t, func() (s string, err error) {
		defer func() { s = fmt.Sprint(recover()) }()
		panic("mine")
	}); out != "mine" {
		t.Error(out)
	}
}

//go:noinline
func panicsDeep() error { panic("deep") }

func TestInfo(t *testing.T) {
	env := testsuite.NewTestActivityEnvironment()
	var got activity.Info
	get := func(ctx context.Context) error {
		got = activity.GetInfo(ctx)
		if d, ok := ctx.Deadline(); ok != !got.Deadline.IsZero() || !d.Equal(got.Deadline) {
			t.Errorf("the context's deadline is %v, %v", d, ok)
		}
		if !activity.IsActivity(context.WithValue(ctx, key{}, "v")) || activity.IsActivity(context.Background()) {
			t.Error("IsActivity is wrong")
		}
		return nil
	}
	if _, err := env.ExecuteActivity(get); err != nil {
		t.Fatal(err)
	}
	//lint:ignore SA1019 ported activities may read it
	if got.Attempt != 1 || !got.IsWorkflowActivity() || got.WorkflowType == nil || got.WorkflowNamespace != got.Namespace || got.ActivityRunID != "" ||
		time.Until(got.Deadline) < 9*time.Minute || got.RetryPolicy != nil {
		t.Errorf("%+v", got)
	}
	want := activity.Info{
		WorkflowType:           &activity.Type{Name: "Order"},
		WorkflowNamespace:      "ns",
		WorkflowExecution:      activity.WorkflowExecution{ID: "w", RunID: "r"},
		ActivityID:             "5",
		ActivityType:           activity.Type{Name: "Greet"},
		TaskQueue:              "q",
		Namespace:              "ns",
		HeartbeatTimeout:       30 * time.Second,
		ScheduleToCloseTimeout: time.Hour,
		StartToCloseTimeout:    time.Minute,
		ScheduledTime:          time.Date(2026, 1, 2, 3, 4, 5, 123456789, time.UTC),
		StartedTime:            time.Date(2026, 1, 2, 3, 4, 6, 0, time.UTC),
		Attempt:                3,
		IsLocalActivity:        true,
		Priority:               temporal.Priority{PriorityKey: 2, FairnessKey: "tenant", FairnessWeight: 1.5},
		RetryPolicy: &temporal.RetryPolicy{InitialInterval: time.Second, BackoffCoefficient: 1.5, MaximumInterval: time.Minute, MaximumAttempts: 4,
			NonRetryableErrorTypes: []string{"Bad"}},
	}
	env.SetInfo(func(info *activity.Info) { *info = want })
	if _, err := env.ExecuteActivity(get); err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("%+v, %v", got, err)
	}
	env.SetInfo(nil).SetExecuteActivitiesInWorkflow(false)
	//lint:ignore SA1019 ported activities may read it
	if _, err := env.ExecuteActivity(get); err != nil || got.IsWorkflowActivity() || got.WorkflowType != nil || got.WorkflowNamespace != "" || got.ActivityRunID == "" {
		t.Errorf("%+v, %v", got, err)
	}
	if _, err := env.ExecuteActivity(Greet, Input{}); err != nil {
		t.Error(err)
	}
	env.SetInfo(func(info *activity.Info) { got = *info })
	_, _ = env.ExecuteActivity((&acts{}).Prefix)
	if got.ActivityType.Name != "Prefix" {
		t.Errorf("the activity type is %q", got.ActivityType.Name)
	}
	func() {
		defer func() {
			if recover() == nil {
				t.Error("GetInfo took any context")
			}
		}()
		activity.GetInfo(t.Context())
	}()
}

func TestRegistered(t *testing.T) {
	var suite testsuite.WorkflowTestSuite
	env := suite.NewTestActivityEnvironment()
	env.RegisterActivity(Greet)
	env.RegisterActivity(&acts{})
	value, err := env.ExecuteActivity("Greet", Input{Name: "Ada"})
	var out Output
	if err != nil || value.Get(&out) != nil || out.Greeting != "Hello, Ada!" {
		t.Error(out, err)
	}
	if _, err := env.ExecuteActivity("Nobody"); err == nil {
		t.Error("an activity that does not exist ran")
	}
}

func TestHeartbeats(t *testing.T) {
	env := testsuite.NewTestActivityEnvironment()
	var beats []string
	env.SetOnActivityHeartbeatListener(func(info *activity.Info, details converter.EncodedValues) {
		var n int
		var s converter.RawValue
		if !details.HasValues() {
			beats = append(beats, "none")
			return
		}
		if err := details.Get(&n, &s); err != nil {
			t.Error(err)
		}
		beats = append(beats, fmt.Sprintf("%d %d %s", info.Attempt, n, s.Payload().Encoding()))
	})
	fn := func(ctx context.Context) (string, error) {
		var n int
		var s string
		had := activity.HasHeartbeatDetails(ctx)
		err := activity.GetHeartbeatDetails(ctx, &n, &s)
		activity.RecordHeartbeat(ctx, n+1, []byte("b"))
		activity.RecordHeartbeat(ctx)
		activity.RecordHeartbeat(ctx, nil)
		activity.RecordHeartbeat(ctx, 7, nil)
		return fmt.Sprint(had, " ", n, " ", s, " ", err), nil
	}
	run := func(want string) {
		t.Helper()
		beats = nil
		value, err := env.ExecuteActivity(fn)
		if err != nil {
			t.Fatal(err)
		}
		var got string
		if value.Get(&got); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
	run("false 0  no data available")
	if got := fmt.Sprint(beats); got != "[1 1 binary/plain none none 1 7 binary/null]" {
		t.Error(got)
	}
	env.SetHeartbeatDetails(41)
	run("true 41  <nil>")
	env.SetHeartbeatDetails(41, strings.Repeat("x", 2000))
	run("true 41 " + strings.Repeat("x", 2000) + " <nil>")
	env.SetHeartbeatDetails("text")
	run("true 0  heartbeat details: payload item 0: unable to decode: json: cannot unmarshal string into Go value of type int (type: InvalidInput, retryable: false): payload item 0: unable to decode: json: cannot unmarshal string into Go value of type int")
	env.SetHeartbeatDetails(raw("json/protobuf", "41"), converter.NewRawValue(&converter.Payload{Data: []byte(`"x"`)}))
	run("true 41 x <nil>")
	env.SetHeartbeatDetails(raw("binary/encrypted", "41"))
	_, err := env.ExecuteActivity(func(ctx context.Context) error { return activity.GetHeartbeatDetails(ctx, new(int)) })
	var e *temporal.ApplicationError
	if !errors.As(err, &e) || e.Type() != "InvalidInput" || !e.NonRetryable() || !strings.Contains(e.Message(), "binary/encrypted into int") {
		t.Error(err)
	}

	for _, bad := range []any{make(chan int), make([]byte, 2<<20+1)} {
		_, err := env.ExecuteActivity(func(ctx context.Context) error { activity.RecordHeartbeat(ctx, bad); return nil })
		if !temporal.IsPanicError(err) || !strings.Contains(err.Error(), "heartbeat detail 0: ") {
			t.Errorf("%T: %v", bad, err)
		}
	}
}

// request is one way in which an activity is asked to end.
type request struct {
	name  string
	ask   func(*testsuite.TestActivityEnvironment)
	cause error // nil: a *temporal.CanceledError
}

var requests = []request{
	{"cancel", (*testsuite.TestActivityEnvironment).RequestCancel, nil},
	{"pause", (*testsuite.TestActivityEnvironment).Pause, activity.ErrActivityPaused},
	{"reset", (*testsuite.TestActivityEnvironment).Reset, activity.ErrActivityReset},
	{"gone", (*testsuite.TestActivityEnvironment).Abandon, activity.ErrActivityGone},
	{"stop", (*testsuite.TestActivityEnvironment).StopWorker, activity.ErrWorkerShutdown},
}

func (r request) check(t *testing.T, ctx context.Context) {
	t.Helper()
	if err := ctx.Err(); err != context.Canceled {
		t.Errorf("the context ended with %v", err)
	}
	cause := context.Cause(ctx)
	if r.cause == nil && !temporal.IsCanceledError(cause) || r.cause != nil && cause != r.cause {
		t.Errorf("the cause is %v", cause)
	}
}

func TestRequests(t *testing.T) {
	ways := map[string]func(ctx context.Context) context.Context{
		"done": func(ctx context.Context) context.Context { <-ctx.Done(); return ctx },
		"err": func(ctx context.Context) context.Context {
			for ctx.Err() == nil {
			}
			return ctx
		},
		"poll": func(ctx context.Context) context.Context {
			for {
				select {
				case <-ctx.Done():
					return ctx
				//lint:ignore SA5004 a loop that computes
				default:
				}
			}
		},
		"heartbeat": func(ctx context.Context) context.Context {
			for range 1000 {
				activity.RecordHeartbeat(ctx)
				time.Sleep(time.Millisecond)
				if c := context.Cause(ctx); c != nil {
					break
				}
			}
			return ctx
		},
		"derived": func(ctx context.Context) context.Context {
			ctx, cancel := context.WithTimeout(context.WithValue(ctx, key{}, "v"), time.Hour)
			time.AfterFunc(time.Minute, cancel)
			<-ctx.Done()
			return ctx
		},
		"afterfunc": func(ctx context.Context) context.Context {
			done := make(chan struct{})
			context.AfterFunc(ctx, func() { close(done) })
			<-done
			return ctx
		},
	}
	for _, r := range requests {
		for name, wait := range ways {
			t.Run(r.name+"/"+name, func(t *testing.T) {
				t.Parallel()
				env := testsuite.NewTestActivityEnvironment().SetTestTimeout(10 * time.Second)
				time.AfterFunc(30*time.Millisecond, func() { r.ask(env) })
				_, err := env.ExecuteActivity(func(ctx context.Context) (string, error) {
					ctx = wait(ctx)
					r.check(t, ctx)
					return "ignored", ctx.Err()
				})
				var e *temporal.ApplicationError
				if r.cause == activity.ErrWorkerShutdown {
					if !errors.As(err, &e) || e.Type() != "WorkerShutdown" || e.NonRetryable() || !strings.Contains(err.Error(), "context canceled") {
						t.Errorf("returned %v", err)
					}
				} else if !temporal.IsCanceledError(err) {
					t.Errorf("returned %v", err)
				}
			})
		}
	}
}

func TestRequestedBefore(t *testing.T) {
	for _, r := range requests {
		env := testsuite.NewTestActivityEnvironment()
		r.ask(env)
		value, err := env.ExecuteActivity(func(ctx context.Context) (int, error) { r.check(t, ctx); return 5, nil })
		if err != nil || !value.HasValue() { // finishing all the same is fine
			t.Error(r.name, err)
		}
	}
}

func TestWhatIsReturnedAfterARequest(t *testing.T) {
	progress := temporal.NewCanceledError("half")
	for _, test := range []struct {
		ask     string
		err     error
		outcome string // canceled, or the type of the failure
		details string
	}{
		{"cancel", context.Canceled, "canceled", ""},
		{"cancel", fmt.Errorf("x: %w", context.Canceled), "canceled", ""},
		{"cancel", progress, "canceled", `"half"`},
		{"cancel", fmt.Errorf("x: %w", progress), "canceled", `"half"`},
		{"cancel", temporal.NewCanceledError("half", 2), "canceled", `["half",2]`},
		{"cancel", temporal.NewCanceledError(raw("x/y", "half")), "canceled", `half`},
		{"cancel", temporal.NewCanceledError(make(chan int)), "canceled", `"this detail could not be encoded: json: unsupported type: chan int"`},
		{"cancel", temporal.NewApplicationErrorWithCause("m", "Mine", context.Canceled), "canceled", ""},
		{"cancel", errors.New("other"), "", ""},
		{"cancel", temporal.NewApplicationError("m", "Mine"), "Mine", ""},
		{"pause", activity.ErrActivityPaused, "canceled", ""},
		{"reset", activity.ErrActivityReset, "canceled", ""},
		{"gone", activity.ErrActivityGone, "canceled", ""},
		{"stop", context.Canceled, "WorkerShutdown", ""},
		{"stop", activity.ErrWorkerShutdown, "WorkerShutdown", ""},
		{"stop", progress, "WorkerShutdown", `"half"`},
		{"stop", temporal.NewApplicationErrorWithCause("m", "Mine", context.Canceled), "Mine", ""},
		{"stop", errors.New("other"), "", ""},
		{"", context.Canceled, "", ""},
		{"", progress, "UnexpectedCancel", ""},
		{"", fmt.Errorf("x: %w", progress), "wrapError", ""},
		{"", activity.ErrActivityPaused, "", ""},
	} {
		env := testsuite.NewTestActivityEnvironment()
		for _, r := range requests {
			if r.name == test.ask {
				r.ask(env)
			}
		}
		_, err := env.ExecuteActivity(func() error { return test.err })
		var outcome string
		var details interface {
			HasDetails() bool
			Details(...any) error
		}
		switch e := err.(type) {
		case *temporal.CanceledError:
			outcome, details = "canceled", e
		case *temporal.ApplicationError:
			outcome, details = e.Type(), e
			if e.NonRetryable() {
				t.Errorf("%s, %v: not retryable", test.ask, test.err)
			}
		}
		var data string
		if details.HasDetails() {
			var r converter.RawValue
			if err := details.Details(&r); err != nil {
				t.Error(err)
			}
			data = string(r.Payload().GetData())
		}
		if outcome != test.outcome || data != test.details {
			t.Errorf("%q, %v: %s with %s (%v)", test.ask, test.err, outcome, data, err)
		}
	}
}

func TestWorkerStopChannel(t *testing.T) {
	env := testsuite.NewTestActivityEnvironment()
	c := make(chan struct{})
	env.SetWorkerStopChannel(c)
	time.AfterFunc(30*time.Millisecond, func() { close(c) })
	value, err := env.ExecuteActivity(func(ctx context.Context) (string, error) {
		stop := activity.GetWorkerStopChannel(ctx)
		select {
		case <-stop:
			t.Error("stopped at once")
		default:
		}
		free := context.WithoutCancel(ctx)
		<-stop
		<-activity.GetWorkerStopChannel(ctx)
		if free.Err() != nil || !activity.IsActivity(free) || ctx.Err() == nil {
			t.Error(free.Err(), ctx.Err())
		}
		return "finished", nil
	})
	if err != nil || !value.HasValue() {
		t.Error(err)
	}

	// also after the context has ended for another reason
	env = testsuite.NewTestActivityEnvironment()
	env.RequestCancel()
	time.AfterFunc(50*time.Millisecond, env.StopWorker)
	_, err = env.ExecuteActivity(func(ctx context.Context) error {
		<-ctx.Done()
		<-activity.GetWorkerStopChannel(ctx)
		if !temporal.IsCanceledError(context.Cause(ctx)) {
			t.Error(context.Cause(ctx))
		}
		return ctx.Err()
	})
	if !temporal.IsCanceledError(err) {
		t.Error(err)
	}
}

func TestDeadline(t *testing.T) {
	soon := func() *testsuite.TestActivityEnvironment {
		return testsuite.NewTestActivityEnvironment().SetInfo(func(info *activity.Info) { info.Deadline = time.Now().Add(30 * time.Millisecond) })
	}
	for name, wait := range map[string]func(context.Context){
		"done": func(ctx context.Context) { <-ctx.Done() },
		"err": func(ctx context.Context) {
			for ctx.Err() == nil {
			}
		},
		"derived": func(ctx context.Context) {
			ctx, cancel := context.WithCancel(ctx)
			defer cancel()
			<-ctx.Done()
			if ctx.Err() != context.DeadlineExceeded || context.Cause(ctx) != context.DeadlineExceeded {
				t.Error(ctx.Err(), context.Cause(ctx))
			}
		},
	} {
		e := failureIn(t, soon(), func(ctx context.Context) error {
			wait(ctx)
			if ctx.Err() != context.DeadlineExceeded || context.Cause(ctx) != context.DeadlineExceeded {
				t.Error(name, ctx.Err(), context.Cause(ctx))
			}
			return ctx.Err()
		})
		if e.Type() != "deadlineExceededError" {
			t.Error(name, e)
		}
	}
	// a request after the deadline changes nothing
	env := soon()
	e := failureIn(t, env, func(ctx context.Context) error {
		<-ctx.Done()
		env.RequestCancel()
		activity.RecordHeartbeat(ctx)
		return ctx.Err()
	})
	if e.Type() != "deadlineExceededError" {
		t.Error(e)
	}
	// no deadline
	env = testsuite.NewTestActivityEnvironment().SetInfo(func(info *activity.Info) { info.Deadline = time.Time{} })
	if _, err := env.ExecuteActivity(func(ctx context.Context) error {
		if _, ok := ctx.Deadline(); ok {
			t.Error("there is a deadline")
		}
		return ctx.Err()
	}); err != nil {
		t.Error(err)
	}
}

// What an activity leaves behind finds an attempt that is over.
func TestAfterTheEnd(t *testing.T) {
	env := testsuite.NewTestActivityEnvironment()
	var mu sync.Mutex
	beats, logs := 0, &bytes.Buffer{}
	env.SetOnActivityHeartbeatListener(func(*activity.Info, converter.EncodedValues) {
		mu.Lock()
		defer mu.Unlock()
		beats++
	})
	env.SetLogger(slog.New(slog.NewTextHandler(logs, nil)))
	var left context.Context
	env.SetHeartbeatDetails(1)
	if _, err := env.ExecuteActivity(func(ctx context.Context) error {
		left = ctx
		ctx.Done()
		activity.GetWorkerStopChannel(ctx)
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	<-left.Done()
	if left.Err() != context.Canceled || context.Cause(left) != context.Canceled {
		t.Error(left.Err(), context.Cause(left))
	}
	activity.RecordHeartbeat(left, 1)
	activity.GetLogger(left).Error("late")
	if activity.HasHeartbeatDetails(left) {
		t.Error("there are heartbeat details after the end")
	}
	env.StopWorker()
	select {
	case <-activity.GetWorkerStopChannel(left):
		t.Error("the attempt before learnt of a stop")
	default:
	}
	if beats != 0 || logs.Len() != 0 {
		t.Error(beats, logs)
	}
}

func TestNoGoroutineIsLeft(t *testing.T) {
	before := runtime.NumGoroutine()
	for range 20 {
		env := testsuite.NewTestActivityEnvironment()
		if _, err := env.ExecuteActivity(func(ctx context.Context) error {
			ctx, cancel := context.WithTimeout(ctx, time.Hour)
			defer cancel()
			select {
			case <-ctx.Done():
			case <-activity.GetWorkerStopChannel(ctx):
			case <-time.After(time.Millisecond):
			}
			return nil
		}); err != nil {
			t.Fatal(err)
		}
	}
	for i := 0; runtime.NumGoroutine() > before; i++ {
		if i == 100 {
			t.Fatalf("%d goroutines, %d before", runtime.NumGoroutine(), before)
		}
		time.Sleep(10 * time.Millisecond)
	}
}

func TestSeveralGoroutines(t *testing.T) {
	env := testsuite.NewTestActivityEnvironment().SetLogger(slog.New(slog.DiscardHandler))
	var mu sync.Mutex
	pairs := 0
	env.SetOnActivityHeartbeatListener(func(_ *activity.Info, details converter.EncodedValues) {
		var a, b int
		if err := details.Get(&a, &b); err != nil || a != b {
			t.Error("details of two heartbeats were mixed", a, b, err)
		}
		mu.Lock()
		pairs++
		mu.Unlock()
	})
	if _, err := env.ExecuteActivity(func(ctx context.Context) error {
		var wg sync.WaitGroup
		for i := range 8 {
			wg.Go(func() {
				for range 50 {
					activity.RecordHeartbeat(ctx, i, i)
					activity.GetLogger(ctx).Info("x", "i", i)
					_ = activity.GetInfo(ctx)
					_ = ctx.Err()
					<-time.After(0)
				}
			})
		}
		wg.Wait()
		return nil
	}); err != nil || pairs != 400 {
		t.Error(pairs, err)
	}
}

func TestTestTimeout(t *testing.T) {
	env := testsuite.NewTestActivityEnvironment().SetTestTimeout(20 * time.Millisecond)
	release := make(chan struct{})
	defer close(release)
	if _, err := env.ExecuteActivity(func() error { <-release; return nil }); err == nil || !strings.Contains(err.Error(), "test timeout") {
		t.Error(err)
	}
}

func TestLogger(t *testing.T) {
	var out bytes.Buffer
	handler := slog.NewJSONHandler(&out, &slog.HandlerOptions{Level: slog.LevelInfo, ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
		if a.Key == slog.TimeKey {
			return slog.Attr{}
		}
		return a
	}})
	var suite testsuite.WorkflowTestSuite
	suite.SetLogger(slog.New(handler))
	if _, err := suite.NewTestActivityEnvironment().ExecuteActivity(func(ctx context.Context) error {
		log := activity.GetLogger(ctx)
		if log != activity.GetLogger(ctx) {
			t.Error("each call makes a logger")
		}
		log.Debug("not wanted")
		log.With("order", 17).WithGroup("card").Warn("declined", "code", 51, "err", errors.New("no money"))
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	var got map[string]any
	if err := json.Unmarshal(out.Bytes(), &got); err != nil {
		t.Fatalf("%s: %v", out.Bytes(), err)
	}
	want := map[string]any{"level": "WARN", "msg": "declined", "order": 17.0, "card": map[string]any{"code": 51.0, "err": "no money"}}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("%v", got)
	}
}

func TestPrepare(t *testing.T) {
	type mixed struct {
		Greet any
		//lint:ignore U1000 Prepare must cope with fields that it cannot set
		unknown panicky
	}
	activity.Prepare(Greet, (&acts{}).Prefix, func() error { return nil }, func(...int) error { return nil },
		func(panicky, mixed, chan int) (panicky, error) { return panicky{}, nil }, func(converter.RawValue) (converter.RawValue, error) { panic("called") })
	defer func() {
		if p, _ := recover().(string); !strings.HasPrefix(p, "activity.Prepare: an activity returns") {
			t.Error(p)
		}
	}()
	activity.Prepare(func() {})
}

func TestRunNeedsAHost(t *testing.T) {
	if runtime.GOOS == "wasip1" {
		t.Skip("there may be one")
	}
	defer func() {
		if p, _ := recover().(string); !strings.Contains(p, "testsuite") {
			t.Error(p)
		}
	}()
	activity.Run(Greet)
}

// key is a key of a context's value.
type key struct{}
