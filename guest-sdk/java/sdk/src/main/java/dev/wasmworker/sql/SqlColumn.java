package dev.wasmworker.sql;

/**
 * A column of rows.
 *
 * @param name its name
 * @param type the database's name of its type, such as {@code INT8}; may be empty
 */
public record SqlColumn(String name, String type) {
}
