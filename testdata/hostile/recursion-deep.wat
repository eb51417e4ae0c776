;; expect: StackOverflow
;; Endless recursion with a frame that holds something.
(module
  (import "wasmworker:activity/v1" "status" (func (result i32)))
  (func $f (param $a i64) (param $b i64) (result i64)
    (i64.add (local.get $a) (call $f (local.get $b) (i64.add (local.get $a) (i64.const 1)))))
  (func (export "A") (result i32) (drop (call $f (i64.const 1) (i64.const 2))) (i32.const 0)))
