;; An Extism plugin that gives its whole input to the host: as the head of a request, and as a name.
(module
  (import "extism:host/env" "input_offset" (func $input (result i64)))
  (import "extism:host/env" "http_request" (func $http (param i64 i64) (result i64)))
  (import "extism:host/env" "config_get" (func $config (param i64) (result i64)))
  (import "extism:host/env" "var_get" (func $get (param i64) (result i64)))
  (import "extism:host/env" "var_set" (func $set (param i64 i64)))
  (memory (export "memory") 1)
  (func (export "Request") (result i32) (drop (call $http (call $input) (i64.const 0))) (i32.const 0))
  (func (export "Config") (result i32) (drop (call $config (call $input))) (i32.const 0))
  (func (export "Get") (result i32) (drop (call $get (call $input))) (i32.const 0))
  (func (export "Set") (result i32) (call $set (call $input) (i64.const 0)) (i32.const 0))
  (func (export "Body") (result i32) (drop (call $http (i64.const 0) (call $input))) (i32.const 0)))
