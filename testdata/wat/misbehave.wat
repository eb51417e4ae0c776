;; One activity for each way to go wrong.
(module
  (import "wasmworker:activity/v1" "arg_read" (func $arg_read (param i32 i32 i32) (result i64)))
  (import "wasmworker:activity/v1" "output_write" (func $output_write (param i32 i32) (result i64)))
  (import "wasmworker:activity/v1" "fail" (func $fail (param i32 i32) (result i64)))
  (import "wasmworker:activity/v1" "last_error" (func $last_error (param i32 i32) (result i64)))
  (import "wasmworker:activity/v1" "read" (func $read (param i32 i32 i32 i32) (result i64)))
  (import "wasmworker:activity/v1" "status" (func $status (result i32)))
  (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
  (import "wasi_snapshot_preview1" "poll_oneoff" (func $poll (param i32 i32 i32 i32) (result i32)))
  (memory (export "memory") 1)
  (global $count (mut i32) (i32.const 48))
  (data (i32.const 1024) "{\"message\":")

  (func (export "Trap") (result i32) unreachable)

  (func $recurse (param i32) (result i32)
    (i32.add (i32.const 1) (call $recurse (i32.add (local.get 0) (i32.const 1)))))
  (func (export "Recurse") (result i32) (call $recurse (i32.const 0)))

  ;; takes memory until it gets no more, and dies of it
  (func (export "Grow") (result i32)
    (loop $more (br_if $more (i32.ne (memory.grow (i32.const 16)) (i32.const -1))))
    unreachable)

  (func (export "BadPointer") (result i32)
    (drop (call $arg_read (i32.const 0) (i32.const -8) (i32.const 100)))
    (i32.const 0))

  (func (export "BadStatus") (result i32) (i32.const 7))
  (func (export "Exit") (result i32) (call $exit (i32.const 3)) (i32.const 0))
  (func (export "Spin") (result i32) (loop $l (br $l)) (i32.const 0))
  (func (export "SilentFailure") (result i32) (i32.const 1))
  (func (export "Cancel") (result i32) (i32.const 2))

  ;; returns 2 when it is asked to stop, whatever the reason
  (func (export "WaitForFlags") (result i32)
    (loop $l (br_if $l (i32.eqz (call $status))))
    (i32.const 2))

  ;; writes 64 KiB 64 times, and ignores that it is refused
  (func (export "Big") (result i32) (local $i i32)
    (loop $l
      (drop (call $output_write (i32.const 0) (i32.const 65536)))
      (local.set $i (i32.add (local.get $i) (i32.const 1)))
      (br_if $l (i32.lt_u (local.get $i) (i32.const 64))))
    (i32.const 0))

  ;; sleeps for an hour
  (func (export "Sleep") (result i32)
    (memory.fill (i32.const 0) (i32.const 0) (i32.const 48))
    (i64.store (i32.const 24) (i64.const 3600000000000))
    (drop (call $poll (i32.const 0) (i32.const 64) (i32.const 1) (i32.const 128)))
    (i32.const 0))

  ;; counts its calls in a global: what leaks from one to the next
  (func (export "Count") (result i32)
    (i32.store8 (i32.const 0) (global.get $count))
    (global.set $count (i32.add (global.get $count) (i32.const 1)))
    (drop (call $output_write (i32.const 0) (i32.const 1)))
    (i32.const 0))

  ;; gives fail something that is not JSON, and returns the sentence of last_error as output
  (func (export "BadFailure") (result i32)
    (if (i64.ne (call $fail (i32.const 1024) (i32.const 11)) (i64.const -28)) (then unreachable))
    (drop (call $output_write (i32.const 0) (i32.wrap_i64 (call $last_error (i32.const 0) (i32.const 1024)))))
    (i32.const 0))

  ;; gives its argument to fail, and says that it failed, whatever the answer is
  (func (export "FailWith") (result i32)
    (drop (call $fail (i32.const 4096) (i32.wrap_i64 (call $arg_read (i32.const 0) (i32.const 4096) (i32.const 4096)))))
    (i32.const 1))

  ;; reads a handle that nobody gave it
  (func (export "ForgedHandle") (result i32)
    (if (i64.ne (call $read (i32.const 1) (i32.const 0) (i32.const 0) (i32.const 8)) (i64.const -8)) (then unreachable))
    (i32.const 0)))
