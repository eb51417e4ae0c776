package dev.wasmworker;

import java.lang.annotation.ElementType;
import java.lang.annotation.Retention;
import java.lang.annotation.RetentionPolicy;
import java.lang.annotation.Target;

/**
 * Calls a static method without parameters once, when the module's instance is created, before any activity.
 *
 * <p>Instances are set back to their state after that, so what the method prepares (and what the static initialisers of classes
 * prepare that it touches) is there for every activity and costs nothing then. There is no activity yet:
 * {@link Activity#getExecutionContext()} throws, logging works. An exception makes the module useless: its message is logged and the
 * instance ends.
 */
@Target(ElementType.METHOD)
@Retention(RetentionPolicy.CLASS)
public @interface Initializer {
}
