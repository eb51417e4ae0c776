// The conformance module in C, see ../README.md.

#define _GNU_SOURCE // for getentropy
#define WASMWORKER_IMPLEMENTATION
#include <wasmworker.h>

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

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
    int64_t begin = ww_detail_count() > 0 ? ww_as_int(ww_detail(0)) : 0;
    if (!ww_ok()) return WW_FAILED;
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

WW_ACTIVITY(draw) {
    uint64_t number;
    if (getentropy(&number, sizeof number) != 0) return ww_failf("there are no random numbers");
    return ww_output_str(ww_format("%llu", (unsigned long long)number));
}

WW_ACTIVITY(spin) {
    for (volatile unsigned n = 0;; n++) {}
    return WW_COMPLETED;
}

// A member that need not be there.
static ww_str optional_str(ww_json object, const char *key) {
    ww_json v = ww_find(object, key);
    return ww_is_set(v) ? ww_as_str(v) : WW_STR("");
}

WW_ACTIVITY(http) {
    ww_json arg = ww_arg(0), headers = ww_find(arg, "headers");
    ww_http_request request = {.url = ww_as_str(ww_get(arg, "url")), .body = optional_str(arg, "body")};
    if (ww_is_set(ww_find(arg, "method"))) request.method = optional_str(arg, "method").ptr;
    if (ww_is_set(headers)) {
        ww_http_header *list = ww_alloc(ww_count(headers) * sizeof *list);
        ww_each(value, headers) list[request.header_count++] = (ww_http_header){ww_key_of(value).ptr, ww_as_str(value)};
        request.headers = list;
    }
    if (!ww_ok()) return WW_FAILED;
    ww_http_response response;
    int err = ww_http_send(&request, &response);
    if (err) return ww_fail_call(err);
    ww_writer w = {0};
    ww_begin_object(&w);
    ww_set_int(&w, "status", response.status);
    ww_set_str(&w, "content_type", ww_http_find(&response, "content-type"));
    ww_set_str(&w, "body", response.body);
    ww_end_object(&w);
    return ww_output_json(&w);
}

WW_ACTIVITY(config) {
    ww_str name = ww_as_str(ww_arg(0)), value;
    if (!ww_ok()) return WW_FAILED;
    int err = ww_config_get(name.ptr, &value);
    if (err == WW_ENOENT) return ww_output_null();
    return err ? ww_fail_call(err) : ww_output_str(value);
}

WW_ACTIVITY(secret) {
    ww_str name = ww_as_str(ww_arg(0)), value;
    if (!ww_ok()) return WW_FAILED;
    int err = ww_secret_reveal(name.ptr, &value);
    return err ? ww_fail_call(err) : ww_output_str(value);
}

static int digit(char c) { return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1; }

static ww_sql_arg sql_arg(ww_json v) {
    switch (ww_kind(v)) {
    case WW_BOOL: return ww_sql_bool(ww_as_bool(v));
    case WW_NUMBER: {
        ww_str text = ww_as_number_text(v);
        for (size_t i = 0; i < text.len; i++) {
            if (text.ptr[i] == '.' || text.ptr[i] == 'e' || text.ptr[i] == 'E') return ww_sql_double(ww_as_double(v));
        }
        return ww_sql_int(ww_as_int(v));
    }
    case WW_STRING: return ww_sql_text(ww_as_str(v));
    case WW_OBJECT: {
        ww_str hex = ww_as_str(ww_get(v, "hex"));
        char *bytes = ww_alloc(hex.len / 2);
        for (size_t i = 0; i + 1 < hex.len; i += 2) {
            int byte = digit(hex.ptr[i]) << 4 | digit(hex.ptr[i + 1]);
            if (byte < 0) ww_reject(v, "not hexadecimal");
            bytes[i / 2] = (char)byte;
        }
        return ww_sql_bytes(ww_bytes(bytes, hex.len / 2));
    }
    default: return ww_sql_null();
    }
}

WW_ACTIVITY(sql) {
    ww_json arg = ww_arg(0), list = ww_find(arg, "args"), batch = ww_find(arg, "batch"), limit = ww_find(arg, "limit");
    ww_str sql = ww_as_str(ww_get(arg, "sql"));
    ww_sql_arg *args = NULL;
    size_t count = 0;
    if (ww_is_set(list)) {
        args = ww_alloc(ww_count(list) * sizeof *args);
        ww_each(v, list) args[count++] = sql_arg(v);
    }
    ww_sql db = {.connection = "db", .batch_rows = ww_is_set(batch) ? (uint32_t)ww_as_int_in(batch, 1, 1000000) : 0};
    int64_t most = ww_is_set(limit) ? ww_as_int(limit) : INT64_MAX;
    if (!ww_ok()) return WW_FAILED;

    ww_sql_rows rows;
    ww_sql_query(db, sql.ptr, args, count, &rows);
    ww_writer w = {0};
    ww_begin_object(&w);
    ww_key(&w, "columns");
    ww_begin_array(&w);
    if (!rows.error) {
        ww_each(column, rows.columns) ww_put_str(&w, ww_as_str(ww_get(column, "name")));
    }
    ww_end_array(&w);
    ww_key(&w, "rows");
    ww_begin_array(&w);
    for (int64_t n = 0; n < most && ww_sql_next(&rows); n++) {
        ww_begin_array(&w);
        for (uint32_t i = 0; i < ww_count(rows.columns); i++) {
            ww_json v = ww_sql_at(&rows, i);
            if (ww_kind(v) != WW_OBJECT) {
                ww_put_json(&w, v);
                continue;
            }
            ww_str bytes = ww_sql_as_bytes(&rows, v);
            char *hex = ww_alloc(2 * bytes.len + 1);
            for (size_t k = 0; k < bytes.len; k++) {
                hex[2 * k] = "0123456789abcdef"[(unsigned char)bytes.ptr[k] >> 4];
                hex[2 * k + 1] = "0123456789abcdef"[bytes.ptr[k] & 15];
            }
            ww_begin_object(&w);
            ww_set_str(&w, "hex", ww_bytes(hex, 2 * bytes.len));
            ww_end_object(&w);
        }
        ww_end_array(&w);
    }
    ww_end_array(&w);
    ww_end_object(&w);
    int err = ww_sql_close(&rows);
    return err ? ww_fail_call(err) : ww_output_json(&w);
}

static int count_entries(ww_sql db, ww_str entry, int64_t *count) {
    ww_sql_rows rows;
    ww_sql_query(db, "SELECT count(*) FROM ledger WHERE entry = ?", WW_SQL_ARGS(ww_sql_text(entry)), &rows);
    if (ww_sql_next(&rows)) *count = ww_as_int(ww_sql_at(&rows, 0));
    return ww_sql_close(&rows);
}

WW_ACTIVITY(transaction) {
    ww_str entry = ww_as_str(ww_get(ww_arg(0), "entry")), end = ww_as_str(ww_get(ww_arg(0), "end"));
    if (!ww_ok()) return WW_FAILED;
    ww_sql db = {.connection = "db"}, tx;
    int64_t affected, count = 0;
    int err = ww_sql_begin(db, NULL, &tx);
    if (!err) err = ww_sql_exec(tx, "INSERT INTO ledger (entry) VALUES (?)", WW_SQL_ARGS(ww_sql_text(entry)), &affected);
    if (!err && ww_equal(end, "commit")) err = ww_sql_commit(&tx);
    if (!err && ww_equal(end, "rollback")) err = ww_sql_rollback(&tx);
    if (!err) err = count_entries(ww_equal(end, "none") ? tx : db, entry, &count);
    if (err) return ww_fail_call(err);
    ww_writer w = {0};
    ww_begin_object(&w);
    ww_set_int(&w, "affected", affected);
    ww_set_int(&w, "count", count);
    ww_end_object(&w);
    return ww_output_json(&w);
}

WW_ACTIVITY(stream) {
    ww_json parts = ww_get(ww_arg(0), "parts");
    ww_str key = ww_as_str(ww_get(ww_arg(0), "key"));
    ww_blob_metadata metadata[] = {{"made", WW_STR("by hand")}};
    ww_blob_options options = {.content_type = "text/plain; charset=utf-8", .metadata = metadata, .metadata_count = 1};
    if (!ww_ok()) return WW_FAILED;
    ww_blob_writer writer;
    int err = ww_blob_create("box", key, &options, &writer);
    ww_each(part, parts) {
        if (!err) err = ww_blob_write(&writer, ww_as_str(part));
    }
    if (!err) err = ww_blob_commit(&writer);

    ww_blob_attributes attributes;
    if (!err) err = ww_blob_stat("box", key, &attributes);
    if (err) return ww_fail_call(err);
    char *text = ww_alloc((size_t)attributes.size + 5);
    size_t size = 0, n = 0;
    ww_blob_reader reader;
    err = ww_blob_open("box", key, NULL, &reader, NULL);
    while (!err && !(err = ww_blob_read(&reader, text + size, 5, &n)) && n > 0 && size < attributes.size) size += n;
    if (!err) err = ww_blob_close(&reader);
    if (err) return ww_fail_call(err);

    ww_writer w = {0};
    ww_begin_object(&w);
    ww_set_int(&w, "size", (int64_t)attributes.size);
    ww_set_str(&w, "content_type", attributes.content_type);
    ww_set_json(&w, "made", ww_find(attributes.metadata, "made"));
    ww_set_str(&w, "text", ww_bytes(text, size));
    ww_key(&w, "keys");
    ww_begin_array(&w);
    ww_blob_list list = {.bucket = "box", .prefix = key};
    ww_blob_entry entry;
    while (ww_blob_next(&list, &entry)) ww_put_str(&w, entry.key);
    ww_end_array(&w);
    ww_end_object(&w);
    err = ww_blob_end(&list);
    if (!err) err = ww_blob_delete("box", key);
    return err ? ww_fail_call(err) : ww_output_json(&w);
}

WW_ACTIVITY(object) {
    ww_json arg = ww_arg(0);
    ww_str key = ww_as_str(ww_get(arg, "key")), text = ww_as_str(ww_get(arg, "text")), part;
    ww_blob_range range = {ww_as_uint(ww_get(arg, "offset")), ww_as_uint(ww_get(arg, "length"))};
    if (!ww_ok()) return WW_FAILED;
    ww_blob_options once = {.if_none_match = true};
    int err = ww_blob_put("box", key, text, &once);
    if (err) return ww_fail_call(err);
    int again = ww_blob_put("box", key, text, &once);
    if (again && again != WW_EEXIST) return ww_fail_call(again);
    err = ww_blob_get("box", key, &range, &part, NULL);
    if (!err) err = ww_blob_delete("box", key);
    if (err) return ww_fail_call(err);
    ww_writer w = {0};
    ww_begin_object(&w);
    ww_set_bool(&w, "exists", again == WW_EEXIST);
    ww_set_str(&w, "range", part);
    ww_end_object(&w);
    return ww_output_json(&w);
}

WW_ACTIVITY(exists) {
    ww_str key = ww_as_str(ww_arg(0)), by = ww_as_str(ww_arg(1)), data;
    if (!ww_ok()) return WW_FAILED;
    int err;
    if (ww_equal(by, "get")) {
        err = ww_blob_get("box", key, NULL, &data, NULL);
    } else if (ww_equal(by, "stat")) {
        ww_blob_attributes attributes;
        err = ww_blob_stat("box", key, &attributes);
    } else if (ww_equal(by, "delete")) {
        err = ww_blob_delete("box", key);
    } else {
        ww_blob_reader reader;
        err = ww_blob_open("box", key, NULL, &reader, NULL);
        if (!err) err = ww_blob_close(&reader);
    }
    return err && err != WW_ENOENT ? ww_fail_call(err) : ww_output_bool(!err);
}

static int by_name(const void *a, const void *b) { return strcmp(*(char *const *)a, *(char *const *)b); }

WW_ACTIVITY(files) {
    ww_str text = ww_as_str(ww_get(ww_arg(0), "text"));
    ww_str path = ww_concat(WW_STR("/data/"), ww_as_str(ww_get(ww_arg(0), "path")));
    if (!ww_ok()) return WW_FAILED;
    FILE *f = fopen(path.ptr, "wb");
    if (!f || fwrite(text.ptr, 1, text.len, f) != text.len || fclose(f) != 0) return ww_failf("%s cannot be written", path.ptr);
    char *back = ww_alloc(text.len + 1); // one more, to see that there is no more
    f = fopen(path.ptr, "rb");
    if (!f) return ww_failf("%s cannot be read", path.ptr);
    size_t size = fread(back, 1, text.len + 1, f);
    fclose(f);

    DIR *dir = opendir("/data");
    if (!dir) return ww_failf("/data cannot be listed");
    const char *names[100];
    size_t count = 0;
    for (struct dirent *entry; count < 100 && (entry = readdir(dir));) {
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0) names[count++] = ww_format("%s", entry->d_name).ptr;
    }
    closedir(dir);
    qsort(names, count, sizeof names[0], by_name);
    if (unlink(path.ptr) != 0) return ww_failf("%s cannot be removed", path.ptr);

    ww_writer w = {0};
    ww_begin_object(&w);
    ww_set_str(&w, "text", ww_bytes(back, size));
    ww_key(&w, "names");
    ww_begin_array(&w);
    for (size_t i = 0; i < count; i++) ww_put_cstr(&w, names[i]);
    ww_end_array(&w);
    ww_end_object(&w);
    return ww_output_json(&w);
}
