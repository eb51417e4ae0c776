;; expect: refused: exit_code(0)
;; Exits, as if all were well, before there is anything to do.
(module
  (import "wasmworker:activity/v1" "status" (func (result i32)))
  (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
  (memory (export "memory") 1)
  (func (export "_initialize") (call $exit (i32.const 0)))
  (func (export "A") (result i32) (i32.const 0)))
