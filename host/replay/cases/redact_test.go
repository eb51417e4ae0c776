package cases_test

import (
	"encoding/base64"
	"encoding/json"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/wasmworker/wasmworker/abi"
	"github.com/wasmworker/wasmworker/host/passthrough"
	"github.com/wasmworker/wasmworker/host/replay"
	"github.com/wasmworker/wasmworker/host/replay/cases"
	"github.com/wasmworker/wasmworker/host/sandbox"
	"github.com/wasmworker/wasmworker/internal/testbed"
)

// A secret is in no part of a record, in none of its forms, and the record can be read.
func TestRecordHasNoSecrets(t *testing.T) {
	key := "-----BEGIN \"KEY\"-----\nabc+/<&>\n-----END-----\n"
	revealed := "pass word"
	form := func(secret string) []any {
		return []any{
			secret, []byte("before " + secret + " after"), map[string]any{"deep": []any{map[string]any{secret: secret}}},
			base64.StdEncoding.EncodeToString([]byte(secret)), base64.RawURLEncoding.EncodeToString([]byte(secret)), "https://example.com/?q=" + url.QueryEscape(secret),
		}
	}
	all := append(form(key), form(revealed)...)
	text, err := json.Marshal(all)
	if err != nil {
		t.Fatal(err)
	}
	basic := "Basic " + base64.StdEncoding.EncodeToString([]byte("user:"+revealed))
	undecodable := "/xx/y" + base64.RawURLEncoding.EncodeToString([]byte("1"+revealed+"23")) + "/z"
	frame := func(body string) []byte {
		data, err := passthrough.EncodeFrame(map[string]any{"headers": map[string]any{"X": []string{key, revealed, basic, undecodable}}}, []byte(body))
		if err != nil {
			t.Fatal(err)
		}
		return data
	}
	payload := sandbox.Payload{Metadata: map[string][]byte{abi.MetadataEncoding: []byte(abi.EncodingJSON), "note": []byte(key)}, Data: text}
	a := replay.Activity{
		Type: "Sign", Args: append(all, payload), Details: all,
		Info: &abi.Info{ActivityID: "1", ActivityType: "Sign", Attempt: 2, WorkflowID: "order of " + revealed},
	}
	calls := []replay.Call{
		{Module: "wasmworker:secret/v1", Function: "reveal", Request: []byte("password"), Response: []byte(revealed)},
		{Module: "wasmworker:http/v1", Function: "send", Request: frame(key), Response: frame(revealed)},
		{Module: "wasmworker:http/v1", Function: "send", Request: text, Err: &replay.CallError{Errno: abi.EACCES, Message: "not " + revealed}},
	}
	failure := &abi.Failure{Type: "Wrong " + revealed, Message: key, Details: []json.RawMessage{text}, Cause: &abi.Failure{Message: revealed}}
	for name, run := range map[string]*replay.Run{
		"completed": {Output: &payload, Calls: calls, Fuel: 5},
		"failed":    {Err: failure, Calls: calls, Fuel: 5},
		"canceled":  {Err: &sandbox.CanceledError{Details: &payload}, Output: &payload, Calls: calls, Fuel: 5},
	} {
		path := filepath.Join(t.TempDir(), name+cases.Suffix)
		f := &cases.File{Path: path, Module: testbed.Guest(t, "testdata/guests/calls")}
		a.Cancel.Heartbeats = map[string]int{"canceled": 1}[name]
		c := cases.Record("recorded", a, run, cases.Secrets{key, "abc"})
		if c.Want.Fuel != 0 {
			t.Errorf("%s: it wants %d units, which the replay does not take", name, c.Want.Fuel)
		}
		if err := f.Append(c); err != nil {
			t.Fatal(err)
		}
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		for _, part := range []string{"BEGIN", "pass word", "pass%20word", "pass+word", "QkVHSU4", "JFR0lOI", "CRUdJTi", "cGFzcyB3b3Jk", "Bhc3Mgd29y", "YXNzIHdvcm"} {
			if strings.Contains(string(data), part) {
				t.Errorf("%s: there is %s in\n%s", name, part, data)
			}
		}
		again := read(t, path).Cases[0]
		if len(again.Calls) != 3 || string(again.Calls[0].Response) != cases.Redacted || len(again.Activity.Args) != 13 || !strings.Contains(string(again.Info), `"order of REDACTED"`) {
			t.Errorf("%s: read again, it is %+v", name, again)
		}
		if head, body, err := passthrough.SplitFrame(again.Calls[1].Request); err != nil || string(head) != `{"headers":{"X":["REDACTED","REDACTED","Basic dXNlcjpSRURBQ1RFRA==","/xx/yMXREDACTEDREDDIz/z"]}}` || string(body) != "REDACTED" {
			t.Errorf("%s: the request is %s %s, %v", name, head, body, err)
		}
	}
	if text := "abc, and no more"; (cases.Secrets{"abc", ""}).Redact(text) != text {
		t.Error("short secrets are looked for")
	}
	c := cases.Record("recorded", replay.Activity{Type: "Ask", Args: []any{"abc"}}, &replay.Run{Fuel: 5}, cases.Secrets{key})
	if c.Want.Fuel != 5 {
		t.Error("a record without secrets wants no units")
	}
}

// What is left of the activity's time is in no record, and is compared where a case has
// it.
// A payload with a Basic header is in base64 itself in the JSON of a history.
func TestSecretsInNestedBase64(t *testing.T) {
	secrets := cases.Secrets{"pass word"}
	text := "user:pass word"
	for depth := range 3 {
		text = `{"data":"Basic ` + base64.StdEncoding.EncodeToString([]byte(text)) + `"}`
		out := secrets.Redact(text)
		for range depth + 1 {
			_, out, _ = strings.Cut(out, "Basic ")
			data, err := base64.StdEncoding.DecodeString(strings.TrimSuffix(out, `"}`))
			if err != nil {
				t.Fatal(err)
			}
			out = string(data)
		}
		if out != "user:REDACTED" {
			t.Errorf("%d times in base64: %q", depth+1, out)
		}
	}
}

func TestRequestsAreUntimed(t *testing.T) {
	frame := func(head string) []byte {
		data, err := passthrough.EncodeFrame(json.RawMessage(head), []byte("body"))
		if err != nil {
			t.Fatal(err)
		}
		return data
	}
	timed := frame(`{"url":"/x","timeout_ms":599963}`)
	c := cases.Record("recorded", replay.Activity{Type: "Ask"}, &replay.Run{Calls: []replay.Call{{Module: "wasmworker:http/v1", Function: "send", Request: timed}}}, nil)
	if got := string(c.Calls[0].Request); got != string(frame(`{"url":"/x"}`)) {
		t.Errorf("the recorded request is %q", got)
	}
	for want, fits := range map[string]bool{
		`{head: {url: /x}, body: body}`:                     true,
		`{head: {url: /x, timeout_ms: 599963}, body: body}`: true,
		`{head: {url: /x, timeout_ms: 599964}, body: body}`: false,
		`{head: {url: /y}, body: body}`:                     false,
	} {
		path := write(t, `
module: passthrough.wasm
cases:
  - name: asks
    activity: Ask
    args: [{$base64: "`+base64.StdEncoding.EncodeToString(timed)+`"}]
    calls:
      - {call: greeter hello, request: `+want+`, response: hi}
`)
		if result := run(t, path)[0]; (len(result.Differences) == 0) != fits {
			t.Errorf("%s: %+v", want, result.Differences)
		}
	}
}
