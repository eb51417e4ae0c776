// my-activity: Temporal activities in C, run by wasmworker.

#define WASMWORKER_IMPLEMENTATION
#include <wasmworker.h>

// Greets somebody by name: {"name": "Ada"} gives {"greeting": "Hello, Ada!", "attempt": 1}.
WW_ACTIVITY(greet) {
    ww_str name = ww_as_str(ww_get(ww_arg(0), "name"));
    if (!ww_ok()) return WW_FAILED; // the input is not what it should be
    if (name.len == 0) return ww_fail(.type = "EmptyName", .message = "the name is empty", .non_retryable = true);

    ww_log_with(WW_INFO, "greeting", WW_ATTR_STR("name", name));

    ww_writer w = {0};
    ww_begin_object(&w);
    ww_set_str(&w, "greeting", ww_concat(WW_STR("Hello, "), name, WW_STR("!")));
    ww_set_int(&w, "attempt", ww_info()->attempt);
    ww_end_object(&w);
    return ww_output_json(&w);
}
