;; expect: interrupted
;; Random numbers for all of its memory, again and again, after 4 GiB of them were refused.
(module
  (import "wasmworker:activity/v1" "status" (func (result i32)))
  (import "wasi_snapshot_preview1" "random_get" (func $random (param i32 i32) (result i32)))
  (memory (export "memory") 3840)
  (func (export "A") (result i32)
    (if (i32.eqz (call $random (i32.const 0) (i32.const -1))) (then unreachable))
    (if (i32.eqz (call $random (i32.const -1) (i32.const 1))) (then unreachable))
    (loop $l
      (drop (call $random (i32.const 0) (i32.const 0x0f000000)))
      (br $l))
    (i32.const 0)))
