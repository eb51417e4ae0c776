package dev.wasmworker.sql;

/** How much a transaction sees of others. */
public enum SqlIsolation {
    /** What the database does by default. */
    DEFAULT(""),
    /** {@code READ COMMITTED}. */
    READ_COMMITTED("read committed"),
    /** {@code REPEATABLE READ}. */
    REPEATABLE_READ("repeatable read"),
    /** {@code SERIALIZABLE}. */
    SERIALIZABLE("serializable");

    final String text;

    SqlIsolation(String text) {
        this.text = text;
    }
}
