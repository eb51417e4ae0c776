;; expect: interrupted
;; Asks for memory for ever and is refused for ever.
(module
  (import "wasmworker:activity/v1" "status" (func (result i32)))
  (memory 1)
  (func (export "A") (result i32)
    (loop $l (drop (memory.grow (i32.const 1000))) (br $l))
    (i32.const 0)))
