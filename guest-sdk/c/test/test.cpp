// Tests of wasmworker.hpp, natively and with sanitizers: see ../Makefile.

#define WASMWORKER_IMPLEMENTATION
#include <wasmworker.hpp>
#include <wasmworker_test.h>

#include <cstring>
#include <map>

namespace ww = wasmworker;
using namespace std::chrono_literals;

static int checks, failures;

#define CHECK(ok) (checks++, (ok) ? (void)0 : (void)(failures++, std::printf("%s:%d: %s\n", __FILE__, __LINE__, #ok)))

static void check_text(int line, const char *got, const char *want) {
    checks++;
    if (got && want ? std::strcmp(got, want) == 0 : got == want) return;
    failures++;
    std::printf("test.cpp:%d: got  %s\n      want %s\n", line, got ? got : "NULL", want ? want : "NULL");
}
#define CHECK_TEXT(got, want) check_text(__LINE__, got, want)

// ---------------------------------------------------------------- JSON

namespace shop {

struct Item {
    std::string name;
    double price;
};
WASMWORKER_JSON(Item, name, price)

struct Order {
    std::string id;
    std::vector<Item> items;
    std::optional<int> discount;
    std::map<std::string, std::vector<bool>> marks;
    std::uint8_t priority;
};
WASMWORKER_JSON(Order, id, items, discount, marks, priority)

struct Tree { // of itself
    int value = 0;
    std::vector<Tree> children;
};
WASMWORKER_JSON(Tree, value, children)

struct Renamed {
    std::string id;
};
void from_json(ww::Json v, Renamed &r) {
    r.id = v["order-id"].as<std::string>();
    if (r.id.size() != 2) v["order-id"].reject("must have two letters");
}
void to_json(ww::Writer &w, const Renamed &r) { w.begin_object().member("order-id", r.id).end_object(); }

struct Large {
    int a1, a2, a3, a4, a5, a6, a7, a8, a9, a10, a11, a12, a13, a14, a15, a16, a17, a18, a19, a20, a21, a22, a23, a24, a25, a26, a27, a28, a29, a30, a31, a32;
};
WASMWORKER_JSON(Large, a1, a2, a3, a4, a5, a6, a7, a8, a9, a10, a11, a12, a13, a14, a15, a16, a17, a18, a19, a20, a21, a22, a23, a24, a25, a26, a27, a28, a29, a30, a31, a32)

} // namespace shop

template <class T> static void check_same(int line, const char *text) {
    auto value = ww::parse<T>(text);
    if (!value) return check_text(line, value.failure()->message().c_str(), nullptr);
    auto again = ww::stringify(*value);
    check_text(line, again ? again->c_str() : "not written", text);
}
#define CHECK_SAME(T, text) check_same<T>(__LINE__, text)

template <class T> static void check_wrong(int line, const char *text, const char *want) {
    auto value = ww::parse<T>(text);
    check_text(line, value ? "accepted" : value.failure()->message().c_str(), want);
}
#define CHECK_WRONG(T, text, want) check_wrong<T>(__LINE__, text, want)

static void test_json() {
    CHECK_SAME(shop::Order, R"({"id":"17","items":[{"name":"nut","price":0.5},{"name":"bolt","price":2}],"discount":null,"marks":{"a":[true,false],"b":[]},"priority":255})");
    CHECK_SAME(shop::Tree, R"({"value":1,"children":[{"value":2,"children":[]},{"value":3,"children":[{"value":4,"children":[]}]}]})");
    CHECK_SAME(shop::Renamed, R"({"order-id":"ab"})");
    CHECK_SAME(std::vector<std::optional<std::string>>, R"(["a",null,"\u0000"])");
    CHECK_SAME(ww::Json, R"({"a":[1,2.50,{}],"b":null})");
    CHECK_SAME(std::uint64_t, "18446744073709551615");
    CHECK_SAME(std::int64_t, "-9223372036854775808");
    CHECK_SAME(signed char, "-128");
    CHECK_SAME(float, "0.5");
    CHECK_SAME(std::string_view, R"("x")");
    CHECK_WRONG(shop::Order, R"({"id":"17","items":[{"name":"nut","price":"0.5"}],"marks":{},"priority":0})", "items[0].price: expected a number, got a string");
    CHECK_WRONG(shop::Order, R"({"id":"17","items":[],"marks":{"a":[1]},"priority":0})", "marks.a[0]: expected a boolean, got a number");
    CHECK_WRONG(shop::Order, R"({"id":"17","items":[],"marks":{},"priority":256})", "priority: 256 is not from 0 to 255");
    CHECK_WRONG(shop::Order, R"({"id":"17","items":[],"priority":0})", "marks is missing");
    CHECK_WRONG(shop::Order, R"({"id":"17","items":{},"marks":{},"priority":0})", "items: expected an array, got an object");
    CHECK_WRONG(shop::Order, "[]", "expected an object, got an array");
    using Counts = std::map<std::string, int>;
    CHECK_WRONG(Counts, "[]", "expected an object, got an array");
    CHECK_WRONG(std::vector<int>, "null", "expected an array, got null");
    CHECK_WRONG(std::vector<int>, "[1,2", "malformed JSON at byte 4: it ends too early");
    CHECK_WRONG(shop::Renamed, R"({"order-id":"abc"})", "order-id: must have two letters");
    CHECK_WRONG(std::uint64_t, "-1", "-1 is out of range");
    CHECK_WRONG(int, "2147483648", "2147483648 is not from -2147483648 to 2147483647");
    auto nan = ww::stringify(std::vector<double>{1, std::numeric_limits<double>::quiet_NaN()});
    CHECK(!nan && nan.failure()->type() == "InvalidJSON");
    shop::Large large{};
    large.a32 = 5;
    auto text = ww::stringify(large);
    CHECK(text && ww::parse<shop::Large>(*text)->a32 == 5);
    int sum = 0;
    auto list = ww::parse<ww::Json>("[1,2,3]"); // a view into the document
    for (ww::Json item : *list) sum += item.as<int>();
    CHECK(sum == 6 && (*list).size() == 3 && !(*list).find("x").exists());
    ww_reset_();
}

// ---------------------------------------------------------------- Activities

static std::string seen; // what an activity was called with

static void all(bool b, int i, const std::string &s, std::string_view v, const ww::Bytes &bytes, std::optional<int> none, std::optional<ww::Payload> raw, std::vector<ww::Payload> rest) {
    seen = std::string(b ? "true " : "false ") + std::to_string(i) + " " + s + " " + std::string(v) + " " + std::to_string(bytes.size()) + " " + (none ? "some" : "none") + " " + raw->encoding;
    for (const auto &p : rest) seen += " " + p.encoding + "=" + std::string(p.text());
}
WASMWORKER_ACTIVITY(all)

static std::string optional(std::optional<int> n, std::optional<ww::Bytes> b) { return std::string(n ? "n" : "-") + (b ? "b" : "-"); }
WASMWORKER_ACTIVITY(optional)

static ww::Payload echo(ww::Payload p) {
    p.metadata = ww::arg_metadata(0);
    return p;
}
WASMWORKER_ACTIVITY_AS("Acme.Echo", echo)

static std::optional<ww::Bytes> maybe(bool some) { return some ? std::optional(ww::Bytes(3)) : std::nullopt; }
WASMWORKER_ACTIVITY(maybe)

static ww::Result<void> fails() {
    return ww::Failure("T", "m").non_retryable().benign().next_retry_delay(2min).detail(1).detail(shop::Item{"nut", 1.5}).cause(ww::Failure("inner").cause(ww::Failure("R", "root"))).stack_trace("s");
}
WASMWORKER_ACTIVITY(fails)

static ww::Result<int> stops(bool details) {
    while (!ww::heartbeat("half", ww::Bytes(2)).should_stop()) {}
    if (details) return ww::Cancelled(std::vector<int>{1, 2});
    return ww::Cancelled();
}
WASMWORKER_ACTIVITY(stops)

static ww::Result<void> changes_its_mind() {
    ww::Cancelled unused("not returned");
    return {};
}
WASMWORKER_ACTIVITY(changes_its_mind)

static ww::Bytes resumes_bytes() { return ww::last_detail<ww::Bytes>().value_or(ww::Payload("none", "").data); }
WASMWORKER_ACTIVITY(resumes_bytes)

static int resumes() { return ww::last_detail<int>(0).value_or(-1) * 100 + ww::last_detail<int>(1).value_or(-2); }
WASMWORKER_ACTIVITY(resumes)

static double not_a_number() { return std::numeric_limits<double>::quiet_NaN(); }
WASMWORKER_ACTIVITY(not_a_number)

static void logs() {
    std::string item = "nut";
    ww::log::warn("low", {{"left", 3u}, {"item", item}, {"ok", false}, {"list", std::vector<int>{1}}, {"x", 1.5}});
    ww::log::debug(item);
}
WASMWORKER_ACTIVITY(logs)

WASMWORKER_PASSTHROUGH(weather, "wasmworker:weather/v1", "forecast");
int64_t weather(const void *, uint32_t len) { return len == 4 ? ww_test_respond("sunny") : ww_test_refuse(WW_EACCES, "only Oslo"); }

static ww::Result<std::string> calls(std::string city) {
    auto response = ww::call(weather, city);
    if (!response) return response.failure();
    return response.body;
}
WASMWORKER_ACTIVITY(calls)

static void infos() {
    ww::Info i = ww::info();
    CHECK(i.attempt == 3 && i.workflow_id == "order-17" && i.heartbeat_timeout == 30s && !i.started_time && i.deadline->time_since_epoch() == 1767366245123ms);
    CHECK(i.retry_policy->maximum_attempts == 3 && i.retry_policy->non_retryable_error_types.at(1) == "Two" && !i.priority);
}
WASMWORKER_ACTIVITY(infos)

static void test_activities() {
    ww_test_arg("true");
    ww_test_arg("-7");
    ww_test_arg("\"text\"");
    ww_test_arg("\"view\"");
    ww_test_arg_payload("\0\1\2", 3, "binary/plain");
    ww_test_arg("null");
    ww_test_arg_payload("p", 1, "json/protobuf");
    ww_test_arg("1");
    ww_test_arg_payload("z", 1, "x/y");
    CHECK(WW_TEST_RUN(all) == WW_COMPLETED);
    CHECK_TEXT(seen.c_str(), "true -7 text view 3 none json/protobuf json/plain=1 x/y=z");
    ww_test_reset();

    CHECK(WW_TEST_RUN(all) == WW_FAILED);
    CHECK_TEXT(ww_test_failure(), R"({"message":"argument 1 is missing","type":"InvalidInput","non_retryable":true})");
    CHECK(WW_TEST_RUN(optional) == WW_COMPLETED);
    CHECK_TEXT(ww_test_output(), "\"--\"");
    ww_test_arg("5");
    ww_test_arg_payload("", 0, "binary/plain");
    CHECK(WW_TEST_RUN(optional) == WW_COMPLETED);
    CHECK_TEXT(ww_test_output(), "\"nb\"");
    ww_test_reset();
    ww_test_arg("null");
    ww_test_arg("\"text\"");
    CHECK(WW_TEST_RUN(optional) == WW_FAILED);
    CHECK_TEXT(ww_test_failure(), R"({"message":"argument 2: expected bytes, got a payload of encoding json/plain","type":"InvalidInput","non_retryable":true})");

    ww_test_reset();
    ww_test_arg_payload("\0z", 2, "x/y");
    CHECK(WW_TEST_RUN(echo) == WW_COMPLETED && ww_test_output_len() == 2);
    CHECK_TEXT(ww_test_output_metadata(), R"({"encoding":"x/y"})");

    ww_test_reset();
    ww_test_arg("true");
    CHECK(WW_TEST_RUN(maybe) == WW_COMPLETED && ww_test_output_len() == 3);
    CHECK_TEXT(ww_test_output_encoding(), "binary/plain");
    ww_test_reset();
    ww_test_arg("false");
    CHECK(WW_TEST_RUN(maybe) == WW_COMPLETED);
    CHECK_TEXT(ww_test_output_encoding(), "binary/null");

    ww_test_reset();
    CHECK(WW_TEST_RUN(fails) == WW_FAILED);
    CHECK_TEXT(ww_test_failure(), R"({"message":"m","type":"T","non_retryable":true,"category":"benign","next_retry_delay_ms":120000,"details":[1,{"name":"nut","price":1.5}],)"
                                  R"("stack_trace":"s","cause":{"message":"inner","cause":{"message":"root","type":"R"}}})");
    ww_test_reset();
    ww_test_arg("true");
    ww_test_flags(WW_RESET, 2);
    CHECK(WW_TEST_RUN(stops) == WW_CANCELLED);
    CHECK_TEXT(ww_test_output(), "[1,2]");
    CHECK(std::strncmp(ww_test_heartbeats(), "\"half\" ", 7) == 0);
    ww_test_reset();
    ww_test_arg("false");
    ww_test_flags(WW_GONE, 0);
    CHECK(WW_TEST_RUN(stops) == WW_CANCELLED);
    CHECK_TEXT(ww_test_output(), nullptr);
    CHECK(WW_TEST_RUN(changes_its_mind) == WW_COMPLETED);
    CHECK_TEXT(ww_test_output(), nullptr);

    ww_test_reset();
    ww_test_detail("5");
    ww_test_detail("\"x\"");
    CHECK(WW_TEST_RUN(resumes) == WW_COMPLETED);
    CHECK_TEXT(ww_test_output(), "498");
    ww_test_reset();
    ww_test_detail_payload("5", 1, "json/protobuf");
    ww_test_detail_payload("6", 1, "");
    CHECK(WW_TEST_RUN(resumes) == WW_COMPLETED);
    CHECK_TEXT(ww_test_output(), "506");
    CHECK(WW_TEST_RUN(resumes_bytes) == WW_COMPLETED);
    CHECK_TEXT(ww_test_output(), "none");
    ww_test_reset();
    ww_test_detail("5");
    ww_test_detail_payload("6", 1, "binary/encrypted");
    CHECK(WW_TEST_RUN(resumes) == WW_FAILED);
    CHECK_TEXT(ww_test_failure(), R"({"message":"detail 2 of the last heartbeat: expected JSON, got a payload of encoding binary/encrypted","type":"InvalidInput","non_retryable":true})");
    ww_test_reset();
    ww_test_detail_payload("\x01\x02", 2, "binary/plain");
    CHECK(WW_TEST_RUN(resumes_bytes) == WW_COMPLETED);
    CHECK_TEXT(ww_test_output(), "\x01\x02");
    ww_test_reset();
    ww_test_detail_payload("\x01\x02", 2, "binary/protobuf");
    CHECK(WW_TEST_RUN(resumes_bytes) == WW_FAILED);
    CHECK(std::strstr(ww_test_failure(), "binary/protobuf"));

    ww_test_reset();
    CHECK(WW_TEST_RUN(not_a_number) == WW_FAILED);
    CHECK(std::strstr(ww_test_failure(), "InvalidOutput"));
    CHECK(WW_TEST_RUN(logs) == WW_COMPLETED);
    CHECK_TEXT(ww_test_logs(), "4 low {\"left\":3,\"item\":\"nut\",\"ok\":false,\"list\":[1],\"x\":1.5}\n-4 nut\n");

    ww_test_arg("\"Oslo\"");
    CHECK(WW_TEST_RUN(calls) == WW_COMPLETED);
    CHECK_TEXT(ww_test_output(), "\"sunny\"");
    ww_test_reset();
    ww_test_arg("\"Roma!\"");
    CHECK(WW_TEST_RUN(calls) == WW_FAILED);
    CHECK_TEXT(ww_test_failure(), R"({"message":"only Oslo","type":"EACCES"})");

    ww_test_reset();
    ww_test_info(R"({"attempt": 3, "workflow_id": "order-17", "heartbeat_timeout_ms": 30000, "deadline": "2026-01-02T15:04:05.123Z",
                     "retry_policy": {"maximum_attempts": 3, "non_retryable_error_types": ["One", "Two"]}})");
    CHECK(WW_TEST_RUN(infos) == WW_COMPLETED);
    ww_test_reset();
}

// ---------------------------------------------------------------- The host modules of wasmworker

// What the host was asked: the functions' names, and the heads of their requests.
static std::string asked;
static int fetches;

static void note(const char *function, const void *request, uint32_t len) {
    ww_str head, body;
    CHECK(ww_split_frame(ww_bytes(request, len), &head, &body));
    asked += std::string(function) + " " + std::string(head.ptr, head.len) + (body.len ? " +" + std::to_string(body.len) : "") + "\n";
}

static int64_t fake_send(const void *request, uint32_t len) {
    note("send", request, len);
    return ww_test_respond_frame(R"({"status": 200, "headers": {"Content-Type": ["a/b"], "X": ["1", "2"]}})", "\0b", 2);
}

static int64_t fake_value(const void *, uint32_t len) { return len == 1 ? ww_test_respond("v") : ww_test_refuse(WW_ENOENT, "no such value"); }

static int64_t fake_query(const void *request, uint32_t len) {
    note("query", request, len);
    return ww_test_respond_frame(R"({"columns": [{"name": "n", "type": "INT8"}, {"name": "b", "type": ""}], "rows": [[1, {"bytes": [0, 2]}], [null, "NaN"]], "cursor": 5})", "\1\2", 2);
}

static int64_t fake_fetch(const void *request, uint32_t len) {
    note("fetch", request, len);
    if (fetches++) return ww_test_refuse(WW_EIO, "gone");
    return ww_test_respond_frame(R"({"rows": [[3, true], [4, 1]], "cursor": 6})", "", 0);
}

#define NOTED(name, ...)                                          \
    static int64_t fake_##name(const void *request, uint32_t len) { \
        note(#name, request, len);                                \
        return __VA_ARGS__;                                       \
    }
NOTED(exec, ww_test_respond_frame(R"({"rows_affected": 2})", "", 0))
NOTED(begin, ww_test_respond_frame(R"({"transaction": 4})", "", 0))
NOTED(commit, 0)
NOTED(rollback, 0)
NOTED(close, 0)
NOTED(get, ww_test_respond_frame(R"({"size": 9, "content_type": "a/b", "modified": "1970-01-01T00:00:05Z", "metadata": {"m": "v"}})", "data", 4))
NOTED(put, ww_test_refuse(WW_EEXIST, "there is one"))
NOTED(remove, 0)
NOTED(open, ww_test_respond_frame(R"({"reader": 5, "size": 3})", "", 0))
NOTED(read, ww_test_respond_frame(R"({"end": true})", "abc", 3))
NOTED(create, ww_test_respond_frame(R"({"writer": 6})", "", 0))
NOTED(write, 0)

static int64_t fake_list(const void *request, uint32_t len) {
    note("list", request, len);
    if (asked.find("page") == std::string::npos) return ww_test_respond_frame(R"({"objects": [{"key": "a", "size": 1}], "next": "p"})", "", 0);
    return ww_test_respond_frame(R"({"objects": [{"key": "b/", "prefix": true}]})", "", 0);
}

static void begin_host() {
    ww_reset_();
    ww_test_reset();
    asked.clear();
    fetches = 0;
    ww_test_fake("wasmworker:http/v1", "send", fake_send);
    ww_test_fake("wasmworker:config/v1", "get", fake_value);
    ww_test_fake("wasmworker:secret/v1", "reveal", fake_value);
    ww_test_fake("wasmworker:sql/v1", "query", fake_query);
    ww_test_fake("wasmworker:sql/v1", "fetch", fake_fetch);
    ww_test_fake("wasmworker:sql/v1", "exec", fake_exec);
    ww_test_fake("wasmworker:sql/v1", "begin", fake_begin);
    ww_test_fake("wasmworker:sql/v1", "commit", fake_commit);
    ww_test_fake("wasmworker:sql/v1", "rollback", fake_rollback);
    ww_test_fake("wasmworker:sql/v1", "close", fake_close);
    ww_test_fake("wasmworker:blob/v1", "get", fake_get);
    ww_test_fake("wasmworker:blob/v1", "stat", fake_get);
    ww_test_fake("wasmworker:blob/v1", "put", fake_put);
    ww_test_fake("wasmworker:blob/v1", "delete", fake_remove);
    ww_test_fake("wasmworker:blob/v1", "list", fake_list);
    ww_test_fake("wasmworker:blob/v1", "open", fake_open);
    ww_test_fake("wasmworker:blob/v1", "read", fake_read);
    ww_test_fake("wasmworker:blob/v1", "create", fake_create);
    ww_test_fake("wasmworker:blob/v1", "write", fake_write);
    ww_test_fake("wasmworker:blob/v1", "commit", fake_commit);
    ww_test_fake("wasmworker:blob/v1", "close", fake_close);
}

static void test_http() {
    begin_host();
    auto response = ww::http::send({"https://a.example", "PUT", {{"A", "1"}, {"A", "2"}}, "text", 5s});
    CHECK(response && response->status == 200 && response->is_success() && response->body == std::string("\0b", 2));
    CHECK(response->header("CONTENT-type") == "a/b" && response->header("x") == "1" && !response->header("y") && response->headers.size() == 3);
    CHECK_TEXT(asked.c_str(), "send {\"method\":\"PUT\",\"url\":\"https://a.example\",\"timeout_ms\":5000,\"headers\":{\"A\":[\"1\",\"2\"]}} +4\n");
    CHECK(ww::http::send({"https://a.example"}));
    ww_test_reset();
    auto refused = ww::http::send({"https://a.example"});
    CHECK(!refused && refused.error == WW_ENOSYS && refused.failure().type() == "ENOSYS" && refused.failure().is_retryable());
    CHECK_TEXT(refused.message.c_str(), "the test has no send of wasmworker:http/v1: see ww_test_fake");
}

static void test_config() {
    begin_host();
    auto value = ww::config::get("a"), none = ww::config::get("other");
    CHECK(value && *value == "v" && none && !*none);
    auto key = ww::secret::reveal("a"), other = ww::secret::reveal("other");
    CHECK(key && *key == "v" && other.error == WW_ENOENT && other.message == "no such value");
}

static void test_sql() {
    begin_host();
    {
        ww::sql::Connection db("db", 2);
        std::string text = "t";
        std::optional<int> none;
        auto affected = db.exec("INSERT", {nullptr, none, std::optional(true), 5u, -1L, 2.0, text, "c", std::string_view("v"), ww::Bytes(3)});
        CHECK(affected && *affected == 2);
        CHECK_TEXT(asked.c_str(), "exec {\"connection\":\"db\",\"sql\":\"INSERT\",\"args\":[null,null,true,5,-1,2.0,\"t\",\"c\",\"v\",{\"bytes\":[0,3]}]} +3\n");
        auto infinite = db.exec("INSERT", {std::numeric_limits<double>::infinity()});
        CHECK(infinite.error == WW_EINVAL && infinite.message == "an argument is not a finite number");

        asked.clear();
        auto rows = db.query("SELECT");
        CHECK(rows && rows->columns().size() == 2 && rows->columns()[0].name == "n" && rows->columns()[0].type == "INT8");
        int count = 0;
        for (ww::sql::Row row : *rows) {
            CHECK(row.size() == 2);
            switch (++count) {
            case 1: CHECK(row.get<int>(0) == 1 && row.get<bool>("n") && row.get<ww::Bytes>("b") == (ww::Bytes{std::byte{1}, std::byte{2}}) && row.is_bytes(1)); break;
            case 2: CHECK(!row.get<std::optional<int>>("n") && row.get<double>(1) != row.get<double>(1) && row.get<std::string>(1) == "NaN"); break;
            case 3: CHECK(row.get<std::uint8_t>(0) == 3 && row.get<bool>(1) && row[1].kind() == WW_BOOL); break;
            default: CHECK(row.get<std::optional<double>>(0) == 4.0);
            }
        }
        auto all = rows->close();
        CHECK(count == 4 && all.error == WW_EIO && all.message == "gone");
        CHECK_TEXT(asked.c_str(), "query {\"connection\":\"db\",\"sql\":\"SELECT\",\"max_rows\":2,\"args\":[]}\nfetch {\"cursor\":5,\"max_rows\":2}\n"
                                  "fetch {\"cursor\":6,\"max_rows\":2}\nclose {\"cursor\":6}\n");
        asked.clear();
        {
            auto early = db.query("SELECT");
            ww::sql::Rows moved = std::move(*early);
            for (ww::sql::Row row : moved) {
                row.get<std::string>(0); // a number
                break;
            }
            CHECK(moved.close().message == "rows[0][0]: expected a string, got a number");
            auto unread = db.query("SELECT");
            CHECK(unread && unread->next());
        }
        CHECK(asked.find("close {\"cursor\":5}\n") != asked.rfind("close {\"cursor\":5}\n")); // once each

        asked.clear();
        {
            auto tx = db.begin({true, "serializable"});
            CHECK(tx && tx->exec("UPDATE") && tx->commit());
            auto dropped = db.begin();
            ww::sql::Transaction moved = std::move(*dropped);
            auto by_hand = db.begin();
            CHECK(by_hand->rollback());
        }
        CHECK_TEXT(asked.c_str(), "begin {\"connection\":\"db\",\"read_only\":true,\"isolation\":\"serializable\"}\nexec {\"transaction\":4,\"sql\":\"UPDATE\",\"args\":[]}\n"
                                  "commit {\"transaction\":4}\nbegin {\"connection\":\"db\"}\nbegin {\"connection\":\"db\"}\nrollback {\"transaction\":4}\nrollback {\"transaction\":4}\n");
    }
    CHECK(ww_call_.held == nullptr);
}

static void test_blob() {
    begin_host();
    ww::blob::Bucket box("box");
    auto object = box.get("k", {3});
    CHECK(object && object->data == "data" && object->attributes.size == 9 && object->attributes.content_type == "a/b" && object->attributes.find("m") == "v");
    CHECK(object->attributes.modified->time_since_epoch() == 5s && !object->attributes.find("x"));
    CHECK(box.stat("k")->metadata.size() == 1);
    auto put = box.put("k", "text", {"a/b", {{"m", "v"}}, true});
    CHECK(put.error == WW_EEXIST && put.message == "there is one" && box.remove("k"));
    CHECK_TEXT(asked.c_str(), "get {\"bucket\":\"box\",\"key\":\"k\",\"offset\":3}\nget {\"bucket\":\"box\",\"key\":\"k\"}\n"
                              "put {\"bucket\":\"box\",\"key\":\"k\",\"content_type\":\"a/b\",\"metadata\":{\"m\":\"v\"},\"if_none_match\":true} +4\nremove {\"bucket\":\"box\",\"key\":\"k\"}\n");
    asked.clear();
    std::string keys;
    {
        auto list = box.list("", "/", 1);
        for (const ww::blob::Entry &entry : list) keys += entry.key + (entry.is_prefix ? "(prefix)" : "") + ",";
        CHECK(list.close());
    }
    CHECK_TEXT(keys.c_str(), "a,b/(prefix),");
    CHECK_TEXT(asked.c_str(), "list {\"bucket\":\"box\",\"prefix\":\"\",\"delimiter\":\"/\",\"max\":1}\nlist {\"bucket\":\"box\",\"prefix\":\"\",\"delimiter\":\"/\",\"max\":1,\"page\":\"p\"}\n");
    asked.clear();
    {
        auto reader = box.open("k");
        char piece[5];
        CHECK(reader && reader->attributes().size == 3);
        ww::blob::Reader moved = std::move(*reader);
        CHECK(*moved.read(piece, 5) == 3 && std::memcmp(piece, "abc", 3) == 0 && *moved.read(piece, 5) == 0);
    }
    {
        auto writer = box.create("k"), given_up = box.create("k");
        CHECK(writer && writer->write("text") && writer->commit() && given_up);
    }
    CHECK_TEXT(asked.c_str(), "open {\"bucket\":\"box\",\"key\":\"k\"}\nread {\"reader\":5,\"max\":5}\nclose {\"reader\":5}\ncreate {\"bucket\":\"box\",\"key\":\"k\"}\n"
                              "create {\"bucket\":\"box\",\"key\":\"k\"}\nwrite {\"writer\":6} +4\ncommit {\"writer\":6}\nclose {\"writer\":6}\n");
    ww_reset_();
    ww_test_reset();
}

int main() {
    test_json();
    test_activities();
    test_http();
    test_config();
    test_sql();
    test_blob();
    CHECK(ww_call_.blocks == nullptr && ww_call_.held == nullptr);
    std::printf("%d checks, %d failed\n", checks, failures);
    return failures > 0;
}
