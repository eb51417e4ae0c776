;; expect: interrupted
;; A loop whose only way back is a br_table.
(module
  (import "wasmworker:activity/v1" "status" (func (result i32)))
  (func (export "A") (result i32) (local $i i32)
    (block $out
      (loop $l
        (local.set $i (i32.and (i32.add (local.get $i) (i32.const 1)) (i32.const 1)))
        (br_table $l $l $out (local.get $i))))
    (i32.const 0)))
