package dev.wasmworker.sql;

import java.util.Map;

/** A transaction. {@link #close} rolls it back, unless it was committed; what is open when the activity ends, the worker rolls back. */
public final class SqlTransaction extends SqlSession implements AutoCloseable {
    private final long number;
    private boolean open = true;

    SqlTransaction(long number) {
        this.number = number;
    }

    @Override
    void target(Map<String, Object> head) {
        head.put("transaction", number);
    }

    /**
     * Commits.
     *
     * @throws dev.wasmworker.PassthroughException if that failed. With {@code ETIMEDOUT}, {@code ECANCELED} or {@code EIO} for a lost
     *     connection, the transaction may have been committed
     */
    public void commit() {
        Sql.commit(number);
        open = false;
    }

    /** Rolls back. */
    public void rollback() {
        Sql.rollback(number);
        open = false;
    }

    /** Rolls back, unless the transaction was committed or rolled back. It throws nothing. */
    @Override
    public void close() {
        if (open) {
            open = false;
            Sql.quietly(() -> Sql.rollback(number));
        }
    }
}
