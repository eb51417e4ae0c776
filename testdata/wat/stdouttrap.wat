;; Writes why it ends to standard output, as the runtime of TinyGo does, and traps.
(module
  (import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
  (import "wasmworker:activity/v1" "arg_count" (func $arg_count (result i32)))
  (memory (export "memory") 1)
  (data (i32.const 16) "panic: on standard output\n")
  (func (export "Die") (result i32)
    (i32.store (i32.const 0) (i32.const 16))
    (i32.store (i32.const 4) (i32.const 26))
    (drop (call $write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 8)))
    unreachable))
