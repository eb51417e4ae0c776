package activities;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import dev.wasmworker.ApplicationFailure;
import dev.wasmworker.testing.TestActivityEnvironment;
import java.io.File;
import org.junit.jupiter.api.Test;

class GreeterTest {
    @Test
    void greets() throws Exception {
        try (TestActivityEnvironment environment = new TestActivityEnvironment()) {
            environment.setInfo("attempt", 2);
            Greeter.Greeting greeting = environment.run(() -> Greeter.greet(new Greeter.Person("Ada")));
            assertEquals(new Greeter.Greeting("Hello, Ada!", 2), greeting);
            assertEquals("greeting", environment.getLogs().get(0).message());
        }
    }

    @Test
    void refusesNobody() {
        ApplicationFailure failure = assertThrows(ApplicationFailure.class, () -> Greeter.greet(new Greeter.Person("")));
        assertEquals("EmptyName", failure.getType());
    }

    /** The module does what greet.test.yaml says. */
    @Test
    void cases() throws Exception {
        Process test = new ProcessBuilder("wasmworker", "test").directory(new File("..")).redirectErrorStream(true).start();
        String output = new String(test.getInputStream().readAllBytes()); // not inherited: Surefire talks to this JVM through its standard output
        assertEquals(0, test.waitFor(), output);
    }
}
