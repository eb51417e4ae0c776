;; expect: OutputTooLarge
;; Writes a thousand times more than it may.
(module
  (import "wasmworker:activity/v1" "output_write" (func $write (param i32 i32) (result i64)))
  (memory 16)
  (func (export "A") (result i32) (local $i i32)
    (loop $l
      (drop (call $write (i32.const 0) (i32.const 0x80000)))
      (local.set $i (i32.add (local.get $i) (i32.const 1)))
      (br_if $l (i32.lt_u (local.get $i) (i32.const 4000))))
    (i32.const 0)))
