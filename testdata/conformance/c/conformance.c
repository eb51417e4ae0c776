// The conformance module in C, see ../README.md.

#define WASMWORKER_IMPLEMENTATION
#include <wasmworker.h>

#include <stdio.h>
#include <stdlib.h>

WW_PASSTHROUGH(host_upper, "wasmworker:conformance/v1", "upper");
WW_PASSTHROUGH(host_deny, "wasmworker:conformance/v1", "deny");

WW_ACTIVITY(greet) {
    ww_str name = ww_as_str(ww_get(ww_arg(0), "name"));
    if (!ww_ok()) return WW_FAILED;
    if (name.len == 0) return ww_fail(.type = "EmptyName", .message = "the name is empty", .non_retryable = true);
    ww_writer w = {0};
    ww_begin_object(&w);
    ww_set_str(&w, "greeting", ww_concat(WW_STR("Hello, "), name, WW_STR("!")));
    ww_end_object(&w);
    return ww_output_json(&w);
}

WW_ACTIVITY(add) {
    return ww_output_double(ww_as_double(ww_arg(0)) + ww_as_double(ww_arg(1)));
}

WW_ACTIVITY(arguments) {
    ww_writer w = {0};
    ww_begin_array(&w);
    for (uint32_t i = 0; i < ww_arg_count(); i++) {
        ww_payload arg = ww_arg_payload(i);
        ww_put_str(&w, ww_concat(arg.encoding, WW_STR(":"), arg.data));
    }
    ww_end_array(&w);
    return ww_output_json(&w);
}

WW_ACTIVITY(echo) {
    return ww_output_payload(ww_arg_payload(0));
}

WW_ACTIVITY(nothing) {
    return WW_COMPLETED;
}

WW_ACTIVITY(bytes) {
    size_t n = (size_t)ww_as_int_in(ww_arg(0), 0, 100000000);
    unsigned char *p = ww_alloc(n);
    for (size_t i = 0; i < n; i++) p[i] = (unsigned char)i;
    return ww_output_bytes(p, n);
}

WW_ACTIVITY(info) {
    const ww_activity_info *info = ww_info();
    ww_writer w = {0};
    ww_begin_object(&w);
    ww_set_str(&w, "activity_id", info->activity_id);
    ww_set_str(&w, "activity_type", info->activity_type);
    ww_set_int(&w, "attempt", info->attempt);
    ww_set_str(&w, "namespace", info->namespace_);
    ww_set_str(&w, "task_queue", info->task_queue);
    ww_set_str(&w, "workflow_id", info->workflow_id);
    ww_set_str(&w, "workflow_type", info->workflow_type);
    ww_set_int(&w, "heartbeat_timeout_ms", info->heartbeat_timeout_ms);
    ww_end_object(&w);
    return ww_output_json(&w);
}

WW_ACTIVITY(fail) {
    ww_str kind = ww_as_str(ww_arg(0));
    if (!ww_ok()) return WW_FAILED;
    if (ww_equal(kind, "plain")) return ww_failf("plain %s", "text");
    if (ww_equal(kind, "typed")) {
        ww_writer details = {0};
        ww_begin_array(&details);
        ww_begin_object(&details);
        ww_set_int(&details, "code", 51);
        ww_end_object(&details);
        ww_put_cstr(&details, "second");
        ww_end_array(&details);
        return ww_fail(.type = "CardDeclined", .message = "declined", .details = ww_text(&details).ptr);
    }
    if (ww_equal(kind, "final")) return ww_fail(.type = "NoCard", .message = "no such card", .non_retryable = true);
    if (ww_equal(kind, "later")) return ww_fail(.type = "Busy", .message = "try later", .next_retry_delay_ms = 123 * 1000);
    if (ww_equal(kind, "benign")) return ww_fail(.type = "Benign", .message = "nothing to see", .benign = true);
    if (ww_equal(kind, "cause")) {
        return ww_fail(.type = "Outer", .message = "outer", .cause = &(ww_failure){.type = "Root", .message = "the root"});
    }
    ww_reject(ww_arg(0), "no such kind");
    return WW_FAILED;
}

WW_ACTIVITY(crash) {
    fputs("oh no\n", stderr);
    abort();
}

WW_ACTIVITY(steps) {
    int64_t n = ww_as_int(ww_arg(0));
    if (!ww_ok()) return WW_FAILED;
    int64_t begin = ww_detail_count() > 0 ? ww_as_int(ww_detail(0)) : 0;
    for (int64_t step = begin + 1; step <= n; step++) ww_heartbeat_int(step);
    return ww_output_int(begin);
}

WW_ACTIVITY(cancel) {
    while (!(ww_heartbeat() & WW_CANCEL_REQUESTED)) {}
    ww_output_cstr("cleaned up");
    return WW_CANCELLED;
}

WW_ACTIVITY(stopping) {
    while (!(ww_heartbeat() & WW_WORKER_STOPPING)) {}
    return ww_output_cstr("stopping");
}

WW_ACTIVITY(logs) {
    ww_str text = ww_as_str(ww_arg(0));
    if (!ww_ok()) return WW_FAILED;
    ww_log_with(WW_WARN, text.ptr, WW_ATTR_INT("answer", 42));
    ww_log(WW_DEBUG, "the end");
    return WW_COMPLETED;
}

WW_ACTIVITY(upper) {
    ww_str text = ww_as_str(ww_arg(0)), response;
    if (!ww_ok()) return WW_FAILED;
    int err = ww_call(host_upper, text, &response);
    if (err) return ww_failf("upper: %s: %s", ww_errno_name(err), ww_last_error().ptr);
    return ww_output_str(response);
}

WW_ACTIVITY(denied) {
    ww_str response;
    int err = ww_call(host_deny, WW_STR(""), &response);
    ww_writer w = {0};
    ww_begin_object(&w);
    ww_set_int(&w, "errno", err);
    ww_set_str(&w, "message", ww_last_error());
    ww_end_object(&w);
    return ww_output_json(&w);
}

static int calls;

WW_ACTIVITY(state) {
    return ww_output_int(++calls);
}

WW_ACTIVITY(spin) {
    for (volatile unsigned n = 0;; n++) {}
    return WW_COMPLETED;
}
