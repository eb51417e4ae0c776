;; expect: interrupted
;; An Extism plugin that has the host clear 134 MB fifteen hundred times: some instructions for the
;; plugin, seconds for the host.
(module
  (import "extism:host/env" "alloc" (func $alloc (param i64) (result i64)))
  (import "extism:host/env" "free" (func $free (param i64)))
  (func (export "A") (result i32) (local $i i32)
    (loop $l
      (call $free (call $alloc (i64.const 134000000)))
      (local.set $i (i32.add (local.get $i) (i32.const 1)))
      (br_if $l (i32.lt_u (local.get $i) (i32.const 1500))))
    (i32.const 0)))
