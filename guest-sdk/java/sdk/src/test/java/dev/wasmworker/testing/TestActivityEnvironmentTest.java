package dev.wasmworker.testing;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.wasmworker.Activity;
import dev.wasmworker.ActivityExecutionContext;
import dev.wasmworker.ApplicationFailure;
import dev.wasmworker.CanceledFailure;
import dev.wasmworker.Payload;
import dev.wasmworker.json.Json;
import java.util.List;
import org.junit.jupiter.api.Test;

class TestActivityEnvironmentTest {
    private static int steps(int n) {
        ActivityExecutionContext context = Activity.getExecutionContext();
        int begin = context.getHeartbeatDetails(Integer.class).orElse(0);
        for (int step = begin + 1; step <= n; step++) {
            context.heartbeat(step, "of " + n);
        }
        return begin;
    }

    @Test
    void resumes() throws Exception {
        try (TestActivityEnvironment environment = new TestActivityEnvironment()) {
            environment.setHeartbeatDetails(3);
            assertEquals(3, environment.run(() -> steps(5)));
            assertEquals(2, environment.getHeartbeats().size());
            assertEquals(4, environment.getHeartbeats().get(0).get(0).as(Integer.class));
            assertEquals("of 5", environment.getHeartbeats().get(0).get(1).as(String.class));
            environment.setHeartbeatDetails("x");
            ApplicationFailure failure = assertThrows(ApplicationFailure.class, () -> environment.run(() -> steps(5)));
            assertEquals("InvalidInput", failure.getType());
            assertEquals("heartbeat detail 0: expected an integer of 32 bits, got a string", failure.getMessage());
        }
    }

    @Test
    void resumesFromSeveralEncodings() throws Exception {
        try (TestActivityEnvironment environment = new TestActivityEnvironment()) {
            for (String encoding : new String[] {"json/plain", "json/protobuf", ""}) {
                environment.setHeartbeatDetails(new Payload("3".getBytes(), encoding));
                assertEquals(3, environment.run(() -> steps(5)));
                assertEquals(3, new Payload("3".getBytes(), encoding).as(Json.class).asInt());
            }
            for (String encoding : new String[] {"binary/encrypted", "binary/protobuf", "binary/plain", "json/plain+zlib", "JSON/plain", "json/"}) {
                environment.setHeartbeatDetails(new Payload("3".getBytes(), encoding));
                ApplicationFailure failure = assertThrows(ApplicationFailure.class, () -> environment.run(() -> steps(5)));
                assertEquals("InvalidInput", failure.getType());
                assertTrue(failure.isNonRetryable());
                assertEquals("heartbeat detail 0: expected JSON (json/plain), got " + encoding, failure.getMessage());
            }
        }
    }

    @Test
    void stops() throws Exception {
        try (TestActivityEnvironment environment = new TestActivityEnvironment()) {
            environment.cancelAfterHeartbeats(2).stopWorkerAfterHeartbeats(1);
            assertThrows(CanceledFailure.class, () -> environment.run(() -> steps(5)));
            assertEquals(2, environment.getHeartbeats().size());
            assertEquals("cancel requested, worker stopping",
                    environment.run(() -> Activity.getExecutionContext().getStatus().toString()));
        }
    }

    @Test
    void informs() throws Exception {
        try (TestActivityEnvironment environment = new TestActivityEnvironment()) {
            environment.setInfo("retry_policy", Json.parse("{\"maximum_attempts\":3}")).setInfo("deadline", "2026-01-02T15:04:05Z");
            environment.run(() -> {
                var info = Activity.getExecutionContext().getInfo();
                assertEquals(3, info.getRetryPolicy().orElseThrow().maximumAttempts());
                assertEquals(List.of(), info.getRetryPolicy().orElseThrow().nonRetryableErrorTypes());
                assertEquals("2026-01-02T15:04:05Z", info.getDeadline().orElseThrow().toString());
                assertTrue(info.getPriority().isEmpty());
                return null;
            });
        }
        assertThrows(IllegalStateException.class, Activity::getExecutionContext);
    }
}
