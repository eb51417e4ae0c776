;; What an instance may do while it is made: log, but not ask about an activity.
(module
  (import "wasmworker:activity/v1" "info" (func $info (param i32 i32) (result i64)))
  (import "wasmworker:activity/v1" "output_write" (func $output_write (param i32 i32) (result i64)))
  (import "wasmworker:log/v1" "write" (func $log (param i32 i32 i32 i32 i32) (result i64)))
  (memory (export "memory") 1)
  (global $result (mut i64) (i64.const 0))
  (data (i32.const 0) "made{\"n\": 1}")
  (func (export "_initialize")
    (drop (call $log (i32.const 0) (i32.const 0) (i32.const 4) (i32.const 4) (i32.const 8)))
    (global.set $result (call $info (i32.const 0) (i32.const 0))))
  ;; 1 if info was refused with EINVAL
  (func (export "Check") (result i32)
    (i32.store8 (i32.const 0) (i32.add (i32.const 48) (i64.eq (global.get $result) (i64.const -28))))
    (drop (call $output_write (i32.const 0) (i32.const 1)))
    (i32.const 0)))
