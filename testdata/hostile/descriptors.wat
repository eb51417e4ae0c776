;; expect: completed
;; Closes, renumbers and opens descriptors; nothing may be reached, and the next activity
;; has its own standard streams again.
(module
  (import "wasmworker:activity/v1" "status" (func (result i32)))
  (import "wasi_snapshot_preview1" "path_open" (func $path_open (param i32 i32 i32 i32 i32 i64 i64 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_close" (func $close (param i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_renumber" (func $renumber (param i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_prestat_get" (func $prestat (param i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_write" (func $fd_write (param i32 i32 i32 i32) (result i32)))
  (memory (export "memory") 1)
  (data (i32.const 0) "\10\00\00\00\05\00\00\00")
  (data (i32.const 16) "hello/etc/passwd../../../../etc/passwd/proc/self/environ")
  (func $must_fail (param i32) (if (i32.eqz (local.get 0)) (then unreachable)))
  (func (export "A") (result i32) (local $fd i32)
    ;; the streams are there at first
    (if (call $fd_write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 8)) (then unreachable))
    (loop $each
      (call $must_fail (call $path_open (local.get $fd) (i32.const 1) (i32.const 21) (i32.const 11) (i32.const 0) (i64.const -1) (i64.const -1) (i32.const 0) (i32.const 512)))
      (call $must_fail (call $path_open (local.get $fd) (i32.const 1) (i32.const 32) (i32.const 22) (i32.const 0) (i64.const -1) (i64.const -1) (i32.const 0) (i32.const 512)))
      (call $must_fail (call $path_open (local.get $fd) (i32.const 1) (i32.const 54) (i32.const 18) (i32.const 1) (i64.const -1) (i64.const -1) (i32.const 0) (i32.const 512)))
      ;; wazero takes the standard streams for preopened, by the names stdin, stdout, stderr
      (if (i32.ge_u (local.get $fd) (i32.const 3)) (then
        (call $must_fail (call $prestat (local.get $fd) (i32.const 512)))))
      (local.set $fd (i32.add (local.get $fd) (i32.const 1)))
      (br_if $each (i32.lt_u (local.get $fd) (i32.const 20))))
    (drop (call $renumber (i32.const 1) (i32.const 2)))
    (drop (call $close (i32.const 0)))
    (drop (call $close (i32.const 1)))
    (drop (call $close (i32.const 2)))
    (i32.const 0)))
