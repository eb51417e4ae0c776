;; expect: refused: did not return
;; An initialisation that never returns.
(module
  (import "wasmworker:activity/v1" "status" (func (result i32)))
  (func (export "_initialize") (loop $l (br $l)))
  (func (export "A") (result i32) (i32.const 0)))
