;; expect: interrupted
;; Reports failures for ever: some instructions for the guest, milliseconds for the host.
(module
  (import "wasmworker:activity/v1" "fail" (func $fail (param i32 i32) (result i64)))
  (memory 4)
  (data (i32.const 0) "{\"message\":\"m\",\"details\":[\"")
  (func (export "A") (result i32) (local $i i32)
    (local.set $i (i32.const 27))
    (loop $each ;; one detail, "xxxx…
      (i32.store16 (local.get $i) (i32.const 0x7878))
      (local.set $i (i32.add (local.get $i) (i32.const 2)))
      (br_if $each (i32.lt_u (local.get $i) (i32.const 250000))))
    (i32.store (local.get $i) (i32.const 0x7d5d22)) ;; "]}
    (loop $l
      (if (i64.ne (call $fail (i32.const 0) (i32.add (local.get $i) (i32.const 3))) (i64.const 0)) (then unreachable))
      (br $l))
    (i32.const 0)))
