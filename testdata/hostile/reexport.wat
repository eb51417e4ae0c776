;; expect: refused: reexport
;; Offers a function of the host's as an activity.
(module
  (import "wasmworker:activity/v1" "status" (func $status (result i32)))
  (export "A" (func $status)))
