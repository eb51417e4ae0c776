;; expect: refused: of memory at the start
;; Declares 4 GiB.
(module
  (import "wasmworker:activity/v1" "status" (func (result i32)))
  (memory 65536)
  (func (export "A") (result i32) (i32.const 0)))
