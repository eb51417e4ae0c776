package sandbox_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/wasmworker/wasmworker/abi"
	"github.com/wasmworker/wasmworker/host/modules"
	"github.com/wasmworker/wasmworker/host/sandbox"
)

// The operator's arguments follow the program's name, and those of an activity follow them.
func TestCommandArguments(t *testing.T) {
	s := startTool(t, sandbox.Options{Args: []string{"-n", "", "a b"}})
	equal(t, "output", text(run(t, s, "tool", raw("args "))), "tool|-n||a b")
	s = startTool(t, sandbox.Options{Args: []string{"-n"}, CommandIO: sandbox.CommandJSON})
	for name, tt := range map[string]struct {
		args []sandbox.Payload
		want string // standard output
	}{
		"both":              {[]sandbox.Payload{jsonPayload(`{"args": ["x", "ü"], "stdin": "args "}`)}, "tool|-n|x|ü"},
		"stdin alone":       {[]sandbox.Payload{jsonPayload(`{"stdin": "args "}`)}, "tool|-n"},
		"nothing":           {nil, "<nil>"},
		"null":              {[]sandbox.Payload{sandbox.NewPayload(abi.EncodingNull, nil)}, "<nil>"},
		"null and input":    {[]sandbox.Payload{sandbox.NewPayload(abi.EncodingNull, nil), raw("args ")}, "tool|-n"},
		"no encoding":       {[]sandbox.Payload{{Data: []byte(`{"args": ["x"], "stdin": "args "}`)}}, "tool|-n|x"},
		"input apart":       {[]sandbox.Payload{jsonPayload(`{"args": ["x"]}`), raw("raw \x00é")}, "\x00é"},
		"input apart, JSON": {[]sandbox.Payload{jsonPayload(`{}`), jsonPayload(`{"a": 1}`)}, `{"A": 1}`},
	} {
		var got struct {
			Code   uint32 `json:"exit_code"`
			Stdout string `json:"stdout"`
			Stderr string `json:"stderr"`
		}
		p := run(t, s, "tool", tt.args...)
		if err := json.Unmarshal(p.Data, &got); err != nil || p.Encoding() != abi.EncodingJSON {
			t.Errorf("%s: %s %q, error %v", name, p.Encoding(), p.Data, err)
		}
		if want := strings.ReplaceAll(tt.want, "<nil>", ""); got.Stdout != want || got.Code != 0 || got.Stderr != "" {
			t.Errorf("%s: got %+v, want %q", name, got, want)
		}
	}
}

// What is no such object is refused before anything runs.
func TestCommandJSONIsChecked(t *testing.T) {
	s := startTool(t, sandbox.Options{CommandIO: sandbox.CommandJSON})
	for want, args := range map[string][]sandbox.Payload{
		`unknown field "arg"`:          {jsonPayload(`{"arg": ["x"]}`)},
		"cannot unmarshal number":      {jsonPayload(`{"args": [1]}`)},
		"something behind it":          {jsonPayload(`{} {}`)},
		"unexpected EOF":               {jsonPayload(`{"args": [`)},
		"its encoding is binary/plain": {raw(`{}`)},
		"args[1] has a zero byte":      {jsonPayload(`{"args": ["x", "a\u0000b"]}`)},
		"it has stdin, and so is":      {jsonPayload(`{"stdin": "x"}`), raw("y")},
		"there are 3 arguments":        {jsonPayload(`{}`), raw("y"), raw("z")},
	} {
		_, err := s.Run(t.Context(), sandbox.Task{Activity: "tool", Args: args})
		if f := failure(t, err, abi.TypeInvalidInput); !f.NonRetryable || !strings.Contains(f.Message, want) {
			t.Errorf("want %q, got %+v", want, f)
		}
	}
	for at, args := range [][]sandbox.Payload{
		{sandbox.NewPayload("binary/encrypted", []byte("{}"))},
		{jsonPayload(`{}`), sandbox.NewPayload("binary/encrypted", []byte("{}"))},
	} {
		_, err := s.Run(t.Context(), sandbox.Task{Activity: "tool", Args: args})
		if f := failure(t, err, abi.TypeUnknownEncoding); !strings.Contains(f.Message, "argument "+string(rune('1'+at))+" of") {
			t.Errorf("%+v", f)
		}
	}
	equal(t, "stats", stats(s), sandbox.Stats{})
}

// Exit codes that the operator named complete the activity, and its result tells them.
func TestSuccessCodes(t *testing.T) {
	s := startTool(t, sandbox.Options{SuccessCodes: []uint32{0, 10}})
	p := run(t, s, "tool", raw("print-and-exit 10 sat\n"))
	equal(t, "output", text(p), "sat\n")
	equal(t, "metadata", p.Metadata, map[string][]byte{"encoding": []byte(abi.EncodingBinary), sandbox.MetadataExitCode: []byte("10")})
	p = run(t, s, "tool", raw("exit 10 "))
	equal(t, "metadata", p.Metadata, map[string][]byte{"encoding": []byte(abi.EncodingNull), sandbox.MetadataExitCode: []byte("10")})
	equal(t, "metadata of code 0", run(t, s, "tool", raw("raw {}")).Metadata, map[string][]byte{"encoding": []byte(abi.EncodingJSON)})

	_, err := s.Run(t.Context(), sandbox.Task{Activity: "tool", Args: []sandbox.Payload{raw("print-and-exit 1 first\nfinding\n")}})
	equal(t, "details", string(failure(t, err, abi.TypeExitCode).Details[0]), `{"exit_code":1,"stderr":"","stdout":"first\nfinding\n"}`)
	_, err = s.Run(t.Context(), sandbox.Task{Activity: "tool", Args: []sandbox.Payload{raw("print-and-exit 1 " + strings.Repeat("x", 5000) + "end")}})
	var details struct{ Stdout string }
	if err := json.Unmarshal(failure(t, err, abi.TypeExitCode).Details[0], &details); err != nil || len(details.Stdout) != 1024 || !strings.HasSuffix(details.Stdout, "xend") {
		t.Errorf("details %+v, error %v", details, err)
	}

	s = startTool(t, sandbox.Options{SuccessCodes: []uint32{7}, CommandIO: sandbox.CommandJSON})
	equal(t, "result", text(run(t, s, "tool", jsonPayload(`{"stdin": "print-and-exit 7 <\"&\n"}`))), `{"exit_code":7,"stdout":"<\"&\n","stderr":""}`)
	equal(t, "result", text(run(t, s, "tool", jsonPayload(`{"stdin": "exit 7 why\n"}`))), `{"exit_code":7,"stdout":"","stderr":"why\n"}`)
	_, err = s.Run(t.Context(), sandbox.Task{Activity: "tool"})
	failure(t, err, abi.TypeExitCode) // 0 is not among them
	_, err = s.Run(t.Context(), sandbox.Task{Activity: "tool", Args: []sandbox.Payload{jsonPayload("{}"), raw("print-and-exit 7 \xff")}})
	if f := failure(t, err, abi.TypeProtocolError); !f.NonRetryable || !strings.Contains(f.Message, "command_io plain") {
		t.Errorf("%+v", f)
	}
}

// In JSON a text can be longer than its limit is. The host has no more than it may meanwhile.
func TestCommandJSONIsLimited(t *testing.T) {
	s := startTool(t, sandbox.Options{CommandIO: sandbox.CommandJSON, MaxOutput: 10_000})
	input := jsonPayload(`{"stdin": "flood 9000"}`) // zeros, each of which is six bytes
	_, err := s.Run(t.Context(), sandbox.Task{Activity: "tool", Args: []sandbox.Payload{input}})
	failure(t, err, abi.TypeOutputTooLarge)
	s = startTool(t, sandbox.Options{CommandIO: sandbox.CommandJSON, MaxOutput: 20 << 20, MemoryLimit: 64 << 20})
	_, err = s.Run(t.Context(), sandbox.Task{Activity: "tool", Args: []sandbox.Payload{jsonPayload(`{"stdin": "flood 15000000"}`)}})
	failure(t, err, abi.TypeOutOfMemory)
}

// A module that is no command is refused with the options of commands.
func TestCommandOptionsAreForCommands(t *testing.T) {
	for option, o := range map[string]sandbox.Options{
		"CommandIO":    {CommandIO: sandbox.CommandJSON},
		"SuccessCodes": {SuccessCodes: []uint32{1}},
	} {
		_, err := sandbox.New(sandbox.Config{Modules: files(t, "echo"), Defaults: o})
		if err == nil || !strings.Contains(err.Error(), option) || !strings.Contains(err.Error(), "for commands alone") {
			t.Errorf("%s: error %v", option, err)
		}
	}
	for want, o := range map[string]sandbox.Options{
		`"yaml" is neither "plain" nor "json"`: {CommandIO: "yaml"},
		"no activity could complete":           {SuccessCodes: []uint32{}},
		"has a zero byte":                      {Args: []string{"a\x00"}},
	} {
		_, err := sandbox.New(sandbox.Config{Modules: []*modules.File{tool(t)}, Defaults: o})
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("want %q, got %v", want, err)
		}
	}
}

// Why a guest trapped may be on its standard output alone.
func TestTrapWithStandardOutput(t *testing.T) {
	s := start(t, sandbox.Config{Modules: files(t, "stdouttrap")})
	_, err := s.Run(t.Context(), sandbox.Task{Activity: "Die"})
	if f := failure(t, err, abi.TypeWasmTrap); !strings.HasSuffix(f.Message, ": panic: on standard output") {
		t.Errorf("%+v", f)
	}
}
