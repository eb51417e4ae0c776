;; What the other modules import from env. What functions do is up to the host.
(module
  (import "host" "double" (func $double (param i32) (result i32)))
  (import "host" "count" (func $count (result i32)))
  (export "double" (func $double))
  (export "count" (func $count))
  (global (export "base") i32 (i32.const 40))
  (memory (export "memory") 1))
