;; A module that keeps state in its memory, its size and a global. The tests give it other
;; limits of memory by rewriting its memory section.
(module
  (memory (export "memory") 1 64)
  (global (export "calls") (mut i32) (i32.const 0))
  (data (i32.const 16) "data segment")
  (data (i32.const 65528) "the end.")

  ;; _initialize grows the memory and writes to both the old part and the new.
  (func (export "_initialize")
    (drop (memory.grow (i32.const 2)))
    (i32.store (i32.const 16) (i32.const 0x11111111))
    (i32.store (i32.const 100000) (i32.const 0x22222222))
    (global.set 0 (i32.const 7)))

  (func (export "size") (result i32) (memory.size))
  (func (export "grow") (param i32) (result i32) (memory.grow (local.get 0)))
  (func (export "load") (param i32) (result i32) (i32.load8_u (local.get 0)))
  (func (export "store") (param i32 i32) (i32.store8 (local.get 0) (local.get 1)))
  (func (export "fill") (param i32 i32 i32)
    (memory.fill (local.get 0) (local.get 1) (local.get 2)))

  ;; grow_and_store grows by a page and writes to its last byte, in one call.
  (func (export "grow_and_store") (param i32) (result i32)
    (if (i32.eq (memory.grow (i32.const 1)) (i32.const -1)) (then (return (i32.const 0))))
    (i32.store8 (i32.sub (i32.shl (memory.size) (i32.const 16)) (i32.const 1)) (local.get 0))
    (i32.load8_u (i32.sub (i32.shl (memory.size) (i32.const 16)) (i32.const 1)))))
