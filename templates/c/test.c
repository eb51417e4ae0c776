// Runs the activities natively: make test

#include "activities.c"
#include <wasmworker_test.h>

static int failed;

static void check(const char *what, const char *got, const char *want) {
    if (got && strcmp(got, want) == 0) return;
    printf("%s: got %s, want %s\n", what, got ? got : "nothing", want);
    failed = 1;
}

int main(void) {
    ww_test_arg("{\"name\": \"Ada\"}");
    WW_TEST_RUN(greet);
    check("greet", ww_test_output(), "{\"greeting\":\"Hello, Ada!\",\"attempt\":1}");
    check("log", ww_test_logs(), "0 greeting {\"name\":\"Ada\"}\n");

    ww_test_reset();
    ww_test_arg("{\"name\": \"\"}");
    WW_TEST_RUN(greet);
    check("empty name", ww_test_failure(), "{\"message\":\"the name is empty\",\"type\":\"EmptyName\",\"non_retryable\":true}");

    ww_test_reset();
    puts(failed ? "FAIL" : "ok");
    return failed;
}
