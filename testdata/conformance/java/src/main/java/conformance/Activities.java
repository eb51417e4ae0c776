package conformance;

import dev.wasmworker.Activity;
import dev.wasmworker.ActivityExecutionContext;
import dev.wasmworker.ActivityInfo;
import dev.wasmworker.ActivityMethod;
import dev.wasmworker.ApplicationErrorCategory;
import dev.wasmworker.ApplicationFailure;
import dev.wasmworker.CanceledFailure;
import dev.wasmworker.JsonName;
import dev.wasmworker.Logger;
import dev.wasmworker.PassthroughException;
import dev.wasmworker.Payload;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;

/** The activities of the conformance suite. */
final class Activities {
    private static int counter;

    private Activities() {
    }

    record Person(String name) {
    }

    record Greeting(String greeting) {
    }

    @ActivityMethod
    static Greeting greet(Person person) {
        if (person.name().isEmpty()) {
            throw ApplicationFailure.newNonRetryableFailure("the name is empty", "EmptyName");
        }
        return new Greeting("Hello, " + person.name() + "!");
    }

    @ActivityMethod
    static double add(double a, double b) {
        return a + b;
    }

    @ActivityMethod
    static List<String> arguments(Payload... arguments) {
        List<String> texts = new ArrayList<>();
        for (Payload argument : arguments) {
            texts.add(argument.getEncoding() + ":" + argument.getText());
        }
        return texts;
    }

    @ActivityMethod
    static Payload echo(Payload payload) {
        return payload;
    }

    @ActivityMethod
    static void nothing() {
    }

    @ActivityMethod
    static byte[] bytes(int n) {
        byte[] bytes = new byte[n];
        for (int i = 0; i < n; i++) {
            bytes[i] = (byte) i;
        }
        return bytes;
    }

    record Info(@JsonName("activity_id") String activityId, @JsonName("activity_type") String activityType, int attempt, String namespace,
            @JsonName("task_queue") String taskQueue, @JsonName("workflow_id") String workflowId,
            @JsonName("workflow_type") String workflowType, @JsonName("heartbeat_timeout_ms") long heartbeatTimeoutMs) {
    }

    @ActivityMethod
    static Info info() {
        ActivityInfo info = Activity.getExecutionContext().getInfo();
        return new Info(info.getActivityId(), info.getActivityType(), info.getAttempt(), info.getNamespace(), info.getTaskQueue(),
                info.getWorkflowId().orElse(""), info.getWorkflowType().orElse(""), info.getHeartbeatTimeout().toMillis());
    }

    @ActivityMethod
    static void fail(String kind) {
        switch (kind) {
            case "plain":
                throw new IllegalStateException("plain text");
            case "typed":
                throw ApplicationFailure.newFailure("declined", "CardDeclined", Map.of("code", 51), "second");
            case "final":
                throw ApplicationFailure.newNonRetryableFailure("no such card", "NoCard");
            case "later":
                throw ApplicationFailure.newBuilder().setMessage("try later").setType("Busy").setNextRetryDelay(Duration.ofSeconds(123)).build();
            case "benign":
                throw ApplicationFailure.newBuilder().setMessage("nothing to see").setType("Benign")
                        .setCategory(ApplicationErrorCategory.BENIGN).build();
            case "cause":
                throw ApplicationFailure.newFailureWithCause("outer", "Outer", ApplicationFailure.newFailure("the root", "Root"));
            default:
                throw new IllegalArgumentException("no such kind: " + kind);
        }
    }

    @ActivityMethod
    static void crash() {
        throw new AssertionError("oh no");
    }

    @ActivityMethod
    static int steps(int n) {
        ActivityExecutionContext context = Activity.getExecutionContext();
        int begin = context.getHeartbeatDetails(Integer.class).orElse(0);
        for (int step = begin + 1; step <= n; step++) {
            context.heartbeat(step);
        }
        return begin;
    }

    @ActivityMethod
    static void cancel() throws InterruptedException {
        ActivityExecutionContext context = Activity.getExecutionContext();
        try {
            while (true) {
                context.heartbeat();
                Thread.sleep(1);
            }
        } catch (CanceledFailure e) {
            throw new CanceledFailure("cleaned up");
        }
    }

    @ActivityMethod
    static String stopping() throws InterruptedException {
        ActivityExecutionContext context = Activity.getExecutionContext();
        while (!context.heartbeat().isWorkerStopping()) {
            Thread.sleep(1);
        }
        return "stopping";
    }

    @ActivityMethod
    static void logs(String text) {
        Logger log = Activity.getLogger();
        log.atWarn().addKeyValue("answer", 42).log(text);
        log.debug("the end");
    }

    @ActivityMethod
    static String upper(String text) {
        return new ConformanceClient().upper(text);
    }

    record Refusal(int errno, String message) {
    }

    @ActivityMethod
    static Refusal denied() {
        try {
            new ConformanceClient().deny();
            throw new IllegalStateException("deny was allowed");
        } catch (PassthroughException e) {
            return new Refusal(e.getErrno(), e.getMessage());
        }
    }

    @ActivityMethod
    static int state() {
        return ++counter;
    }

    @ActivityMethod
    static long spin() {
        long x = 1;
        while (x != 0) {
            x = x * 6364136223846793005L | 1;
        }
        return x;
    }
}
