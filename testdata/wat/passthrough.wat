;; Ask sends its first argument to the passthrough module greeter and returns the response.
;; A negative result is returned as a failure whose message is last_error's.
(module
  (import "wasmworker:activity/v1" "arg_read" (func $arg_read (param i32 i32 i32) (result i64)))
  (import "wasmworker:activity/v1" "output_write" (func $output_write (param i32 i32) (result i64)))
  (import "wasmworker:activity/v1" "last_error" (func $last_error (param i32 i32) (result i64)))
  (import "wasmworker:activity/v1" "read" (func $read (param i32 i32 i32 i32) (result i64)))
  (import "wasmworker:activity/v1" "close" (func $close (param i32) (result i64)))
  (import "wasmworker:greeter/v1" "hello" (func $hello (param i32 i32) (result i64)))
  (memory (export "memory") 2)
  (func (export "Ask") (result i32) (local $r i64) (local $n i32)
    (local.set $r (call $hello (i32.const 0) (i32.wrap_i64 (call $arg_read (i32.const 0) (i32.const 0) (i32.const 65536)))))
    (if (i64.lt_s (local.get $r) (i64.const 0)) (then
      (local.set $n (i32.wrap_i64 (call $last_error (i32.const 0) (i32.const 65536))))
      (drop (call $output_write (i32.const 0) (local.get $n)))
      (return (i32.const 0))))
    (local.set $n (i32.wrap_i64 (local.get $r)))
    (drop (call $read (i32.wrap_i64 (i64.shr_u (local.get $r) (i64.const 32))) (i32.const 0) (i32.const 0) (local.get $n)))
    (drop (call $output_write (i32.const 0) (local.get $n)))
    ;; a closed handle is closed
    (drop (call $close (i32.wrap_i64 (i64.shr_u (local.get $r) (i64.const 32)))))
    (if (i64.ne (call $close (i32.wrap_i64 (i64.shr_u (local.get $r) (i64.const 32)))) (i64.const -8)) (then unreachable))
    (i32.const 0)))
