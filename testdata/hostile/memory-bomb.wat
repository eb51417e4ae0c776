;; expect: OutOfMemory
;; Takes all the memory that it gets, touches it, and dies.
(module
  (import "wasmworker:activity/v1" "status" (func (result i32)))
  (memory 1)
  (func (export "A") (result i32) (local $old i32)
    (loop $l
      (local.set $old (memory.grow (i32.const 256)))
      (if (i32.ne (local.get $old) (i32.const -1)) (then
        (memory.fill (i32.shl (local.get $old) (i32.const 16)) (i32.const 0xff) (i32.const 0x1000000))
        (br $l))))
    unreachable))
