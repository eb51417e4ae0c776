;; expect: interrupted
;; The shortest loop there is.
(module
  (import "wasmworker:activity/v1" "status" (func (result i32)))
  (func (export "A") (result i32) (loop $l (br $l)) (i32.const 0)))
