;; expect: refused: did not return
;; A start function that never returns.
(module
  (import "wasmworker:activity/v1" "status" (func (result i32)))
  (func $start (loop $l (br $l)))
  (func (export "A") (result i32) (i32.const 0))
  (start $start))
