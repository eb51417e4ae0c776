;; An Extism plugin with the results that Extism's hosts take.
(module
  (import "extism:host/env" "alloc" (func $alloc (param i64) (result i64)))
  (import "extism:host/env" "store_u64" (func $store (param i64 i64)))
  (import "extism:host/env" "output_set" (func $output (param i64 i64)))
  (import "extism:host/env" "error_set" (func $error (param i64)))
  (func $word (param $text i64) (result i64) (local $block i64)
    (local.set $block (call $alloc (i64.const 8)))
    (call $store (local.get $block) (local.get $text))
    (local.get $block))
  (func (export "Nothing") (call $output (call $word (i64.const 0x676e6968746f6e20)) (i64.const 8)))  ;; " nothing"
  (func (export "Fails") (call $error (call $word (i64.const 0x656b6f7262207369))))  ;; "is broke"
  (func (export "Traps") unreachable)
  (func (export "Zero") (result i64) (call $output (call $word (i64.const 0x676e6968746f6e20)) (i64.const 8)) (i64.const 0x100000000))
  (func (export "Three") (result i64) (i64.const 3)))
