package dev.wasmworker.sql;

import dev.wasmworker.Frame;
import dev.wasmworker.json.Codecs;
import dev.wasmworker.json.Json;
import java.time.temporal.TemporalAccessor;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.UUID;

/**
 * Where statements run: a {@link SqlConnection}, or a {@link SqlTransaction}.
 *
 * <p>Arguments stand for the parameters of a statement, which has them in the database's own notation: {@code $1} for PostgreSQL,
 * {@code ?} or {@code ?1} for SQLite.
 *
 * <ul>
 *   <li>null, booleans, {@code Long} and smaller integers, {@code Double}, {@code Float} and {@code byte[]} are the same in SQL;
 *   <li>strings are text, and so are enum constants by their names, {@code BigDecimal} and other numbers, {@code UUID}, and the times of
 *       {@code java.time}, for the database to read;
 *   <li>of a {@link Json}, null, booleans, numbers and strings are the same in SQL, arrays and objects their text;
 *   <li>of an {@code Optional}, it is what is in it, or null.
 * </ul>
 *
 * <p>All methods wait for the worker, and throw a {@link dev.wasmworker.PassthroughException}: {@code EACCES} for what the operator's policy
 * denies, which is the connection, writing, or SQL that would end a transaction; {@code EBADF} for a transaction that has ended;
 * {@code EBUSY} when rows of a transaction are open, and the database takes one statement at a time; {@code EMFILE} for more than 256
 * cursors and transactions; {@code EMSGSIZE} for rows above the policy's limits; {@code ETIMEDOUT}; {@code ECANCELED}; and {@code EIO} when
 * the database says no, or cannot be reached. Its message then begins with the SQLSTATE where there is one: {@code 23505: duplicate key …}.
 */
public abstract class SqlSession {
    private int fetchSize;

    SqlSession() {
    }

    /** Names where statements run, in a request's head. */
    abstract void target(Map<String, Object> head);

    /**
     * Sets how many rows a query fetches at once, at least 1. By default that is 1000. More rows take more memory, and fewer more calls. A
     * batch also ends once it has 1 MiB.
     */
    public void setFetchSize(int rows) {
        if (rows < 1) {
            throw new IllegalArgumentException("a fetch size of " + rows + " rows: it has to be 1 or more");
        }
        fetchSize = rows;
    }

    /**
     * Runs a statement that returns rows. Close them, unless you iterate to the end.
     *
     * @throws IllegalArgumentException if an argument is none, such as NaN, or an object of another class
     */
    public SqlRows query(String sql, Object... arguments) {
        Map<String, Object> head = new LinkedHashMap<>();
        List<byte[]> body = statement(head, sql, arguments);
        if (fetchSize > 0) {
            head.put("max_rows", fetchSize);
        }
        return new SqlRows(Sql.query(head, body), fetchSize);
    }

    /**
     * Runs a statement that returns no rows.
     *
     * @return how many rows it affected
     * @throws IllegalArgumentException if an argument is none, such as NaN, or an object of another class
     */
    public long exec(String sql, Object... arguments) {
        Map<String, Object> head = new LinkedHashMap<>();
        List<byte[]> body = statement(head, sql, arguments);
        Frame response = Sql.exec(head, body);
        return response.getHead().has("rows_affected") ? response.getHead().field("rows_affected", Codecs.LONG) : 0;
    }

    /** Fills a head, and returns the parts of the body. */
    private List<byte[]> statement(Map<String, Object> head, String sql, Object[] arguments) {
        target(head);
        head.put("sql", sql);
        List<Object> values = new ArrayList<>();
        List<byte[]> body = new ArrayList<>();
        int offset = 0;
        for (Object argument : arguments) {
            if (argument instanceof Optional) {
                argument = ((Optional<?>) argument).orElse(null);
            }
            if (argument instanceof byte[]) {
                byte[] bytes = (byte[]) argument;
                values.add(Map.of("bytes", new int[] {offset, bytes.length}));
                body.add(bytes);
                offset += bytes.length;
            } else {
                values.add(value(argument, values.size() + 1));
            }
        }
        head.put("args", values);
        return body;
    }

    private static Object value(Object argument, int number) {
        if (argument == null || argument instanceof Boolean || argument instanceof String || argument instanceof Long || argument instanceof Integer
                || argument instanceof Short || argument instanceof Byte) {
            return argument;
        } else if (argument instanceof Double || argument instanceof Float) {
            double value = ((Number) argument).doubleValue();
            if (Double.isNaN(value) || Double.isInfinite(value)) {
                throw new IllegalArgumentException("argument " + number + " of the statement: JSON has no number for it; pass it as text, "
                        + "if the database reads that");
            }
            // With its fraction, which tells 2.0 from the integer.
            return Json.parse(argument instanceof Float ? ((Float) argument).toString() : ((Double) argument).toString());
        } else if (argument instanceof Json) {
            Json json = (Json) argument;
            return json.isArray() || json.isObject() ? json.toString() : json;
        } else if (argument instanceof Enum) {
            return ((Enum<?>) argument).name();
            // Every call is made on the class that it is for: TeaVM would keep the toString() of all classes otherwise.
        } else if (argument instanceof Number) {
            return ((Number) argument).toString();
        } else if (argument instanceof UUID) {
            return ((UUID) argument).toString();
        } else if (argument instanceof TemporalAccessor) {
            return ((TemporalAccessor) argument).toString();
        }
        throw new IllegalArgumentException("argument " + number + " of the statement: SQL has no " + argument.getClass().getName()
                + "; pass what the database reads as text");
    }
}
