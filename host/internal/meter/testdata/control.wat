;; All kinds of control flow. The results are compared with those of the original.
(module
  (type $two (func (param i32 i32) (result i32 i32)))
  (type $unary (func (param i32) (result i32)))
  (import "env" "double" (func $double (param i32) (result i32)))
  (import "env" "base" (global $base i32))
  (global $calls (export "calls") (mut i32) (i32.const 0))
  (table $t (export "table") 8 funcref)
  (elem (i32.const 0) $double $fac $collatz $fib)

  (func $fac (export "fac") (param i32) (result i32)
    (if (result i32) (i32.eqz (local.get 0)) (then (i32.const 1))
      (else (i32.mul (local.get 0) (call $fac (i32.sub (local.get 0) (i32.const 1)))))))
  (func $fib (export "fib") (param i32) (result i32)
    (global.set $calls (i32.add (global.get $calls) (i32.const 1)))
    (if (i32.lt_u (local.get 0) (i32.const 2)) (then (return (local.get 0))))
    (i32.add (call $fib (i32.sub (local.get 0) (i32.const 1))) (call $fib (i32.sub (local.get 0) (i32.const 2)))))

  ;; a loop with parameters and results
  (func (export "loop params") (param i32) (result i32 i32)
    (i32.const 0) (local.get 0)
    (loop $l (type $two)
      (local.set 0)                                   ;; n
      (i32.add (local.get 0))                         ;; sum
      (i32.sub (local.get 0) (i32.const 1))
      (br_if $l (i32.gt_s (local.get 0) (i32.const 0)))))

  ;; if and else with parameters, and an if without else
  (func (export "if params") (param i32) (result i32 i32)
    (i32.const 3) (i32.const 4)
    (if (type $two) (i32.and (local.get 0) (i32.const 1))
      (then (i32.add (i32.const 10)))
      (else (i32.mul) (i32.const 7)))
    (if (type $two) (i32.and (local.get 0) (i32.const 2)) (then (drop) (local.get 0)))
    (block (type $two) (br_if 0 (i32.and (local.get 0) (i32.const 4))) (i32.add (i32.const 100))))

  (func $collatz (export "collatz") (param i32) (result i32) (local $n i32)
    (block $out
      (loop $next
        (br_if $out (i32.le_u (local.get 0) (i32.const 1)))
        (local.set $n (i32.add (local.get $n) (i32.const 1)))
        (block $odd
          (br_if $odd (i32.and (local.get 0) (i32.const 1)))
          (local.set 0 (i32.shr_u (local.get 0) (i32.const 1)))
          (br $next))
        (local.set 0 (i32.add (i32.mul (local.get 0) (i32.const 3)) (i32.const 1)))
        (br $next)))
    (local.get $n))

  ;; branches over several loops, and to the function itself
  (func (export "nested") (param i32) (result i32) (local $i i32) (local $j i32) (local $s i32)
    (loop $outer
      (local.set $j (i32.const 0))
      (block $skip
        (loop $inner
          (local.set $s (i32.add (local.get $s) (i32.xor (local.get $i) (local.get $j))))
          (br_if $skip (i32.gt_u (local.get $j) (local.get $i)))
          (br_if 3 (local.get $s) (i32.gt_u (local.get $s) (i32.const 500)))
          (drop)
          (local.set $j (i32.add (local.get $j) (i32.const 1)))
          (br_if $inner (i32.lt_u (local.get $j) (local.get 0)))))
      (local.set $i (i32.add (local.get $i) (i32.const 1)))
      (br_if $outer (i32.lt_u (local.get $i) (local.get 0))))
    (i32.sub (i32.const 0) (local.get $s)))

  ;; br_table with values, to loops, blocks and the function
  (func (export "br_table") (param i32) (result i32) (local $n i32)
    (block $a (result i32)
      (block $b (result i32)
        (loop $l (result i32)
          (local.set $n (i32.add (local.get $n) (i32.const 1)))
          (block $c (result i32)
            (br_table $c $b $a 4 $c (i32.add (local.get $n) (global.get $base)) (i32.rem_u (i32.add (local.get 0) (local.get $n)) (i32.const 6))))
          (br_if $a (i32.const 77) (i32.gt_u (local.get $n) (i32.const 20)))
          (drop) (drop)
          (br $l)))
      (i32.add (i32.const 1000)))
    (i32.add (i32.const 10000)))

  ;; code that cannot be reached, with loops and branches in it
  (func (export "dead") (param i32) (result i32)
    (block $b (result i32)
      (br $b (i32.const 5))
      (loop $l (br_if $l (i32.const 1)) (br_table $l $l (i32.const 0)))
      (if (then (br $b (i32.const 1))) (else (unreachable)))
      (loop (result i32) (block (result i32) (return (i32.const 2))))
      (i32.add))
    (if (i32.eqz (local.get 0)) (then (return (i32.const 6)) (loop (br 0))))
    (if (i32.eq (local.get 0) (i32.const 13)) (then (unreachable) (br 0)))
    (local.get 0) (i32.add) (return)
    (loop (result i32) (br 0)))

  (func (export "call_indirect") (param i32) (result i32)
    (call_indirect (type $unary) (i32.const 9) (i32.and (local.get 0) (i32.const 7))))

  ;; functions that are free of charge, and one that is not by a hair's breadth
  (func $free (param i32) (result i32) (i32.add (local.get 0) (i32.const 3)))
  (func $dear (param i32) (result i32)
    (local.get 0) (i32.const 1) (i32.add) (i32.const 1) (i32.add) (i32.const 1) (i32.add) (i32.const 1) (i32.add)
    (i32.const 1) (i32.add) (i32.const 1) (i32.add) (i32.const 1) (i32.add) (i32.const 1) (i32.add))
  (func (export "leaves") (param i32) (result i32)
    (call $free (call $dear (call $double (local.get 0)))))

  (func (export "select") (param i32) (result f64)
    (select (result f64) (f64.const 1.5) (f64.const 2.5) (local.get 0)))
  (func (export "trap") (param i32) (result i32) (i32.div_u (i32.const 1) (i32.rem_u (call $double (local.get 0)) (i32.const 3))))
  (func (export "many results") (param i32) (result i32 i64 f32 f64)
    (loop (if (i32.gt_s (local.tee 0 (i32.sub (local.get 0) (i32.const 1))) (i32.const 0)) (then (br 1))))
    (local.get 0) (i64.const -1) (f32.const 0.5) (f64.const 0.25)))
