;; expect: completed
;; Grows its table until it is refused, which must be long before memory is short: 1 if it was refused.
(module
  (import "wasmworker:activity/v1" "output_write" (func $write (param i32 i32) (result i64)))
  (memory 1)
  (table $t 1 externref)
  (func (export "A") (result i32) (local $n i32)
    (loop $l
      (if (i32.ne (table.grow $t (ref.null extern) (i32.const 65536)) (i32.const -1)) (then
        (local.set $n (i32.add (local.get $n) (i32.const 1)))
        (br_if $l (i32.lt_u (local.get $n) (i32.const 4096))))))
    (if (i32.eq (local.get $n) (i32.const 4096)) (then unreachable))
    (i32.const 0)))
