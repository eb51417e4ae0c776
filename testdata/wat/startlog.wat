;; A start function that logs, so that a test knows that it runs, and then never returns.
(module
  (import "wasmworker:activity/v1" "status" (func (result i32)))
  (import "wasmworker:log/v1" "write" (func $log (param i32 i32 i32 i32 i32) (result i64)))
  (memory 1)
  (data (i32.const 0) "started")
  (func $start
    (drop (call $log (i32.const 0) (i32.const 0) (i32.const 7) (i32.const 0) (i32.const 0)))
    (loop $l (br $l)))
  (func (export "Never") (result i32) (i32.const 0))
  (start $start))
