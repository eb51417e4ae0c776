package dev.wasmworker.sql;

import dev.wasmworker.Frame;
import dev.wasmworker.json.Codec;
import dev.wasmworker.json.Codecs;
import dev.wasmworker.json.Json;
import dev.wasmworker.json.JsonException;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * A row. Columns are found by their names; of two with the same name, the first.
 *
 * <p>Methods throw a {@link JsonException}, which names the column, if there is no such column, or its value is of another type.
 */
public final class SqlRow {
    private final List<SqlColumn> columns;
    private final List<Json> cells;
    private final Frame batch;

    SqlRow(List<SqlColumn> columns, List<Json> cells, Frame batch) {
        this.columns = columns;
        this.cells = cells;
        this.batch = batch;
    }

    /** Tells whether a value is null. */
    public boolean isNull(String column) {
        return cell(column).isNull();
    }

    /** Returns text, or null. Times, decimals, UUIDs and what else JSON does not have are text as well. */
    public String getString(String column) {
        return get(column, Codecs.nullable(Codecs.STRING));
    }

    /** Returns an integer. */
    public long getLong(String column) {
        return get(column, Codecs.LONG);
    }

    /** Returns a number, which may be an integer, infinite or NaN. */
    public double getDouble(String column) {
        Json cell = cell(column);
        if (cell.isString()) {
            switch (cell.asString()) {
                case "NaN":
                    return Double.NaN;
                case "Infinity":
                    return Double.POSITIVE_INFINITY;
                case "-Infinity":
                    return Double.NEGATIVE_INFINITY;
                default:
            }
        }
        return get(column, Codecs.DOUBLE);
    }

    /** Returns a boolean. The integers 0 and 1 are false and true, since SQLite has no others. */
    public boolean getBoolean(String column) {
        Json cell = cell(column);
        if (cell.isNumber() && (cell.asNumberText().equals("0") || cell.asNumberText().equals("1"))) {
            return cell.asNumberText().equals("1");
        }
        return get(column, Codecs.BOOLEAN);
    }

    /** Returns bytes, or null. */
    public byte[] getBytes(String column) {
        Json cell = cell(column);
        if (cell.isNull() || cell.isObject()) {
            return bytes(cell);
        }
        throw new JsonException("expected bytes").inField(column);
    }

    /**
     * Returns all values in the order of the columns. Each is null or a {@code Boolean}, {@code Long}, {@code Double}, {@code String} or
     * {@code byte[]}. A {@code Double} without a fraction may arrive as a {@code Long}.
     */
    public List<Object> getValues() {
        List<Object> values = new ArrayList<>(cells.size());
        for (Json cell : cells) {
            if (cell.isNumber()) {
                String text = cell.asNumberText();
                // No conditional expression, which would make a double of either.
                if (text.indexOf('.') < 0 && text.indexOf('e') < 0 && text.indexOf('E') < 0) {
                    values.add(cell.asLong());
                } else {
                    values.add(cell.asDouble());
                }
            } else if (cell.isString()) {
                values.add(cell.asString());
            } else if (cell.isBoolean()) {
                values.add(cell.asBoolean());
            } else {
                values.add(bytes(cell));
            }
        }
        return values;
    }

    /**
     * Returns the row as a record, whose components are the columns of their names; {@link dev.wasmworker.JsonName} tells others. Columns
     * without a component are ignored.
     *
     * @param type a record with {@link dev.wasmworker.JsonType}, or one that an activity takes or returns
     */
    public <T> T as(Class<T> type) {
        Codec<T> codec = Codecs.find(type);
        if (codec == null) {
            throw new IllegalArgumentException("cannot read a row as " + type.getName() + ": make it a record with @JsonType");
        }
        Map<String, Object> fields = new LinkedHashMap<>();
        for (int i = 0; i < cells.size(); i++) {
            Json cell = cells.get(i);
            fields.putIfAbsent(columns.get(i).name(), cell.isObject() ? bytes(cell) : cell);
        }
        return codec.read(Json.of(fields));
    }

    private <T> T get(String column, Codec<T> codec) {
        Json cell = cell(column);
        try {
            return codec.read(cell);
        } catch (JsonException e) {
            throw e.inField(column);
        }
    }

    private Json cell(String column) {
        for (int i = 0; i < cells.size(); i++) {
            if (columns.get(i).name().equals(column)) {
                return cells.get(i);
            }
        }
        throw new JsonException("the rows have no such column").inField(column);
    }

    private byte[] bytes(Json cell) {
        if (cell.isNull()) {
            return null;
        }
        Json place = cell.get("bytes");
        return batch.getBody(place.get(0).asInt(), place.get(1).asInt());
    }
}
