;; What a guest may do with the responses of passthrough functions.
;; Results are written as in probe.wat: 8 bytes each, little-endian.
(module
  (import "wasmworker:activity/v1" "output_write" (func $output_write (param i32 i32) (result i64)))
  (import "wasmworker:activity/v1" "arg_read" (func $arg_read (param i32 i32 i32) (result i64)))
  (import "wasmworker:activity/v1" "read" (func $read (param i32 i32 i32 i32) (result i64)))
  (import "wasmworker:activity/v1" "close" (func $close (param i32) (result i64)))
  (import "wasmworker:greeter/v1" "hello" (func $hello (param i32 i32) (result i64)))
  (memory (export "memory") 512)
  (global $early (mut i64) (i64.const 0))
  (func (export "_initialize")
    (global.set $early (call $hello (i32.const 0) (i32.const 0))))
  ;; what a call before the activity returned
  (func (export "Early") (result i32)
    (call $put (global.get $early))
    (i32.const 0))
  ;; what a call returns
  (func (export "Raw") (result i32)
    (call $put (call $ask))
    (i32.const 0))
  (func $put (param i64)
    (i64.store (i32.const 0) (local.get 0))
    (drop (call $output_write (i32.const 0) (i32.const 8))))
  (func $ask (result i64)
    (call $hello (i32.const 1024) (i32.wrap_i64 (call $arg_read (i32.const 0) (i32.const 1024) (i32.const 65536)))))

  ;; reads a response of 5 bytes in pieces of 3 bytes
  (func (export "Pieces") (result i32) (local $r i64) (local $h i32)
    (local.set $r (call $ask))
    (call $put (local.get $r))
    (local.set $h (i32.wrap_i64 (i64.shr_u (local.get $r) (i64.const 32))))
    (i64.store (i32.const 512) (i64.const 0))
    (call $put (call $read (local.get $h) (i32.const 0) (i32.const 512) (i32.const 3)))
    (call $put (call $read (local.get $h) (i32.const 3) (i32.const 515) (i32.const 3)))
    (call $put (i64.load (i32.const 512)))
    (call $put (call $read (local.get $h) (i32.const 5) (i32.const -1) (i32.const 3)))  ;; at the end nothing is copied
    (call $put (call $read (local.get $h) (i32.const -1) (i32.const -1) (i32.const 3)))
    (call $put (call $close (local.get $h)))
    (call $put (call $read (local.get $h) (i32.const 0) (i32.const 512) (i32.const 3)))
    (i32.const 0))

  ;; keeps every response, until it gets no more; closes the first and asks again
  (func (export "Hoard") (result i32) (local $r i64) (local $n i64)
    (block $end
      (loop $l
        (local.set $r (call $ask))
        (br_if $end (i64.lt_s (local.get $r) (i64.const 0)))
        (local.set $n (i64.add (local.get $n) (i64.const 1)))
        (br $l)))
    (call $put (local.get $n))
    (call $put (local.get $r))
    (call $put (call $close (i32.const 1)))
    (call $put (i64.shr_u (call $ask) (i64.const 32)))   ;; a new number
    (i32.const 0))

  ;; reads the first handle without having asked for anything
  (func (export "Stale") (result i32)
    (call $put (call $read (i32.const 1) (i32.const 0) (i32.const 512) (i32.const 8)))
    (i32.const 0))

  ;; sends a request of 16 MiB, and one of a byte more
  (func (export "Large") (result i32)
    (call $put (call $hello (i32.const 1024) (i32.const 16777216)))
    (call $put (call $hello (i32.const 1024) (i32.const 16777217)))
    (i32.const 0))

  ;; sends a request from beyond its memory
  (func (export "BadRequest") (result i32)
    (drop (call $hello (i32.const -8) (i32.const 100)))
    (i32.const 0)))
