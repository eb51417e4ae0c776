package dev.wasmworker;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.wasmworker.blob.BlobAttributes;
import dev.wasmworker.blob.BlobEntry;
import dev.wasmworker.blob.BlobOptions;
import dev.wasmworker.blob.BlobReader;
import dev.wasmworker.blob.BlobWriter;
import dev.wasmworker.blob.Bucket;
import dev.wasmworker.http.HttpRequest;
import dev.wasmworker.http.HttpResponse;
import dev.wasmworker.json.Codec;
import dev.wasmworker.json.Codecs;
import dev.wasmworker.json.Json;
import dev.wasmworker.json.JsonException;
import dev.wasmworker.json.JsonWriter;
import dev.wasmworker.sql.SqlConnection;
import dev.wasmworker.sql.SqlIsolation;
import dev.wasmworker.sql.SqlRow;
import dev.wasmworker.sql.SqlRows;
import dev.wasmworker.sql.SqlTransaction;
import dev.wasmworker.testing.TestActivityEnvironment;
import java.io.IOException;
import java.math.BigDecimal;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.time.Instant;
import java.time.LocalDate;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Deque;
import java.util.Iterator;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.UUID;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/** The built-in modules, on a host that answers from a script and compares what it was asked. */
class PassthroughModulesTest {
    private static final SqlConnection DB = new SqlConnection("db");
    private static final Bucket BOX = new Bucket("box");

    private record Step(String call, String head, String body, byte[] answer, int errno) {
    }

    private final Deque<Step> script = new ArrayDeque<>();
    private final TestActivityEnvironment environment = new TestActivityEnvironment();

    @BeforeEach
    void begin() {
        environment.setPassthrough((module, function, request) -> {
            Step step = script.remove();
            assertEquals(step.call, module + " " + function);
            if (module.contains("config") || module.contains("secret")) {
                assertEquals(step.head, text(request));
            } else {
                Frame frame = Frame.decode(request);
                assertEquals(step.head, frame.getHead().toString());
                assertEquals(step.body, text(frame.getBody()));
            }
            if (step.errno != 0) {
                throw new PassthroughException(step.errno, "the host says no");
            }
            return step.answer;
        });
    }

    @AfterEach
    void end() {
        environment.close();
        assertEquals(List.of(), List.copyOf(script));
    }

    private static byte[] bytes(String text) {
        return text.getBytes(StandardCharsets.UTF_8);
    }

    private static String text(byte[] bytes) {
        return new String(bytes, StandardCharsets.UTF_8);
    }

    private void expect(String call, String head, String body, byte[] answer) {
        script.add(new Step("wasmworker:" + call, head, body, answer, 0));
    }

    private void expect(String call, String head) {
        expect(call, head, "", new byte[0]);
    }

    private void answer(String call, String head, String answer) {
        expect(call, head, "", Frame.encode(Json.parse(answer)));
    }

    private void refuse(String call, String head, int errno) {
        script.add(new Step("wasmworker:" + call, head, "", null, errno));
    }

    private static void assertErrno(int errno, org.junit.jupiter.api.function.Executable code) {
        PassthroughException e = assertThrows(PassthroughException.class, code);
        assertEquals(errno, e.getErrno());
        assertEquals("the host says no", e.getMessage());
    }

    @Test
    void http() {
        expect("http/v1 send", "{\"method\":\"POST\",\"url\":\"https://example.com/?a=b\",\"headers\":{\"Accept\":[\"a/b\",\"c/d\"],\"X-One\":[\"1\"]},\"timeout_ms\":1500}",
                "é", Frame.encode(Json.parse("{\"status\":201,\"headers\":{\"Content-Type\":[\"text/plain\"],\"Set-Cookie\":[\"a=b\",\"c=d\"]}}"), bytes("\0ok")));
        HttpResponse response = new HttpRequest("https://example.com/?a=b").setMethod("POST").addHeader("Accept", "a/b").addHeader("X-One", "1")
                .addHeader("accept", "c/d").setBody("é").setTimeout(Duration.ofMillis(1500)).send();
        assertEquals(201, response.getStatus());
        assertEquals(Optional.of("text/plain"), response.getHeader("content-TYPE"));
        assertEquals(Optional.empty(), response.getHeader("Date"));
        assertEquals(List.of("a=b", "c=d"), response.getHeaders().get("Set-Cookie"));
        assertEquals("\0ok", response.getText());

        String plain = "{\"method\":\"GET\",\"url\":\"http://localhost\",\"headers\":{}}";
        answer("http/v1 send", plain, "{\"status\":404}");
        assertEquals(404, new HttpRequest("http://localhost").send().getStatus());
        refuse("http/v1 send", plain, Errno.EACCES);
        assertErrno(Errno.EACCES, () -> new HttpRequest("http://localhost").send());
        expect("http/v1 send", plain, "", bytes("ab"));
        assertThrows(JsonException.class, () -> new HttpRequest("http://localhost").send());
        assertThrows(IllegalArgumentException.class, () -> new HttpRequest("").setTimeout(Duration.ofNanos(5)));
    }

    @Test
    void configAndSecret() {
        expect("config/v1 get", "région", "", bytes("eu ☃"));
        assertEquals(Optional.of("eu ☃"), Config.get("région"));
        expect("config/v1 get", "empty");
        assertEquals(Optional.of(""), Config.get("empty"));
        refuse("config/v1 get", "none", Errno.ENOENT);
        assertEquals(Optional.empty(), Config.get("none"));
        refuse("config/v1 get", "none", Errno.EIO);
        assertErrno(Errno.EIO, () -> Config.get("none"));
        expect("secret/v1 reveal", "token", "", bytes("s3"));
        assertEquals("s3", Secret.reveal("token"));
        refuse("secret/v1 reveal", "token", Errno.EACCES);
        assertErrno(Errno.EACCES, () -> Secret.reveal("token"));
    }

    /** The first rows. */
    private List<Long> numbers(int most) {
        SqlConnection db = new SqlConnection("db");
        db.setFetchSize(2);
        List<Long> numbers = new ArrayList<>();
        try (SqlRows rows = db.query("SELECT n FROM t")) {
            assertEquals("INTEGER", rows.getColumns().get(0).type());
            for (SqlRow row : rows) {
                numbers.add(row.getLong("n"));
                if (numbers.size() == most) {
                    break;
                }
            }
        }
        return numbers;
    }

    @Test
    void rowsComeBatchByBatchAndTheCursorIsClosed() {
        String fetch = "{\"cursor\":7,\"max_rows\":2}";
        Runnable first = () -> answer("sql/v1 query", "{\"connection\":\"db\",\"sql\":\"SELECT n FROM t\",\"args\":[],\"max_rows\":2}",
                "{\"columns\":[{\"name\":\"n\",\"type\":\"INTEGER\"}],\"rows\":[[1],[2]],\"cursor\":7}");
        first.run();
        answer("sql/v1 fetch", fetch, "{\"rows\":[[3],[4]],\"cursor\":7}");
        answer("sql/v1 fetch", fetch, "{\"rows\":[]}");
        assertEquals(List.of(1L, 2L, 3L, 4L), numbers(100));

        first.run();
        expect("sql/v1 close", "{\"cursor\":7}");
        assertEquals(List.of(1L), numbers(1));

        // What closing says does not replace what went wrong.
        first.run();
        refuse("sql/v1 fetch", fetch, Errno.ETIMEDOUT);
        refuse("sql/v1 close", "{\"cursor\":7}", Errno.EBADF);
        assertErrno(Errno.ETIMEDOUT, () -> numbers(100));

        first.run();
        answer("sql/v1 fetch", fetch, "{\"rows\":[[3,4]],\"cursor\":7}");
        expect("sql/v1 close", "{\"cursor\":7}");
        assertThrows(JsonException.class, () -> numbers(100));

        answer("sql/v1 query", "{\"connection\":\"db\",\"sql\":\"q\",\"args\":[]}", "{\"columns\":[{\"name\":\"n\"}],\"rows\":[[1],[2]],\"cursor\":9}");
        expect("sql/v1 close", "{\"cursor\":9}");
        SqlRows rows = DB.query("q");
        Iterator<SqlRow> iterator = rows.iterator();
        iterator.next();
        rows.close();
        rows.close();
        assertFalse(iterator.hasNext());
        assertThrows(IllegalStateException.class, rows::iterator);
    }

    private record Item(long id, String name, Optional<Double> price, byte[] data) {
    }

    private static final Codec<Item> ITEM = Codecs.of(json -> new Item(json.field("id", Codecs.LONG), json.field("name", Codecs.STRING),
            json.field("price", Codecs.optional(Codecs.DOUBLE)), json.field("data", Codecs.BYTES)), JsonWriter::value);

    private enum Color {
        RED
    }

    @Test
    void values() {
        String id = "123e4567-e89b-12d3-a456-426614174000";
        String args = "[9223372036854775807,\"zoë\",2.0,null,null,true,\"RED\",{\"bytes\":[0,2]},-0.5,{\"bytes\":[2,1]},\"1.50\",\"" + id
                + "\",\"2026-01-02T03:04:05Z\",\"2026-01-02\",\"{\\\"a\\\":1}\",5,0.1]";
        expect("sql/v1 query", "{\"connection\":\"db\",\"sql\":\"SELECT ?\",\"args\":" + args + "}", "ab\0", Frame.encode(Json.parse(
                "{\"columns\":[{\"name\":\"id\"},{\"name\":\"name\"},{\"name\":\"price\"},{\"name\":\"data\"},{\"name\":\"on\"},{\"name\":\"one\"},{\"name\":\"id\"}],"
                        + "\"rows\":[[-9223372036854775808,\"a\\nb\",2.5,{\"bytes\":[1,2]},true,1,5],[1,\"NaN\",null,null,false,0,\"-Infinity\"]]}"), bytes("x\0y")));
        Iterator<SqlRow> rows = DB.query("SELECT ?", Long.MAX_VALUE, "zoë", 2.0, null, Optional.empty(), true, Color.RED, bytes("ab"), -0.5f, bytes("\0"),
                new BigDecimal("1.50"), UUID.fromString(id), Instant.parse("2026-01-02T03:04:05Z"), LocalDate.of(2026, 1, 2),
                Json.parse("{\"a\":1}"), Json.parse("5"), 0.1f).iterator();
        SqlRow row = rows.next();
        assertEquals(Long.MIN_VALUE, row.getLong("id"));
        assertEquals("a\nb", row.getString("name"));
        assertEquals(2.5, row.getDouble("price"));
        assertArrayEquals(bytes("\0y"), row.getBytes("data"));
        assertTrue(row.getBoolean("on"));
        assertTrue(row.getBoolean("one"));
        assertFalse(row.isNull("price"));
        List<Object> values = new ArrayList<>(row.getValues());
        assertArrayEquals(bytes("\0y"), (byte[]) values.remove(3));
        assertEquals(List.of(Long.MIN_VALUE, "a\nb", 2.5, true, 1L, 5L), values);
        Codecs.register(Item.class, ITEM);
        Item item = row.as(Item.class);
        assertEquals(Long.MIN_VALUE, item.id());
        assertEquals(Optional.of(2.5), item.price());
        assertArrayEquals(bytes("\0y"), item.data());

        SqlRow second = rows.next();
        assertTrue(Double.isNaN(second.getDouble("name")));
        assertTrue(second.isNull("price"));
        assertNull(second.getString("price"));
        assertNull(second.getBytes("data"));
        assertFalse(second.getBoolean("one"));
        assertEquals(Arrays.asList(1L, "NaN", null, null, false, 0L, "-Infinity"), second.getValues());
        assertEquals("price: expected a number, got null", assertThrows(JsonException.class, () -> second.getDouble("price")).getMessage());
        assertEquals("none: the rows have no such column", assertThrows(JsonException.class, () -> second.getLong("none")).getMessage());
        assertEquals("name: expected bytes", assertThrows(JsonException.class, () -> second.getBytes("name")).getMessage());
        assertEquals("id: expected a string, got the number 1", assertThrows(JsonException.class, () -> second.getString("id")).getMessage());
        assertThrows(IllegalArgumentException.class, () -> second.as(Object.class));
        assertFalse(rows.hasNext());
    }

    @Test
    void argumentsThatAreNone() {
        for (Object argument : new Object[] {Double.NaN, Float.POSITIVE_INFINITY, new Object(), List.of(1)}) {
            String message = assertThrows(IllegalArgumentException.class, () -> DB.exec("x", 1, argument)).getMessage();
            assertTrue(message.startsWith("argument 2 of the statement: "), message);
        }
        assertThrows(IllegalArgumentException.class, () -> new SqlConnection("db").setFetchSize(0));
    }

    @Test
    void transactions() {
        String begin = "{\"connection\":\"db\"}";
        answer("sql/v1 begin", begin, "{\"transaction\":4}");
        answer("sql/v1 exec", "{\"transaction\":4,\"sql\":\"UPDATE\",\"args\":[5]}", "{\"rows_affected\":7}");
        answer("sql/v1 query", "{\"transaction\":4,\"sql\":\"SELECT\",\"args\":[]}", "{\"columns\":[],\"rows\":[]}");
        expect("sql/v1 commit", "{\"transaction\":4}");
        try (SqlTransaction transaction = DB.begin()) {
            assertEquals(7, transaction.exec("UPDATE", 5));
            assertFalse(transaction.query("SELECT").iterator().hasNext());
            transaction.commit();
        }

        answer("sql/v1 begin", "{\"connection\":\"db\",\"read_only\":true,\"isolation\":\"repeatable read\"}", "{\"transaction\":5}");
        expect("sql/v1 rollback", "{\"transaction\":5}");
        DB.begin(SqlIsolation.REPEATABLE_READ, true).close();

        answer("sql/v1 begin", begin, "{\"transaction\":6}");
        expect("sql/v1 rollback", "{\"transaction\":6}");
        try (SqlTransaction transaction = DB.begin()) {
            transaction.rollback();
        }

        answer("sql/v1 begin", begin, "{\"transaction\":8}");
        refuse("sql/v1 exec", "{\"transaction\":8,\"sql\":\"UPDATE\",\"args\":[]}", Errno.EIO);
        refuse("sql/v1 rollback", "{\"transaction\":8}", Errno.EBADF);
        assertErrno(Errno.EIO, () -> {
            try (SqlTransaction transaction = DB.begin()) {
                transaction.exec("UPDATE");
            }
        });

        answer("sql/v1 begin", begin, "{\"transaction\":9}");
        refuse("sql/v1 commit", "{\"transaction\":9}", Errno.EBUSY);
        expect("sql/v1 rollback", "{\"transaction\":9}");
        assertErrno(Errno.EBUSY, () -> {
            try (SqlTransaction transaction = DB.begin()) {
                transaction.commit();
            }
        });
    }

    @Test
    void objects() {
        String head = "{\"bucket\":\"box\",\"key\":\"k\"}";
        expect("blob/v1 put", "{\"bucket\":\"box\",\"key\":\"k\",\"content_type\":\"text/plain\",\"metadata\":{\"a\":\"1\"},\"if_none_match\":true}", "text", new byte[0]);
        BOX.put("k", bytes("text"), new BlobOptions().setContentType("text/plain").addMetadata("a", "1").setIfNoneMatch(true));
        refuse("blob/v1 put", head, Errno.EEXIST);
        assertErrno(Errno.EEXIST, () -> BOX.put("k", new byte[0]));
        answer("blob/v1 stat", head, "{\"size\":4,\"content_type\":\"text/plain\",\"modified\":\"2026-01-02T03:04:05Z\",\"etag\":\"e\",\"metadata\":{\"a\":\"1\"}}");
        BlobAttributes attributes = BOX.stat("k");
        assertEquals(4, attributes.getSize());
        assertEquals("text/plain", attributes.getContentType());
        assertEquals(Optional.of(Instant.parse("2026-01-02T03:04:05Z")), attributes.getModified());
        assertEquals("e", attributes.getEtag());
        assertEquals(Map.of("a", "1"), attributes.getMetadata());
        expect("blob/v1 get", "{\"bucket\":\"box\",\"key\":\"k\",\"offset\":1,\"length\":2}", "", Frame.encode(Json.parse("{\"size\":4}"), bytes("ex")));
        assertEquals("ex", BOX.get("k", 1, 2).getText());
        expect("blob/v1 get", head, "", Frame.encode(Json.parse("{}")));
        assertEquals(Optional.empty(), BOX.get("k").getAttributes().getModified());
        expect("blob/v1 delete", head);
        BOX.delete("k");
    }

    @Test
    void listingsComePageByPage() {
        Iterable<BlobEntry> listing = BOX.list("a/", "/");
        answer("blob/v1 list", "{\"bucket\":\"box\",\"prefix\":\"a/\",\"delimiter\":\"/\"}",
                "{\"objects\":[{\"key\":\"a/b\",\"size\":3,\"modified\":\"2026-01-02T03:04:05Z\"},{\"key\":\"a/c/\",\"prefix\":true}],\"next\":\"p2\"}");
        answer("blob/v1 list", "{\"bucket\":\"box\",\"prefix\":\"a/\",\"delimiter\":\"/\",\"page\":\"p2\"}", "{\"objects\":[{\"key\":\"a/d\",\"size\":0}]}");
        List<BlobEntry> entries = new ArrayList<>();
        listing.forEach(entries::add);
        assertEquals(List.of(new BlobEntry("a/b", false, 3, Optional.of(Instant.parse("2026-01-02T03:04:05Z"))),
                new BlobEntry("a/c/", true, 0, Optional.empty()), new BlobEntry("a/d", false, 0, Optional.empty())), entries);
        answer("blob/v1 list", "{\"bucket\":\"box\",\"prefix\":\"\"}", "{}");
        assertFalse(BOX.list("").iterator().hasNext());
    }

    @Test
    void reader() throws IOException {
        String read = "{\"reader\":5,\"max\":65536}";
        answer("blob/v1 open", "{\"bucket\":\"box\",\"key\":\"k\",\"offset\":1,\"length\":9}", "{\"size\":10,\"reader\":5}");
        expect("blob/v1 read", read, "", Frame.encode(Json.parse("{}"), bytes("abcd")));
        expect("blob/v1 read", read, "", Frame.encode(Json.parse("{}")));
        expect("blob/v1 read", read, "", Frame.encode(Json.parse("{\"end\":true}"), bytes("\u00e9f")));
        expect("blob/v1 close", "{\"reader\":5}");
        try (BlobReader reader = BOX.open("k", 1, 9)) {
            assertEquals(10, reader.getAttributes().getSize());
            byte[] piece = new byte[3];
            assertEquals(0, reader.read(piece, 0, 0));
            assertEquals('a', reader.read());
            assertEquals(3, reader.available());
            assertEquals(3, reader.read(piece));
            assertEquals("bcd", text(piece));
            assertEquals(0xc3, reader.read());
            assertEquals(2, reader.read(piece));
            assertEquals(-1, reader.read(piece));
            assertEquals(-1, reader.read());
        }

        answer("blob/v1 open", "{\"bucket\":\"box\",\"key\":\"k\"}", "{\"size\":10,\"reader\":5}");
        expect("blob/v1 read", "{\"reader\":5,\"max\":100000}", "", Frame.encode(Json.parse("{}"), bytes("abcd")));
        refuse("blob/v1 read", read, Errno.ETIMEDOUT);
        refuse("blob/v1 close", "{\"reader\":5}", Errno.EIO);
        assertErrno(Errno.ETIMEDOUT, () -> {
            try (BlobReader reader = BOX.open("k")) {
                assertEquals(4, reader.read(new byte[100_000]));
                reader.read();
            }
        });
    }

    @Test
    void writer() throws IOException {
        String create = "{\"bucket\":\"box\",\"key\":\"k\"}";
        String head = "{\"writer\":6}";
        String large = "x".repeat(70_000);
        answer("blob/v1 create", create, head);
        expect("blob/v1 write", head, "abc", new byte[0]);
        expect("blob/v1 write", head, large, new byte[0]);
        expect("blob/v1 write", head, "d", new byte[0]);
        expect("blob/v1 commit", head);
        try (BlobWriter writer = BOX.create("k")) {
            writer.write(bytes("ab"));
            writer.write('c');
            writer.write(bytes(large));
            writer.write(bytes("_d_"), 1, 1);
            writer.commit();
            assertThrows(IllegalStateException.class, () -> writer.write('e'));
        }

        answer("blob/v1 create", create, head);
        expect("blob/v1 close", head);
        try (BlobWriter writer = BOX.create("k")) {
            writer.write('a');
        }

        // An object with a gap is not committed.
        answer("blob/v1 create", create, head);
        script.add(new Step("wasmworker:blob/v1 write", head, "abc", null, Errno.EMSGSIZE));
        expect("blob/v1 close", head);
        try (BlobWriter writer = BOX.create("k")) {
            writer.write(bytes("abc"));
            assertErrno(Errno.EMSGSIZE, writer::flush);
            assertErrno(Errno.EMSGSIZE, writer::commit);
        }

        answer("blob/v1 create", create, head);
        refuse("blob/v1 commit", head, Errno.EIO);
        expect("blob/v1 close", head);
        assertErrno(Errno.EIO, () -> {
            try (BlobWriter writer = BOX.create("k")) {
                writer.commit();
            }
        });
    }

    @Test
    void withoutAHandler() {
        try (TestActivityEnvironment other = new TestActivityEnvironment()) {
            PassthroughException e = assertThrows(PassthroughException.class, () -> Config.get("a"));
            assertEquals(Errno.ENOSYS, e.getErrno());
        }
    }
}
