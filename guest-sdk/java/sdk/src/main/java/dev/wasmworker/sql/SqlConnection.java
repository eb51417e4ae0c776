package dev.wasmworker.sql;

import dev.wasmworker.json.Codecs;
import java.util.LinkedHashMap;
import java.util.Map;

/**
 * A database that the worker's operator has defined.
 *
 * <pre>{@code
 * SqlConnection warehouse = new SqlConnection("warehouse");
 * try (SqlRows rows = warehouse.query("SELECT sku, price FROM item WHERE price > $1", 9.5)) {
 *     for (SqlRow row : rows) {
 *         total += row.getDouble("price");
 *     }
 * }
 * try (SqlTransaction transaction = warehouse.begin()) {
 *     transaction.exec("UPDATE item SET price = $1 WHERE sku = $2", new BigDecimal("10.50"), "A-17");
 *     transaction.commit();                        // without it, close rolls back
 * }
 * }</pre>
 */
public final class SqlConnection extends SqlSession {
    private final String name;

    /**
     * Names a connection. It costs nothing, and opens nothing: the worker keeps the connections.
     *
     * @param name as the operator has it
     */
    public SqlConnection(String name) {
        this.name = name;
    }

    @Override
    void target(Map<String, Object> head) {
        head.put("connection", name);
    }

    /** Begins a transaction that may write, of the database's own isolation. */
    public SqlTransaction begin() {
        return begin(SqlIsolation.DEFAULT, false);
    }

    /**
     * Begins a transaction.
     *
     * @param isolation how much it sees of others
     * @param readOnly whether it must not write
     */
    public SqlTransaction begin(SqlIsolation isolation, boolean readOnly) {
        Map<String, Object> head = new LinkedHashMap<>();
        target(head);
        if (readOnly) {
            head.put("read_only", true);
        }
        if (isolation != SqlIsolation.DEFAULT) {
            head.put("isolation", isolation.text);
        }
        return new SqlTransaction(Sql.begin(head).getHead().field("transaction", Codecs.LONG));
    }
}
