// my-activity: Temporal activities in C++, run by wasmworker.

#define WASMWORKER_IMPLEMENTATION
#include <wasmworker.hpp>

using wasmworker::Failure;
using wasmworker::Result;

struct GreetInput {
    std::string name;
};
WASMWORKER_JSON(GreetInput, name)

struct GreetOutput {
    std::string greeting;
    int attempt;
};
WASMWORKER_JSON(GreetOutput, greeting, attempt)

// Greets somebody by name.
Result<GreetOutput> greet(const GreetInput &in) {
    if (in.name.empty()) return Failure("EmptyName", "the name is empty").non_retryable();
    wasmworker::log::info("greeting", {{"name", in.name}});
    return GreetOutput{"Hello, " + in.name + "!", wasmworker::info().attempt};
}
WASMWORKER_ACTIVITY(greet)
