package cases_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/wasmworker/wasmworker/abi"
	"github.com/wasmworker/wasmworker/host/replay"
	"github.com/wasmworker/wasmworker/host/replay/cases"
	"github.com/wasmworker/wasmworker/internal/testbed"
)

// Every mistake in a file has its place and says what to do.
func TestMistakes(t *testing.T) {
	for text, want := range map[string][]string{
		"cases: [":        {":1:9: "},
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
		"cases: [{name: a, activity: Echo, args: [{$text: a, $base64: YQ==}]}]":                                             {"$text, $base64 or $bytes, and only one of them"},
		"cases: [{name: a, activity: Echo, args: [{$encoding: 1}]}]":                                                        {":1:54: this has to be text, and is a number"},
		"cases: [{name: a, activity: Echo, args: [{$bytes: -1}]}]":                                                          {":1:51: this has to be a whole number from 0 to 67108864"},
		"cases: [{name: a, activity: Echo, args: [!repeat [a]]}]":                                                           {":1:51: !repeat has texts, each followed by how often it comes: !repeat [abc, 1000]"},
		"cases: [{name: a, activity: Echo, args: [!repeat [a, b]]}]":                                                        {":1:51: !repeat has texts"},
		"cases: [{name: a, activity: Echo, args: [!repeat [a, -1]]}]":                                                       {":1:54: this has to be a whole number from 0 to 67108864"},
		"cases: [{name: a, activity: Echo, args: [!repeat [ab, 33554433]]}]":                                                {":1:51: the text of !repeat would have more than 67108864 bytes"},
		"cases: [{name: a, activity: Echo, args: [!repeat {a: 1}]}]":                                                        {"the tag !repeat is not understood here; only !!str is, of a scalar, and !repeat, of a list"},
		"cases: [{name: a, activity: Echo, args: [!other [a, 1]]}]":                                                         {"the tag !other is not understood here"},
		"cases: [{name: a, activity: Echo, want: {failure: {details: [], details_match: a}}}]":                              {"details or details_match, and not both"},
		"tags: quick\ncases: [{name: a, activity: Echo}]":                                                                   {":1:7: this has to be a list, and is text"},
		"cases: [{name: a, activity: Echo, tags: [a b, '', 3]}]":                                                            {":1:42: a tag is a word", ":1:47: a tag is a word", ":1:51: this has to be text"},
		"cases: [{name: a, activity: Echo, want: {calls: {http send: 1}}}]":                                                 {":1:50: echo.wasm does not import http send"},
		"module: passthrough.wasm\ncases: [{name: a, activity: Ask, want: {calls: {greeter: 1, greeter hello: x}}}]":        {":2:49: this has to be a capability and one of its functions", ":2:76: this has to be a whole number"},
		"cases: [{name: a, activity: Echo, args: [{$encding: a}]}]":                                                         {`has no key "$encding"; did you mean "$encoding"?`},
		"cases: [{name: a, activity: Echo, args: [.inf]}]":                                                                  {"no counterpart in JSON"},
		"cases: [{name: a, activity: Echo, args: [*x]}]":                                                                    {":1:42: unknown anchor 'x'"},
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
