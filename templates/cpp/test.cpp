// Runs the activities natively: make test

#include "activities.cpp"
#include <wasmworker_test.h>

#include <iostream>

static bool failed = false;

static void check(const char *what, const char *got, std::string_view want) {
    if (got && got == want) return;
    std::cout << what << ": got " << (got ? got : "nothing") << ", want " << want << "\n";
    failed = true;
}

int main() {
    ww_test_arg(R"({"name": "Ada"})");
    WW_TEST_RUN(greet);
    check("greet", ww_test_output(), R"({"greeting":"Hello, Ada!","attempt":1})");
    check("log", ww_test_logs(), "0 greeting {\"name\":\"Ada\"}\n");

    ww_test_reset();
    ww_test_arg(R"({"name": ""})");
    WW_TEST_RUN(greet);
    check("empty name", ww_test_failure(), R"({"message":"the name is empty","type":"EmptyName","non_retryable":true})");

    ww_test_reset();
    std::cout << (failed ? "FAIL" : "ok") << "\n";
    return failed;
}
