;; Imports a function that WASI does not have.
(module
  (import "wasmworker:activity/v1" "status" (func (result i32)))
  (import "wasi_snapshot_preview1" "telepathy" (func (param i32) (result i32)))
  (func (export "Never") (result i32) (i32.const 0)))
