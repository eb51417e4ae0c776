;; Slow asks a passthrough module, and returns what the monotonic clock said before and after: two numbers of 8 bytes.
(module
  (import "wasmworker:activity/v1" "output_write" (func $output_write (param i32 i32) (result i64)))
  (import "wasmworker:greeter/v1" "hello" (func $hello (param i32 i32) (result i64)))
  (import "wasi_snapshot_preview1" "clock_time_get" (func $clock (param i32 i64 i32) (result i32)))
  (memory (export "memory") 1)
  (func (export "Slow") (result i32)
    (drop (call $clock (i32.const 1) (i64.const 0) (i32.const 0)))
    (drop (call $hello (i32.const 0) (i32.const 0)))
    (drop (call $clock (i32.const 1) (i64.const 0) (i32.const 8)))
    (drop (call $output_write (i32.const 0) (i32.const 16)))
    (i32.const 0)))
