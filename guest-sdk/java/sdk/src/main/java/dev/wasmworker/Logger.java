package dev.wasmworker;

import dev.wasmworker.internal.Abi;
import dev.wasmworker.internal.Host;
import dev.wasmworker.internal.Utf8;
import dev.wasmworker.json.JsonException;
import dev.wasmworker.json.JsonWriter;

/**
 * Writes to the worker's log, in the manner of SLF4J.
 *
 * <pre>{@code
 * Logger log = Activity.getLogger();
 * log.info("order booked");
 * log.atWarn().addKeyValue("order", id).setCause(e).log("no receipt");
 * }</pre>
 *
 * <p>What is printed to {@code System.out} and {@code System.err} becomes one record a line, too, at level info.
 */
public final class Logger {
    private static final int DEBUG = Abi.LEVEL_DEBUG;
    private static final int INFO = Abi.LEVEL_INFO;
    private static final int WARN = Abi.LEVEL_WARNING;
    private static final int ERROR = Abi.LEVEL_ERROR;

    Logger() {
    }

    /** Logs at level debug. */
    public void debug(String message) {
        atDebug().log(message);
    }

    /** Logs at level info. */
    public void info(String message) {
        atInfo().log(message);
    }

    /** Logs a warning. */
    public void warn(String message) {
        atWarn().log(message);
    }

    /** Logs an error. */
    public void error(String message) {
        atError().log(message);
    }

    /** Logs an error with the exception that it was. */
    public void error(String message, Throwable cause) {
        atError().setCause(cause).log(message);
    }

    /** Begins a record at level debug. */
    public Record atDebug() {
        return new Record(DEBUG);
    }

    /** Begins a record at level info. */
    public Record atInfo() {
        return new Record(INFO);
    }

    /** Begins a warning. */
    public Record atWarn() {
        return new Record(WARN);
    }

    /** Begins an error. */
    public Record atError() {
        return new Record(ERROR);
    }

    /** One record in the making. */
    public static final class Record {
        private final int level;
        private JsonWriter attributes;

        private Record(int level) {
            this.level = level;
        }

        /** Adds an attribute: a value that {@link dev.wasmworker.json.Json#of} takes; the text of any other. */
        public Record addKeyValue(String key, Object value) {
            if (attributes == null) {
                attributes = new JsonWriter().beginObject();
            }
            attributes.name(key);
            JsonWriter json = new JsonWriter();
            try {
                json.value(value);
                attributes.raw(json.toString());
            } catch (JsonException e) {
                attributes.string(String.valueOf(value));
            }
            return this;
        }

        /** Adds an exception as attribute {@code error}. */
        public Record setCause(Throwable cause) {
            return addKeyValue("error", String.valueOf(cause));
        }

        /** Writes the record. */
        public void log(String message) {
            byte[] json = attributes == null ? new byte[0] : Utf8.encode(attributes.endObject().toString());
            attributes = null;
            Host.get().log(level, Utf8.encode(message), json);
        }
    }
}
