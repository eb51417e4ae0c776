;; An Extism plugin that returns its input, whose length is a multiple of 8. It does what
;; Extism's PDKs do, no more: input to its own memory, own memory to output, 8 bytes a call.
(module
  (import "extism:host/env" "input_length" (func $input_length (result i64)))
  (import "extism:host/env" "input_load_u64" (func $input_load_u64 (param i64) (result i64)))
  (import "extism:host/env" "alloc" (func $alloc (param i64) (result i64)))
  (import "extism:host/env" "store_u64" (func $store_u64 (param i64 i64)))
  (import "extism:host/env" "output_set" (func $output_set (param i64 i64)))
  (memory (export "memory") 64)
  (func (export "Echo") (result i32)
    (local $n i64) (local $i i64) (local $output i64)
    (local.set $n (call $input_length))
    (loop $read
      (i64.store (i32.wrap_i64 (local.get $i)) (call $input_load_u64 (local.get $i)))
      (local.set $i (i64.add (local.get $i) (i64.const 8)))
      (br_if $read (i64.lt_u (local.get $i) (local.get $n))))
    (local.set $output (call $alloc (local.get $n)))
    (local.set $i (i64.const 0))
    (loop $write
      (call $store_u64 (i64.add (local.get $output) (local.get $i)) (i64.load (i32.wrap_i64 (local.get $i))))
      (local.set $i (i64.add (local.get $i) (i64.const 8)))
      (br_if $write (i64.lt_u (local.get $i) (local.get $n))))
    (call $output_set (local.get $output) (local.get $n))
    (i32.const 0)))
