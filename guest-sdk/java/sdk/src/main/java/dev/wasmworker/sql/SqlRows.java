package dev.wasmworker.sql;

import dev.wasmworker.Frame;
import dev.wasmworker.json.Codecs;
import dev.wasmworker.json.Json;
import dev.wasmworker.json.JsonException;
import java.util.ArrayList;
import java.util.Collections;
import java.util.Iterator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.NoSuchElementException;

/**
 * The rows of a query, which are fetched batch by batch while they are iterated over. That can be done once. A loop that ends early has to
 * {@link #close} them, by try-with-resources; at their end nothing is open any more.
 */
public final class SqlRows implements Iterable<SqlRow>, AutoCloseable {
    private final List<SqlColumn> columns;
    private final int fetchSize;
    private Frame batch;
    private List<Json> rows;
    private int index;
    /** 0: there are no more rows than those of the batch. */
    private long cursor;
    private boolean iterated;

    SqlRows(Frame first, int fetchSize) {
        this.fetchSize = fetchSize;
        take(first);
        List<SqlColumn> list = new ArrayList<>();
        for (Json column : listOf(first.getHead().get("columns"))) {
            list.add(new SqlColumn(column.get("name").asString(), column.has("type") ? column.get("type").asString() : ""));
        }
        columns = Collections.unmodifiableList(list);
    }

    private void take(Frame frame) {
        batch = frame;
        cursor = frame.getHead().has("cursor") ? frame.getHead().field("cursor", Codecs.LONG) : 0;
        rows = listOf(frame.getHead().get("rows"));
        index = 0;
    }

    private static List<Json> listOf(Json list) {
        return list.isNull() ? Collections.emptyList() : list.asList();
    }

    /** Returns the columns. */
    public List<SqlColumn> getColumns() {
        return columns;
    }

    /**
     * Iterates over the rows. {@code hasNext} fetches the next batch, and throws what {@link SqlSession#query} throws.
     *
     * @throws IllegalStateException if that was done already
     */
    @Override
    public Iterator<SqlRow> iterator() {
        if (iterated) {
            throw new IllegalStateException("rows can be iterated over once");
        }
        iterated = true;
        return new Iterator<SqlRow>() {
            @Override
            public boolean hasNext() {
                while (index == rows.size() && cursor != 0) {
                    fetch();
                }
                return index < rows.size();
            }

            @Override
            public SqlRow next() {
                if (!hasNext()) {
                    throw new NoSuchElementException();
                }
                List<Json> cells = rows.get(index++).asList();
                if (cells.size() != columns.size()) {
                    throw new JsonException("expected a row of " + columns.size() + " values, got " + cells.size());
                }
                return new SqlRow(columns, cells, batch);
            }
        };
    }

    private void fetch() {
        Map<String, Object> head = new LinkedHashMap<>();
        head.put("cursor", cursor);
        if (fetchSize > 0) {
            head.put("max_rows", fetchSize);
        }
        take(Sql.fetch(head));
    }

    /** Closes the cursor, if there are rows that were not fetched; there are no more rows then. It throws nothing. */
    @Override
    public void close() {
        long open = cursor;
        cursor = 0;
        index = rows.size();
        if (open != 0) {
            Sql.quietly(() -> Sql.close(open));
        }
    }
}
