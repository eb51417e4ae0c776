// The conformance module in C++, see ../README.md.

#define WASMWORKER_IMPLEMENTATION
#include <wasmworker.hpp>

#include <cstdio>
#include <cstdlib>

namespace conformance {

namespace ww = wasmworker;
using namespace std::chrono_literals;

WASMWORKER_PASSTHROUGH(host_upper, "wasmworker:conformance/v1", "upper");
WASMWORKER_PASSTHROUGH(host_deny, "wasmworker:conformance/v1", "deny");

struct Person {
    std::string name;
};
WASMWORKER_JSON(Person, name)

struct Greeting {
    std::string greeting;
};
WASMWORKER_JSON(Greeting, greeting)

ww::Result<Greeting> greet(const Person &person) {
    if (person.name.empty()) return ww::Failure("EmptyName", "the name is empty").non_retryable();
    return Greeting{"Hello, " + person.name + "!"};
}
WASMWORKER_ACTIVITY(greet)

double add(double a, double b) { return a + b; }
WASMWORKER_ACTIVITY(add)

std::vector<std::string> arguments(const std::vector<ww::Payload> &args) {
    std::vector<std::string> out;
    for (const ww::Payload &arg : args) out.push_back(arg.encoding + ":" + std::string(arg.text()));
    return out;
}
WASMWORKER_ACTIVITY(arguments)

ww::Payload echo(ww::Payload payload) { return payload; }
WASMWORKER_ACTIVITY(echo)

void nothing() {}
WASMWORKER_ACTIVITY(nothing)

ww::Bytes bytes(std::uint32_t n) {
    ww::Bytes out(n);
    for (std::size_t i = 0; i < n; i++) out[i] = static_cast<std::byte>(i);
    return out;
}
WASMWORKER_ACTIVITY(bytes)

struct About {
    std::string_view activity_id, activity_type, task_queue, workflow_id, workflow_type, namespace_;
    int attempt;
    std::int64_t heartbeat_timeout_ms;
};

void to_json(ww::Writer &w, const About &a) { // by hand, since namespace is a keyword
    w.begin_object()
        .member("activity_id", a.activity_id)
        .member("activity_type", a.activity_type)
        .member("attempt", a.attempt)
        .member("namespace", a.namespace_)
        .member("task_queue", a.task_queue)
        .member("workflow_id", a.workflow_id)
        .member("workflow_type", a.workflow_type)
        .member("heartbeat_timeout_ms", a.heartbeat_timeout_ms)
        .end_object();
}

About info() {
    ww::Info i = ww::info();
    return {i.activity_id, i.activity_type, i.task_queue, i.workflow_id, i.workflow_type, i.namespace_, i.attempt, i.heartbeat_timeout.count()};
}
WASMWORKER_ACTIVITY(info)

struct Code {
    int code;
};
WASMWORKER_JSON(Code, code)

ww::Result<void> fail(std::string_view kind) {
    if (kind == "plain") return ww::Failure("plain text");
    if (kind == "typed") return ww::Failure("CardDeclined", "declined").detail(Code{51}).detail("second");
    if (kind == "final") return ww::Failure("NoCard", "no such card").non_retryable();
    if (kind == "later") return ww::Failure("Busy", "try later").next_retry_delay(123s);
    if (kind == "benign") return ww::Failure("Benign", "nothing to see").benign();
    if (kind == "cause") return ww::Failure("Outer", "outer").cause(ww::Failure("Root", "the root"));
    return ww::Failure("InvalidInput", "no such kind").non_retryable();
}
WASMWORKER_ACTIVITY(fail)

void crash() {
    std::fputs("oh no\n", stderr);
    std::abort();
}
WASMWORKER_ACTIVITY(crash)

int steps(int n) {
    int begin = ww::last_detail<int>().value_or(0);
    for (int step = begin + 1; step <= n; step++) ww::heartbeat(step);
    return begin;
}
WASMWORKER_ACTIVITY(steps)

ww::Result<void> cancel() {
    while (!ww::heartbeat().cancel_requested()) {}
    return ww::Cancelled("cleaned up");
}
WASMWORKER_ACTIVITY(cancel)

std::string stopping() {
    while (!ww::heartbeat().worker_stopping()) {}
    return "stopping";
}
WASMWORKER_ACTIVITY(stopping)

void logs(std::string_view text) {
    ww::log::warn(text, {{"answer", 42}});
    ww::log::debug("the end");
}
WASMWORKER_ACTIVITY(logs)

ww::Result<std::string> upper(std::string_view text) {
    ww::Response response = ww::call(host_upper, text);
    if (!response) return response.failure();
    return response.body;
}
WASMWORKER_ACTIVITY(upper)

struct Denied {
    int number;
    std::string message;
};

void to_json(ww::Writer &w, const Denied &d) { // by hand, since errno is a macro
    w.begin_object().member("errno", d.number).member("message", d.message).end_object();
}

Denied denied() {
    ww::Response response = ww::call(host_deny, "");
    return {response.error, response.message};
}
WASMWORKER_ACTIVITY(denied)

int calls = 0;

int state() { return ++calls; }
WASMWORKER_ACTIVITY(state)

void spin() {
    for (volatile unsigned n = 0;; n = n + 1) {}
}
WASMWORKER_ACTIVITY(spin)

} // namespace conformance
