;; A table with a million elements and one more: memory that no memory limit covers.
(module
  (import "wasmworker:activity/v1" "status" (func (result i32)))
  (table 1048577 funcref)
  (func (export "Never") (result i32) (i32.const 0)))
