;; expect: refused: elements at the start
;; A file of some bytes that asks for 800 MB.
(module
  (import "wasmworker:activity/v1" "status" (func (result i32)))
  (table 100000000 funcref)
  (func (export "A") (result i32) (i32.const 0)))
