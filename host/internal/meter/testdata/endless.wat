;; Ways not to come to an end. Each is stopped from outside.
(module
  (memory (export "memory") 1024)
  (type $v (func))
  (table $t 1000000 funcref)
  (elem (i32.const 0) $mutual $noop)
  (elem declare func $noop)
  (global $n (mut i32) (i32.const 0))
  (func $noop)

  (func (export "loop") (loop (br 0)))
  (func (export "nested") (loop $a (loop $b (br_if $b (i32.const 0)) (br $a))))

  ;; the state machine of a compiler: br_table in a loop
  (func (export "br_table") (local $s i32)
    (loop $l
      (block $2 (block $1 (block $0 (br_table $0 $1 $2 $l (local.get $s)))
        (local.set $s (i32.const 1)) (br $l))
        (local.set $s (i32.const 2)) (br $l))
      (local.set $s (i32.const 7)) (br $l)))

  ;; 2^60 calls, never more than 60 deep, without a loop
  (func $tree (export "tree") (param i32)
    (if (local.get 0) (then
      (call $tree (i32.sub (local.get 0) (i32.const 1)))
      (call $tree (i32.sub (local.get 0) (i32.const 1))))))
  (func (export "calls") (call $tree (i32.const 60)))

  ;; the same, but with a call through a table, and outside of any loop or condition
  (func $mutual
    (global.set $n (i32.add (global.get $n) (i32.const 1)))
    (if (i32.lt_u (global.get $n) (i32.const 50)) (then
      (call_indirect (type $v) (i32.const 0)) (call_indirect (type $v) (i32.const 0))))
    (global.set $n (i32.sub (global.get $n) (i32.const 1))))
  (func (export "indirect") (call $mutual))

  ;; a deep stack at whose end something spins
  (func $deep (param i32)
    (if (local.get 0) (then (call $deep (i32.sub (local.get 0) (i32.const 1)))) (else (loop (br 0)))))
  (func (export "deep") (call $deep (i32.const 1000)))

  ;; instructions that take long
  (func (export "memory.fill") (loop $l (memory.fill (i32.const 0) (i32.const 1) (i32.const 0x4000000)) (br $l)))
  (func (export "memory.copy") (loop $l (memory.copy (i32.const 1) (i32.const 0) (i32.const 0x3ffffff)) (br $l)))
  (func (export "memory.grow") (loop $l (drop (memory.grow (i32.const 0))) (br $l)))
  (func (export "table.fill") (loop $l (table.fill $t (i32.const 2) (ref.null func) (i32.const 999998)) (br $l)))
  (func (export "table.copy") (loop $l (table.copy $t $t (i32.const 2) (i32.const 3) (i32.const 999997)) (br $l)))
  (func (export "ref.func") (loop $l (drop (ref.func $noop)) (br $l)))
  (func (export "page faults") (local $p i32)
    (loop $l
      (i32.store (local.get $p) (i32.const 1))
      (local.set $p (i32.and (i32.add (local.get $p) (i32.const 4160)) (i32.const 0x3ffffff)))
      (br $l))))
