package dev.wasmworker.testing;

import dev.wasmworker.ActivityExecutionContext;
import dev.wasmworker.Errno;
import dev.wasmworker.PassthroughException;
import dev.wasmworker.Payload;
import dev.wasmworker.internal.Host;
import dev.wasmworker.internal.Payloads;
import dev.wasmworker.internal.Utf8;
import dev.wasmworker.json.Codec;
import dev.wasmworker.json.Codecs;
import dev.wasmworker.json.Json;
import java.util.ArrayList;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.Callable;

/**
 * Runs activities in a JVM, for tests: what they log and heartbeat is kept, and they find the information, heartbeat details and
 * status that the test sets.
 *
 * <pre>{@code
 * try (TestActivityEnvironment environment = new TestActivityEnvironment()) {
 *     Greeting greeting = environment.run(() -> Greeter.greet(new Person("Ada")));
 *     assertEquals("greeting", environment.getLogs().get(0).message());
 * }
 * }</pre>
 *
 * <p>One environment at a time. What the SDK has for the worker's passthrough modules, such as {@link dev.wasmworker.http.HttpRequest},
 * asks {@link #setPassthrough}. Modules of your own are interfaces: give the activity's code another implementation in tests.
 */
public final class TestActivityEnvironment implements AutoCloseable {
    /**
     * A record of the log.
     *
     * @param level -4 debug, 0 info, 4 warning, 8 error
     * @param message the message
     * @param attributes an object, empty if there are none
     */
    public record LogRecord(int level, String message, Json attributes) {
    }

    /** Answers the calls of the worker's passthrough modules. */
    public interface Passthrough {
        /**
         * Answers a call.
         *
         * @param module the module's name in WebAssembly, such as {@code wasmworker:http/v1}
         * @param function the function's name, such as {@code send}
         * @param request of {@code http}, {@code sql} and {@code blob}, a {@link dev.wasmworker.Frame}, as the response is
         * @throws PassthroughException to refuse the call
         */
        byte[] call(String module, String function, byte[] request);
    }

    private final TestHost host = new TestHost();

    /** Makes the environment in which activities run from now on. */
    public TestActivityEnvironment() {
        Host.set(host);
        Codecs.setFallback(TestActivityEnvironment::generatedCodec);
    }

    /** Runs an activity and returns its result; exceptions pass through. */
    public <T> T run(Callable<T> activity) throws Exception {
        host.context = new ActivityExecutionContext(host);
        try {
            return activity.call();
        } finally {
            host.context = null;
        }
    }

    /** Sets a field of the information by its name in the guest contract, such as {@code attempt} or {@code workflow_id}. */
    public TestActivityEnvironment setInfo(String name, Object value) {
        host.info.put(name, value);
        return this;
    }

    /** Sets the details of the last heartbeat of the attempt before. */
    public TestActivityEnvironment setHeartbeatDetails(Object... details) {
        host.details.clear();
        for (Object detail : details) {
            host.details.add(Payloads.of(detail));
        }
        return this;
    }

    /** Requests the activity's cancellation, once it has heartbeated so many times more. */
    public TestActivityEnvironment cancelAfterHeartbeats(int count) {
        host.cancelAfter = host.heartbeats.size() + count;
        return this;
    }

    /** Stops the worker, once the activity has heartbeated so many times more. */
    public TestActivityEnvironment stopWorkerAfterHeartbeats(int count) {
        host.stopAfter = host.heartbeats.size() + count;
        return this;
    }

    /** Sets who answers the calls of the worker's passthrough modules. By default nobody does: {@code ENOSYS}. */
    public TestActivityEnvironment setPassthrough(Passthrough passthrough) {
        host.passthrough = passthrough;
        return this;
    }

    /** Returns the details of each heartbeat so far. */
    public List<List<Payload>> getHeartbeats() {
        return Collections.unmodifiableList(host.heartbeats);
    }

    /** Returns what was logged so far. */
    public List<LogRecord> getLogs() {
        return Collections.unmodifiableList(host.logs);
    }

    /** Ends the environment. */
    @Override
    public void close() {
        Host.set(null);
        Codecs.setFallback(null);
    }

    /** In WebAssembly generated codecs make themselves known; here they are found by their names. */
    private static Codec<?> generatedCodec(Class<?> type) {
        String packageName = type.getPackageName();
        String name = packageName.isEmpty() ? type.getName() : type.getName().substring(packageName.length() + 1);
        String codec = (packageName.isEmpty() ? "" : packageName + ".") + name.replace('$', '_') + "_Codec";
        try {
            var instance = Class.forName(codec, true, type.getClassLoader()).getField("INSTANCE");
            instance.setAccessible(true);
            return (Codec<?>) instance.get(null);
        } catch (ReflectiveOperationException e) {
            return null;
        }
    }

    private static final class TestHost extends Host {
        final Map<String, Object> info = new LinkedHashMap<>(Map.of("activity_id", "1", "activity_type", "Test", "attempt", 1,
                "namespace", "default", "task_queue", "test", "workflow_id", "test", "workflow_type", "Test", "workflow_run_id", "test"));
        final List<Payload> details = new ArrayList<>();
        final List<List<Payload>> heartbeats = new ArrayList<>();
        final List<LogRecord> logs = new ArrayList<>();
        int cancelAfter = Integer.MAX_VALUE;
        int stopAfter = Integer.MAX_VALUE;
        Passthrough passthrough = (module, function, request) -> {
            throw new PassthroughException(Errno.ENOSYS, "the test has no " + module + " " + function + ": see setPassthrough");
        };
        private List<Payload> next = new ArrayList<>();

        @Override
        public byte[] info() {
            return Utf8.encode(Json.stringify(info));
        }

        @Override
        public int status() {
            return (heartbeats.size() >= cancelAfter ? 1 : 0) | (heartbeats.size() >= stopAfter ? 2 : 0);
        }

        @Override
        public boolean heartbeatDetail(byte[] data, String encoding) {
            next.add(new Payload(data, encoding));
            return true;
        }

        @Override
        public int heartbeat() {
            heartbeats.add(next);
            next = new ArrayList<>();
            return status();
        }

        @Override
        public int detailCount() {
            return details.size();
        }

        @Override
        public byte[] detail(int index) {
            return details.get(index).getData();
        }

        @Override
        public String detailEncoding(int index) {
            return details.get(index).getEncoding();
        }

        @Override
        public byte[] passthrough(String module, String function, Function imported, byte[] request) {
            return passthrough.call(module, function, request);
        }

        @Override
        public void log(int level, byte[] message, byte[] attributes) {
            logs.add(new LogRecord(level, Utf8.decodeLoosely(message), Json.parse(attributes.length == 0 ? Utf8.encode("{}") : attributes)));
        }

        // Arguments and results do not pass through here: tests call the methods themselves.

        @Override
        public int argCount() {
            return 0;
        }

        @Override
        public byte[] arg(int index) {
            throw new UnsupportedOperationException();
        }

        @Override
        public String argEncoding(int index) {
            throw new UnsupportedOperationException();
        }

        @Override
        public byte[] argMetadata(int index) {
            throw new UnsupportedOperationException();
        }

        @Override
        public boolean outputWrite(byte[] data) {
            throw new UnsupportedOperationException();
        }

        @Override
        public void outputEncoding(String encoding) {
            throw new UnsupportedOperationException();
        }

        @Override
        public void outputMetadata(byte[] json) {
            throw new UnsupportedOperationException();
        }

        @Override
        public boolean fail(byte[] json) {
            throw new UnsupportedOperationException();
        }
    }
}
