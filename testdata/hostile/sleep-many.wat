;; expect: interrupted
;; Sleeps until the first of a million clocks, each of which is five hundred years away.
(module
  (import "wasmworker:activity/v1" "status" (func (result i32)))
  (import "wasi_snapshot_preview1" "poll_oneoff" (func $poll (param i32 i32 i32 i32) (result i32)))
  (memory (export "memory") 1280)
  (func (export "A") (result i32) (local $i i32)
    (loop $each
      (i64.store offset=24 (i32.mul (local.get $i) (i32.const 48)) (i64.const -1))
      (local.set $i (i32.add (local.get $i) (i32.const 1)))
      (br_if $each (i32.lt_u (local.get $i) (i32.const 1000000))))
    (drop (call $poll (i32.const 0) (i32.const 48000000) (i32.const 1000000) (i32.const 80000000)))
    (i32.const 0)))
