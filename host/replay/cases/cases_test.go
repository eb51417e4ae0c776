package cases_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"github.com/wasmworker/wasmworker/host/hosttest"
	"github.com/wasmworker/wasmworker/host/passthrough"
	"github.com/wasmworker/wasmworker/host/replay"
	"github.com/wasmworker/wasmworker/host/replay/cases"
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

// write makes a case file in a directory with modules: echo, misbehave, passthrough,
// environ, crash and files.
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

// What an activity gets is byte for byte what the file says, however YAML lets one write
// it. The environment of the guest is that of the file, and no other.
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
		"{$text: hi}": "hi", "{$base64: AP8=}": "\x00\xff", "{$encoding: json/plain, $text: ' [1 ]'}": " [1 ]", "{$encoding: null, $text: x}": "x", "{$bytes: 3}": "\x00\x01\x02", "{$bytes: 0}": "",
		"!repeat [ab, 3]": `"ababab"`, "{a: !repeat [<, 1, x, 2, '>', 1, y, 0]}": `{"a":"<xx>"}`, "{$text: !repeat [ab, 2]}": "abab", "{$base64: !repeat [AP8A, 2]}": "\x00\xff\x00\x00\xff\x00", "!repeat []": `""`,
		`{"$x": 1, y: 2}`: `{"$x":1,"y":2}`, "null": "",
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
		echo + "[{a: 1, b: [1, {c: 2}]}], want: {output: {b: [1.0, {c: 2}], a: 1}}":         "",
		echo + "[{a: 1}], want: {output: {a: 2}}":                                           "output",
		echo + "[{a: 9007199254740993}], want: {output: {a: 9007199254740992}}":             "output",
		echo + "[{a: 1, b: 2}], want: {output: {a: 1}}":                                     "output",
		echo + "[{a: 1, b: [{c: 2, d: 3}]}], want: {output_contains: {b: [{c: 2}]}}":        "",
		echo + "[{a: 1, b: [{c: 2}, 3]}], want: {output_contains: {b: [{c: 2}]}}":           "output_contains",
		echo + "[{$text: text}], want: {output_contains: {}}":                               "output_contains",
		echo + "['12 apples'], want: {output_matches: '[0-9]+ apples'}":                     "",
		echo + "['12 pears'], want: {output_matches: '[0-9]+ apples'}":                      "output_matches",
		echo + "[null], want: {output: null}":                                               "",
		echo + "[{$encoding: json/plain, $text: 'null'}], want: {output: null}":             "",
		"activity: Echo, want: {output: null}":                                              "",
		"activity: Echo, want: {output: 1}":                                                 "output",
		echo + "[0], want: {output: null}":                                                  "output",
		echo + "[{$text: x}], want: {output: x}":                                            "output",
		echo + "[1], want: {failure: {type: X}}":                                            "failure",
		echo + "[1], cancel: {fuel: 1}, want: {canceled: true}":                             "canceled",
		echo + "[1], want: {heartbeats: []}":                                                "",
		echo + "[1], want: {heartbeats: [[]]}":                                              "heartbeats",
		echo + "[1], want: {logs: [{}]}":                                                    "logs",
		echo + "[1], want: {calls: 0, max_fuel: 10000, max_memory: 4MiB}":                   "",
		echo + "[1], want: {calls: 1}":                                                      "calls",
		echo + "[{$encoding: null, $text: x}], want: {output: {$encoding: null, $text: x}}": "",
		echo + "[{$encoding: null, $text: x}], want: {output: {$text: x}}":                  "output",
		echo + "[{$text: x}], want: {output: {$encoding: null, $text: x}}":                  "output",
		echo + "[{$bytes: 300}], want: {output: {$bytes: 300}}":                             "",
		echo + "[{$bytes: 300}], want: {output: {$bytes: 301}}":                             "output",
		echo + "[{a: [!repeat [ab, 2]]}], want: {output: {a: [abab]}}":                      "",
		echo + "[1], want: {max_fuel: 1}":                                                   "max_fuel",
		echo + "[1], want: {max_memory: 1KiB}":                                              "max_memory",
		echo + "[1], want: {fuel: 1}":                                                       "fuel",
		echo + "[1], kill: {fuel: 1}":                                                       "output",
		echo + "[1], kill: {fuel: 1}, want: {failure: {type: OutOfFuel}}":                   "",
		// the guest gives no encoding
		"activity: Info, info: {attempt: 3}, want: {output_contains: {attempt: 3}}":   "output_contains",
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
		"{type: Other}":               "failure.type",
		"{message: x}":                "failure.message",
		"{message_matches: ^$}":       "failure.message_matches",
		"{non_retryable: true}":       "failure.non_retryable",
		"{category: benign}":          "failure.category",
		"{details: [1]}":              "failure.details",
		"{details_match: '^\\[\\]$'}": "",
		"{details_match: x}":          "failure.details_match",
		"{cause: {type: X}}":          "failure.cause",
		"{next_retry_delay_ms: 5}":    "failure.next_retry_delay_ms",
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

// How often functions are called can be expected without saying in which order.
func TestCallCounts(t *testing.T) {
	const head = "module: passthrough.wasm\ncases:\n  - name: a\n    activity: Ask\n    args: [{$text: Ada}]\n    calls: [{call: greeter hello, response: x}]\n    want:\n      calls: "
	for counts, want := range map[string]string{"{greeter hello: 1}": "", "{greeter/v1 hello: 1}": "", "{}": "", "{greeter hello: 0}": "calls", "{greeter hello: 2}": "calls"} {
		path := write(t, head+counts+"\n")
		f, results := read(t, path), run(t, path)
		if got := strings.Join(whats(results[0]), " "); got != want {
			t.Errorf("%s: %q, want %q", counts, got, want)
		}
		if want == "" {
			continue
		}
		results[0].Case = f.Cases[0]
		if changed, err := f.Update(results); changed != 1 || err != nil {
			t.Errorf("%d changed, %v", changed, err)
		}
		if text, err := os.ReadFile(path); err != nil || string(text) != head+"{greeter hello: 1}\n" {
			t.Errorf("%v:\n%s", err, text)
		}
	}
}

// In an environment of the caller's, its passthrough modules answer what the case does
// not. Other calls still fail. The file needs no module.
func TestOwnEnvironment(t *testing.T) {
	path := write(t, `module: nowhere.wasm
tags: [all]
cases:
  - {name: by the module, activity: Ask, args: [{$text: Ada}], want: {output_matches: "^hello, Ada$", calls: {greeter hello: 1}}}
  - {name: by the case, tags: [quick, all], activity: Ask, args: [{$text: Ada}], calls: [{call: greeter hello, response: hi}], want: {output_matches: "^hi$"}}
  - {name: by nobody, tags: [], activity: Ask, args: [{$text: Ada}], want: {output_matches: "no answer"}}
`)
	f, err := cases.Parse(path)
	if err != nil {
		t.Fatal(err)
	}
	if tags := fmt.Sprint(f.Cases[0].Tags, f.Cases[1].Tags, f.Cases[2].Tags); tags != "[all] [quick all] []" {
		t.Error(tags)
	}
	greeter := passthrough.Module{Name: "greeter", Functions: map[string]passthrough.Func{
		"hello": func(_ context.Context, _ *passthrough.Call, req []byte) ([]byte, error) {
			return append([]byte("hello, "), req...), nil
		},
	}}
	module := filepath.Join(filepath.Dir(path), "passthrough.wasm")
	own := hosttest.New(t, replay.Options{Modules: []string{module}, Passthrough: []passthrough.Module{greeter}, CacheDir: cache})
	none := hosttest.New(t, replay.Options{Modules: []string{module}, CacheDir: cache})
	for i, env := range []*replay.Env{own, own, none} {
		result := f.Cases[i].Run(t.Context(), env)
		want := map[bool]string{true: "call greeter hello"}[i == 2]
		if got := strings.Join(whats(result), " "); got != want || result.File != nil || result.Case != f.Cases[i] {
			t.Errorf("%s: %q, want %q: %s", f.Cases[i].Name, got, want, result)
		}
	}
}

// Files are those of each case alone, and what is wanted of them is looked at, by the
// same rules as requests.
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
	// An update writes what has come out into the place of what was wanted, and of that
	// alone.
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
	// Without mounts of the file, only cases that say something about files have a
	// directory.
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

// Frames are written as head and body, and compared so: heads by their values, where what
// is empty may be left out.
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
