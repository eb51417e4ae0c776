;; expect: interrupted
;; 2^40 calls without a loop, and never more than 40 deep.
(module
  (import "wasmworker:activity/v1" "status" (func (result i32)))
  (func $f (param $depth i32)
    (if (local.get $depth) (then
      (call $f (i32.sub (local.get $depth) (i32.const 1)))
      (call $f (i32.sub (local.get $depth) (i32.const 1))))))
  (func (export "A") (result i32) (call $f (i32.const 40)) (i32.const 0)))
