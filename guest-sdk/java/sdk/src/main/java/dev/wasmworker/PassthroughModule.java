package dev.wasmworker;

import java.lang.annotation.ElementType;
import java.lang.annotation.Retention;
import java.lang.annotation.RetentionPolicy;
import java.lang.annotation.Target;

/**
 * Describes functions that the worker offers beyond the SDK, as an interface. The annotation processor generates a class that
 * implements it, named as the interface with {@code Client} at its end:
 *
 * <pre>{@code
 * @PassthroughModule(name = "acme", version = 1)
 * interface Acme {
 *     Quote quote(Order order);
 * }
 *
 * Quote quote = new AcmeClient().quote(order);
 * }</pre>
 *
 * <p>A method has no parameter (an empty request) or one, and a result or none (the response is then ignored). {@code byte[]} is sent
 * and received as it is and {@code String} as its text in UTF-8; every other type that {@link ActivityMethod} lists is JSON.
 *
 * <p>A refused call throws a {@link PassthroughException}; a response that does not fit the type a
 * {@link dev.wasmworker.json.JsonException}. The operator has to grant the module, or the worker does not load yours.
 */
@Target(ElementType.TYPE)
@Retention(RetentionPolicy.CLASS)
public @interface PassthroughModule {
    /** The module's name: {@code acme} of {@code wasmworker:acme/v1}. */
    String name();

    /** The module's version: 1 of {@code wasmworker:acme/v1}. */
    int version() default 1;
}
