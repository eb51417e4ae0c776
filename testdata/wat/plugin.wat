;; An Extism plugin that does what no PDK would.
(module
  (import "extism:host/env" "alloc" (func $alloc (param i64) (result i64)))
  (import "extism:host/env" "free" (func $free (param i64)))
  (import "extism:host/env" "length" (func $length (param i64) (result i64)))
  (import "extism:host/env" "load_u8" (func $load8 (param i64) (result i32)))
  (import "extism:host/env" "load_u64" (func $load64 (param i64) (result i64)))
  (import "extism:host/env" "store_u8" (func $store8 (param i64 i32)))
  (import "extism:host/env" "store_u64" (func $store64 (param i64 i64)))
  (import "extism:host/env" "input_length" (func $input_length (result i64)))
  (import "extism:host/env" "input_load_u8" (func $input8 (param i64) (result i32)))
  (import "extism:host/env" "input_load_u64" (func $input64 (param i64) (result i64)))
  (import "extism:host/env" "output_set" (func $output (param i64 i64)))
  (import "extism:host/env" "error_set" (func $error (param i64)))
  (import "extism:host/env" "var_get" (func $var_get (param i64) (result i64)))
  (import "extism:host/env" "var_set" (func $var_set (param i64 i64)))
  (import "extism:host/env" "log_info" (func $log (param i64)))
  (memory (export "memory") 1)

  (func $byte (param $i i64) (result i64) (i64.extend_i32_u (call $input8 (local.get $i))))
  (func $offset (result i64) (call $input64 (i64.const 8)))   ;; the second 8 bytes of the input
  (func $word (result i64) (call $input64 (i64.const 16)))    ;; the third

  ;; calls the function that the first byte of the input names, with the offset
  (func (export "Call") (result i32) (local $f i32)
    (local.set $f (i32.wrap_i64 (call $byte (i64.const 0))))
    (block $end
    (block $12 (block $11 (block $10 (block $9 (block $8 (block $7 (block $6 (block $5 (block $4 (block $3 (block $2 (block $1 (block $0
      (br_table $0 $1 $2 $3 $4 $5 $6 $7 $8 $9 $10 $11 $12 (local.get $f)))
      (drop (call $alloc (call $offset))) (br $end))
      (call $free (call $offset)) (br $end))
      (drop (call $length (call $offset))) (br $end))
      (drop (call $load8 (call $offset))) (br $end))
      (drop (call $load64 (call $offset))) (br $end))
      (call $store8 (call $offset) (i32.const 1)) (br $end))
      (call $store64 (call $offset) (i64.const 1)) (br $end))
      (drop (call $input8 (call $offset))) (br $end))
      (drop (call $input64 (call $offset))) (br $end))
      (call $output (call $offset) (call $word)) (br $end))
      (call $error (call $offset)) (return (i32.const 1)))
      (drop (call $var_get (call $offset))) (br $end))
      (call $log (call $offset)))
    (i32.const 0))

  ;; allocates blocks of 1000 bytes, without end if the input begins with 1, and otherwise 100,000 times, giving each back
  (func (export "Alloc") (result i32) (local $n i32) (local $block i64)
    (loop $more
      (local.set $block (call $alloc (i64.const 1000)))
      (if (i64.ne (call $load64 (local.get $block)) (i64.const 0)) (then unreachable))  ;; new blocks are zero
      (call $store64 (local.get $block) (i64.const -1))
      (if (i64.eqz (call $byte (i64.const 0))) (then (call $free (local.get $block))))
      (local.set $n (i32.add (local.get $n) (i32.const 1)))
      (br_if $more (i32.lt_u (local.get $n) (i32.const 100000)))
      (br_if $more (i64.ne (call $byte (i64.const 0)) (i64.const 0))))
    (i32.const 0))

  ;; keeps a variable of 64 KiB under a name that gets longer
  (func (export "Vars") (result i32) (local $n i64) (local $name i64) (local $value i64)
    (loop $more
      (local.set $n (i64.add (local.get $n) (i64.const 1)))
      (local.set $name (call $alloc (local.get $n)))
      (local.set $value (call $alloc (i64.const 65536)))
      (call $var_set (local.get $name) (local.get $value))
      (br_if $more (i64.lt_u (local.get $n) (i64.const 1000))))
    (i32.const 0))

  ;; fails without saying why, with a status of its own
  (func (export "Silent") (result i32) (i32.const 77)))
