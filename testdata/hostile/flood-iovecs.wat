;; expect: interrupted
;; Writes its memory a million times, in a single call: 16 TB.
(module
  (import "wasmworker:activity/v1" "status" (func (result i32)))
  (import "wasi_snapshot_preview1" "fd_write" (func $fd_write (param i32 i32 i32 i32) (result i32)))
  (memory (export "memory") 256)
  (func (export "A") (result i32) (local $i i32)
    (loop $each
      (i64.store (i32.shl (local.get $i) (i32.const 3)) (i64.const 0x0100000000000000)) ;; all 16 MiB
      (local.set $i (i32.add (local.get $i) (i32.const 1)))
      (br_if $each (i32.lt_u (local.get $i) (i32.const 1000000))))
    (drop (call $fd_write (i32.const 1) (i32.const 0) (i32.const 1000000) (i32.const 16000000)))
    (i32.const 0)))
