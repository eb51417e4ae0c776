;; Calls asks a passthrough module a thousand times: 64 bytes there, 64 bytes back, each response fetched and closed.
(module
  (import "wasmworker:activity/v1" "read" (func $read (param i32 i32 i32 i32) (result i64)))
  (import "wasmworker:activity/v1" "close" (func $close (param i32) (result i64)))
  (import "wasmworker:bench/v1" "work" (func $work (param i32 i32) (result i64)))
  (memory (export "memory") 1)
  (func (export "Calls") (result i32) (local $n i32) (local $r i64) (local $handle i32)
    (loop $again
      (local.set $r (call $work (i32.const 0) (i32.const 64)))
      (if (i64.lt_s (local.get $r) (i64.const 0)) (then (return (i32.const 1))))
      (local.set $handle (i32.wrap_i64 (i64.shr_u (local.get $r) (i64.const 32))))
      (if (i64.ne (call $read (local.get $handle) (i32.const 0) (i32.const 1024) (i32.const 64)) (i64.const 64)) (then (return (i32.const 1))))
      (drop (call $close (local.get $handle)))
      (local.set $n (i32.add (local.get $n) (i32.const 1)))
      (br_if $again (i32.lt_u (local.get $n) (i32.const 1000))))
    (i32.const 0)))
