;; Takes 1 MiB while it is initialised, and dies if it is refused it.
(module
  (import "wasmworker:activity/v1" "output_write" (func $output_write (param i32 i32) (result i64)))
  (memory (export "memory") 1)
  (func (export "_initialize")
    (if (i32.lt_s (memory.grow (i32.const 16)) (i32.const 0)) (then unreachable)))
  (func (export "Idle") (result i32)
    (i32.const 0)))
