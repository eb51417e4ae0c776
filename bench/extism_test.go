package bench

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	extism "github.com/extism/go-sdk"
	"github.com/tetratelabs/wazero/sys"

	"github.com/wasmworker/wasmworker/abi"
	"github.com/wasmworker/wasmworker/host/modules"
	"github.com/wasmworker/wasmworker/host/passthrough"
	"github.com/wasmworker/wasmworker/host/passthrough/configmod"
	"github.com/wasmworker/wasmworker/host/passthrough/httpmod"
	"github.com/wasmworker/wasmworker/host/sandbox"
	"github.com/wasmworker/wasmworker/internal/testbed"
)

// behavior is what a call looks like from outside.
type behavior struct {
	End    string // ok, failed, trap, exit CODE or timeout
	Error  string // what the plugin said of a failure
	Output string
	Logs   []string // LEVEL text
}

func (b behavior) String() string {
	return fmt.Sprintf("%s %.300q output (%d bytes) %.200q logs %.300q", b.End, b.Error, len(b.Output), b.Output, b.Logs)
}

// pluginCall is one call of a plugin's export.
type pluginCall struct {
	name, export, input string
	// input of a call of the same export before it, in the same plugin; "" for none
	before string
	// only for kits that hand over 8 bytes at a time; with one it takes ten seconds under
	// the SDK
	large bool
}

const pluginTimeout = 500 * time.Millisecond

var pluginConfig = map[string]string{"region": "eu-central ☃", "empty": "", "long": strings.Repeat("0123456789", 2_000)}

// pluginCalls are the calls that are compared.
func pluginCalls(url string) []pluginCall {
	calls := []pluginCall{
		{name: "state, second call", export: "state", before: "x"},
		{name: "vars, second call", export: "vars", input: "two", before: "one"},
		{name: "greet", export: "greet", input: `{"name": "Ada ☃"}`},
		{name: "greet, no name", export: "greet", input: `{"other": 1, "name": ""}`},
		{name: "greet, nothing", export: "greet", input: ""},
		{name: "greet, not JSON", export: "greet", input: "Ada"},
		{name: "greet, another type", export: "greet", input: `{"name": 5}`},
		{name: "nothing", export: "nothing", input: ""},
		{name: "nothing, input", export: "nothing", input: "ignored"},
		{name: "fail", export: "fail", input: "x"},
		{name: "crash", export: "crash", input: "x"},
		{name: "spin", export: "spin", input: ""},
		{name: "state", export: "state", input: ""},
		{name: "config", export: "config", input: "region"},
		{name: "config, empty", export: "config", input: "empty"},
		{name: "config, long", export: "config", input: "long"},
		{name: "config, unknown", export: "config", input: "unknown"},
		{name: "config, no name", export: "config", input: ""},
		{name: "logs", export: "logs", input: `"a line ☃"`},
		{name: "logs, two lines", export: "logs", input: `"one\ntwo"`},
		{name: "logs, nothing", export: "logs", input: `""`},
		{name: "logs, 4 KiB", export: "logs", input: `"` + strings.Repeat("x", 4<<10) + `"`},
		{name: "vars", export: "vars", input: "one"},
		{name: "vars, empty", export: "vars", input: ""},
		{name: "vars, 900 KB", export: "vars", input: strings.Repeat("0123456789", 90_000), large: true},
		{name: "vars, 1 MiB", export: "vars", input: strings.Repeat("01234567", 1<<17), large: true},
		{name: "vars, almost 1 MiB", export: "vars", input: strings.Repeat("x", 1<<20-20), large: true},
		{name: "vars, more", export: "vars", input: strings.Repeat("01234567", 1<<17) + "8", large: true},
		{name: "http", export: "http", input: url + "/answer\nhello ☃"},
		{name: "http, no body", export: "http", input: url + "/answer\n"},
		{name: "http, large", export: "http", input: url + "/answer\n" + strings.Repeat("0123456789", 5_000)},
		{name: "http, nothing back", export: "http", input: url + "/empty\nx"},
		{name: "http, 404", export: "http", input: url + "/missing\nx"},
		{name: "http, two headers", export: "http", input: url + "/twice\nx"},
		{name: "http, redirect", export: "http", input: url + "/redirect\nx"},
		{name: "http, another host", export: "http", input: "http://example.org/\nx"},
		{name: "http, no URL", export: "http", input: "::\nx"},
		{name: "echo, JSON", export: "echo", input: `{"a": [1, "b"]}`},
		{name: "echo, JSON in space", export: "echo", input: " 5 \n"},
		{name: "echo, not UTF-8", export: "echo", input: "\xff\x00\xfe"},
	}
	for _, size := range []int{0, 1, 7, 8, 9, 15, 16, 17, 1000, 1 << 16, 1<<16 + 1, 300_000} {
		calls = append(calls, pluginCall{name: fmt.Sprintf("echo, %d bytes", size), export: "echo", input: strings.Repeat("\xc3\xa9z-", size/4+1)[:size], large: size > 1<<16})
	}
	return calls
}

// difference is a field of [behavior] in which our host is meant to differ from Extism's.
type difference struct{ field, why string }

// differences are by the name of a call, or by PLUGIN: and the name. All else is the
// same.
var differences = map[string]difference{
	"state, second call":  {"Output", "an activity begins with an instance in its pristine state"},
	"vars, second call":   {"Output", "variables end with the activity"},
	"vars, almost 1 MiB":  {"", "the limit is for names and values; the SDK counts 40 bytes more for each"},
	"go: crash":           {"Logs", "standard error goes to the log, one record a line; the SDK throws it away"},
	"rust: crash":         {"Logs", "likewise"},
	"http, two headers":   {"Output", "values are joined by comma and space, as RFC 9110 has it; the SDK leaves the space out"},
	"http, redirect":      {"Output", "a redirect is followed if max_redirects and a rule say so, which here they do not"},
	"echo, JSON in space": {"Output", "a JSON result is a payload without the space around it"},
}

// Plugins behave under our host as under Extism's own SDK: outputs, errors, logs, and
// what they find in variables and configuration.
func TestExtismIsTheSame(t *testing.T) {
	web := httptest.NewServer(http.HandlerFunc(answer))
	defer web.Close()
	directories, err := filepath.Glob("../testdata/conformance/extism-*")
	if err != nil || len(directories) < 3 {
		t.Fatal(directories, err)
	}
	used := map[string]bool{}
	for _, directory := range directories {
		plugin := strings.TrimPrefix(filepath.Base(directory), "extism-")
		file := filepath.Join(directory, "conformance.wasm")
		if _, err := os.Stat(filepath.Join(directory, "go.mod")); err == nil {
			file = testbed.Guest(t, filepath.Join("testdata/conformance", filepath.Base(directory)))
		}
		theirs, ours := newTheirs(t, file), newOurs(t, file, web.URL)
		for _, call := range pluginCalls(web.URL) {
			if call.large && plugin == "assemblyscript" {
				continue
			}
			want, got := theirs(t, call), ours(t, call)
			for _, key := range []string{call.name, plugin + ": " + call.name} {
				if d, ok := differences[key]; ok {
					used[key] = used[key] || d.applies(want, got)
					want = d.except(want, got)
				}
			}
			if got.String() != want.String() {
				t.Errorf("%s: %s:\nExtism %s\nours   %s", plugin, call.name, want, got)
			}
		}
	}
	for _, key := range slices.Sorted(maps.Keys(differences)) {
		if !used[key] {
			t.Errorf("%s is the same in both, and need not be among the differences", key)
		}
	}
}

// What Extism's SDK makes of functions without a result, or with one of 64 bits, and of a
// plugin that is a program, is what activities make of them.
func TestExtismResultsAreTheSame(t *testing.T) {
	for file, exports := range map[string][]string{
		"pluginresults": {"Nothing", "Fails", "Traps", "Zero", "Three"},
		"pluginstart":   {"_start"},
	} {
		path := filepath.Join("../testdata/wat", file+".wasm")
		theirs, ours := newTheirs(t, path), newOurs(t, path, "http://127.0.0.1:1")
		for _, export := range exports {
			call := pluginCall{name: export, export: export, input: "the input"}
			want := theirs(t, call)
			if export == "_start" { // such a plugin is the activity of its name
				call.export = file
			}
			got := ours(t, call)
			if want.End == "failed" && want.Error == "" { // the SDK does not say why
				want.Error = fmt.Sprintf("activity %s failed with status 3 and did not say why", export)
			}
			if got.String() != want.String() {
				t.Errorf("%s: %s:\nExtism %s\nours   %s", file, export, want, got)
			}
		}
	}
}

// applies tells whether the behaviors differ in the field.
func (d difference) applies(want, got behavior) bool {
	return d.except(want, got).String() != want.String()
}

// except returns the wanted behavior with what we have in the field. An empty field is
// all of them.
func (d difference) except(want, got behavior) behavior {
	switch d.field {
	case "Output":
		want.Output = got.Output
	case "Logs":
		want.Logs = got.Logs
	case "":
		return got
	}
	return want
}

// answer is the server that plugins talk to.
func answer(w http.ResponseWriter, r *http.Request) {
	switch r.URL.Path {
	case "/answer":
		body := new(bytes.Buffer)
		body.ReadFrom(r.Body) //nolint:errcheck // it is compared
		w.Header().Set("X-To", r.Header.Get("X-From"))
		w.WriteHeader(http.StatusCreated)
		fmt.Fprintf(w, "%s %d %s", r.Method, r.ContentLength, body)
	case "/empty":
		w.Header().Set("X-To", "nobody")
		w.WriteHeader(http.StatusNoContent)
	case "/twice":
		w.Header()["X-To"] = []string{"a", "b"}
	case "/redirect":
		http.Redirect(w, r, "/answer", http.StatusTemporaryRedirect)
	default:
		http.NotFound(w, r)
	}
}

// newTheirs returns how calls go under Extism's SDK, each in a plugin of its own.
func newTheirs(t *testing.T, file string) func(*testing.T, pluginCall) behavior {
	t.Helper()
	compiled, err := extism.NewCompiledPlugin(t.Context(), extism.Manifest{
		Wasm:         []extism.Wasm{extism.WasmFile{Path: file}},
		Config:       pluginConfig,
		AllowedHosts: []string{"127.0.0.1"},
		Timeout:      uint64(pluginTimeout.Milliseconds()),
	}, extism.PluginConfig{EnableWasi: true, EnableHttpResponseHeaders: true}, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { compiled.Close(context.Background()) }) //nolint:errcheck // it has been used by then
	return func(t *testing.T, call pluginCall) (b behavior) {
		// which is the process's; what it has to say now goes to standard error
		extism.SetLogLevel(extism.LogLevelOff)
		plugin, err := compiled.Instance(t.Context(), extism.PluginInstanceConfig{})
		if err != nil {
			t.Fatal(err)
		}
		defer plugin.Close(context.Background()) //nolint:errcheck // likewise
		plugin.SetLogger(func(level extism.LogLevel, text string) {
			if !ofTheSDK(text) {
				b.Logs = append(b.Logs, level.String()+" "+text)
			}
		})
		if call.export != "spin" { // otherwise it can be as slow as it is
			plugin.Timeout = 0
		}
		if call.before != "" {
			if _, _, err := plugin.CallWithContext(t.Context(), call.export, []byte(call.before)); err != nil {
				t.Fatal(err)
			}
		}
		extism.SetLogLevel(extism.LogLevelTrace)
		status, output, err := plugin.CallWithContext(t.Context(), call.export, []byte(call.input))
		exit, exited := errors.AsType[*sys.ExitError](err)
		switch {
		case exited && exit.ExitCode() == sys.ExitCodeDeadlineExceeded:
			b.End = "timeout"
		case exited:
			b.End = fmt.Sprintf("exit %d", exit.ExitCode())
		case err != nil && strings.Contains(err.Error(), "wasm stack trace:"):
			b.End = "trap"
		case err != nil || status != 0:
			b.End = "failed"
			if err != nil {
				b.Error = err.Error()
			}
		default:
			b.End, b.Output = "ok", string(output)
		}
		return b
	}
}

// ofTheSDK tells whether a record is about the SDK's own doing.
func ofTheSDK(text string) bool {
	for _, prefix := range []string{"Calling ", "Initializing runtime", "Initialized "} {
		if strings.HasPrefix(text, prefix) {
			return true
		}
	}
	return false
}

// newOurs returns how calls go in the sandbox, with the passthrough modules that serve
// use.
func newOurs(t *testing.T, file, origin string) func(*testing.T, pluginCall) behavior {
	t.Helper()
	module, err := modules.Read(file)
	if err != nil {
		t.Fatal(err)
	}
	set, err := passthrough.NewSet(httpmod.New(httpmod.Options{}), configmod.New())
	if err != nil {
		t.Fatal(err)
	}
	s, err := sandbox.New(sandbox.Config{
		Modules:     []*modules.File{module},
		Passthrough: set,
		CacheDir:    filepath.Join(scratch, "cache"),
		Defaults: sandbox.Options{
			Passthrough: []string{"http", "config"},
			Policies: map[string]any{
				"config": &configmod.Policy{Values: pluginConfig},
				"http":   &httpmod.Policy{Allow: []httpmod.Rule{{Origin: origin, Methods: []string{"POST"}}}, PrivateAddresses: []string{"127.0.0.1"}},
			},
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	if err := s.Compile(t.Context()); err != nil {
		t.Fatal(err)
	}
	return func(t *testing.T, call pluginCall) (b behavior) {
		if call.before != "" {
			if _, err := s.Run(t.Context(), sandbox.Task{Activity: call.export, Args: []sandbox.Payload{sandbox.NewPayload(abi.EncodingBinary, []byte(call.before))}}); err != nil {
				t.Fatal(err)
			}
		}
		ctx := t.Context()
		if call.export == "spin" {
			limited, cancel := context.WithTimeout(ctx, pluginTimeout)
			defer cancel()
			ctx = limited
		}
		result, err := s.Run(ctx, sandbox.Task{
			Activity: call.export,
			Args:     []sandbox.Payload{sandbox.NewPayload(abi.EncodingBinary, []byte(call.input))},
			Log: func(_ context.Context, level slog.Level, text string, _ []slog.Attr) {
				name := level.String()
				if level < slog.LevelDebug {
					name = "TRACE"
				}
				b.Logs = append(b.Logs, name+" "+text)
			},
		})
		failure, failed := errors.AsType[*abi.Failure](err)
		switch {
		case err == nil:
			b.End = "ok"
			if result != nil {
				b.Output = string(result.Data)
			}
		case errors.Is(err, context.DeadlineExceeded):
			b.End = "timeout"
		case !failed:
			t.Fatalf("%s: %v", call.name, err)
		case failure.Type == abi.TypeActivityFailed:
			b.End, b.Error = "failed", failure.Message
		case failure.Type == abi.TypeExitCode:
			var details struct {
				Code int `json:"exit_code"`
			}
			if err := json.Unmarshal(failure.Details[0], &details); err != nil {
				t.Fatal(err)
			}
			b.End = fmt.Sprintf("exit %d", details.Code)
		case failure.Type == abi.TypeWasmTrap:
			b.End = "trap"
		default:
			b.End = failure.Type
		}
		return b
	}
}
