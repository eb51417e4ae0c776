package dev.wasmworker.internal;

import dev.wasmworker.ActivityExecutionContext;
import org.teavm.interop.Address;

/** The host's functions in Java's terms: the real ones in WebAssembly, others in tests. */
public abstract class Host {
    /** A function of a passthrough module, as the import that a module has of it. */
    public interface Function {
        long call(Address request, int size);
    }

    private static Host current;

    /** The running activity, or null. */
    public ActivityExecutionContext context;

    /** Returns the host. */
    public static Host get() {
        if (current == null) {
            throw new IllegalStateException("no activity is running; in a test, use dev.wasmworker.testing.TestActivityEnvironment");
        }
        return current;
    }

    /** Sets the host; null for none. */
    public static void set(Host host) {
        current = host;
    }

    static Host orNull() {
        return current;
    }

    public abstract int argCount();

    public abstract byte[] arg(int index);

    public abstract String argEncoding(int index);

    /** The metadata of an argument as a JSON object. */
    public abstract byte[] argMetadata(int index);

    /** Returns false if the output is too large. */
    public abstract boolean outputWrite(byte[] data);

    public abstract void outputEncoding(String encoding);

    /** Sets all metadata, as a JSON object. */
    public abstract void outputMetadata(byte[] json);

    /** Returns false if the failure is too long. */
    public abstract boolean fail(byte[] json);

    public abstract byte[] info();

    public abstract int status();

    /** Returns false if the details are too large together. */
    public abstract boolean heartbeatDetail(byte[] data, String encoding);

    public abstract int heartbeat();

    public abstract int detailCount();

    public abstract byte[] detail(int index);

    public abstract String detailEncoding(int index);

    /**
     * Calls a function of a passthrough module: the import in WebAssembly, what a test has for it by its names.
     *
     * @throws dev.wasmworker.PassthroughException if it is refused
     */
    public abstract byte[] passthrough(String module, String function, Function imported, byte[] request);

    public abstract void log(int level, byte[] message, byte[] attributes);
}
