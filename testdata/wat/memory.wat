;; Takes memory, a page at a time, until it gets no more.
(module
  (import "wasmworker:activity/v1" "output_write" (func $output_write (param i32 i32) (result i64)))
  (memory (export "memory") 2)
  ;; returns the pages that it had at the end as 4 bytes, and succeeds: it can do without more
  (func (export "Pages") (result i32)
    (loop $more (br_if $more (i32.ne (memory.grow (i32.const 1)) (i32.const -1))))
    (i32.store (i32.const 0) (memory.size))
    (drop (call $output_write (i32.const 0) (i32.const 4)))
    (i32.const 0))
  (func (export "Trap") (result i32) unreachable)
  (func (export "GrowAndTrap") (result i32)
    (drop (memory.grow (i32.const 1000)))
    unreachable)
  ;; touches the last byte of each page that it took
  (func (export "Touch") (result i32) (local $i i32)
    (loop $more (br_if $more (i32.ne (memory.grow (i32.const 1)) (i32.const -1))))
    (loop $l
      (local.set $i (i32.add (local.get $i) (i32.const 65536)))
      (if (i32.load8_u (i32.sub (local.get $i) (i32.const 1))) (then unreachable))   ;; new memory is zero
      (i32.store8 (i32.sub (local.get $i) (i32.const 1)) (i32.const 1))
      (br_if $l (i32.lt_u (local.get $i) (i32.shl (memory.size) (i32.const 16)))))
    (i32.const 0)))
