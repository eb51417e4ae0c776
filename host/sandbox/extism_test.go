package sandbox_test

import (
	"context"
	"encoding/base64"
	"encoding/binary"
	"math"
	"strings"
	"testing"

	"github.com/wasmworker/wasmworker/abi"
	"github.com/wasmworker/wasmworker/host/modules"
	"github.com/wasmworker/wasmworker/host/passthrough"
	"github.com/wasmworker/wasmworker/host/sandbox"
)

// What a plugin may do with the memory that it shares with the host, and what it may not.
// That plugins built with Extism's own kits work is tested in internal/conformance.
func TestExtismOffsets(t *testing.T) {
	s := startOne(t, "plugin", sandbox.Options{Isolation: sandbox.IsolationPristine, MemoryLimit: 4 << 20})
	const (
		alloc = iota
		free
		length
		load8
		load64
		store8
		store64
		input8
		input64
		output
		errorSet
		varGet
		log
	)
	const inputSize = 24
	// The input is the first block, at 16. The memory is 64 KiB.
	for name, c := range map[string]struct {
		function      byte
		offset, extra uint64
		want          string // the type of a failure, or part of its message
	}{
		"alloc nothing":                {alloc, 0, 0, ""},
		"alloc what is there":          {alloc, 1 << 20, 0, ""},
		"alloc more than the limit":    {alloc, 4<<20 + 1, 0, abi.TypeOutOfMemory},
		"alloc everything":             {alloc, math.MaxUint64, 0, abi.TypeOutOfMemory},
		"free nothing":                 {free, 0, 0, ""},
		"free what is no block":        {free, 17, 0, ""},
		"free beyond the end":          {free, math.MaxUint64, 0, ""},
		"length of no block":           {length, 17, 0, ""},
		"load at the end":              {load8, 65535, 0, ""},
		"load beyond the end":          {load8, 65536, 0, "1 bytes at 65536 are outside of the plugin's memory of 65536 bytes"},
		"load 8 at the end":            {load64, 65528, 0, ""},
		"load 8 across the end":        {load64, 65529, 0, abi.TypeWasmTrap},
		"load 8 at the end of numbers": {load64, math.MaxUint64 - 3, 0, abi.TypeWasmTrap},
		"store beyond the end":         {store8, 65536, 0, abi.TypeWasmTrap},
		"store 8 across the end":       {store64, 65529, 0, abi.TypeWasmTrap},
		"store far away":               {store64, 1 << 40, 0, abi.TypeWasmTrap},
		"input to its end":             {input8, inputSize - 1, 0, ""},
		"input beyond its end":         {input8, inputSize, 0, "outside of the input of 24 bytes"},
		"input 8 across its end":       {input64, inputSize - 7, 0, abi.TypeWasmTrap},
		"input at the end of numbers":  {input64, math.MaxUint64 - 7, 0, abi.TypeWasmTrap},
		"output of everything":         {output, 0, 65536, ""},
		"output beyond the end":        {output, 0, 65537, abi.TypeWasmTrap},
		"output that overflows":        {output, 40, math.MaxUint64 - 30, abi.TypeWasmTrap},
		"an error that is no block":    {errorSet, 17, 0, "did not say why"},
		"an error":                     {errorSet, 16, 0, "\n"},
		"no such variable":             {varGet, 0, 0, ""},
		"a variable's name, no block":  {varGet, 17, 0, "there is no block at 17"},
		"a log record, no block":       {log, math.MaxUint64, 0, "there is no block"},
	} {
		input := make([]byte, inputSize)
		input[0] = c.function
		binary.LittleEndian.PutUint64(input[8:], c.offset)
		binary.LittleEndian.PutUint64(input[16:], c.extra)
		_, err := s.Run(t.Context(), sandbox.Task{Activity: "Call", Args: []sandbox.Payload{raw(string(input))}})
		if c.want == "" {
			if err != nil {
				t.Errorf("%s: %v", name, err)
			}
			continue
		}
		f, ok := err.(*abi.Failure)
		if !ok || f.Type != c.want && !strings.Contains(f.Message, c.want) {
			t.Errorf("%s: %v, want %s", name, err, c.want)
		}
	}
}

// Blocks that are given back are used again, and those that are not meet the limit.
func TestExtismMemory(t *testing.T) {
	s := startOne(t, "plugin", sandbox.Options{Isolation: sandbox.IsolationPristine, MemoryLimit: 4 << 20})
	run(t, s, "Alloc", raw("\x00"))
	equal(t, "live instances", live(s), 1)
	_, err := s.Run(t.Context(), sandbox.Task{Activity: "Alloc", Args: []sandbox.Payload{raw("\x01")}})
	failure(t, err, abi.TypeOutOfMemory)
	_, err = s.Run(t.Context(), sandbox.Task{Activity: "Vars"})
	if f := failure(t, err, abi.TypeWasmTrap); !strings.Contains(f.Message, "at most 1048576 are allowed") {
		t.Error(f.Message)
	}
	_, err = s.Run(t.Context(), sandbox.Task{Activity: "Silent"})
	if f := failure(t, err, abi.TypeActivityFailed); !strings.Contains(f.Message, "failed with status 77") {
		t.Error(f.Message)
	}
	_, err = s.Run(t.Context(), sandbox.Task{Activity: "Call", Args: []sandbox.Payload{raw(strings.Repeat("x", 2<<20+1))}})
	if f := failure(t, err, abi.TypeInvalidInput); !f.NonRetryable {
		t.Errorf("%+v", f)
	}
	_, err = s.Run(t.Context(), sandbox.Task{Activity: "Call", Args: []sandbox.Payload{raw("a"), raw("b")}})
	failure(t, err, abi.TypeInvalidInput)
}

// handing hands blocks over to the host as kits do. wat2wasm made it of
//
//	(module
//	  (import "extism:host/env" "alloc" (func $alloc (param i64) (result i64)))
//	  (import "extism:host/env" "free" (func $free (param i64)))
//	  (import "extism:host/env" "store_u8" (func $store8 (param i64 i32)))
//	  (import "extism:host/env" "output_set" (func $output (param i64 i64)))
//	  (import "extism:host/env" "error_set" (func $error (param i64)))
//	  (import "extism:host/env" "var_get" (func $var_get (param i64) (result i64)))
//	  (import "extism:host/env" "var_set" (func $var_set (param i64 i64)))
//	  (import "extism:host/env" "http_request" (func $http (param i64 i64) (result i64)))
//	  (memory (export "memory") 1)
//	  (data (i32.const 0) "{\"url\":\"http://a/\"}out of\nink")
//	  (func $block (param $at i32) (param $n i64) (result i64) (local $b i64) (local $i i64)
//	    (local.set $b (call $alloc (local.get $n)))
//	    (loop $more
//	      (call $store8 (i64.add (local.get $b) (local.get $i)) (i32.load8_u (i32.add (local.get $at) (i32.wrap_i64 (local.get $i)))))
//	      (br_if $more (i64.lt_u (local.tee $i (i64.add (local.get $i) (i64.const 1))) (local.get $n))))
//	    (local.get $b))
//	  (func (export "Zero") (result i32) (call $error (call $block (i32.const 19) (i64.const 10))) (i32.const 0))
//	  (func (export "Trap") (result i32) (call $error (call $block (i32.const 19) (i64.const 10))) unreachable)
//	  (func (export "Vars") (result i32) (local $i i32)
//	    (loop $more
//	      (call $var_set (call $block (i32.const 0) (i64.const 9)) (call $alloc (i64.const 60000)))
//	      (call $free (call $var_get (call $block (i32.const 0) (i64.const 9))))
//	      (br_if $more (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (i32.const 10000))))
//	    (i32.const 0))
//	  (func (export "Get") (result i32) (local $request i64) (local $response i64)
//	    (local.set $request (call $block (i32.const 0) (i64.const 19)))
//	    (local.set $response (call $http (local.get $request) (i64.const 0)))
//	    (call $free (local.get $request))
//	    (drop (call $alloc (i64.const 19)))
//	    (call $output (local.get $response) (i64.const 19))
//	    (i32.const 0)))
const handing = "" +
	"AGFzbQEAAAABJAdgAX4BfmABfgBgAn5/AGACfn4AYAJ+fgF+YAJ/fgF+YAABfwLXAQgPZXh0aXNtOmhvc3QvZW52BWFsbG9jAAAPZXh0aXNtOmhvc3QvZW52BGZyZWUAAQ" +
	"9leHRpc206aG9zdC9lbnYIc3RvcmVfdTgAAg9leHRpc206aG9zdC9lbnYKb3V0cHV0X3NldAADD2V4dGlzbTpob3N0L2VudgllcnJvcl9zZXQAAQ9leHRpc206aG9zdC9l" +
	"bnYHdmFyX2dldAAAD2V4dGlzbTpob3N0L2Vudgd2YXJfc2V0AAMPZXh0aXNtOmhvc3QvZW52DGh0dHBfcmVxdWVzdAAEAwYFBQYGBgYFAwEAAQclBQZtZW1vcnkCAARaZX" +
	"JvAAkEVHJhcAAKBFZhcnMACwNHZXQADAqcAQUrAQJ+IAEQACECA0AgAiADfCAAIAOnai0AABACIANCAXwiAyABVA0ACyACCwwAQRNCChAIEARBAAsLAEETQgoQCBAEAAsv" +
	"AQF/A0BBAEIJEAhC4NQDEAAQBkEAQgkQCBAFEAEgAEEBaiIAQZDOAEkNAAtBAAslAQJ+QQBCExAIIQAgAEIAEAchASAAEAFCExAAGiABQhMQA0EACwsjAQBBAAsdeyJ1cm" +
	"wiOiJodHRwOi8vYS8ifW91dCBvZgppbms="

// Errors, and to whom blocks belong that were handed over, are as with Extism's SDKs.
func TestExtismHandsOver(t *testing.T) {
	binary, err := base64.StdEncoding.DecodeString(handing)
	if err != nil {
		t.Fatal(err)
	}
	module, err := modules.Parse("handing", binary)
	if err != nil {
		t.Fatal(err)
	}
	set, err := passthrough.NewSet(passthrough.Module{Name: "http", Functions: map[string]passthrough.Func{
		"send": func(context.Context, *passthrough.Call, []byte) ([]byte, error) {
			return []byte("\x0f\x00\x00\x00{\"status\": 200}a response of 19 B."), nil
		},
	}})
	if err != nil {
		t.Fatal(err)
	}
	s := start(t, sandbox.Config{
		Modules: []*modules.File{module}, Passthrough: set,
		Defaults: sandbox.Options{Isolation: sandbox.IsolationPristine, MemoryLimit: 1 << 20, Passthrough: set.Names()},
	})
	_, err = s.Run(t.Context(), sandbox.Task{Activity: "Zero"})
	equal(t, "an error and status 0", failure(t, err, abi.TypeActivityFailed).Message, "out of\nink")
	_, err = s.Run(t.Context(), sandbox.Task{Activity: "Trap"})
	equal(t, "an error and a trap", failure(t, err, abi.TypeWasmTrap).Message, "module handing trapped: unreachable: out of ink")
	// which has no room for what it does not get back
	equal(t, "after that", text(run(t, s, "Vars")), "<nil>")
	equal(t, "a response", text(run(t, s, "Get")), "a response of 19 B.")
}

// Input that the limits leave no room for is a failure of its activity, and costs nothing
// else: the memory for it is taken before the plugin runs, where nobody recovers a trap.
func TestExtismInputBeyondTheLimits(t *testing.T) {
	// for which a block takes 64 KiB, and 16 bytes stand before it
	input := []sandbox.Payload{raw(strings.Repeat("x", 32_770))}
	for name, cfg := range map[string]sandbox.Config{
		"memory_limit": {Defaults: sandbox.Options{MemoryLimit: 65_540}},
		// Room for the image and one instance of 64 KiB each. What the small input takes is
		// not counted.
		"total_memory_limit": {MemoryLimit: 2*64<<10 + 32<<10, Defaults: sandbox.Options{Isolation: sandbox.IsolationPristine}},
	} {
		cfg.Modules = files(t, "plugin")
		s := start(t, cfg)
		for range 2 {
			_, err := s.Run(t.Context(), sandbox.Task{Activity: "Call", Args: input})
			if f := failure(t, err, abi.TypeOutOfMemory); f.NonRetryable {
				t.Errorf("%s: %+v", name, f)
			}
			run(t, s, "Call", raw(strings.Repeat("\x00", 24)))
		}
	}
}

// What a plugin hands over is compared with its limit before it is decoded or copied: a
// text that is no JSON is refused for its length.
func TestExtismHeadsAreBounded(t *testing.T) {
	called := 0
	respond := func(response string) passthrough.Func {
		return func(context.Context, *passthrough.Call, []byte) ([]byte, error) {
			called++
			return []byte(response), nil
		}
	}
	set, err := passthrough.NewSet(
		passthrough.Module{Name: "http", Functions: map[string]passthrough.Func{"send": respond("\x02\x00\x00\x00{}")}},
		passthrough.Module{Name: "config", Functions: map[string]passthrough.Func{"get": respond("value")}},
	)
	if err != nil {
		t.Fatal(err)
	}
	s := start(t, sandbox.Config{
		Modules: files(t, "heads"), Passthrough: set,
		Defaults: sandbox.Options{MemoryLimit: 128 << 20, Passthrough: set.Names()},
	})
	for _, tt := range []struct {
		activity, input, want string // part of the failure
		calls                 int
	}{
		{"Request", `{"url": "http://a/"}`, "", 1},
		{"Request", strings.Repeat("x", abi.MaxHTTPHead+1), "http_request: the request has 65537 bytes without its body, and at most 65536 are allowed", 0},
		{"Request", strings.Repeat("x", abi.MaxHTTPHead), "http_request: the request is not what it should be", 0},
		{"Body", strings.Repeat("x", abi.MaxRequestSize+1), "http_request: the request's body has 16777217 bytes, and at most 16777216 are allowed", 0},
		{"Config", strings.Repeat("x", abi.MaxPluginName), "", 1},
		{"Config", strings.Repeat("x", abi.MaxPluginName+1), "config_get: the name has 65537 bytes, and at most 65536 are allowed", 0},
		{"Get", strings.Repeat("x", abi.MaxPluginName+1), "var_get: the name has 65537 bytes", 0},
		{"Set", strings.Repeat("x", abi.MaxPluginName+1), "var_set: the name has 65537 bytes", 0},
		{"Set", strings.Repeat("x", abi.MaxPluginName), "", 0},
	} {
		called = 0
		_, err := s.Run(t.Context(), sandbox.Task{Activity: tt.activity, Args: []sandbox.Payload{raw(tt.input)}})
		if tt.want == "" && err != nil {
			t.Errorf("%s of %d bytes: %v", tt.activity, len(tt.input), err)
		}
		if tt.want != "" {
			if f := failure(t, err, abi.TypeWasmTrap); !strings.Contains(f.Message, tt.want) {
				t.Errorf("%s of %d bytes: %s", tt.activity, len(tt.input), f.Message)
			}
		}
		equal(t, tt.activity+" asks", called, tt.calls)
	}
}
