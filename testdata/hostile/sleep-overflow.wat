;; expect: completed
;; Numbers of clocks whose size does not fit into 32 bits: each is an error, and nobody sleeps.
(module
  (import "wasmworker:activity/v1" "status" (func (result i32)))
  (import "wasi_snapshot_preview1" "poll_oneoff" (func $poll (param i32 i32 i32 i32) (result i32)))
  (memory (export "memory") 1)
  (func $refused (param $n i32)
    (if (i32.eqz (call $poll (i32.const 0) (i32.const 4096) (local.get $n) (i32.const 8192))) (then unreachable)))
  (func (export "A") (result i32)
    (i64.store (i32.const 24) (i64.const 3600000000000))
    (call $refused (i32.const -1))
    (call $refused (i32.const 0))
    (call $refused (i32.const 0x80000000))
    (call $refused (i32.const 0x10000000))
    (call $refused (i32.const 0x20000001))
    (call $refused (i32.const 0x05555556))
    (i32.const 0)))
