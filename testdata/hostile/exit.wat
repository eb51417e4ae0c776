;; expect: ExitCode
;; Exits, as if all were well.
(module
  (import "wasmworker:activity/v1" "status" (func (result i32)))
  (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
  (memory (export "memory") 1)
  (func (export "A") (result i32) (call $exit (i32.const 0)) (i32.const 0)))
