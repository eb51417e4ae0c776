package wasm_test

import (
	"encoding/hex"
	"errors"
	"strings"
	"testing"

	"github.com/wasmworker/wasmworker/host/internal/wasm"
)

// What is of a proposal is refused by its name, and with what a toolchain is to be told.
func TestUnsupported(t *testing.T) {
	for _, tt := range []struct{ name, body, proposal string }{
		// (module (func $f (result i32) i32.const 1 drop return_call $f) (export "go" (func $f)))
		{"tail calls", "0105016000017f0302010007060102676f00000a0901070041011a12000b0010046e616d650104010001660203010000", "tail calls"},
		// (module (tag (param i32)))
		{"exceptions: a tag", "01050160017f000d030100000008046e616d65020100", "exception handling"},
		// (module (import "m" "t" (tag (param i32))))
		{"exceptions: an imported tag", "01050160017f00020801016d01740400000008046e616d65020100", "exception handling"},
		// (module (memory 1) (memory 1))
		{"several memories", "050502000100010008046e616d65020100", "several memories"},
		// (module (import "m" "m" (memory 1)) (memory 1))
		{"an imported memory and one", "020801016d016d02000105030100010008046e616d65020100", "several memories"},
		// (module (global i32 (i32.add (i32.const 1) (i32.const 2))))
		{"extended constants", "0609017f00410141026a0b0008046e616d65020100", "extended constant expressions"},
		// (module (func (param v128 v128) (result v128) (i8x16.relaxed_swizzle …)))
		{"relaxed SIMD", "01070160027b7b017b030201000a0b01090020002001fd80020b000a046e616d650203010000", "relaxed SIMD"},
		// (module (memory 1 1 shared) (func (result i32) (i32.atomic.load (i32.const 0))))
		{"threads", "0105016000017f030201000504010301010a0a0108004100fe1002000b000a046e616d650203010000", "threads"},
		// (module (type (struct (field i32))))
		{"a struct", "0105015f017f000008046e616d65020100", "garbage collection"},
		// (module (type (array i32)))
		{"an array", "0104015e7f000008046e616d65020100", "garbage collection"},
		// (module (type $t (func)) (func (param (ref $t)))), by hand
		{"a reference to a type", "010802600000600164000003020101", "typed function references"},
		// (module (func try_table end)), by hand
		{"exceptions: a block", "010401600000030201000a080106001f40000b0b", "exception handling"},
		// (module (func (param i64 i64 i64 i64) (result i64 i64) …)), by hand
		{"wide arithmetic", "010a0160047e7e7e7e027e7e030201000a0e010c002000200120022003fc130b", "wide arithmetic"},
	} {
		body, err := hex.DecodeString(tt.body)
		if err != nil {
			t.Fatal(tt.name, err)
		}
		_, err = wasm.Parse(append([]byte("\x00asm\x01\x00\x00\x00"), body...))
		u, ok := errors.AsType[*wasm.Unsupported](err)
		if !ok || u.Proposal.Name != tt.proposal || !strings.Contains(err.Error(), tt.proposal) || !strings.Contains(err.Error(), u.Proposal.Advice) {
			t.Errorf("%s: error %v", tt.name, err)
			continue
		}
		if tt.name == "tail calls" && !strings.HasPrefix(err.Error(), `function 0 ("go"): instruction 12 at offset 0x2`) {
			t.Error(err)
		}
		if tt.name == "exceptions: a block" && !strings.HasPrefix(err.Error(), "function 0: instruction 1f") {
			t.Error(err)
		}
	}
	// The section with names tells that of a function that is not exported.
	body, err := hex.DecodeString("0105016000017f030201000a0901070041011a12000b0010046e616d650104010001660203010000")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := wasm.Parse(append([]byte("\x00asm\x01\x00\x00\x00"), body...)); err == nil || !strings.HasPrefix(err.Error(), `function 0 ("f"): `) {
		t.Error(err)
	}
}
