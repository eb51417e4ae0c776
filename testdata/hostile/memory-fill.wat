;; expect: interrupted
;; Spends its time inside of single instructions.
(module
  (import "wasmworker:activity/v1" "status" (func (result i32)))
  (memory 1024)
  (func (export "A") (result i32)
    (loop $l
      (memory.fill (i32.const 0) (i32.const 1) (i32.const 0x4000000))
      (memory.copy (i32.const 0) (i32.const 1) (i32.const 0x3ffffff))
      (br $l))
    (i32.const 0)))
