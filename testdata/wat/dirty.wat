;; Changes its memory: for tests of setting it back, and of the memory limits.
(module
  (import "wasmworker:activity/v1" "output_write" (func $output_write (param i32 i32) (result i64)))
  (memory (export "memory") 32 48)
  ;; segments that overlap, are out of order, adjoin, and leave gaps
  (data (i32.const 100) "aaaaaaaaaa")
  (data (i32.const 95) "bbbbbbbb")
  (data (i32.const 110) "c")
  (data (i32.const 112) "d")
  (data (i32.const 10) "0123456789")
  (data (i32.const 300) "e")
  (data (i32.const 299) "")

  ;; returns bytes 0 to 319
  (func (export "Read") (result i32)
    (drop (call $output_write (i32.const 0) (i32.const 320)))
    (i32.const 0))

  ;; writes to 1 MiB of its memory, and to its data
  (func (export "Dirty") (result i32)
    (memory.fill (i32.const 0) (i32.const 255) (i32.const 1048576))
    (i32.const 0))

  ;; grows to the maximum that it declares, and returns how many pages it had
  (func (export "Grow") (result i32)
    (i32.store8 (i32.const 0) (i32.add (i32.const 48) (memory.grow (i32.const 16))))
    (memory.fill (i32.const 3080192) (i32.const 1) (i32.const 65536))
    (drop (call $output_write (i32.const 0) (i32.const 1)))
    (i32.const 0))

  ;; asks for one page more than the maximum, and dies when it is refused
  (func (export "TooMuch") (result i32)
    (if (i32.lt_s (memory.grow (i32.const 17)) (i32.const 0)) (then unreachable))
    (i32.const 0)))
