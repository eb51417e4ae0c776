;; Logs its argument as the attributes of a record. Its result is what the host answers.
(module
  (import "wasmworker:activity/v1" "arg_read" (func $arg_read (param i32 i32 i32) (result i64)))
  (import "wasmworker:activity/v1" "output_write" (func $output_write (param i32 i32) (result i64)))
  (import "wasmworker:log/v1" "write" (func $log (param i32 i32 i32 i32 i32) (result i64)))
  (memory (export "memory") 3)
  (data (i32.const 0) "told")
  (func (export "Log") (result i32)
    ;; 0 becomes "0", and an errno a digit or a letter
    (i32.store8 (i32.const 8) (i32.sub (i32.const 48) (i32.wrap_i64
      (call $log (i32.const 4) (i32.const 0) (i32.const 4) (i32.const 1024)
        (i32.wrap_i64 (call $arg_read (i32.const 0) (i32.const 1024) (i32.const 131072)))))))
    (drop (call $output_write (i32.const 8) (i32.const 1)))
    (i32.const 0)))
