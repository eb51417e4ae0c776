;; Has data segments that its code refers to by their index.
(module
  (import "wasmworker:activity/v1" "output_write" (func $output_write (param i32 i32) (result i64)))
  (memory (export "memory") 1)
  (data (i32.const 0) "active ")
  (data $passive "passive")
  ;; returns both. What it drops is gone for the rest of the instance's life
  (func (export "Read") (result i32)
    (memory.init $passive (i32.const 7) (i32.const 0) (i32.const 7))
    (data.drop $passive)
    (drop (call $output_write (i32.const 0) (i32.const 14)))
    (i32.const 0)))
