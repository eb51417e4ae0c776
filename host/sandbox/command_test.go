package sandbox_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/wasmworker/wasmworker/abi"
	"github.com/wasmworker/wasmworker/host/modules"
	"github.com/wasmworker/wasmworker/host/sandbox"
)

// startTool makes a sandbox of testdata/commands/tool.
func startTool(t *testing.T, options sandbox.Options) *sandbox.Sandbox {
	t.Helper()
	return start(t, sandbox.Config{Modules: []*modules.File{tool(t)}, Defaults: options})
}

func TestCommandInput(t *testing.T) {
	tests := []struct {
		name     string
		args     []sandbox.Payload
		want     string // in upper case
		encoding string
	}{
		{"no argument", nil, "<nil>", ""},
		{"one of JSON", []sandbox.Payload{jsonPayload(`{"name": "Ada"}`)}, `{"NAME": "ADA"}`, abi.EncodingJSON},
		{"one of bytes", []sandbox.Payload{raw("\x00\xffabc\r\n")}, strings.ToUpper("\x00\xffabc\r\n"), abi.EncodingBinary},
		{"one of protobuf as JSON", []sandbox.Payload{sandbox.NewPayload("json/protobuf", []byte(`{"a":1}`))}, `{"A":1}`, abi.EncodingJSON},
		{"one of protobuf", []sandbox.Payload{sandbox.NewPayload("binary/protobuf", []byte("\x0a\x01a"))}, "\x0a\x01A", abi.EncodingBinary},
		{"one without an encoding", []sandbox.Payload{{Data: []byte("abc")}}, "ABC", abi.EncodingBinary},
		{"one of null", []sandbox.Payload{sandbox.NewPayload(abi.EncodingNull, nil)}, "<nil>", ""},
		{"one of null with bytes", []sandbox.Payload{sandbox.NewPayload(abi.EncodingNull, []byte("stray"))}, "<nil>", ""},
		{"one of no bytes", []sandbox.Payload{raw("")}, "<nil>", ""},
		{"several", []sandbox.Payload{jsonPayload(`"a"`), jsonPayload(`{"b": [1]}`), jsonPayload(" 2\n")}, `["A",{"B": [1]}, 2` + "\n]", abi.EncodingJSON},
		{"several with protobuf as JSON", []sandbox.Payload{sandbox.NewPayload("json/protobuf", []byte(`{"a":1}`)), jsonPayload("1")}, `[{"A":1},1]`, abi.EncodingJSON},
		{"several, one without an encoding", []sandbox.Payload{{Data: []byte(`"a"`)}, jsonPayload("1")}, `["A",1]`, abi.EncodingJSON},
		{"several with null", []sandbox.Payload{sandbox.NewPayload(abi.EncodingNull, nil), jsonPayload("1")}, `[NULL,1]`, abi.EncodingBinary},
		{"a megabyte", []sandbox.Payload{raw(strings.Repeat("0123456789abcdef", 1<<16))}, strings.Repeat("0123456789ABCDEF", 1<<16), abi.EncodingBinary},
	}
	s := startTool(t, sandbox.Options{})
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p := run(t, s, "tool", tt.args...)
			equal(t, "output", text(p), tt.want)
			if p != nil {
				equal(t, "encoding", p.Encoding(), tt.encoding)
			}
		})
	}
}

// Arguments that cannot be put together are refused, before anything runs.
func TestCommandInvalidInput(t *testing.T) {
	s := startTool(t, sandbox.Options{})
	for name, args := range map[string][]sandbox.Payload{
		"bytes":         {jsonPayload("1"), raw("2")},
		"no encoding":   {jsonPayload("1"), {Data: []byte("b")}},
		"protobuf":      {jsonPayload("1"), sandbox.NewPayload("binary/protobuf", []byte("2"))},
		"two in one":    {jsonPayload("1"), jsonPayload(`2], [3`)},
		"none in one":   {jsonPayload("1"), jsonPayload("")},
		"not JSON":      {jsonPayload("1"), jsonPayload("{")},
		"at the second": {sandbox.NewPayload(abi.EncodingNull, nil), sandbox.NewPayload("json/protobuf", []byte("{")), jsonPayload("1")},
	} {
		_, err := s.Run(t.Context(), sandbox.Task{Activity: "tool", Args: args})
		if f := failure(t, err, abi.TypeInvalidInput); !f.NonRetryable || !strings.Contains(f.Message, "argument 2 ") {
			t.Errorf("%s: %+v", name, f)
		}
	}
	equal(t, "stats", stats(s), sandbox.Stats{})
}

// What is encrypted or compressed for want of a codec would be nonsense to the program,
// and its output a success.
func TestUnknownEncodings(t *testing.T) {
	s := start(t, sandbox.Config{Modules: []*modules.File{tool(t), fixture(t, "plugin")}})
	for _, activity := range []string{"tool", "Silent"} {
		for _, encoding := range []string{"binary/encrypted", "binary/zlib", "json/plain;v=2", "JSON/PLAIN", "acme/csv"} {
			for at, args := range [][]sandbox.Payload{
				{sandbox.NewPayload(encoding, []byte("1"))},
				{jsonPayload("1"), sandbox.NewPayload(encoding, []byte("1"))},
				// told before the bytes
				{raw("1"), jsonPayload("1"), sandbox.NewPayload(encoding, []byte("1"))},
			} {
				_, err := s.Run(t.Context(), sandbox.Task{Activity: activity, Args: args})
				f := failure(t, err, abi.TypeUnknownEncoding)
				if f.NonRetryable || !strings.Contains(f.Message, fmt.Sprintf("argument %d of activity %s has the encoding %q", at+1, activity, encoding)) || !strings.Contains(f.Message, "payload codec") {
					t.Errorf("%+v", f)
				}
			}
		}
	}
}

func TestCommandOutput(t *testing.T) {
	tests := []struct{ name, output, want, encoding string }{
		{"an object", `{"a": 1}`, `{"a": 1}`, abi.EncodingJSON},
		{"white space around it", " \r\n\t[1, 2]\n\n", `[1, 2]`, abi.EncodingJSON},
		{"a number", "42\n", "42", abi.EncodingJSON},
		{"null", "null\n", "null", abi.EncodingJSON},
		{"text", "hello\n", "hello\n", abi.EncodingBinary},
		{"two values", "1\n2\n", "1\n2\n", abi.EncodingBinary},
		{"lines of JSON", "{}\n{}\n", "{}\n{}\n", abi.EncodingBinary},
		{"JSON that is none", `{"a": 1`, `{"a": 1`, abi.EncodingBinary},
		{"a byte order mark", "\ufeff{}", "\ufeff{}", abi.EncodingBinary},
		{"white space alone", " \n", " \n", abi.EncodingBinary},
		{"bytes", "\x00\xfe\xff", "\x00\xfe\xff", abi.EncodingBinary},
	}
	s := startTool(t, sandbox.Options{})
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p := run(t, s, "tool", raw("raw "+tt.output))
			equal(t, "output", text(p), tt.want)
			equal(t, "metadata", p.Metadata, map[string][]byte{"encoding": []byte(tt.encoding)})
		})
	}
}

func TestCommandExit(t *testing.T) {
	long := strings.Repeat("0123456789", 500) + "\nthe end\n"
	tests := []struct {
		name, input string
		code        uint32
		message     string // its end
		stderr      string
	}{
		{"silent", "exit 3 ", 3, "exited with code 3", ""},
		{"with a reason", "exit 1 first\nsecond\n", 1, "exited with code 1: second", "first\nsecond\n"},
		{"without an end of line", "exit 255 why", 255, "exited with code 255: why", "why"},
		{"with a long reason", "exit 1 " + long, 1, "exited with code 1: the end", long[len(long)-2048:]},
		{"with a byte too many", "exit 1 " + long[len(long)-2049:], 1, "exited with code 1: the end", long[len(long)-2048:]},
		{"with text that is not UTF-8", "exit 1 a\xff", 1, "exited with code 1: a\uFFFD", "a\uFFFD"},
		{"with output", "print-and-exit 4 {}", 4, "exited with code 4", ""},
	}
	s := startTool(t, sandbox.Options{})
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p, err := s.Run(t.Context(), sandbox.Task{Activity: "tool", Args: []sandbox.Payload{raw(tt.input)}})
			f := failure(t, err, abi.TypeExitCode)
			if p != nil || f.NonRetryable || !strings.HasSuffix(f.Message, tt.message) {
				t.Errorf("got %s, failure %+v", text(p), f)
			}
			var details struct {
				ExitCode uint32 `json:"exit_code"`
				Stderr   string `json:"stderr"`
			}
			if len(f.Details) != 1 {
				t.Fatalf("details %s", f.Details)
			}
			if err := json.Unmarshal(f.Details[0], &details); err != nil {
				t.Fatal(err)
			}
			equal(t, "exit code", details.ExitCode, tt.code)
			equal(t, "stderr", details.Stderr, tt.stderr)
		})
	}
	equal(t, "output of an exit with 0", text(run(t, s, "tool", raw("print-and-exit 0 [1]"))), "[1]")
	equal(t, "no output of an exit with 0", text(run(t, s, "tool", raw("exit 0 all is well"))), "<nil>")

	_, err := s.Run(t.Context(), sandbox.Task{Activity: "tool", Args: []sandbox.Payload{raw("panic oh no")}})
	if f := failure(t, err, abi.TypeExitCode); !bytes.Contains(f.Details[0], []byte("panic: oh no")) {
		t.Errorf("a panic is reported as %+v, details %s", f, f.Details)
	}
}

func TestCommandOutputLimit(t *testing.T) {
	s := startTool(t, sandbox.Options{MaxOutput: 10_000})
	most := len(filled(raw(""), 10_000).Data)
	p := run(t, s, "tool", raw(fmt.Sprintf("flood %d", most)))
	equal(t, "size of the largest output", sandbox.Size(*p), 10_000)
	// Whether or not the program takes notice, there is no use in trying again.
	for _, input := range []string{fmt.Sprintf("flood %d", most+1), "flood 10000", "flood 100000", "flood-or-die 10001"} {
		_, err := s.Run(t.Context(), sandbox.Task{Activity: "tool", Args: []sandbox.Payload{raw(input)}})
		if f := failure(t, err, abi.TypeOutputTooLarge); !f.NonRetryable {
			t.Errorf("%s: %+v", input, f)
		}
	}
}

// Standard error goes to the log, and standard output does not.
func TestCommandLog(t *testing.T) {
	s := startTool(t, sandbox.Options{})
	var logged recorder
	for _, input := range []string{"raw printed\n", "exit 0 one\ntwo"} {
		if _, err := s.Run(t.Context(), sandbox.Task{Activity: "tool", Args: []sandbox.Payload{raw(input)}, Log: logged.log}); err != nil {
			t.Fatal(err)
		}
	}
	equal(t, "records", logged.all(), []record{
		{0, "one", "[guest=[stream=stderr]]"}, {0, "two", "[guest=[stream=stderr]]"},
	})
}

// A command reaches nothing but its streams.
func TestCommandWorld(t *testing.T) {
	t.Setenv("WASMWORKER_TEST_GRANTED", "yes")
	t.Setenv("WASMWORKER_TEST_SECRET", "no")
	s := startTool(t, sandbox.Options{Env: []string{"WASMWORKER_TEST_GRANTED"}})
	equal(t, "arguments", text(run(t, s, "tool", raw("args"))), "tool")
	equal(t, "environment", text(run(t, s, "tool", raw("env"))), "WASMWORKER_TEST_GRANTED=yes")
	equal(t, "what it found", text(run(t, s, "tool", raw("world"))), "nothing")
}

func TestCommandMemoryLimit(t *testing.T) {
	s := startTool(t, sandbox.Options{MemoryLimit: 32 << 20})
	equal(t, "bytes", text(run(t, s, "tool", raw("grow 8"))), "8388608")
	_, err := s.Run(t.Context(), sandbox.Task{Activity: "tool", Args: []sandbox.Payload{raw("grow 64")}})
	if f := failure(t, err, abi.TypeOutOfMemory); !strings.Contains(f.Message, "32 MiB") || f.NonRetryable {
		t.Errorf("failure %+v", f)
	}
	equal(t, "live instances", live(s), 0)
}

func TestCommandIsInterrupted(t *testing.T) {
	s := startTool(t, sandbox.Options{})
	for _, input := range []string{"sleep", "spin"} {
		ctx, cancel := context.WithCancelCause(t.Context())
		defer cancel(nil)
		_, err := s.Run(ctx, sandbox.Task{
			Activity: "tool", Args: []sandbox.Payload{raw(input)},
			Log: (&recorder{onLog: func(string) { cancel(errStop) }}).log, // it says when it begins
		})
		interrupted(t, err, errStop)
		equal(t, "live instances", live(s), 0)
	}
}

// A command ends with its run: nobody can want it to be reused, but a default may say so.
func TestCommandIsNeverReused(t *testing.T) {
	s := startTool(t, sandbox.Options{Isolation: sandbox.IsolationReuse})
	for range 3 {
		equal(t, "output", text(run(t, s, "tool", raw("ada"))), "ADA")
		equal(t, "live instances", live(s), 0)
	}
	equal(t, "policy", s.Modules()[0].Options().Isolation, sandbox.IsolationFresh)
	_, err := sandbox.New(sandbox.Config{
		Modules:   []*modules.File{tool(t)},
		PerModule: map[string]sandbox.Options{"tool": {Isolation: sandbox.IsolationReuse}},
	})
	if err == nil || !strings.Contains(err.Error(), "cannot be reused") {
		t.Errorf("error %v", err)
	}
}
