;; expect: refused: imports both
;; Imports what a native module does and what an Extism plugin does: it can be one of them.
(module
  (import "wasmworker:activity/v1" "status" (func (result i32)))
  (import "extism:host/env" "input_length" (func (result i64)))
  (func (export "A") (result i32) (i32.const 0)))
