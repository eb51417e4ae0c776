;; expect: refused: exit_code(3)
;; The same in a start function.
(module
  (import "wasmworker:activity/v1" "status" (func (result i32)))
  (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
  (memory (export "memory") 1)
  (start $start)
  (func $start (call $exit (i32.const 3)))
  (func (export "A") (result i32) (i32.const 0)))
