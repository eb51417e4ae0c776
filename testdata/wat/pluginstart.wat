;; An Extism plugin that is a program: it returns its input.
(module
  (import "extism:host/env" "input_length" (func $length (result i64)))
  (import "extism:host/env" "input_offset" (func $offset (result i64)))
  (import "extism:host/env" "output_set" (func $output (param i64 i64)))
  (func (export "_start") (call $output (call $offset) (call $length))))
