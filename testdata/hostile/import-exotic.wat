;; expect: refused: only functions can be
;; Imports a memory of the host's.
(module
  (import "wasmworker:activity/v1" "status" (func (result i32)))
  (import "wasmworker:activity/v1" "memory" (memory 1))
  (func (export "A") (result i32) (i32.const 0)))
