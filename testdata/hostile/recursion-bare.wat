;; expect: StackOverflow
;; Endless recursion with nothing in the frame.
(module
  (import "wasmworker:activity/v1" "status" (func (result i32)))
  (func $f (call $f))
  (func (export "A") (result i32) (call $f) (i32.const 0)))
