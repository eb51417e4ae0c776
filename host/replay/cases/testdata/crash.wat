;; Activities that add up the numbers from 1 to 10, and heartbeat how far they are: what a crash makes of them.
(module
  (import "wasmworker:activity/v1" "heartbeat_detail" (func $heartbeat_detail (param i32 i32 i32 i32) (result i64)))
  (import "wasmworker:activity/v1" "heartbeat" (func $heartbeat (result i64)))
  (import "wasmworker:activity/v1" "detail_count" (func $detail_count (result i32)))
  (import "wasmworker:activity/v1" "detail_read" (func $detail_read (param i32 i32 i32) (result i64)))
  (import "wasmworker:activity/v1" "output_write" (func $output_write (param i32 i32) (result i64)))
  (import "wasmworker:activity/v1" "output_encoding" (func $output_encoding (param i32 i32) (result i64)))
  (import "wasmworker:activity/v1" "fail" (func $fail (param i32 i32) (result i64)))
  (import "wasmworker:greeter/v1" "hello" (func $hello (param i32 i32) (result i64)))
  (memory (export "memory") 1)
  (data (i32.const 100) "binary/plain")
  (data (i32.const 200) "{\"message\": \"no greeting\", \"non_retryable\": true}")

  ;; At 0 is the last number that was added, at 4 the sum.
  (func $begin
    (if (call $detail_count) (then (drop (call $detail_read (i32.const 0) (i32.const 0) (i32.const 8))))))
  (func $beat (result i32)
    (drop (call $heartbeat_detail (i32.const 0) (i32.const 8) (i32.const 100) (i32.const 12)))
    (i64.ne (call $heartbeat) (i64.const 0)))
  (func $work (local $i i32)
    (loop $l
      (local.set $i (i32.add (local.get $i) (i32.const 1)))
      (br_if $l (i32.lt_u (local.get $i) (i32.const 1000)))))
  (func $next (i32.store (i32.const 0) (i32.add (i32.load (i32.const 0)) (i32.const 1))))
  (func $add (i32.store (i32.const 4) (i32.add (i32.load (i32.const 4)) (i32.load (i32.const 0)))))
  (func $done (result i32)
    (drop (call $output_write (i32.const 4) (i32.const 4)))
    (drop (call $output_encoding (i32.const 100) (i32.const 12)))
    (i32.const 0))

  ;; Heartbeats what is done.
  (func (export "Careful") (result i32)
    (call $begin)
    (block $end (loop $l
      (br_if $end (i32.ge_u (i32.load (i32.const 0)) (i32.const 10)))
      (call $next) (call $work) (call $add)
      (if (call $beat) (then (return (i32.const 2))))
      (br $l)))
    (call $done))

  ;; Does so too, but goes on after the last number: a crash after the last heartbeat adds 11.
  (func (export "Endless") (result i32)
    (call $begin)
    (loop $l
      (call $next) (call $work) (call $add)
      (if (call $beat) (then (return (i32.const 2))))
      (br_if $l (i32.lt_u (i32.load (i32.const 0)) (i32.const 10))))
    (call $done))

  ;; Returns how much memory it had before it asked for more, and does not look whether it got that.
  (func (export "Greedy") (result i32)
    (i32.store (i32.const 4) (memory.grow (i32.const 1)))
    (call $done))

  ;; Heartbeats what it is about to do: a crash leaves one number out.
  (func (export "Hasty") (result i32)
    (call $begin)
    (loop $l
      (call $next)
      (if (call $beat) (then (return (i32.const 2))))
      (call $work) (call $add)
      (br_if $l (i32.lt_u (i32.load (i32.const 0)) (i32.const 10))))
    (call $done))

  ;; Never ends once it is asked to.
  (func (export "Stubborn") (result i32)
    (if (call $beat) (then (loop $l (br $l))))
    (call $done))

  ;; Gives up for good when a call fails that would have succeeded the next time.
  (func (export "Final") (result i32)
    (if (i64.lt_s (call $hello (i32.const 100) (i32.const 6)) (i64.const 0)) (then
      (drop (call $fail (i32.const 200) (i32.const 49)))
      (return (i32.const 1))))
    (call $done))

  ;; Makes another call when one fails, and leaves the rest to the next attempt.
  (func (export "Tidy") (result i32)
    (if (i64.lt_s (call $hello (i32.const 100) (i32.const 6)) (i64.const 0)) (then
      (drop (call $hello (i32.const 107) (i32.const 5)))
      (return (i32.const 1))))
    (call $done))

  ;; Makes another call when it goes on.
  (func (export "Changed") (result i32)
    (if (call $detail_count) (then (drop (call $hello (i32.const 107) (i32.const 5)))))
    (drop (call $beat))
    (if (i64.lt_s (call $hello (i32.const 100) (i32.const 6)) (i64.const 0)) (then (return (i32.const 1))))
    (call $done))

  ;; Heartbeats that it has made the call before it has, and comes to the same sum without it.
  (func (export "Boastful") (result i32)
    (if (i32.eqz (call $detail_count)) (then
      (drop (call $beat))
      (if (i64.lt_s (call $hello (i32.const 100) (i32.const 6)) (i64.const 0)) (then (return (i32.const 1))))))
    (call $done)))
