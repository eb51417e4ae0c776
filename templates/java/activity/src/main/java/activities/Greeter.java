package activities;

import dev.wasmworker.Activity;
import dev.wasmworker.ActivityMethod;
import dev.wasmworker.ApplicationFailure;

/** The activities of this module. */
public final class Greeter {
    private Greeter() {
    }

    /** Whom to greet. */
    public record Person(String name) {
    }

    /** A greeting, and how often it was tried. */
    public record Greeting(String greeting, int attempt) {
    }

    /** Greets a person. */
    @ActivityMethod
    public static Greeting greet(Person person) {
        if (person.name().isEmpty()) {
            throw ApplicationFailure.newNonRetryableFailure("the name is empty", "EmptyName");
        }
        Activity.getLogger().atInfo().addKeyValue("name", person.name()).log("greeting");
        int attempt = Activity.getExecutionContext().getInfo().getAttempt();
        return new Greeting("Hello, " + person.name() + "!", attempt);
    }
}
