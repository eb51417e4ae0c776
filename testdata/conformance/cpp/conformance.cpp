// The conformance module in C++, see ../README.md.

#define WASMWORKER_IMPLEMENTATION
#include <wasmworker.hpp>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <dirent.h>
#include <map>
#include <random>
#include <unistd.h>

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

ww::Result<int> steps(int n) {
    int begin = ww::last_detail<int>().value_or(0);
    if (!ww_ok()) return ww::Failure("InvalidInput", ww_what()).non_retryable();
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

std::string draw() {
    std::random_device random;
    return std::to_string(std::uniform_int_distribution<unsigned long long>()(random));
}
WASMWORKER_ACTIVITY(draw)

void spin() {
    for (volatile unsigned n = 0;; n = n + 1) {}
}
WASMWORKER_ACTIVITY(spin)

struct Request {
    std::optional<std::string> method;
    std::string url;
    std::optional<std::map<std::string, std::string>> headers;
    std::optional<std::string> body;
};
WASMWORKER_JSON(Request, method, url, headers, body)

struct Answered {
    int status;
    std::string content_type, body;
};
WASMWORKER_JSON(Answered, status, content_type, body)

ww::Result<Answered> http(const Request &in) {
    ww::http::Request request{in.url, in.method.value_or("GET")};
    if (in.headers) request.headers.assign(in.headers->begin(), in.headers->end());
    request.body = in.body.value_or("");
    auto response = ww::http::send(request);
    if (!response) return response.failure();
    return Answered{response->status, std::string(response->header("content-type").value_or("")), response->body};
}
WASMWORKER_ACTIVITY(http)

ww::Result<std::optional<std::string>> config(const std::string &name) {
    auto value = ww::config::get(name);
    if (!value) return value.failure();
    return *value;
}
WASMWORKER_ACTIVITY(config)

ww::Result<std::string> secret(const std::string &name) {
    auto value = ww::secret::reveal(name);
    if (!value) return value.failure();
    return *value;
}
WASMWORKER_ACTIVITY(secret)

struct Hex {
    std::string hex;
};
WASMWORKER_JSON(Hex, hex)

ww::Bytes from_hex(std::string_view hex) {
    constexpr std::string_view digits = "0123456789abcdef";
    ww::Bytes out;
    for (std::size_t i = 0; i + 1 < hex.size(); i += 2) out.push_back(static_cast<std::byte>(digits.find(hex[i]) << 4 | digits.find(hex[i + 1])));
    return out;
}

Hex to_hex(const ww::Bytes &bytes) {
    Hex out;
    for (std::byte b : bytes) {
        out.hex += "0123456789abcdef"[std::to_integer<int>(b) >> 4];
        out.hex += "0123456789abcdef"[std::to_integer<int>(b) & 15];
    }
    return out;
}

struct Query {
    std::string sql;
    std::optional<std::vector<ww::Json>> args;
    std::optional<std::uint32_t> batch, limit;
};
WASMWORKER_JSON(Query, sql, args, batch, limit)

// An argument; bytes are kept for as long as it is used.
ww::sql::Argument argument(ww::Json v, std::vector<ww::Bytes> &bytes) {
    switch (v.kind()) {
    case WW_BOOL: return v.as<bool>();
    case WW_NUMBER:
        if (ww_str text = ww_as_number_text(v.raw()); std::string_view(text.ptr, text.len).find_first_of(".eE") != std::string_view::npos) return v.as<double>();
        return v.as<std::int64_t>();
    case WW_STRING: return v.as<std::string_view>();
    case WW_OBJECT: return bytes.emplace_back(from_hex(v["hex"].as<std::string_view>()));
    default: return nullptr;
    }
}

ww::Result<ww::Payload> sql(const Query &in) {
    ww::sql::Connection db("db", in.batch.value_or(0));
    std::vector<ww::Bytes> bytes;
    ww::sql::Arguments args;
    for (ww::Json v : in.args.value_or(std::vector<ww::Json>())) args.push_back(argument(v, bytes));
    auto rows = db.query(in.sql, args);
    if (!rows) return rows.failure();
    ww::Writer w;
    w.begin_object().key("columns").begin_array();
    for (const ww::sql::Column &column : rows->columns()) w.value(column.name);
    w.end_array().key("rows").begin_array();
    std::uint32_t n = 0;
    for (ww::sql::Row row : *rows) {
        w.begin_array();
        for (std::uint32_t i = 0; i < row.size(); i++) {
            if (row.is_bytes(i)) w.value(to_hex(row.get<ww::Bytes>(i)));
            else w.value(row[i]);
        }
        w.end_array();
        if (++n == in.limit) break;
    }
    w.end_array().end_object();
    if (auto all = rows->close(); !all) return all.failure();
    return ww::Payload(*w.text(), "json/plain");
}
WASMWORKER_ACTIVITY(sql)

struct Entry {
    std::string entry, end;
};
WASMWORKER_JSON(Entry, entry, end)

struct Ended {
    std::int64_t affected, count;
};
WASMWORKER_JSON(Ended, affected, count)

// How often an entry is there, as seen in a transaction or outside of one.
ww::Answer<std::int64_t> count(ww::sql::Session &db, const std::string &entry) {
    auto rows = db.query("SELECT count(*) FROM ledger WHERE entry = ?", {entry});
    if (!rows) return {rows.error, rows.message};
    auto row = rows->next();
    std::int64_t n = row ? row->get<std::int64_t>(0) : 0;
    if (auto all = rows->close(); !all) return {all.error, all.message};
    return n;
}

ww::Result<Ended> transaction(const Entry &in) {
    ww::sql::Connection db("db");
    auto tx = db.begin();
    if (!tx) return tx.failure();
    auto affected = tx->exec("INSERT INTO ledger (entry) VALUES (?)", {in.entry});
    if (!affected) return affected.failure();
    if (in.end == "none") {
        auto n = count(*tx, in.entry);
        if (!n) return n.failure();
        new ww::sql::Transaction(std::move(*tx)); // destroyed, it would be rolled back
        return Ended{*affected, *n};
    }
    auto ended = in.end == "commit" ? tx->commit() : tx->rollback();
    if (!ended) return ended.failure();
    auto n = count(db, in.entry);
    if (!n) return n.failure();
    return Ended{*affected, *n};
}
WASMWORKER_ACTIVITY(transaction)

struct Parts {
    std::string key;
    std::vector<std::string> parts;
};
WASMWORKER_JSON(Parts, key, parts)

struct Streamed {
    std::uint64_t size;
    std::string content_type;
    std::optional<std::string> made;
    std::string text;
    std::vector<std::string> keys;
};
WASMWORKER_JSON(Streamed, size, content_type, made, text, keys)

ww::Result<Streamed> stream(const Parts &in) {
    ww::blob::Bucket bucket("box");
    auto writer = bucket.create(in.key, {"text/plain; charset=utf-8", {{"made", "by hand"}}});
    if (!writer) return writer.failure();
    for (const std::string &part : in.parts) {
        if (auto written = writer->write(part); !written) return written.failure();
    }
    if (auto committed = writer->commit(); !committed) return committed.failure();

    auto attributes = bucket.stat(in.key);
    if (!attributes) return attributes.failure();
    Streamed out{attributes->size, attributes->content_type, std::optional<std::string>(attributes->find("made")), {}, {}};
    auto reader = bucket.open(in.key);
    if (!reader) return reader.failure();
    for (char piece[5];;) {
        auto n = reader->read(piece, sizeof piece);
        if (!n) return n.failure();
        if (*n == 0) break;
        out.text.append(piece, *n);
    }
    auto list = bucket.list(in.key);
    for (const ww::blob::Entry &entry : list) out.keys.push_back(entry.key);
    if (auto all = list.close(); !all) return all.failure();
    if (auto removed = bucket.remove(in.key); !removed) return removed.failure();
    return out;
}
WASMWORKER_ACTIVITY(stream)

struct Part {
    std::string key, text;
    std::uint64_t offset, length;
};
WASMWORKER_JSON(Part, key, text, offset, length)

struct Found {
    bool exists;
    std::string range;
};
WASMWORKER_JSON(Found, exists, range)

ww::Result<Found> object(const Part &in) {
    ww::blob::Bucket bucket("box");
    ww::blob::Options once;
    once.if_none_match = true;
    if (auto put = bucket.put(in.key, in.text, once); !put) return put.failure();
    auto again = bucket.put(in.key, in.text, once);
    if (!again && again.error != WW_EEXIST) return again.failure();
    auto part = bucket.get(in.key, {in.offset, in.length});
    if (!part) return part.failure();
    if (auto removed = bucket.remove(in.key); !removed) return removed.failure();
    return Found{again.error == WW_EEXIST, part->data};
}
WASMWORKER_ACTIVITY(object)

template <class T> ww::Result<bool> there(const ww::Answer<T> &answer) {
    if (!answer && answer.error != WW_ENOENT) return answer.failure();
    return static_cast<bool>(answer);
}

ww::Result<bool> exists(const std::string &key, const std::string &by) {
    ww::blob::Bucket bucket("box");
    if (by == "get") return there(bucket.get(key));
    if (by == "stat") return there(bucket.stat(key));
    if (by == "delete") return there(bucket.remove(key));
    return there(bucket.open(key));
}
WASMWORKER_ACTIVITY(exists)

struct File {
    std::string path, text;
};
WASMWORKER_JSON(File, path, text)

struct Files {
    std::string text;
    std::vector<std::string> names;
};
WASMWORKER_JSON(Files, text, names)

ww::Result<Files> files(const File &in) {
    std::string path = "/data/" + in.path;
    std::FILE *f = std::fopen(path.c_str(), "wb");
    if (!f || std::fwrite(in.text.data(), 1, in.text.size(), f) != in.text.size() || std::fclose(f) != 0) return ww::Failure(path + " cannot be written");
    Files out;
    f = std::fopen(path.c_str(), "rb");
    if (!f) return ww::Failure(path + " cannot be read");
    char piece[1024];
    while (std::size_t n = std::fread(piece, 1, sizeof piece, f)) out.text.append(piece, n);
    std::fclose(f);

    DIR *dir = opendir("/data");
    if (!dir) return ww::Failure("/data cannot be listed");
    while (dirent *entry = readdir(dir)) {
        if (std::string_view name = entry->d_name; name != "." && name != "..") out.names.emplace_back(name);
    }
    closedir(dir);
    std::sort(out.names.begin(), out.names.end());
    if (unlink(path.c_str()) != 0) return ww::Failure(path + " cannot be removed");
    return out;
}
WASMWORKER_ACTIVITY(files)

} // namespace conformance
