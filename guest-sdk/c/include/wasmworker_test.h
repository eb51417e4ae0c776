// wasmworker_test.h - runs activities natively, against a host that only remembers. Version 0.1.0.
//
// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The wasmworker authors
//
// Include it in exactly one file of a native test program. It works for activities in C and in C++, and needs no
// WebAssembly toolchain:
//
//     #include "greet.c"              // the activities, with WASMWORKER_IMPLEMENTATION
//     #include <wasmworker_test.h>
//
//     int main(void) {
//         ww_test_arg("{\"name\": \"Ada\"}");
//         assert(WW_TEST_RUN(greet) == WW_COMPLETED);
//         assert(strcmp(ww_test_output(), "{\"greeting\":\"Hello, Ada!\"}") == 0);
//         ww_test_reset();            // before the next one
//     }
//
// What it returns is valid until ww_test_reset or the next run.

#ifndef WASMWORKER_TEST_H
#define WASMWORKER_TEST_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "wasmworker.h"

// Some functions may be unused by a test.
#if defined(__GNUC__) || defined(__clang__)
#define WW_TEST_FN_ __attribute__((unused)) static
#else
#define WW_TEST_FN_ static
#endif

// Runs an activity, defined by WW_ACTIVITY(name) or WASMWORKER_ACTIVITY(name), with what was set up. Returns its status.
#define WW_TEST_RUN(name) ww_test_run_(ww_export_##name)
// Declares an activity that is defined in another file.
#define WW_TEST_ACTIVITY(name) WW_EXTERN_C_ int32_t ww_export_##name(void)

typedef struct ww_test_text_ {
    char *ptr;
    size_t len;
} ww_test_text_;

enum { WW_TEST_MAX_ = 64 };

static struct {
    bool running;
    ww_test_text_ args[WW_TEST_MAX_][2], details[WW_TEST_MAX_][2]; // data and encoding
    uint32_t arg_count, detail_count;
    ww_test_text_ info, output, encoding, metadata, failure, logs, heartbeats, pending, response, error;
    size_t output_limit;
    uint32_t heartbeat_count, pending_count, flags, flags_after, flags_then;
    uint32_t next_handle, handle;
    bool has_output;
    struct {
        const char *module, *function;
        ww_host_fn *answer;
    } fakes[WW_TEST_MAX_];
    uint32_t fake_count;
} ww_test_;

WW_TEST_FN_ void ww_test_append_(ww_test_text_ *t, const void *ptr, size_t len) {
    t->ptr = (char *)realloc(t->ptr, t->len + len + 1);
    if (!t->ptr) abort();
    if (len) memcpy(t->ptr + t->len, ptr, len);
    t->len += len;
    t->ptr[t->len] = 0;
}

WW_TEST_FN_ void ww_test_clear_(ww_test_text_ *t) {
    free(t->ptr);
    t->ptr = NULL;
    t->len = 0;
}

WW_TEST_FN_ void ww_test_set_(ww_test_text_ *t, const void *ptr, size_t len) {
    ww_test_clear_(t);
    ww_test_append_(t, ptr, len);
}

// ---------------------------------------------------------------- Before the run

// Forgets everything.
WW_TEST_FN_ void ww_test_reset(void) {
    for (int i = 0; i < WW_TEST_MAX_; i++) {
        for (int k = 0; k < 2; k++) {
            ww_test_clear_(&ww_test_.args[i][k]);
            ww_test_clear_(&ww_test_.details[i][k]);
        }
    }
    ww_test_text_ *texts[] = {&ww_test_.info, &ww_test_.output, &ww_test_.encoding, &ww_test_.metadata, &ww_test_.failure, &ww_test_.logs,
                              &ww_test_.heartbeats, &ww_test_.pending, &ww_test_.response, &ww_test_.error};
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) ww_test_clear_(texts[i]);
    memset(&ww_test_, 0, sizeof ww_test_);
}

// Adds an argument of any encoding.
WW_TEST_FN_ void ww_test_arg_payload(const void *ptr, size_t len, const char *encoding) {
    if (ww_test_.arg_count == WW_TEST_MAX_) abort();
    ww_test_text_ *arg = ww_test_.args[ww_test_.arg_count++];
    ww_test_set_(&arg[0], ptr, len);
    ww_test_set_(&arg[1], encoding, strlen(encoding));
}

// Adds an argument, which is JSON.
WW_TEST_FN_ void ww_test_arg(const char *json) { ww_test_arg_payload(json, strlen(json), "json/plain"); }

// Adds a detail of any encoding of the last heartbeat of the attempt before.
WW_TEST_FN_ void ww_test_detail_payload(const void *ptr, size_t len, const char *encoding) {
    if (ww_test_.detail_count == WW_TEST_MAX_) abort();
    ww_test_text_ *detail = ww_test_.details[ww_test_.detail_count++];
    ww_test_set_(&detail[0], ptr, len);
    ww_test_set_(&detail[1], encoding, strlen(encoding));
}

// Adds a detail, which is JSON.
WW_TEST_FN_ void ww_test_detail(const char *json) { ww_test_detail_payload(json, strlen(json), "json/plain"); }

// Sets what ww_info() returns, as JSON of the shape in abi/SPEC.md. Without it: a first attempt, and little else.
WW_TEST_FN_ void ww_test_info(const char *json) { ww_test_set_(&ww_test_.info, json, strlen(json)); }

// Sets flags, such as WW_CANCEL_REQUESTED, once the activity has sent so many heartbeats.
WW_TEST_FN_ void ww_test_flags(uint32_t flags, uint32_t heartbeats) {
    if (heartbeats == 0) ww_test_.flags = flags;
    ww_test_.flags_then = flags;
    ww_test_.flags_after = heartbeats;
}

// Sets how long the output, and the details of a heartbeat, may be. 2 MiB without it.
WW_TEST_FN_ void ww_test_output_limit(size_t bytes) { ww_test_.output_limit = bytes; }

// ---------------------------------------------------------------- Fakes of passthrough functions
//
//     int64_t forecast(const void *request, uint32_t len) { return ww_test_respond("{\"sunny\": true}"); }
//
// Those of wasmworker's own modules have other names, and ww_test_fake knows them:
//
//     int64_t one_row(const void *request, uint32_t len) { return ww_test_respond_frame("{\"columns\": [{\"name\": \"n\"}], \"rows\": [[1]]}", "", 0); }
//     …
//     ww_test_fake("wasmworker:sql/v1", "query", one_row);

// Stands in for a function of http, config, secret, sql or blob, until ww_test_reset. Without it that function refuses with ENOSYS.
WW_TEST_FN_ void ww_test_fake(const char *module, const char *function, ww_host_fn *answer) {
    if (ww_test_.fake_count == WW_TEST_MAX_) abort();
    ww_test_.fakes[ww_test_.fake_count].module = module;
    ww_test_.fakes[ww_test_.fake_count].function = function;
    ww_test_.fakes[ww_test_.fake_count++].answer = answer;
}

// The result of a function that answers.
WW_TEST_FN_ int64_t ww_test_respond_bytes(const void *ptr, size_t len) {
    ww_test_set_(&ww_test_.response, ptr, len);
    if (len == 0) return 0;
    ww_test_.handle = ++ww_test_.next_handle;
    return (int64_t)((uint64_t)ww_test_.handle << 32 | (uint32_t)len);
}

WW_TEST_FN_ int64_t ww_test_respond(const char *response) { return ww_test_respond_bytes(response, strlen(response)); }

// The same for a frame, of a head in JSON and a body.
WW_TEST_FN_ int64_t ww_test_respond_frame(const char *head, const void *body, size_t len) {
    size_t n = strlen(head);
    unsigned char size[4] = {(unsigned char)n, (unsigned char)(n >> 8), (unsigned char)(n >> 16), (unsigned char)(n >> 24)};
    ww_test_text_ t = {NULL, 0};
    ww_test_append_(&t, size, 4);
    ww_test_append_(&t, head, n);
    ww_test_append_(&t, body, len);
    int64_t result = ww_test_respond_bytes(t.ptr, t.len);
    ww_test_clear_(&t);
    return result;
}

// The result of a host function that refuses.
WW_TEST_FN_ int64_t ww_test_refuse(int number, const char *message) {
    ww_test_set_(&ww_test_.error, message, strlen(message));
    return -(int64_t)number;
}

// ---------------------------------------------------------------- After the run

// The output; NULL if there was none.
WW_TEST_FN_ const char *ww_test_output(void) { return ww_test_.has_output ? ww_test_.output.ptr : NULL; }
WW_TEST_FN_ size_t ww_test_output_len(void) { return ww_test_.output.len; }
// Its encoding; NULL if it has none.
WW_TEST_FN_ const char *ww_test_output_encoding(void) { return ww_test_.encoding.ptr; }
// Its metadata, if the activity has set all of them; otherwise NULL.
WW_TEST_FN_ const char *ww_test_output_metadata(void) { return ww_test_.metadata.ptr; }
// The failure as JSON of the shape in abi/SPEC.md; NULL if there was none.
WW_TEST_FN_ const char *ww_test_failure(void) { return ww_test_.failure.ptr; }
// The log, a record a line: "4 low stock {"left":3}"; "" if it is empty.
WW_TEST_FN_ const char *ww_test_logs(void) { return ww_test_.logs.ptr ? ww_test_.logs.ptr : ""; }
// The heartbeats, one a line: their details with spaces between them; "" if there were none.
WW_TEST_FN_ const char *ww_test_heartbeats(void) { return ww_test_.heartbeats.ptr ? ww_test_.heartbeats.ptr : ""; }
// How many responses of passthrough functions were not closed.
WW_TEST_FN_ int ww_test_open_handles(void) { return ww_test_.handle != 0; }

WW_TEST_FN_ int32_t ww_test_run_(int32_t (*activity)(void)) {
    ww_test_text_ *results[] = {&ww_test_.output, &ww_test_.encoding, &ww_test_.metadata, &ww_test_.failure, &ww_test_.logs, &ww_test_.heartbeats};
    for (size_t i = 0; i < sizeof results / sizeof results[0]; i++) ww_test_clear_(results[i]);
    ww_test_.has_output = false;
    ww_test_.heartbeat_count = 0;
    ww_test_append_(&ww_test_.output, "", 0);
    ww_test_.running = true;
    int32_t status = activity();
    ww_test_.running = false;
    return status;
}

// ---------------------------------------------------------------- The host

#ifdef __cplusplus
extern "C" {
#endif

// As all reading functions of the host: the full size, and the bytes only if all of them fit.
WW_TEST_FN_ int64_t ww_test_give_(const ww_test_text_ *t, void *dst, uint32_t cap) {
    if (t->len > 0 && t->len <= cap) memcpy(dst, t->ptr, t->len);
    return (int64_t)t->len;
}

WW_TEST_FN_ size_t ww_test_limit_(void) { return ww_test_.output_limit ? ww_test_.output_limit : 2u << 20; }

int32_t ww_host_arg_count(void) { return (int32_t)ww_test_.arg_count; }

int64_t ww_host_arg_read(uint32_t index, void *dst, uint32_t cap) {
    if (index >= ww_test_.arg_count) return ww_test_refuse(WW_EINVAL, "no such argument");
    return ww_test_give_(&ww_test_.args[index][0], dst, cap);
}

int64_t ww_host_arg_encoding(uint32_t index, void *dst, uint32_t cap) {
    if (index >= ww_test_.arg_count) return ww_test_refuse(WW_EINVAL, "no such argument");
    return ww_test_give_(&ww_test_.args[index][1], dst, cap);
}

int64_t ww_host_arg_metadata(uint32_t index, void *dst, uint32_t cap) {
    if (index >= ww_test_.arg_count) return ww_test_refuse(WW_EINVAL, "no such argument");
    ww_test_text_ t = {NULL, 0};
    ww_test_append_(&t, "{\"encoding\":\"", 13);
    ww_test_append_(&t, ww_test_.args[index][1].ptr, ww_test_.args[index][1].len);
    ww_test_append_(&t, "\"}", 2);
    int64_t n = ww_test_give_(&t, dst, cap);
    ww_test_clear_(&t);
    return n;
}

int64_t ww_host_output_write(const void *ptr, uint32_t len) {
    if (ww_test_.output.len + len > ww_test_limit_()) return ww_test_refuse(WW_EMSGSIZE, "the output is longer than its limit");
    ww_test_append_(&ww_test_.output, ptr, len);
    if (!ww_test_.has_output) ww_test_set_(&ww_test_.encoding, "json/plain", 10);
    ww_test_.has_output = true;
    return (int64_t)ww_test_.output.len;
}

int64_t ww_host_output_encoding(const void *ptr, uint32_t len) {
    ww_test_set_(&ww_test_.encoding, ptr, len);
    ww_test_.has_output = true;
    return 0;
}

int64_t ww_host_output_metadata(const void *ptr, uint32_t len) {
    ww_test_set_(&ww_test_.metadata, ptr, len);
    ww_test_clear_(&ww_test_.encoding);
    ww_test_.has_output = true;
    return 0;
}

int64_t ww_host_fail(const void *ptr, uint32_t len) {
    if (len > 256u << 10) return ww_test_refuse(WW_EMSGSIZE, "the failure is longer than its limit");
    ww_test_set_(&ww_test_.failure, ptr, len);
    return 0;
}

int64_t ww_host_info(void *dst, uint32_t cap) {
    if (!ww_test_.info.ptr) ww_test_info("{\"activity_id\": \"1\", \"activity_type\": \"test\", \"attempt\": 1, \"namespace\": \"default\"}");
    return ww_test_give_(&ww_test_.info, dst, cap);
}

int32_t ww_host_status(void) { return (int32_t)ww_test_.flags; }

int64_t ww_host_heartbeat_detail(const void *ptr, uint32_t len, const void *encoding, uint32_t encoding_len) {
    (void)encoding, (void)encoding_len;
    if (ww_test_.pending.len + len > ww_test_limit_()) {
        ww_test_clear_(&ww_test_.pending);
        ww_test_.pending_count = 0;
        return ww_test_refuse(WW_EMSGSIZE, "the details are longer than their limit");
    }
    if (ww_test_.pending_count > 0) ww_test_append_(&ww_test_.pending, " ", 1);
    ww_test_append_(&ww_test_.pending, ptr, len);
    return ++ww_test_.pending_count;
}

int64_t ww_host_heartbeat(void) {
    ww_test_append_(&ww_test_.pending, "\n", 1);
    ww_test_append_(&ww_test_.heartbeats, ww_test_.pending.ptr, ww_test_.pending.len);
    ww_test_clear_(&ww_test_.pending);
    ww_test_.pending_count = 0;
    if (++ww_test_.heartbeat_count >= ww_test_.flags_after) ww_test_.flags |= ww_test_.flags_then;
    return ww_test_.flags;
}

int32_t ww_host_detail_count(void) { return (int32_t)ww_test_.detail_count; }

int64_t ww_host_detail_read(uint32_t index, void *dst, uint32_t cap) {
    if (index >= ww_test_.detail_count) return ww_test_refuse(WW_EINVAL, "no such detail");
    return ww_test_give_(&ww_test_.details[index][0], dst, cap);
}

int64_t ww_host_detail_encoding(uint32_t index, void *dst, uint32_t cap) {
    if (index >= ww_test_.detail_count) return ww_test_refuse(WW_EINVAL, "no such detail");
    return ww_test_give_(&ww_test_.details[index][1], dst, cap);
}

int64_t ww_host_read(uint32_t handle, uint32_t offset, void *dst, uint32_t cap) {
    if (handle == 0 || handle != ww_test_.handle) return ww_test_refuse(WW_EBADF, "no such handle");
    if (offset >= ww_test_.response.len) return 0;
    size_t n = ww_test_.response.len - offset;
    if (n > cap) n = cap;
    memcpy(dst, ww_test_.response.ptr + offset, n);
    return (int64_t)n;
}

int64_t ww_host_close(uint32_t handle) {
    if (handle == 0 || handle != ww_test_.handle) return ww_test_refuse(WW_EBADF, "no such handle");
    ww_test_.handle = 0;
    return 0;
}

int64_t ww_host_last_error(void *dst, uint32_t cap) { return ww_test_give_(&ww_test_.error, dst, cap); }

int64_t ww_host_log_write(int32_t level, const void *message, uint32_t message_len, const void *attrs, uint32_t attrs_len) {
    char text[16];
    ww_test_append_(&ww_test_.logs, text, (size_t)snprintf(text, sizeof text, "%d ", (int)level));
    ww_test_append_(&ww_test_.logs, message, message_len);
    if (attrs_len > 0) ww_test_append_(&ww_test_.logs, " ", 1);
    ww_test_append_(&ww_test_.logs, attrs, attrs_len);
    ww_test_append_(&ww_test_.logs, "\n", 1);
    return 0;
}

// The passthrough functions of wasmworker.h. The newest fake counts.
WW_TEST_FN_ int64_t ww_test_call_fake_(const char *module, const char *function, const void *request, uint32_t len) {
    for (uint32_t i = ww_test_.fake_count; i-- > 0;) {
        if (strcmp(ww_test_.fakes[i].module, module) == 0 && strcmp(ww_test_.fakes[i].function, function) == 0) {
            return ww_test_.fakes[i].answer(request, len);
        }
    }
    char message[120];
    snprintf(message, sizeof message, "the test has no %s of %s: see ww_test_fake", function, module);
    return ww_test_refuse(WW_ENOSYS, message);
}

#define WW_TEST_FAKE_(name, module, function) \
    int64_t name(const void *request, uint32_t len) { return ww_test_call_fake_(module, function, request, len); }
WW_TEST_FAKE_(ww_host_http_send, "wasmworker:http/v1", "send")
WW_TEST_FAKE_(ww_host_config_get, "wasmworker:config/v1", "get")
WW_TEST_FAKE_(ww_host_secret_reveal, "wasmworker:secret/v1", "reveal")
WW_TEST_FAKE_(ww_host_sql_query, "wasmworker:sql/v1", "query")
WW_TEST_FAKE_(ww_host_sql_fetch, "wasmworker:sql/v1", "fetch")
WW_TEST_FAKE_(ww_host_sql_exec, "wasmworker:sql/v1", "exec")
WW_TEST_FAKE_(ww_host_sql_begin, "wasmworker:sql/v1", "begin")
WW_TEST_FAKE_(ww_host_sql_commit, "wasmworker:sql/v1", "commit")
WW_TEST_FAKE_(ww_host_sql_rollback, "wasmworker:sql/v1", "rollback")
WW_TEST_FAKE_(ww_host_sql_close, "wasmworker:sql/v1", "close")
WW_TEST_FAKE_(ww_host_blob_get, "wasmworker:blob/v1", "get")
WW_TEST_FAKE_(ww_host_blob_put, "wasmworker:blob/v1", "put")
WW_TEST_FAKE_(ww_host_blob_stat, "wasmworker:blob/v1", "stat")
WW_TEST_FAKE_(ww_host_blob_delete, "wasmworker:blob/v1", "delete")
WW_TEST_FAKE_(ww_host_blob_list, "wasmworker:blob/v1", "list")
WW_TEST_FAKE_(ww_host_blob_open, "wasmworker:blob/v1", "open")
WW_TEST_FAKE_(ww_host_blob_read, "wasmworker:blob/v1", "read")
WW_TEST_FAKE_(ww_host_blob_create, "wasmworker:blob/v1", "create")
WW_TEST_FAKE_(ww_host_blob_write, "wasmworker:blob/v1", "write")
WW_TEST_FAKE_(ww_host_blob_commit, "wasmworker:blob/v1", "commit")
WW_TEST_FAKE_(ww_host_blob_close, "wasmworker:blob/v1", "close")
#undef WW_TEST_FAKE_

#ifdef __cplusplus
}
#endif
#endif // WASMWORKER_TEST_H
