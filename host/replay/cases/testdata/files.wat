;; Activities that write the ten digits to a file: what a crash makes of it.
(module
  (import "wasmworker:activity/v1" "detail_count" (func (result i32))) ;; which makes it a native module
  (import "wasi_snapshot_preview1" "path_open" (func $path_open (param i32 i32 i32 i32 i32 i64 i64 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "path_rename" (func $path_rename (param i32 i32 i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "path_filestat_get" (func $path_filestat_get (param i32 i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_write" (func $fd_write (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_close" (func $fd_close (param i32) (result i32)))
  (memory (export "memory") 1)
  (data (i32.const 0) "digits")
  (data (i32.const 16) "draft")
  (data (i32.const 32) "0123456789")
  (global $file (mut i32) (i32.const 0))

  ;; Opens a file of the first mount to write: 1 creates it, 8 empties it; 1 as flag appends.
  (func $open (param $name i32) (param $length i32) (param $how i32) (param $flags i32)
    (if (call $path_open (i32.const 3) (i32.const 0) (local.get $name) (local.get $length) (local.get $how) (i64.const 64) (i64.const 0) (local.get $flags) (i32.const 64))
      (then (unreachable)))
    (global.set $file (i32.load (i32.const 64))))
  ;; Writes from one digit up to another one, and closes the file.
  (func $write (param $from i32) (param $to i32)
    (i32.store (i32.const 72) (i32.add (i32.const 32) (local.get $from)))
    (i32.store (i32.const 76) (i32.sub (local.get $to) (local.get $from)))
    (if (call $fd_write (global.get $file) (i32.const 72) (i32.const 1) (i32.const 80)) (then (unreachable))))
  (func $close (drop (call $fd_close (global.get $file))))

  ;; Writes a draft, and gives it its name when it is complete.
  (func (export "Careful") (result i32)
    (call $open (i32.const 16) (i32.const 5) (i32.const 9) (i32.const 0))
    (call $write (i32.const 0) (i32.const 5))
    (call $write (i32.const 5) (i32.const 10))
    (call $close)
    (if (call $path_rename (i32.const 3) (i32.const 16) (i32.const 5) (i32.const 3) (i32.const 0) (i32.const 6)) (then (unreachable)))
    (i32.const 0))

  ;; Takes a file that is there for one that is complete.
  (func (export "Hasty") (result i32)
    (if (i32.eqz (call $path_filestat_get (i32.const 3) (i32.const 0) (i32.const 0) (i32.const 6) (i32.const 128))) (then (return (i32.const 0))))
    (call $open (i32.const 0) (i32.const 6) (i32.const 9) (i32.const 0))
    (call $write (i32.const 0) (i32.const 5))
    (call $write (i32.const 5) (i32.const 10))
    (call $close)
    (i32.const 0))

  ;; Appends, whatever an attempt before it has appended.
  (func (export "Again") (result i32)
    (call $open (i32.const 0) (i32.const 6) (i32.const 1) (i32.const 1))
    (call $write (i32.const 0) (i32.const 10))
    (call $close)
    (i32.const 0)))
