;; expect: WasmTrap
;; The same with WASI, all of whose functions take it for granted that there is a memory.
(module
  (import "wasmworker:activity/v1" "status" (func (result i32)))
  (import "wasi_snapshot_preview1" "random_get" (func $random (param i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_write" (func $fd_write (param i32 i32 i32 i32) (result i32)))
  (func (export "A") (result i32)
    (if (i32.eqz (call $random (i32.const 0) (i32.const 1))) (then (return (i32.const 7))))
    (drop (call $fd_write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 8)))
    (i32.const 0)))
