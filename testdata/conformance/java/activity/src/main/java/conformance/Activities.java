package conformance;

import dev.wasmworker.Activity;
import dev.wasmworker.ActivityExecutionContext;
import dev.wasmworker.ActivityInfo;
import dev.wasmworker.ActivityMethod;
import dev.wasmworker.ApplicationErrorCategory;
import dev.wasmworker.ApplicationFailure;
import dev.wasmworker.CanceledFailure;
import dev.wasmworker.Config;
import dev.wasmworker.Errno;
import dev.wasmworker.JsonName;
import dev.wasmworker.Logger;
import dev.wasmworker.PassthroughException;
import dev.wasmworker.Payload;
import dev.wasmworker.Secret;
import dev.wasmworker.blob.BlobAttributes;
import dev.wasmworker.blob.BlobEntry;
import dev.wasmworker.blob.BlobOptions;
import dev.wasmworker.blob.BlobReader;
import dev.wasmworker.blob.BlobWriter;
import dev.wasmworker.blob.Bucket;
import dev.wasmworker.http.HttpRequest;
import dev.wasmworker.http.HttpResponse;
import dev.wasmworker.json.Json;
import dev.wasmworker.sql.SqlColumn;
import dev.wasmworker.sql.SqlConnection;
import dev.wasmworker.sql.SqlRow;
import dev.wasmworker.sql.SqlRows;
import dev.wasmworker.sql.SqlSession;
import dev.wasmworker.sql.SqlTransaction;
import java.io.ByteArrayOutputStream;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Random;

/** The activities of the conformance suite. */
final class Activities {
    private static final Random RANDOM = new Random();
    private static int counter;

    static {
        RANDOM.nextLong();
    }

    private Activities() {
    }

    record Person(String name) {
    }

    record Greeting(String greeting) {
    }

    @ActivityMethod
    static Greeting greet(Person person) {
        if (person.name().isEmpty()) {
            throw ApplicationFailure.newNonRetryableFailure("the name is empty", "EmptyName");
        }
        return new Greeting("Hello, " + person.name() + "!");
    }

    @ActivityMethod
    static double add(double a, double b) {
        return a + b;
    }

    @ActivityMethod
    static List<String> arguments(Payload... arguments) {
        List<String> texts = new ArrayList<>();
        for (Payload argument : arguments) {
            texts.add(argument.getEncoding() + ":" + argument.getText());
        }
        return texts;
    }

    @ActivityMethod
    static Payload echo(Payload payload) {
        return payload;
    }

    @ActivityMethod
    static void nothing() {
    }

    @ActivityMethod
    static byte[] bytes(int n) {
        byte[] bytes = new byte[n];
        for (int i = 0; i < n; i++) {
            bytes[i] = (byte) i;
        }
        return bytes;
    }

    record Info(@JsonName("activity_id") String activityId, @JsonName("activity_type") String activityType, int attempt, String namespace,
            @JsonName("task_queue") String taskQueue, @JsonName("workflow_id") String workflowId,
            @JsonName("workflow_type") String workflowType, @JsonName("heartbeat_timeout_ms") long heartbeatTimeoutMs) {
    }

    @ActivityMethod
    static Info info() {
        ActivityInfo info = Activity.getExecutionContext().getInfo();
        return new Info(info.getActivityId(), info.getActivityType(), info.getAttempt(), info.getNamespace(), info.getTaskQueue(),
                info.getWorkflowId().orElse(""), info.getWorkflowType().orElse(""), info.getHeartbeatTimeout().toMillis());
    }

    @ActivityMethod
    static void fail(String kind) throws Exception {
        switch (kind) {
            case "plain":
                throw new IllegalStateException("plain text");
            case "typed":
                throw ApplicationFailure.newFailure("declined", "CardDeclined", Map.of("code", 51), "second");
            case "final":
                throw ApplicationFailure.newNonRetryableFailure("no such card", "NoCard");
            case "later":
                throw ApplicationFailure.newBuilder().setMessage("try later").setType("Busy").setNextRetryDelay(Duration.ofSeconds(123)).build();
            case "benign":
                throw ApplicationFailure.newBuilder().setMessage("nothing to see").setType("Benign")
                        .setCategory(ApplicationErrorCategory.BENIGN).build();
            case "cause":
                throw ApplicationFailure.newFailureWithCause("outer", "Outer", ApplicationFailure.newFailure("the root", "Root"));
            case "several":
                AutoCloseable resource = () -> {
                    throw ApplicationFailure.newFailure("the second", "Second");
                };
                try (resource) {
                    throw new IllegalStateException("the first");
                }
            default:
                throw new IllegalArgumentException("no such kind: " + kind);
        }
    }

    @ActivityMethod
    static void crash() {
        throw new AssertionError("oh no");
    }

    @ActivityMethod
    static int steps(int n) {
        ActivityExecutionContext context = Activity.getExecutionContext();
        int begin = context.getHeartbeatDetails(Integer.class).orElse(0);
        for (int step = begin + 1; step <= n; step++) {
            context.heartbeat(step);
        }
        return begin;
    }

    @ActivityMethod
    static void cancel() throws InterruptedException {
        ActivityExecutionContext context = Activity.getExecutionContext();
        try {
            while (true) {
                context.heartbeat();
                Thread.sleep(1);
            }
        } catch (CanceledFailure e) {
            throw new CanceledFailure("cleaned up");
        }
    }

    @ActivityMethod
    static String stopping() throws InterruptedException {
        ActivityExecutionContext context = Activity.getExecutionContext();
        while (!context.heartbeat().isWorkerStopping()) {
            Thread.sleep(1);
        }
        return "stopping";
    }

    @ActivityMethod
    static void logs(String text) {
        Logger log = Activity.getLogger();
        log.atWarn().addKeyValue("answer", 42).log(text);
        log.debug("the end");
    }

    @ActivityMethod
    static String upper(String text) {
        return new ConformanceClient().upper(text);
    }

    record Refusal(int errno, String message) {
    }

    @ActivityMethod
    static Refusal denied() {
        try {
            new ConformanceClient().deny();
            throw new IllegalStateException("deny was allowed");
        } catch (PassthroughException e) {
            return new Refusal(e.getErrno(), e.getMessage());
        }
    }

    @ActivityMethod
    static int state() {
        return ++counter;
    }

    @ActivityMethod
    static String draw() {
        return Long.toString(RANDOM.nextLong());
    }

    @ActivityMethod
    static long spin() {
        long x = 1;
        while (x != 0) {
            x = x * 6364136223846793005L | 1;
        }
        return x;
    }

    record Request(Optional<String> method, String url, Optional<Map<String, String>> headers, Optional<String> body) {
    }

    record Response(int status, @JsonName("content_type") String contentType, String body) {
    }

    @ActivityMethod
    static Response http(Request in) {
        HttpRequest request = new HttpRequest(in.url()).setBody(in.body().orElse(""));
        in.method().ifPresent(request::setMethod);
        in.headers().orElse(Map.of()).forEach(request::addHeader);
        HttpResponse response = request.send();
        return new Response(response.getStatus(), response.getHeader("Content-Type").orElse(""), response.getText());
    }

    @ActivityMethod
    static Optional<String> config(String name) {
        return Config.get(name);
    }

    @ActivityMethod
    static String secret(String name) {
        return Secret.reveal(name);
    }

    record Query(String sql, Optional<List<Json>> args, Optional<Integer> batch, Optional<Integer> limit) {
    }

    record Table(List<String> columns, List<List<Json>> rows) {
    }

    @ActivityMethod
    static Table sql(Query query) {
        SqlConnection db = new SqlConnection("db");
        query.batch().ifPresent(db::setFetchSize);
        List<Object> arguments = new ArrayList<>();
        for (Json argument : query.args().orElse(List.of())) {
            arguments.add(argument.isObject() ? unhex(argument.get("hex").asString()) : argument);
        }
        List<String> columns = new ArrayList<>();
        List<List<Json>> table = new ArrayList<>();
        try (SqlRows rows = db.query(query.sql(), arguments.toArray())) {
            for (SqlColumn column : rows.getColumns()) {
                columns.add(column.name());
            }
            for (SqlRow row : rows) {
                List<Json> values = new ArrayList<>();
                for (Object value : row.getValues()) {
                    values.add(Json.of(value instanceof byte[] ? Map.of("hex", hex((byte[]) value)) : value));
                }
                table.add(values);
                if (table.size() == query.limit().orElse(0)) {
                    break;
                }
            }
        }
        return new Table(columns, table);
    }

    private static byte[] unhex(String text) {
        byte[] bytes = new byte[text.length() / 2];
        for (int i = 0; i < bytes.length; i++) {
            bytes[i] = (byte) Integer.parseInt(text.substring(2 * i, 2 * i + 2), 16);
        }
        return bytes;
    }

    private static String hex(byte[] bytes) {
        StringBuilder text = new StringBuilder();
        for (byte b : bytes) {
            text.append(Character.forDigit(b >> 4 & 15, 16)).append(Character.forDigit(b & 15, 16));
        }
        return text.toString();
    }

    enum End {
        commit, rollback, none
    }

    record Entry(String entry, End end) {
    }

    record Outcome(long affected, long count) {
    }

    @ActivityMethod
    static Outcome transaction(Entry in) {
        SqlConnection db = new SqlConnection("db");
        if (in.end() == End.none) {
            SqlTransaction open = db.begin();   // which the worker has to end
            return new Outcome(insert(open, in.entry()), count(open, in.entry()));
        }
        long affected;
        try (SqlTransaction transaction = db.begin()) {
            affected = insert(transaction, in.entry());
            if (in.end() == End.commit) {
                transaction.commit();
            }
        }
        return new Outcome(affected, count(db, in.entry()));
    }

    private static long insert(SqlSession session, String entry) {
        return session.exec("INSERT INTO ledger (entry) VALUES (?)", entry);
    }

    private static long count(SqlSession session, String entry) {
        try (SqlRows rows = session.query("SELECT count(*) AS n FROM ledger WHERE entry = ?", entry)) {
            return rows.iterator().next().getLong("n");
        }
    }

    record Parts(String key, List<String> parts) {
    }

    record Stored(long size, @JsonName("content_type") String contentType, String made, String text, List<String> keys) {
    }

    @ActivityMethod
    static Stored stream(Parts in) {
        Bucket box = new Bucket("box");
        BlobOptions options = new BlobOptions().setContentType("text/plain; charset=utf-8").addMetadata("made", "by hand");
        try (BlobWriter writer = box.create(in.key(), options)) {
            for (String part : in.parts()) {
                writer.write(part.getBytes(StandardCharsets.UTF_8));
            }
            writer.commit();
        }
        BlobAttributes attributes = box.stat(in.key());
        ByteArrayOutputStream text = new ByteArrayOutputStream();
        try (BlobReader reader = box.open(in.key())) {
            byte[] piece = new byte[5];
            for (int count = reader.read(piece); count >= 0; count = reader.read(piece)) {
                text.write(piece, 0, count);
            }
        }
        List<String> keys = new ArrayList<>();
        for (BlobEntry entry : box.list(in.key())) {
            keys.add(entry.key());
        }
        box.delete(in.key());
        return new Stored(attributes.getSize(), attributes.getContentType(), attributes.getMetadata().get("made"),
                new String(text.toByteArray(), StandardCharsets.UTF_8), keys);
    }

    record Range(String key, String text, long offset, long length) {
    }

    record Part(boolean exists, String range) {
    }

    @ActivityMethod
    static Part object(Range in) {
        Bucket box = new Bucket("box");
        byte[] data = in.text().getBytes(StandardCharsets.UTF_8);
        BlobOptions once = new BlobOptions().setIfNoneMatch(true);
        box.put(in.key(), data, once);
        boolean exists = false;
        try {
            box.put(in.key(), data, once);
        } catch (PassthroughException e) {
            if (e.getErrno() != Errno.EEXIST) {
                throw e;
            }
            exists = true;
        }
        String range = box.get(in.key(), in.offset(), in.length()).getText();
        box.delete(in.key());
        return new Part(exists, range);
    }

    enum By {
        get, stat, open, delete
    }

    @ActivityMethod
    static boolean exists(String key, By by) {
        Bucket box = new Bucket("box");
        try {
            switch (by) {
                case get -> box.get(key);
                case stat -> box.stat(key);
                case open -> box.open(key).close();
                case delete -> box.delete(key);
            }
            return true;
        } catch (PassthroughException e) {
            if (e.getErrno() != Errno.ENOENT) {
                throw e;
            }
            return false;
        }
    }
}
