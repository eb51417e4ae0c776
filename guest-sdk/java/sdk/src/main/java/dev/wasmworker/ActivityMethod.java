package dev.wasmworker;

import java.lang.annotation.ElementType;
import java.lang.annotation.Retention;
import java.lang.annotation.RetentionPolicy;
import java.lang.annotation.Target;

/**
 * Makes a static method an activity of the module.
 *
 * <p>Each parameter is one argument of the activity and may be a primitive type or its wrapper, {@code String}, an enum, a record, an
 * array, {@code List}, {@code Map<String, …>} or {@code Optional} of these, {@link dev.wasmworker.json.Json}, {@code byte[]} for an
 * argument of encoding {@code binary/plain}, or {@link Payload} for an argument of any encoding. A last parameter
 * {@code Payload...} takes all arguments that are left. The result may be of the same types; {@code void} is no result and
 * {@code null} is {@code binary/null}. Surplus arguments are ignored.
 *
 * <p>An argument that is missing, malformed or of another type fails the activity with the type {@code InvalidInput}, not
 * retryable, before the method is called. A parameter or record component that may be missing or {@code null} is an
 * {@code Optional}, or has an annotation named {@code Nullable} (of any package).
 *
 * <p>An exception fails the activity: an {@link ApplicationFailure} as it says, any other with the name of its class as type and
 * retryable. A {@link CanceledFailure} ends it as cancelled.
 */
@Target(ElementType.METHOD)
@Retention(RetentionPolicy.CLASS)
public @interface ActivityMethod {
    /** The activity's type, which is the name of the module's export. By default the name of the method, unchanged. */
    String name() default "";
}
