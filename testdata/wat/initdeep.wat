;; An initialization that overflows the stack one time in four.
(module
  (import "wasi_snapshot_preview1" "random_get" (func $random (param i32 i32) (result i32)))
  (import "wasmworker:activity/v1" "status" (func $status (result i32)))
  (memory (export "memory") 1)
  (func $deep (call $deep))
  (func (export "_initialize")
    (drop (call $random (i32.const 0) (i32.const 1)))
    (if (i32.eqz (i32.and (i32.load8_u (i32.const 0)) (i32.const 3)))
      (then (call $deep))))
  (func (export "Ok") (result i32) (i32.const 0)))
