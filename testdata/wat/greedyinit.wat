;; Takes all memory while it is initialized, and dies, if its first mount was changed in 1970.
(module
  (import "wasi_snapshot_preview1" "fd_filestat_get" (func $stat (param i32 i32) (result i32)))
  (import "wasmworker:activity/v1" "status" (func (result i32)))
  (memory (export "memory") 1)
  (func (export "_initialize")
    (if (call $stat (i32.const 3) (i32.const 64)) (then unreachable))
    (if (i64.eqz (i64.load (i32.const 112)))   ;; when it was changed
      (then
        (loop $more (br_if $more (i32.ne (memory.grow (i32.const 1)) (i32.const -1))))
        unreachable)))
  (func (export "Idle") (result i32)
    (i32.const 0)))
