;; expect: interrupted
;; Lines without anything in them, of which no limit knows: 64 MiB, a million times.
(module
  (import "wasmworker:activity/v1" "status" (func (result i32)))
  (import "wasi_snapshot_preview1" "fd_write" (func $fd_write (param i32 i32 i32 i32) (result i32)))
  (memory (export "memory") 1152)
  (func (export "A") (result i32) (local $i i32)
    (memory.fill (i32.const 0x800000) (i32.const 10) (i32.const 0x4000000))
    (loop $each
      (i64.store (i32.shl (local.get $i) (i32.const 3)) (i64.const 0x0400000000800000))
      (local.set $i (i32.add (local.get $i) (i32.const 1)))
      (br_if $each (i32.lt_u (local.get $i) (i32.const 1000000))))
    (drop (call $fd_write (i32.const 2) (i32.const 0) (i32.const 1000000) (i32.const 8000000)))
    (i32.const 0)))
