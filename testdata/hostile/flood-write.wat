;; expect: interrupted
;; The same with writing.
(module
  (import "wasmworker:activity/v1" "status" (func (result i32)))
  (import "wasi_snapshot_preview1" "fd_write" (func $fd_write (param i32 i32 i32 i32) (result i32)))
  (memory (export "memory") 3840)
  (func (export "A") (result i32)
    (loop $l
      (drop (call $fd_write (i32.const 1) (i32.const 0) (i32.const 30000000) (i32.const 240000000)))
      (br $l))
    (i32.const 0)))
