;; An _initialize that traps.
(module
  (import "wasmworker:activity/v1" "status" (func (result i32)))
  (func (export "_initialize") unreachable)
  (func (export "Never") (result i32) (i32.const 0)))
