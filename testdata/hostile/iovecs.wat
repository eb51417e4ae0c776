;; expect: completed
;; Lists of buffers that are too long for 32 bits, or whose buffers are.
(module
  (import "wasmworker:activity/v1" "status" (func (result i32)))
  (import "wasi_snapshot_preview1" "fd_write" (func $fd_write (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_read" (func $fd_read (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_pwrite" (func $fd_pwrite (param i32 i32 i32 i64 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_pread" (func $fd_pread (param i32 i32 i32 i64 i32) (result i32)))
  (memory (export "memory") 1)
  (func $refused (param $count i32)
    (if (i32.eqz (call $fd_write (i32.const 1) (i32.const 0) (local.get $count) (i32.const 64))) (then unreachable))
    (if (i32.eqz (call $fd_write (i32.const 2) (i32.const 0) (local.get $count) (i32.const 64))) (then unreachable))
    (if (i32.eqz (call $fd_read (i32.const 0) (i32.const 0) (local.get $count) (i32.const 64))) (then unreachable))
    (if (i32.eqz (call $fd_pwrite (i32.const 1) (i32.const 0) (local.get $count) (i64.const -1) (i32.const 64))) (then unreachable))
    (if (i32.eqz (call $fd_pread (i32.const 0) (i32.const 0) (local.get $count) (i64.const -1) (i32.const 64))) (then unreachable)))
  (func (export "A") (result i32)
    (i64.store (i32.const 0) (i64.const -1)) ;; 4 GiB at its very end
    (call $refused (i32.const 1))
    (i64.store (i32.const 0) (i64.const 0x0000_0010_ffff_fff0)) ;; ends at 0 in 32 bits
    (call $refused (i32.const 1))
    (i64.store (i32.const 0) (i64.const 0x0000_0002_0000_ffff)) ;; half of it is there
    (call $refused (i32.const 1))
    (call $refused (i32.const -1))
    (call $refused (i32.const 0x1fffffff))
    (call $refused (i32.const 0x00010000))
    (i32.const 0)))
