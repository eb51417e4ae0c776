;; expect: interrupted
;; Heartbeats for ever, with details as large as they may be.
(module
  (import "wasmworker:activity/v1" "heartbeat_detail" (func $detail (param i32 i32 i32 i32) (result i64)))
  (import "wasmworker:activity/v1" "heartbeat" (func $heartbeat (result i64)))
  (memory 16)
  (func (export "A") (result i32)
    (loop $l
      (drop (call $detail (i32.const 0) (i32.const 0x80000) (i32.const 0) (i32.const 0)))
      (drop (call $detail (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0)))
      (drop (call $heartbeat))
      (br $l))
    (i32.const 0)))
