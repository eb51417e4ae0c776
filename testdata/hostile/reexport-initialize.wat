;; expect: refused: reexport
;; A function of the host's is to initialise it.
(module
  (import "wasmworker:activity/v1" "status" (func $status (result i32)))
  (import "wasi_snapshot_preview1" "sched_yield" (func $yield (result i32)))
  (memory (export "memory") 1)
  (export "_initialize" (func $yield))
  (func (export "A") (result i32) (i32.const 0)))
