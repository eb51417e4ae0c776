// wasmworker.h - Temporal activities in C, as WebAssembly modules for wasmworker. Version 0.1.0.
//
// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The wasmworker authors
//
// Every file may include this header. Exactly one file of a module defines WASMWORKER_IMPLEMENTATION before it does:
//
//     #define WASMWORKER_IMPLEMENTATION
//     #include <wasmworker.h>
//
//     WW_ACTIVITY(greet) {
//         ww_str name = ww_as_str(ww_get(ww_arg(0), "name"));
//         if (!ww_ok()) return WW_FAILED;
//         return ww_output_str(ww_concat(WW_STR("Hello, "), name, WW_STR("!")));
//     }
//
// It needs C11 or C++17, and clang (19 was tested) for wasm32-wasi, linked as a reactor. For C++ there is wasmworker.hpp on top.
//
// Conventions that hold for everything below:
//
//  - Memory. What the SDK returns (text, JSON values, buffers of writers) belongs to the activity and is freed when the
//    activity returns. Nothing has to be freed by hand (long loops: see ww_mark_memory), and nothing may be kept in a global variable.
//    If memory runs out, the module traps and the activity fails with type OutOfMemory.
//  - Errors. The first bad argument (missing, malformed, of another type or out of range) and the first refused output are
//    remembered. Reading goes on with 0, false or empty text. ww_ok() tells; check it before the activity has an effect.
//    An activity that returns WW_COMPLETED though ww_ok() is false fails nevertheless, with type InvalidInput,
//    InvalidOutput or OutputTooLarge, none of which is retried.
//  - Text is UTF-8. Text that the SDK returns has a NUL after its last byte, so .ptr is a C string; but it may contain NULs.
//  - Times are Unix milliseconds, durations are milliseconds; 0 means none.
//  - One activity runs at a time and there are no threads, so the functions take no context. They are for use within
//    an activity. From a constructor only ww_log, ww_logf and ww_log_with may be called.

#ifndef WASMWORKER_H
#define WASMWORKER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// How deeply JSON may be nested, read and written.
#ifndef WW_JSON_MAX_DEPTH
#define WW_JSON_MAX_DEPTH 256
#endif

#ifdef __cplusplus
#define WW_EXTERN_C_ extern "C"
extern "C" {
#else
#define WW_EXTERN_C_
#endif

#ifdef __wasm__
#define WW_IMPORT_(module, function) __attribute__((import_module(module), import_name(function)))
#define WW_EXPORT_(name) __attribute__((export_name(name), used))
#else // a native build, for tests: wasmworker_test.h has the other side
#define WW_IMPORT_(module, function)
#define WW_EXPORT_(name)
#endif
#if defined(__GNUC__) || defined(__clang__)
#define WW_PRINTF_(at, first) __attribute__((__format__(__printf__, at, first)))
#else
#define WW_PRINTF_(at, first)
#endif

// How an activity ends, what is asked of it, error numbers, and the host's functions.
#include "wasmworker_abi.h"

// ---------------------------------------------------------------- Text and memory

// Text or bytes that belong to somebody else.
typedef struct ww_str {
    const char *ptr;
    size_t len;
} ww_str;

// The text of a C string; NULL is the empty text. It is not copied.
ww_str ww_cstr(const char *text);
// The bytes at ptr. They are not copied.
ww_str ww_bytes(const void *ptr, size_t len);
// Whether a text has the same bytes as a C string.
bool ww_equal(ww_str text, const char *other);
// Text made as by printf.
ww_str ww_format(const char *format, ...) WW_PRINTF_(1, 2);
// Memory until the end of the activity, for objects of any type. It is not cleared.
void *ww_alloc(size_t size);

// For long loops: frees what the SDK has returned since the mark, and writers that were written to since. The activity's
// arguments, info, output and errors stay. Heartbeats and log records take no memory.
//
//     while (…) {
//         ww_mark mark = ww_mark_memory();
//         …                                  // ww_call, ww_parse, ww_format, …
//         ww_release_memory(mark);
//     }
typedef struct ww_mark {
    void *bump;
    size_t used;
    uint32_t serial, kept;
} ww_mark;

ww_mark ww_mark_memory(void);
void ww_release_memory(ww_mark mark);

ww_str ww_concat_n(const ww_str *parts, size_t count);

#ifndef __cplusplus
// The text of a string literal.
#define WW_STR(literal) ((ww_str){"" literal, sizeof(literal) - 1})
// One text of several: ww_concat(a, WW_STR(", "), b).
#define ww_concat(...) ww_concat_n((ww_str[]){__VA_ARGS__}, sizeof((ww_str[]){__VA_ARGS__}) / sizeof(ww_str))
#endif

// ---------------------------------------------------------------- Activities

// Defines and exports an activity. Its name is the Temporal activity type:
//
//     WW_ACTIVITY(greet) { …; return WW_COMPLETED; }
//
// The name does not collide with functions of the same name.
#define WW_ACTIVITY(name)                                                                \
    static ww_status ww_body_##name(void);                                               \
    WW_EXTERN_C_ WW_EXPORT_(#name) int32_t ww_export_##name(void);                       \
    int32_t ww_export_##name(void) { return ww_run(ww_body_##name); }                    \
    static ww_status ww_body_##name(void)

// Like WW_ACTIVITY, for a type that is not a C identifier: WW_ACTIVITY_AS("Acme.Greet", greet) { … }
#define WW_ACTIVITY_AS(type, name)                                                       \
    static ww_status ww_body_##name(void);                                               \
    WW_EXTERN_C_ WW_EXPORT_(type) int32_t ww_export_##name(void);                        \
    int32_t ww_export_##name(void) { return ww_run(ww_body_##name); }                    \
    static ww_status ww_body_##name(void)

// Runs an activity from its arguments to its outcome. For the macros above.
int32_t ww_run(ww_status (*body)(void));

// ---------------------------------------------------------------- Arguments

// A value as Temporal carries it. The encodings that its SDKs use are json/plain, binary/plain, binary/null and json/protobuf.
typedef struct ww_payload {
    ww_str data;
    ww_str encoding;
} ww_payload;

// A value in a JSON document; pass it by value.
typedef struct ww_json {
    struct ww_doc_ *doc;
    uint32_t index;
    const char *missing; // not NULL: there is no such value, and this is its key
} ww_json;

// How many arguments the activity was given.
uint32_t ww_arg_count(void);
// An argument as JSON, counted from 0: json/plain, json/protobuf, or no encoding. It is parsed once, however often it is asked for.
// binary/null is null. A missing argument, malformed JSON or another encoding makes ww_ok() false; ww_arg_count() tells whether an optional argument is there.
ww_json ww_arg(uint32_t index);
// An argument as it came. A missing one makes ww_ok() false and is empty.
ww_payload ww_arg_payload(uint32_t index);
// All metadata of an argument as JSON text: {"encoding": "json/plain", …}.
ww_str ww_arg_metadata(uint32_t index);

// ---------------------------------------------------------------- Reading JSON
//
// The reader is strict: RFC 8259, valid UTF-8, no half surrogate pairs, no number that is not finite when it is read as
// a double, no nesting beyond WW_JSON_MAX_DEPTH. Of equal names in an object the last one counts.

typedef enum ww_json_kind { WW_MISSING, WW_NULL, WW_BOOL, WW_NUMBER, WW_STRING, WW_ARRAY, WW_OBJECT } ww_json_kind;

// Parses JSON that is not an argument, such as a response. Its errors do not change ww_ok(): look at ww_error().
ww_json ww_parse(ww_str text);
// The first error of the document that a value belongs to, such as "items[3].price: expected a number, got a string"; NULL if none.
const char *ww_error(ww_json value);

ww_json_kind ww_kind(ww_json value);
// Whether there is a value, and whether it is another one than null.
bool ww_exists(ww_json value);
bool ww_is_set(ww_json value);

// A member of an object. If it is missing, ww_get remembers an error. For ww_find that is none, nor that object is null or missing:
//
//     int64_t limit = 10;
//     ww_json v = ww_find(ww_arg(0), "limit");
//     if (ww_is_set(v)) limit = ww_as_int(v);
ww_json ww_get(ww_json object, const char *key);
ww_json ww_find(ww_json object, const char *key);
// An element of an array, which it takes time to find: prefer ww_each for all of them.
ww_json ww_at(ww_json array, uint32_t index);
// How many elements an array or members an object has.
uint32_t ww_count(ww_json container);
// The elements of an array or members of an object in their order; a missing value at the end.
ww_json ww_first(ww_json container);
ww_json ww_next(ww_json value);
// The key of a member that ww_first, ww_next, ww_get or ww_find returned; empty for other values.
ww_str ww_key_of(ww_json member);
// A loop over an array or object: ww_each(item, array) { sum += ww_as_int(item); }
#define ww_each(item, container) for (ww_json item = ww_first(container); ww_exists(item); item = ww_next(item))

// The value, if it is of that type; otherwise an error is remembered.
ww_str ww_as_str(ww_json value);
bool ww_as_bool(ww_json value);
double ww_as_double(ww_json value);
// A whole number. 5.0 and 5e0 are whole, too, within ±2^53.
int64_t ww_as_int(ww_json value);
uint64_t ww_as_uint(ww_json value);
// A whole number from min to max.
int64_t ww_as_int_in(ww_json value, int64_t min, int64_t max);
// A number as it was written, for numbers of any size. It is not NUL-terminated.
ww_str ww_as_number_text(ww_json value);

// Remembers an error about a value of the right type which is wrong nevertheless: ww_reject(v, "must be a date").
void ww_reject(ww_json value, const char *what);
// The same about an argument that is not JSON: ww_reject_arg(0, "not a PNG image") makes "argument 1: not a PNG image".
void ww_reject_arg(uint32_t index, const char *what);

// ---------------------------------------------------------------- Writing JSON
//
// A writer begins as {0} and makes one value. Commas and colons come by themselves:
//
//     ww_writer w = {0};
//     ww_begin_object(&w);
//     ww_set_str(&w, "id", id);
//     ww_key(&w, "prices");
//     ww_begin_array(&w);
//     ww_put_double(&w, 9.5);
//     ww_end_array(&w);
//     ww_end_object(&w);
//
// Misuse (two values, a member without a key, NaN) is remembered in error and reported by what takes the writer.
// Bytes that are not UTF-8 become U+FFFD.

typedef struct ww_writer {
    char *ptr; // what was written so far, not NUL-terminated
    size_t len, cap;
    const char *error; // the first mistake, or NULL
    uint16_t depth;
    uint8_t expect;
    uint8_t objects[(WW_JSON_MAX_DEPTH + 7) / 8]; // which of the open containers are objects
} ww_writer;

void ww_begin_object(ww_writer *w);
void ww_end_object(ww_writer *w);
void ww_begin_array(ww_writer *w);
void ww_end_array(ww_writer *w);
void ww_key(ww_writer *w, const char *key);
void ww_key_str(ww_writer *w, ww_str key);

void ww_put_str(ww_writer *w, ww_str value);
void ww_put_cstr(ww_writer *w, const char *value);
void ww_put_int(ww_writer *w, int64_t value);
void ww_put_uint(ww_writer *w, uint64_t value);
void ww_put_double(ww_writer *w, double value); // the shortest text that gives the same number
void ww_put_bool(ww_writer *w, bool value);
void ww_put_null(ww_writer *w);
void ww_put_json(ww_writer *w, ww_json value); // a value that was read, with all in it; a missing one is null

// A key and its value.
void ww_set_str(ww_writer *w, const char *key, ww_str value);
void ww_set_cstr(ww_writer *w, const char *key, const char *value);
void ww_set_int(ww_writer *w, const char *key, int64_t value);
void ww_set_double(ww_writer *w, const char *key, double value);
void ww_set_bool(ww_writer *w, const char *key, bool value);
void ww_set_json(ww_writer *w, const char *key, ww_json value);

// What was written, if it is one whole value; otherwise .ptr is NULL and w->error tells why. It is valid until w is written to.
ww_str ww_text(ww_writer *w);

// ---------------------------------------------------------------- Output
//
// Each of these sets the activity's result, or the details of its cancellation; the last call counts. Bytes are copied. They
// return WW_COMPLETED (WW_FAILED for a writer with a mistake: a failure of type InvalidOutput), so that
// an activity can end with "return ww_output_…;". Too much output for the host is a failure of type OutputTooLarge.

ww_status ww_output_json(ww_writer *w);
ww_status ww_output_str(ww_str value);
ww_status ww_output_cstr(const char *value);
ww_status ww_output_int(int64_t value);
ww_status ww_output_double(double value);
ww_status ww_output_bool(bool value);
ww_status ww_output_null(void);                         // binary/null
ww_status ww_output_bytes(const void *ptr, size_t len); // binary/plain
ww_status ww_output_payload(ww_payload payload);        // any encoding; an empty one is none
// Bytes with all their metadata, a JSON object such as ww_arg_metadata returns.
ww_status ww_output_with_metadata(ww_str data, ww_str metadata);

// ---------------------------------------------------------------- Failures

// Why an activity failed. Fields that are 0 are absent.
typedef struct ww_failure {
    const char *type;            // what retry policies and workflows compare with
    const char *message;
    bool non_retryable;
    bool benign;                 // expected: Temporal neither counts nor logs it as an error
    int64_t next_retry_delay_ms; // replaces the retry policy's next interval
    const char *details;         // JSON text of an array: each element is one detail. See ww_text()
    const struct ww_failure *cause;
    const char *stack_trace;
} ww_failure;

// Whether all input that was read was good, and all output accepted so far.
bool ww_ok(void);
// What made ww_ok() false, such as "argument 1: name: expected a string, got a number"; NULL if nothing.
const char *ww_what(void);

// Sets the failure and returns WW_FAILED. A failure that is too long for the host is shortened.
ww_status ww_fail_with(const ww_failure *failure);
// A retryable failure without a type, its message made as by printf. Returns WW_FAILED.
ww_status ww_failf(const char *format, ...) WW_PRINTF_(1, 2);
#ifndef __cplusplus
// return ww_fail(.type = "EmptyName", .message = "the name is empty", .non_retryable = true);
#define ww_fail(...) ww_fail_with(&(const ww_failure){__VA_ARGS__})
#endif

// ---------------------------------------------------------------- Information

typedef struct ww_retry_policy {
    int64_t initial_interval_ms, maximum_interval_ms;
    double backoff_coefficient;
    int32_t maximum_attempts; // 0: no limit
    const ww_str *non_retryable_error_types;
    size_t non_retryable_error_type_count;
} ww_retry_policy;

typedef struct ww_priority {
    int32_t priority_key;
    ww_str fairness_key;
    double fairness_weight;
} ww_priority;

// This attempt of the activity.
typedef struct ww_activity_info {
    ww_str activity_id, activity_type, namespace_, task_queue;
    ww_str workflow_type, workflow_id, workflow_run_id; // empty for a standalone activity
    ww_str activity_run_id;                             // empty for an activity of a workflow
    int32_t attempt;                                    // 1 is the first
    bool is_local_activity;
    int64_t heartbeat_timeout_ms, start_to_close_timeout_ms, schedule_to_close_timeout_ms;
    int64_t scheduled_time_ms, started_time_ms, deadline_ms; // Unix time
    const ww_retry_policy *retry_policy;                     // NULL: the server did not send one
    const ww_priority *priority;                             // NULL likewise
} ww_activity_info;

// What is known about this attempt. It does not change meanwhile.
const ww_activity_info *ww_info(void);

// ---------------------------------------------------------------- Cancellation and heartbeats

// What is asked of the activity, an "or" of WW_CANCEL_REQUESTED, WW_WORKER_STOPPING, WW_PAUSED, WW_RESET and WW_GONE; cheap enough for a loop. Flags stay set.
uint32_t ww_flags(void);
// Whether the activity should stop for any of these reasons: clean up and return WW_CANCELLED. The host reports a stop for
// WW_WORKER_STOPPING alone as a retryable failure, so that another worker goes on at once. An activity that can finish soon may
// look at ww_flags() & ~WW_WORKER_STOPPING instead. One that goes on after other flags is interrupted after a grace period.
bool ww_should_stop(void);

// Sends a heartbeat with the details added since the last one, and returns ww_flags(). Call it as often as is convenient: the
// host throttles. From the first call on, keeping info's heartbeat timeout is the activity's duty; until then the host does.
uint32_t ww_heartbeat(void);
// The same with one detail. Details that the host refuses make ww_ok() false (OutputTooLarge).
uint32_t ww_heartbeat_int(int64_t progress);
uint32_t ww_heartbeat_str(ww_str progress);
uint32_t ww_heartbeat_json(ww_writer *progress);
// Adds a detail to the next heartbeat. Returns false if the host refused it.
bool ww_heartbeat_add(ww_payload detail);
bool ww_heartbeat_add_json(ww_writer *detail);

// The details of the last heartbeat of the attempt before, to go on from there. They are read as arguments are, but bad details do
// not change ww_ok(), since an older version of the activity may have left them: what cannot be read is 0 or empty, and ww_error() tells.
// An encoding that no version of it can have read as JSON, such as binary/encrypted, does make ww_ok() false (InvalidInput).
uint32_t ww_detail_count(void);
ww_json ww_detail(uint32_t index);
ww_payload ww_detail_payload(uint32_t index);

// ---------------------------------------------------------------- Logging

// The levels are WW_DEBUG, WW_INFO, WW_WARN and WW_ERROR.

typedef enum ww_attr_kind { WW_ATTR_STR_ = 1, WW_ATTR_INT_, WW_ATTR_DOUBLE_, WW_ATTR_BOOL_, WW_ATTR_JSON_ } ww_attr_kind;

typedef struct ww_attr {
    const char *key;
    ww_attr_kind kind;
    ww_str text;
    int64_t integer;
    double number;
    ww_json json;
} ww_attr;

// Writes a log record. The host adds the module and the activity.
void ww_log(int level, const char *message);
void ww_logf(int level, const char *format, ...) WW_PRINTF_(2, 3);
void ww_log_attrs(int level, ww_str message, const ww_attr *attrs, size_t count);

#ifndef __cplusplus
// A log record with attributes: ww_log_with(WW_WARN, "low stock", WW_ATTR_INT("left", 3), WW_ATTR_STR("item", item));
#define ww_log_with(level, message, ...) \
    ww_log_attrs(level, ww_cstr(message), (ww_attr[]){__VA_ARGS__}, sizeof((ww_attr[]){__VA_ARGS__}) / sizeof(ww_attr))
#define WW_ATTR_STR(name, value) ((ww_attr){.key = (name), .kind = WW_ATTR_STR_, .text = (value)})
#define WW_ATTR_INT(name, value) ((ww_attr){.key = (name), .kind = WW_ATTR_INT_, .integer = (value)})
#define WW_ATTR_DOUBLE(name, value) ((ww_attr){.key = (name), .kind = WW_ATTR_DOUBLE_, .number = (value)})
#define WW_ATTR_BOOL(name, value) ((ww_attr){.key = (name), .kind = WW_ATTR_BOOL_, .integer = (value)})
#define WW_ATTR_JSON(name, value) ((ww_attr){.key = (name), .kind = WW_ATTR_JSON_, .json = (value)})
#endif

// ---------------------------------------------------------------- Passthrough: calling host modules that the operator grants

// A function of a host module, declared by WW_PASSTHROUGH.
typedef int64_t ww_host_fn(const void *request, uint32_t len);

// Imports a function of a host module. The import is the module's request for the grant:
//
//     WW_PASSTHROUGH(forecast, "wasmworker:weather/v1", "forecast");
//
// A native test defines int64_t forecast(const void *request, uint32_t len) itself, see wasmworker_test.h.
#define WW_PASSTHROUGH(name, module, function) WW_EXTERN_C_ WW_IMPORT_(module, function) int64_t name(const void *request, uint32_t len)

// Calls a host function and waits for its answer. Returns 0 and the response, or an error number (WW_EACCES: the operator's
// policy denies it) and an empty response; ww_last_error() then has a sentence.
int ww_call(ww_host_fn *function, ww_str request, ww_str *response);
// The sentence for the last error of a host function; empty if there was none.
ww_str ww_last_error(void);
// The name of an error number, such as "EACCES".
const char *ww_errno_name(int number);

// Fails with what a host module said: the type is the error's name, such as EACCES, the message its sentence, and it is
// retryable. Call it before another host function. Returns WW_FAILED.
ww_status ww_fail_call(int error);

// A frame, as the modules below and many others take them: the length of the head in 4 bytes, little-endian, the head as JSON, and
// the body as it is. Of a writer with a mistake, .ptr is NULL.
ww_str ww_make_frame(ww_writer *head, ww_str body);
// The head and the body of a frame, which are parts of it; false if it is none.
bool ww_split_frame(ww_str frame, ww_str *head, ww_str *body);

// ---------------------------------------------------------------- The host modules of wasmworker
//
// What is called is imported, and the import is the module's request for the grant. All functions wait for the host's answer. They
// return 0 or an error number as ww_call does, and ww_last_error() has a sentence, which for the SDK's own errors (a malformed
// response: WW_EIO) is the SDK's.

// ---------------------------------------------------------------- HTTP: wasmworker:http/v1
//
//     ww_http_response response;
//     int err = ww_http(&response, .url = WW_STR("https://api.example.com/v1/charges"), .method = "POST", .body = body,
//                       WW_HTTP_HEADERS({"Content-Type", WW_STR("application/json")}, {"Authorization", WW_STR("Bearer {{secret:api-token}}")}));
//     if (err) return ww_fail_call(err);
//     if (response.status != 201) return ww_failf("the charge was answered with status %d", response.status);
//
// WW_EACCES: the policy denies it, and the sentence says what would allow it. WW_EINVAL: the URL, the method or a header is not
// valid. WW_EMSGSIZE: a body is above the policy's limits (8 MiB by default), or the rest of the request has more than 64 KiB.
// WW_ETIMEDOUT, WW_ECANCELED: it took too long, or the activity was interrupted. WW_EIO: the server cannot be reached, or does not
// answer as HTTP has it. With the last three, with WW_EMSGSIZE for a response and with WW_EACCES for a redirect the request may
// have been carried out.

typedef struct ww_http_header {
    const char *name;
    ww_str value; // {{secret:NAME}} in it stands for a secret, which the host puts there if the policy allows it
} ww_http_header;

// Fields that are 0 are absent.
typedef struct ww_http_request {
    ww_str url;                    // http or https, in ASCII, 8 KiB at most
    const char *method;            // NULL: GET. Its case matters
    const ww_http_header *headers; // one name may be there several times. The host sets Host, Content-Length and their like, and refuses them here
    size_t header_count;
    ww_str body;
    int64_t timeout_ms;            // shortens the time that the policy allows for the request as a whole
} ww_http_request;

typedef struct ww_http_response {
    int status;
    ww_json headers; // an object of arrays, by names in canonical form: {"Content-Type": ["text/plain"]}
    ww_str body;
} ww_http_response;

// Sends a request. A status of 400 or more is no error, and neither is a redirect, unless the operator lets the host follow it.
int ww_http_send(const ww_http_request *request, ww_http_response *response);
// The first value of a header, whose name may be in upper and lower case; empty if there is none.
ww_str ww_http_find(const ww_http_response *response, const char *name);

#ifndef __cplusplus
#define ww_http(response, ...) ww_http_send(&(const ww_http_request){__VA_ARGS__}, response)
#define WW_HTTP_HEADERS(...) \
    .headers = (const ww_http_header[]){__VA_ARGS__}, .header_count = sizeof((const ww_http_header[]){__VA_ARGS__}) / sizeof(ww_http_header)
#endif

// ---------------------------------------------------------------- Configuration and secrets: wasmworker:config/v1, wasmworker:secret/v1

// A value of the operator's configuration. WW_ENOENT: this module was given none of that name.
int ww_config_get(const char *name, ww_str *value);
// The value of a secret. It belongs into no result, heartbeat and log: Temporal keeps those. WW_EACCES: the operator's policy does
// not reveal it, whether there is one of that name or not. WW_EIO: it cannot be read at the moment. Most guests need none: see
// {{secret:NAME}} above.
int ww_secret_reveal(const char *name, ww_str *value);

// ---------------------------------------------------------------- SQL: wasmworker:sql/v1
//
//     ww_sql db = {.connection = "warehouse"};
//     ww_sql_rows rows;
//     ww_sql_query(db, "SELECT id, name FROM customers WHERE city = $1", WW_SQL_ARGS(ww_sql_text(city)), &rows);
//     while (ww_sql_next(&rows)) {
//         int64_t id = ww_as_int(ww_sql_at(&rows, 0));
//         ww_str name = ww_as_str(ww_sql_at(&rows, 1));
//     }
//     int err = ww_sql_close(&rows); // tells of all errors: of the query, of fetching, and of values of another type
//     if (err) return ww_fail_call(err);
//
//     ww_sql tx;
//     int64_t affected;
//     if ((err = ww_sql_begin(db, NULL, &tx))) return ww_fail_call(err);
//     if ((err = ww_sql_exec(tx, "DELETE FROM customers WHERE id = $1", WW_SQL_ARGS(ww_sql_int(17)), &affected))) return ww_fail_call(err);
//     if ((err = ww_sql_commit(&tx))) return ww_fail_call(err);
//
// Parameters are in the database's own notation: $1 for PostgreSQL, ? or ?1 for SQLite. One call is one statement. What is open
// when the activity ends is closed, and transactions are rolled back: an activity that returns on an error need not do it.
//
// WW_EACCES: the policy denies it: no such connection for this module, or one that is read-only, or SQL that would end a
// transaction or leave the database. WW_EINVAL: an argument or the isolation is not valid. WW_EBADF: the transaction has ended.
// WW_EBUSY: the transaction has rows open, and the database takes one statement at a time: close them first. WW_EMFILE: 256 queries
// and transactions are open. WW_EMSGSIZE: a row, or the rows of a query, are larger than the policy allows; or the SQL and the
// arguments that are not bytes have more than 64 KiB. WW_ETIMEDOUT: the statement took longer than the policy allows. WW_ECANCELED:
// the activity was interrupted. WW_EIO: the database says no, and the sentence begins with its SQLSTATE where it has one, "23505:
// duplicate key …"; or it cannot be reached. With the last three the statement may have been carried out. After an error inside of
// a transaction PostgreSQL takes nothing but a rollback.

// Where statements run: on a connection, or in the transaction that ww_sql_begin has made of it.
typedef struct ww_sql {
    const char *connection; // the operator's name for it
    uint32_t batch_rows;    // how many rows the host hands over at a time; 0: 1000. More take more memory, fewer more calls
    uint64_t transaction;   // the SDK's
} ww_sql;

typedef enum ww_sql_kind_ { WW_SQL_NULL_, WW_SQL_BOOL_, WW_SQL_INT_, WW_SQL_DOUBLE_, WW_SQL_TEXT_, WW_SQL_BYTES_ } ww_sql_kind_;

// An argument. Times, decimals, UUIDs and the like are text that the database reads. Text and bytes are not copied.
typedef struct ww_sql_arg {
    ww_sql_kind_ kind;
    int64_t integer;
    double number;
    ww_str text;
} ww_sql_arg;

ww_sql_arg ww_sql_null(void);
ww_sql_arg ww_sql_bool(bool value);
ww_sql_arg ww_sql_int(int64_t value);
ww_sql_arg ww_sql_double(double value); // has to be finite
ww_sql_arg ww_sql_text(ww_str value);
ww_sql_arg ww_sql_bytes(ww_str value);

#ifndef __cplusplus
// The arguments of a statement and their count. Without any, write NULL, 0.
#define WW_SQL_ARGS(...) (const ww_sql_arg[]){__VA_ARGS__}, sizeof((const ww_sql_arg[]){__VA_ARGS__}) / sizeof(ww_sql_arg)
#endif

// The rows of a query, fetched batch by batch.
typedef struct ww_sql_rows {
    ww_json columns; // an array of {"name": "id", "type": "INT8"}
    int error;       // 0, or why there are no more rows; ww_sql_close tells
    // The SDK's:
    const char *message;
    ww_json row, following;
    ww_str body;
    struct ww_batch_ *batch;
    uint64_t cursor;
    uint32_t batch_rows, column_count;
} ww_sql_rows;

// Runs a statement that returns rows. Its error is also that of the rows.
int ww_sql_query(ww_sql db, const char *sql, const ww_sql_arg *args, size_t count, ww_sql_rows *rows);
// Moves to the next row, the first one at first. False: there are no more, or there was an error. What was read from the row before
// is not valid any longer.
bool ww_sql_next(ww_sql_rows *rows);
// A value of the row, by the number of its column from 0, or by its name (the first one of that name). It is of kind
//
//     WW_NULL, WW_BOOL
//     WW_NUMBER            ww_as_int, ww_as_double
//     WW_STRING            text, and all that has no kind of its own: times (RFC 3339), decimals, UUIDs, JSON, arrays, and NaN, Infinity and -Infinity
//     WW_OBJECT            bytes: ww_sql_as_bytes
//
// Read it as another type, and the rows end with WW_EIO.
ww_json ww_sql_at(const ww_sql_rows *rows, uint32_t column);
ww_json ww_sql_get(const ww_sql_rows *rows, const char *column);
// Bytes of the row. No NUL follows them.
ww_str ww_sql_as_bytes(const ww_sql_rows *rows, ww_json value);
// Gives up what is left, and returns 0 or the first error since the query. May be called at any time, several times, and at the end
// of the rows.
int ww_sql_close(ww_sql_rows *rows);

// Runs a statement that returns no rows. affected may be NULL.
int ww_sql_exec(ww_sql db, const char *sql, const ww_sql_arg *args, size_t count, int64_t *affected);

typedef struct ww_sql_options {
    bool read_only;        // the database refuses writes
    const char *isolation; // read committed, repeatable read or serializable; NULL: the database's own
} ww_sql_options;

// Begins a transaction, which is then used in place of the connection. options may be NULL.
int ww_sql_begin(ww_sql db, const ww_sql_options *options, ww_sql *transaction);
int ww_sql_commit(ww_sql *transaction);
int ww_sql_rollback(ww_sql *transaction);

// ---------------------------------------------------------------- Objects: wasmworker:blob/v1
//
// The operator names the buckets. Keys are UTF-8 without control characters, of 1 to 1024 bytes, not beginning with a slash, and
// without empty, . and .. segments.
//
// WW_EACCES: the policy denies it: no such bucket for this module, a key without one of its prefixes, or the bucket is read-only
// for it. WW_ENOENT: there is no such object. WW_EEXIST: there is one already. WW_EINVAL: a key is not valid. WW_EBADF: the reader
// or writer has ended. WW_EMFILE: 256 of them are open. WW_EMSGSIZE: the object is larger than the policy allows, or has more than
// 16 MiB at once: get a part of it, or use a reader or writer. WW_ETIMEDOUT: it took longer than the policy allows. WW_ECANCELED:
// the activity was interrupted. WW_EIO: the store does not answer, or says no.

#define WW_BLOB_REST UINT64_MAX

// A part of an object, in bytes. Beyond the object's end there are fewer.
typedef struct ww_blob_range {
    uint64_t offset, length; // WW_BLOB_REST: up to the object's end
} ww_blob_range;

typedef struct ww_blob_attributes {
    uint64_t size;       // of the whole object, in bytes
    ww_str content_type; // may be empty
    ww_str etag;         // changes with the object; may be empty
    int64_t modified_ms; // Unix time; 0: the store does not tell
    ww_json metadata;    // an object of strings, or missing
} ww_blob_attributes;

typedef struct ww_blob_metadata {
    const char *name;
    ww_str value;
} ww_blob_metadata;

// What is said about an object that is written. Fields that are 0 are absent.
typedef struct ww_blob_options {
    const char *content_type;
    const ww_blob_metadata *metadata;
    size_t metadata_count;
    bool if_none_match; // only if there is no object of that key; otherwise WW_EEXIST
} ww_blob_options;

// An object at once. range, attributes and options may be NULL. WW_ENOENT is for ww_blob_delete as well.
int ww_blob_get(const char *bucket, ww_str key, const ww_blob_range *range, ww_str *data, ww_blob_attributes *attributes);
int ww_blob_put(const char *bucket, ww_str key, ww_str data, const ww_blob_options *options);
int ww_blob_stat(const char *bucket, ww_str key, ww_blob_attributes *attributes);
int ww_blob_delete(const char *bucket, ww_str key);

// The objects of a bucket, sorted by key, fetched page by page:
//
//     ww_blob_list list = {.bucket = "exports", .prefix = WW_STR("2026/")};
//     ww_blob_entry entry;
//     while (ww_blob_next(&list, &entry)) total += entry.size;
//     int err = ww_blob_end(&list);
typedef struct ww_blob_list {
    const char *bucket;
    ww_str prefix;         // what keys begin with; may be empty
    const char *delimiter; // such as "/": what keys have, behind the prefix, up to it is listed once, as a prefix. NULL: none
    uint32_t page_size;    // how many entries are fetched at a time, 1 to 1000; 0: 1000
    int error;             // 0, or why there are no more entries; ww_blob_end tells
    // The SDK's:
    const char *message;
    ww_json following;
    struct ww_batch_ *batch;
    bool begun;
} ww_blob_list;

typedef struct ww_blob_entry {
    ww_str key;          // valid until the next call of ww_blob_next
    bool is_prefix;      // what several keys have in common, and no object
    uint64_t size;       // in bytes; 0 for a prefix
    int64_t modified_ms; // Unix time; 0 for a prefix, or if the store does not tell
} ww_blob_entry;

bool ww_blob_next(ww_blob_list *list, ww_blob_entry *entry);
// Frees what the list has, and returns 0 or its error. May be called at any time.
int ww_blob_end(ww_blob_list *list);

// An object that is read piece by piece.
typedef struct ww_blob_reader {
    uint64_t id;
    bool ended;
} ww_blob_reader;

// Opens an object. range and attributes may be NULL. A reader that is not closed ends with the activity.
int ww_blob_open(const char *bucket, ww_str key, const ww_blob_range *range, ww_blob_reader *reader, ww_blob_attributes *attributes);
// Reads the next bytes: at least 1 and at most cap and 1 MiB; 0 at the end. Each read is a call of the host.
int ww_blob_read(ww_blob_reader *reader, void *dst, size_t cap, size_t *size);
int ww_blob_close(ww_blob_reader *reader);

// An object that is written piece by piece.
typedef struct ww_blob_writer {
    uint64_t id;
} ww_blob_writer;

// Begins an object. options may be NULL. It is there, as a whole, after ww_blob_commit, and not before; without one it is given up
// when the activity ends.
int ww_blob_create(const char *bucket, ww_str key, const ww_blob_options *options, ww_blob_writer *writer);
// Writes what comes next, 15 MiB at most. Each write is a call of the host.
int ww_blob_write(ww_blob_writer *writer, ww_str data);
int ww_blob_commit(ww_blob_writer *writer);
// Gives the object up, and leaves what was there before.
int ww_blob_abort(ww_blob_writer *writer);

#ifdef __cplusplus
}
#endif
#endif // WASMWORKER_H

#if defined(WASMWORKER_IMPLEMENTATION) && !defined(WASMWORKER_IMPLEMENTED_)
#define WASMWORKER_IMPLEMENTED_

#include <float.h>
#include <inttypes.h>
#include <limits.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#ifdef __cplusplus
extern "C" {
#endif

// ---------------------------------------------------------------- Memory
//
// Small objects are cut from blocks; what is larger has a block of its own, which can grow by realloc. All blocks
// are in one list and are freed when the activity returns. With WW_ARENA_BLOCK 0 every object has its own, for sanitizers.

#ifndef WW_ARENA_BLOCK
#define WW_ARENA_BLOCK 8192
#endif

typedef struct ww_block_ {
    struct ww_block_ *prev, *next;
    size_t used;   // of WW_ARENA_BLOCK bytes, for small objects
    size_t serial; // larger than that of all blocks before; the type's size is a multiple of WW_ALIGN_
} ww_block_;

enum { WW_ALIGN_ = 16 };

// Memory that is freed before the activity ends, whatever marks there are: what rows are read from.
typedef struct ww_held_ {
    struct ww_held_ *prev, *next;
    char align[WW_ALIGN_ - 2 * sizeof(void *) % WW_ALIGN_];
} ww_held_;

typedef void *ww_alloc_fn_(size_t size);

typedef struct ww_token_ {
    uint32_t at;   // where the text begins; of a container: the token of its parent
    uint32_t len;  // of the text; of a container: how many elements or members
    uint32_t next; // the first token behind the value and all in it; of an open container: its last value so far
    uint8_t kind, flags;
} ww_token_;

enum { WW_IS_KEY_ = 1, WW_IS_MEMBER_ = 2, WW_IS_LAST_ = 4 };

// A parsed document. Strings are decoded where they are in text, and end with a NUL there.
struct ww_doc_ {
    char *text;
    size_t len;
    ww_token_ *tokens;
    uint32_t count;    // 0: there is no document
    const char *error; // the first
    // Where it is from: an argument (its errors are the activity's), or something else.
    bool is_arg;
    uint32_t arg;
    struct ww_doc_ *next_arg;
};

// All state of a call. It is cleared before and after each.
static struct {
    ww_block_ *blocks, *bump; // the newest is the first
    ww_held_ *held;
    uint32_t serial;
    uint32_t kept; // how often something was stored below that has to stay
    struct ww_doc_ *args;
    const ww_activity_info *info;
    const char *error_type, *error; // what makes ww_ok() false
    const char *own_error;          // what ww_last_error() tells in place of the host's
    bool failure_set;               // fail was called
    bool has_output, has_metadata;
    ww_payload output;
    ww_str output_metadata;
} ww_call_;

static void ww_die_(const char *message) {
    fprintf(stderr, "wasmworker: %s\n", message); // the host makes the first line a part of the failure
    abort();
}

static void *ww_new_block_(size_t size) {
    if (size > SIZE_MAX - sizeof(ww_block_)) ww_die_("out of memory");
    ww_block_ *b = (ww_block_ *)malloc(sizeof(ww_block_) + size);
    if (!b) ww_die_("out of memory");
    b->prev = NULL;
    b->used = 0;
    b->serial = ++ww_call_.serial;
    b->next = ww_call_.blocks;
    if (b->next) b->next->prev = b;
    ww_call_.blocks = b;
    return b + 1;
}

void *ww_alloc(size_t size) {
    if (size > WW_ARENA_BLOCK / 4) return ww_new_block_(size);
    size = (size + WW_ALIGN_ - 1) & ~(size_t)(WW_ALIGN_ - 1);
    ww_block_ *b = ww_call_.bump;
    if (!b || WW_ARENA_BLOCK - b->used < size) {
        b = ww_call_.bump = (ww_block_ *)ww_new_block_(WW_ARENA_BLOCK) - 1;
    }
    void *p = (char *)(b + 1) + b->used;
    b->used += size;
    return p;
}

// Makes an object of ww_alloc larger.
static void *ww_grow_(void *p, size_t old, size_t size) {
    if (!p || old <= WW_ARENA_BLOCK / 4) {
        void *q = ww_alloc(size);
        if (p) memcpy(q, p, old);
        return q;
    }
    if (size > SIZE_MAX - sizeof(ww_block_)) ww_die_("out of memory");
    ww_block_ *b = (ww_block_ *)realloc((ww_block_ *)p - 1, sizeof(ww_block_) + size);
    if (!b) ww_die_("out of memory");
    if (b->prev) b->prev->next = b;
    else ww_call_.blocks = b;
    if (b->next) b->next->prev = b;
    return b + 1;
}

// Frees the blocks that are newer than one.
static void ww_free_since_(size_t serial) {
    while (ww_call_.blocks && ww_call_.blocks->serial > serial) {
        ww_block_ *next = ww_call_.blocks->next;
        free(ww_call_.blocks);
        ww_call_.blocks = next;
    }
    if (ww_call_.blocks) ww_call_.blocks->prev = NULL;
}

ww_mark ww_mark_memory(void) {
    ww_mark mark = {ww_call_.bump, ww_call_.bump ? ww_call_.bump->used : 0, ww_call_.serial, ww_call_.kept};
    return mark;
}

void ww_release_memory(ww_mark mark) {
    if (mark.kept != ww_call_.kept) return; // something has to stay; it ends with the activity
    ww_free_since_(mark.serial);
    ww_call_.bump = (ww_block_ *)mark.bump;
    if (mark.bump) ww_call_.bump->used = mark.used;
}

static void *ww_hold_(size_t size) {
    if (size > SIZE_MAX - sizeof(ww_held_)) ww_die_("out of memory");
    ww_held_ *h = (ww_held_ *)malloc(sizeof(ww_held_) + size);
    if (!h) ww_die_("out of memory");
    h->prev = NULL;
    h->next = ww_call_.held;
    if (h->next) h->next->prev = h;
    ww_call_.held = h;
    return h + 1;
}

static void ww_let_go_(void *p) {
    if (!p) return;
    ww_held_ *h = (ww_held_ *)p - 1;
    if (h->prev) h->prev->next = h->next;
    else ww_call_.held = h->next;
    if (h->next) h->next->prev = h->prev;
    free(h);
}

static void ww_reset_(void) {
    ww_free_since_(0);
    while (ww_call_.held) ww_let_go_(ww_call_.held + 1);
    memset(&ww_call_, 0, sizeof ww_call_);
}

// ---------------------------------------------------------------- Text

ww_str ww_bytes(const void *ptr, size_t len) {
    ww_str s = {(const char *)ptr, len};
    return s;
}

ww_str ww_cstr(const char *text) { return ww_bytes(text ? text : "", text ? strlen(text) : 0); }

bool ww_equal(ww_str text, const char *other) {
    size_t len = strlen(other);
    return text.len == len && (len == 0 || memcmp(text.ptr, other, len) == 0);
}

static ww_str ww_copy_(ww_str s) {
    if (s.len == SIZE_MAX) ww_die_("out of memory");
    char *p = (char *)ww_alloc(s.len + 1);
    if (s.len) memcpy(p, s.ptr, s.len);
    p[s.len] = 0;
    return ww_bytes(p, s.len);
}

static ww_str ww_vformat_(const char *format, va_list args) {
    va_list again;
    va_copy(again, args);
    int n = vsnprintf(NULL, 0, format, again);
    va_end(again);
    if (n < 0) return ww_cstr("");
    char *p = (char *)ww_alloc((size_t)n + 1);
    vsnprintf(p, (size_t)n + 1, format, args);
    return ww_bytes(p, (size_t)n);
}

ww_str ww_format(const char *format, ...) {
    va_list args;
    va_start(args, format);
    ww_str s = ww_vformat_(format, args);
    va_end(args);
    return s;
}

ww_str ww_concat_n(const ww_str *parts, size_t count) {
    size_t len = 0;
    for (size_t i = 0; i < count; i++) {
        if (parts[i].len >= SIZE_MAX - len) ww_die_("out of memory");
        len += parts[i].len;
    }
    char *p = (char *)ww_alloc(len + 1), *at = p;
    for (size_t i = 0; i < count; i++) {
        if (parts[i].len) memcpy(at, parts[i].ptr, parts[i].len);
        at += parts[i].len;
    }
    *at = 0;
    return ww_bytes(p, len);
}

// The length of the UTF-8 sequence at s, which ends before end; 0 if it is not valid.
static size_t ww_utf8_(const unsigned char *s, const unsigned char *end) {
    size_t n = s[0] < 0x80 ? 1 : s[0] < 0xc2 ? 0 : s[0] < 0xe0 ? 2 : s[0] < 0xf0 ? 3 : s[0] < 0xf5 ? 4 : 0;
    if (n == 0 || (size_t)(end - s) < n) return 0;
    for (size_t i = 1; i < n; i++) {
        if ((s[i] & 0xc0) != 0x80) return 0;
    }
    // What is longer than needed, a surrogate, or beyond U+10FFFF.
    if ((s[0] == 0xe0 && s[1] < 0xa0) || (s[0] == 0xed && s[1] > 0x9f) || (s[0] == 0xf0 && s[1] < 0x90) || (s[0] == 0xf4 && s[1] > 0x8f)) {
        return 0;
    }
    return n;
}

// At most n bytes of a text, cut between characters.
static ww_str ww_cut_(ww_str s, size_t n) {
    if (s.len > n) {
        while (n > 0 && ((unsigned char)s.ptr[n] & 0xc0) == 0x80) n--;
        s.len = n;
    }
    return s;
}

// ---------------------------------------------------------------- Errors

static void ww_remember_(const char *type, const char *error) {
    if (ww_call_.error) return;
    ww_call_.kept++;
    ww_call_.error_type = type;
    ww_call_.error = error;
}

bool ww_ok(void) { return !ww_call_.error; }
const char *ww_what(void) { return ww_call_.error; }

// ---------------------------------------------------------------- JSON parser

// Decodes four hexadecimal digits; -1 if they are not.
static int32_t ww_hex4_(const unsigned char *s) {
    int32_t v = 0;
    for (int i = 0; i < 4; i++) {
        int c = s[i];
        int digit = c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
        if (digit < 0) return -1;
        v = v << 4 | digit;
    }
    return v;
}

static unsigned char *ww_put_utf8_(unsigned char *p, uint32_t c) {
    if (c < 0x80) {
        *p++ = (unsigned char)c;
    } else if (c < 0x800) {
        *p++ = (unsigned char)(0xc0 | c >> 6);
        *p++ = (unsigned char)(0x80 | (c & 0x3f));
    } else if (c < 0x10000) {
        *p++ = (unsigned char)(0xe0 | c >> 12);
        *p++ = (unsigned char)(0x80 | (c >> 6 & 0x3f));
        *p++ = (unsigned char)(0x80 | (c & 0x3f));
    } else {
        *p++ = (unsigned char)(0xf0 | c >> 18);
        *p++ = (unsigned char)(0x80 | (c >> 12 & 0x3f));
        *p++ = (unsigned char)(0x80 | (c >> 6 & 0x3f));
        *p++ = (unsigned char)(0x80 | (c & 0x3f));
    }
    return p;
}

// Parses the string whose quote is at *at, decodes it in its place and moves *at behind it. An escape is never shorter than
// what it stands for, so writing stays behind reading.
static const char *ww_parse_string_(unsigned char *s, size_t len, size_t *at, ww_token_ *t) {
    size_t i = *at + 1;
    const unsigned char *end = s + len;
    unsigned char *out = s + i;
    t->kind = WW_STRING;
    t->at = (uint32_t)i;
    for (;;) {
        *at = i;
        if (i >= len) return "a string does not end";
        unsigned char c = s[i];
        if (c == '"') break;
        if (c < 0x20) return "a control character in a string";
        if (c != '\\') {
            size_t n = ww_utf8_(s + i, end);
            if (n == 0) return "not valid UTF-8";
            for (; n > 0; n--) *out++ = s[i++];
            continue;
        }
        if (len - i < 2) return "a string does not end";
        i += 2;
        switch (s[i - 1]) {
        case '"': *out++ = '"'; break;
        case '\\': *out++ = '\\'; break;
        case '/': *out++ = '/'; break;
        case 'b': *out++ = '\b'; break;
        case 'f': *out++ = '\f'; break;
        case 'n': *out++ = '\n'; break;
        case 'r': *out++ = '\r'; break;
        case 't': *out++ = '\t'; break;
        case 'u': {
            int32_t u = len - i < 4 ? -1 : ww_hex4_(s + i);
            if (u < 0) return "an escape is not \\u and four hexadecimal digits";
            i += 4;
            uint32_t code = (uint32_t)u;
            if (u >= 0xd800 && u < 0xe000) {
                int32_t low = u < 0xdc00 && len - i >= 6 && s[i] == '\\' && s[i + 1] == 'u' ? ww_hex4_(s + i + 2) : -1;
                if (low < 0xdc00 || low >= 0xe000) return "half a surrogate pair";
                i += 6;
                code = 0x10000 + (((uint32_t)u - 0xd800) << 10) + ((uint32_t)low - 0xdc00);
            }
            out = ww_put_utf8_(out, code);
            break;
        }
        default: return "an unknown escape in a string";
        }
    }
    t->len = (uint32_t)(out - s) - t->at;
    *out = 0; // at the closing quote or before it
    *at = i + 1;
    return NULL;
}

static const char *ww_parse_number_(const unsigned char *s, size_t len, size_t *at, ww_token_ *t) {
    size_t i = *at, digits;
    t->kind = WW_NUMBER;
    t->at = (uint32_t)i;
    if (s[i] == '-') i++;
    if (i < len && s[i] == '0') {
        i++;
    } else {
        for (digits = 0; i < len && s[i] >= '0' && s[i] <= '9'; i++) digits++;
        if (digits == 0) return "a number without digits";
    }
    if (i < len && s[i] == '.') {
        i++;
        for (digits = 0; i < len && s[i] >= '0' && s[i] <= '9'; i++) digits++;
        if (digits == 0) return "a number without digits behind its point";
    }
    if (i < len && (s[i] == 'e' || s[i] == 'E')) {
        i++;
        if (i < len && (s[i] == '+' || s[i] == '-')) i++;
        for (digits = 0; i < len && s[i] >= '0' && s[i] <= '9'; i++) digits++;
        if (digits == 0) return "a number without digits in its exponent";
    }
    t->len = (uint32_t)i - t->at;
    *at = i;
    return NULL;
}

// How many values and keys a text can have at most: one, and one behind each of [{,: outside of strings.
static size_t ww_most_tokens_(const unsigned char *s, size_t len) {
    size_t n = 1;
    bool quoted = false;
    for (size_t i = 0; i < len; i++) {
        if (s[i] == '"') {
            quoted = !quoted;
        } else if (quoted) {
            if (s[i] == '\\') i++;
        } else if (s[i] == ',' || s[i] == ':' || s[i] == '[' || s[i] == '{') {
            n++;
        }
    }
    return n;
}

// Parses d->text, which a NUL follows, into d->tokens. Returns what is wrong at *at, or NULL. No recursion: an open
// container's token knows its parent.
static const char *ww_parse_doc_(struct ww_doc_ *d, size_t *at, ww_alloc_fn_ *alloc) {
    enum { VALUE, ITEM_OR_END, KEY, KEY_OR_END, COLON, NEXT } expect = VALUE;
    static const struct {
        const char *text;
        uint8_t len, kind;
    } words[] = {{"true", 4, WW_BOOL}, {"false", 5, WW_BOOL}, {"null", 4, WW_NULL}};
    unsigned char *s = (unsigned char *)d->text;
    size_t len = d->len, i = 0;
    if (len > UINT32_MAX - 16) return "too long";
    size_t most = ww_most_tokens_(s, len);
    if (most > SIZE_MAX / sizeof(ww_token_)) return "too long";
    ww_token_ *tokens = d->tokens = (ww_token_ *)alloc(most * sizeof(ww_token_));
    uint32_t n = 0, open = 0, depth = 0;
    for (;;) {
        while (i < len && (s[i] == ' ' || s[i] == '\n' || s[i] == '\r' || s[i] == '\t')) i++;
        *at = i;
        if (i == len) {
            if (depth > 0 || expect != NEXT) return n == 0 ? "there is nothing" : "it ends too early";
            d->count = n;
            return NULL;
        }
        unsigned char c = s[i];
        bool is_object = depth > 0 && tokens[open].kind == WW_OBJECT;

        if (expect == COLON) {
            if (c != ':') return "a colon is missing";
            i++;
            expect = VALUE;
            continue;
        }
        if (expect == NEXT && depth == 0) return "something follows the value";
        if ((expect == NEXT || expect == ITEM_OR_END || expect == KEY_OR_END) && c == (is_object ? '}' : ']')) {
            ww_token_ *closed = &tokens[open];
            if (closed->len > 0) tokens[closed->next].flags |= WW_IS_LAST_;
            closed->next = n;
            open = closed->at;
            depth--;
            i++;
            expect = NEXT;
            continue;
        }
        if (expect == NEXT) {
            if (c != ',') return is_object ? "a comma or } is missing" : "a comma or ] is missing";
            i++;
            expect = is_object ? KEY : VALUE;
            continue;
        }

        if (n == most) return "too many values"; // cannot happen: ww_most_tokens_ counts as this loop does
        ww_token_ *t = &tokens[n];
        memset(t, 0, sizeof *t);
        const char *wrong = NULL;
        if (expect == KEY || expect == KEY_OR_END) {
            if (c != '"') return "a key is missing";
            wrong = ww_parse_string_(s, len, &i, t);
            *at = i;
            if (wrong) return wrong;
            t->flags = WW_IS_KEY_;
            t->next = ++n;
            expect = COLON;
            continue;
        }

        if (depth > 0) {
            tokens[open].len++;
            tokens[open].next = n;
            if (is_object) t->flags = WW_IS_MEMBER_;
        }
        expect = NEXT;
        if (c == '{' || c == '[') {
            if (depth == WW_JSON_MAX_DEPTH) return "nested too deeply";
            t->kind = c == '{' ? WW_OBJECT : WW_ARRAY;
            t->at = open;
            open = n++;
            depth++;
            i++;
            expect = c == '{' ? KEY_OR_END : ITEM_OR_END;
            continue;
        }
        if (c == '"') {
            wrong = ww_parse_string_(s, len, &i, t);
        } else if (c == '-' || (c >= '0' && c <= '9')) {
            wrong = ww_parse_number_(s, len, &i, t);
        } else {
            wrong = "not a value";
            for (size_t k = 0; k < sizeof words / sizeof words[0]; k++) {
                if (len - i >= words[k].len && memcmp(s + i, words[k].text, words[k].len) == 0) {
                    t->kind = words[k].kind;
                    t->at = (uint32_t)i;
                    t->len = words[k].len;
                    i += words[k].len;
                    wrong = NULL;
                    break;
                }
            }
        }
        *at = i;
        if (wrong) return wrong;
        t->next = ++n;
    }
}

// ---------------------------------------------------------------- JSON values

static ww_json ww_value_(struct ww_doc_ *d, uint32_t index) {
    ww_json v = {d, index, NULL};
    return v;
}

static ww_json ww_missing_(struct ww_doc_ *d, uint32_t index, const char *key) {
    ww_json v = {d, index, key};
    return v;
}

static ww_token_ *ww_token_of_(ww_json v) { return v.doc && !v.missing && v.index < v.doc->count ? &v.doc->tokens[v.index] : NULL; }

static ww_str ww_token_text_(const struct ww_doc_ *d, const ww_token_ *t) { return ww_bytes(d->text + t->at, t->len); }

// Remembers an error of a document: for arguments, as the activity's too.
static void ww_doc_error_(struct ww_doc_ *d, const char *error) {
    if (!d || d->error) return;
    ww_call_.kept++; // the document may be older than the message
    d->error = d->is_arg ? ww_format("argument %" PRIu32 "%s%s", d->arg + 1, *error == ' ' ? "" : ": ", error).ptr : error;
    if (d->is_arg) ww_remember_(WW_TYPE_INVALID_INPUT, d->error);
}

// The way from the root to a value, such as items[3].price; empty for the root.
static ww_str ww_path_(ww_json v) {
    const struct ww_doc_ *d = v.doc;
    ww_str path = {"", 0};
    uint32_t at = 0;
    while (at != v.index && at < d->count) {
        bool is_object = d->tokens[at].kind == WW_OBJECT;
        uint32_t child = at + 1, i = 0;
        for (;; i++) {
            if (is_object) child++;
            if (child > v.index || v.index < d->tokens[child].next || d->tokens[child].flags & WW_IS_LAST_) break;
            child = d->tokens[child].next;
        }
        if (is_object) {
            ww_str parts[3] = {path, {".", path.len > 0 ? 1u : 0u}, ww_cut_(ww_token_text_(d, &d->tokens[child - 1]), 64)};
            path = ww_concat_n(parts, 3);
        } else {
            path = ww_format("%s[%" PRIu32 "]", path.ptr, i);
        }
        at = child;
    }
    if (v.missing && *v.missing) {
        ww_str parts[3] = {path, {".", path.len > 0 && *v.missing != '[' ? 1u : 0u}, ww_cut_(ww_cstr(v.missing), 64)};
        path = ww_concat_n(parts, 3);
    }
    return path;
}

void ww_reject(ww_json v, const char *what) {
    if (!v.doc || v.doc->error) return;
    ww_str path = ww_path_(v);
    ww_str parts[3] = {path, {": ", path.len > 0 && *what != ' ' ? 2u : 0u}, ww_cstr(what)};
    ww_doc_error_(v.doc, ww_concat_n(parts, 3).ptr);
}

static const char *const ww_kind_names_[] = {"nothing", "null", "a boolean", "a number", "a string", "an array", "an object"};

static void ww_expected_(ww_json v, const char *expected) {
    if (!v.doc || v.doc->error) return; // a later error would be dropped anyway
    if (!ww_exists(v)) ww_reject(v, " is missing");
    else ww_reject(v, ww_format("expected %s, got %s", expected, ww_kind_names_[ww_kind(v)]).ptr);
}

static struct ww_doc_ *ww_new_doc_(void) {
    struct ww_doc_ *d = (struct ww_doc_ *)ww_alloc(sizeof *d);
    memset(d, 0, sizeof *d);
    return d;
}

// Parses a document of text that belongs to the activity, is followed by a NUL, and may be changed.
static ww_json ww_load_in_(struct ww_doc_ *d, ww_str owned, ww_alloc_fn_ *alloc) {
    size_t at = 0;
    d->text = (char *)(uintptr_t)owned.ptr;
    d->len = owned.len;
    const char *wrong = ww_parse_doc_(d, &at, alloc);
    if (wrong) {
        d->count = 0;
        ww_doc_error_(d, ww_format("malformed JSON at byte %zu: %s", at, wrong).ptr);
    }
    return wrong ? ww_missing_(d, 0, "") : ww_value_(d, 0);
}

static ww_json ww_load_(struct ww_doc_ *d, ww_str owned) { return ww_load_in_(d, owned, ww_alloc); }

static bool ww_is_json_(ww_str encoding) {
    return encoding.len == 0 || ww_equal(encoding, WW_ENCODING_JSON) || ww_equal(encoding, WW_ENCODING_PROTO_JSON);
}

// The value of a payload.
static ww_json ww_load_payload_(struct ww_doc_ *d, ww_payload p) {
    if (ww_equal(p.encoding, WW_ENCODING_NULL)) return ww_load_(d, ww_copy_(ww_cstr("null")));
    if (ww_is_json_(p.encoding)) return ww_load_(d, p.data);
    ww_doc_error_(d, ww_format("expected JSON, got a payload of encoding %s", p.encoding.ptr).ptr);
    return ww_missing_(d, 0, "");
}

ww_json ww_parse(ww_str text) { return ww_load_(ww_new_doc_(), ww_copy_(text)); }

const char *ww_error(ww_json v) { return v.doc ? v.doc->error : NULL; }

ww_json_kind ww_kind(ww_json v) {
    const ww_token_ *t = ww_token_of_(v);
    return t ? (ww_json_kind)t->kind : WW_MISSING;
}

bool ww_exists(ww_json v) { return ww_token_of_(v) != NULL; }
bool ww_is_set(ww_json v) { return ww_kind(v) > WW_NULL; }

ww_json ww_find(ww_json object, const char *key) {
    const ww_token_ *t = ww_token_of_(object);
    if (!t || t->kind == WW_NULL) return ww_missing_(object.doc, object.index, key);
    if (t->kind != WW_OBJECT) {
        ww_expected_(object, "an object");
        return ww_missing_(object.doc, object.index, key);
    }
    ww_json found = ww_missing_(object.doc, object.index, key);
    for (uint32_t i = object.index + 1; i < t->next; i = object.doc->tokens[i + 1].next) {
        if (ww_equal(ww_token_text_(object.doc, &object.doc->tokens[i]), key)) found = ww_value_(object.doc, i + 1);
    }
    return found;
}

ww_json ww_get(ww_json object, const char *key) {
    if (ww_kind(object) != WW_OBJECT) {
        ww_expected_(object, "an object");
        return ww_missing_(object.doc, object.index, key);
    }
    ww_json v = ww_find(object, key);
    if (!ww_exists(v)) ww_expected_(v, "");
    return v;
}

ww_json ww_first(ww_json v) {
    const ww_token_ *t = ww_token_of_(v);
    if (!t || (t->kind != WW_ARRAY && t->kind != WW_OBJECT)) {
        ww_expected_(v, "an array or object");
        return ww_missing_(v.doc, v.index, "");
    }
    if (t->len == 0) return ww_missing_(v.doc, v.index, "");
    return ww_value_(v.doc, v.index + (t->kind == WW_OBJECT ? 2 : 1));
}

ww_json ww_next(ww_json v) {
    const ww_token_ *t = ww_token_of_(v);
    if (!t || v.index == 0 || t->flags & WW_IS_LAST_) return ww_missing_(v.doc, v.index, "");
    return ww_value_(v.doc, t->next + (t->flags & WW_IS_MEMBER_ ? 1 : 0));
}

ww_json ww_at(ww_json array, uint32_t index) {
    if (ww_kind(array) != WW_ARRAY) {
        ww_expected_(array, "an array");
        return ww_missing_(array.doc, array.index, "");
    }
    if (index >= ww_count(array)) {
        ww_json v = ww_missing_(array.doc, array.index, ww_format("[%" PRIu32 "]", index).ptr);
        ww_expected_(v, "");
        return v;
    }
    ww_json v = ww_first(array);
    for (; index > 0; index--) v = ww_next(v);
    return v;
}

uint32_t ww_count(ww_json v) {
    const ww_token_ *t = ww_token_of_(v);
    if (t && (t->kind == WW_ARRAY || t->kind == WW_OBJECT)) return t->len;
    ww_expected_(v, "an array or object");
    return 0;
}

ww_str ww_key_of(ww_json v) {
    const ww_token_ *t = ww_token_of_(v);
    return t && t->flags & WW_IS_MEMBER_ ? ww_token_text_(v.doc, t - 1) : ww_cstr("");
}

ww_str ww_as_str(ww_json v) {
    const ww_token_ *t = ww_token_of_(v);
    if (t && t->kind == WW_STRING) return ww_token_text_(v.doc, t);
    ww_expected_(v, "a string");
    return ww_cstr("");
}

bool ww_as_bool(ww_json v) {
    const ww_token_ *t = ww_token_of_(v);
    if (t && t->kind == WW_BOOL) return t->len == 4;
    ww_expected_(v, "a boolean");
    return false;
}

ww_str ww_as_number_text(ww_json v) {
    const ww_token_ *t = ww_token_of_(v);
    if (t && t->kind == WW_NUMBER) return ww_token_text_(v.doc, t);
    ww_expected_(v, "a number");
    return ww_cstr("0");
}

double ww_as_double(ww_json v) {
    ww_str text = ww_as_number_text(v);
    double d = strtod(text.ptr, NULL); // it ends at what follows the number, at the latest at the NUL behind the document
    if (d >= -DBL_MAX && d <= DBL_MAX) return d;
    ww_str shown = ww_cut_(text, 40);
    ww_reject(v, ww_format("%.*s is too large", (int)shown.len, shown.ptr).ptr);
    return 0;
}

// The magnitude of a whole number and its sign; 0 and an error if it is none, or larger than most (or most_negative).
static uint64_t ww_whole_(ww_json v, uint64_t most, uint64_t most_negative, bool *negative) {
    ww_str text = ww_as_number_text(v), shown = ww_cut_(text, 40);
    *negative = text.ptr[0] == '-';
    if (*negative) most = most_negative;
    uint64_t n = 0;
    bool fits = true;
    size_t i = *negative ? 1 : 0;
    for (; i < text.len && text.ptr[i] >= '0' && text.ptr[i] <= '9'; i++) {
        uint64_t digit = (uint64_t)(text.ptr[i] - '0');
        fits = fits && digit <= most && n <= (most - digit) / 10;
        n = n * 10 + digit; // if it does not fit, it is not used
    }
    if (i < text.len) { // a fraction or an exponent
        double d = fabs(strtod(text.ptr, NULL));
        fits = d <= 9007199254740992.0;
        n = fits ? (uint64_t)d : 0;
        if (!fits || d != (double)n) {
            ww_reject(v, ww_format("expected a whole number, got %.*s", (int)shown.len, shown.ptr).ptr);
            return 0;
        }
        fits = n <= most;
    }
    if (fits) return n;
    ww_reject(v, ww_format("%.*s is out of range", (int)shown.len, shown.ptr).ptr);
    return 0;
}

int64_t ww_as_int(ww_json v) {
    bool negative;
    uint64_t n = ww_whole_(v, INT64_MAX, (uint64_t)INT64_MAX + 1, &negative);
    return negative ? (int64_t)(0 - n) : (int64_t)n;
}

uint64_t ww_as_uint(ww_json v) {
    bool negative;
    return ww_whole_(v, UINT64_MAX, 0, &negative);
}

int64_t ww_as_int_in(ww_json v, int64_t min, int64_t max) {
    int64_t n = ww_as_int(v);
    if (n >= min && n <= max) return n;
    if (ww_kind(v) == WW_NUMBER) ww_reject(v, ww_format("%" PRId64 " is not from %" PRId64 " to %" PRId64, n, min, max).ptr);
    return min > 0 ? min : max < 0 ? max : 0;
}

// ---------------------------------------------------------------- JSON writer

enum { WW_TOP_, WW_FIRST_ITEM_, WW_ITEM_, WW_FIRST_KEY_, WW_KEY_, WW_VALUE_, WW_DONE_ };

static void ww_mistake_(ww_writer *w, const char *what) {
    if (!w->error) w->error = what;
}

static char *ww_room_(ww_writer *w, size_t n) {
    if (n > SIZE_MAX / 2 - w->len) ww_die_("out of memory");
    if (w->cap - w->len < n) {
        size_t cap = w->cap ? w->cap * 2 : 256;
        if (cap < w->len + n) cap = w->len + n;
        w->ptr = (char *)ww_grow_(w->ptr, w->cap, cap);
        w->cap = cap;
    }
    return w->ptr + w->len;
}

static void ww_write_(ww_writer *w, const char *s, size_t n) {
    if (n == 0) return;
    memcpy(ww_room_(w, n), s, n);
    w->len += n;
}

// Before each value: whether there can be one here, and the comma.
static bool ww_begin_value_(ww_writer *w) {
    if (w->error) return false;
    switch (w->expect) {
    case WW_FIRST_KEY_:
    case WW_KEY_: ww_mistake_(w, "a value in an object needs a key"); return false;
    case WW_DONE_: ww_mistake_(w, "a second value"); return false;
    case WW_ITEM_: ww_write_(w, ",", 1); break;
    default: break;
    }
    return true;
}

static void ww_end_value_(ww_writer *w) {
    if (w->depth == 0) w->expect = WW_DONE_;
    else w->expect = w->objects[(w->depth - 1) / 8] >> ((w->depth - 1) % 8) & 1 ? WW_KEY_ : WW_ITEM_;
}

static void ww_scalar_(ww_writer *w, const char *s, size_t n) {
    if (!ww_begin_value_(w)) return;
    ww_write_(w, s, n);
    ww_end_value_(w);
}

static void ww_begin_(ww_writer *w, bool object) {
    if (!ww_begin_value_(w)) return;
    if (w->depth == WW_JSON_MAX_DEPTH) {
        ww_mistake_(w, "nested too deeply");
        return;
    }
    uint8_t *bits = &w->objects[w->depth / 8], bit = (uint8_t)(1u << (w->depth % 8));
    *bits = (uint8_t)(object ? *bits | bit : *bits & ~bit);
    w->depth++;
    w->expect = object ? WW_FIRST_KEY_ : WW_FIRST_ITEM_;
    ww_write_(w, object ? "{" : "[", 1);
}

static void ww_end_(ww_writer *w, bool object) {
    if (w->error) return;
    bool fits = object ? w->expect == WW_FIRST_KEY_ || w->expect == WW_KEY_ : w->expect == WW_FIRST_ITEM_ || w->expect == WW_ITEM_;
    if (!fits) {
        ww_mistake_(w, object ? "the end of an object where there is none to end" : "the end of an array where there is none to end");
        return;
    }
    w->depth--;
    ww_write_(w, object ? "}" : "]", 1);
    ww_end_value_(w);
}

static void ww_quote_(ww_writer *w, ww_str s) {
    static const char hex[] = "0123456789abcdef";
    if (!s.ptr) s = ww_cstr("");
    const unsigned char *p = (const unsigned char *)s.ptr, *end = p + s.len, *plain = p;
    ww_room_(w, s.len <= SIZE_MAX / 2 - 2 ? s.len + 2 : s.len);
    ww_write_(w, "\"", 1);
    while (p < end) {
        size_t n = 1;
        if (*p >= 0x20 && *p < 0x80 && *p != '"' && *p != '\\') {
            p++;
            continue;
        }
        if (*p >= 0x80 && (n = ww_utf8_(p, end)) > 0) {
            p += n;
            continue;
        }
        ww_write_(w, (const char *)plain, (size_t)(p - plain));
        char escape[6] = {'\\', (char)*p, '0', '0', 0, 0};
        n = 2;
        switch (*p) {
        case '"':
        case '\\': break;
        case '\b': escape[1] = 'b'; break;
        case '\f': escape[1] = 'f'; break;
        case '\n': escape[1] = 'n'; break;
        case '\r': escape[1] = 'r'; break;
        case '\t': escape[1] = 't'; break;
        default:
            escape[1] = 'u';
            escape[4] = hex[*p >> 4 & 15];
            escape[5] = hex[*p & 15];
            n = 6;
        }
        if (*p >= 0x80) ww_write_(w, "\xef\xbf\xbd", 3); // U+FFFD
        else ww_write_(w, escape, n);
        plain = ++p;
    }
    ww_write_(w, (const char *)plain, (size_t)(p - plain));
    ww_write_(w, "\"", 1);
}

void ww_begin_object(ww_writer *w) { ww_begin_(w, true); }
void ww_end_object(ww_writer *w) { ww_end_(w, true); }
void ww_begin_array(ww_writer *w) { ww_begin_(w, false); }
void ww_end_array(ww_writer *w) { ww_end_(w, false); }

void ww_key_str(ww_writer *w, ww_str key) {
    if (w->error) return;
    if (w->expect != WW_FIRST_KEY_ && w->expect != WW_KEY_) {
        ww_mistake_(w, "a key outside of an object");
        return;
    }
    if (w->expect == WW_KEY_) ww_write_(w, ",", 1);
    ww_quote_(w, key);
    ww_write_(w, ":", 1);
    w->expect = WW_VALUE_;
}

void ww_key(ww_writer *w, const char *key) { ww_key_str(w, ww_cstr(key)); }

void ww_put_str(ww_writer *w, ww_str value) {
    if (!ww_begin_value_(w)) return;
    ww_quote_(w, value);
    ww_end_value_(w);
}

void ww_put_cstr(ww_writer *w, const char *value) { ww_put_str(w, ww_cstr(value)); }

void ww_put_uint(ww_writer *w, uint64_t value) {
    char text[24];
    size_t at = sizeof text;
    do text[--at] = (char)('0' + value % 10);
    while ((value /= 10) > 0);
    ww_scalar_(w, text + at, sizeof text - at);
}

void ww_put_int(ww_writer *w, int64_t value) {
    char text[24];
    size_t at = sizeof text;
    uint64_t n = value < 0 ? 0 - (uint64_t)value : (uint64_t)value;
    do text[--at] = (char)('0' + n % 10);
    while ((n /= 10) > 0);
    if (value < 0) text[--at] = '-';
    ww_scalar_(w, text + at, sizeof text - at);
}

void ww_put_double(ww_writer *w, double value) {
    char text[40];
    if (!(value >= -DBL_MAX && value <= DBL_MAX)) {
        ww_mistake_(w, "JSON has no infinite numbers and no NaN");
        return;
    }
    if (value >= -1e15 && value <= 1e15 && value == (double)(int64_t)value && (value != 0 || !signbit(value))) {
        ww_put_int(w, (int64_t)value);
        return;
    }
    int n = 0;
    for (int precision = 15; precision <= 17; precision++) {
        n = snprintf(text, sizeof text, "%.*g", precision, value);
        if (strtod(text, NULL) == value) break;
    }
    ww_scalar_(w, text, (size_t)n);
}

void ww_put_bool(ww_writer *w, bool value) { ww_scalar_(w, value ? "true" : "false", value ? 4 : 5); }
void ww_put_null(ww_writer *w) { ww_scalar_(w, "null", 4); }

void ww_put_json(ww_writer *w, ww_json v) {
    const ww_token_ *root = ww_token_of_(v);
    if (!root) {
        ww_put_null(w);
        return;
    }
    const struct ww_doc_ *d = v.doc;
    uint32_t end = root->next, open = 0, depth = 0;
    for (uint32_t i = v.index; i < end || depth > 0;) {
        if (depth > 0 && i == d->tokens[open].next) {
            ww_end_(w, d->tokens[open].kind == WW_OBJECT);
            open = d->tokens[open].at;
            depth--;
            continue;
        }
        const ww_token_ *t = &d->tokens[i];
        if (t->flags & WW_IS_KEY_) {
            ww_key_str(w, ww_token_text_(d, t));
        } else if (t->kind == WW_STRING) {
            ww_put_str(w, ww_token_text_(d, t));
        } else if (t->kind == WW_OBJECT || t->kind == WW_ARRAY) {
            ww_begin_(w, t->kind == WW_OBJECT);
            open = i;
            depth++;
        } else {
            ww_scalar_(w, d->text + t->at, t->len);
        }
        i++;
    }
}

void ww_set_str(ww_writer *w, const char *key, ww_str value) { ww_key(w, key), ww_put_str(w, value); }
void ww_set_cstr(ww_writer *w, const char *key, const char *value) { ww_key(w, key), ww_put_cstr(w, value); }
void ww_set_int(ww_writer *w, const char *key, int64_t value) { ww_key(w, key), ww_put_int(w, value); }
void ww_set_double(ww_writer *w, const char *key, double value) { ww_key(w, key), ww_put_double(w, value); }
void ww_set_bool(ww_writer *w, const char *key, bool value) { ww_key(w, key), ww_put_bool(w, value); }
void ww_set_json(ww_writer *w, const char *key, ww_json value) { ww_key(w, key), ww_put_json(w, value); }

ww_str ww_text(ww_writer *w) {
    ww_str none = {NULL, 0};
    if (!w->error && w->expect != WW_DONE_) ww_mistake_(w, w->len == 0 ? "there is no value" : "an object or array is not ended");
    if (w->error) return none;
    *ww_room_(w, 1) = 0;
    return ww_bytes(w->ptr, w->len);
}

// ---------------------------------------------------------------- Reading from the host

// One value of the host: a buffer of a likely size, and a larger one if need be.
//
//     for (ww_reading_ r = ww_reading_begin_(64); ww_reading_more_(&r);) r.size = ww_host_info(r.dst, r.cap);
typedef struct ww_reading_ {
    char *dst;
    uint32_t cap;
    int64_t size;
    bool called;
} ww_reading_;

static ww_reading_ ww_reading_begin_(uint32_t cap) {
    ww_reading_ r = {(char *)ww_alloc((size_t)cap + 1), cap, 0, false};
    return r;
}

static bool ww_reading_more_(ww_reading_ *r) {
    if (!r->called) return r->called = true;
    if (r->size <= (int64_t)r->cap) {
        r->dst[r->size > 0 ? r->size : 0] = 0;
        return false;
    }
    if (r->size >= (int64_t)UINT32_MAX) ww_die_("out of memory");
    r->cap = (uint32_t)r->size;
    r->dst = (char *)ww_alloc((size_t)r->cap + 1);
    return true;
}

static ww_str ww_reading_text_(ww_reading_ r) { return ww_bytes(r.dst, r.size > 0 ? (size_t)r.size : 0); }

// Lengths cross the border as 32 bits.
static uint32_t ww_len_(size_t len) {
    if (len > UINT32_MAX) ww_die_("more than 4 GiB at once");
    return (uint32_t)len;
}

// The sentence for the last error of the host.
static ww_str ww_host_error_(void) {
    ww_reading_ r = ww_reading_begin_(128);
    while (ww_reading_more_(&r)) r.size = ww_host_last_error(r.dst, r.cap);
    return ww_reading_text_(r);
}

ww_str ww_last_error(void) { return ww_call_.own_error ? ww_cstr(ww_call_.own_error) : ww_host_error_(); }

// ---------------------------------------------------------------- Arguments

uint32_t ww_arg_count(void) { return (uint32_t)ww_host_arg_count(); }

ww_payload ww_arg_payload(uint32_t index) {
    ww_payload p = {{"", 0}, {"", 0}};
    ww_reading_ encoding = ww_reading_begin_(40);
    while (ww_reading_more_(&encoding)) encoding.size = ww_host_arg_encoding(index, encoding.dst, encoding.cap);
    if (encoding.size < 0) {
        ww_remember_(WW_TYPE_INVALID_INPUT, index < ww_arg_count() ? ww_format("argument %" PRIu32 ": %s", index + 1, ww_host_error_().ptr).ptr
                                                            : ww_format("argument %" PRIu32 " is missing", index + 1).ptr);
        return p;
    }
    ww_reading_ data = ww_reading_begin_(1000);
    while (ww_reading_more_(&data)) data.size = ww_host_arg_read(index, data.dst, data.cap);
    p.data = ww_reading_text_(data);
    p.encoding = ww_reading_text_(encoding);
    return p;
}

void ww_reject_arg(uint32_t index, const char *what) { ww_remember_(WW_TYPE_INVALID_INPUT, ww_format("argument %" PRIu32 ": %s", index + 1, what).ptr); }

ww_json ww_arg(uint32_t index) {
    for (struct ww_doc_ *d = ww_call_.args; d; d = d->next_arg) {
        if (d->arg == index) return d->count ? ww_value_(d, 0) : ww_missing_(d, 0, "");
    }
    struct ww_doc_ *d = ww_new_doc_();
    d->is_arg = true;
    d->arg = index;
    d->next_arg = ww_call_.args;
    ww_call_.args = d;
    ww_call_.kept++;
    if (index >= ww_arg_count()) {
        ww_doc_error_(d, " is missing");
        return ww_missing_(d, 0, "");
    }
    return ww_load_payload_(d, ww_arg_payload(index));
}

ww_str ww_arg_metadata(uint32_t index) {
    ww_reading_ r = ww_reading_begin_(200);
    while (ww_reading_more_(&r)) r.size = ww_host_arg_metadata(index, r.dst, r.cap);
    if (r.size < 0) ww_remember_(WW_TYPE_INVALID_INPUT, ww_format("argument %" PRIu32 " is missing", index + 1).ptr);
    return r.size < 0 ? ww_cstr("{}") : ww_reading_text_(r);
}

// ---------------------------------------------------------------- Output

static ww_status ww_output_(ww_str data, const char *encoding) {
    ww_call_.kept++;
    ww_call_.has_output = true;
    ww_call_.has_metadata = false;
    ww_call_.output.data = data;
    ww_call_.output.encoding = ww_cstr(encoding);
    return WW_COMPLETED;
}

ww_status ww_output_json(ww_writer *w) {
    ww_str text = ww_text(w);
    if (text.ptr) return ww_output_(ww_copy_(text), WW_ENCODING_JSON); // the writer may be used again
    ww_failure f;
    memset(&f, 0, sizeof f);
    f.type = WW_TYPE_INVALID_OUTPUT;
    f.message = ww_format("result: %s", w->error).ptr;
    f.non_retryable = true;
    ww_remember_(f.type, f.message);
    return ww_fail_with(&f);
}

#define WW_OUTPUT_(PUT)            \
    ww_writer w;                   \
    memset(&w, 0, sizeof w);       \
    PUT(&w, value);                \
    return ww_output_json(&w)
ww_status ww_output_str(ww_str value) { WW_OUTPUT_(ww_put_str); }
ww_status ww_output_cstr(const char *value) { WW_OUTPUT_(ww_put_cstr); }
ww_status ww_output_int(int64_t value) { WW_OUTPUT_(ww_put_int); }
ww_status ww_output_double(double value) { WW_OUTPUT_(ww_put_double); }
ww_status ww_output_bool(bool value) { WW_OUTPUT_(ww_put_bool); }
#undef WW_OUTPUT_
ww_status ww_output_null(void) { return ww_output_(ww_cstr(""), WW_ENCODING_NULL); }
ww_status ww_output_bytes(const void *ptr, size_t len) { return ww_output_(ww_copy_(ww_bytes(ptr, len)), WW_ENCODING_BINARY); }

ww_status ww_output_payload(ww_payload p) {
    if (p.encoding.len == 0) return ww_output_with_metadata(p.data, ww_cstr("{}"));
    return ww_output_(ww_copy_(p.data), ww_copy_(p.encoding).ptr);
}

ww_status ww_output_with_metadata(ww_str data, ww_str metadata) {
    ww_output_(ww_copy_(data), "");
    ww_call_.has_metadata = true;
    ww_call_.output_metadata = ww_copy_(metadata);
    return WW_COMPLETED;
}

// Hands the output to the host.
static void ww_push_(void) {
    ww_payload p = ww_call_.output;
    int64_t n = 0;
    if (!ww_call_.has_output) return;
    if (p.data.len > 0) n = ww_host_output_write(p.data.ptr, ww_len_(p.data.len));
    if (n < 0) {
        ww_remember_(WW_TYPE_OUTPUT_TOO_LARGE, ww_format("result: %s", ww_host_error_().ptr).ptr);
        return;
    }
    if (ww_call_.has_metadata) n = ww_host_output_metadata(ww_call_.output_metadata.ptr, ww_len_(ww_call_.output_metadata.len));
    else if (p.data.len == 0 || !ww_equal(p.encoding, WW_ENCODING_JSON)) n = ww_host_output_encoding(p.encoding.ptr, ww_len_(p.encoding.len));
    if (n < 0) ww_remember_(n == -WW_EMSGSIZE ? WW_TYPE_OUTPUT_TOO_LARGE : WW_TYPE_INVALID_OUTPUT, ww_format("result: %s", ww_host_error_().ptr).ptr);
}

// ---------------------------------------------------------------- Failures

static void ww_put_failure_(ww_writer *w, const ww_failure *f, int shortened) {
    int depth = 0;
    for (; f && depth < (int)WW_MAX_CAUSE_DEPTH; f = f->cause) {
        if (depth++ > 0) ww_key(w, "cause");
        ww_begin_object(w);
        ww_str message = ww_cstr(f->message);
        if (shortened > 2 && message.len > 4096) {
            ww_str parts[2] = {ww_cut_(message, 4096), ww_cstr(" \xe2\x80\xa6")};
            message = ww_concat_n(parts, 2);
        }
        ww_json details = ww_parse(ww_cstr(f->details ? f->details : "[]"));
        const char *left_out = ww_kind(details) != WW_ARRAY ? " (details are not a JSON array and are left out)"
                               : shortened > 1 && f->details ? " (details were too long and are left out)" : "";
        ww_str parts[2] = {message, ww_cstr(left_out)};
        ww_set_str(w, "message", ww_concat_n(parts, 2));
        if (f->type) ww_set_str(w, "type", shortened > 2 ? ww_cut_(ww_cstr(f->type), 256) : ww_cstr(f->type));
        if (f->non_retryable) ww_set_bool(w, "non_retryable", true);
        if (f->benign) ww_set_cstr(w, "category", WW_CATEGORY_BENIGN);
        if (f->next_retry_delay_ms > 0) ww_set_int(w, "next_retry_delay_ms", f->next_retry_delay_ms);
        if (f->details && !*left_out) ww_set_json(w, "details", details);
        if (f->stack_trace && shortened == 0) ww_set_cstr(w, "stack_trace", f->stack_trace);
        if (shortened > 0) break; // no cause
    }
    for (; depth > 0; depth--) ww_end_object(w);
}

ww_status ww_fail_with(const ww_failure *failure) {
    for (int shortened = 0; shortened < 4; shortened++) {
        ww_writer w;
        memset(&w, 0, sizeof w);
        ww_put_failure_(&w, failure, shortened);
        ww_str text = ww_text(&w);
        if (text.ptr && ww_host_fail(text.ptr, ww_len_(text.len)) >= 0) break;
    }
    ww_call_.failure_set = true;
    return WW_FAILED;
}

ww_status ww_failf(const char *format, ...) {
    ww_failure f;
    va_list args;
    memset(&f, 0, sizeof f);
    va_start(args, format);
    f.message = ww_vformat_(format, args).ptr;
    va_end(args);
    return ww_fail_with(&f);
}

int32_t ww_run(ww_status (*body)(void)) {
    ww_reset_(); // what a constructor has left
    ww_status status = body();
    if (status == WW_COMPLETED && ww_ok()) ww_push_();
    if (status == WW_CANCELLED) ww_push_(); // refused details must not make it another outcome
    if (status == WW_COMPLETED && !ww_ok()) {
        status = WW_FAILED;
        ww_call_.failure_set = false; // the activity went on after a failure that it has set itself
    }
    if (status == WW_FAILED && !ww_call_.failure_set && !ww_ok()) {
        ww_failure f;
        memset(&f, 0, sizeof f);
        f.type = ww_call_.error_type;
        f.message = ww_call_.error;
        f.non_retryable = true;
        ww_fail_with(&f);
    }
    ww_reset_();
    return (int32_t)status;
}

// ---------------------------------------------------------------- Information

// The number that n digits make; -1 if they are not digits.
static int64_t ww_digits_(const char *s, size_t n) {
    int64_t v = 0;
    for (size_t i = 0; i < n; i++) {
        if (s[i] < '0' || s[i] > '9') return -1;
        v = v * 10 + (s[i] - '0');
    }
    return v;
}

// Unix milliseconds of an RFC 3339 time in UTC such as 2026-01-02T15:04:05.123Z; 0 if it is none.
static int64_t ww_unix_ms_(ww_str text) {
    const char *s = text.ptr;
    if (text.len < 20) return 0;
    int64_t year = ww_digits_(s, 4), month = ww_digits_(s + 5, 2), day = ww_digits_(s + 8, 2);
    int64_t hour = ww_digits_(s + 11, 2), minute = ww_digits_(s + 14, 2), second = ww_digits_(s + 17, 2), ms = 0;
    if (year < 0 || month < 1 || day < 1 || hour < 0 || minute < 0 || second < 0 || s[text.len - 1] != 'Z') return 0;
    if (s[19] == '.') {
        for (int64_t i = 20, scale = 100; s[i] >= '0' && s[i] <= '9'; i++, scale /= 10) ms += (s[i] - '0') * scale;
    }
    // Days since 1970 in the Gregorian calendar; a year begins in March here, so that the leap day is its last.
    int64_t y = month <= 2 ? year - 1 : year, m = (month + 9) % 12;
    int64_t days = y * 365 + y / 4 - y / 100 + y / 400 + (m * 306 + 5) / 10 + day - 1 - 719468;
    return (((days * 24 + hour) * 60 + minute) * 60 + second) * 1000 + ms;
}

static ww_str ww_info_str_(ww_json o, const char *key) {
    ww_json v = ww_find(o, key);
    return ww_is_set(v) ? ww_as_str(v) : ww_cstr("");
}

static int64_t ww_info_int_(ww_json o, const char *key) {
    ww_json v = ww_find(o, key);
    return ww_is_set(v) ? ww_as_int(v) : 0;
}

static double ww_info_double_(ww_json o, const char *key) {
    ww_json v = ww_find(o, key);
    return ww_is_set(v) ? ww_as_double(v) : 0;
}

const ww_activity_info *ww_info(void) {
    if (ww_call_.info) return ww_call_.info;
    ww_reading_ r = ww_reading_begin_(1000);
    while (ww_reading_more_(&r)) r.size = ww_host_info(r.dst, r.cap);
    ww_json o = ww_load_(ww_new_doc_(), r.size < 0 ? ww_copy_(ww_cstr("{}")) : ww_reading_text_(r));
    ww_activity_info *info = (ww_activity_info *)ww_alloc(sizeof *info);
    memset(info, 0, sizeof *info);
    info->activity_id = ww_info_str_(o, "activity_id");
    info->activity_type = ww_info_str_(o, "activity_type");
    info->namespace_ = ww_info_str_(o, "namespace");
    info->task_queue = ww_info_str_(o, "task_queue");
    info->workflow_type = ww_info_str_(o, "workflow_type");
    info->workflow_id = ww_info_str_(o, "workflow_id");
    info->workflow_run_id = ww_info_str_(o, "workflow_run_id");
    info->activity_run_id = ww_info_str_(o, "activity_run_id");
    info->attempt = (int32_t)ww_info_int_(o, "attempt");
    info->is_local_activity = ww_is_set(ww_find(o, "is_local_activity")) && ww_as_bool(ww_find(o, "is_local_activity"));
    info->heartbeat_timeout_ms = ww_info_int_(o, "heartbeat_timeout_ms");
    info->start_to_close_timeout_ms = ww_info_int_(o, "start_to_close_timeout_ms");
    info->schedule_to_close_timeout_ms = ww_info_int_(o, "schedule_to_close_timeout_ms");
    info->scheduled_time_ms = ww_unix_ms_(ww_info_str_(o, "scheduled_time"));
    info->started_time_ms = ww_unix_ms_(ww_info_str_(o, "started_time"));
    info->deadline_ms = ww_unix_ms_(ww_info_str_(o, "deadline"));
    ww_json policy = ww_find(o, "retry_policy");
    if (ww_kind(policy) == WW_OBJECT) {
        ww_retry_policy *p = (ww_retry_policy *)ww_alloc(sizeof *p);
        memset(p, 0, sizeof *p);
        p->initial_interval_ms = ww_info_int_(policy, "initial_interval_ms");
        p->maximum_interval_ms = ww_info_int_(policy, "maximum_interval_ms");
        p->backoff_coefficient = ww_info_double_(policy, "backoff_coefficient");
        p->maximum_attempts = (int32_t)ww_info_int_(policy, "maximum_attempts");
        ww_json types = ww_find(policy, "non_retryable_error_types");
        if (ww_kind(types) == WW_ARRAY && ww_count(types) > 0) {
            ww_str *list = (ww_str *)ww_alloc(ww_count(types) * sizeof *list);
            ww_each(type, types) list[p->non_retryable_error_type_count++] = ww_as_str(type);
            p->non_retryable_error_types = list;
        }
        info->retry_policy = p;
    }
    ww_json priority = ww_find(o, "priority");
    if (ww_kind(priority) == WW_OBJECT) {
        ww_priority *p = (ww_priority *)ww_alloc(sizeof *p);
        p->priority_key = (int32_t)ww_info_int_(priority, "priority_key");
        p->fairness_key = ww_info_str_(priority, "fairness_key");
        p->fairness_weight = ww_info_double_(priority, "fairness_weight");
        info->priority = p;
    }
    ww_call_.kept++;
    return ww_call_.info = info;
}

// ---------------------------------------------------------------- Cancellation and heartbeats

uint32_t ww_flags(void) { return (uint32_t)ww_host_status(); }

bool ww_should_stop(void) {
    return (ww_flags() & (WW_FLAGS_END | WW_WORKER_STOPPING)) != 0;
}

uint32_t ww_heartbeat(void) {
    int64_t n = ww_host_heartbeat();
    return n < 0 ? 0 : (uint32_t)n;
}

bool ww_heartbeat_add(ww_payload p) {
    if (ww_host_heartbeat_detail(p.data.ptr, ww_len_(p.data.len), p.encoding.ptr, ww_len_(p.encoding.len)) >= 0) return true;
    ww_remember_(WW_TYPE_OUTPUT_TOO_LARGE, ww_format("heartbeat details: %s", ww_host_error_().ptr).ptr);
    return false;
}

bool ww_heartbeat_add_json(ww_writer *detail) {
    ww_payload p = {ww_text(detail), {WW_ENCODING_JSON, sizeof WW_ENCODING_JSON - 1}};
    if (p.data.ptr) return ww_heartbeat_add(p);
    ww_remember_(WW_TYPE_INVALID_OUTPUT, ww_format("heartbeat details: %s", detail->error).ptr);
    return false;
}

uint32_t ww_heartbeat_json(ww_writer *progress) {
    ww_heartbeat_add_json(progress);
    return ww_heartbeat();
}

uint32_t ww_heartbeat_int(int64_t progress) {
    ww_mark mark = ww_mark_memory();
    ww_writer w;
    memset(&w, 0, sizeof w);
    ww_put_int(&w, progress);
    uint32_t flags = ww_heartbeat_json(&w);
    ww_release_memory(mark);
    return flags;
}

uint32_t ww_heartbeat_str(ww_str progress) {
    ww_mark mark = ww_mark_memory();
    ww_writer w;
    memset(&w, 0, sizeof w);
    ww_put_str(&w, progress);
    uint32_t flags = ww_heartbeat_json(&w);
    ww_release_memory(mark);
    return flags;
}

uint32_t ww_detail_count(void) { return (uint32_t)ww_host_detail_count(); }

ww_payload ww_detail_payload(uint32_t index) {
    ww_payload p = {{"", 0}, {"", 0}};
    ww_reading_ encoding = ww_reading_begin_(40), data = ww_reading_begin_(200);
    while (ww_reading_more_(&encoding)) encoding.size = ww_host_detail_encoding(index, encoding.dst, encoding.cap);
    if (encoding.size < 0) return p;
    while (ww_reading_more_(&data)) data.size = ww_host_detail_read(index, data.dst, data.cap);
    p.data = ww_reading_text_(data);
    p.encoding = ww_reading_text_(encoding);
    return p;
}

ww_json ww_detail(uint32_t index) {
    struct ww_doc_ *d = ww_new_doc_();
    if (index < ww_detail_count()) {
        ww_payload p = ww_detail_payload(index);
        if (!ww_is_json_(p.encoding) && !ww_equal(p.encoding, WW_ENCODING_NULL) && !ww_equal(p.encoding, WW_ENCODING_BINARY)) {
            ww_remember_(WW_TYPE_INVALID_INPUT, ww_format("detail %" PRIu32 " of the last heartbeat: expected JSON, got a payload of encoding %s", index + 1, p.encoding.ptr).ptr);
        }
        return ww_load_payload_(d, p);
    }
    ww_doc_error_(d, "there is no such detail");
    return ww_missing_(d, 0, "");
}

// ---------------------------------------------------------------- Logging

void ww_log_attrs(int level, ww_str message, const ww_attr *attrs, size_t count) {
    ww_mark mark = ww_mark_memory();
    ww_writer w;
    memset(&w, 0, sizeof w);
    if (count > 0) {
        ww_begin_object(&w);
        for (size_t i = 0; i < count; i++) {
            const ww_attr *a = &attrs[i];
            ww_key(&w, a->key);
            switch (a->kind) {
            case WW_ATTR_STR_: ww_put_str(&w, a->text); break;
            case WW_ATTR_INT_: ww_put_int(&w, a->integer); break;
            case WW_ATTR_BOOL_: ww_put_bool(&w, a->integer != 0); break;
            case WW_ATTR_JSON_: ww_put_json(&w, a->json); break;
            case WW_ATTR_DOUBLE_:
                if (a->number >= -DBL_MAX && a->number <= DBL_MAX) ww_put_double(&w, a->number);
                else ww_put_cstr(&w, isnan(a->number) ? "NaN" : a->number > 0 ? "+Inf" : "-Inf");
                break;
            default: ww_put_null(&w);
            }
        }
        ww_end_object(&w);
    }
    ww_host_log_write(level, message.ptr, ww_len_(message.len), w.ptr, ww_len_(w.error ? 0 : w.len));
    ww_release_memory(mark);
}

void ww_log(int level, const char *message) { ww_log_attrs(level, ww_cstr(message), NULL, 0); }

void ww_logf(int level, const char *format, ...) {
    ww_mark mark = ww_mark_memory();
    va_list args;
    va_start(args, format);
    ww_log_attrs(level, ww_vformat_(format, args), NULL, 0);
    va_end(args);
    ww_release_memory(mark);
}

// ---------------------------------------------------------------- Passthrough

// An error that the SDK has found itself. The text is static, or stays until the end of the activity.
static int ww_own_error_(int number, const char *message) {
    ww_call_.own_error = message;
    return number;
}

static int ww_call_in_(ww_host_fn *function, ww_str request, ww_alloc_fn_ *alloc, ww_str *response) {
    *response = ww_cstr("");
    ww_call_.own_error = NULL;
    int64_t n = function(request.ptr, ww_len_(request.len));
    if (n < 0) return (int)-n;
    uint32_t handle = (uint32_t)((uint64_t)n >> 32), len = (uint32_t)n, at = 0;
    if (handle == 0) return 0;
    char *p = (char *)alloc((size_t)len + 1);
    while (at < len) {
        n = ww_host_read(handle, at, p + at, len - at);
        if (n <= 0) break;
        at += (uint32_t)n;
    }
    p[at] = 0;
    ww_host_close(handle);
    if (n < 0) return (int)-n;
    if (at < len) return ww_own_error_(WW_EIO, "the response is shorter than the host said");
    *response = ww_bytes(p, len);
    return 0;
}

int ww_call(ww_host_fn *function, ww_str request, ww_str *response) { return ww_call_in_(function, request, ww_alloc, response); }

ww_status ww_fail_call(int error) {
    ww_failure f;
    memset(&f, 0, sizeof f);
    f.type = ww_errno_name(error);
    f.message = ww_last_error().ptr;
    return ww_fail_with(&f);
}

const char *ww_errno_name(int number) {
    switch (number) {
        WW_ERRNO_CASES_
    default: return "an unknown error";
    }
}

// ---------------------------------------------------------------- Frames

ww_str ww_make_frame(ww_writer *head, ww_str body) {
    ww_str text = ww_text(head);
    if (!text.ptr) return text;
    uint32_t n = ww_len_(text.len);
    unsigned char size[4] = {(unsigned char)n, (unsigned char)(n >> 8), (unsigned char)(n >> 16), (unsigned char)(n >> 24)};
    ww_str parts[3] = {{(const char *)size, 4}, text, body};
    return ww_concat_n(parts, 3);
}

bool ww_split_frame(ww_str frame, ww_str *head, ww_str *body) {
    *head = *body = ww_cstr("");
    if (frame.len < 4) return false;
    const unsigned char *s = (const unsigned char *)frame.ptr;
    uint32_t n = (uint32_t)s[0] | (uint32_t)s[1] << 8 | (uint32_t)s[2] << 16 | (uint32_t)s[3] << 24;
    if (n > frame.len - 4) return false;
    *head = ww_bytes(frame.ptr + 4, n);
    *body = ww_bytes(frame.ptr + 4 + n, frame.len - 4 - n);
    return true;
}

// What a response's head and rows are read from, in memory that can be freed before the activity ends.
struct ww_batch_ {
    struct ww_doc_ doc;
    void *response;
};

static void ww_drop_batch_(struct ww_batch_ **b) {
    if (!*b) return;
    ww_let_go_((*b)->response);
    ww_let_go_((*b)->doc.tokens);
    ww_let_go_(*b);
    *b = NULL;
}

// Parses a response's head where it is. It need not be followed by a NUL, since it has to be an object: its last number ends before
// a brace.
static int ww_load_head_(struct ww_doc_ *d, ww_str response, ww_alloc_fn_ *alloc, ww_json *head, ww_str *body) {
    ww_str text;
    if (!ww_split_frame(response, &text, body)) return ww_own_error_(WW_EIO, "the response is not a frame");
    *head = ww_load_in_(d, text, alloc);
    return ww_kind(*head) == WW_OBJECT ? 0 : ww_own_error_(WW_EIO, "the head of the response is not a JSON object");
}

// Sends a frame and takes one for a response.
static int ww_exchange_(ww_host_fn *function, ww_writer *w, ww_str body, ww_json *head, ww_str *rest) {
    ww_str request = ww_make_frame(w, body), response;
    memset(head, 0, sizeof *head);
    *rest = ww_cstr("");
    if (!request.ptr) return ww_own_error_(WW_EINVAL, w->error);
    int err = ww_call(function, request, &response);
    return err ? err : ww_load_head_(ww_new_doc_(), response, ww_alloc, head, rest);
}

// The same in memory of its own, which ww_drop_batch_ frees.
static int ww_exchange_batch_(ww_host_fn *function, ww_writer *w, ww_str body, struct ww_batch_ **batch, ww_json *head, ww_str *rest) {
    ww_str request = ww_make_frame(w, body), response;
    if (!request.ptr) return ww_own_error_(WW_EINVAL, w->error);
    int err = ww_call_in_(function, request, ww_hold_, &response);
    if (err) return err;
    struct ww_batch_ *b = *batch = (struct ww_batch_ *)ww_hold_(sizeof *b);
    memset(b, 0, sizeof *b);
    if (response.len > 0) b->response = (void *)(uintptr_t)response.ptr;
    return ww_load_head_(&b->doc, response, ww_hold_, head, rest);
}

// Sends a frame to a function whose response is empty.
static int ww_tell_(ww_host_fn *function, ww_writer *w, ww_str body) {
    ww_mark mark = ww_mark_memory();
    ww_str request = ww_make_frame(w, body), response;
    int err = request.ptr ? ww_call(function, request, &response) : ww_own_error_(WW_EINVAL, w->error);
    ww_release_memory(mark);
    return err;
}

// The same with one number in the head.
static int ww_tell_id_(ww_host_fn *function, const char *name, uint64_t id) {
    ww_mark mark = ww_mark_memory();
    ww_writer w;
    memset(&w, 0, sizeof w);
    ww_begin_object(&w);
    ww_key(&w, name);
    ww_put_uint(&w, id);
    ww_end_object(&w);
    int err = ww_tell_(function, &w, ww_cstr(""));
    ww_release_memory(mark);
    return err;
}

// What was wrong with the values that were read from a response.
static int ww_read_error_(ww_json v) { return ww_error(v) ? ww_own_error_(WW_EIO, ww_error(v)) : 0; }

// The last error's sentence, to be told again later.
static const char *ww_keep_error_(void) {
    ww_call_.kept++;
    return ww_copy_(ww_last_error()).ptr;
}

static uint64_t ww_head_uint_(ww_json head, const char *key) {
    ww_json v = ww_find(head, key);
    return ww_is_set(v) ? ww_as_uint(v) : 0;
}

// ---------------------------------------------------------------- HTTP

int ww_http_send(const ww_http_request *request, ww_http_response *response) {
    ww_writer w;
    ww_json head;
    memset(&w, 0, sizeof w);
    memset(response, 0, sizeof *response);
    ww_begin_object(&w);
    if (request->method) ww_set_cstr(&w, "method", request->method);
    ww_set_str(&w, "url", request->url);
    if (request->timeout_ms > 0) ww_set_int(&w, "timeout_ms", request->timeout_ms);
    ww_key(&w, "headers");
    ww_begin_object(&w);
    for (size_t i = 0; i < request->header_count; i++) {
        const char *name = request->headers[i].name;
        size_t first = 0;
        while (strcmp(request->headers[first].name, name) != 0) first++;
        if (first < i) continue; // it is there with the others of its name
        ww_key(&w, name);
        ww_begin_array(&w);
        for (size_t k = i; k < request->header_count; k++) {
            if (strcmp(request->headers[k].name, name) == 0) ww_put_str(&w, request->headers[k].value);
        }
        ww_end_array(&w);
    }
    ww_end_object(&w);
    ww_end_object(&w);
    int err = ww_exchange_(ww_host_http_send, &w, request->body, &head, &response->body);
    if (err) return err;
    response->status = (int)ww_as_int_in(ww_get(head, "status"), 100, 999);
    response->headers = ww_find(head, "headers");
    return ww_read_error_(head);
}

static bool ww_same_name_(ww_str a, const char *b) {
    for (size_t i = 0; i < a.len; i++) {
        unsigned char x = (unsigned char)a.ptr[i], y = (unsigned char)b[i];
        if (x >= 'A' && x <= 'Z') x = (unsigned char)(x + 32);
        if (y >= 'A' && y <= 'Z') y = (unsigned char)(y + 32);
        if (x != y || y == 0) return false;
    }
    return b[a.len] == 0;
}

ww_str ww_http_find(const ww_http_response *response, const char *name) {
    if (!ww_is_set(response->headers)) return ww_cstr("");
    ww_each(values, response->headers) {
        if (ww_same_name_(ww_key_of(values), name) && ww_count(values) > 0) return ww_as_str(ww_first(values));
    }
    return ww_cstr("");
}

// ---------------------------------------------------------------- Configuration and secrets

int ww_config_get(const char *name, ww_str *value) { return ww_call(ww_host_config_get, ww_cstr(name), value); }
int ww_secret_reveal(const char *name, ww_str *value) { return ww_call(ww_host_secret_reveal, ww_cstr(name), value); }

// ---------------------------------------------------------------- SQL

static ww_sql_arg ww_sql_arg_(ww_sql_kind_ kind) {
    ww_sql_arg a;
    memset(&a, 0, sizeof a);
    a.kind = kind;
    return a;
}

ww_sql_arg ww_sql_null(void) { return ww_sql_arg_(WW_SQL_NULL_); }

ww_sql_arg ww_sql_bool(bool value) {
    ww_sql_arg a = ww_sql_arg_(WW_SQL_BOOL_);
    a.integer = value;
    return a;
}

ww_sql_arg ww_sql_int(int64_t value) {
    ww_sql_arg a = ww_sql_arg_(WW_SQL_INT_);
    a.integer = value;
    return a;
}

ww_sql_arg ww_sql_double(double value) {
    ww_sql_arg a = ww_sql_arg_(WW_SQL_DOUBLE_);
    a.number = value;
    return a;
}

ww_sql_arg ww_sql_text(ww_str value) {
    ww_sql_arg a = ww_sql_arg_(WW_SQL_TEXT_);
    a.text = value;
    return a;
}

ww_sql_arg ww_sql_bytes(ww_str value) {
    ww_sql_arg a = ww_sql_arg_(WW_SQL_BYTES_);
    a.text = value;
    return a;
}

// A number that has a fraction or an exponent even if it is whole, by which the host tells it from an integer.
static void ww_put_real_(ww_writer *w, double value) {
    char text[44];
    if (!(value >= -DBL_MAX && value <= DBL_MAX)) {
        ww_mistake_(w, "an argument is not a finite number");
        return;
    }
    int n = 0;
    for (int precision = 15; precision <= 17; precision++) {
        n = snprintf(text, sizeof text - 3, "%.*g", precision, value);
        if (strtod(text, NULL) == value) break;
    }
    if (!strpbrk(text, ".e")) {
        memcpy(text + n, ".0", 3);
        n += 2;
    }
    ww_scalar_(w, text, (size_t)n);
}

// Where a statement runs.
static void ww_sql_target_(ww_writer *w, ww_sql db) {
    if (db.connection) {
        ww_set_cstr(w, "connection", db.connection);
    } else {
        ww_key(w, "transaction");
        ww_put_uint(w, db.transaction);
    }
}

// Writes a statement's head, and returns its body.
static ww_str ww_sql_statement_(ww_writer *w, ww_sql db, const char *sql, const ww_sql_arg *args, size_t count, uint32_t max_rows) {
    size_t offset = 0, bytes = 0;
    ww_str *parts = (ww_str *)ww_alloc((count + 1) * sizeof *parts);
    memset(w, 0, sizeof *w);
    ww_begin_object(w);
    ww_sql_target_(w, db);
    ww_set_cstr(w, "sql", sql);
    if (max_rows > 0) ww_set_int(w, "max_rows", max_rows);
    ww_key(w, "args");
    ww_begin_array(w);
    for (size_t i = 0; i < count; i++) {
        const ww_sql_arg *a = &args[i];
        switch (a->kind) {
        case WW_SQL_BOOL_: ww_put_bool(w, a->integer != 0); break;
        case WW_SQL_INT_: ww_put_int(w, a->integer); break;
        case WW_SQL_DOUBLE_: ww_put_real_(w, a->number); break;
        case WW_SQL_TEXT_: ww_put_str(w, a->text); break;
        case WW_SQL_BYTES_:
            ww_begin_object(w);
            ww_key(w, "bytes");
            ww_begin_array(w);
            ww_put_uint(w, offset);
            ww_put_uint(w, a->text.len);
            ww_end_array(w);
            ww_end_object(w);
            offset += a->text.len;
            parts[bytes++] = a->text;
            break;
        case WW_SQL_NULL_:
        default: ww_put_null(w);
        }
    }
    ww_end_array(w);
    ww_end_object(w);
    return ww_concat_n(parts, bytes);
}

// Ends the rows with an error.
static int ww_sql_stop_(ww_sql_rows *r, int error) {
    r->error = error;
    r->message = ww_keep_error_();
    ww_json none = {NULL, 0, NULL};
    r->row = r->following = none;
    ww_drop_batch_(&r->batch);
    // If the host does not close it now, it does when the activity ends.
    if (r->cursor) ww_tell_id_(ww_host_sql_close, "cursor", r->cursor);
    r->cursor = 0;
    return ww_own_error_(r->error, r->message);
}

// Takes a batch, whose columns are there if it is the first.
static int ww_sql_load_(ww_sql_rows *r, ww_json head) {
    r->cursor = ww_head_uint_(head, "cursor");
    ww_json rows = ww_find(head, "rows"), none = {NULL, 0, NULL};
    r->following = ww_is_set(rows) ? ww_first(rows) : none;
    return ww_read_error_(head);
}

int ww_sql_query(ww_sql db, const char *sql, const ww_sql_arg *args, size_t count, ww_sql_rows *r) {
    ww_writer w, columns;
    ww_json head;
    memset(r, 0, sizeof *r);
    r->batch_rows = db.batch_rows;
    ww_mark mark = ww_mark_memory();
    ww_str body = ww_sql_statement_(&w, db, sql, args, count, db.batch_rows);
    int err = ww_exchange_batch_(ww_host_sql_query, &w, body, &r->batch, &head, &r->body);
    ww_release_memory(mark);
    if (err) return ww_sql_stop_(r, err);
    // They outlive the batch.
    memset(&columns, 0, sizeof columns);
    ww_json named = ww_find(head, "columns");
    r->column_count = ww_count(named);
    ww_put_json(&columns, named);
    r->columns = ww_parse(ww_text(&columns));
    err = ww_sql_load_(r, head);
    return err ? ww_sql_stop_(r, err) : 0;
}

bool ww_sql_next(ww_sql_rows *r) {
    if (r->error) return false;
    int err = ww_read_error_(r->row);
    while (!err) {
        if (ww_exists(r->following)) {
            r->row = r->following;
            r->following = ww_next(r->row);
            if (ww_kind(r->row) == WW_ARRAY && ww_count(r->row) == r->column_count) return true;
            err = ww_own_error_(WW_EIO, "a row has not as many values as there are columns");
            break;
        }
        ww_json head, none = {NULL, 0, NULL};
        r->row = r->following = none;
        ww_drop_batch_(&r->batch);
        if (!r->cursor) return false;
        ww_mark mark = ww_mark_memory();
        ww_writer w;
        memset(&w, 0, sizeof w);
        ww_begin_object(&w);
        ww_key(&w, "cursor");
        ww_put_uint(&w, r->cursor);
        if (r->batch_rows > 0) ww_set_int(&w, "max_rows", r->batch_rows);
        ww_end_object(&w);
        err = ww_exchange_batch_(ww_host_sql_fetch, &w, ww_cstr(""), &r->batch, &head, &r->body);
        ww_release_memory(mark);
        if (!err) err = ww_sql_load_(r, head);
    }
    ww_sql_stop_(r, err);
    return false;
}

ww_json ww_sql_at(const ww_sql_rows *r, uint32_t column) { return ww_at(r->row, column); }

ww_json ww_sql_get(const ww_sql_rows *r, const char *column) {
    uint32_t i = 0;
    ww_each(c, r->columns) {
        if (ww_equal(ww_as_str(ww_find(c, "name")), column)) return ww_at(r->row, i);
        i++;
    }
    ww_reject(r->row, ww_format("the query has no column %s", column).ptr);
    return ww_missing_(r->row.doc, r->row.index, "");
}

ww_str ww_sql_as_bytes(const ww_sql_rows *r, ww_json value) {
    ww_str none = {"", 0};
    if (ww_kind(value) != WW_OBJECT) {
        ww_expected_(value, "bytes");
        return none;
    }
    ww_json part = ww_get(value, "bytes");
    if (ww_kind(part) != WW_ARRAY || ww_count(part) != 2) {
        ww_expected_(part, "two numbers");
        return none;
    }
    uint64_t offset = ww_as_uint(ww_at(part, 0)), length = ww_as_uint(ww_at(part, 1));
    if (ww_error(value)) return none;
    if (offset <= r->body.len && length <= r->body.len - offset) return ww_bytes(r->body.ptr + offset, (size_t)length);
    ww_reject(value, "the bytes are not there");
    return none;
}

int ww_sql_close(ww_sql_rows *r) {
    if (r->error) return ww_own_error_(r->error, r->message);
    int err = ww_read_error_(r->row);
    if (err) return ww_sql_stop_(r, err);
    ww_json none = {NULL, 0, NULL};
    r->row = r->following = none;
    ww_drop_batch_(&r->batch);
    if (r->cursor) ww_tell_id_(ww_host_sql_close, "cursor", r->cursor);
    r->cursor = 0;
    return 0;
}

int ww_sql_exec(ww_sql db, const char *sql, const ww_sql_arg *args, size_t count, int64_t *affected) {
    ww_mark mark = ww_mark_memory();
    ww_writer w;
    ww_json head;
    ww_str rest, body = ww_sql_statement_(&w, db, sql, args, count, 0);
    int err = ww_exchange_(ww_host_sql_exec, &w, body, &head, &rest);
    ww_json n = ww_find(head, "rows_affected");
    int64_t rows = !err && ww_is_set(n) ? ww_as_int(n) : 0;
    if (!err) err = ww_read_error_(head);
    if (affected) *affected = rows;
    ww_release_memory(mark);
    return err;
}

int ww_sql_begin(ww_sql db, const ww_sql_options *options, ww_sql *transaction) {
    ww_writer w;
    ww_json head;
    ww_str rest;
    memset(&w, 0, sizeof w);
    ww_begin_object(&w);
    ww_sql_target_(&w, db);
    if (options && options->read_only) ww_set_bool(&w, "read_only", true);
    if (options && options->isolation) ww_set_cstr(&w, "isolation", options->isolation);
    ww_end_object(&w);
    memset(transaction, 0, sizeof *transaction);
    transaction->batch_rows = db.batch_rows;
    int err = ww_exchange_(ww_host_sql_begin, &w, ww_cstr(""), &head, &rest);
    if (err) return err;
    transaction->transaction = ww_as_uint(ww_get(head, "transaction"));
    return ww_read_error_(head);
}

int ww_sql_commit(ww_sql *transaction) { return ww_tell_id_(ww_host_sql_commit, "transaction", transaction->transaction); }
int ww_sql_rollback(ww_sql *transaction) { return ww_tell_id_(ww_host_sql_rollback, "transaction", transaction->transaction); }

// ---------------------------------------------------------------- Objects

// Writes the head of most requests.
static void ww_blob_head_(ww_writer *w, const char *bucket, ww_str key, const ww_blob_range *range, const ww_blob_options *options) {
    memset(w, 0, sizeof *w);
    ww_begin_object(w);
    ww_set_cstr(w, "bucket", bucket);
    ww_set_str(w, "key", key);
    if (range && range->offset > 0) ww_key(w, "offset"), ww_put_uint(w, range->offset);
    if (range && range->length != WW_BLOB_REST) ww_key(w, "length"), ww_put_uint(w, range->length);
    if (options && options->content_type) ww_set_cstr(w, "content_type", options->content_type);
    if (options && options->metadata_count > 0) {
        ww_key(w, "metadata");
        ww_begin_object(w);
        for (size_t i = 0; i < options->metadata_count; i++) ww_set_str(w, options->metadata[i].name, options->metadata[i].value);
        ww_end_object(w);
    }
    if (options && options->if_none_match) ww_set_bool(w, "if_none_match", true);
    ww_end_object(w);
}

static int ww_blob_load_(ww_json head, ww_blob_attributes *a) {
    if (!a) return ww_read_error_(head);
    a->size = ww_head_uint_(head, "size");
    a->content_type = ww_info_str_(head, "content_type");
    a->etag = ww_info_str_(head, "etag");
    a->modified_ms = ww_unix_ms_(ww_info_str_(head, "modified"));
    a->metadata = ww_find(head, "metadata");
    return ww_read_error_(head);
}

int ww_blob_get(const char *bucket, ww_str key, const ww_blob_range *range, ww_str *data, ww_blob_attributes *attributes) {
    ww_writer w;
    ww_json head;
    if (attributes) memset(attributes, 0, sizeof *attributes);
    ww_blob_head_(&w, bucket, key, range, NULL);
    int err = ww_exchange_(ww_host_blob_get, &w, ww_cstr(""), &head, data);
    return err ? err : ww_blob_load_(head, attributes);
}

int ww_blob_put(const char *bucket, ww_str key, ww_str data, const ww_blob_options *options) {
    ww_mark mark = ww_mark_memory();
    ww_writer w;
    ww_blob_head_(&w, bucket, key, NULL, options);
    int err = ww_tell_(ww_host_blob_put, &w, data);
    ww_release_memory(mark);
    return err;
}

int ww_blob_stat(const char *bucket, ww_str key, ww_blob_attributes *attributes) {
    ww_writer w;
    ww_json head;
    ww_str rest;
    memset(attributes, 0, sizeof *attributes);
    ww_blob_head_(&w, bucket, key, NULL, NULL);
    int err = ww_exchange_(ww_host_blob_stat, &w, ww_cstr(""), &head, &rest);
    return err ? err : ww_blob_load_(head, attributes);
}

int ww_blob_delete(const char *bucket, ww_str key) {
    ww_mark mark = ww_mark_memory();
    ww_writer w;
    ww_blob_head_(&w, bucket, key, NULL, NULL);
    int err = ww_tell_(ww_host_blob_delete, &w, ww_cstr(""));
    ww_release_memory(mark);
    return err;
}

// Fetches a list's first or next page.
static int ww_blob_page_(ww_blob_list *list) {
    ww_mark mark = ww_mark_memory();
    struct ww_batch_ *last = list->batch; // which has the name of the page
    ww_writer w;
    ww_json head, none = {NULL, 0, NULL};
    ww_str rest;
    memset(&w, 0, sizeof w);
    ww_begin_object(&w);
    ww_set_cstr(&w, "bucket", list->bucket);
    ww_set_str(&w, "prefix", list->prefix);
    if (list->delimiter) ww_set_cstr(&w, "delimiter", list->delimiter);
    if (list->page_size > 0) ww_set_int(&w, "max", list->page_size);
    if (last) ww_set_str(&w, "page", ww_info_str_(ww_value_(&last->doc, 0), "next"));
    ww_end_object(&w);
    list->batch = NULL;
    list->following = none;
    int err = ww_exchange_batch_(ww_host_blob_list, &w, ww_cstr(""), &list->batch, &head, &rest);
    ww_drop_batch_(&last);
    ww_release_memory(mark);
    if (err) return err;
    ww_json objects = ww_find(head, "objects");
    if (ww_is_set(objects)) list->following = ww_first(objects);
    return ww_read_error_(head);
}

bool ww_blob_next(ww_blob_list *list, ww_blob_entry *entry) {
    int err = 0;
    memset(entry, 0, sizeof *entry);
    entry->key = ww_cstr("");
    if (list->error) return false;
    while (!err) {
        if (ww_exists(list->following)) {
            ww_json v = list->following, prefix = ww_find(v, "prefix");
            list->following = ww_next(v);
            entry->key = ww_as_str(ww_get(v, "key"));
            entry->is_prefix = ww_is_set(prefix) && ww_as_bool(prefix);
            entry->size = ww_head_uint_(v, "size");
            entry->modified_ms = ww_unix_ms_(ww_info_str_(v, "modified"));
            if (!(err = ww_read_error_(v))) return true;
            break;
        }
        if (list->begun && (!list->batch || ww_info_str_(ww_value_(&list->batch->doc, 0), "next").len == 0)) {
            ww_drop_batch_(&list->batch);
            return false;
        }
        list->begun = true;
        err = ww_blob_page_(list);
    }
    list->error = err;
    list->message = ww_keep_error_();
    ww_drop_batch_(&list->batch);
    ww_own_error_(err, list->message);
    return false;
}

int ww_blob_end(ww_blob_list *list) {
    ww_json none = {NULL, 0, NULL};
    list->following = none;
    list->begun = true;
    ww_drop_batch_(&list->batch);
    return list->error ? ww_own_error_(list->error, list->message) : 0;
}

// A reader or writer of a response's head. None has the number 0.
static int ww_blob_id_(ww_json head, const char *name, uint64_t *id) {
    *id = ww_as_uint(ww_get(head, name));
    return ww_read_error_(head);
}

int ww_blob_open(const char *bucket, ww_str key, const ww_blob_range *range, ww_blob_reader *reader, ww_blob_attributes *attributes) {
    ww_writer w;
    ww_json head;
    ww_str rest;
    memset(reader, 0, sizeof *reader);
    if (attributes) memset(attributes, 0, sizeof *attributes);
    ww_blob_head_(&w, bucket, key, range, NULL);
    int err = ww_exchange_(ww_host_blob_open, &w, ww_cstr(""), &head, &rest);
    if (!err) err = ww_blob_id_(head, "reader", &reader->id);
    return err ? err : ww_blob_load_(head, attributes);
}

int ww_blob_read(ww_blob_reader *reader, void *dst, size_t cap, size_t *size) {
    int err = 0;
    *size = 0;
    if (cap > 1u << 20) cap = 1u << 20;
    // A piece without bytes is not the end unless it says so.
    while (!err && *size == 0 && cap > 0 && !reader->ended) {
        ww_mark mark = ww_mark_memory();
        ww_writer w;
        ww_json head;
        ww_str data;
        memset(&w, 0, sizeof w);
        ww_begin_object(&w);
        ww_key(&w, "reader");
        ww_put_uint(&w, reader->id);
        ww_key(&w, "max");
        ww_put_uint(&w, cap);
        ww_end_object(&w);
        err = ww_exchange_(ww_host_blob_read, &w, ww_cstr(""), &head, &data);
        if (!err && data.len > cap) err = ww_own_error_(WW_EIO, "the host has read more than it was asked for");
        if (!err) {
            ww_json end = ww_find(head, "end");
            reader->ended = ww_is_set(end) && ww_as_bool(end);
            err = ww_read_error_(head);
            if (data.len > 0) memcpy(dst, data.ptr, data.len);
            *size = data.len;
        }
        ww_release_memory(mark);
    }
    return err;
}

int ww_blob_close(ww_blob_reader *reader) { return ww_tell_id_(ww_host_blob_close, "reader", reader->id); }

int ww_blob_create(const char *bucket, ww_str key, const ww_blob_options *options, ww_blob_writer *writer) {
    ww_writer w;
    ww_json head;
    ww_str rest;
    memset(writer, 0, sizeof *writer);
    ww_blob_head_(&w, bucket, key, NULL, options);
    int err = ww_exchange_(ww_host_blob_create, &w, ww_cstr(""), &head, &rest);
    return err ? err : ww_blob_id_(head, "writer", &writer->id);
}

int ww_blob_write(ww_blob_writer *writer, ww_str data) {
    ww_mark mark = ww_mark_memory();
    ww_writer w;
    memset(&w, 0, sizeof w);
    ww_begin_object(&w);
    ww_key(&w, "writer");
    ww_put_uint(&w, writer->id);
    ww_end_object(&w);
    int err = ww_tell_(ww_host_blob_write, &w, data);
    ww_release_memory(mark);
    return err;
}

int ww_blob_commit(ww_blob_writer *writer) { return ww_tell_id_(ww_host_blob_commit, "writer", writer->id); }
int ww_blob_abort(ww_blob_writer *writer) { return ww_tell_id_(ww_host_blob_close, "writer", writer->id); }

#ifdef __cplusplus
} // extern "C"
#endif
#endif // WASMWORKER_IMPLEMENTATION
