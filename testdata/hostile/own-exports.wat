;; expect: refused: no module of that name
;; Imports what it exports itself.
(module
  (import "wasmworker:activity/v1" "status" (func (result i32)))
  (import "own-exports" "A" (func $a (result i32)))
  (func (export "A") (result i32) (call $a)))
