;; One activity for each rule of the contract. Each writes the results of the host functions that it
;; calls as its output: 8 bytes for each, little-endian. The argument is what the test gives it.
(module
  (import "wasmworker:activity/v1" "arg_count" (func $arg_count (result i32)))
  (import "wasmworker:activity/v1" "arg_read" (func $arg_read (param i32 i32 i32) (result i64)))
  (import "wasmworker:activity/v1" "arg_encoding" (func $arg_encoding (param i32 i32 i32) (result i64)))
  (import "wasmworker:activity/v1" "arg_metadata" (func $arg_metadata (param i32 i32 i32) (result i64)))
  (import "wasmworker:activity/v1" "output_write" (func $output_write (param i32 i32) (result i64)))
  (import "wasmworker:activity/v1" "output_encoding" (func $output_encoding (param i32 i32) (result i64)))
  (import "wasmworker:activity/v1" "output_metadata" (func $output_metadata (param i32 i32) (result i64)))
  (import "wasmworker:activity/v1" "fail" (func $fail (param i32 i32) (result i64)))
  (import "wasmworker:activity/v1" "status" (func $status (result i32)))
  (import "wasmworker:activity/v1" "heartbeat_detail" (func $heartbeat_detail (param i32 i32 i32 i32) (result i64)))
  (import "wasmworker:activity/v1" "heartbeat" (func $heartbeat (result i64)))
  (import "wasmworker:activity/v1" "detail_count" (func $detail_count (result i32)))
  (import "wasmworker:activity/v1" "detail_read" (func $detail_read (param i32 i32 i32) (result i64)))
  (import "wasmworker:activity/v1" "detail_encoding" (func $detail_encoding (param i32 i32 i32) (result i64)))
  (import "wasmworker:activity/v1" "close" (func $close (param i32) (result i64)))
  (import "wasmworker:activity/v1" "last_error" (func $last_error (param i32 i32) (result i64)))
  (import "wasmworker:log/v1" "write" (func $log (param i32 i32 i32 i32 i32) (result i64)))
  (import "wasi_snapshot_preview1" "fd_write" (func $fd_write (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_read" (func $fd_read (param i32 i32 i32 i32) (result i32)))
  (memory (export "memory") 64)
  (global $at (mut i32) (i32.const 0))
  ;; notes a result: what was noted lies from 64 on
  (func $put (param i64)
    (i64.store offset=64 (global.get $at) (local.get 0))
    (global.set $at (i32.add (global.get $at) (i32.const 8))))
  ;; writes what was noted
  (func $done (result i32)
    (drop (call $output_encoding (i32.const 0) (i32.const 12)))
    (drop (call $output_write (i32.const 64) (global.get $at)))
    (global.set $at (i32.const 0))
    (i32.const 0))
  (data (i32.const 0) "binary/plain")
  ;; reads an argument to 1 MiB on, and returns its size
  (func $arg (param $index i32) (result i32)
    (i32.wrap_i64 (call $arg_read (local.get $index) (i32.const 1048576) (i32.const 3145728))))

  ;; the functions that answer an i32, asked before there is an activity
  (global $early (mut i32) (i32.const -1))
  (func (export "_initialize")
    (global.set $early (i32.add (i32.add (call $arg_count) (call $detail_count)) (call $status))))
  (func (export "Early") (result i32)
    (call $put (i64.extend_i32_s (global.get $early)))
    (call $done))

  ;; traps 100 calls deep
  (func $deep (param i32) (result i32)
    (if (i32.eqz (local.get 0)) (then unreachable))
    (i32.add (i32.const 1) (call $deep (i32.sub (local.get 0) (i32.const 1)))))
  (func (export "DeepTrap") (result i32) (call $deep (i32.const 100)))

  ;; how a reading function treats its buffer; the argument has 5 bytes
  (func (export "Buffers") (result i32)
    (call $put (call $arg_read (i32.const 0) (i32.const -1) (i32.const 0)))       ;; the size, without looking at dst
    (i64.store (i32.const 512) (i64.const 0x1122334455667788))
    (call $put (call $arg_read (i32.const 0) (i32.const 512) (i32.const 4)))      ;; too small
    (call $put (i64.load (i32.const 512)))                                        ;; so untouched
    (call $put (call $arg_read (i32.const 0) (i32.const 512) (i32.const 5)))      ;; just enough
    (call $put (i64.load (i32.const 512)))                                        ;; and no byte more
    (call $put (call $arg_read (i32.const 0) (i32.const 4194299) (i32.const 4096))) ;; the value fits before the end of memory
    (call $put (call $arg_encoding (i32.const 0) (i32.const 0) (i32.const 0)))
    (call $put (call $arg_metadata (i32.const 0) (i32.const 0) (i32.const 0)))
    (call $put (call $arg_read (i32.const 1) (i32.const 512) (i32.const 5)))      ;; no such argument
    (call $put (call $arg_encoding (i32.const -1) (i32.const 512) (i32.const 5)))
    (call $put (call $arg_metadata (i32.const 1) (i32.const 512) (i32.const 5)))
    (call $put (call $detail_read (i32.const 0) (i32.const 512) (i32.const 5)))
    (call $put (call $detail_encoding (i32.const 0) (i32.const 512) (i32.const 5)))
    (call $put (call $output_write (i32.const -1) (i32.const 0)))                 ;; nothing, from anywhere
    (call $put (i64.extend_i32_u (call $arg_count)))
    (call $done))

  ;; the last error is empty before the first, and stays until the next
  (func (export "LastError") (result i32)
    (call $put (call $last_error (i32.const 0) (i32.const 0)))
    (call $put (call $close (i32.const 9)))
    (call $put (call $last_error (i32.const 0) (i32.const 0)))
    (call $put (call $output_write (i32.const 0) (i32.const 0)))                  ;; succeeds
    (call $put (call $last_error (i32.const 0) (i32.const 0)))
    (call $done))

  ;; adds each argument but the last to a heartbeat as it is, and sends it; then an empty one
  (func (export "Heartbeat") (result i32) (local $i i32) (local $n i32)
    (loop $l
      (local.set $n (call $arg (local.get $i)))
      (call $put (call $heartbeat_detail (i32.const 1048576) (local.get $n)
        (i32.const 256) (i32.wrap_i64 (call $arg_encoding (local.get $i) (i32.const 256) (i32.const 256)))))
      (local.set $i (i32.add (local.get $i) (i32.const 1)))
      (br_if $l (i32.lt_u (local.get $i) (call $arg_count))))
    (call $put (call $heartbeat))
    (call $put (call $heartbeat))
    (call $done))

  ;; writes the details of the attempt before: encoding, ':', bytes, ';'
  (func (export "Details") (result i32) (local $i i32)
    (i32.store (i32.const 512) (i32.const 0x3b3a)) ;; ":;"
    (block $end
      (loop $l
        (br_if $end (i32.ge_u (local.get $i) (call $detail_count)))
        (drop (call $output_write (i32.const 1024) (i32.wrap_i64 (call $detail_encoding (local.get $i) (i32.const 1024) (i32.const 1024)))))
        (drop (call $output_write (i32.const 512) (i32.const 1)))
        (drop (call $output_write (i32.const 1024) (i32.wrap_i64 (call $detail_read (local.get $i) (i32.const 1024) (i32.const 65536)))))
        (drop (call $output_write (i32.const 513) (i32.const 1)))
        (local.set $i (i32.add (local.get $i) (i32.const 1)))
        (br $l)))
    (i32.const 0))

  ;; logs the second argument with the first as attributes, as a warning
  (func (export "Log") (result i32) (local $n i32) (local $m i32)
    (local.set $n (call $arg (i32.const 0)))
    (local.set $m (i32.wrap_i64 (call $arg_read (i32.const 1) (i32.const 4096) (i32.const 1000000))))
    (call $put (call $log (i32.const 4) (i32.const 4096) (local.get $m) (i32.const 1048576) (local.get $n)))
    (call $done))

  ;; writes the first argument to standard output and the second to standard error, and reads standard input
  (func (export "Stdio") (result i32)
    (i32.store (i32.const 32) (i32.const 1048576))
    (i32.store (i32.const 36) (call $arg (i32.const 0)))
    (call $put (i64.extend_i32_u (call $fd_write (i32.const 1) (i32.const 32) (i32.const 1) (i32.const 40))))
    (i32.store (i32.const 36) (call $arg (i32.const 1)))
    (call $put (i64.extend_i32_u (call $fd_write (i32.const 2) (i32.const 32) (i32.const 1) (i32.const 40))))
    (i32.store (i32.const 36) (i32.const 100))
    (i32.store (i32.const 40) (i32.const -1))
    (call $put (i64.extend_i32_u (call $fd_read (i32.const 0) (i32.const 32) (i32.const 1) (i32.const 40))))
    (call $put (i64.load32_u (i32.const 40)))
    (call $done))

  ;; fails with the argument
  (func (export "Fail") (result i32)
    (drop (call $fail (i32.const 1048576) (call $arg (i32.const 0))))
    (i32.const 1))

  ;; writes the argument and stops, as if it were asked to
  (func (export "GiveUp") (result i32)
    (drop (call $output_write (i32.const 1048576) (call $arg (i32.const 0))))
    (i32.const 2))

  ;; writes the first argument with the second as its metadata, and fails if these are refused
  (func (export "Metadata") (result i32) (local $n i32)
    (drop (call $output_write (i32.const 1048576) (call $arg (i32.const 0))))
    (local.set $n (call $arg (i32.const 1)))
    (if (i64.ne (call $output_metadata (i32.const 1048576) (local.get $n)) (i64.const 0)) (then (return (i32.const 1))))
    (i32.const 0))

  ;; sets the argument as the encoding, and writes nothing
  (func (export "EncodingOnly") (result i32)
    (call $put (call $output_encoding (i32.const 1048576) (call $arg (i32.const 0))))
    (i32.const 0))

  ;; writes JSON and sets no encoding
  (func (export "Plain") (result i32)
    (i32.store8 (i32.const 512) (i32.const 55))
    (drop (call $output_write (i32.const 512) (i32.const 1)))
    (i32.const 0))

  ;; writes the argument twice: the second time it may be refused, and nothing is appended then
  (func (export "Twice") (result i32) (local $n i32)
    (local.set $n (call $arg (i32.const 0)))
    (if (i64.ne (call $output_write (i32.const 1048576) (local.get $n)) (i64.extend_i32_u (local.get $n))) (then unreachable))
    (if (i64.ne (call $output_write (i32.const 1048576) (local.get $n)) (i64.const -35)) (then unreachable))
    (if (i64.ne (call $output_write (i32.const -1) (i32.const 0)) (i64.extend_i32_u (local.get $n))) (then unreachable))
    (i32.const 0))

  ;; writes the argument, and fails without saying why
  (func (export "WriteAndFail") (result i32)
    (drop (call $output_write (i32.const 1048576) (call $arg (i32.const 0))))
    (i32.const 1))

  ;; asks for the flags once, so that a test knows that it runs, and then never returns
  (func (export "Busy") (result i32)
    (drop (call $status))
    (loop $l (br $l))
    (i32.const 0)))
