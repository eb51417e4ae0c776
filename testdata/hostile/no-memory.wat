;; expect: WasmTrap
;; Has no memory, and says where in it the argument should go.
(module
  (import "wasmworker:activity/v1" "info" (func $info (param i32 i32) (result i64)))
  (func (export "A") (result i32)
    (drop (call $info (i32.const 0) (i32.const 65536)))
    (i32.const 0)))
