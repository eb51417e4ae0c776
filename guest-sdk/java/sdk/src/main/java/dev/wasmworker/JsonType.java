package dev.wasmworker;

import java.lang.annotation.ElementType;
import java.lang.annotation.Retention;
import java.lang.annotation.RetentionPolicy;
import java.lang.annotation.Target;

/**
 * Generates the code that reads and writes a record as JSON.
 *
 * <p>Records in the signatures of {@linkplain ActivityMethod activities} and {@linkplain PassthroughModule passthrough functions}, and
 * the records in those, need no annotation. Those that are only heartbeat details, details of failures, attributes of log records or
 * arguments of {@link dev.wasmworker.json.Json#of} do.
 */
@Target(ElementType.TYPE)
@Retention(RetentionPolicy.CLASS)
public @interface JsonType {
}
