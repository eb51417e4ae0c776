package sandbox_test

import (
	"encoding/binary"
	"math"
	"strings"
	"testing"

	"github.com/wasmworker/wasmworker/abi"
	"github.com/wasmworker/wasmworker/host/sandbox"
)

// What a plugin may do with the memory that it shares with the host, and what it may not. That
// plugins built with Extism's own kits work is tested in internal/conformance.
func TestExtismOffsets(t *testing.T) {
	s := startOne(t, "plugin", sandbox.Options{Policy: sandbox.PolicyPristine, MemoryLimit: 4 << 20})
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
	// The input is the first block, at 16, with room for 32 bytes.
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
		"load at the end":              {load8, 47, 0, ""},
		"load beyond the end":          {load8, 48, 0, "1 bytes at 48 are outside of the plugin's memory of 48 bytes"},
		"load 8 at the end":            {load64, 40, 0, ""},
		"load 8 across the end":        {load64, 41, 0, abi.TypeWasmTrap},
		"load 8 at the end of numbers": {load64, math.MaxUint64 - 3, 0, abi.TypeWasmTrap},
		"store beyond the end":         {store8, 48, 0, abi.TypeWasmTrap},
		"store 8 across the end":       {store64, 41, 0, abi.TypeWasmTrap},
		"store far away":               {store64, 1 << 40, 0, abi.TypeWasmTrap},
		"input to its end":             {input8, inputSize - 1, 0, ""},
		"input beyond its end":         {input8, inputSize, 0, "outside of the input of 24 bytes"},
		"input 8 across its end":       {input64, inputSize - 7, 0, abi.TypeWasmTrap},
		"input at the end of numbers":  {input64, math.MaxUint64 - 7, 0, abi.TypeWasmTrap},
		"output of everything":         {output, 0, 48, ""},
		"output beyond the end":        {output, 0, 49, abi.TypeWasmTrap},
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
	s := startOne(t, "plugin", sandbox.Options{Policy: sandbox.PolicyPristine, MemoryLimit: 4 << 20})
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
