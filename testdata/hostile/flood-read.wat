;; expect: interrupted
;; Reads into thirty million buffers without room, again and again.
(module
  (import "wasmworker:activity/v1" "status" (func (result i32)))
  (import "wasi_snapshot_preview1" "fd_read" (func $fd_read (param i32 i32 i32 i32) (result i32)))
  (memory (export "memory") 3840)
  (func (export "A") (result i32)
    (loop $l
      (drop (call $fd_read (i32.const 0) (i32.const 0) (i32.const 30000000) (i32.const 240000000)))
      (br $l))
    (i32.const 0)))
