;; expect: refused: control characters
;; A name that would clear a terminal.
(module
  (import "wasmworker:activity/v1" "status" (func (result i32)))
  (func (export "\1b[2J\0a") (result i32) (i32.const 0)))
