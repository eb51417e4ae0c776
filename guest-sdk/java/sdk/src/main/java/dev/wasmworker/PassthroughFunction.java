package dev.wasmworker;

import java.lang.annotation.ElementType;
import java.lang.annotation.Retention;
import java.lang.annotation.RetentionPolicy;
import java.lang.annotation.Target;

/** Gives a method of a {@link PassthroughModule} another name than the function that it calls. */
@Target(ElementType.METHOD)
@Retention(RetentionPolicy.CLASS)
public @interface PassthroughFunction {
    /** The name of the function in the passthrough module. */
    String name();
}
