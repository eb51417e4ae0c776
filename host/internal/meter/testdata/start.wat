;; A start function, with a loop; an imported memory; no type, function or export stands alone.
(module
  (import "env" "memory" (memory 1))
  (import "env" "count" (func $count (result i32)))
  (global $g (export "g") (mut i64) (i64.const 0))
  (func $start (local $i i32)
    (local.set $i (call $count))
    (loop $l
      (global.set $g (i64.add (global.get $g) (i64.const 1)))
      (br_if $l (i32.gt_s (local.tee $i (i32.sub (local.get $i) (i32.const 1))) (i32.const 0))))
    (i64.store (i32.const 8) (global.get $g)))
  (start $start)
  (func (export "load") (param i32) (result i64) (i64.load offset=8 (i32.const 0))))
