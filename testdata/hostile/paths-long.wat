;; expect: completed
;; Opens files with names of 200 MB, which nobody should copy only to see that there are no files.
(module
  (import "wasmworker:activity/v1" "status" (func (result i32)))
  (import "wasi_snapshot_preview1" "path_open" (func $open (param i32 i32 i32 i32 i32 i64 i64 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "path_symlink" (func $symlink (param i32 i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "path_rename" (func $rename (param i32 i32 i32 i32 i32 i32) (result i32)))
  (memory (export "memory") 3200)
  (func (export "A") (result i32) (local $fd i32)
    (loop $each
      (if (i32.eqz (call $open (local.get $fd) (i32.const 1) (i32.const 0) (i32.const 200000000) (i32.const 0) (i64.const -1) (i64.const -1) (i32.const 0) (i32.const 0))) (then unreachable))
      (if (i32.eqz (call $symlink (i32.const 0) (i32.const 200000000) (local.get $fd) (i32.const 0) (i32.const 200000000))) (then unreachable))
      (if (i32.eqz (call $rename (local.get $fd) (i32.const 0) (i32.const 200000000) (local.get $fd) (i32.const 0) (i32.const 200000000))) (then unreachable))
      (local.set $fd (i32.add (local.get $fd) (i32.const 1)))
      (br_if $each (i32.lt_u (local.get $fd) (i32.const 6))))
    (i32.const 0)))
