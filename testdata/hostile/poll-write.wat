;; expect: completed
;; Waits for descriptors that are never ready, or do not exist: there is nothing to wait for.
(module
  (import "wasmworker:activity/v1" "status" (func (result i32)))
  (import "wasi_snapshot_preview1" "poll_oneoff" (func $poll (param i32 i32 i32 i32) (result i32)))
  (memory (export "memory") 1)
  (func (export "A") (result i32) (local $fd i32)
    (loop $each
      (i64.store (i32.const 0) (i64.const 0x1122334455667788))
      (i32.store (i32.const 16) (local.get $fd))
      (i32.store8 (i32.const 8) (i32.const 2)) ;; to write
      (if (call $poll (i32.const 0) (i32.const 64) (i32.const 1) (i32.const 128)) (then unreachable))
      (if (i64.ne (i64.load (i32.const 64)) (i64.const 0x1122334455667788)) (then unreachable))
      (if (i32.eqz (i32.load16_u (i32.const 72))) (then unreachable)) ;; the event is an error
      (i32.store8 (i32.const 8) (i32.const 1)) ;; to read
      (if (call $poll (i32.const 0) (i32.const 64) (i32.const 1) (i32.const 128)) (then unreachable))
      (if (i32.ne (i32.load (i32.const 128)) (i32.const 1)) (then unreachable))
      (local.set $fd (i32.add (local.get $fd) (i32.const 1)))
      (br_if $each (i32.lt_u (local.get $fd) (i32.const 10))))
    (i32.const 0)))
