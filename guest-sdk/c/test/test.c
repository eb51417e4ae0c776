// Tests of wasmworker.h, natively and with sanitizers: see ../Makefile.

#define WASMWORKER_IMPLEMENTATION
#include <wasmworker.h>
#include <wasmworker_test.h>

static int checks, failures;

#define CHECK(ok) (checks++, (ok) ? (void)0 : (void)(failures++, printf("%s:%d: %s\n", __FILE__, __LINE__, #ok)))

static void check_text(int line, const char *got, const char *want) {
    checks++;
    if (got && want ? strcmp(got, want) == 0 : got == want) return;
    failures++;
    printf("test.c:%d: got  %s\n    want %s\n", line, got ? got : "NULL", want ? want : "NULL");
}
#define CHECK_TEXT(got, want) check_text(__LINE__, got, want)

// The text of a value, as the writer has it.
static const char *written(ww_json v) {
    ww_writer w = {0};
    ww_put_json(&w, v);
    return ww_text(&w).ptr;
}

// ---------------------------------------------------------------- JSON

typedef struct sample {
    const char *text;
    size_t len;
    const char *want; // what the writer makes of it; NULL: the same
} sample;

#define S(text) {text, sizeof(text) - 1, NULL}
#define T(text, want) {text, sizeof(text) - 1, want}

static const sample valid[] = {
    S("null"), S("true"), S("false"), S("0"), S("-0"), S("1"), S("-1"), S("10"), S("1234567890123456789012345678901234567890"),
    S("0.5"), S("-0.0"), S("1.25e10"), S("1E5"), S("1e+5"), S("1e-5"), S("0e0"), S("1e999"), S("0.00000000000000000000000001"),
    S("\"\""), S("\"a\""), S("\"\\\"\\\\\""), T("\"\\/\"", "\"/\""), S("\"\\b\\f\\n\\r\\t\""), S("\"\\u0000\""), S("\"a\\u0000b\""),
    S("\"\\u001f\""), T("\"\\u0020\"", "\" \""), T("\"\\u007F\"", "\"\x7f\""), S("\"\x7f\""), T("\"\\u00e9\"", "\"\xc3\xa9\""),
    T("\"\\uABCD\\uabcd\"", "\"\xea\xaf\x8d\xea\xaf\x8d\""), T("\"\\uD83D\\uDE80\"", "\"\xf0\x9f\x9a\x80\""),
    T("\"\\ud800\\udc00\"", "\"\xf0\x90\x80\x80\""), T("\"\\udbff\\udfff\"", "\"\xf4\x8f\xbf\xbf\""), T("\"\\uffff\\ufffe\"", "\"\xef\xbf\xbf\xef\xbf\xbe\""),
    T("\"\\ud7ff\\ue000\"", "\"\xed\x9f\xbf\xee\x80\x80\""), S("\"\xc2\x80 \xdf\xbf \xe0\xa0\x80 \xef\xbf\xbf \xf0\x90\x80\x80 \xf4\x8f\xbf\xbf\""),
    S("\"\xe4\xb8\x96\xe7\x95\x8c\""), T("\"\\u005C\\u0022\"", "\"\\\\\\\"\""), S("\"[{,:}]\""), S("\"\\\\\""), S("\"\\\"[[[[[\""),
    S("[]"), S("{}"), S("[[]]"), S("[{}]"), S("{\"a\":{}}"), S("{\"a\":[]}"), S("[1,2,3]"), S("[[1],[2,[3,[]]],{}]"),
    S("{\"a\":1,\"b\":{\"c\":[true,false,null]},\"d\":\"e\"}"), S("{\"\":0}"), S("{\"a\":1,\"a\":2}"), S("{\"\\u0000\":1}"),
    T(" [ 1 , 2 ] ", "[1,2]"), T("\t\r\n{ \"a\" : 1 }\n", "{\"a\":1}"), T("[\n]", "[]"), T("{ }", "{}"), T(" 1 ", "1"), T("{\"\\u0061\":1}", "{\"a\":1}"),
};

static const sample invalid[] = {
    S(""), S(" "), S("\n"), S("n"), S("nul"), S("nulll"), S("Null"), S("NULL"), S("tru"), S("truefalse"), S("falsy"), S("undefined"), S("NaN"), S("Infinity"),
    S("-Infinity"), S("-"), S("+1"), S("01"), S("-01"), S("00"), S(".5"), S("1."), S("1.e5"), S("1e"), S("1e+"), S("1e-"), S("1.5.2"), S("1e5e5"), S("0x10"),
    S("1_000"), S("1 2"), S("--1"), S("-a"), S("1a"), S("1,"), S("\""), S("\"a"), S("\"\\"), S("\"\\\""), S("\"\\x41\""), S("\"\\a\""), S("\"\\0\""), S("\"\\U0041\""), S("'a'"),
    S("\"\\u\""), S("\"\\u1\""), S("\"\\u12\""), S("\"\\u123\""), S("\"\\u123g\""), S("\"\\u12"), S("\"\\u-123\""), S("\"\\u 123\""), S("\"\\u+123\""),
    S("\"\\ud800\""), S("\"\\udc00\""), S("\"\\ud800\\u0041\""), S("\"\\ud800\\ud800\""), S("\"\\ud800x\""), S("\"\\ud800\\\""), S("\"\\ud800\\u"), S("\"\\ud800\\udc0\""),
    S("\"\\udfff\\ud800\""), S("\"\\ud83d\\n\""), S("\"\n\""), S("\"\t\""), S("\"\r\""), S("\"\x01\""), S("\"a\0b\""), S("\"\x1f\""),
    S("\"\x80\""), S("\"\xbf\""), S("\"\xc0\x80\""), S("\"\xc1\xbf\""), S("\"\xc2\""), S("\"\xc2"), S("\"\xc2\x41\""), S("\"\xe0\x80\x80\""), S("\"\xe0\x9f\xbf\""),
    S("\"\xe4\xb8\""), S("\"\xe4\xb8"), S("\"\xed\xa0\x80\""), S("\"\xed\xbf\xbf\""), S("\"\xf0\x80\x80\x80\""), S("\"\xf0\x8f\xbf\xbf\""), S("\"\xf0\x9f\x9a\""), S("\"\xf0\x9f\x9a"),
    S("\"\xf4\x90\x80\x80\""), S("\"\xf5\x80\x80\x80\""), S("\"\xff\""), S("\"\xfe\xff\""),
    S("["), S("]"), S("[[]"), S("[]]"), S("[1"), S("[1,"), S("[1,]"), S("[,1]"), S("[,]"), S("[1,,2]"), S("[1 2]"), S("[1}"), S("[1:2]"), S("[\"a\":1]"), S("[}"), S("[1]1"), S("[]["),
    S("{"), S("}"), S("{\"a\""), S("{\"a\":"), S("{\"a\":1"), S("{\"a\":1,"), S("{\"a\":1,}"), S("{,}"), S("{,\"a\":1}"), S("{\"a\"}"), S("{\"a\",1}"), S("{\"a\" 1}"), S("{\"a\"::1}"),
    S("{a:1}"), S("{'a':1}"), S("{1:1}"), S("{null:1}"), S("{\"a\":1]"), S("{\"a\":1 \"b\":2}"), S("{\"a\":1,\"b\"}"), S("{]"), S("{\"a\":}"), S("{:1}"), S("{\"a\":1}}"),
    S("\xef\xbb\xbf{}"), S("\0"), S("1\0"), S("{}\0"), S("[1]\0"), S("\x00[1]"), S("/**/1"), S("1//"), S("#1"), S("\v1"), S("\f1"), S("\xc2\xa0" "1"), S(":"), S(","), S("\\"),
};

// Parses a text that ends where its memory does.
static ww_json parse(const char *text, size_t len) {
    char *exact = malloc(len ? len : 1);
    if (len) memcpy(exact, text, len);
    ww_json v = ww_parse(ww_bytes(exact, len));
    free(exact);
    return v;
}

// Reads all of a value by every function there is.
static void visit(ww_json v) {
    (void)ww_as_str(v), (void)ww_as_bool(v), (void)ww_as_int(v), (void)ww_as_double(v), (void)ww_as_int_in(v, 1, 2), (void)ww_as_number_text(v);
    (void)ww_get(v, "a"), (void)ww_find(v, ""), (void)ww_at(v, 1), (void)ww_key_of(v);
    uint32_t n = 0;
    if (ww_kind(v) == WW_ARRAY || ww_kind(v) == WW_OBJECT) {
        ww_each(item, v) {
            visit(item);
            n++;
        }
        CHECK(n == ww_count(v));
    }

}

static void test_valid(void) {
    for (size_t i = 0; i < sizeof valid / sizeof valid[0]; i++) {
        ww_json v = parse(valid[i].text, valid[i].len);
        CHECK_TEXT(ww_error(v), NULL);
        CHECK_TEXT(written(v), valid[i].want ? valid[i].want : valid[i].text);
        ww_reset_();
    }
}

static void test_invalid(void) {
    for (size_t i = 0; i < sizeof invalid / sizeof invalid[0]; i++) {
        ww_json v = parse(invalid[i].text, invalid[i].len);
        CHECK(ww_kind(v) == WW_MISSING);
        if (!ww_error(v)) printf("accepted: %s\n", invalid[i].text);
        CHECK(ww_error(v) && strncmp(ww_error(v), "malformed JSON at byte ", 23) == 0);
        CHECK(ww_ok()); // it is not an argument
        ww_reset_();
    }
}

// What is left of valid JSON when it is cut or changed must be read without harm; what is accepted must survive a second reading.
static void test_damaged(void) {
    uint32_t random = 1;
    char text[200];
    for (size_t i = 0; i < sizeof valid / sizeof valid[0]; i++) {
        for (size_t len = 0; len < valid[i].len; len++) {
            parse(valid[i].text, len);
            ww_reset_();
        }
        for (int round = 0; round < 400; round++) {
            memcpy(text, valid[i].text, valid[i].len);
            for (int k = 0; k < 2; k++) {
                random = random * 1664525 + 1013904223;
                static const char likely[] = "[]{},:\"\\u0d8ce1-.+ntf \n\xe4\xf0\x80\xbf\xff\0";
                text[(random >> 8) % valid[i].len] = likely[(random >> 24) % (sizeof likely - 1)];
            }
            ww_json v = parse(text, valid[i].len);
            if (ww_exists(v)) {
                const char *once = written(v);
                CHECK(once != NULL);
                CHECK_TEXT(written(ww_parse(ww_cstr(once))), once);
            }
            ww_reset_();
        }
    }
}

static void test_visit(void) {
    for (size_t i = 0; i < sizeof valid / sizeof valid[0]; i++) {
        visit(parse(valid[i].text, valid[i].len));
        ww_reset_();
    }
    visit(ww_parse(ww_cstr("[")));
    ww_reset_();
}

static void test_depth(void) {
    static char text[4 * WW_JSON_MAX_DEPTH + 16];
    for (int extra = 0; extra < 2; extra++) {
        size_t n = WW_JSON_MAX_DEPTH + (size_t)extra;
        memset(text, '[', n);
        memset(text + n, ']', n);
        ww_json v = parse(text, 2 * n);
        CHECK(ww_exists(v) == (extra == 0));
        if (extra == 0) CHECK(strlen(written(v)) == 2 * n);
        else CHECK(strstr(ww_error(v), "nested too deeply") != NULL);
        ww_reset_();
    }
    ww_writer w = {0};
    for (int i = 0; i <= WW_JSON_MAX_DEPTH; i++) ww_begin_array(&w);
    CHECK_TEXT(w.error, "nested too deeply");
    // A document of many open brackets needs no stack.
    size_t n = 1000000;
    char *many = malloc(n);
    memset(many, '{', n);
    CHECK(!ww_exists(ww_parse(ww_bytes(many, n))));
    memset(many, '[', n);
    CHECK(!ww_exists(ww_parse(ww_bytes(many, n))));
    free(many);
    ww_reset_();
}

static void test_int(void) {
    static const struct {
        const char *text;
        int64_t want;
        const char *error;
    } cases[] = {
        {"0", 0, NULL}, {"-0", 0, NULL}, {"42", 42, NULL}, {"-42", -42, NULL}, {"9223372036854775807", INT64_MAX, NULL}, {"-9223372036854775808", INT64_MIN, NULL},
        {"9223372036854775808", 0, "9223372036854775808 is out of range"}, {"-9223372036854775809", 0, "-9223372036854775809 is out of range"},
        {"18446744073709551616", 0, "18446744073709551616 is out of range"}, {"5.0", 5, NULL}, {"5e0", 5, NULL}, {"1.5e1", 15, NULL}, {"-1E3", -1000, NULL},
        {"9007199254740992.0", 9007199254740992, NULL}, {"0.5", 0, "expected a whole number, got 0.5"}, {"1e-1", 0, "expected a whole number, got 1e-1"},
        {"1e16", 0, "expected a whole number, got 1e16"}, {"1e999", 0, "expected a whole number, got 1e999"}, {"\"1\"", 0, "expected a number, got a string"},
        {"null", 0, "expected a number, got null"}, {"true", 0, "expected a number, got a boolean"}, {"[1]", 0, "expected a number, got an array"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        ww_json v = ww_parse(ww_cstr(cases[i].text));
        CHECK(ww_as_int(v) == cases[i].want);
        CHECK_TEXT(ww_error(v), cases[i].error);
    }
    static const struct {
        const char *text;
        uint64_t want;
        const char *error;
    } unsigned_cases[] = {
        {"0", 0, NULL}, {"-0", 0, NULL}, {"18446744073709551615", UINT64_MAX, NULL}, {"18446744073709551616", 0, "18446744073709551616 is out of range"}, {"-1", 0, "-1 is out of range"},
        {"2e3", 2000, NULL}, {"-1.0", 0, "-1.0 is out of range"}, {"99999999999999999999999", 0, "99999999999999999999999 is out of range"},
    };
    for (size_t i = 0; i < sizeof unsigned_cases / sizeof unsigned_cases[0]; i++) {
        ww_json v = ww_parse(ww_cstr(unsigned_cases[i].text));
        CHECK(ww_as_uint(v) == unsigned_cases[i].want);
        CHECK_TEXT(ww_error(v), unsigned_cases[i].error);
    }
    ww_json v = ww_parse(ww_cstr("7"));
    CHECK(ww_as_int_in(v, 7, 7) == 7 && !ww_error(v));
    CHECK(ww_as_int_in(v, 8, 9) == 8);
    CHECK_TEXT(ww_error(v), "7 is not from 8 to 9");
    CHECK(ww_as_int_in(v, -9, -8) == -8 && ww_as_int_in(v, -9, 0) == 0);
    ww_reset_();
}

static void test_double(void) {
    static const double numbers[] = {0.1, -0.1, 1.0 / 3, 2.5, 1e15, 1e15 + 1, 1e16, 1e21, 1e22, 1e23, -1e100, 5e-324, 2.2250738585072014e-308, DBL_MAX, -DBL_MAX, 123456789.125,
                                     9007199254740993.0, 0.30000000000000004, 4.35, 1e-7, 3.141592653589793};
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++) {
        ww_writer w = {0};
        ww_put_double(&w, numbers[i]);
        ww_json v = ww_parse(ww_text(&w));
        CHECK(ww_as_double(v) == numbers[i] && !ww_error(v));
    }
    static const struct {
        double number;
        const char *text;
    } cases[] = {{0, "0"}, {-0.0, "-0"}, {42, "42"}, {-1499.75, "-1499.75"}, {0.1, "0.1"}, {1e15, "1000000000000000"}, {0.30000000000000004, "0.30000000000000004"}, {4.35, "4.35"}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        ww_writer w = {0};
        ww_put_double(&w, cases[i].number);
        CHECK_TEXT(ww_text(&w).ptr, cases[i].text);
    }
    const double none[] = {(double)NAN, (double)INFINITY, -(double)INFINITY};
    for (size_t i = 0; i < 3; i++) {
        ww_writer w = {0};
        ww_put_double(&w, none[i]);
        CHECK_TEXT(ww_text(&w).ptr, NULL);
        CHECK(w.error != NULL);
    }
    ww_json v = ww_parse(ww_cstr("[1e999, -1e999, 1e-999]"));
    CHECK(ww_as_double(ww_at(v, 2)) == 0 && !ww_error(v));
    CHECK(ww_as_double(ww_at(v, 1)) == 0);
    CHECK_TEXT(ww_error(v), "[1]: -1e999 is too large");
    ww_reset_();
}

static void test_errors(void) {
    static const char text[] = "{\"items\": [{\"price\": 1}, {\"price\": \"2\", \"x\": {\"y\": [[], [null]]}}], \"n\": null, \"last\": 1, \"last\": 2}";
    ww_json v;
#define CHECK_ERROR(expression, want) \
    v = ww_parse(ww_cstr(text));      \
    (void)(expression);               \
    CHECK_TEXT(ww_error(v), want)
    CHECK_ERROR(ww_as_int(ww_get(ww_at(ww_get(v, "items"), 0), "price")), NULL);
    CHECK_ERROR(ww_as_int(ww_get(ww_at(ww_get(v, "items"), 1), "price")), "items[1].price: expected a number, got a string");
    CHECK_ERROR(ww_get(ww_at(ww_get(v, "items"), 1), "cost"), "items[1].cost is missing");
    CHECK_ERROR(ww_at(ww_get(v, "items"), 2), "items[2] is missing");
    CHECK_ERROR(ww_as_str(ww_at(ww_at(ww_get(ww_get(ww_at(ww_get(v, "items"), 1), "x"), "y"), 1), 0)), "items[1].x.y[1][0]: expected a string, got null");
    CHECK_ERROR(ww_count(ww_at(ww_get(ww_get(ww_at(ww_get(v, "items"), 1), "x"), "y"), 0)), NULL);
    CHECK_ERROR(ww_as_str(v), "expected a string, got an object");
    CHECK_ERROR(ww_at(v, 0), "expected an array, got an object");
    CHECK_ERROR(ww_get(ww_get(v, "n"), "x"), "n: expected an object, got null");
    CHECK_ERROR(ww_as_bool(ww_get(v, "nope")), "nope is missing");
    CHECK_ERROR(ww_as_bool(ww_find(v, "nope")), "nope is missing");
    CHECK_ERROR(ww_find(v, "nope"), NULL);
    CHECK_ERROR(ww_find(ww_find(v, "nope"), "deeper"), NULL);
    CHECK_ERROR(ww_find(ww_find(v, "n"), "deeper"), NULL);
    CHECK_ERROR(ww_find(ww_find(v, "last"), "deeper"), "last: expected an object, got a number");
    CHECK_ERROR(ww_reject(ww_get(v, "last"), "must be a date"), "last: must be a date");
    CHECK_ERROR(ww_reject(v, "must be empty"), "must be empty");
    CHECK_ERROR((ww_get(v, "a"), ww_get(v, "b")), "a is missing");
    v = ww_parse(ww_cstr(text));
    CHECK(ww_as_int(ww_get(v, "last")) == 2); // the last of equal names
    CHECK(ww_count(v) == 4);
    ww_json missing = ww_get(v, "nope");
    CHECK(!ww_exists(ww_first(missing)) && ww_count(missing) == 0 && ww_as_str(missing).len == 0 && !ww_as_bool(missing));
    ww_json zero = {0};
    CHECK(!ww_exists(zero) && !ww_error(zero) && ww_as_int(zero) == 0 && ww_as_str(zero).ptr && !ww_exists(ww_get(zero, "x")) && !ww_exists(ww_next(zero)));
    ww_writer w = {0};
    ww_put_json(&w, zero);
    CHECK_TEXT(ww_text(&w).ptr, "null");
    ww_reset_();
}

static void test_each(void) {
    ww_json v = ww_parse(ww_cstr("{\"a\": [1, [9], 2], \"b\": {}, \"\\u0063\": [[]]}"));
    ww_writer w = {0};
    ww_begin_array(&w);
    ww_each(member, v) {
        ww_put_str(&w, ww_key_of(member));
        ww_each(item, member) ww_put_json(&w, item);
    }
    ww_end_array(&w);
    CHECK_TEXT(ww_text(&w).ptr, "[\"a\",1,[9],2,\"b\",\"c\",[]]");
    CHECK_TEXT(ww_error(v), NULL);
    CHECK(!ww_exists(ww_next(v)) && ww_key_of(v).len == 0);
    CHECK_TEXT(ww_key_of(ww_get(v, "c")).ptr, "c");
    ww_json text = ww_parse(ww_cstr("\"a\\u0000b\""));
    CHECK(ww_as_str(text).len == 3 && memcmp(ww_as_str(text).ptr, "a\0b", 4) == 0);
    ww_reset_();
}

static void test_writer(void) {
    ww_writer w = {0};
    ww_begin_object(&w);
    ww_set_cstr(&w, "t", "\"\\/\b\f\n\r\t\x01\x1f\x7f \xe4\xb8\x96");
    ww_set_str(&w, "bad", WW_STR("a\xff\xc0\x80z\xed\xa0\x80"));
    ww_set_int(&w, "min", INT64_MIN);
    ww_key(&w, "max");
    ww_put_uint(&w, UINT64_MAX);
    ww_set_double(&w, "d", 1.5);
    ww_set_bool(&w, "b", true);
    ww_key(&w, "list");
    ww_begin_array(&w);
    ww_begin_object(&w);
    ww_end_object(&w);
    ww_begin_array(&w);
    ww_end_array(&w);
    ww_put_null(&w);
    ww_end_array(&w);
    ww_key_str(&w, WW_STR("k\0ey\n"));
    ww_put_bool(&w, false);
    ww_end_object(&w);
    CHECK_TEXT(ww_text(&w).ptr, "{\"t\":\"\\\"\\\\/\\b\\f\\n\\r\\t\\u0001\\u001f\x7f \xe4\xb8\x96\",\"bad\":\"a\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbdz\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\","
                                "\"min\":-9223372036854775808,\"max\":18446744073709551615,\"d\":1.5,\"b\":true,\"list\":[{},[],null],\"k\\u0000ey\\n\":false}");
    CHECK(ww_exists(ww_parse(ww_text(&w))));
#define CHECK_MISTAKE(calls)               \
    {                                      \
        ww_writer m = {0};                 \
        calls;                             \
        CHECK(ww_text(&m).ptr == NULL);    \
        CHECK(m.error != NULL);            \
    }
    CHECK_MISTAKE((void)0)
    CHECK_MISTAKE((ww_put_int(&m, 1), ww_put_int(&m, 2)))
    CHECK_MISTAKE(ww_begin_array(&m))
    CHECK_MISTAKE(ww_end_array(&m))
    CHECK_MISTAKE((ww_begin_array(&m), ww_end_object(&m)))
    CHECK_MISTAKE((ww_begin_object(&m), ww_end_array(&m)))
    CHECK_MISTAKE((ww_begin_object(&m), ww_put_int(&m, 1)))
    CHECK_MISTAKE((ww_begin_object(&m), ww_key(&m, "a"), ww_end_object(&m)))
    CHECK_MISTAKE((ww_begin_object(&m), ww_key(&m, "a"), ww_key(&m, "b")))
    CHECK_MISTAKE((ww_begin_array(&m), ww_key(&m, "a")))
    CHECK_MISTAKE(ww_key(&m, "a"))
    ww_writer large = {0}; // grows many times
    ww_begin_array(&large);
    for (int i = 0; i < 100000; i++) ww_put_int(&large, i);
    ww_end_array(&large);
    ww_json v = ww_parse(ww_text(&large));
    int64_t sum = 0;
    ww_each(item, v) sum += ww_as_int(item);
    CHECK(sum == 4999950000 && ww_count(v) == 100000);
    ww_reset_();
}

static int blocks(void) {
    int n = 0;
    for (ww_block_ *b = ww_call_.blocks; b; b = b->next) n++;
    return n;
}

static void test_memory(void) {
    ww_str old = ww_format("%s", "old");
    ww_writer outer = {0}; // with a block of its own, which moves while the loop runs
    ww_begin_array(&outer);
    ww_put_str(&outer, ww_bytes(memset(ww_alloc(10000), 'x', 10000), 10000));
    int before = blocks();
    for (int i = 0; i < 1000; i++) {
        ww_mark mark = ww_mark_memory();
        CHECK(ww_count(ww_parse(ww_format("[%d, %*s]", i, i * 10 + 1, "0"))) == 2);
        ww_put_cstr(&outer, "0123456789");
        ww_release_memory(mark);
        CHECK(blocks() == before);
    }
    ww_end_array(&outer);
    CHECK(ww_count(ww_parse(ww_text(&outer))) == 1001);
    CHECK_TEXT(old.ptr, "old");
    before = blocks();
    ww_mark mark = ww_mark_memory();
    for (int i = 0; i < 1000; i++) {
        ww_heartbeat_int(i);
        ww_heartbeat_str(ww_text(&outer));
        ww_logf(WW_INFO, "%d", i);
        ww_mark inner = ww_mark_memory();
        ww_parse(WW_STR("{\"a\": [1, 2, 3]}"));
        ww_alloc(100000);
        ww_release_memory(inner);
        CHECK(blocks() == before);
    }
    ww_release_memory(mark);
    mark = ww_mark_memory();
    ww_output_cstr("stays");
    ww_release_memory(mark);
    CHECK(ww_equal(ww_call_.output.data, "\"stays\""));
    ww_reset_();
    ww_test_reset();
    ww_mark none = ww_mark_memory(); // before anything was allocated
    ww_alloc(5);
    ww_release_memory(none);
    CHECK(WW_ARENA_BLOCK > 0 || blocks() == 0);
    ww_alloc(5);
    ww_reset_();
}

static void test_text(void) {
    CHECK_TEXT(ww_concat(WW_STR("a"), ww_cstr(NULL), ww_format("%d-%s", 5, "x")).ptr, "a5-x");
    CHECK(ww_equal(WW_STR(""), "") && !ww_equal(WW_STR("a"), "b") && !ww_equal(WW_STR("a\0"), "a"));
    static const struct {
        const char *text;
        int64_t want;
    } times[] = {{"1970-01-01T00:00:00Z", 0}, {"2026-01-02T15:04:05.123Z", 1767366245123}, {"2024-02-29T23:59:59.9Z", 1709251199900}, {"2000-03-01T00:00:00.123456789Z", 951868800123},
                 {"1969-12-31T23:59:59.999Z", -1}, {"", 0}, {"2026-01-02", 0}, {"yyyy-01-02T15:04:05Z", 0}, {"2026-01-02T15:04:05+01:00", 0}};
    for (size_t i = 0; i < sizeof times / sizeof times[0]; i++) CHECK(ww_unix_ms_(ww_cstr(times[i].text)) == times[i].want);
    ww_reset_();
}

// ---------------------------------------------------------------- Activities

WW_PASSTHROUGH(weather, "wasmworker:weather/v1", "forecast");

int64_t weather(const void *request, uint32_t len) {
    if (len == 4 && memcmp(request, "Oslo", 4) == 0) return ww_test_respond("sunny");
    return len == 0 ? ww_test_respond("") : ww_test_refuse(WW_EACCES, "only Oslo");
}

WW_ACTIVITY(greet) {
    ww_str name = ww_as_str(ww_get(ww_arg(0), "name"));
    if (!ww_ok()) return WW_FAILED;
    return ww_output_str(ww_concat(WW_STR("Hello, "), name, WW_STR("!")));
}

WW_ACTIVITY(careless) { // never looks at ww_ok
    return ww_output_int(ww_as_int(ww_arg(0)) + ww_as_int(ww_arg(1)));
}

WW_ACTIVITY_AS("Acme.Echo", echo) { return ww_output_with_metadata(ww_arg_payload(0).data, ww_arg_metadata(0)); }

WW_ACTIVITY(payload) { return ww_output_payload(ww_arg_payload(0)); }

WW_ACTIVITY(heartbeats) {
    int64_t at = ww_detail_count() ? ww_as_int(ww_detail(0)) : 0;
    while (!ww_should_stop()) ww_heartbeat_int(++at);
    ww_output_cstr("stopped");
    return WW_CANCELLED;
}

WW_ACTIVITY(resumes) { return ww_output_int(ww_as_int(ww_detail(0))); }

WW_ACTIVITY(long_details) {
    ww_heartbeat_str(WW_STR("0123456789"));
    return WW_COMPLETED;
}

static ww_failure failure;
WW_ACTIVITY(fails) { return ww_fail_with(&failure); }

WW_ACTIVITY(fails_and_goes_on) {
    ww_fail(.type = "Early", .message = "not returned");
    return ww_output_int(1);
}

WW_ACTIVITY(mistake) {
    ww_writer w = {0};
    ww_begin_array(&w);
    return ww_output_json(&w);
}

WW_ACTIVITY(calls) {
    ww_str response;
    int err = ww_call(weather, ww_as_str(ww_arg(0)), &response);
    if (err) return ww_failf("%s: %s", ww_errno_name(err), ww_last_error().ptr);
    return ww_output_str(response);
}

WW_ACTIVITY(logs) {
    ww_log_with(WW_WARN, "low \"stock\"", WW_ATTR_INT("left", 3), WW_ATTR_STR("item", WW_STR("nut")), WW_ATTR_DOUBLE("x", (double)NAN), WW_ATTR_BOOL("b", true),
                WW_ATTR_JSON("j", ww_parse(WW_STR("[1]"))));
    ww_logf(WW_DEBUG, "%d%%", 5);
    return WW_COMPLETED;
}

WW_ACTIVITY(infos) {
    const ww_activity_info *i = ww_info();
    CHECK(i == ww_info());
    CHECK(i->attempt == 3 && i->is_local_activity && i->heartbeat_timeout_ms == 30000 && i->deadline_ms == 1767366245123 && i->started_time_ms == 0);
    CHECK_TEXT(i->workflow_id.ptr, "order-17");
    CHECK_TEXT(i->task_queue.ptr, "");
    CHECK(i->retry_policy && i->retry_policy->maximum_attempts == 3 && i->retry_policy->backoff_coefficient == 1.5);
    CHECK(i->retry_policy->non_retryable_error_type_count == 2 && ww_equal(i->retry_policy->non_retryable_error_types[1], "Two"));
    CHECK(i->priority && i->priority->priority_key == 1 && ww_equal(i->priority->fairness_key, "tenant") && i->priority->fairness_weight == 0);
    return WW_COMPLETED;
}

static void test_activities(void) {
    ww_test_arg("{\"name\": \"Ada\"}");
    CHECK(WW_TEST_RUN(greet) == WW_COMPLETED);
    CHECK_TEXT(ww_test_output(), "\"Hello, Ada!\"");
    CHECK_TEXT(ww_test_output_encoding(), "json/plain");
    CHECK(ww_call_.blocks == NULL); // nothing is left of the call

    static const struct {
        const char *arg, *encoding, *failure;
    } bad[] = {
        {NULL, NULL, "argument 1 is missing"},
        {"{}", "json/plain", "argument 1: name is missing"},
        {"{\"name\": 42}", "json/plain", "argument 1: name: expected a string, got a number"},
        {"{\"name\": null}", "json/plain", "argument 1: name: expected a string, got null"},
        {"[]", "json/plain", "argument 1: expected an object, got an array"},
        {"{\"name\": \"A\"", "json/plain", "argument 1: malformed JSON at byte 12: it ends too early"},
        {"", "json/plain", "argument 1: malformed JSON at byte 0: there is nothing"},
        {"{\"name\": \"Ada\"}", "binary/plain", "argument 1: expected JSON, got a payload of encoding binary/plain"},
        {"", "binary/null", "argument 1: expected an object, got null"},
        {"{\"name\": 42}", "json/protobuf", "argument 1: name: expected a string, got a number"},
        {"{\"name\": 42}", "", "argument 1: name: expected a string, got a number"},
        {"", "", "argument 1: malformed JSON at byte 0: there is nothing"},
        {"{\"name\": \"Ada\"}", "binary/encrypted", "argument 1: expected JSON, got a payload of encoding binary/encrypted"},
        {"{\"name\": \"Ada\"}", "binary/protobuf", "argument 1: expected JSON, got a payload of encoding binary/protobuf"},
        {"{\"name\": \"Ada\"}", "json/plain+zlib", "argument 1: expected JSON, got a payload of encoding json/plain+zlib"},
        {"{\"name\": \"Ada\"}", "json/", "argument 1: expected JSON, got a payload of encoding json/"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        ww_test_reset();
        if (bad[i].arg) ww_test_arg_payload(bad[i].arg, strlen(bad[i].arg), bad[i].encoding);
        CHECK(WW_TEST_RUN(greet) == WW_FAILED);
        CHECK_TEXT(ww_test_output(), NULL);
        ww_json f = ww_parse(ww_cstr(ww_test_failure()));
        CHECK_TEXT(ww_as_str(ww_get(f, "message")).ptr, bad[i].failure);
        CHECK_TEXT(ww_as_str(ww_get(f, "type")).ptr, "InvalidInput");
        CHECK(ww_as_bool(ww_get(f, "non_retryable")));
        ww_reset_();
    }

    ww_test_reset();
    ww_test_arg_payload("1", 1, "json/protobuf");
    ww_test_arg_payload("2", 1, "");
    CHECK(WW_TEST_RUN(careless) == WW_COMPLETED);
    CHECK_TEXT(ww_test_output(), "3");

    ww_test_reset();
    ww_test_arg("1");
    CHECK(WW_TEST_RUN(careless) == WW_FAILED);
    CHECK_TEXT(ww_test_failure(), "{\"message\":\"argument 2 is missing\",\"type\":\"InvalidInput\",\"non_retryable\":true}");
    ww_test_arg("2");
    CHECK(WW_TEST_RUN(careless) == WW_COMPLETED); // nothing is left of the call before
    CHECK_TEXT(ww_test_output(), "3");

    ww_test_reset();
    ww_test_arg_payload("\0\1", 2, "x/y");
    CHECK(WW_TEST_RUN(echo) == WW_COMPLETED);
    CHECK(ww_test_output_len() == 2 && memcmp(ww_test_output(), "\0\1", 2) == 0);
    CHECK_TEXT(ww_test_output_metadata(), "{\"encoding\":\"x/y\"}");
    CHECK(WW_TEST_RUN(payload) == WW_COMPLETED);
    CHECK_TEXT(ww_test_output_encoding(), "x/y");
    ww_test_reset();
    ww_test_arg_payload("z", 1, "");
    CHECK(WW_TEST_RUN(payload) == WW_COMPLETED);
    CHECK_TEXT(ww_test_output_metadata(), "{}");

    ww_test_reset();
    ww_test_detail("5");
    ww_test_flags(WW_CANCEL_REQUESTED, 2);
    CHECK(WW_TEST_RUN(heartbeats) == WW_CANCELLED);
    CHECK_TEXT(ww_test_heartbeats(), "6\n7\n");
    CHECK_TEXT(ww_test_output(), "\"stopped\"");
    ww_test_reset();
    ww_test_detail("\"of another version\"");
    ww_test_flags(WW_PAUSED, 1);
    CHECK(WW_TEST_RUN(heartbeats) == WW_CANCELLED);
    CHECK_TEXT(ww_test_heartbeats(), "1\n");
    for (int i = 0; i < 2; i++) {
        ww_test_reset();
        ww_test_detail_payload("5", 1, i ? "json/protobuf" : "");
        CHECK(WW_TEST_RUN(resumes) == WW_COMPLETED);
        CHECK_TEXT(ww_test_output(), "5");
        ww_test_reset();
        ww_test_detail_payload("5", 1, i ? "binary/encrypted" : "json/plain+zlib");
        CHECK(WW_TEST_RUN(resumes) == WW_FAILED);
        CHECK_TEXT(ww_test_failure(), i ? "{\"message\":\"detail 1 of the last heartbeat: expected JSON, got a payload of encoding binary/encrypted\",\"type\":\"InvalidInput\",\"non_retryable\":true}"
                                        : "{\"message\":\"detail 1 of the last heartbeat: expected JSON, got a payload of encoding json/plain+zlib\",\"type\":\"InvalidInput\",\"non_retryable\":true}");
    }
    ww_test_reset();
    ww_test_detail_payload("5", 1, "binary/plain"); // an older version may have left it
    CHECK(WW_TEST_RUN(resumes) == WW_COMPLETED);
    CHECK_TEXT(ww_test_output(), "0");
    ww_test_reset();
    ww_test_output_limit(5);
    CHECK(WW_TEST_RUN(long_details) == WW_FAILED);
    CHECK_TEXT(ww_test_heartbeats(), "\n");
    CHECK(strstr(ww_test_failure(), "OutputTooLarge"));

    ww_test_reset();
    ww_test_arg("{\"name\": \"somebody with a long name\"}");
    ww_test_output_limit(20);
    CHECK(WW_TEST_RUN(greet) == WW_FAILED);
    CHECK_TEXT(ww_test_failure(), "{\"message\":\"result: the output is longer than its limit\",\"type\":\"OutputTooLarge\",\"non_retryable\":true}");

    ww_test_reset();
    CHECK(WW_TEST_RUN(mistake) == WW_FAILED);
    CHECK_TEXT(ww_test_failure(), "{\"message\":\"result: an object or array is not ended\",\"type\":\"InvalidOutput\",\"non_retryable\":true}");
    CHECK(WW_TEST_RUN(fails_and_goes_on) == WW_COMPLETED);
    CHECK_TEXT(ww_test_output(), "1");

    ww_test_reset();
    ww_test_arg("\"Oslo\"");
    CHECK(WW_TEST_RUN(calls) == WW_COMPLETED && ww_test_open_handles() == 0);
    CHECK_TEXT(ww_test_output(), "\"sunny\"");
    ww_test_reset();
    ww_test_arg("\"\"");
    CHECK(WW_TEST_RUN(calls) == WW_COMPLETED);
    CHECK_TEXT(ww_test_output(), "\"\"");
    ww_test_reset();
    ww_test_arg("\"Rome\"");
    CHECK(WW_TEST_RUN(calls) == WW_FAILED);
    CHECK_TEXT(ww_test_failure(), "{\"message\":\"EACCES: only Oslo\"}");

    ww_test_reset();
    CHECK(WW_TEST_RUN(logs) == WW_COMPLETED);
    CHECK_TEXT(ww_test_logs(), "4 low \"stock\" {\"left\":3,\"item\":\"nut\",\"x\":\"NaN\",\"b\":true,\"j\":[1]}\n-4 5%\n");

    ww_test_reset();
    ww_test_info("{\"attempt\": 3, \"is_local_activity\": true, \"workflow_id\": \"order-17\", \"heartbeat_timeout_ms\": 30000, \"new\": {}, \"deadline\": \"2026-01-02T15:04:05.123Z\","
                 "\"retry_policy\": {\"maximum_attempts\": 3, \"backoff_coefficient\": 1.5, \"non_retryable_error_types\": [\"One\", \"Two\"]},"
                 "\"priority\": {\"priority_key\": 1, \"fairness_key\": \"tenant\"}}");
    CHECK(WW_TEST_RUN(infos) == WW_COMPLETED);
    ww_test_reset();
}

static void test_failures(void) {
    const ww_failure root = {.type = "Root", .message = "the root"};
    failure = (ww_failure){.type = "T", .message = "m\xff", .non_retryable = true, .benign = true, .next_retry_delay_ms = 5, .details = " [ 1, {\"a\": []}]", .cause = &root, .stack_trace = "s"};
    CHECK(WW_TEST_RUN(fails) == WW_FAILED);
    CHECK_TEXT(ww_test_failure(), "{\"message\":\"m\xef\xbf\xbd\",\"type\":\"T\",\"non_retryable\":true,\"category\":\"benign\",\"next_retry_delay_ms\":5,\"details\":[1,{\"a\":[]}],"
                                  "\"stack_trace\":\"s\",\"cause\":{\"message\":\"the root\",\"type\":\"Root\"}}");
    failure = (ww_failure){0};
    CHECK(WW_TEST_RUN(fails) == WW_FAILED);
    CHECK_TEXT(ww_test_failure(), "{\"message\":\"\"}");
    failure = (ww_failure){.message = "m", .details = "{}"};
    WW_TEST_RUN(fails);
    CHECK_TEXT(ww_test_failure(), "{\"message\":\"m (details are not a JSON array and are left out)\"}");

    // What is too long for the host is shortened, the least needed first.
    char *large = malloc(400001);
    memset(large, 'x', 400000);
    large[400000] = 0;
    ww_failure cause = {.message = large};
    failure = (ww_failure){.type = "T", .message = "m", .details = "[1]", .cause = &cause, .stack_trace = "s"};
    WW_TEST_RUN(fails);
    CHECK_TEXT(ww_test_failure(), "{\"message\":\"m\",\"type\":\"T\",\"details\":[1]}");
    large[0] = large[399999] = '"';
    large = realloc(large, 400003);
    memmove(large + 1, large, 400000);
    large[0] = '[', large[400001] = ']', large[400002] = 0;
    failure = (ww_failure){.type = "T", .message = "m", .details = large, .non_retryable = true};
    WW_TEST_RUN(fails);
    CHECK_TEXT(ww_test_failure(), "{\"message\":\"m (details were too long and are left out)\",\"type\":\"T\",\"non_retryable\":true}");
    failure = (ww_failure){.type = "T", .message = large};
    WW_TEST_RUN(fails);
    CHECK(strlen(ww_test_failure()) < 5000 && strstr(ww_test_failure(), "\"T\""));
    free(large);

    ww_failure chain[40]; // causes deeper than 16 are cut off
    for (int i = 0; i < 40; i++) chain[i] = (ww_failure){.message = "c", .cause = i < 39 ? &chain[i + 1] : NULL};
    failure = chain[0];
    WW_TEST_RUN(fails);
    int depth = 0;
    for (const char *p = ww_test_failure(); (p = strstr(p, "\"message\"")); p++) depth++;
    CHECK(depth == 16);
    ww_test_reset();
}

// ---------------------------------------------------------------- The host modules of wasmworker

// A host that answers in turn as it is told, and remembers what it is asked: a line for each request, of its head, and its body in hexadecimal if there is one.
static struct {
    const char *head, *body; // no head: an empty response; "!": the error number in size
    size_t size;
} script[16];
static size_t script_at;
static ww_test_text_ asked;

static int64_t scripted(const char *function, const void *request, uint32_t len) {
    const unsigned char *s = request;
    uint32_t n = len < 4 ? 0 : (uint32_t)s[0] | (uint32_t)s[1] << 8 | (uint32_t)s[2] << 16 | (uint32_t)s[3] << 24;
    ww_test_append_(&asked, function, strlen(function));
    ww_test_append_(&asked, " ", 1);
    ww_test_append_(&asked, s + 4, n);
    for (uint32_t i = 4 + n; i < len && i < 4 + n + 8; i++) {
        char hex[4];
        ww_test_append_(&asked, hex, (size_t)snprintf(hex, sizeof hex, " %02x", s[i]));
    }
    ww_test_append_(&asked, "\n", 1);
    const char *head = script[script_at].head, *body = script[script_at].body;
    size_t size = script[script_at++].size;
    if (!head) return 0;
    if (*head == '!') return ww_test_refuse((int)size, body);
    return ww_test_respond_frame(head, body ? body : "", size);
}

#define SCRIPTED(name) \
    static int64_t fake_##name(const void *request, uint32_t len) { return scripted(#name, request, len); }
SCRIPTED(send)
SCRIPTED(query)
SCRIPTED(fetch)
SCRIPTED(exec)
SCRIPTED(begin)
SCRIPTED(commit)
SCRIPTED(rollback)
SCRIPTED(close)
SCRIPTED(get)
SCRIPTED(put)
SCRIPTED(stat)
SCRIPTED(delete)
SCRIPTED(list)
SCRIPTED(open)
SCRIPTED(read)
SCRIPTED(create)
SCRIPTED(write)

static int64_t fake_value(const void *request, uint32_t len) {
    if (len == 5 && memcmp(request, "empty", 5) == 0) return 0;
    return len == 1 ? ww_test_respond("gr\xc3\xbc\xc3\x9f") : ww_test_refuse(WW_ENOENT, "no such value");
}

// Begins an activity, as far as the functions below need one, with a new script.
static void begin_host(void) {
    static const struct {
        const char *module, *function;
        ww_host_fn *answer;
    } fakes[] = {
        {"http", "send", fake_send},     {"sql", "query", fake_query},    {"sql", "fetch", fake_fetch},   {"sql", "exec", fake_exec},     {"sql", "begin", fake_begin},
        {"sql", "commit", fake_commit},  {"sql", "rollback", fake_rollback}, {"sql", "close", fake_close}, {"blob", "get", fake_get},     {"blob", "put", fake_put},
        {"blob", "stat", fake_stat},     {"blob", "delete", fake_delete}, {"blob", "list", fake_list},    {"blob", "open", fake_open},    {"blob", "read", fake_read},
        {"blob", "create", fake_create}, {"blob", "write", fake_write},   {"blob", "commit", fake_commit}, {"blob", "close", fake_close}, {"config", "get", fake_value},
        {"secret", "reveal", fake_value},
    };
    static char modules[sizeof fakes / sizeof fakes[0]][32];
    CHECK(ww_test_open_handles() == 0);
    ww_reset_();
    ww_test_reset();
    ww_test_clear_(&asked);
    memset(script, 0, sizeof script);
    script_at = 0;
    for (size_t i = 0; i < sizeof fakes / sizeof fakes[0]; i++) {
        snprintf(modules[i], sizeof modules[i], "wasmworker:%s/v1", fakes[i].module);
        ww_test_fake(modules[i], fakes[i].function, fakes[i].answer);
    }
}

#define ANSWER(i, ...) (script[i].head = "" __VA_ARGS__, script[i].body = NULL, script[i].size = 0)
#define ANSWER_BODY(i, h, b, n) (script[i].head = (h), script[i].body = (b), script[i].size = (n))
#define REFUSE(i, number, text) (script[i].head = "!", script[i].body = (text), script[i].size = (number))

static void test_frames(void) {
    ww_writer w = {0};
    ww_begin_object(&w);
    ww_set_int(&w, "a", 1);
    ww_end_object(&w);
    ww_str frame = ww_make_frame(&w, WW_STR("body")), head, body;
    CHECK(frame.len == 15 && memcmp(frame.ptr, "\7\0\0\0{\"a\":1}body", 15) == 0);
    CHECK(ww_split_frame(frame, &head, &body) && ww_equal(head, "{\"a\":1}") && ww_equal(body, "body"));
    static const struct {
        const char *frame;
        size_t len;
    } bad[] = {{"", 0}, {"\0\0\0", 3}, {"\1\0\0\0", 4}, {"\3\0\0\0{}", 6}, {"\xff\xff\xff\xff{}", 6}};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        char *exact = malloc(bad[i].len + 1); // for the sanitizer
        memcpy(exact, bad[i].frame, bad[i].len);
        CHECK(!ww_split_frame(ww_bytes(exact, bad[i].len), &head, &body) && head.len == 0 && body.len == 0);
        free(exact);
    }
    CHECK(ww_split_frame(ww_bytes("\0\0\0\0x", 5), &head, &body) && head.len == 0 && ww_equal(body, "x"));
    ww_writer open = {0};
    ww_begin_array(&open);
    CHECK(ww_make_frame(&open, body).ptr == NULL);
    ww_reset_();
}

static void test_http(void) {
    ww_http_response response;
    begin_host();
    ANSWER_BODY(0, "{\"status\": 201, \"new\": 1, \"headers\": {\"Content-Type\": [\"text/plain\"], \"Set-Cookie\": [\"a\", \"b\"], \"Empty\": []}}", "b\0d", 3);
    int err = ww_http(&response, .url = WW_STR("https://a.example/x?y=z"), .method = "PUT", .body = WW_STR("\1\2"), .timeout_ms = 5,
                      WW_HTTP_HEADERS({"A", WW_STR("1")}, {"B", WW_STR("2")}, {"A", WW_STR("3")}));
    CHECK(err == 0 && response.status == 201 && response.body.len == 3 && memcmp(response.body.ptr, "b\0d", 4) == 0);
    CHECK_TEXT(asked.ptr, "send {\"method\":\"PUT\",\"url\":\"https://a.example/x?y=z\",\"timeout_ms\":5,\"headers\":{\"A\":[\"1\",\"3\"],\"B\":[\"2\"]}} 01 02\n");
    CHECK_TEXT(ww_http_find(&response, "content-TYPE").ptr, "text/plain");
    CHECK_TEXT(ww_http_find(&response, "Set-Cookie").ptr, "a");
    CHECK_TEXT(ww_http_find(&response, "Set-Cooki").ptr, "");
    CHECK_TEXT(ww_http_find(&response, "Set-Cookies").ptr, "");
    CHECK_TEXT(ww_http_find(&response, "Empty").ptr, "");

    begin_host();
    ANSWER(0, "{\"status\": 204}");
    REFUSE(1, WW_EACCES, "no rule");
    ANSWER(2, "{\"status\": \"x\"}");
    ANSWER(3, "[1]");
    ANSWER(4, "12");
    CHECK(ww_http(&response, .url = WW_STR("u")) == 0 && response.status == 204 && response.body.len == 0);
    CHECK_TEXT(ww_http_find(&response, "A").ptr, "");
    CHECK(ww_http(&response, .url = WW_STR("u")) == WW_EACCES);
    CHECK_TEXT(ww_last_error().ptr, "no rule");
    CHECK(ww_http(&response, .url = WW_STR("u")) == WW_EIO);
    CHECK_TEXT(ww_last_error().ptr, "status: expected a number, got a string");
    CHECK(ww_http(&response, .url = WW_STR("u")) == WW_EIO && ww_http(&response, .url = WW_STR("u")) == WW_EIO && ww_http(&response, .url = WW_STR("u")) == WW_EIO);
    CHECK_TEXT(ww_last_error().ptr, "the response is not a frame"); // an empty one
    CHECK(ww_ok());
    CHECK(ww_fail_call(WW_EIO) == WW_FAILED);
    CHECK_TEXT(ww_test_failure(), "{\"message\":\"the response is not a frame\",\"type\":\"EIO\"}");
    ww_call_.own_error = NULL;

    ww_reset_();
    ww_test_reset();
    CHECK(ww_http(&response, .url = WW_STR("u")) == WW_ENOSYS); // no fake
    CHECK_TEXT(ww_last_error().ptr, "the test has no send of wasmworker:http/v1: see ww_test_fake");
}

static void test_config(void) {
    ww_str value;
    begin_host();
    CHECK(ww_config_get("a", &value) == 0 && ww_secret_reveal("b", &value) == 0);
    CHECK_TEXT(value.ptr, "gr\xc3\xbc\xc3\x9f");
    CHECK(ww_config_get("empty", &value) == 0 && value.len == 0);
    CHECK(ww_config_get("other", &value) == WW_ENOENT && value.len == 0);
    CHECK_TEXT(ww_last_error().ptr, "no such value");
}

static const ww_sql db = {.connection = "db"};

static void test_sql_values(void) {
    ww_sql_rows rows;
    int64_t affected = -1;
    begin_host();
    ANSWER(0, "{\"rows_affected\": 7}");
    ANSWER(1, "{}");
    ANSWER(2, "{\"rows_affected\": \"x\"}");
    REFUSE(3, WW_EIO, "23505: duplicate key");
    int err = ww_sql_exec(db, "INSERT", WW_SQL_ARGS(ww_sql_null(), ww_sql_bool(true), ww_sql_int(INT64_MIN), ww_sql_double(2), ww_sql_double(-0.0), ww_sql_double(1e300),
                                                    ww_sql_double(0.1), ww_sql_double(1e20), ww_sql_text(WW_STR("\xc3\xa4\"")), ww_sql_bytes(WW_STR("\1\2")), ww_sql_bytes(WW_STR("")),
                                                    ww_sql_bytes(WW_STR("\3"))), &affected);
    CHECK(err == 0 && affected == 7);
    CHECK_TEXT(asked.ptr, "exec {\"connection\":\"db\",\"sql\":\"INSERT\",\"args\":[null,true,-9223372036854775808,2.0,-0.0,1e+300,0.1,1e+20,\"\xc3\xa4\\\"\","
                          "{\"bytes\":[0,2]},{\"bytes\":[2,0]},{\"bytes\":[2,1]}]} 01 02 03\n");
    CHECK(ww_sql_exec(db, "x", NULL, 0, NULL) == 0 && ww_sql_exec(db, "x", NULL, 0, &affected) == WW_EIO && ww_sql_exec(db, "x", NULL, 0, NULL) == WW_EIO);
    CHECK_TEXT(ww_last_error().ptr, "23505: duplicate key");
    CHECK(ww_sql_exec(db, "x", WW_SQL_ARGS(ww_sql_double((double)NAN)), NULL) == WW_EINVAL && script_at == 4);
    CHECK_TEXT(ww_last_error().ptr, "an argument is not a finite number");

    begin_host();
    ANSWER_BODY(0, "{\"columns\": [{\"name\": \"a\", \"type\": \"T\"}, {\"name\": \"b\"}, {\"name\": \"c\"}, {\"name\": \"d\"}, {\"name\": \"a\"}], "
                   "\"rows\": [[null, -5, 1.5, \"NaN\", {\"bytes\": [1, 2]}]], \"cursor\": 0}", "\0\1\2", 3);
    CHECK(ww_sql_query(db, "SELECT", NULL, 0, &rows) == 0 && ww_count(rows.columns) == 5);
    CHECK_TEXT(ww_as_str(ww_get(ww_at(rows.columns, 0), "type")).ptr, "T");
    CHECK(ww_sql_next(&rows));
    CHECK(ww_kind(ww_sql_at(&rows, 0)) == WW_NULL && ww_as_int(ww_sql_get(&rows, "b")) == -5 && ww_as_double(ww_sql_get(&rows, "c")) == 1.5);
    CHECK(ww_kind(ww_sql_get(&rows, "a")) == WW_NULL); // the first of that name
    CHECK_TEXT(ww_as_str(ww_sql_at(&rows, 3)).ptr, "NaN");
    ww_str bytes = ww_sql_as_bytes(&rows, ww_sql_at(&rows, 4));
    CHECK(bytes.len == 2 && memcmp(bytes.ptr, "\1\2", 2) == 0);
    CHECK(!ww_sql_next(&rows) && !ww_sql_next(&rows) && ww_sql_close(&rows) == 0 && script_at == 1);
}

// Rows of one column, a number.
#define COLUMN "\"columns\": [{\"name\": \"n\"}]"

static void test_sql_batches(void) {
    ww_sql_rows rows;
    int64_t sum = 0;
    begin_host();
    ANSWER(0, "{" COLUMN ", \"rows\": [[1], [2]], \"cursor\": 5}");
    ANSWER(1, "{\"rows\": [], \"cursor\": 6}");
    ANSWER(2, "{\"rows\": [[3], [4]], \"cursor\": 7}");
    ANSWER(3, "{\"rows\": [[5]]}");
    ww_sql two = {.connection = "db", .batch_rows = 2};
    CHECK(ww_sql_query(two, "SELECT", WW_SQL_ARGS(ww_sql_int(1)), &rows) == 0);
    ww_mark mark = ww_mark_memory();
    while (ww_sql_next(&rows)) {
        ww_release_memory(mark); // batches are not the arena's
        mark = ww_mark_memory();
        sum = sum * 10 + ww_as_int(ww_sql_get(&rows, "n"));
        ww_format("%d", 5);
    }
    CHECK(sum == 12345 && ww_sql_close(&rows) == 0 && ww_call_.held == NULL);
    CHECK_TEXT(asked.ptr, "query {\"connection\":\"db\",\"sql\":\"SELECT\",\"max_rows\":2,\"args\":[1]}\nfetch {\"cursor\":5,\"max_rows\":2}\n"
                          "fetch {\"cursor\":6,\"max_rows\":2}\nfetch {\"cursor\":7,\"max_rows\":2}\n");

    begin_host(); // a loop that ends early
    ANSWER(0, "{" COLUMN ", \"rows\": [[1], [2]], \"cursor\": 5}");
    ww_sql_query(db, "SELECT", NULL, 0, &rows);
    CHECK(ww_sql_next(&rows) && ww_call_.held && ww_sql_close(&rows) == 0 && !ww_sql_next(&rows) && ww_sql_close(&rows) == 0 && script_at == 2 && !ww_call_.held);
    CHECK(strstr(asked.ptr, "\nclose {\"cursor\":5}\n"));
}

static void test_sql_errors(void) {
    ww_sql_rows rows;
    begin_host(); // of the query
    REFUSE(0, WW_EIO, "42P01: no such table");
    CHECK(ww_sql_query(db, "SELECT", NULL, 0, &rows) == WW_EIO && !ww_sql_next(&rows));
    ww_str value;
    ww_config_get("other", &value);
    CHECK(ww_sql_close(&rows) == WW_EIO);
    CHECK_TEXT(ww_last_error().ptr, "42P01: no such table");

    begin_host(); // of fetching
    ANSWER(0, "{" COLUMN ", \"rows\": [[1]], \"cursor\": 5}");
    REFUSE(1, WW_ETIMEDOUT, "too late");
    REFUSE(2, WW_EBADF, "no such cursor");
    ww_sql_query(db, "SELECT", NULL, 0, &rows);
    CHECK(ww_sql_next(&rows) && !ww_sql_next(&rows) && rows.error == WW_ETIMEDOUT && ww_call_.held == NULL);
    CHECK_TEXT(ww_last_error().ptr, "too late");
    CHECK(script_at == 3 && ww_sql_close(&rows) == WW_ETIMEDOUT && script_at == 3);

    static const struct {
        const char *row, *error;
    } bad[] = {
        {"[\"x\"]", "rows[0][0]: expected a number, got a string"},
        {"[1, 2]", "a row has not as many values as there are columns"},
        {"{}", "a row has not as many values as there are columns"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        begin_host();
        ww_str head = ww_format("{" COLUMN ", \"rows\": [%s, [2]], \"cursor\": 5}", bad[i].row);
        ANSWER_BODY(0, head.ptr, "", 0);
        ww_sql_query(db, "SELECT", NULL, 0, &rows);
        for (int n = 0; n < 5 && ww_sql_next(&rows); n++) ww_as_int(ww_sql_at(&rows, 0));
        CHECK(ww_sql_close(&rows) == WW_EIO && ww_call_.held == NULL && ww_ok());
        CHECK_TEXT(ww_last_error().ptr, bad[i].error);
        CHECK(strstr(asked.ptr, "\nclose {\"cursor\":5}\n"));
    }
    static const char *const parts[] = {"[0, 4]", "[4, 0]", "[1, 18446744073709551615]", "[18446744073709551615, 1]", "[-1, 1]", "[1]", "5", "[\"a\", 1]"};
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++) {
        begin_host();
        ww_str head = ww_format("{" COLUMN ", \"rows\": [[{\"bytes\": %s}]]}", parts[i]);
        ANSWER_BODY(0, head.ptr, "abc", 3);
        ww_sql_query(db, "SELECT", NULL, 0, &rows);
        CHECK(ww_sql_next(&rows) && ww_sql_as_bytes(&rows, ww_sql_at(&rows, 0)).len == 0);
        CHECK(ww_sql_close(&rows) == WW_EIO); // the last row's error is not lost
    }
    begin_host();
    ANSWER(0, "{" COLUMN ", \"rows\": [[1]]}");
    ww_sql_query(db, "SELECT", NULL, 0, &rows);
    CHECK(ww_sql_next(&rows) && ww_as_int(ww_sql_get(&rows, "m")) == 0 && ww_sql_close(&rows) == WW_EIO);
    CHECK_TEXT(ww_last_error().ptr, "rows[0]: the query has no column m");

    begin_host(); // responses of another shape
    ANSWER(0, "{\"columns\": 5}");
    ANSWER(1, "{" COLUMN ", \"rows\": 5}");
    ANSWER(2, "{" COLUMN ", \"cursor\": \"x\"}");
    ANSWER(3, "{" COLUMN ", \"rows\": null}");
    for (int i = 0; i < 4; i++) CHECK((ww_sql_query(db, "SELECT", NULL, 0, &rows) == 0) == (i == 3) && !ww_sql_next(&rows));
    CHECK(ww_sql_close(&rows) == 0);
}

// A response that is cut off or changed anywhere is refused or read, and nothing outside of it is touched: the sanitizer looks.
static char damaged[160];
static size_t damaged_len;

static int64_t fake_damaged(const void *request, uint32_t len) {
    (void)request, (void)len;
    return ww_test_respond_bytes(damaged, damaged_len);
}

static void test_sql_damaged(void) {
    static const char head[] = "{" COLUMN ", \"rows\": [[{\"bytes\": [1, 2]}], [-1.5e3], [\"a\\u00e4\"], [null]], \"cursor\": 0}", body[] = "abc";
    static const char bytes[] = {0, '"', '\\', '9', '-', '}', ']', ',', (char)0xff};
    char whole[sizeof damaged];
    size_t n = strlen(head), size = n + 4 + 3;
    memcpy(whole, (char[4]){(char)n}, 4);
    memcpy(whole + 4, head, n);
    memcpy(whole + 4 + n, body, 3);
    size_t read = 0;
    for (size_t cut = 0; cut <= size; cut++) {
        for (size_t at = 0; at < cut; at++) {
            if (cut < size && at > 0) break; // each length once, and each byte of the whole
            for (size_t k = 0; k < sizeof bytes; k++) {
                begin_host();
                ww_test_fake("wasmworker:sql/v1", "query", fake_damaged);
                memcpy(damaged, whole, size);
                if (cut == size) damaged[at] = bytes[k];
                damaged_len = cut;
                ww_sql_rows rows;
                ww_sql_query(db, "SELECT", NULL, 0, &rows);
                while (ww_sql_next(&rows)) {
                    ww_json v = ww_sql_at(&rows, 0);
                    if (ww_kind(v) == WW_OBJECT) ww_sql_as_bytes(&rows, v);
                    else if (ww_kind(v) == WW_NUMBER) ww_as_double(v);
                    read++;
                }
                ww_sql_close(&rows);
            }
        }
    }
    CHECK(read > 100);
    begin_host();
}

static void test_transactions(void) {
    ww_sql tx;
    begin_host();
    ANSWER(0, "{\"transaction\": 4}");
    ANSWER(1, "{\"rows_affected\": 1}");
    script[2].head = NULL;
    ANSWER(3, "{\"transaction\": 5}");
    REFUSE(4, WW_EBADF, "it has ended");
    ANSWER(5, "{}");
    CHECK(ww_sql_begin(db, NULL, &tx) == 0 && ww_sql_exec(tx, "UPDATE", NULL, 0, NULL) == 0 && ww_sql_commit(&tx) == 0);
    CHECK(ww_sql_begin(db, &(ww_sql_options){.read_only = true, .isolation = "serializable"}, &tx) == 0 && ww_sql_rollback(&tx) == WW_EBADF);
    CHECK(ww_sql_begin(db, NULL, &tx) == WW_EIO);
    CHECK_TEXT(asked.ptr, "begin {\"connection\":\"db\"}\nexec {\"transaction\":4,\"sql\":\"UPDATE\",\"args\":[]}\ncommit {\"transaction\":4}\n"
                          "begin {\"connection\":\"db\",\"read_only\":true,\"isolation\":\"serializable\"}\nrollback {\"transaction\":5}\nbegin {\"connection\":\"db\"}\n");
}

static void test_objects(void) {
    ww_blob_attributes a;
    ww_str data;
    begin_host();
    ANSWER_BODY(0, "{\"size\": 10, \"content_type\": \"text/plain\", \"modified\": \"2026-01-02T15:04:05.123Z\", \"etag\": \"e\", \"metadata\": {\"a\": \"b\"}}", "345", 3);
    ANSWER(1, "{\"size\": 0}");
    ANSWER(2, "{\"size\": -1}");
    REFUSE(3, WW_ENOENT, "no such object");
    CHECK(ww_blob_get("box", WW_STR("k"), &(ww_blob_range){3, 3}, &data, &a) == 0 && ww_equal(data, "345") && a.size == 10 && a.modified_ms == 1767366245123);
    CHECK(ww_equal(a.content_type, "text/plain") && ww_equal(a.etag, "e") && ww_equal(ww_as_str(ww_get(a.metadata, "a")), "b"));
    CHECK(ww_blob_get("box", WW_STR("k"), &(ww_blob_range){3, WW_BLOB_REST}, &data, NULL) == 0 && data.len == 0);
    CHECK(ww_blob_stat("box", WW_STR("k"), &a) == WW_EIO && ww_blob_stat("box", WW_STR("k"), &a) == WW_ENOENT && a.size == 0);
    ww_blob_metadata metadata[] = {{"m", WW_STR("v")}};
    ww_blob_options options = {.content_type = "a/b", .metadata = metadata, .metadata_count = 1, .if_none_match = true};
    CHECK(ww_blob_put("box", WW_STR("k"), WW_STR("\1"), &options) == 0 && ww_blob_put("box", WW_STR("k"), WW_STR(""), NULL) == 0);
    CHECK(ww_blob_delete("box", WW_STR("k")) == 0);
    CHECK_TEXT(asked.ptr, "get {\"bucket\":\"box\",\"key\":\"k\",\"offset\":3,\"length\":3}\nget {\"bucket\":\"box\",\"key\":\"k\",\"offset\":3}\n"
                          "stat {\"bucket\":\"box\",\"key\":\"k\"}\nstat {\"bucket\":\"box\",\"key\":\"k\"}\n"
                          "put {\"bucket\":\"box\",\"key\":\"k\",\"content_type\":\"a/b\",\"metadata\":{\"m\":\"v\"},\"if_none_match\":true} 01\nput {\"bucket\":\"box\",\"key\":\"k\"}\n"
                          "delete {\"bucket\":\"box\",\"key\":\"k\"}\n");
}

static void test_lists(void) {
    begin_host();
    ANSWER(0, "{\"objects\": [{\"key\": \"a/b\", \"size\": 12, \"modified\": \"2026-01-02T15:04:05.123Z\"}, {\"key\": \"a/c/\", \"prefix\": true}], \"next\": \"p\\\"2\"}");
    ANSWER(1, "{\"objects\": [], \"next\": \"p3\"}");
    ANSWER(2, "{\"objects\": [{\"key\": \"a/d\"}]}");
    ww_blob_list list = {.bucket = "box", .prefix = WW_STR("a/"), .delimiter = "/", .page_size = 2};
    ww_blob_entry entry;
    CHECK(ww_blob_next(&list, &entry) && ww_equal(entry.key, "a/b") && entry.size == 12 && !entry.is_prefix && entry.modified_ms == 1767366245123);
    CHECK(ww_blob_next(&list, &entry) && ww_equal(entry.key, "a/c/") && entry.is_prefix && entry.size == 0);
    CHECK(ww_blob_next(&list, &entry) && ww_equal(entry.key, "a/d"));
    CHECK(!ww_blob_next(&list, &entry) && !ww_blob_next(&list, &entry) && ww_blob_end(&list) == 0 && ww_call_.held == NULL && script_at == 3);
    CHECK_TEXT(asked.ptr, "list {\"bucket\":\"box\",\"prefix\":\"a/\",\"delimiter\":\"/\",\"max\":2}\nlist {\"bucket\":\"box\",\"prefix\":\"a/\",\"delimiter\":\"/\",\"max\":2,\"page\":\"p\\\"2\"}\n"
                          "list {\"bucket\":\"box\",\"prefix\":\"a/\",\"delimiter\":\"/\",\"max\":2,\"page\":\"p3\"}\n");

    begin_host();
    ANSWER(0, "{\"objects\": [{\"key\": \"x\"}], \"next\": \"p2\"}");
    REFUSE(1, WW_EIO, "gone");
    ANSWER(2, "{\"objects\": [{\"key\": 5}]}");
    ANSWER(3, "{\"objects\": [{\"key\": \"x\"}, {\"key\": \"y\"}]}");
    list = (ww_blob_list){.bucket = "box"};
    CHECK(ww_blob_next(&list, &entry) && !ww_blob_next(&list, &entry) && !ww_blob_next(&list, &entry) && ww_blob_end(&list) == WW_EIO);
    CHECK_TEXT(ww_last_error().ptr, "gone");
    list = (ww_blob_list){.bucket = "box"};
    CHECK(!ww_blob_next(&list, &entry) && ww_blob_end(&list) == WW_EIO && ww_call_.held == NULL);
    list = (ww_blob_list){.bucket = "box"};
    CHECK(ww_blob_next(&list, &entry) && ww_call_.held && ww_blob_end(&list) == 0 && !ww_blob_next(&list, &entry) && ww_call_.held == NULL && script_at == 4);
}

static void test_streams(void) {
    ww_blob_reader reader;
    ww_blob_writer writer;
    ww_blob_attributes a;
    char *piece = malloc(5); // for the sanitizer
    size_t n;
    begin_host();
    ANSWER(0, "{\"reader\": 5, \"size\": 5}");
    ANSWER_BODY(1, "{}", "hel", 3);
    ANSWER(2, "{}");
    ANSWER_BODY(3, "{\"end\": true}", "lo", 2);
    CHECK(ww_blob_open("box", WW_STR("k"), NULL, &reader, &a) == 0 && a.size == 5);
    CHECK(ww_blob_read(&reader, piece, 0, &n) == 0 && n == 0 && script_at == 1);
    CHECK(ww_blob_read(&reader, piece, 5, &n) == 0 && n == 3 && memcmp(piece, "hel", 3) == 0);
    CHECK(ww_blob_read(&reader, piece, 5, &n) == 0 && n == 2 && memcmp(piece, "lo", 2) == 0);
    CHECK(ww_blob_read(&reader, piece, 5, &n) == 0 && n == 0 && script_at == 4 && ww_blob_close(&reader) == 0);
    CHECK_TEXT(asked.ptr, "open {\"bucket\":\"box\",\"key\":\"k\"}\nread {\"reader\":5,\"max\":5}\nread {\"reader\":5,\"max\":5}\nread {\"reader\":5,\"max\":5}\nclose {\"reader\":5}\n");

    begin_host();
    ANSWER(0, "{\"reader\": 6}");
    ANSWER_BODY(1, "{}", "too much", 8);
    ANSWER(2, "{}");
    CHECK(ww_blob_open("box", WW_STR("k"), NULL, &reader, NULL) == 0 && ww_blob_read(&reader, piece, 5, &n) == WW_EIO && n == 0);
    CHECK(ww_blob_open("box", WW_STR("k"), NULL, &reader, NULL) == WW_EIO);
    free(piece);

    begin_host();
    ANSWER(0, "{\"writer\": 7}");
    REFUSE(4, WW_EACCES, "read-only");
    CHECK(ww_blob_create("box", WW_STR("k"), NULL, &writer) == 0 && ww_blob_write(&writer, WW_STR("\1")) == 0 && ww_blob_commit(&writer) == 0 && ww_blob_abort(&writer) == 0);
    CHECK(ww_blob_create("box", WW_STR("k"), NULL, &writer) == WW_EACCES);
    CHECK_TEXT(asked.ptr, "create {\"bucket\":\"box\",\"key\":\"k\"}\nwrite {\"writer\":7} 01\ncommit {\"writer\":7}\nclose {\"writer\":7}\ncreate {\"bucket\":\"box\",\"key\":\"k\"}\n");
    begin_host();
    ww_test_clear_(&asked);
    ww_reset_();
    ww_test_reset();
}

int main(void) {
    test_valid();
    test_invalid();
    test_damaged();
    test_visit();
    test_depth();
    test_int();
    test_double();
    test_errors();
    test_each();
    test_writer();
    test_memory();
    test_text();
    test_activities();
    test_failures();
    test_frames();
    test_http();
    test_config();
    test_sql_values();
    test_sql_batches();
    test_sql_errors();
    test_sql_damaged();
    test_transactions();
    test_objects();
    test_lists();
    test_streams();
    CHECK(ww_call_.held == NULL);
    CHECK(ww_call_.blocks == NULL);
    printf("%d checks, %d failed\n", checks, failures);
    return failures > 0;
}
