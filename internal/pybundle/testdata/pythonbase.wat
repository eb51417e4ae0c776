;; What wasmworker build needs of an interpreter, without Python: it takes each line of the
;; bundle's archive that begins with "activity " for an activity's name. There is room for
;; three, and for two functions of an embedder's.
(module
  (import "wasmworker:activity/v1" "output_write" (func $output_write (param i32 i32) (result i64)))
  (import "wasmworker:activity/v1" "info" (func $info (param i32 i32) (result i64)))
  (import "wasmworker:http/v1" "send" (func $send (param i32 i32) (result i64)))
  (import "wasmworker:sql/v1" "query" (func $query (param i32 i32) (result i64)))
  (import "python:slot" "00" (func (param i32 i32) (result i64)))
  (import "python:slot" "01" (func (param i32 i32) (result i64)))
  (import "wasi_snapshot_preview1" "fd_write" (func $fd_write (param i32 i32 i32 i32) (result i32)))
  (memory (export "memory") 1)
  (global $heap_end i32 (i32.const 65536))
  (export "__heap_end" (global $heap_end))
  (data (i32.const 16) "no bundle\0a")
  (data (i32.const 32) "\10\00\00\00\0a\00\00\00")
  ;; where the list of names is, and its end
  (global $list i32 (i32.const 1024))
  (global $end (mut i32) (i32.const 0))
  (func $put (param $byte i32)
    (i32.store8 (global.get $end) (local.get $byte))
    (global.set $end (i32.add (global.get $end) (i32.const 1))))
  (func $archive (result i32)
    (i32.add (i32.const 65552) (i32.load (i32.const 65544))))
  (func (export "_initialize")
    (local $at i32) (local $stop i32)
    (global.set $end (global.get $list))
    (if (i32.lt_u (memory.size) (i32.const 2)) (then (call $refuse)))
    (if (i64.ne (i64.load (i32.const 65536)) (i64.const 0x656c646e75627777)) (then (call $refuse)))
    (call $put (i32.const 91))
    (local.set $at (call $archive))
    (local.set $stop (i32.add (local.get $at) (i32.load (i32.const 65548))))
    (block $done
      (loop $next
        (br_if $done (i32.ge_u (local.get $at) (local.get $stop)))
        (if (i64.eq (i64.load (local.get $at)) (i64.const 0x7974697669746361)) (then
          (local.set $at (i32.add (local.get $at) (i32.const 9)))
          (if (i32.gt_u (global.get $end) (i32.const 1025)) (then (call $put (i32.const 44))))
          (call $put (i32.const 34))
          (block $line
            (loop $letter
              (br_if $line (i32.lt_u (i32.load8_u (local.get $at)) (i32.const 32)))
              (call $put (i32.load8_u (local.get $at)))
              (local.set $at (i32.add (local.get $at) (i32.const 1)))
              (br $letter)))
          (call $put (i32.const 34))))
        (local.set $at (i32.add (local.get $at) (i32.const 1)))
        (br $next)))
    (call $put (i32.const 93)))
  (func $refuse
    (drop (call $fd_write (i32.const 2) (i32.const 32) (i32.const 1) (i32.const 48)))
    (unreachable))
  (func (export "_activities") (result i32)
    (drop (call $output_write (global.get $list) (i32.sub (global.get $end) (global.get $list))))
    (i32.const 0))
  (func (export "_compiled") (result i32) (i32.const 0))
  ;; An activity answers with its number, a digit.
  (func $run (param $number i32) (result i32)
    (i32.store8 (i32.const 8) (i32.add (i32.const 48) (local.get $number)))
    (drop (call $output_write (i32.const 8) (i32.const 1)))
    (i32.const 0))
  (func (export "_activity_00") (result i32) (call $run (i32.const 0)))
  (func (export "_activity_01") (result i32) (call $run (i32.const 1)))
  (func (export "_activity_02") (result i32) (call $run (i32.const 2))))
