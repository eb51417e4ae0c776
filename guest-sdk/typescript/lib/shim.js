// The shim is the part of a module between QuickJS and the host: it evaluates the bundled
// script in `_initialize`, and turns each exported activity or workflow into a call of the script.
//
// It uses QuickJS's own C functions (JS_*), which take values as i64, so that
// nothing has to be allocated for crossing the border.

import { Errno } from "../src/internal/abi.js";
import { NATIVES } from "../src/internal/natives.js";
import { WORKFLOW_NATIVES } from "../src/workflow/natives.js";
import { ACTIVITY, LOG, PASSTHROUGH_TYPE, WASI, WORKFLOW } from "./imports.js";

// Where the engine's function table ends. link.js makes it one element longer, for $native.
export const TABLE_SIZE = 532;

// What differs between modules of activities and those of workflows: the natives, the global by which the script gets
// them (eight characters), the host's functions, and which native reads or takes one value by which of them.
const KINDS = {
  activity: {
    natives: NATIVES, global: "wasmhost", contract: ACTIVITY, wasi: WASI.functions,
    // Without arguments or with (index) alone, the natives differ in the host function only.
    reading: { argBytes: "arg_read", argText: "arg_read", argEncoding: "arg_encoding", argMetadata: "arg_metadata",
      detailBytes: "detail_read", detailText: "detail_read", detailEncoding: "detail_encoding", info: "info", lastError: "last_error" },
    isBytes: ["argBytes", "detailBytes"],
    one: { outputWrite: "output_write", outputEncoding: "output_encoding", outputMetadata: "output_metadata", fail: "fail" },
  },
  workflow: {
    natives: WORKFLOW_NATIVES, global: "wasmflow", contract: WORKFLOW, wasi: { fd_write: WASI.functions.fd_write, random_get: WASI.functions.random_get },
    reading: { activation: "activation", lastError: "last_error" },
    isBytes: ["activation"],
    one: { commands: "commands", patched: "patched" },
  },
};

// Bytes of guest memory that most values fit into, so that they are read with one call.
const SCRATCH = 4096;

// QuickJS refuses to nest calls deeper than this many bytes of its stack of 1 MiB. The other half is for
// its own C functions, which do not check in every frame.
const MAX_STACK = 512 * 1024;

const ENGINE = {
  _initialize: "",
  qjs_init: "(result i32)",
  qjs_set_max_stack_size: "(param i32)",
  qjs_set_promise_rejection_handler: "(param i32)",
  qjs_get_context_ptr: "(result i32)",
  qjs_get_runtime_ptr: "(result i32)",
  qjs_eval_bytecode: "(param i32 i32) (result i32)",
  qjs_is_job_pending: "(result i32)",
  qjs_execute_pending_job: "(result i32)",
  malloc: "(param i32) (result i32)",
  free: "(param i32)",
  JS_Call: "(param i32 i64 i64 i32 i32) (result i64)",
  JS_DupValue: "(param i32 i64) (result i64)",
  JS_FreeValue: "(param i32 i64)",
  JS_GetException: "(param i32) (result i64)",
  JS_ThrowOutOfMemory: "(param i32) (result i64)",
  JS_PromiseState: "(param i32 i64) (result i32)",
  JS_PromiseResult: "(param i32 i64) (result i64)",
  JS_NewCFunction2: "(param i32 i32 i32 i32 i32 i32) (result i64)",
  JS_NewArray: "(param i32) (result i64)",
  JS_SetPropertyUint32: "(param i32 i64 i32 i64) (result i32)",
  JS_GetGlobalObject: "(param i32) (result i64)",
  JS_SetPropertyStr: "(param i32 i64 i32 i64) (result i32)",
  JS_NewStringLen: "(param i32 i32 i32) (result i64)",
  JS_ToCStringLen2: "(param i32 i32 i64 i32) (result i32)",
  JS_FreeCString: "(param i32 i32)",
  JS_GetTypedArrayType: "(param i64) (result i32)",
  JS_GetUint8Array: "(param i32 i32 i64) (result i32)",
  JS_NewUint8ArrayCopy: "(param i32 i32 i32) (result i64)",
  JS_RunGC: "(param i32)",
};

const imports = (module, functions) => Object.entries(functions)
  .map(([name, type]) => `(import "${module}" "${name}" (func $${name === "_initialize" ? "engine_initialize" : name} ${type}))`)
  .join("\n  ");

const bytesToWat = (bytes) => {
  let text = "";
  for (const b of bytes) text += "\\" + b.toString(16).padStart(2, "0");
  return text;
};

// Names may be any text.
const quote = (name) => `"${Array.from(new TextEncoder().encode(name), (b) => (b < 0x20 || b > 0x7e || b === 0x22 || b === 0x5c
  ? `\\${b.toString(16).padStart(2, "0")}` : String.fromCharCode(b))).join("")}"`;

/**
 * Returns the shim's text.
 *
 * @param {object} options
 * @param {"activity" | "workflow"} options.kind
 * @param {string[]} options.names of what to export
 * @param {{module: string, name: string}[]} options.passthrough functions that the script imports
 * @param {Uint8Array} options.bytecode the script, compiled by the same engine
 */
export function shim({ kind, names, passthrough, bytecode }) {
  const { natives, global, contract, wasi, reading, isBytes, one } = KINDS[kind];
  const activity = kind === "activity";
  const number = Object.fromEntries(natives.map((name, i) => [name, i]));
  const firstPassthrough = natives.length; // native number firstPassthrough + i calls the i-th passthrough function

  const when = (name, body) => `(if (i32.eq (local.get $n) (i32.const ${number[name]})) (then ${body}))`;
  const int = (value) => `(return (i64.extend_i32_u ${value}))`;
  const int64 = (value) => `(return (i64.extend_i32_u (i32.wrap_i64 ${value})))`;
  const wide = (f, call) => (contract.functions[f].endsWith("(result i32)") ? `(i64.extend_i32_s ${call})` : call);
  const arg = (i) => `(i64.load offset=${8 * i} (local.get $argv))`;
  const argInt = (i) => `(i32.wrap_i64 ${arg(i)})`; // the script passes small integers only

  // What workflows have no use for.
  const response = `;; The bytes of a response, or the errno as a negative number.
  (func $response (param $r i64) (result i64)
    (local $handle i32) (local $len i32) (local $p i32) (local $at i32) (local $n i64) (local $v i64)
    (if (i64.lt_s (local.get $r) (i64.const 0)) (then ${int64("(local.get $r)")}))
    (local.set $handle (i32.wrap_i64 (i64.shr_u (local.get $r) (i64.const 32))))
    (if (i32.eqz (local.get $handle)) (then (return (call $JS_NewUint8ArrayCopy (global.get $ctx) (global.get $scratch) (i32.const 0)))))
    (local.set $len (i32.wrap_i64 (local.get $r)))
    (local.set $p (call $malloc (local.get $len)))
    (if (i32.and (i32.eqz (local.get $p)) (i32.ne (local.get $len) (i32.const 0))) (then
      (drop (call $close (local.get $handle)))
      (return (call $JS_ThrowOutOfMemory (global.get $ctx)))))
    (block $done (loop $more
      (br_if $done (i32.ge_u (local.get $at) (local.get $len)))
      (local.set $n (call $read (local.get $handle) (local.get $at) (i32.add (local.get $p) (local.get $at)) (i32.sub (local.get $len) (local.get $at))))
      (br_if $done (i64.le_s (local.get $n) (i64.const 0)))
      (local.set $at (i32.add (local.get $at) (i32.wrap_i64 (local.get $n))))
      (br $more)))
    (drop (call $close (local.get $handle)))
    (if (i32.lt_u (local.get $at) (local.get $len))
      (then (local.set $v (i64.extend_i32_u (i32.const ${-Errno.EIO})))) ;; EIO: it was cut short
      (else (local.set $v (call $JS_NewUint8ArrayCopy (global.get $ctx) (local.get $p) (local.get $len)))))
    (call $free (local.get $p))
    (local.get $v))`;

  const environment = `;; The environment as bytes: NAME=value, each ended by a zero byte.
  (func $environment (result i64)
    (local $p i32) (local $size i32) (local $v i64)
    (if (call $environ_sizes_get (global.get $slots) (i32.add (global.get $slots) (i32.const 4)))
      (then (return (call $JS_NewUint8ArrayCopy (global.get $ctx) (global.get $scratch) (i32.const 0)))))
    (local.set $size (i32.load offset=4 (global.get $slots)))
    (local.set $p (call $malloc (i32.add (local.get $size) (i32.shl (i32.add (i32.load (global.get $slots)) (i32.const 1)) (i32.const 2)))))
    (if (i32.eqz (local.get $p)) (then (return (call $JS_ThrowOutOfMemory (global.get $ctx)))))
    (drop (call $environ_get (i32.add (local.get $p) (local.get $size)) (local.get $p)))
    (local.set $v (call $JS_NewUint8ArrayCopy (global.get $ctx) (local.get $p) (local.get $size)))
    (call $free (local.get $p))
    (local.get $v))`;

  const blocking = () => `${when("sleep", `
      ;; One subscription to the monotonic clock, relative, in milliseconds.
      (memory.fill (global.get $scratch) (i32.const 0) (i32.const 48))
      (i32.store offset=16 (global.get $scratch) (i32.const 1))
      (i64.store offset=24 (global.get $scratch) (i64.mul (i64.extend_i32_u ${argInt(0)}) (i64.const 1000000)))
      ${int("(call $poll_oneoff (global.get $scratch) (i32.add (global.get $scratch) (i32.const 64)) (i32.const 1) (global.get $slots))")}`)}
    ${when("environ", "(return (call $environment))")}`;

  const detail = () => when("heartbeatDetail", `
      (local.set $p (call $bytes ${arg(0)} (i32.const 16)))
      (if (call $refused ${arg(0)} (local.get $p)) (then (return (i64.const 25769803776))))
      (local.set $q (call $bytes ${arg(1)} (i32.const 20)))
      (if (call $refused ${arg(1)} (local.get $q)) (then (call $release ${arg(0)} (local.get $p)) (return (i64.const 25769803776))))
      (local.set $r (call $heartbeat_detail (local.get $p) (i32.load offset=16 (global.get $slots)) (local.get $q) (i32.load offset=20 (global.get $slots))))
      (call $release ${arg(0)} (local.get $p))
      (call $release ${arg(1)} (local.get $q))
      ${int64("(local.get $r)")}`);

  return `(module
  ;; wasm-merge resolves the engine's imports from "env" with this module's exports, and this module's from "engine" with the engine's.
  ${imports("engine", ENGINE)}
  ${imports(contract.module, contract.functions)}
  (import "${LOG.module}" "write" (func $log_write ${LOG.functions.write}))
  ${imports(WASI.module, wasi)}
  ${passthrough.map(({ module, name }, i) => `(import ${quote(module)} ${quote(name)} (func $passthrough${i} ${PASSTHROUGH_TYPE}))`).join("\n  ")}
  (import "engine" "memory" (memory 18))
  (import "engine" "__indirect_function_table" (table ${TABLE_SIZE + 1} funcref))
  (elem (i32.const ${TABLE_SIZE}) $native)

  ;; Passive, because an active segment would need an address that the engine's allocator does not use.
  ;; memory.init changes memory alone, so it does not keep the host from setting an instance back.
  (data $script "${bytesToWat(bytecode)}")

  (global $ctx (mut i32) (i32.const 0))
  (global $scratch (mut i32) (i32.const 0)) ;; ${SCRATCH} bytes for values that are read
  (global $slots (mut i32) (i32.const 0))   ;; 128 bytes for arguments, lengths and the like
  (global $status (mut i32) (i32.const -1)) ;; of the activity; -1 while it runs
  ;; The script's functions, see register. 12884901888 is undefined.
  (global $run (mut i64) (i64.const 12884901888))
  (global $idle (mut i64) (i64.const 12884901888))
  (global $rejection (mut i64) (i64.const 12884901888))
  (global $describe (mut i64) (i64.const 12884901888))

  ;; The engine's imports.
  (func (export "host_call") (param i32 i32 i32 i32 i32) (result i32) (unreachable))
  (func (export "host_interrupt") (result i32) (i32.const 0))
  (func (export "host_module_normalize") (param i32 i32) (result i32) (i32.const 0))
  (func (export "host_module_load") (param i32 i32) (result i32) (i32.const 0))
  (func (export "host_get_timezone_offset") (param i32 i32) (result i32) (i32.const 0)) ;; UTC
  ;; The engine gives both values away, each in an allocation of its own.
  (func (export "host_promise_rejection") (param $promise i32) (param $reason i32) (param $handled i32)
    (local $argv i32)
    (if (i64.ne (global.get $rejection) (i64.const 12884901888)) (then
      (local.set $argv (i32.add (global.get $slots) (i32.const 64)))
      (i64.store (local.get $argv) (i64.load (local.get $promise)))
      (i64.store offset=8 (local.get $argv) (i64.load (local.get $reason)))
      (i64.store offset=16 (local.get $argv) (i64.extend_i32_u (local.get $handled)))
      (call $discard (call $JS_Call (global.get $ctx) (global.get $rejection) (i64.const 12884901888) (i32.const 3) (local.get $argv)))))
    (call $JS_FreeValue (global.get $ctx) (i64.load (local.get $promise)))
    (call $JS_FreeValue (global.get $ctx) (i64.load (local.get $reason)))
    (call $free (local.get $promise))
    (call $free (local.get $reason)))

  (func $is_exception (param $v i64) (result i32)
    (i64.eq (local.get $v) (i64.const 25769803776)))

  (func $discard (param $v i64)
    (if (call $is_exception (local.get $v))
      (then (local.set $v (call $JS_GetException (global.get $ctx)))))
    (call $JS_FreeValue (global.get $ctx) (local.get $v)))

  ;; Writes to standard error, which the host logs. What cannot be written is lost.
  (func $stderr (param $ptr i32) (param $len i32)
    (i32.store (global.get $slots) (local.get $ptr))
    (i32.store offset=4 (global.get $slots) (local.get $len))
    (drop (call $fd_write (i32.const 2) (global.get $slots) (i32.const 1) (i32.add (global.get $slots) (i32.const 8)))))

  ;; Dies of an exception that nobody can catch any more.
  (func $die (param $e i64)
    (local $v i64) (local $s i32)
    (local.set $v (i64.const 25769803776))
    (if (i64.ne (global.get $describe) (i64.const 12884901888)) (then
      (i64.store offset=32 (global.get $slots) (local.get $e))
      (local.set $v (call $JS_Call (global.get $ctx) (global.get $describe) (i64.const 12884901888) (i32.const 1)
        (i32.add (global.get $slots) (i32.const 32))))))
    (if (call $is_exception (local.get $v)) (then (local.set $v (local.get $e))))
    (local.set $s (call $JS_ToCStringLen2 (global.get $ctx) (i32.add (global.get $slots) (i32.const 16)) (local.get $v) (i32.const 0)))
    (if (local.get $s) (then (call $stderr (local.get $s) (i32.load offset=16 (global.get $slots)))))
    (unreachable))

  (func $call_idle (param $phase i32)
    (local $v i64)
    (i64.store offset=32 (global.get $slots) (i64.extend_i32_u (local.get $phase)))
    (local.set $v (call $JS_Call (global.get $ctx) (global.get $idle) (i64.const 12884901888) (i32.const 1)
      (i32.add (global.get $slots) (i32.const 32))))
    (if (call $is_exception (local.get $v)) (then (call $die (call $JS_GetException (global.get $ctx)))))
    (call $JS_FreeValue (global.get $ctx) (local.get $v)))

  (func $run_jobs
    (loop $next
      (if (call $qjs_is_job_pending) (then
        (if (i32.lt_s (call $qjs_execute_pending_job) (i32.const 0))
          (then (call $JS_FreeValue (global.get $ctx) (call $JS_GetException (global.get $ctx)))))
        (br $next)))))

  (func $activity (param $index i32) (result i32)
    (local $v i64)
    (global.set $status (i32.const -1))
    (i64.store offset=32 (global.get $slots) (i64.extend_i32_u (local.get $index)))
    (local.set $v (call $JS_Call (global.get $ctx) (global.get $run) (i64.const 12884901888) (i32.const 1)
      (i32.add (global.get $slots) (i32.const 32))))
    (if (call $is_exception (local.get $v)) (then (call $die (call $JS_GetException (global.get $ctx)))))
    (call $JS_FreeValue (global.get $ctx) (local.get $v))
    (loop $turn
      (call $run_jobs)
      (if (i32.ge_s (global.get $status) (i32.const 0)) (then (return (global.get $status))))
      (call $call_idle (i32.const 1))
      (br $turn))
    (unreachable))

  (func (export "_initialize")
    (local $p i32) (local $i i32) (local $v i64) (local $global i64)
    (call $engine_initialize)
    (if (call $qjs_init) (then (unreachable)))
    (global.set $ctx (call $qjs_get_context_ptr))
    (call $qjs_set_max_stack_size (i32.const ${MAX_STACK}))
    (call $qjs_set_promise_rejection_handler (i32.const 1))
    (global.set $scratch (call $malloc (i32.const ${SCRATCH})))
    (global.set $slots (call $malloc (i32.const 128)))
    (if (i32.or (i32.eqz (global.get $scratch)) (i32.eqz (global.get $slots))) (then (unreachable)))
    ;; The natives become a global. The SDK takes it away before the user's code runs.
    (i64.store (global.get $scratch) (i64.const 0x${Buffer.from(global).reverse().toString("hex")})) ;; its name, least significant byte first
    (i64.store offset=8 (global.get $scratch) (i64.const 0))
    (local.set $v (call $JS_NewArray (global.get $ctx)))
    (loop $next
      (drop (call $JS_SetPropertyUint32 (global.get $ctx) (local.get $v) (local.get $i)
        (call $JS_NewCFunction2 (global.get $ctx) (i32.const ${TABLE_SIZE}) (i32.add (global.get $scratch) (i32.const 8))
          (i32.const 0) (i32.const 1) (local.get $i)))) ;; 1: a generic function with a number
      (local.set $i (i32.add (local.get $i) (i32.const 1)))
      (br_if $next (i32.lt_u (local.get $i) (i32.const ${natives.length + passthrough.length}))))
    (local.set $global (call $JS_GetGlobalObject (global.get $ctx)))
    (drop (call $JS_SetPropertyStr (global.get $ctx) (local.get $global) (global.get $scratch) (local.get $v)))
    (call $JS_FreeValue (global.get $ctx) (local.get $global))

    (local.set $p (call $malloc (i32.const ${bytecode.length})))
    (if (i32.eqz (local.get $p)) (then (unreachable)))
    (memory.init $script (local.get $p) (i32.const 0) (i32.const ${bytecode.length}))
    (local.set $i (call $qjs_eval_bytecode (local.get $p) (i32.const ${bytecode.length})))
    (call $free (local.get $p))
    (local.set $v (i64.load (local.get $i)))
    (call $free (local.get $i))
    (if (call $is_exception (local.get $v)) (then (call $die (call $JS_GetException (global.get $ctx)))))
    (loop $turn
      (call $run_jobs)
      (if (i32.eqz (call $JS_PromiseState (global.get $ctx) (local.get $v))) (then ;; awaits something at the top level
        (call $call_idle (i32.const 0))
        (br $turn))))
    (if (i32.eq (call $JS_PromiseState (global.get $ctx) (local.get $v)) (i32.const 2))
      (then (call $die (call $JS_PromiseResult (global.get $ctx) (local.get $v)))))
    (call $JS_FreeValue (global.get $ctx) (local.get $v))
    (call $call_idle (i32.const 2))
    (call $JS_RunGC (call $qjs_get_runtime_ptr)))

  ;; The bytes of a string or of an Uint8Array; their number is stored at $slots + $at. Strings are to be released by $release.
  (func $bytes (param $v i64) (param $at i32) (result i32)
    (local.set $at (i32.add (global.get $slots) (local.get $at)))
    (if (i32.ge_s (call $JS_GetTypedArrayType (local.get $v)) (i32.const 0))
      (then (return (call $JS_GetUint8Array (global.get $ctx) (local.get $at) (local.get $v)))))
    (call $JS_ToCStringLen2 (global.get $ctx) (local.get $at) (local.get $v) (i32.const 0)))

  (func $release (param $v i64) (param $ptr i32)
    (if (i32.lt_s (call $JS_GetTypedArrayType (local.get $v)) (i32.const 0))
      (then (call $JS_FreeCString (global.get $ctx) (local.get $ptr)))))

  ;; Whether $bytes has thrown: no address, though there are bytes or it was a string.
  (func $refused (param $v i64) (param $ptr i32) (result i32)
    (i32.and (i32.eqz (local.get $ptr)) (i32.lt_s (call $JS_GetTypedArrayType (local.get $v)) (i32.const 0))))

  (func $value (param $n i32) (param $ptr i32) (param $len i32) (result i64)
    ${isBytes.map((name) => when(name, "(return (call $JS_NewUint8ArrayCopy (global.get $ctx) (local.get $ptr) (local.get $len)))")).join("\n    ")}
    (call $JS_NewStringLen (global.get $ctx) (local.get $ptr) (local.get $len)))

  (func $fetch (param $n i32) (param $i i32) (param $dst i32) (param $cap i32) (result i64)
    ${Object.entries(reading).map(([name, f]) => when(name, `(return (call $${f} ${contract.functions[f].startsWith("(param i32 i32 i32)") ? "(local.get $i) " : ""}(local.get $dst) (local.get $cap)))`)).join("\n    ")}
    (unreachable))

  ;; Reads a value of any size. A negative result is the errno, as a number.
  (func $reading (param $n i32) (param $i i32) (result i64)
    (local $size i64) (local $p i32) (local $v i64)
    (local.set $size (call $fetch (local.get $n) (local.get $i) (global.get $scratch) (i32.const ${SCRATCH})))
    (if (i64.lt_s (local.get $size) (i64.const 0)) (then ${int64("(local.get $size)")}))
    (if (i64.le_s (local.get $size) (i64.const ${SCRATCH}))
      (then (return (call $value (local.get $n) (global.get $scratch) (i32.wrap_i64 (local.get $size))))))
    (local.set $p (call $malloc (i32.wrap_i64 (local.get $size))))
    (if (i32.eqz (local.get $p)) (then (return (call $JS_ThrowOutOfMemory (global.get $ctx)))))
    (drop (call $fetch (local.get $n) (local.get $i) (local.get $p) (i32.wrap_i64 (local.get $size))))
    (local.set $v (call $value (local.get $n) (local.get $p) (i32.wrap_i64 (local.get $size))))
    (call $free (local.get $p))
    (local.get $v))

  ${activity ? response : ""}

  (func $one (param $n i32) (param $ptr i32) (param $len i32) (result i64)
    ${Object.entries(one).map(([name, f]) => when(name, `(return ${wide(f, `(call $${f} (local.get $ptr) (local.get $len))`)})`)).join("\n    ")}
    ${passthrough.map((_, i) => `(if (i32.eq (local.get $n) (i32.const ${firstPassthrough + i})) (then (return (call $passthrough${i} (local.get $ptr) (local.get $len)))))`).join("\n    ")}
    (unreachable))

  ${activity ? environment : ""}

  ;; The one function behind all natives. Arguments are what host.js passes, which is checked there.
  (func $native (param $c i32) (param $this i64) (param $argc i32) (param $argv i32) (param $n i32) (result i64)
    (local $p i32) (local $q i32) (local $r i64)
    ${activity ? [
    when("argCount", int("(call $arg_count)")),
    when("status", int("(call $status)")),
    when("detailCount", int("(call $detail_count)")),
    when("heartbeat", int64("(call $heartbeat)")),
  ].join("\n    ") : ""}
    ${["info", "lastError", "activation"].filter((name) => name in reading).map((name) => when(name, "(return (call $reading (local.get $n) (i32.const 0)))")).join("\n    ")}
    ${Object.keys(reading).filter((name) => activity && name !== "info" && name !== "lastError")
      .map((name) => when(name, `(return (call $reading (local.get $n) ${argInt(0)}))`)).join("\n    ")}
    ${when("finish", `(global.set $status ${argInt(0)}) (return (i64.const 12884901888))`)}
    ${when("register", `
      ${["run", "idle", "rejection", "describe"].map((name, i) => `(global.set $${name} (call $JS_DupValue (local.get $c) ${arg(i)}))`).join("\n      ")}
      (return (i64.const 12884901888))`)}
    ${when("randomBytes", `
      (drop (call $random_get (global.get $scratch) ${argInt(0)})) ;; at most ${SCRATCH}
      (return (call $JS_NewUint8ArrayCopy (local.get $c) (global.get $scratch) ${argInt(0)}))`)}
    ${activity ? blocking() : ""}
    ;; The others take text or bytes first.
    ${activity ? detail() : ""}
    ${when("log", `
      (local.set $p (call $bytes ${arg(1)} (i32.const 16)))
      (if (call $refused ${arg(1)} (local.get $p)) (then (return (i64.const 25769803776))))
      (local.set $q (call $bytes ${arg(2)} (i32.const 20)))
      (if (call $refused ${arg(2)} (local.get $q)) (then (call $release ${arg(1)} (local.get $p)) (return (i64.const 25769803776))))
      (local.set $r (call $log_write ${argInt(0)} (local.get $p) (i32.load offset=16 (global.get $slots)) (local.get $q) (i32.load offset=20 (global.get $slots))))
      (call $release ${arg(1)} (local.get $p))
      (call $release ${arg(2)} (local.get $q))
      ${int64("(local.get $r)")}`)}
    (local.set $p (call $bytes ${arg(0)} (i32.const 16)))
    (if (call $refused ${arg(0)} (local.get $p)) (then (return (i64.const 25769803776))))
    (if (i32.eq (local.get $n) (i32.const ${number.utf8Encode}))
      (then (local.set $r (call $JS_NewUint8ArrayCopy (local.get $c) (local.get $p) (i32.load offset=16 (global.get $slots)))))
    (else (if (i32.eq (local.get $n) (i32.const ${number.utf8Decode}))
      (then (local.set $r (call $JS_NewStringLen (local.get $c) (local.get $p) (i32.load offset=16 (global.get $slots)))))
    (else (if (i32.eq (local.get $n) (i32.const ${number.writeStderr}))
      (then (call $stderr (local.get $p) (i32.load offset=16 (global.get $slots))) (local.set $r (i64.const 12884901888)))
    (else
      (local.set $r (call $one (local.get $n) (local.get $p) (i32.load offset=16 (global.get $slots))))
      (if (i32.ge_u (local.get $n) (i32.const ${firstPassthrough}))
        (then ${activity ? "(local.set $r (call $response (local.get $r)))" : "(unreachable)"})
        (else (local.set $r (i64.extend_i32_u (i32.wrap_i64 (local.get $r)))))))))))) ;; sizes fit: they are below 2 GiB
    (call $release ${arg(0)} (local.get $p))
    (local.get $r))

  ${names.map((name, i) => `(func (export ${quote(name)}) (result i32) (call $activity (i32.const ${i})))`).join("\n  ")}
)
`;
}
