;; expect: interrupted
;; Logs for ever, by log and by standard error.
(module
  (import "wasmworker:activity/v1" "status" (func (result i32)))
  (import "wasmworker:log/v1" "write" (func $log (param i32 i32 i32 i32 i32) (result i64)))
  (import "wasi_snapshot_preview1" "fd_write" (func $fd_write (param i32 i32 i32 i32) (result i32)))
  (memory (export "memory") 2)
  (data (i32.const 0) "\10\00\00\00\00\80\00\00")
  (func (export "A") (result i32)
    (memory.fill (i32.const 16) (i32.const 97) (i32.const 65000))
    (loop $l
      (drop (call $log (i32.const 0) (i32.const 16) (i32.const 60000) (i32.const 0) (i32.const 0)))
      (drop (call $fd_write (i32.const 2) (i32.const 0) (i32.const 1) (i32.const 8)))
      (br $l))
    (i32.const 0)))
