;; expect: interrupted
;; The same through a table.
(module
  (import "wasmworker:activity/v1" "status" (func (result i32)))
  (type $t (func (param i32)))
  (table 1 1 funcref)
  (elem (i32.const 0) $f)
  (func $f (type $t)
    (if (local.get 0) (then
      (call_indirect (type $t) (i32.sub (local.get 0) (i32.const 1)) (i32.const 0))
      (call_indirect (type $t) (i32.sub (local.get 0) (i32.const 1)) (i32.const 0)))))
  (func (export "A") (result i32) (call_indirect (type $t) (i32.const 40) (i32.const 0)) (i32.const 0)))
