package abi_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/wasmworker/wasmworker/abi"
)

func TestParseFailure(t *testing.T) {
	got, err := abi.ParseFailure([]byte(`{
		"type": "CardDeclined", "message": "card declined", "non_retryable": true, "next_retry_delay_ms": 1500,
		"category": "benign", "details": [{"code": 51}, "free text", null], "stack_trace": "main.go:1",
		"cause": {"type": "Bank", "message": "no funds"}, "field_of_a_later_version": 1}`))
	if err != nil {
		t.Fatal(err)
	}
	if got.Type != "CardDeclined" || got.Message != "card declined" || !got.NonRetryable || got.Category != "benign" || got.StackTrace != "main.go:1" {
		t.Errorf("got %+v", got)
	}
	if d := time.Duration(got.NextRetryDelay); d != 1500*time.Millisecond {
		t.Errorf("next retry delay %s", d)
	}
	if want := `[{"code": 51} "free text" null]`; fmt.Sprintf("%s", got.Details) != want {
		t.Errorf("details %s, want %s", got.Details, want)
	}
	if got.Error() != "CardDeclined: card declined" {
		t.Errorf("Error() = %q", got.Error())
	}
	if got.Cause == nil || got.Cause.Error() != "Bank: no funds" || got.Cause.Cause != nil {
		t.Errorf("cause %+v", got.Cause)
	}
	if without := (&abi.Failure{Message: "just so"}).Error(); without != "just so" {
		t.Errorf("Error() without a type = %q", without)
	}
}

func TestParseFailureRefuses(t *testing.T) {
	tests := []struct {
		name, data string
		want       abi.Errno
	}{
		{"nothing", ``, abi.EINVAL},
		{"not JSON", `{"message":`, abi.EINVAL},
		{"null", `null`, abi.EINVAL},
		{"an array", `[{"message": "x"}]`, abi.EINVAL},
		{"a string", `"boom"`, abi.EINVAL},
		{"two values", `{"message": "x"} {}`, abi.EINVAL},
		{"a message that is no string", `{"message": 7}`, abi.EINVAL},
		{"details that are no list", `{"message": "x", "details": {"a": 1}}`, abi.EINVAL},
		{"an unknown category", `{"message": "x", "category": "fatal"}`, abi.EINVAL},
		{"an unknown category in a cause", `{"message": "x", "cause": {"message": "y", "category": "fatal"}}`, abi.EINVAL},
		{"a negative delay", `{"message": "x", "next_retry_delay_ms": -1}`, abi.EINVAL},
		{"a negative delay in a cause", `{"message": "x", "cause": {"message": "y", "next_retry_delay_ms": -9223372036854}}`, abi.EINVAL},
		{"a delay that is no number", `{"message": "x", "next_retry_delay_ms": NaN}`, abi.EINVAL},
		{"a delay beyond nanoseconds", `{"message": "x", "next_retry_delay_ms": 9223372036855}`, abi.EINVAL},
		{"a delay beyond 64 bits", `{"message": "x", "next_retry_delay_ms": 1e300}`, abi.EINVAL},
		{"a delay out of range", `{"message": "x", "next_retry_delay_ms": 9223372036854775807}`, abi.EINVAL},
		{"half a millisecond", `{"message": "x", "next_retry_delay_ms": 0.5}`, abi.EINVAL},
		{"nesting beyond the decoder", strings.Repeat(`{"cause":`, 20000) + `null` + strings.Repeat(`}`, 20000), abi.EINVAL},
		{"one byte too many", failureOfSize(abi.MaxFailureSize + 1), abi.EMSGSIZE},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			f, err := abi.ParseFailure([]byte(tt.data))
			if !errors.Is(err, tt.want) {
				t.Errorf("error %v, want %v", err, tt.want)
			}
			if f != nil {
				t.Errorf("got a failure beside the error: %+v", f)
			}
		})
	}
}

func TestParseFailureOfLargestSize(t *testing.T) {
	f, err := abi.ParseFailure([]byte(failureOfSize(abi.MaxFailureSize)))
	if err != nil {
		t.Fatal(err)
	}
	if want := abi.MaxFailureSize - len(`{"message":""}`); len(f.Message) != want {
		t.Errorf("the message has %d bytes, want %d", len(f.Message), want)
	}
}

func failureOfSize(n int) string {
	const around = `{"message":""}`
	return `{"message":"` + strings.Repeat("x", n-len(around)) + `"}`
}

func TestParseFailureCutsCauses(t *testing.T) {
	for _, tt := range []struct{ causes, want int }{
		{0, 0},
		{abi.MaxCauseDepth - 1, abi.MaxCauseDepth - 1},
		{abi.MaxCauseDepth, abi.MaxCauseDepth},
		{abi.MaxCauseDepth + 1, abi.MaxCauseDepth},
		{1000, abi.MaxCauseDepth},
	} {
		var b strings.Builder
		for i := range tt.causes {
			fmt.Fprintf(&b, `{"message":"%d","cause":`, i)
		}
		fmt.Fprintf(&b, `{"message":"%d"}`, tt.causes)
		b.WriteString(strings.Repeat("}", tt.causes))
		f, err := abi.ParseFailure([]byte(b.String()))
		if err != nil {
			t.Fatal(err)
		}
		got := 0
		for c := f; c.Cause != nil; c = c.Cause {
			got++
			if want := fmt.Sprint(got); c.Cause.Message != want {
				t.Fatalf("cause %s has the message %q", want, c.Cause.Message)
			}
		}
		if got != tt.want {
			t.Errorf("of %d causes %d are left, want %d", tt.causes, got, tt.want)
		}
	}
}

func TestMilliseconds(t *testing.T) {
	const most = time.Duration(math.MaxInt64 / int64(time.Millisecond) * int64(time.Millisecond))
	tests := []struct {
		duration time.Duration
		json     string
		back     time.Duration
	}{
		{0, "0", 0},
		{time.Millisecond, "1", time.Millisecond},
		{1, "1", time.Millisecond}, // less than a millisecond is not none
		{time.Millisecond - 1, "1", time.Millisecond},
		{2*time.Millisecond - 1, "1", time.Millisecond},
		{90 * time.Minute, "5400000", 90 * time.Minute},
		{-time.Second, "-1000", -time.Second},
		{-1, "0", 0},
		{most, "9223372036854", most},
		{math.MaxInt64, "9223372036854", most},
		{math.MinInt64, "-9223372036854", -most},
	}
	for _, tt := range tests {
		data, err := json.Marshal(abi.Milliseconds(tt.duration))
		if err != nil || string(data) != tt.json {
			t.Errorf("%s is %s (%v), want %s", tt.duration, data, err, tt.json)
			continue
		}
		var back abi.Milliseconds
		if err := json.Unmarshal(data, &back); err != nil || time.Duration(back) != tt.back {
			t.Errorf("%s came back as %s (%v), want %s", tt.duration, time.Duration(back), err, tt.back)
		}
	}
	for _, data := range []string{`9223372036855`, `-9223372036855`, `9223372036854775807`, `-9223372036854775808`, `1e400`, `1.5`, `"5"`, `{}`, `true`} {
		m := abi.Milliseconds(42)
		if err := json.Unmarshal([]byte(data), &m); err == nil {
			t.Errorf("%s was read as %s", data, time.Duration(m))
		}
	}
}

func TestMetadataRoundTrip(t *testing.T) {
	tests := []struct {
		name     string
		metadata map[string][]byte
		json     string
	}{
		{"nil", nil, `{}`},
		{"none", map[string][]byte{}, `{}`},
		{"text", map[string][]byte{"encoding": []byte("json/plain"), "messageType": []byte("acme.Order")}, `{"encoding":"json/plain","messageType":"acme.Order"}`},
		{"not UTF-8", map[string][]byte{"encryption-key": {0xff, 0x00, 0xfe}}, `{"encryption-key":{"base64":"/wD+"}}`},
		{"half a rune", map[string][]byte{"half": []byte("é")[:1]}, `{"half":{"base64":"ww=="}}`},
		{"empty value", map[string][]byte{"empty": {}}, `{"empty":""}`},
		{"empty name", map[string][]byte{"": []byte("x")}, `{"":"x"}`},
		{"text like binary", map[string][]byte{"tricky": []byte(`{"base64": "/wD+"}`)}, `{"tricky":"{\"base64\": \"/wD+\"}"}`},
		{"control characters", map[string][]byte{"zero\x00": []byte("\x00\x1b[31m\n")}, `{"zero\u0000":"\u0000\u001b[31m\n"}`},
		{"replacement character", map[string][]byte{"r": []byte("\uFFFD")}, "{\"r\":\"\uFFFD\"}"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			data := abi.MarshalMetadata(tt.metadata)
			if string(data) != tt.json {
				t.Errorf("got  %s\nwant %s", data, tt.json)
			}
			back, err := abi.UnmarshalMetadata(data)
			if err != nil {
				t.Fatal(err)
			}
			if !sameMetadata(back, tt.metadata) {
				t.Errorf("%q came back as %q", tt.metadata, back)
			}
		})
	}
}

func TestUnmarshalMetadata(t *testing.T) {
	got, err := abi.UnmarshalMetadata([]byte(` {"a": {"base64": ""}, "b": {"base64": "AA==", "later": 1}, "c": ""} `))
	if err != nil {
		t.Fatal(err)
	}
	if want := (map[string][]byte{"a": {}, "b": {0}, "c": {}}); !sameMetadata(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	for _, data := range []string{
		``, `{`, `null`, `[]`, `"encoding"`, `7`, `{"a": null}`, `{"a": 1}`, `{"a": true}`, `{"a": ["x"]}`, `{"a": {}}`,
		`{"a": {"base64": null}}`, `{"a": {"base64": "*"}}`, `{"a": {"base64": 1}}`, `{"ok": "x", "a": {"bytes": ""}}`, `{} {}`,
	} {
		if got, err := abi.UnmarshalMetadata([]byte(data)); !errors.Is(err, abi.EINVAL) || got != nil {
			t.Errorf("%s was read as %q (error %v), want EINVAL", data, got, err)
		}
	}
}

func sameMetadata(a, b map[string][]byte) bool {
	return maps.EqualFunc(a, b, func(x, y []byte) bool { return string(x) == string(y) })
}

func FuzzParseFailure(f *testing.F) {
	f.Add([]byte(`{"message": "card declined", "type": "CardDeclined", "non_retryable": true, "next_retry_delay_ms": 5}`))
	f.Add([]byte(`{"message": "x", "category": "benign", "details": [{"code": 51}, "text", null, 1e999], "cause": {"message": "y"}}`))
	f.Add([]byte(strings.Repeat(`{"message":"m","cause":`, 20) + `null` + strings.Repeat(`}`, 20)))
	f.Add([]byte(`{"message": "\ud800", "details": null, "cause": null}`))
	f.Add([]byte("{\"message\": \"\xff\", \"details\": [\"\xff\"]}"))
	f.Add([]byte(`null`))
	f.Fuzz(func(t *testing.T, data []byte) {
		failure, err := abi.ParseFailure(data)
		if err != nil {
			if failure != nil || !errors.Is(err, abi.EINVAL) && !errors.Is(err, abi.EMSGSIZE) {
				t.Fatalf("error %v with the failure %v: want EINVAL or EMSGSIZE, and none", err, failure)
			}
			return
		}
		depth := 0
		for c := failure; c != nil; c = c.Cause {
			if depth++; depth > abi.MaxCauseDepth+1 {
				t.Fatalf("more than %d causes are left", abi.MaxCauseDepth)
			}
			if c.Category != "" && c.Category != abi.CategoryBenign || c.NextRetryDelay < 0 {
				t.Fatalf("let through: %+v", c)
			}
			for _, text := range []string{c.Type, c.Message, c.StackTrace} {
				if !utf8.ValidString(text) {
					t.Fatalf("%q is not UTF-8, and Temporal refuses that", text)
				}
			}
			for _, detail := range c.Details {
				if !json.Valid(detail) {
					t.Fatalf("the detail %q is not JSON", detail)
				}
			}
		}
		if _, err := json.Marshal(failure); err != nil {
			t.Fatalf("cannot be marshaled again: %v", err)
		}
	})
}

func FuzzMetadata(f *testing.F) {
	f.Add([]byte(`{"encoding": "json/plain", "messageType": "acme.Order"}`), "encoding", []byte("json/plain"))
	f.Add([]byte(`{"key": {"base64": "/wD+"}}`), "key", []byte{0xff, 0x00, 0xfe})
	f.Add([]byte(`{"a": {"base64": ""}, "a": ""}`), "", []byte(nil))
	f.Add([]byte(`null`), "\xff", []byte("\uFFFD"))
	f.Add([]byte(`{"a": null, "b": 1}`), "\x00", []byte(`{"base64": "AA=="}`))
	f.Fuzz(func(t *testing.T, data []byte, name string, value []byte) {
		// What is read can be written and read again.
		metadata, err := abi.UnmarshalMetadata(data)
		if err != nil {
			if metadata != nil || !errors.Is(err, abi.EINVAL) {
				t.Fatalf("error %v with the metadata %q: want EINVAL, and none", err, metadata)
			}
		} else {
			checkRoundTrip(t, metadata)
		}
		// And what Temporal hands over can be. Its names are protobuf strings, so UTF-8.
		if utf8.ValidString(name) {
			checkRoundTrip(t, map[string][]byte{name: value, "encoding": []byte("json/plain")})
		}
	})
}

func checkRoundTrip(t *testing.T, metadata map[string][]byte) {
	t.Helper()
	data := abi.MarshalMetadata(metadata)
	back, err := abi.UnmarshalMetadata(data)
	if err != nil {
		t.Fatalf("%s is refused: %v", data, err)
	}
	if !sameMetadata(back, metadata) {
		t.Fatalf("%q came back as %q by way of %s", metadata, back, data)
	}
}

// A failure may have as many values as the limit says, wherever they are. Text does not
// count.
func TestValuesAreCounted(t *testing.T) {
	parse := func(detail string, n int) error {
		_, err := abi.ParseFailure([]byte(`{"message": "` + strings.Repeat(",", 20_000) + `", "details": [` + strings.TrimSuffix(strings.Repeat(detail+",", n), ",") + `]}`))
		return err
	}
	for detail, each := range map[string]int{`0`: 1, `"a,b\",c"`: 1, `[1, [2, 3]]`: 3, `{"a": [1, 2], "b,": "\\"}`: 3} {
		if err := parse(detail, abi.MaxValues/each); err != nil {
			t.Errorf("%s: %v", detail, err)
		}
		if err := parse(detail, abi.MaxValues/each+2); !errors.Is(err, abi.EMSGSIZE) {
			t.Errorf("%s, too often: %v", detail, err)
		}
	}
}

// A zero field is absent, times are RFC 3339 and durations are whole milliseconds.
func TestInfoJSON(t *testing.T) {
	tests := []struct {
		name string
		info abi.Info
		want string
	}{
		{"minimal", abi.Info{ActivityID: "5", ActivityType: "Greet", Attempt: 1}, `{"activity_id":"5","activity_type":"Greet","attempt":1}`},
		{"times", abi.Info{
			ScheduledTime:    time.Date(2026, 1, 2, 15, 4, 5, 123e6, time.UTC),
			HeartbeatTimeout: abi.Milliseconds(30 * time.Second),
		}, `{"activity_id":"","activity_type":"","attempt":0,"heartbeat_timeout_ms":30000,"scheduled_time":"2026-01-02T15:04:05.123Z"}`},
		{"nested", abi.Info{
			RetryPolicy: &abi.RetryPolicy{InitialInterval: abi.Milliseconds(time.Second), BackoffCoefficient: 2},
			Priority:    &abi.Priority{PriorityKey: 1},
		}, `{"activity_id":"","activity_type":"","attempt":0,"retry_policy":{"initial_interval_ms":1000,"backoff_coefficient":2},"priority":{"priority_key":1}}`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := json.Marshal(tt.info)
			if err != nil {
				t.Fatal(err)
			}
			if string(got) != tt.want {
				t.Errorf("got  %s\nwant %s", got, tt.want)
			}
		})
	}
}

func TestErrnoNames(t *testing.T) {
	for name, errno := range abi.ErrnosByName() {
		if got := errno.String(); got != name {
			t.Errorf("Errno(%d).String() = %q, want %q", errno, got, name)
		}
	}
	if got, want := abi.Errno(4711).Error(), "errno 4711"; got != want {
		t.Errorf("an unknown errno is %q, want %q", got, want)
	}
}
