;; Instructions on ranges of memory and tables. What they write is compared with the original.
(module
  (memory (export "memory") 64 64)
  (data $d "0123456789abcdef")
  (data (i32.const 16) "The quick brown fox jumps over the lazy dog")
  (table $t 40 funcref)
  (table $u 20 funcref)
  (elem (table $t) (i32.const 1) func $f $g)
  (elem $e func $g $f $g)
  (elem (table $u) (i32.const 2) funcref (ref.func $f) (ref.null func) (ref.func $g))
  (elem $x funcref (ref.func $g) (ref.null func))
  (elem declare func $f)
  (elem declare funcref (ref.func $g))
  (global $r (mut funcref) (ref.func $g))
  (func $f (result i32) (i32.const 1))
  (func $g (result i32) (i32.const 2))

  ;; argument n selects one of the ranges, some of which end out of bounds
  (func $range (param $n i32) (result i32 i32 i32) ;; dst src len
    (block (block (block (block (block (block (block (block (block (block (block
      (br_table 0 1 2 3 4 5 6 7 8 9 10 (local.get $n)))
      (return (i32.const 100) (i32.const 16) (i32.const 20)))
      (return (i32.const 20) (i32.const 16) (i32.const 200)))         ;; overlap, up
      (return (i32.const 16) (i32.const 20) (i32.const 257)))         ;; overlap, down, the first that is charged for
      (return (i32.const 17) (i32.const 16) (i32.const 0x200000)))    ;; pieces, overlap, up
      (return (i32.const 16) (i32.const 17) (i32.const 0x200001)))    ;; pieces, overlap, down
      (return (i32.const 0x300000) (i32.const 16) (i32.const 0x100001))) ;; dst out of bounds
      (return (i32.const 16) (i32.const 0x300000) (i32.const 0x100001))) ;; src out of bounds
      (return (i32.const 0x3fff00) (i32.const 16) (i32.const 0x100))) ;; to the end
      (return (i32.const 16) (i32.const -1) (i32.const -1)))          ;; wraps around
      (return (i32.const 16) (i32.const 16) (i32.const 0x3ffff0)))    ;; onto itself
    (i32.const 0x400000) (i32.const 0x400000) (i32.const 0))          ;; nothing, at the end

  (func (export "copy") (param i32) (call $range (local.get 0)) (memory.copy))
  (func (export "fill") (param i32) (call $range (local.get 0)) (memory.fill))
  (func (export "init") (param i32)
    (memory.init $d (i32.const 200) (local.get 0) (i32.const 8)))
  (func (export "drop") (param i32)
    (data.drop $d) (elem.drop $e)
    (memory.init $d (i32.const 300) (i32.const 0) (local.get 0)))
  (func (export "table") (param i32) (result i32)
    (table.init $t $e (i32.const 10) (i32.const 0) (i32.const 3))
    (table.init $u $x (i32.const 10) (i32.const 0) (i32.const 2))
    (table.copy $u $t (i32.const 12) (i32.const 10) (i32.const 3))
    (table.fill $t (i32.const 20) (ref.func $f) (i32.const 10))
    (table.set $t (i32.const 30) (global.get $r))
    (drop (table.grow $t (ref.func $f) (i32.const 2)))
    (if (i32.eq (local.get 0) (i32.const 35)) (then (return (ref.is_null (table.get $u (i32.const 11))))))
    (call_indirect $t (result i32) (local.get 0)))
  (func (export "refs") (param i32) (result i32) (local funcref)
    (loop $l
      (local.set 1 (ref.func $f))
      (br_if $l (i32.gt_s (local.tee 0 (i32.sub (local.get 0) (i32.const 1))) (i32.const 0))))
    (table.set $t (i32.const 0) (local.get 1))
    (call_indirect $t (result i32) (i32.const 0)))
  (func (export "grow") (param i32) (result i32) (i32.add (memory.grow (local.get 0)) (memory.size))))
