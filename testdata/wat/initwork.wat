;; An initialization that does some work, and one time in four never ends.
(module
  (import "wasi_snapshot_preview1" "random_get" (func $random (param i32 i32) (result i32)))
  (import "wasmworker:activity/v1" "status" (func $status (result i32)))
  (memory (export "memory") 1)
  (func (export "_initialize") (local $n i32)
    (loop $l
      (local.set $n (i32.add (local.get $n) (i32.const 1)))
      (br_if $l (i32.lt_u (local.get $n) (i32.const 1000))))
    (drop (call $random (i32.const 0) (i32.const 1)))
    (if (i32.eqz (i32.and (i32.load8_u (i32.const 0)) (i32.const 3)))
      (then (loop $l (br $l)))))
  (func (export "Ok") (result i32) (i32.const 0)))
