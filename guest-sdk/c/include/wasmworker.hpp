// wasmworker.hpp - Temporal activities in C++17, as WebAssembly modules for wasmworker. Version 0.1.0.
//
// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The wasmworker authors
//
// An activity is an ordinary function, and a line that exports it under its name:
//
//     #define WASMWORKER_IMPLEMENTATION      // in exactly one file of the module
//     #include <wasmworker.hpp>
//
//     struct GreetInput {
//         std::string name;
//     };
//     WASMWORKER_JSON(GreetInput, name)
//
//     wasmworker::Result<std::string> greet(const GreetInput &in) {
//         if (in.name.empty()) return wasmworker::Failure("EmptyName", "the name is empty").non_retryable();
//         return "Hello, " + in.name + "!";
//     }
//     WASMWORKER_ACTIVITY(greet)
//
// It is a layer on wasmworker.h, whose functions may be used beside it. It throws nothing and needs neither
// exceptions nor RTTI. What it takes out of the host is copied into the types of the standard library; string_views
// and Json values that it returns are valid until the activity returns.
//
// Parameters are decoded from the arguments, results encoded, by their types:
//
//     Payload                        any encoding, as it came
//     Bytes                          binary/plain
//     std::optional<T>               T; empty for null and, as a parameter, for an argument that was not given
//     std::vector<Payload>           as the last parameter: all arguments that are left
//     everything else                JSON (json/plain, json/protobuf, or no encoding): bool, numbers, std::string, std::string_view, std::vector, std::map and its like with
//                                    keys of std::string, Json, and structs by WASMWORKER_JSON or from_json and to_json
//
// An argument that is missing, malformed, of another type or out of its type's range fails the activity with type
// InvalidInput, not retryable, before the function is called. Arguments beyond the parameters are ignored.

#ifndef WASMWORKER_HPP
#define WASMWORKER_HPP

#include "wasmworker.h"

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <limits>
#include <new>
#include <optional>
#include <string>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

namespace wasmworker {

class Json;
class Writer;

namespace internal {

inline ww_str str(std::string_view s) { return ww_bytes(s.data(), s.size()); }
inline std::string_view view(ww_str s) { return {s.ptr, s.len}; }

template <class T> struct is_optional : std::false_type {};
template <class T> struct is_optional<std::optional<T>> : std::true_type {};

template <class T> struct is_vector : std::false_type {};
template <class T, class A> struct is_vector<std::vector<T, A>> : std::true_type {};

template <class T, class = void> struct is_map : std::false_type {};
template <class T>
struct is_map<T, std::void_t<typename T::key_type, typename T::mapped_type>> : std::is_same<typename T::key_type, std::string> {};

template <class T> void read(ww_json v, T &out);

} // namespace internal

// ---------------------------------------------------------------- Values

// Bytes without a meaning to Temporal: binary/plain.
using Bytes = std::vector<std::byte>;

// A value as Temporal carries it.
struct Payload {
    Bytes data;
    std::string encoding; // such as json/plain
    std::string metadata; // for output: all metadata as a JSON object, in place of the encoding. See arg_metadata()

    Payload() = default;
    Payload(Bytes bytes, std::string its_encoding) : data(std::move(bytes)), encoding(std::move(its_encoding)) {}
    Payload(std::string_view text, std::string its_encoding) : encoding(std::move(its_encoding)) {
        const auto *bytes = reinterpret_cast<const std::byte *>(text.data());
        data.assign(bytes, bytes + text.size());
    }

    // The bytes as text.
    std::string_view text() const { return {reinterpret_cast<const char *>(data.data()), data.size()}; }
};

// Frees, at its end, the memory that the SDK has taken since: for long loops around parse and its like. What they
// returned must not be used any longer, as far as it is a view (Json, std::string_view).
class Scope {
  public:
    Scope() = default;
    ~Scope() { ww_release_memory(mark_); }
    Scope(const Scope &) = delete;
    Scope &operator=(const Scope &) = delete;

  private:
    ww_mark mark_ = ww_mark_memory();
};

// A value in a JSON document: a view, valid until the activity returns. What is read wrongly (a missing member, another
// type) is remembered, as wasmworker.h says: for an argument, the activity then fails with type InvalidInput.
class Json {
  public:
    Json() = default;
    Json(ww_json v) : v_(v) {}

    ww_json_kind kind() const { return ww_kind(v_); }
    bool exists() const { return ww_exists(v_); }
    bool is_null() const { return kind() == WW_NULL; }

    // The value as T: json.as<int>().
    template <class T> T as() const {
        T out{};
        internal::read(v_, out);
        return out;
    }
    // A member that has to be there, and one that need not.
    Json operator[](const char *key) const { return ww_get(v_, key); }
    Json find(const char *key) const { return ww_find(v_, key); }
    // Elements of an array or members of an object, which can also be iterated over.
    std::size_t size() const { return ww_count(v_); }
    std::string_view key() const { return internal::view(ww_key_of(v_)); }
    // Remembers that the value is wrong, though of the right type.
    void reject(const char *what) const { ww_reject(v_, what); }
    // The first error of the document; nullptr if none.
    const char *error() const { return ww_error(v_); }
    ww_json raw() const { return v_; }

    class iterator {
      public:
        explicit iterator(ww_json v) : v_(v) {}
        Json operator*() const { return v_; }
        iterator &operator++() {
            v_ = ww_next(v_);
            return *this;
        }
        bool operator!=(const iterator &) const { return ww_exists(v_); } // only ever compared with the end

      private:
        ww_json v_;
    };
    iterator begin() const { return iterator(ww_first(v_)); }
    iterator end() const { return iterator(ww_json{}); }

  private:
    ww_json v_{};
};

// Writes one JSON value. Mistakes are remembered, as wasmworker.h says.
class Writer {
  public:
    Writer &begin_object() { return ww_begin_object(&w_), *this; }
    Writer &end_object() { return ww_end_object(&w_), *this; }
    Writer &begin_array() { return ww_begin_array(&w_), *this; }
    Writer &end_array() { return ww_end_array(&w_), *this; }
    Writer &key(std::string_view key) { return ww_key_str(&w_, internal::str(key)), *this; }
    template <class T> Writer &value(const T &value);
    template <class T> Writer &member(std::string_view key, const T &value) { return this->key(key).value(value); }

    // What was written, if it is one whole value; otherwise nothing, and error() tells why.
    std::optional<std::string_view> text() {
        ww_str s = ww_text(&w_);
        if (!s.ptr) return std::nullopt;
        return internal::view(s);
    }
    const char *error() const { return w_.error; }
    ww_writer *raw() { return &w_; }

  private:
    ww_writer w_{};
};

template <class T> Writer &Writer::value(const T &value) {
    if constexpr (std::is_same_v<T, bool>) {
        ww_put_bool(&w_, value);
    } else if constexpr (std::is_integral_v<T> && std::is_signed_v<T>) {
        ww_put_int(&w_, value);
    } else if constexpr (std::is_integral_v<T>) {
        ww_put_uint(&w_, value);
    } else if constexpr (std::is_floating_point_v<T>) {
        ww_put_double(&w_, static_cast<double>(value));
    } else if constexpr (std::is_convertible_v<const T &, std::string_view>) {
        ww_put_str(&w_, internal::str(value));
    } else if constexpr (std::is_same_v<T, Json>) {
        ww_put_json(&w_, value.raw());
    } else if constexpr (std::is_same_v<T, std::nullptr_t> || std::is_same_v<T, std::nullopt_t>) {
        ww_put_null(&w_);
    } else if constexpr (internal::is_optional<T>::value) {
        if (value) this->value(*value);
        else ww_put_null(&w_);
    } else if constexpr (internal::is_vector<T>::value) {
        begin_array();
        for (const auto &item : value) this->value(static_cast<const typename T::value_type &>(item));
        end_array();
    } else if constexpr (internal::is_map<T>::value) {
        begin_object();
        for (const auto &[name, item] : value) member(name, item);
        end_object();
    } else {
        to_json(*this, value); // yours, or one by WASMWORKER_JSON, in the namespace of the type
    }
    return *this;
}

template <class T> void internal::read(ww_json v, T &out) {
    if constexpr (std::is_same_v<T, bool>) {
        out = ww_as_bool(v);
    } else if constexpr (std::is_integral_v<T> && sizeof(T) < 8) {
        out = static_cast<T>(ww_as_int_in(v, std::numeric_limits<T>::min(), std::numeric_limits<T>::max()));
    } else if constexpr (std::is_integral_v<T> && std::is_signed_v<T>) {
        out = static_cast<T>(ww_as_int(v));
    } else if constexpr (std::is_integral_v<T>) {
        out = static_cast<T>(ww_as_uint(v));
    } else if constexpr (std::is_floating_point_v<T>) {
        out = static_cast<T>(ww_as_double(v));
    } else if constexpr (std::is_same_v<T, std::string> || std::is_same_v<T, std::string_view>) {
        out = T(view(ww_as_str(v)));
    } else if constexpr (std::is_same_v<T, Json>) {
        out = v;
    } else if constexpr (is_optional<T>::value) {
        if (ww_is_set(v)) read(v, out.emplace());
        else out.reset();
    } else if constexpr (is_vector<T>::value) {
        out.clear();
        if (ww_kind(v) != WW_ARRAY) { // an object has elements, too
            ww_at(v, 0);
            return;
        }
        out.reserve(ww_count(v));
        for (Json item : Json(v)) out.push_back(item.as<typename T::value_type>());
    } else if constexpr (is_map<T>::value) {
        out.clear();
        if (ww_kind(v) != WW_OBJECT) {
            ww_get(v, "");
            return;
        }
        for (Json item : Json(v)) out.insert_or_assign(std::string(item.key()), item.as<typename T::mapped_type>());
    } else {
        from_json(Json(v), out); // yours, or one by WASMWORKER_JSON, in the namespace of the type
    }
}

namespace internal {

template <class T> void read_member(Json object, const char *key, T &out) {
    read(is_optional<T>::value ? object.find(key).raw() : object[key].raw(), out);
}

} // namespace internal

// ---------------------------------------------------------------- Outcomes

// Why an activity failed. The functions that set something return the failure itself:
//
//     return Failure("CardDeclined", "declined").detail(code).next_retry_delay(30s);
class Failure {
  public:
    // A failure without a type. Failures are retryable unless they say otherwise.
    explicit Failure(std::string message) : message_(std::move(message)) {}
    // The type is what retry policies and workflows compare with.
    Failure(std::string type, std::string message) : type_(std::move(type)), message_(std::move(message)) {}

    Failure &non_retryable() { return non_retryable_ = true, *this; }
    // Expected: Temporal neither counts nor logs it as an error.
    Failure &benign() { return benign_ = true, *this; }
    // Replaces the retry policy's next interval.
    Failure &next_retry_delay(std::chrono::milliseconds delay) { return delay_ = delay, *this; }
    // Adds a detail, any value that can be written as JSON.
    template <class T> Failure &detail(const T &value) {
        Writer w;
        auto text = w.value(value).text();
        (details_ += details_.empty() ? "[" : ",") += text ? *text : "null";
        return *this;
    }
    Failure &cause(Failure cause) { return cause_.assign(1, std::move(cause)), *this; }
    Failure &stack_trace(std::string text) { return stack_trace_ = std::move(text), *this; }

    const std::string &type() const { return type_; }
    const std::string &message() const { return message_; }
    bool is_retryable() const { return !non_retryable_; }

    // Hands the failure to the host and returns WW_FAILED.
    ww_status report() const { return ww_fail_with(describe()); }

  private:
    const ww_failure *describe() const {
        ww_failure *f = ::new (ww_alloc(sizeof(ww_failure))) ww_failure{};
        f->type = type_.empty() ? nullptr : type_.c_str();
        f->message = message_.c_str();
        f->non_retryable = non_retryable_;
        f->benign = benign_;
        f->next_retry_delay_ms = delay_.count();
        if (!details_.empty()) {
            const ww_str parts[] = {internal::str(details_), ww_cstr("]")};
            f->details = ww_concat_n(parts, 2).ptr;
        }
        if (!cause_.empty()) f->cause = cause_[0].describe();
        f->stack_trace = stack_trace_.empty() ? nullptr : stack_trace_.c_str();
        return f;
    }

    std::string type_, message_, details_, stack_trace_;
    std::vector<Failure> cause_; // none or one
    std::chrono::milliseconds delay_{0};
    bool non_retryable_ = false, benign_ = false;
};

namespace internal {

// Sets the activity's output.
template <class T> ww_status output(const T &value) {
    if constexpr (std::is_same_v<T, Payload>) {
        ww_str data = ww_bytes(value.data.data(), value.data.size());
        if (!value.metadata.empty()) return ww_output_with_metadata(data, str(value.metadata));
        return ww_output_payload({data, str(value.encoding)});
    } else if constexpr (std::is_same_v<T, Bytes>) {
        return ww_output_bytes(value.data(), value.size());
    } else if constexpr (is_optional<T>::value) {
        return value ? output(*value) : ww_output_null();
    } else {
        Writer w;
        w.value(value);
        return ww_output_json(w.raw());
    }
}

// A value as output would set it; none if it cannot be written as JSON.
template <class T> std::optional<Payload> to_payload(const T &value) {
    if constexpr (std::is_same_v<T, Payload>) {
        return value;
    } else if constexpr (std::is_same_v<T, Bytes>) {
        return Payload(value, "binary/plain");
    } else if constexpr (is_optional<T>::value) {
        return value ? to_payload(*value) : Payload(Bytes(), "binary/null");
    } else {
        Writer w;
        auto text = w.value(value).text();
        if (!text) return std::nullopt;
        return Payload(*text, "json/plain");
    }
}

} // namespace internal

// The activity stopped because it was asked to: return Cancelled(), or Cancelled(details) with whatever may be a result.
class Cancelled {
  public:
    Cancelled() = default;
    template <class T, class = std::enable_if_t<!std::is_same_v<std::decay_t<T>, Cancelled>>>
    explicit Cancelled(const T &details) : details_(internal::to_payload(details)) {}

    const std::optional<Payload> &details() const { return details_; }

  private:
    std::optional<Payload> details_;
};

// What an activity returns: a value, a Failure or Cancelled.
template <class T> class [[nodiscard]] Result {
  public:
    template <class U, class = std::enable_if_t<std::is_convertible_v<U &&, T> && !std::is_same_v<std::decay_t<U>, Result>>>
    Result(U &&value) : state_(std::in_place_index<0>, std::forward<U>(value)) {}
    Result(Failure failure) : state_(std::in_place_index<1>, std::move(failure)) {}
    Result(Cancelled cancelled) : state_(std::in_place_index<2>, std::move(cancelled)) {}

    bool ok() const { return state_.index() == 0; }
    explicit operator bool() const { return ok(); }
    // The value, if ok(); otherwise the program ends.
    const T &operator*() const { return *value(); }
    T &operator*() { return *const_cast<T *>(value()); }
    const T *operator->() const { return value(); }
    // The failure; nullptr if there is none.
    const Failure *failure() const { return std::get_if<1>(&state_); }
    // Whether and how the activity was cancelled; nullptr if it was not.
    const Cancelled *cancelled() const { return std::get_if<2>(&state_); }

  private:
    const T *value() const {
        const T *p = std::get_if<0>(&state_);
        if (!p) __builtin_trap();
        return p;
    }
    std::variant<T, Failure, Cancelled> state_;
};

// The same without a value: return {};
template <> class [[nodiscard]] Result<void> {
  public:
    Result() = default;
    Result(Failure failure) : failure_(std::move(failure)) {}
    Result(Cancelled cancelled) : cancelled_(std::move(cancelled)) {}

    bool ok() const { return !failure_ && !cancelled_; }
    explicit operator bool() const { return ok(); }
    const Failure *failure() const { return failure_ ? &*failure_ : nullptr; }
    const Cancelled *cancelled() const { return cancelled_ ? &*cancelled_ : nullptr; }

  private:
    std::optional<Failure> failure_;
    std::optional<Cancelled> cancelled_;
};

// Parses JSON that is not an argument, such as a response. It fails with type InvalidJSON, not retryable.
template <class T> Result<T> parse(std::string_view text) {
    Json v = ww_parse(internal::str(text));
    T out = v.as<T>();
    if (v.error()) return Failure("InvalidJSON", v.error()).non_retryable();
    return out;
}

// A value as JSON text, or what is wrong with it (type InvalidJSON).
template <class T> Result<std::string> stringify(const T &value) {
    Writer w;
    if (auto text = w.value(value).text()) return std::string(*text);
    return Failure("InvalidJSON", w.error()).non_retryable();
}

// ---------------------------------------------------------------- Running activities

namespace internal {

inline Payload payload(ww_payload p) { return Payload(view(p.data), std::string(view(p.encoding))); }

template <class T> void read_arg(std::uint32_t index, T &out) {
    if constexpr (std::is_same_v<T, Payload>) {
        out = payload(ww_arg_payload(index));
    } else if constexpr (std::is_same_v<T, std::vector<Payload>>) {
        for (; index < ww_arg_count(); index++) out.push_back(payload(ww_arg_payload(index)));
    } else if constexpr (std::is_same_v<T, Bytes>) {
        ww_payload p = ww_arg_payload(index);
        const auto *bytes = reinterpret_cast<const std::byte *>(p.data.ptr);
        out.assign(bytes, bytes + p.data.len);
        if (!ww_equal(p.encoding, "binary/plain")) {
            ww_reject_arg(index, ww_format("expected bytes, got a payload of %s%s", p.encoding.len ? "encoding " : "no encoding", p.encoding.ptr).ptr);
        }
    } else if constexpr (is_optional<T>::value) {
        if (index >= ww_arg_count() || ww_equal(ww_arg_payload(index).encoding, "binary/null")) return;
        using V = typename T::value_type;
        if constexpr (!std::is_same_v<V, Payload> && !std::is_same_v<V, Bytes>) {
            if (ww_kind(ww_arg(index)) == WW_NULL) return;
        }
        read_arg(index, out.emplace());
    } else {
        read(ww_arg(index), out);
    }
}

template <class T> ww_status finish(const T &result) { return output(result); }

template <class T> ww_status finish(const Result<T> &result) {
    if (const Failure *f = result.failure()) return f->report();
    if (const Cancelled *c = result.cancelled()) {
        if (c->details()) output(*c->details());
        return WW_CANCELLED;
    }
    if constexpr (std::is_void_v<T>) return WW_COMPLETED;
    else return output(*result);
}

template <class R, class... P, std::size_t... I> ww_status run(R (*function)(P...), std::index_sequence<I...>) {
    std::tuple<std::decay_t<P>...> args{};
    (read_arg(static_cast<std::uint32_t>(I), std::get<I>(args)), ...);
    if (!ww_ok()) return WW_FAILED;
    if constexpr (std::is_void_v<R>) {
        function(std::forward<P>(std::get<I>(args))...);
        return WW_COMPLETED;
    } else {
        return finish(function(std::forward<P>(std::get<I>(args))...));
    }
}

template <class R, class... P> ww_status run(R (*function)(P...)) { return run(function, std::index_sequence_for<P...>{}); }

} // namespace internal

// Exports a function as an activity. Its name, without a namespace, is the Temporal activity type. The function
// returns T, Result<T>, void or Result<void>; the latter two have no result.
#define WASMWORKER_ACTIVITY(function)                                                    \
    extern "C" WW_EXPORT_(#function) std::int32_t ww_export_##function(void);            \
    std::int32_t ww_export_##function(void) {                                            \
        return ::ww_run([]() -> ::ww_status { return ::wasmworker::internal::run(&function); }); \
    }

// The same with a type that is not the function's name: WASMWORKER_ACTIVITY_AS("Acme.Greet", greet)
#define WASMWORKER_ACTIVITY_AS(type, function)                                           \
    extern "C" WW_EXPORT_(type) std::int32_t ww_export_##function(void);                 \
    std::int32_t ww_export_##function(void) {                                            \
        return ::ww_run([]() -> ::ww_status { return ::wasmworker::internal::run(&function); }); \
    }

// All metadata of an argument as JSON text, for Payload::metadata: {"encoding": "json/plain", …}.
inline std::string arg_metadata(std::uint32_t index) { return std::string(internal::view(ww_arg_metadata(index))); }

// ---------------------------------------------------------------- Information

using Time = std::chrono::time_point<std::chrono::system_clock, std::chrono::milliseconds>;

struct RetryPolicy {
    std::chrono::milliseconds initial_interval, maximum_interval;
    double backoff_coefficient;
    int maximum_attempts; // 0: no limit
    std::vector<std::string_view> non_retryable_error_types;
};

struct Priority {
    int priority_key;
    std::string_view fairness_key;
    double fairness_weight;
};

// This attempt of the activity. Durations of 0 are no limit.
struct Info {
    std::string_view activity_id, activity_type, namespace_, task_queue;
    std::string_view workflow_type, workflow_id, workflow_run_id; // empty for a standalone activity
    std::string_view activity_run_id;                             // empty for an activity of a workflow
    int attempt;                                                  // 1 is the first
    bool is_local_activity;
    std::chrono::milliseconds heartbeat_timeout, start_to_close_timeout, schedule_to_close_timeout;
    std::optional<Time> scheduled_time, started_time, deadline;
    std::optional<RetryPolicy> retry_policy;
    std::optional<Priority> priority;
};

inline Info info() {
    using internal::view;
    using std::chrono::milliseconds;
    const ww_activity_info *i = ww_info();
    auto time = [](std::int64_t ms) { return ms ? std::optional(Time(milliseconds(ms))) : std::nullopt; };
    Info out{view(i->activity_id), view(i->activity_type), view(i->namespace_), view(i->task_queue),
             view(i->workflow_type), view(i->workflow_id), view(i->workflow_run_id), view(i->activity_run_id),
             i->attempt, i->is_local_activity,
             milliseconds(i->heartbeat_timeout_ms), milliseconds(i->start_to_close_timeout_ms), milliseconds(i->schedule_to_close_timeout_ms),
             time(i->scheduled_time_ms), time(i->started_time_ms), time(i->deadline_ms), std::nullopt, std::nullopt};
    if (const ww_retry_policy *p = i->retry_policy) {
        out.retry_policy = RetryPolicy{milliseconds(p->initial_interval_ms), milliseconds(p->maximum_interval_ms), p->backoff_coefficient, p->maximum_attempts, {}};
        for (std::size_t k = 0; k < p->non_retryable_error_type_count; k++) {
            out.retry_policy->non_retryable_error_types.push_back(view(p->non_retryable_error_types[k]));
        }
    }
    if (const ww_priority *p = i->priority) out.priority = Priority{p->priority_key, view(p->fairness_key), p->fairness_weight};
    return out;
}

// ---------------------------------------------------------------- Cancellation and heartbeats

// What is asked of the activity.
class Flags {
  public:
    explicit Flags(std::uint32_t bits) : bits_(bits) {}
    // Somebody asked Temporal to cancel the activity.
    bool cancel_requested() const { return bits_ & WW_CANCEL_REQUESTED; }
    // The worker is shutting down; the activity may go on for the graceful timeout.
    bool worker_stopping() const { return bits_ & WW_WORKER_STOPPING; }
    // An operator paused the activity, or reset it.
    bool paused() const { return bits_ & WW_PAUSED; }
    bool reset() const { return bits_ & WW_RESET; }
    // Temporal does not wait for this attempt any more.
    bool gone() const { return bits_ & WW_GONE; }
    // Any of these: clean up and return Cancelled(). See ww_should_stop in wasmworker.h.
    bool should_stop() const { return bits_ & (WW_CANCEL_REQUESTED | WW_WORKER_STOPPING | WW_PAUSED | WW_RESET | WW_GONE); }

  private:
    std::uint32_t bits_;
};

// What is asked of the activity now; cheap enough for a loop.
inline Flags flags() { return Flags(ww_flags()); }
inline bool should_stop() { return ww_should_stop(); }

// Sends a heartbeat with any number of details: Payload, Bytes, or what can be written as JSON. Call it as often as is
// convenient: the host throttles. From the first call on, keeping the heartbeat timeout is the activity's duty.
// Details that the host refuses fail the activity with type OutputTooLarge when it returns.
template <class... T> Flags heartbeat(const T &...details) {
    auto add = [](const auto &value) {
        using V = std::decay_t<decltype(value)>;
        if constexpr (std::is_same_v<V, Payload>) {
            ww_heartbeat_add({ww_bytes(value.data.data(), value.data.size()), internal::str(value.encoding)});
        } else if constexpr (std::is_same_v<V, Bytes>) {
            ww_heartbeat_add({ww_bytes(value.data(), value.size()), ww_cstr("binary/plain")});
        } else {
            Writer w;
            w.value(value);
            ww_heartbeat_add_json(w.raw());
        }
    };
    Scope scope;
    (add(details), ...);
    return Flags(ww_heartbeat());
}

// A detail of the last heartbeat of the attempt before, to go on from there: nothing if there is none, or none of this type.
// An encoding that no version of the activity can have read, such as binary/encrypted, makes ww_ok() false (InvalidInput), too.
template <class T> std::optional<T> last_detail(std::uint32_t index = 0) {
    if (index >= ww_detail_count()) return std::nullopt;
    if constexpr (std::is_same_v<T, Payload>) {
        return internal::payload(ww_detail_payload(index));
    } else if constexpr (std::is_same_v<T, Bytes>) {
        ww_payload p = ww_detail_payload(index);
        if (ww_equal(p.encoding, "binary/plain")) return internal::payload(p).data;
        ww_detail(index); // which remembers an encoding that is not read
        return std::nullopt;
    } else {
        Json v = ww_detail(index);
        T out = v.as<T>();
        if (v.error()) return std::nullopt;
        return out;
    }
}

// ---------------------------------------------------------------- Logging

// An attribute of a log record: {"left", 3}. The key is not copied.
struct Attr {
    template <class T> Attr(const char *key, const T &value) {
        raw.key = key;
        if constexpr (std::is_same_v<T, bool>) {
            raw.kind = WW_ATTR_BOOL_;
            raw.integer = value;
        } else if constexpr (std::is_integral_v<T>) {
            raw.kind = WW_ATTR_INT_;
            raw.integer = static_cast<std::int64_t>(value);
        } else if constexpr (std::is_floating_point_v<T>) {
            raw.kind = WW_ATTR_DOUBLE_;
            raw.number = static_cast<double>(value);
        } else if constexpr (std::is_convertible_v<const T &, std::string_view>) {
            raw.kind = WW_ATTR_STR_;
            raw.text = internal::str(value);
        } else {
            Writer w; // any other value, as JSON
            auto text = w.value(value).text();
            raw.kind = WW_ATTR_JSON_;
            raw.json = ww_parse(internal::str(text ? *text : "null"));
        }
    }
    ww_attr raw{};
};

// Log records: log::warn("low stock", {{"left", 3}, {"item", item}}). The host adds the module and the activity.
namespace log {

inline void write(int level, std::string_view message, std::initializer_list<Attr> attrs) {
    std::vector<ww_attr> raw;
    raw.reserve(attrs.size());
    for (const Attr &a : attrs) raw.push_back(a.raw);
    ww_log_attrs(level, internal::str(message), raw.data(), raw.size());
}

inline void debug(std::string_view message, std::initializer_list<Attr> attrs = {}) { write(WW_DEBUG, message, attrs); }
inline void info(std::string_view message, std::initializer_list<Attr> attrs = {}) { write(WW_INFO, message, attrs); }
inline void warn(std::string_view message, std::initializer_list<Attr> attrs = {}) { write(WW_WARN, message, attrs); }
inline void error(std::string_view message, std::initializer_list<Attr> attrs = {}) { write(WW_ERROR, message, attrs); }

} // namespace log

// ---------------------------------------------------------------- Passthrough

// What a host module answered.
struct Response {
    int error = 0;       // 0, or a number such as WW_EACCES: the operator's policy denies it
    std::string body;    // the response, if error is 0
    std::string message; // the host's sentence about the error

    explicit operator bool() const { return error == 0; }
    // The error as a retryable failure of its type, such as EACCES.
    Failure failure() const { return Failure(ww_errno_name(error), message); }
};

// Imports a function of a host module, which is also the module's request for the grant:
//
//     WASMWORKER_PASSTHROUGH(forecast, "wasmworker:weather/v1", "forecast");
#define WASMWORKER_PASSTHROUGH(name, module, function) WW_PASSTHROUGH(name, module, function)

// Calls a host function and waits for its answer.
inline Response call(ww_host_fn *function, std::string_view request) {
    Scope scope; // what is returned is a copy
    ww_str body;
    int error = ww_call(function, internal::str(request), &body);
    if (error) return {error, {}, std::string(internal::view(ww_last_error()))};
    return {0, std::string(internal::view(body)), {}};
}

// What a function of a host module answered: a value, or an error.
template <class T> class [[nodiscard]] Answer {
  public:
    Answer(T value) : value_(std::move(value)) {}
    Answer(int number, std::string sentence) : error(number), message(std::move(sentence)) {}

    int error = 0;       // 0, or a number such as WW_EACCES
    std::string message; // the host's sentence about the error

    explicit operator bool() const { return error == 0; }
    // The value, if there is no error; otherwise the program ends.
    T &operator*() { return *value(); }
    const T &operator*() const { return *const_cast<Answer *>(this)->value(); }
    T *operator->() { return value(); }
    const T *operator->() const { return const_cast<Answer *>(this)->value(); }
    // The error as a retryable failure of its type, such as EACCES.
    Failure failure() const { return Failure(ww_errno_name(error), message); }

  private:
    T *value() {
        if (!value_) __builtin_trap();
        return &*value_;
    }
    std::optional<T> value_;
};

// The same without a value.
template <> class [[nodiscard]] Answer<void> {
  public:
    Answer() = default;
    Answer(int number, std::string sentence) : error(number), message(std::move(sentence)) {}

    int error = 0;
    std::string message;

    explicit operator bool() const { return error == 0; }
    Failure failure() const { return Failure(ww_errno_name(error), message); }
};

namespace internal {

inline std::string last_error() { return std::string(view(ww_last_error())); }
inline Answer<void> answer(int error) { return error ? Answer<void>(error, last_error()) : Answer<void>(); }

} // namespace internal

// ---------------------------------------------------------------- HTTP: wasmworker:http/v1

// The errors, and what the host makes of a request, are told in wasmworker.h; so for the modules below. What is called is imported.
namespace http {

using Headers = std::vector<std::pair<std::string, std::string>>;

//     http::Request request{"https://api.example.com/v1/charges", "POST", {{"Authorization", "Bearer {{secret:api-token}}"}}, body};
//     auto response = http::send(request);
//     if (!response) return response.failure();
//     if (!response->is_success()) return Failure("the charge was answered with status " + std::to_string(response->status));
struct Request {
    std::string url; // http or https, in ASCII
    std::string method = "GET";
    Headers headers = {}; // {{secret:NAME}} in a value stands for a secret, which the host puts there if the policy allows it
    std::string body = {};
    std::chrono::milliseconds timeout{0}; // shortens the time that the policy allows; 0: does not
};

struct Response {
    int status = 0;
    Headers headers; // one name may be there several times
    std::string body;

    bool is_success() const { return status >= 200 && status < 300; }
    // The first value of a header, whose name may be in upper and lower case; nothing if there is none.
    std::optional<std::string_view> header(std::string_view name) const {
        auto lower = [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; };
        for (const auto &[other, value] : headers) {
            bool same = other.size() == name.size();
            for (std::size_t i = 0; same && i < name.size(); i++) same = lower(other[i]) == lower(name[i]);
            if (same) return value;
        }
        return std::nullopt;
    }
};

// Sends a request, and waits until all of the response is there. A status of 400 or more is no error.
inline Answer<Response> send(const Request &request) {
    Scope scope; // what is returned is a copy
    std::vector<ww_http_header> headers;
    for (const auto &[name, value] : request.headers) headers.push_back({name.c_str(), internal::str(value)});
    ww_http_request raw{};
    raw.url = internal::str(request.url);
    raw.method = request.method.c_str();
    raw.headers = headers.data();
    raw.header_count = headers.size();
    raw.body = internal::str(request.body);
    raw.timeout_ms = request.timeout.count();
    ww_http_response got;
    if (int error = ww_http_send(&raw, &got)) return {error, internal::last_error()};
    Response response;
    response.status = got.status;
    response.body = internal::view(got.body);
    if (ww_is_set(got.headers)) {
        for (Json values : Json(got.headers)) {
            for (Json value : values) response.headers.emplace_back(values.key(), value.as<std::string>());
        }
    }
    if (const char *wrong = ww_error(got.headers)) return {WW_EIO, wrong};
    return response;
}

} // namespace http

// ---------------------------------------------------------------- Configuration and secrets: wasmworker:config/v1, wasmworker:secret/v1

namespace config {

// A value of the operator's configuration; nothing if this module was given none of that name.
inline Answer<std::optional<std::string>> get(const std::string &name) {
    Scope scope;
    ww_str value;
    int error = ww_config_get(name.c_str(), &value);
    if (error == WW_ENOENT) return std::optional<std::string>();
    if (error) return {error, internal::last_error()};
    return std::optional(std::string(internal::view(value)));
}

} // namespace config

namespace secret {

// The value of a secret that the operator's policy reveals. It belongs into no result, heartbeat and log: Temporal keeps those.
inline Answer<std::string> reveal(const std::string &name) {
    Scope scope;
    ww_str value;
    if (int error = ww_secret_reveal(name.c_str(), &value)) return {error, internal::last_error()};
    return std::string(internal::view(value));
}

} // namespace secret

// ---------------------------------------------------------------- SQL: wasmworker:sql/v1

namespace sql {

//     sql::Connection db("warehouse");
//     auto rows = db.query("SELECT id, name FROM customers WHERE city = $1", {city});
//     if (!rows) return rows.failure();
//     for (sql::Row row : *rows) {
//         auto id = row.get<std::int64_t>("id");
//         auto name = row.get<std::optional<std::string>>(1);
//     }
//     if (auto all = rows->close(); !all) return all.failure(); // an error of fetching, or a value of another type
//
//     auto tx = db.begin();
//     if (!tx) return tx.failure();
//     auto affected = tx->exec("DELETE FROM customers WHERE id = $1", {17});
//     if (!affected) return affected.failure(); // tx is rolled back
//     if (auto committed = tx->commit(); !committed) return committed.failure();

// An argument of a statement: nullptr, a boolean, a number, text, Bytes, or a std::optional of one. Text and bytes are not copied.
// Numbers have to be finite, and whole numbers to fit into 64 bits with a sign. Times, decimals, UUIDs and the like are text that
// the database reads.
struct Argument {
    Argument() : raw(ww_sql_null()) {}
    template <class T> Argument(const T &value) {
        if constexpr (std::is_same_v<T, std::nullptr_t> || std::is_same_v<T, std::nullopt_t>) {
            raw = ww_sql_null();
        } else if constexpr (std::is_same_v<T, bool>) {
            raw = ww_sql_bool(value);
        } else if constexpr (std::is_integral_v<T>) {
            static_assert(sizeof(T) < 8 || std::is_signed_v<T>, "an unsigned number of 64 bits may not fit: cast it to std::int64_t");
            raw = ww_sql_int(value);
        } else if constexpr (std::is_floating_point_v<T>) {
            raw = ww_sql_double(static_cast<double>(value));
        } else if constexpr (std::is_same_v<T, Bytes>) {
            raw = ww_sql_bytes(ww_bytes(value.data(), value.size()));
        } else if constexpr (internal::is_optional<T>::value) {
            raw = value ? Argument(*value).raw : ww_sql_null();
        } else {
            raw = ww_sql_text(internal::str(value));
        }
    }
    ww_sql_arg raw{};
};

using Arguments = std::vector<Argument>;

// A row: a view, valid until the rows move on. What is read as another type than it is ends the rows with an error, which
// Rows::close tells.
class Row {
  public:
    explicit Row(const ww_sql_rows *rows) : rows_(rows) {}

    // A value, by the number of its column from 0 or by its name: numbers, bool, text, Bytes, or a std::optional of one for what
    // may be null. A number 0 or 1 may be a bool; a double may be NaN or infinite.
    template <class T> T get(std::uint32_t column) const { return read<T>(ww_sql_at(rows_, column)); }
    template <class T> T get(const std::string &column) const { return read<T>(ww_sql_get(rows_, column.c_str())); }
    // A value of any kind, which wasmworker.h tells about at ww_sql_at. Bytes are an object.
    Json operator[](std::uint32_t column) const { return ww_sql_at(rows_, column); }
    bool is_bytes(std::uint32_t column) const { return ww_kind(ww_sql_at(rows_, column)) == WW_OBJECT; }
    std::size_t size() const { return rows_->column_count; }

  private:
    template <class T> T read(ww_json v) const {
        if constexpr (internal::is_optional<T>::value) {
            if (ww_kind(v) == WW_NULL) return std::nullopt;
            return read<typename T::value_type>(v);
        } else if constexpr (std::is_same_v<T, Bytes>) {
            ww_str bytes = ww_sql_as_bytes(rows_, v);
            const auto *first = reinterpret_cast<const std::byte *>(bytes.ptr);
            return Bytes(first, first + bytes.len);
        } else if constexpr (std::is_same_v<T, bool>) {
            return ww_kind(v) == WW_NUMBER ? ww_as_int_in(v, 0, 1) == 1 : ww_as_bool(v);
        } else if constexpr (std::is_floating_point_v<T>) {
            using limits = std::numeric_limits<T>;
            if (ww_kind(v) == WW_STRING) {
                ww_str text = ww_as_str(v);
                if (ww_equal(text, "NaN")) return limits::quiet_NaN();
                if (ww_equal(text, "Infinity")) return limits::infinity();
                if (ww_equal(text, "-Infinity")) return -limits::infinity();
            }
            return static_cast<T>(ww_as_double(v));
        } else {
            return Json(v).as<T>();
        }
    }
    const ww_sql_rows *rows_;
};

struct Column {
    std::string_view name, type; // the database's name for the type, such as INT8; may be empty
};

// The rows of a query, which are gone through once and fetched batch by batch. The query is closed at their end, by close, or when
// they are destroyed.
class [[nodiscard]] Rows {
  public:
    explicit Rows(ww_sql_rows raw) : raw_(raw) {}
    Rows(Rows &&other) noexcept : raw_(std::exchange(other.raw_, ww_sql_rows{})) {}
    Rows &operator=(Rows &&other) noexcept {
        std::swap(raw_, other.raw_);
        return *this;
    }
    ~Rows() { ww_sql_close(&raw_); }

    std::vector<Column> columns() const {
        std::vector<Column> out;
        for (Json c : Json(raw_.columns)) out.push_back({c["name"].as<std::string_view>(), c.find("type").as<std::string_view>()});
        return out;
    }
    // The next row; nothing at the end, or after an error.
    std::optional<Row> next() { return ww_sql_next(&raw_) ? std::optional(Row(&raw_)) : std::nullopt; }
    // Gives up what is left, and tells the first error since the query.
    Answer<void> close() { return internal::answer(ww_sql_close(&raw_)); }

    class iterator {
      public:
        explicit iterator(Rows *rows) : rows_(rows) {}
        Row operator*() const { return Row(&rows_->raw_); }
        iterator &operator++() {
            if (!rows_->next()) rows_ = nullptr;
            return *this;
        }
        bool operator!=(const iterator &other) const { return rows_ != other.rows_; }

      private:
        Rows *rows_;
    };
    iterator begin() { return iterator(next() ? this : nullptr); }
    iterator end() { return iterator(nullptr); }

  private:
    ww_sql_rows raw_;
};

// What connections and transactions have in common.
class Session {
  public:
    // Runs a statement that returns rows. Parameters are in the database's own notation: $1 for PostgreSQL, ? or ?1 for SQLite.
    Answer<Rows> query(const std::string &statement, const Arguments &args = {}) {
        auto list = raw(args);
        ww_sql_rows rows;
        if (int error = ww_sql_query(target(), statement.c_str(), list.data(), list.size(), &rows)) return {error, internal::last_error()};
        return Rows(rows);
    }
    // Runs a statement that returns none, and returns how many rows it affected.
    Answer<std::int64_t> exec(const std::string &statement, const Arguments &args = {}) {
        auto list = raw(args);
        std::int64_t affected = 0;
        if (int error = ww_sql_exec(target(), statement.c_str(), list.data(), list.size(), &affected)) return {error, internal::last_error()};
        return affected;
    }

  protected:
    Session() = default;
    ww_sql target() const {
        ww_sql db{};
        db.connection = transaction_ ? nullptr : name_.c_str();
        db.transaction = transaction_;
        db.batch_rows = batch_rows_;
        return db;
    }
    std::string name_;
    std::uint64_t transaction_ = 0;
    std::uint32_t batch_rows_ = 0;

  private:
    static std::vector<ww_sql_arg> raw(const Arguments &args) {
        std::vector<ww_sql_arg> out;
        for (const Argument &a : args) out.push_back(a.raw);
        return out;
    }
};

struct Options {
    bool read_only = false;      // the database refuses writes
    std::string isolation = {}; // read committed, repeatable read or serializable; empty: the database's own
};

// A transaction. It is rolled back when it is destroyed without a commit, and by the host when the activity ends.
class [[nodiscard]] Transaction : public Session {
  public:
    Transaction(std::uint64_t id, std::uint32_t batch_rows) {
        transaction_ = id;
        batch_rows_ = batch_rows;
    }
    Transaction(Transaction &&other) noexcept : Session(other), ended_(std::exchange(other.ended_, true)) {}
    Transaction &operator=(Transaction &&) = delete;
    ~Transaction() {
        if (!ended_) (void)rollback();
    }

    Answer<void> commit() { return end(ww_sql_commit); }
    Answer<void> rollback() { return end(ww_sql_rollback); }

  private:
    Answer<void> end(int (*how)(ww_sql *)) {
        ww_sql raw = target();
        int error = how(&raw);
        if (!error) ended_ = true;
        return internal::answer(error);
    }
    bool ended_ = false;
};

class Connection : public Session {
  public:
    // The operator's name for it, and how many rows the host hands over at a time (0: 1000): more take more memory, fewer more
    // calls.
    explicit Connection(std::string name, std::uint32_t batch_rows = 0) {
        name_ = std::move(name);
        batch_rows_ = batch_rows;
    }
    Answer<Transaction> begin(const Options &options = {}) {
        ww_sql_options how{options.read_only, options.isolation.empty() ? nullptr : options.isolation.c_str()};
        ww_sql tx;
        if (int error = ww_sql_begin(target(), &how, &tx)) return {error, internal::last_error()};
        return Transaction(tx.transaction, batch_rows_);
    }
};

} // namespace sql

// ---------------------------------------------------------------- Objects: wasmworker:blob/v1

namespace blob {

struct Attributes {
    std::uint64_t size = 0;        // of the whole object, in bytes
    std::string content_type;      // may be empty
    std::string etag;              // changes with the object; may be empty
    std::optional<Time> modified;  // if the store tells
    std::vector<std::pair<std::string, std::string>> metadata;

    // One of the metadata; nothing if there is none of that name.
    std::optional<std::string_view> find(std::string_view name) const {
        for (const auto &[other, value] : metadata) {
            if (other == name) return value;
        }
        return std::nullopt;
    }
};

struct Object {
    std::string data;
    Attributes attributes;
};

// A part of an object, in bytes. Beyond the object's end there are fewer.
struct Range {
    std::uint64_t offset = 0, length = WW_BLOB_REST;
};

// What is said about an object that is written.
struct Options {
    std::string content_type = {};
    std::vector<std::pair<std::string, std::string>> metadata = {};
    bool if_none_match = false; // only if there is no object of that key; otherwise WW_EEXIST
};

struct Entry {
    std::string key;
    bool is_prefix = false;       // what several keys have in common, and no object
    std::uint64_t size = 0;       // in bytes; 0 for a prefix
    std::optional<Time> modified; // if the store tells
};

namespace internal {

using wasmworker::internal::answer, wasmworker::internal::last_error, wasmworker::internal::str, wasmworker::internal::view;

inline std::optional<Time> time(std::int64_t ms) { return ms ? std::optional(Time(std::chrono::milliseconds(ms))) : std::nullopt; }

inline Attributes attributes(const ww_blob_attributes &raw) {
    Attributes out{raw.size, std::string(view(raw.content_type)), std::string(view(raw.etag)), time(raw.modified_ms), {}};
    if (ww_is_set(raw.metadata)) {
        for (Json value : Json(raw.metadata)) out.metadata.emplace_back(value.key(), value.as<std::string>());
    }
    return out;
}

// The options as C has them.
struct Raw {
    explicit Raw(const Options &o) {
        for (const auto &[name, value] : o.metadata) metadata.push_back({name.c_str(), str(value)});
        options.content_type = o.content_type.empty() ? nullptr : o.content_type.c_str();
        options.metadata = metadata.data();
        options.metadata_count = metadata.size();
        options.if_none_match = o.if_none_match;
    }
    const ww_blob_options *get() const { return &options; }
    std::vector<ww_blob_metadata> metadata;
    ww_blob_options options{};
};

} // namespace internal

// An object that is read piece by piece. It is closed when it is destroyed.
class [[nodiscard]] Reader {
  public:
    Reader(ww_blob_reader raw, Attributes attributes) : raw_(raw), attributes_(std::move(attributes)) {}
    Reader(Reader &&other) noexcept : raw_(std::exchange(other.raw_, ww_blob_reader{})), attributes_(std::move(other.attributes_)) {}
    Reader &operator=(Reader &&) = delete;
    ~Reader() {
        if (raw_.id) ww_blob_close(&raw_);
    }

    const Attributes &attributes() const { return attributes_; }
    // Reads the next bytes: at least 1 and at most size and 1 MiB; 0 at the end. Each read is a call of the host.
    Answer<std::size_t> read(void *dst, std::size_t size) {
        std::size_t n = 0;
        if (int error = ww_blob_read(&raw_, dst, size, &n)) return {error, internal::last_error()};
        return n;
    }

  private:
    ww_blob_reader raw_;
    Attributes attributes_;
};

// An object that is written piece by piece. Destroyed without a commit it is given up, and what was there before stays.
class [[nodiscard]] Writer {
  public:
    explicit Writer(ww_blob_writer raw) : raw_(raw) {}
    Writer(Writer &&other) noexcept : raw_(std::exchange(other.raw_, ww_blob_writer{})) {}
    Writer &operator=(Writer &&) = delete;
    ~Writer() {
        if (raw_.id) ww_blob_abort(&raw_);
    }

    // Writes what comes next, 15 MiB at most. Each write is a call of the host.
    Answer<void> write(std::string_view data) { return internal::answer(ww_blob_write(&raw_, internal::str(data))); }
    // Puts the object there, as a whole.
    Answer<void> commit() {
        int error = ww_blob_commit(&raw_);
        if (!error) raw_.id = 0;
        return internal::answer(error);
    }

  private:
    ww_blob_writer raw_;
};

// The entries of a list, which are gone through once and fetched page by page.
class [[nodiscard]] List {
  public:
    List(std::string bucket, std::string prefix, std::string delimiter, std::uint32_t page_size)
        : bucket_(std::move(bucket)), prefix_(std::move(prefix)), delimiter_(std::move(delimiter)) {
        raw_.page_size = page_size;
    }
    List(const List &) = delete;
    List &operator=(const List &) = delete;
    ~List() { ww_blob_end(&raw_); }

    // The next entry; nothing at the end, or after an error.
    std::optional<Entry> next() {
        raw_.bucket = bucket_.c_str();
        raw_.prefix = internal::str(prefix_);
        raw_.delimiter = delimiter_.empty() ? nullptr : delimiter_.c_str();
        ww_blob_entry e;
        if (!ww_blob_next(&raw_, &e)) return std::nullopt;
        return Entry{std::string(internal::view(e.key)), e.is_prefix, e.size, internal::time(e.modified_ms)};
    }
    // Gives up what is left, and tells the error, if there was one.
    Answer<void> close() { return internal::answer(ww_blob_end(&raw_)); }

    class iterator {
      public:
        explicit iterator(List *list) : list_(list) {
            if (list_) ++*this;
        }
        const Entry &operator*() const { return *entry_; }
        iterator &operator++() {
            entry_ = list_->next();
            return *this;
        }
        bool operator!=(const iterator &) const { return entry_.has_value(); } // only ever compared with the end

      private:
        List *list_;
        std::optional<Entry> entry_;
    };
    iterator begin() { return iterator(this); }
    iterator end() { return iterator(nullptr); }

  private:
    std::string bucket_, prefix_, delimiter_;
    ww_blob_list raw_{};
};

//     blob::Bucket exports("exports");
//     if (auto done = exports.put("2026/report.json", json, {"application/json"}); !done) return done.failure();
//     auto list = exports.list("2026/");
//     for (const blob::Entry &entry : list) total += entry.size;
//     if (auto all = list.close(); !all) return all.failure();
//
//     auto writer = exports.create("2026/all.csv"); // for what does not fit into memory
//     if (!writer) return writer.failure();
//     if (auto written = writer->write(lines); !written) return written.failure();
//     if (auto there = writer->commit(); !there) return there.failure();
class Bucket {
  public:
    // The operator's name for it.
    explicit Bucket(std::string name) : name_(std::move(name)) {}

    Answer<Object> get(std::string_view key, Range part = {}) const {
        Scope scope; // what is returned is a copy
        ww_blob_range range{part.offset, part.length};
        ww_blob_attributes attributes;
        ww_str data;
        if (int error = ww_blob_get(name_.c_str(), internal::str(key), &range, &data, &attributes)) return {error, internal::last_error()};
        return Object{std::string(internal::view(data)), internal::attributes(attributes)};
    }
    Answer<void> put(std::string_view key, std::string_view data, const Options &options = {}) const {
        return internal::answer(ww_blob_put(name_.c_str(), internal::str(key), internal::str(data), internal::Raw(options).get()));
    }
    Answer<Attributes> stat(std::string_view key) const {
        Scope scope;
        ww_blob_attributes attributes;
        if (int error = ww_blob_stat(name_.c_str(), internal::str(key), &attributes)) return {error, internal::last_error()};
        return internal::attributes(attributes);
    }
    Answer<void> remove(std::string_view key) const { return internal::answer(ww_blob_delete(name_.c_str(), internal::str(key))); }
    // The objects whose keys begin with a prefix, which may be empty, sorted by key. With a delimiter such as "/", what keys have,
    // behind the prefix, up to it is listed once, as a prefix. A page has 1 to 1000 entries; 0: 1000.
    List list(std::string prefix, std::string delimiter = {}, std::uint32_t page_size = 0) const {
        return List(name_, std::move(prefix), std::move(delimiter), page_size);
    }
    Answer<Reader> open(std::string_view key, Range part = {}) const {
        Scope scope;
        ww_blob_range range{part.offset, part.length};
        ww_blob_attributes attributes;
        ww_blob_reader reader;
        if (int error = ww_blob_open(name_.c_str(), internal::str(key), &range, &reader, &attributes)) return {error, internal::last_error()};
        return Reader(reader, internal::attributes(attributes));
    }
    Answer<Writer> create(std::string_view key, const Options &options = {}) const {
        Scope scope;
        ww_blob_writer writer;
        if (int error = ww_blob_create(name_.c_str(), internal::str(key), internal::Raw(options).get(), &writer)) return {error, internal::last_error()};
        return Writer(writer);
    }

  private:
    std::string name_;
};

} // namespace blob

} // namespace wasmworker

// ---------------------------------------------------------------- Structs as JSON

// Makes a struct readable and writable as a JSON object with members of the same names, up to 32:
//
//     struct Order { std::string id; std::vector<double> prices; std::optional<int> discount; };
//     WASMWORKER_JSON(Order, id, prices, discount)
//
// It belongs into the struct's namespace, behind the struct. Members are required unless they are std::optional, and
// unknown ones are ignored. For other shapes write the two functions that it makes:
//
//     void from_json(wasmworker::Json v, Order &o) { o.id = v["order-id"].as<std::string>(); }
//     void to_json(wasmworker::Writer &w, const Order &o) { w.begin_object().member("order-id", o.id).end_object(); }
#define WASMWORKER_JSON(Type, ...)                                                       \
    [[maybe_unused]] inline void from_json(::wasmworker::Json ww_v_, Type &ww_o_) {      \
        WW_EACH_(WW_READ_MEMBER_, __VA_ARGS__)                                           \
    }                                                                                    \
    [[maybe_unused]] inline void to_json(::wasmworker::Writer &ww_w_, const Type &ww_o_) { \
        ww_w_.begin_object();                                                            \
        WW_EACH_(WW_WRITE_MEMBER_, __VA_ARGS__)                                          \
        ww_w_.end_object();                                                              \
    }
#define WW_READ_MEMBER_(name) ::wasmworker::internal::read_member(ww_v_, #name, ww_o_.name);
#define WW_WRITE_MEMBER_(name) ww_w_.member(#name, ww_o_.name);

// WW_EACH_(M, a, b) is M(a) M(b).
#define WW_EACH_(m, ...) WW_PICK_(__VA_ARGS__, WW_EACH_32_, WW_EACH_31_, WW_EACH_30_, WW_EACH_29_, WW_EACH_28_, WW_EACH_27_, \
    WW_EACH_26_, WW_EACH_25_, WW_EACH_24_, WW_EACH_23_, WW_EACH_22_, WW_EACH_21_, WW_EACH_20_, WW_EACH_19_, WW_EACH_18_, \
    WW_EACH_17_, WW_EACH_16_, WW_EACH_15_, WW_EACH_14_, WW_EACH_13_, WW_EACH_12_, WW_EACH_11_, WW_EACH_10_, WW_EACH_9_, \
    WW_EACH_8_, WW_EACH_7_, WW_EACH_6_, WW_EACH_5_, WW_EACH_4_, WW_EACH_3_, WW_EACH_2_, WW_EACH_1_, 0)(m, __VA_ARGS__)
#define WW_PICK_(a1, a2, a3, a4, a5, a6, a7, a8, a9, a10, a11, a12, a13, a14, a15, a16, a17, a18, a19, a20, a21, a22, a23, a24, \
    a25, a26, a27, a28, a29, a30, a31, a32, n, ...) n
#define WW_EACH_1_(m, a) m(a)
#define WW_EACH_2_(m, a, ...) m(a) WW_EACH_1_(m, __VA_ARGS__)
#define WW_EACH_3_(m, a, ...) m(a) WW_EACH_2_(m, __VA_ARGS__)
#define WW_EACH_4_(m, a, ...) m(a) WW_EACH_3_(m, __VA_ARGS__)
#define WW_EACH_5_(m, a, ...) m(a) WW_EACH_4_(m, __VA_ARGS__)
#define WW_EACH_6_(m, a, ...) m(a) WW_EACH_5_(m, __VA_ARGS__)
#define WW_EACH_7_(m, a, ...) m(a) WW_EACH_6_(m, __VA_ARGS__)
#define WW_EACH_8_(m, a, ...) m(a) WW_EACH_7_(m, __VA_ARGS__)
#define WW_EACH_9_(m, a, ...) m(a) WW_EACH_8_(m, __VA_ARGS__)
#define WW_EACH_10_(m, a, ...) m(a) WW_EACH_9_(m, __VA_ARGS__)
#define WW_EACH_11_(m, a, ...) m(a) WW_EACH_10_(m, __VA_ARGS__)
#define WW_EACH_12_(m, a, ...) m(a) WW_EACH_11_(m, __VA_ARGS__)
#define WW_EACH_13_(m, a, ...) m(a) WW_EACH_12_(m, __VA_ARGS__)
#define WW_EACH_14_(m, a, ...) m(a) WW_EACH_13_(m, __VA_ARGS__)
#define WW_EACH_15_(m, a, ...) m(a) WW_EACH_14_(m, __VA_ARGS__)
#define WW_EACH_16_(m, a, ...) m(a) WW_EACH_15_(m, __VA_ARGS__)
#define WW_EACH_17_(m, a, ...) m(a) WW_EACH_16_(m, __VA_ARGS__)
#define WW_EACH_18_(m, a, ...) m(a) WW_EACH_17_(m, __VA_ARGS__)
#define WW_EACH_19_(m, a, ...) m(a) WW_EACH_18_(m, __VA_ARGS__)
#define WW_EACH_20_(m, a, ...) m(a) WW_EACH_19_(m, __VA_ARGS__)
#define WW_EACH_21_(m, a, ...) m(a) WW_EACH_20_(m, __VA_ARGS__)
#define WW_EACH_22_(m, a, ...) m(a) WW_EACH_21_(m, __VA_ARGS__)
#define WW_EACH_23_(m, a, ...) m(a) WW_EACH_22_(m, __VA_ARGS__)
#define WW_EACH_24_(m, a, ...) m(a) WW_EACH_23_(m, __VA_ARGS__)
#define WW_EACH_25_(m, a, ...) m(a) WW_EACH_24_(m, __VA_ARGS__)
#define WW_EACH_26_(m, a, ...) m(a) WW_EACH_25_(m, __VA_ARGS__)
#define WW_EACH_27_(m, a, ...) m(a) WW_EACH_26_(m, __VA_ARGS__)
#define WW_EACH_28_(m, a, ...) m(a) WW_EACH_27_(m, __VA_ARGS__)
#define WW_EACH_29_(m, a, ...) m(a) WW_EACH_28_(m, __VA_ARGS__)
#define WW_EACH_30_(m, a, ...) m(a) WW_EACH_29_(m, __VA_ARGS__)
#define WW_EACH_31_(m, a, ...) m(a) WW_EACH_30_(m, __VA_ARGS__)
#define WW_EACH_32_(m, a, ...) m(a) WW_EACH_31_(m, __VA_ARGS__)

#endif // WASMWORKER_HPP
