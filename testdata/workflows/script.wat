;; A workflow that does what it is told: each payload is a list of frames of commands, each
;; with its length before it, and is handed over as it is.
;;
;; A length with its highest bit set is that of one frame to be kept, for the next activation
;; without payloads. Script keeps a sum over all bytes that it was told, in memory and in a global, so that its
;; state is another one after each activation. It answers a validation by itself, and
;; refuses what begins with a frame of 1 byte. Patch gives the answer to `patched` for the
;; id that it is told as its result. Others end in ways that a workflow must not.
(module
  (import "wasmworker:workflow/v1" "activation" (func $activation (param i32 i32) (result i64)))
  (import "wasmworker:workflow/v1" "commands" (func $commands (param i32 i32) (result i64)))
  (import "wasmworker:workflow/v1" "patched" (func $patched (param i32 i32) (result i32)))
  (import "wasmworker:workflow/v1" "last_error" (func $last_error (param i32 i32) (result i64)))
  (import "wasi_snapshot_preview1" "random_get" (func $random_get (param i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_write" (func $fd_write (param i32 i32 i32 i32) (result i32)))
  (memory (export "memory") 4 64)
  (global $sum (mut i64) (i64.const 0))
  (global $refused (mut i64) (i64.const 0))
  ;; 0: the sum. 16: random bytes. 64: static text. 24: the length of what is kept. 64 KiB: the activation.
  ;; 192 KiB: what is kept.
  (data (i32.const 64) "\22job\22:\22validate\22")
  (data (i32.const 96) "\23\00\00\00{\22commands\22:[{\22command\22:\22answer\22}]}")
  (data (i32.const 160) "\4a\00\00\00{\22commands\22:[{\22command\22:\22answer\22,\22failure\22:{\22message\22:\22it was refused\22}}]}")
  (data (i32.const 320) "\3e\00\00\00{\22commands\22:[{\22command\22:\22complete\22,\22result\22:{\22bytes\22:[0,1]}}]}?")

  (func $u32 (param $at i32) (result i32) (i32.load align=1 (local.get $at)))

  ;; read reads the activation, and returns where it ends.
  (func $read (result i32)
    (local $n i64) (local $at i32) (local $end i32)
    (local.set $n (call $activation (i32.const 65536) (i32.const 131072)))
    (if (i64.gt_u (local.get $n) (i64.const 131072)) (then (unreachable)))
    (local.set $end (i32.add (i32.const 65536) (i32.wrap_i64 (local.get $n))))
    (local.set $at (i32.const 65536))
    (block $done (loop $next
      (br_if $done (i32.ge_u (local.get $at) (local.get $end)))
      (global.set $sum (i64.add (i64.rotl (global.get $sum) (i64.const 5)) (i64.load8_u (local.get $at))))
      (local.set $at (i32.add (local.get $at) (i32.const 1)))
      (br $next)))
    (i64.store (i32.const 0) (global.get $sum))
    (drop (call $random_get (i32.const 16) (i32.const 8)))
    (local.get $end))

  ;; validating tells whether the head has the static text at 64.
  (func $validating (result i32)
    (local $at i32) (local $i i32) (local $end i32)
    (local.set $at (i32.const 65540))
    (local.set $end (i32.add (i32.const 65540) (call $u32 (i32.const 65536))))
    (block $no (loop $next
      (br_if $no (i32.ge_u (local.get $at) (local.get $end)))
      (local.set $i (i32.const 0))
      (block $differs (loop $same
        (br_if $differs (i32.ne (i32.load8_u (i32.add (local.get $at) (local.get $i))) (i32.load8_u (i32.add (i32.const 64) (local.get $i)))))
        (local.set $i (i32.add (local.get $i) (i32.const 1)))
        (if (i32.eq (local.get $i) (i32.const 16)) (then (return (i32.const 1))))
        (br $same)))
      (local.set $at (i32.add (local.get $at) (i32.const 1)))
      (br $next)))
    (i32.const 0))

  (func (export "Script") (result i32)
    (local $at i32) (local $end i32) (local $n i32)
    (local.set $end (call $read))
    (local.set $at (i32.add (i32.const 65540) (call $u32 (i32.const 65536))))
    (if (call $validating)
      (then
        (if (i32.eq (call $u32 (local.get $at)) (i32.const 1))
          (then (drop (call $commands (i32.const 160) (i32.const 78))))
          (else (drop (call $commands (i32.const 96) (i32.const 39)))))
        (return (i32.const 0))))
    (if (i32.eq (local.get $at) (local.get $end))
      (then
        (drop (call $commands (i32.const 196608) (i32.load (i32.const 24))))
        (i32.store (i32.const 24) (i32.const 0))
        (return (i32.const 0))))
    (block $done (loop $next
      (br_if $done (i32.ge_u (i32.add (local.get $at) (i32.const 4)) (local.get $end)))
      (local.set $n (call $u32 (local.get $at)))
      (if (i32.lt_s (local.get $n) (i32.const 0))
        (then
          (local.set $n (i32.and (local.get $n) (i32.const 0x7fffffff)))
          (memory.copy (i32.const 196608) (i32.add (local.get $at) (i32.const 4)) (local.get $n))
          (i32.store (i32.const 24) (local.get $n))
          (local.set $at (i32.add (local.get $at) (i32.add (i32.const 4) (local.get $n))))
          (br $next)))
      (if (i64.lt_s (call $commands (i32.add (local.get $at) (i32.const 4)) (local.get $n)) (i64.const 0))
        (then (global.set $refused (i64.add (global.get $refused) (i64.const 1)))))
      (local.set $at (i32.add (local.get $at) (i32.add (i32.const 4) (local.get $n))))
      (br $next)))
    (i32.const 0))

  (func (export "Patch") (result i32)
    (local $end i32) (local $at i32)
    (local.set $end (call $read))
    (local.set $at (i32.add (i32.const 65540) (call $u32 (i32.const 65536))))
    (i32.store8 (i32.const 386) (i32.add (i32.const 48) (call $patched (local.get $at) (i32.sub (local.get $end) (local.get $at)))))
    (drop (call $commands (i32.const 320) (i32.const 67)))
    (i32.const 0))

  (func (export "Trap") (result i32) (drop (call $read)) (unreachable))
  (func (export "Status") (result i32) (drop (call $read)) (i32.const 7))
  (func (export "FailTask") (result i32)
    (local $at i32)
    (drop (call $read))
    (local.set $at (i32.add (i32.const 65540) (call $u32 (i32.const 65536))))
    (drop (call $commands (i32.add (local.get $at) (i32.const 4)) (call $u32 (local.get $at))))
    (i32.const 1))
  (func (export "Spin") (result i32) (loop $on (br $on)) (i32.const 0))
  (func (export "Grow") (result i32)
    (drop (call $read))
    (drop (memory.grow (i32.const 4)))
    (memory.fill (i32.const 262144) (i32.const 7) (i32.const 262144))
    (i32.const 0))

  ;; The functions by their names, each with two numbers that it is told.
  (func $body (result i32) (i32.add (i32.const 65540) (call $u32 (i32.const 65536))))
  (func $first (result i32) (call $u32 (call $body)))
  (func $second (result i32) (call $u32 (i32.add (call $body) (i32.const 4))))
  (func (export "call_activation") (result i32) (drop (call $read)) (drop (call $activation (call $first) (call $second))) (i32.const 0))
  (func (export "call_commands") (result i32) (drop (call $read)) (drop (call $commands (call $first) (call $second))) (i32.const 0))
  (func (export "call_patched") (result i32) (drop (call $read)) (drop (call $patched (call $first) (call $second))) (i32.const 0))
  (func (export "call_last_error") (result i32)
    (drop (call $read))
    (drop (call $commands (i32.const 0) (i32.const 1)))
    (drop (call $last_error (call $first) (call $second)))
    (i32.const 0))

  ;; Patches asks for the same id for ever.
  (func (export "Patches") (result i32)
    (drop (call $read))
    (loop $on (drop (call $patched (i32.const 64) (i32.const 3))) (br $on))
    (i32.const 0))
)
