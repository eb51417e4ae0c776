// The activities of package order in C, for the same JSON in and out.

#define WASMWORKER_IMPLEMENTATION
#include <wasmworker.h>

#include <ctype.h>
#include <inttypes.h>
#include <string.h>

WW_ACTIVITY(Greet) {
    ww_str name = ww_as_str(ww_get(ww_arg(0), "name"));
    if (!ww_ok()) return WW_FAILED;
    ww_writer w = {0};
    ww_begin_object(&w);
    ww_set_str(&w, "greeting", ww_concat(WW_STR("Hello, "), name, WW_STR("!")));
    ww_end_object(&w);
    return ww_output_json(&w);
}

WW_ACTIVITY(Price) {
    ww_json order = ww_arg(0);
    ww_str id = ww_as_str(ww_get(order, "id")), customer = ww_as_str(ww_get(order, "customer")), country = ww_as_str(ww_get(order, "country"));
    if (!ww_ok()) return WW_FAILED;
    char *upper = ww_alloc(country.len + 1);
    for (size_t i = 0; i < country.len; i++) upper[i] = (char)toupper((unsigned char)country.ptr[i]);
    ww_writer w = {0};
    ww_begin_object(&w);
    ww_set_str(&w, "order_id", id);
    ww_set_str(&w, "address", ww_concat(customer, WW_STR(", "), ((ww_str){.ptr = upper, .len = country.len})));
    ww_key(&w, "lines");
    ww_begin_array(&w);
    int64_t net = 0;
    ww_each(line, ww_get(order, "lines")) {
        int64_t quantity = ww_as_int(ww_get(line, "quantity")), cents = quantity * ww_as_int(ww_get(line, "cents"));
        ww_str name = ww_as_str(ww_get(line, "name")), sku = ww_as_str(ww_get(line, "sku"));
        if (!ww_ok()) return WW_FAILED;
        ww_put_str(&w, ww_format("%" PRId64 " x %s (%s): %" PRId64 ".%02" PRId64, quantity, name.ptr, sku.ptr, cents / 100, cents % 100));
        net += cents;
    }
    ww_end_array(&w);
    int64_t tax = net * 19 / 100;
    ww_set_int(&w, "net", net);
    ww_set_int(&w, "tax", tax);
    ww_set_int(&w, "total", net + tax);
    ww_end_object(&w);
    return ww_output_json(&w);
}
