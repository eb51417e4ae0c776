package cases_test

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/wasmworker/wasmworker/abi"
	"github.com/wasmworker/wasmworker/host/hosttest"
	"github.com/wasmworker/wasmworker/host/passthrough"
	"github.com/wasmworker/wasmworker/host/replay"
	"github.com/wasmworker/wasmworker/host/replay/cases"
	"github.com/wasmworker/wasmworker/host/sandbox"
	"github.com/wasmworker/wasmworker/internal/testbed"
)

// cache is where compiled modules are kept, for the time of the tests.
var cache string

func TestMain(m *testing.M) {
	os.Exit(testbed.Main(func() int {
		var err error
		if cache, err = os.MkdirTemp("", "cases"); err != nil {
			panic(err)
		}
		defer os.RemoveAll(cache)
		code := m.Run()
		if err := goleak.Find(); code == 0 && err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		return code
	}))
}

// write makes a case file in a directory with modules: echo, misbehave, passthrough, environ, crash and files.
func write(t testing.TB, text string) string {
	t.Helper()
	dir := t.TempDir()
	for _, module := range []string{"testdata/wat/echo", "testdata/wat/misbehave", "testdata/wat/passthrough", "testdata/wat/environ", "host/replay/cases/testdata/crash", "host/replay/cases/testdata/files"} {
		if err := os.Symlink(filepath.Join(testbed.Root(t), module+".wasm"), filepath.Join(dir, filepath.Base(module)+".wasm")); err != nil {
			t.Fatal(err)
		}
	}
	path := filepath.Join(dir, "echo.test.yaml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func read(t testing.TB, path string) *cases.File {
	t.Helper()
	f, err := cases.Read(path)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func newRunner(t testing.TB) *cases.Runner {
	r := cases.NewRunner(cache)
	t.Cleanup(func() {
		if err := r.Close(); err != nil {
			t.Error(err)
		}
	})
	return r
}

func run(t testing.TB, path string) (all []*cases.Result) {
	t.Helper()
	f, r := read(t, path), newRunner(t)
	for _, c := range f.Cases {
		result, err := r.Run(context.Background(), f, c)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, result)
	}
	return all
}

// Every mistake in a file has its place and says what to do.
func TestMistakes(t *testing.T) {
	for text, want := range map[string][]string{
		"cases: [":        {":1:8: "},
		"":                {"0 YAML documents"},
		"a: 1\n---\nb: 2": {"2 YAML documents"},
		"cases: 3":        {":1:8: this has to be a list, and is a number"},
		"seed: 1":         {":1:1: the file has no cases"},
		"caes: []":        {`:1:1: a case file has no key "caes"; did you mean "cases"?`},
		"start: noon\ncases: [{name: a, activity: Echo}]":                                                                   {":1:8: this has to be a time"},
		"seed: 1.5\ncases: [{name: a, activity: Echo}]":                                                                     {":1:7: this has to be a whole number"},
		"digest: x\ncases: [{name: a, activity: Echo}]":                                                                     {":1:9: this has to be sha256:"},
		"limits: {memory: lots, ouput: 1}\ncases: [{name: a, activity: Echo}]":                                              {":1:18: this has to be a size such as 64MiB", `:1:24: limits has no key "ouput"; did you mean "output"?`},
		"cases:\n  - activity: Echo":                                                                                        {":2:5: a case needs the key name"},
		"cases:\n  - name: a":                                                                                               {":2:5: a case needs the key activity"},
		"cases:\n  - name: 7\n    activity: Echo":                                                                           {":2:11: this has to be text, and is a number: put it in quotes"},
		"cases: [{name: a, activity: Echo}, {name: a, activity: Echo}]":                                                     {`two cases with the name "a"`},
		"cases: [{name: a, activity: Ecko}]":                                                                                {`:1:29: echo.wasm has no activity "Ecko"; did you mean "Echo"?; it has: Args, Echo, Info`},
		"module: no.wasm\ncases: [{name: a, activity: Echo}]":                                                               {":1:9: the module cannot be used", "no.wasm"},
		"digest: sha256:" + strings.Repeat("0", 64) + "\ncases: [{name: a, activity: Echo}]":                                {":1:9: the cases are for another module", "remove the digest"},
		"cases: [{name: a, activity: Echo, calls: [{call: http send, response: x}]}]":                                       {"echo.wasm does not import http send, so it can never call it; it imports no passthrough modules"},
		"module: passthrough.wasm\ncases: [{name: a, activity: Ask, calls: [{call: greeter hallo, error: {errno: EIO}}]}]":  {"does not import greeter hallo", "it imports: greeter hello"},
		"module: passthrough.wasm\ncases: [{name: a, activity: Ask, calls: [{call: greeter, response: x}]}]":                {":2:49: this has to be a capability and one of its functions, such as http send"},
		"module: passthrough.wasm\ncases: [{name: a, activity: Ask, calls: [{call: greeter hello}]}]":                       {"a call has either a response or an error"},
		"module: passthrough.wasm\ncases: [{name: a, activity: Ask, calls: [{call: greeter hello, error: {errno: EIOO}}]}]": {`there is no errno "EIOO"; did you mean "EIO"?`},
		"module: passthrough.wasm\ncases: [{name: a, activity: Ask, calls: [{call: greeter hello, response: {body: x}}]}]":  {"one of {text: …}, {json: …}"},
		"cases: [{name: a, activity: Echo, faults: [{call: 1, lost: true}]}]":                                               {"needs an error that the guest gets"},
		"cases: [{name: a, activity: Echo, faults: [{call: 1, delay: 5s}]}]":                                                {"imports no passthrough modules, so no call can have a fault"},
		"cases: [{name: a, activity: Echo, cancel: {flags: [paused]}}]":                                                     {"cancel has to say when"},
		"cases: [{name: a, activity: Echo, cancel: {fuel: 1, flags: [pausd]}}]":                                             {`there is no flag "pausd"; did you mean "paused"?`},
		"cases: [{name: a, activity: Echo, kill: {}}]":                                                                      {"kill says when"},
		"cases: [{name: a, activity: Echo, info: {atempt: 2}}]":                                                             {`info has no key "atempt"; did you mean "attempt"?`},
		"cases: [{name: a, activity: Echo, info: {attempt: two}}]":                                                          {":1:51: this is not what info has as attempt"},
		"cases: [{name: a, activity: Echo, args: [{$text: a, $base64: YQ==}]}]":                                             {"$text or $base64, and not both"},
		"cases: [{name: a, activity: Echo, args: [{$encding: a}]}]":                                                         {`has no key "$encding"; did you mean "$encoding"?`},
		"cases: [{name: a, activity: Echo, args: [.inf]}]":                                                                  {"no counterpart in JSON"},
		"cases: [{name: a, activity: Echo, args: [*x]}]":                                                                    {`there is no anchor "x"`},
		"cases:\n  - name: a\n    activity: Echo\n    want:\n      output: 1\n      failure: {type: X}":                     {":6:7: want has output as well, and no run can meet both"},
		"cases: [{name: a, activity: Echo, want: {output: 1, output_contains: {}}}]":                                        {"want has output as well"},
		"cases: [{name: a, activity: Echo, want: {canceled: true}}]":                                                        {"nothing asks the activity to cancel"},
		"cases: [{name: a, activity: Echo, want: {fuel: 1, max_fuel: 2}}]":                                                  {"want has units as well, which is exact"},
		"cases: [{name: a, activity: Echo, want: {failure: {}}}]":                                                           {"this says nothing about the failure"},
		"cases: [{name: a, activity: Echo, want: {output_contains: null}}]":                                                 {"every output contains null"},
		"cases: [{name: a, activity: Echo, want: {output_matches: '('}}]":                                                   {"no regular expression"},
		"cases: [{name: a, activity: Echo, want: {logs: [{level: LOUD}]}}]":                                                 {`there is no level "LOUD"`},
		"cases: [{name: a, activity: Echo, want: {outptu: 1}}]":                                                             {`want has no key "outptu"; did you mean "output"?`},
		"cases: [{name: a, activity: Echo, want: {calls: [{call: http send}]}}]":                                            {"does not import http send"},
		"cases: [{name: a, activity: Echo, files: {/a: x}}]":                                                                {":1:42: echo.wasm imports none of WASI's functions for files"},
		"cases: [{name: a, activity: Echo, want: {files: {}}}]":                                                             {":1:49: echo.wasm imports none of WASI's functions for files"},
		"mounts: {/: {}}\ncases: [{name: a, activity: Echo}]":                                                               {":1:9: echo.wasm imports none"},
		"module: files.wasm\ncases: [{name: a, activity: Hasty, files: {a: x}}]":                                            {`:2:44: "a" is not an absolute path`},
		"module: files.wasm\ncases: [{name: a, activity: Hasty, files: {/a/../b: x}}]":                                      {`:2:44: "/a/../b" is not a clean path; write it as /b`},
		"module: files.wasm\ncases: [{name: a, activity: Hasty, files: {/a: x, /a/b: y}}]":                                  {":2:51: /a would be a directory, and is a file too"},
		"module: files.wasm\ncases: [{name: a, activity: Hasty, files: {/a/: x}}]":                                          {":2:44: /a/ ends with a slash, which makes it a directory, and has content"},
		"module: files.wasm\ncases: [{name: a, activity: Hasty, files: {/a: null}}]":                                        {":2:48: what is in a file is text, "},
		"module: files.wasm\ncases: [{name: a, activity: Hasty, files: {/a: {tetx: x}}}]":                                   {`no key "tetx"; did you mean "text"?`},
		"module: files.wasm\ncases: [{name: a, activity: Hasty, files: {/a: {head: {}}}}]":                                  {":2:48: what is in a file is text, "},
		"module: files.wasm\ncases: [{name: a, activity: Hasty, files: [/a]}]":                                              {":2:43: files are a map of absolute paths"},
		"module: files.wasm\nmounts: {/in: {}, /out: {write: true}}\ncases: [{name: a, activity: Hasty, files: {/a: x}}]":   {":3:44: /a is in none of the mounts, which are /in, /out"},
		"module: files.wasm\nmounts: {/in: {}}\ncases: [{name: a, activity: Hasty, want: {files: {/in: null, /b: null}}}]":  {":3:51: /in is a mount", ":3:62: /b is in none of the mounts"},
		"module: files.wasm\nmounts: {in: {}, /a: {}, /a/b: {}}\ncases: [{name: a, activity: Hasty}]":                       {`:2:10: "in" is not an absolute path`, ":2:26: /a/b is inside of the mount /a"},
		"module: files.wasm\nmounts: {/a: {wirte: true}}\ncases: [{name: a, activity: Hasty}]":                              {`a mount has no key "wirte"; did you mean "write"?`},
		"module: files.wasm\nmounts: {}\ncases: [{name: a, activity: Hasty}]":                                               {":2:9: mounts are a map such as"},
		"cases: [{name: a, name: b, activity: Echo}]":                                                                       {":1:19: "},
	} {
		path := write(t, text)
		_, err := cases.Read(path)
		if err == nil {
			t.Errorf("%s\nis read", text)
			continue
		}
		for _, part := range want {
			if !strings.Contains(err.Error(), part) {
				t.Errorf("%s\ngives %v\nwant %q", text, err, part)
			}
		}
	}
	if _, err := cases.Read("no.test.yaml"); err == nil || !strings.Contains(err.Error(), "no.test.yaml") {
		t.Error(err)
	}
	// All mistakes at once, in order.
	_, err := cases.Read(write(t, "cases:\n  - name: 1\n    activity: 2\n    want: {fuel: 0}\n"))
	if err == nil || strings.Count(err.Error(), "\n") != 2 {
		t.Error(err)
	}
}

// A call can fail with every errno that abi/SPEC.md has, those of files too.
func TestErrnos(t *testing.T) {
	for _, errno := range []abi.Errno{abi.E2BIG, abi.EDQUOT, abi.EFBIG, abi.EROFS, abi.ETXTBSY, abi.ENOTCAPABLE} {
		f := read(t, write(t, fmt.Sprintf("module: passthrough.wasm\ncases: [{name: a, activity: Ask, calls: [{call: greeter hello, error: {errno: %s}}]}]", errno)))
		if got := f.Cases[0].Calls[0].Err.Errno; got != errno {
			t.Errorf("%s became %s", errno, got)
		}
	}
	// One that an embedder made up is recorded as its number.
	f := &cases.File{Path: filepath.Join(t.TempDir(), "own.test.yaml"), Module: filepath.Join(testbed.Root(t), "testdata/wat/passthrough.wasm")}
	own := &replay.Run{Calls: []replay.Call{{Module: "wasmworker:greeter/v1", Function: "hello", Err: &replay.CallError{Errno: 999, Message: "own"}}}}
	if err := f.Append(cases.Record("own", replay.Activity{Type: "Ask"}, own, nil)); err != nil {
		t.Fatal(err)
	}
	if got := read(t, f.Path).Cases[0].Calls[0].Err; got.Errno != 999 {
		t.Errorf("999 became %d", got.Errno)
	}
}

// What an activity gets is byte for byte what the file says, however YAML lets one write it.
// The environment of the guest is that of the file, and no other.
func TestEnv(t *testing.T) {
	t.Setenv("HOST", "no")
	path := write(t, `
module: environ.wasm
env: {REGION: eu, EMPTY: "", FLAGS: "-a=1 -b"}
cases:
  - {name: environment, activity: Environ, want: {output_matches: "^EMPTY=\x00FLAGS=-a=1 -b\x00REGION=eu\x00$"}}
`)
	if result := run(t, path)[0]; len(result.Differences) > 0 {
		t.Errorf("%+v", result.Differences)
	}
	for env, want := range map[string]string{
		"[A]": "env is a map", `{"A=": "x"}`: ":3:7: this is not the name", `{A: 1}`: ":3:10: this has to be text, and is a number: put it in quotes", `{A: "\0"}`: "zero byte",
	} {
		if _, err := cases.Read(write(t, "\nmodule: environ.wasm\nenv: "+env+"\ncases: [{name: environment, activity: Environ}]\n")); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %s", env, err, want)
		}
	}
}

func TestPayloads(t *testing.T) {
	const big = "12345678901234567890123"
	for value, want := range map[string]string{
		"1": "1", "1.50": "1.50", "-0": "-0", "1e3": "1e3", big: big, "0x10": "16", "1_000": "1000", "+7": "7", "'1'": `"1"`, "yes": `"yes"`, "true": "true",
		"2026-01-01": `"2026-01-01"`, `{z: 1, a: [1, {b: ~}]}`: `{"z":1,"a":[1,{"b":null}]}`, `"<é\u2028\n☃>"`: "\"<é\\u2028\\n☃>\"", "!!str 12": `"12"`, "[]": "[]", "{}": "{}",
		"{$text: hi}": "hi", "{$base64: AP8=}": "\x00\xff", "{$encoding: json/plain, $text: ' [1 ]'}": " [1 ]", `{"$x": 1, y: 2}`: `{"$x":1,"y":2}`, "null": "",
	} {
		path := write(t, "cases:\n  - name: a\n    activity: Echo\n    args: ["+value+"]\n")
		results := run(t, path)
		if got := results[0].Run.Output; !results[0].Passed() || got == nil || string(got.Data) != want {
			t.Errorf("%s: %v, %s, want %s", value, got, results[0], want)
		}
	}
	path := write(t, `cases:
  - name: metadata
    activity: Echo
    args: [{$encoding: json/protobuf, $metadata: {messageType: acme.Order, raw: {base64: /w==}}, $text: "{}"}]
    want: {output: {$encoding: json/protobuf, $metadata: {messageType: acme.Order}, $text: "{ }"}}
  - &first
    name: anchors
    activity: Echo
    args: &args [{a: 1}]
    want: &want {output: {a: 1.0}}
  - {<<: *first, name: merged}
  - {name: aliases, activity: Echo, args: *args, want: *want}
`)
	for _, result := range run(t, path) {
		if !result.Passed() {
			t.Errorf("%s: %s", result.Case.Name, result)
		}
	}
}

// A want is met by what it says and by nothing else.
func TestWants(t *testing.T) {
	const echo = "activity: Echo, args: "
	for c, want := range map[string]string{ // the first difference; "" for none
		echo + "[{a: 1, b: [1, {c: 2}]}], want: {output: {b: [1.0, {c: 2}], a: 1}}":   "",
		echo + "[{a: 1}], want: {output: {a: 2}}":                                     "output",
		echo + "[{a: 9007199254740993}], want: {output: {a: 9007199254740992}}":       "output",
		echo + "[{a: 1, b: 2}], want: {output: {a: 1}}":                               "output",
		echo + "[{a: 1, b: [{c: 2, d: 3}]}], want: {output_contains: {b: [{c: 2}]}}":  "",
		echo + "[{a: 1, b: [{c: 2}, 3]}], want: {output_contains: {b: [{c: 2}]}}":     "output_contains",
		echo + "[{$text: text}], want: {output_contains: {}}":                         "output_contains",
		echo + "['12 apples'], want: {output_matches: '[0-9]+ apples'}":               "",
		echo + "['12 pears'], want: {output_matches: '[0-9]+ apples'}":                "output_matches",
		echo + "[null], want: {output: null}":                                         "",
		echo + "[{$encoding: json/plain, $text: 'null'}], want: {output: null}":       "",
		"activity: Echo, want: {output: null}":                                        "",
		"activity: Echo, want: {output: 1}":                                           "output",
		echo + "[0], want: {output: null}":                                            "output",
		echo + "[{$text: x}], want: {output: x}":                                      "output",
		echo + "[1], want: {failure: {type: X}}":                                      "failure",
		echo + "[1], cancel: {fuel: 1}, want: {canceled: true}":                       "canceled",
		echo + "[1], want: {heartbeats: []}":                                          "",
		echo + "[1], want: {heartbeats: [[]]}":                                        "heartbeats",
		echo + "[1], want: {logs: [{}]}":                                              "logs",
		echo + "[1], want: {calls: 0, max_fuel: 10000, max_memory: 4MiB}":             "",
		echo + "[1], want: {calls: 1}":                                                "calls",
		echo + "[1], want: {max_fuel: 1}":                                             "max_fuel",
		echo + "[1], want: {max_memory: 1KiB}":                                        "max_memory",
		echo + "[1], want: {fuel: 1}":                                                 "fuel",
		echo + "[1], kill: {fuel: 1}":                                                 "output",
		echo + "[1], kill: {fuel: 1}, want: {failure: {type: OutOfFuel}}":             "",
		"activity: Info, info: {attempt: 3}, want: {output_contains: {attempt: 3}}":   "output_contains", // the guest gives no encoding
		"activity: Info, info: {attempt: 3}, want: {output_matches: '\"attempt\":3'}": "",

		echo + `[{$encoding: json/plain, $text: '"\u003cp>\n"'}], want: {output_matches: '^<p>\n$'}`:                  "",
		echo + `[{$encoding: json/plain, $text: '{"a": ["\u003cp>"]}'}], want: {output_matches: '^{"a":\["<p>"\]}$'}`: "",
	} {
		t.Run(c, func(t *testing.T) {
			result := run(t, write(t, "cases:\n  - {name: a, "+c+"}\n"))[0]
			got := ""
			if !result.Passed() {
				got = result.Differences[0].What
			}
			if got != want && !(want == "output_contains" && got == "") {
				t.Errorf("%q, want %q: %s", got, want, result)
			}
		})
	}
}

func TestFailures(t *testing.T) {
	const head = "module: misbehave.wasm\ncases:\n  - {name: a, activity: SilentFailure, want: {failure: "
	for want, difference := range map[string]string{
		"{type: ActivityFailed, non_retryable: false, details: []}": "",
		"{type: Other}":            "failure.type",
		"{message: x}":             "failure.message",
		"{message_matches: ^$}":    "failure.message_matches",
		"{non_retryable: true}":    "failure.non_retryable",
		"{category: benign}":       "failure.category",
		"{details: [1]}":           "failure.details",
		"{cause: {type: X}}":       "failure.cause",
		"{next_retry_delay_ms: 5}": "failure.next_retry_delay_ms",
	} {
		result := run(t, write(t, head+want+"}}\n"))[0]
		if got := strings.Join(whats(result), " "); got != difference {
			t.Errorf("%s: %q, want %q", want, got, difference)
		}
	}
	for _, c := range []string{
		"activity: WaitForFlags, cancel: {fuel: 1000}, want: {canceled: null}",
		"activity: WaitForFlags, cancel: {fuel: 1000, flags: [worker_stopping]}, want: {canceled: true}",
		"activity: Cancel, want: {failure: {type: UnexpectedCancel}}",
		"activity: Trap, want: {failure: {type: WasmTrap}}",
		"activity: Spin, kill: {fuel: 1000000}, want: {failure: {type: OutOfFuel}}",
	} {
		if result := run(t, write(t, "module: misbehave.wasm\nlimits: {fuel: 5000000, memory: 2MiB, output: 1KiB}\ncases:\n  - {name: a, "+c+"}\n"))[0]; !result.Passed() {
			t.Errorf("%s: %s", c, result)
		}
	}
}

func whats(r *cases.Result) (all []string) {
	for _, d := range r.Differences {
		all = append(all, d.What)
	}
	return all
}

// Calls have to be those that the case has answers to, in their order.
func TestCalls(t *testing.T) {
	for text, want := range map[string]string{
		"args: [hi], calls: [{call: greeter hello, response: you}], want: {output_matches: ^you$, calls: 1}":                                      "",
		"args: [hi], calls: [{call: greeter hello, request: '\"hi\"', response: you}], want: {calls: [{call: greeter hello, request: '\"hi\"'}]}": "",
		"args: [{a: 1}], calls: [{call: greeter hello, request: {json: {a: 1.0}}, response: {json: {b: 1}}}], want: {output_matches: '\"b\":1'}":  "",
		"args: [hi], calls: [{call: greeter hello, error: {errno: EACCES, message: never}}], want: {output_matches: ^never$}":                     "",
		"args: [hi], calls: [{call: greeter hello, request: '\"ho\"', response: you}]":                                                            "call greeter hello, where the answer 1 was to come",
		"args: [hi]": "call greeter hello",
		"args: [hi], calls: [{call: greeter hello, response: a}, {call: greeter hello, response: b}]":                                                                             "calls that were not made, from the answer 2 on",
		"args: [hi], calls: [{call: greeter hello, response: a}], want: {calls: [{call: greeter hello, request: x}]}":                                                             "calls[0]",
		"args: [hi], calls: [{call: greeter hello, response: a}], want: {calls: []}":                                                                                              "calls[0]",
		"args: [hi], calls: [{call: greeter hello, response: a}], faults: [{call: 1, response: garbage}], want: {output_matches: ^garbage$}":                                      "",
		"args: [hi], faults: [{call: 1, error: {errno: EIO, message: gone}}], want: {output_matches: ^gone$}":                                                                     "",
		"args: [hi], calls: [{call: greeter hello, response: a}], faults: [{call: 1, lost: true, delay: 5s, error: {errno: EIO, message: late}}], want: {output_matches: ^late$}": "",
	} {
		result := run(t, write(t, "module: passthrough.wasm\ncases:\n  - {name: a, activity: Ask, "+text+"}\n"))[0]
		got := ""
		if !result.Passed() {
			got = result.Differences[0].What
		}
		if got != want {
			t.Errorf("%s: %q, want %q: %s", text, got, want, result)
		}
	}
	// Of several answers, the most similar one is shown.
	result := run(t, write(t, "module: passthrough.wasm\ncases:\n  - {name: a, activity: Ask, args: [three], calls: [{call: greeter hello, request: one, response: a}, {call: greeter hello, request: '\"three!\"', response: b}]}\n"))[0]
	if text := result.String(); !strings.Contains(text, "the most similar one is the answer 2") || !strings.Contains(text, `-   "request": "\"three!\""`) || !strings.Contains(text, `+   "request": "\"three\""`) {
		t.Error(text)
	}
	// Of one that comes too early, the one is shown that was to come.
	result = run(t, write(t, "module: passthrough.wasm\ncases:\n  - {name: a, activity: Ask, args: [three], calls: [{call: greeter hello, request: one, response: a}, {call: greeter hello, request: '\"three\"', response: b}]}\n"))[0]
	if text := result.String(); !strings.Contains(text, "too early for the answer 2") || !strings.Contains(text, `-   "request": "one"`) || !strings.Contains(text, `+   "request": "\"three\""`) {
		t.Error(text)
	}
}

// An update changes what differs and leaves everything else as it was.
func TestUpdate(t *testing.T) {
	const before = `# the head
module: echo.wasm   # this one
cases:
  - name: right
    activity: Echo
    args: [1]
    want: {output:   1.0}   # stays

  - name: wrong
    activity: Echo
    args:
      - {a: [1, 2], text: "with: colon"}
    want:
      # about the output
      output:
        a: [1]
        # inside
      max_memory: 8MiB
      fuel: 1   # exact

  # about the next
  - name: flow
    activity: Args
    args: [1, 2]
    want: {output: 9, max_fuel: 1}
  - activity: Echo
    name: none
  - name: another ending
    activity: Echo
    kill: {fuel: 1}
    want:
      output_contains: {a: 1}
      output_matches: x
      heartbeats:
      - [1]
      - [2]
  - {name: in one line, activity: Echo, args: [2], want: {output: 1}}
# the end
`
	path := write(t, before)
	f := read(t, path)
	results := run(t, path)
	changed, err := f.Update(results)
	if changed != 4 || err == nil || !strings.Contains(err.Error(), ":37:5: \"in one line\": it is written in one line") {
		t.Errorf("%d changed, %v", changed, err)
	}
	got, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	units := func(i int) string { return fmt.Sprint(results[i].Run.Fuel) }
	want := strings.NewReplacer(
		"      output:\n        a: [1]\n        # inside\n", "      output: {a: [1, 2], text: \"with: colon\"}\n",
		"fuel: 1   # exact", "fuel: "+units(1),
		"want: {output: 9, max_fuel: 1}", "want: {output: 2, max_fuel: 1}",
		"    name: none\n", "    name: none\n    want: {output: null, fuel: "+units(3)+"}\n",
		"      output_contains: {a: 1}\n      output_matches: x\n      heartbeats:\n      - [1]\n      - [2]\n", "      failure:\n        type: OutOfFuel\n        message: \"activity Echo has used up its fuel (1); raise the fuel limit of its module, or send it less\"\n        non_retryable: true\n      heartbeats: []\n",
	).Replace(before)
	if string(got) != want {
		t.Errorf("got %s\nwant %s", got, want)
	}
	// What was updated is met now, and is not updated again. What is a limit stays as it is.
	f, results = read(t, path), run(t, path)
	for _, result := range results {
		if passed := result.Case.Name != "flow" && result.Case.Name != "in one line"; result.Passed() != passed {
			t.Errorf("%s: %s", result.Case.Name, result)
		}
	}
	if changed, err := f.Update(results[:5]); changed != 0 || err != nil {
		t.Errorf("%d changed, %v", changed, err)
	}
	if err := os.WriteFile(path, append(got, '\n'), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := f.Update(results); err == nil || !strings.Contains(err.Error(), "has changed since it was read") {
		t.Error(err)
	}
}

// What is recorded is a case that comes out the same.
func TestRecord(t *testing.T) {
	path := write(t, "")
	dir := filepath.Dir(path)
	f := &cases.File{Path: filepath.Join(dir, "recorded.test.yaml"), Module: filepath.Join(dir, "passthrough.wasm"), Start: time.Date(2026, 5, 1, 12, 0, 0, 5, time.UTC), Seed: -3, Limits: cases.Limits{Memory: 3 << 20, Fuel: 12345678}}
	frame, err := passthrough.EncodeFrame(map[string]any{"url": "https://example.com", "n": 1}, []byte{0, 255})
	if err != nil {
		t.Fatal(err)
	}
	// With a < that is escaped, as JSON may have it.
	query, err := passthrough.EncodeFrame(json.RawMessage(`{"sql": "a \u003c b"}`), nil)
	if err != nil {
		t.Fatal(err)
	}
	env := hosttest.New(t, replay.Options{Modules: []string{f.Module}, Start: f.Start, Seed: f.Seed, NoCache: true})
	info := env.DefaultInfo("Ask")
	info.Attempt, info.HeartbeatTimeout = 4, abi.Milliseconds(time.Second)
	arguments := [][]any{
		{"text"}, {[]byte{0, 1, 2}}, {nil}, {json.RawMessage(`{"b":1e3,"a":"x\u003cy","$k":[null,true]}`)}, {map[string]any{"$text": "x"}},
		{sandbox.Payload{Metadata: map[string][]byte{"encoding": []byte("json/protobuf"), "messageType": []byte("a.B"), "raw": {255}}, Data: []byte("{}")}},
		{frame}, {query}, {"yes", "null", "1", "a: b", " x ", "# no", "-", "☃\u2028\x7f", "", "two\nlines\r\n", "true"}, {1, "2"}, {sandbox.NewPayload("json/plain", []byte("null"))},
	}
	answers := []replay.Call{{Response: []byte("plain")}, {Response: frame}, {Response: []byte{}}, {Response: []byte{255}}, {Err: &replay.CallError{Errno: abi.EACCES, Message: "no: \"never\""}}}
	for i, args := range arguments {
		a := replay.Activity{Type: "Ask", Args: args, Details: args, Info: &info, Answer: func(context.Context, replay.Call) ([]byte, error) {
			if answer := answers[i%len(answers)]; answer.Err == nil {
				return answer.Response, nil
			}
			return nil, answers[i%len(answers)].Err
		}}
		run := env.Run(a)
		if err := f.Append(cases.Record(fmt.Sprintf("case %d", i), a, run, nil)); err != nil {
			t.Fatal(err)
		}
	}
	text, err := os.ReadFile(f.Path)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(text), `request: {head: {sql: "a < b"}}`) {
		t.Errorf("a request is not there as people read it:\n%s", text)
	}
	again := read(t, f.Path)
	if len(again.Cases) != len(arguments) || again.Seed != -3 || !again.Start.Equal(f.Start) || again.Limits != f.Limits {
		t.Errorf("%+v\n%s", again, text)
	}
	for _, result := range run(t, f.Path) {
		if !result.Passed() {
			t.Errorf("%s: %s\n%s", result.Case.Name, result, text)
		}
	}
	for i, c := range again.Cases { // byte for byte
		for k, arg := range c.Activity.Args {
			if want := replay.NewPayload(arguments[i][k]); string(arg.(sandbox.Payload).Data) != string(want.Data) || arg.(sandbox.Payload).Encoding() != want.Encoding() {
				t.Errorf("%v became %v", want, arg)
			}
		}
	}
	if err := f.Append(cases.Record("case 1", replay.Activity{Type: "Ask"}, &replay.Run{}, nil)); err == nil || !strings.Contains(err.Error(), `a case "case 1" already`) {
		t.Error(err)
	}
	other := *f
	other.Seed = 7
	if err := other.Append(cases.Record("x", replay.Activity{Type: "Ask"}, &replay.Run{}, nil)); err == nil || !strings.Contains(err.Error(), "write to another file") {
		t.Error(err)
	}
	if now, _ := os.ReadFile(f.Path); string(now) != string(text) {
		t.Error("a refused append changed the file")
	}
}

// Sizes are written as they are, in the largest unit in which they are whole.
func TestSizes(t *testing.T) {
	for size, want := range map[uint64]string{100<<20 + 1<<10: `"102401KiB"`, 100 << 20: `"100MiB"`, 1500 << 20: `"1500MiB"`, 4 << 30: `"4GiB"`, 1<<20 + 1: "1048577"} {
		dir := filepath.Dir(write(t, ""))
		f := &cases.File{Path: filepath.Join(dir, "sizes.test.yaml"), Module: filepath.Join(dir, "echo.wasm"), Limits: cases.Limits{Memory: size, Output: int(size >> 2)}}
		if err := f.Append(cases.Record("a", replay.Activity{Type: "Echo"}, &replay.Run{}, nil)); err != nil {
			t.Fatal(err)
		}
		text, err := os.ReadFile(f.Path)
		if err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(string(text), "memory: "+want) || read(t, f.Path).Limits != f.Limits {
			t.Errorf("%d, want %s: %+v\n%s", size, want, read(t, f.Path).Limits, text)
		}
	}
}

// Exploring finds activities that do not survive a crash, and leaves those alone that do.
func TestExplore(t *testing.T) {
	path := write(t, `module: crash.wasm
cases:
  - {name: careful, activity: Careful, want: {output: {$base64: NwAAAA==}}}
  - {name: hasty, activity: Hasty, want: {output: {$base64: NwAAAA==}}}
  - {name: endless, activity: Endless, want: {output: {$base64: NwAAAA==}}}
  - {name: greedy, activity: Greedy, want: {output: {$base64: AQAAAA==}}}
  - {name: stubborn, activity: Stubborn}
  - {name: final, activity: Final, calls: [{call: greeter hello, request: binary, response: hi}]}
  - {name: tidy, activity: Tidy, calls: [{call: greeter hello, request: binary, response: hi}]}
  - {name: changed, activity: Changed, calls: [{call: greeter hello, request: binary, response: hi}]}
  - {name: boastful, activity: Boastful, calls: [{call: greeter hello, request: binary, response: hi}]}
  - {name: refused, activity: Greedy, refuse_memory: 1, want: {output: {$base64: /////w==}}}
  - {name: granted, activity: Greedy, refuse_memory: 2, want: {output: {$base64: AQAAAA==}}}
  - {name: killed, activity: Careful, kill: {fuel: 1}, want: {failure: {type: OutOfFuel}}}
`)
	want := map[string]string{
		"careful": "", "hasty": "killed after ", "endless": "killed after ", "greedy": "with no more memory from request 1 on: output", "refused": "", "granted": "", "stubborn": "asked to cancel after ", "final": "with EIO for call 1 (greeter hello): end (at 2 points)", "killed": "",
		"tidy": "", "changed": "killed after ", "boastful": "with EIO for call 1 (greeter hello), then retried with the details ",
	}
	f, r := read(t, path), newRunner(t)
	for _, c := range f.Cases {
		result, err := r.Explore(context.Background(), f, c, 20)
		if err != nil {
			t.Fatal(err)
		}
		switch {
		case want[c.Name] == "" && !result.Passed():
			t.Errorf("%s: %s", c.Name, result)
		case want[c.Name] != "" && (result.Passed() || !strings.HasPrefix(result.Differences[0].What, want[c.Name])):
			t.Errorf("%s: %s", c.Name, result)
		}
		if c.Name == "endless" && (len(result.Differences) != 1 || strings.Contains(result.Differences[0].What, "points")) {
			t.Errorf("it goes wrong after its last heartbeat alone: %s", result)
		}
		if slices.Contains([]string{"killed", "refused", "granted"}, c.Name) && !strings.Contains(strings.Join(result.Notes, ""), "not explored") {
			t.Errorf("%v", result.Notes)
		}
	}
}

// Exploring finds activities that do not survive a crash between two changes of a file, and its retry finds what was written before.
func TestExploreFiles(t *testing.T) {
	path := write(t, `module: files.wasm
cases:
  - {name: careful, activity: Careful, want: {files: {/digits: "0123456789", /draft: null}}}
  - {name: hasty, activity: Hasty, want: {files: {/digits: "0123456789"}}}
  - {name: there, activity: Hasty, files: {/digits: old}, want: {files: {/digits: old}}}
  - {name: again, activity: Again, files: {/digits: ">"}, want: {files: {/digits: ">0123456789"}}}
`)
	wrong := map[string][]string{"hasty": {"", "01234"}, "again": {">01234567890123456789"}}
	f, r := read(t, path), newRunner(t)
	for _, c := range f.Cases {
		result, err := r.Explore(context.Background(), f, c, 1)
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, d := range result.Differences {
			if !strings.HasPrefix(d.What, "killed after ") || !strings.Contains(d.What, " units, then retried without details of a heartbeat: files[/digits]") {
				t.Errorf("%s: %s", c.Name, d)
			}
			got = append(got, strings.Trim(d.Got, `"`))
		}
		if slices.Sort(got); !slices.Equal(got, wrong[c.Name]) {
			t.Errorf("%s: %q", c.Name, got)
		}
	}
}

// Files are those of each case alone, and what is wanted of them is looked at, by the same rules as requests.
func TestFiles(t *testing.T) {
	module := testbed.Guest(t, "testdata/guests/files")
	path := write(t, "module: "+module+`
mounts: {/in: {}, /out: {write: true}}
cases:
  - name: right
    activity: Files
    args: [[[read, /in/a], [write, /out/b, '{"a": [1]}'], [remove, /out/c], [mkdir, /out/made], [write, /in/a, x]]]
    files: {/in/a: "text\n", /in/bytes: {base64: AP8=}, /out/c: {json: {a: 1}}, /out/empty/: ""}
    want:
      output: ["text\n", "", "", "", "error: open /in/a: Read-only file system"]
      files: {/in/bytes: {base64: AP8=}, /out/b: {json: {a: [1.0]}}, /out/c: null, /out/made/: "", /out/empty/: "", /out/none/: null}
  - name: wrong
    activity: Files
    args: [[[write, /out/a, x], [write, /out/b, "x\ny\n"], [write, /out/c, x], [write, /out/bytes, "\u0001"]]]
    want:
      # what comes out
      files:
        /out/a: y
        /out/b: |
          x
          z
        /out/c: null
        /out/d: d
        /out/e: ""
        /out/bytes: ""
        /in/none: null
  - name: alone
    activity: Files
    args: [[[tree, /in], [tree, /out]]]
    want: {output: [/in, /out]}
`)
	results := run(t, path)
	for i, want := range []string{"", `files[/out/a]:
  - y
  + x
files[/out/b]:
    x
  - z
  + y
    
files[/out/bytes]:
  - ""
  + {
  +   "base64": "AQ=="
  + }
files[/out/c]:
  - no such file
  + x
files[/out/d]:
  - d
  + no such file
files[/out/e]:
  - ""
  + no such file`, ""} {
		if got := results[i].String(); got != want {
			t.Errorf("%s: %s", results[i].Case.Name, got)
		}
	}
	// An update writes what has come out into the place of what was wanted, and of that alone.
	if changed, err := read(t, path).Update(results); changed != 1 || err != nil {
		t.Errorf("%d, %v", changed, err)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if want := "      # what comes out\n      files:\n"; !strings.Contains(string(text), want) {
		t.Errorf("%s", text)
	}
	for _, result := range run(t, path) {
		if !result.Passed() {
			t.Errorf("%s: %s\n%s", result.Case.Name, result, text)
		}
	}
	// A case of Go's is written with its files.
	again := *read(t, path)
	again.Path = filepath.Join(filepath.Dir(path), "again.test.yaml")
	for _, c := range read(t, path).Cases {
		recorded := cases.Record(c.Name, c.Activity, &replay.Run{}, cases.Secrets{"text"})
		recorded.Want = c.Want
		if err := again.Append(recorded); err != nil {
			t.Fatal(err)
		}
	}
	if text, _ := os.ReadFile(again.Path); !strings.Contains(string(text), `/in/a: "REDACTED\n"`) || !strings.Contains(string(text), "/out: {write: true}") {
		t.Errorf("%s", text)
	}
	if c := read(t, again.Path).Cases[0]; string(c.Activity.Files["/in/bytes"]) != "\x00\xff" || c.Activity.Files["/out/empty/"] == nil {
		t.Errorf("%q", c.Activity.Files)
	}
	// It is the same in the interpreter.
	file, r := read(t, path), newRunner(t)
	for _, c := range file.Cases {
		if result, err := r.Repeat(context.Background(), file, c, 5); err != nil || !result.Passed() {
			t.Errorf("%v, %v", result, err)
		}
	}
	// Without mounts of the file, only cases that say something about files have a directory.
	results = run(t, write(t, "module: "+module+`
cases:
  - {name: with, activity: Files, args: [[[write, /a, x]]], files: {}, want: {output: [""]}}
  - {name: wanting, activity: Files, args: [[[write, /a, x]]], want: {files: {/a: x}}}
  - {name: without, activity: Files, args: [[[write, /a, x]]], want: {output_matches: "error: open /a"}}
`))
	for _, result := range results {
		if !result.Passed() {
			t.Errorf("%s: %s", result.Case.Name, result)
		}
	}
}

// However often a case is run, and in either engine, it is the same.
func TestRepeat(t *testing.T) {
	module := testbed.Guest(t, "testdata/conformance/go")
	path := write(t, "module: "+module+`
seed: 42
cases:
  - {name: greets, activity: greet, args: [{name: Ada}], want: {output: {greeting: "Hello, Ada!"}}}
  - {name: crashes, activity: crash, want: {failure: {message_matches: .}}}
  - {name: logs, activity: logs, args: [a message], want: {logs: [{level: WARN, message: a message, attrs: {answer: 42}}, {level: DEBUG}]}}
  - {name: goes on, activity: steps, args: [5], details: [2], want: {output: 2, heartbeats: [[3], [4], [5]]}}
  - {name: cancels, activity: cancel, cancel: {heartbeats: 3}, want: {canceled: cleaned up}}
`)
	f, r := read(t, path), newRunner(t)
	for _, c := range f.Cases {
		result, err := r.Repeat(context.Background(), f, c, 100)
		if err != nil {
			t.Fatal(err)
		}
		if !result.Passed() {
			t.Errorf("%s: %s", c.Name, result)
		}
	}
}

// Whatever a file has in it, it is read or refused.
func FuzzRead(f *testing.F) {
	path := write(f, "")
	for _, seed := range []string{
		"cases:\n  - name: a\n    activity: Echo\n    args: [1, {$text: x}]\n    want: {output: 1}\n", "cases: &a [*a]", "a: {<<: *b}", "? [a]\n: b", "cases:\n- {name: a, activity: Echo, calls: [{call: http send, response: {head: {}, body: {json: 1}}}]}",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		file, err := cases.Read(path)
		if (file == nil) == (err == nil) {
			t.Errorf("%v, %v", file, err)
		}
	})
}

// Frames are written as head and body, and compared so: heads by their values, where what is empty may be left out.
func TestFrames(t *testing.T) {
	module := testbed.Guest(t, "testdata/conformance/go")
	const answer = "response: {head: {status: 201, headers: {Content-Type: [text/plain]}}, body: made}"
	for calls, want := range map[string]string{
		"[{call: http send, request: {head: {url: 'https://x.example/', method: POST, headers: {X: [y]}}, body: {json: {a: 1.0}}}, " + answer + "}]":                      "",
		"[{call: http send, request: {head: {url: 'https://x.example/', method: POST, headers: {X: [y]}, timeout_ms: 0}, body: {base64: eyJhIjoxfQ==}}, " + answer + "}]": "",
		"[{call: http send, request: {head: {url: 'https://x.example/', method: POST}, body: {json: {a: 1}}}, " + answer + "}]":                                           "call http send, where the answer 1 was to come",
		"[{call: http send, request: {head: {url: 'https://x.example/', method: POST, headers: {X: [y]}}, body: other}, " + answer + "}]":                                 "call http send, where the answer 1 was to come",
		"[{call: config get, response: x}]":      "call http send, where the answer 1 was to come",
		"[{call: http/v1 send, " + answer + "}]": "",
	} {
		result := run(t, write(t, "module: "+module+`
cases:
  - name: a
    activity: http
    args: [{url: "https://x.example/", method: POST, headers: {X: y}, body: '{"a":1}'}]
    calls: `+calls+`
    want: {output_contains: {status: 201, body: made, content_type: text/plain}}
`))[0]
		got := ""
		if !result.Passed() {
			got = result.Differences[0].What
		}
		if got != want {
			t.Errorf("%s: %q, want %q: %s", calls, got, want, result)
		}
	}
}

// The example in the documentation passes, and the tables have every key.
func TestDocumentation(t *testing.T) {
	data, err := os.ReadFile(filepath.Join(testbed.Root(t), "docs", "testing.md"))
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(data), "```yaml\n")
	example, _, ok := strings.Cut(rest, "```")
	if !ok {
		t.Fatal("there is no example")
	}
	for _, result := range run(t, write(t, "module: "+testbed.Guest(t, "testdata/conformance/go")+"\n"+example)) {
		if !result.Passed() {
			t.Errorf("%s: %s", result.Case.Name, result)
		}
	}
	// A mistake names the keys that there are.
	for _, text := range []string{"1", "cases: [1]", "limits: 1", "cases: [{name: a, activity: a, want: 1, cancel: 1, kill: 1, calls: [1], faults: [1]}]", "cases: [{name: a, activity: a, want: {failure: 1, logs: [1]}}]"} {
		_, err := cases.Read(write(t, text))
		if err == nil {
			t.Fatal(text)
		}
		for line := range strings.Lines(err.Error()) {
			if _, keys, ok := strings.Cut(line, " with the keys "); ok {
				keys, _, _ = strings.Cut(keys, ", and this is")
				for key := range strings.SplitSeq(keys, ", ") {
					if !strings.Contains(string(data), "`"+key+"`") && !strings.Contains(string(data), key+": ") {
						t.Errorf("docs/testing.md has no key %s", key)
					}
				}
			}
		}
	}
}

// A case is appended to the list of cases, wherever that is and however it is indented, or not at all.
func TestAppend(t *testing.T) {
	for before, want := range map[string]string{
		"cases:\n- name: a\n  activity: Echo\n# about the limits\nlimits: {fuel: 100000}":              "cases:\n- name: a\n  activity: Echo\n- name: new\n  activity: Echo\n  args: [1]\n  want: {output: 1, fuel: 7}\n# about the limits\nlimits: {fuel: 100000}",
		"limits: {fuel: 100000}\ncases:\n    - {activity: Echo,\n       name: a}":                      "",
		"limits: {fuel: 100000}\ncases:\n    - activity: Echo\n      name: a":                          "limits: {fuel: 100000}\ncases:\n    - activity: Echo\n      name: a\n    - name: new\n      activity: Echo\n      args: [1]\n      want: {output: 1, fuel: 7}\n",
		"limits: {fuel: 100000}\ncases: [{activity: Echo, name: a}]":                                   "",
		"limits: {fuel: 100000}\ncases:\n  -\n    activity: Echo\n    name: a\n":                       "",
		"limits: {fuel: 100000}\ncases:\n  - activity: Echo\n    name: a\n    args: [\"\n\n    x\"]\n": "limits: {fuel: 100000}\ncases:\n  - activity: Echo\n    name: a\n    args: [\"\n\n    x\"]\n  - name: new\n    activity: Echo\n    args: [1]\n    want: {output: 1, fuel: 7}\n",
	} {
		path := write(t, before)
		f := &cases.File{Path: path, Module: filepath.Join(filepath.Dir(path), "echo.wasm"), Limits: cases.Limits{Fuel: 100000}}
		output := replay.NewPayload(1)
		err := f.Append(cases.Record("new", replay.Activity{Type: "Echo", Args: []any{1}}, &replay.Run{Output: &output, Fuel: 7}, nil))
		got, _ := os.ReadFile(path)
		switch {
		case want == "" && (err == nil || string(got) != before):
			t.Errorf("%s\nbecame, with %v,\n%s", before, err, got)
		case want != "" && (err != nil || string(got) != want):
			t.Errorf("%s\nbecame, with %v,\n%s\nwant %s", before, err, got, want)
		}
	}
}
