package dev.wasmworker;

import dev.wasmworker.internal.Host;

/** The way from an activity's code to its surroundings. */
public final class Activity {
    private static final Logger LOGGER = new Logger();

    private Activity() {
    }

    /**
     * Returns the surroundings of the running activity.
     *
     * @throws IllegalStateException if none is running
     */
    public static ActivityExecutionContext getExecutionContext() {
        ActivityExecutionContext context = Host.get().context;
        if (context == null) {
            throw new IllegalStateException("no activity is running");
        }
        return context;
    }

    /** Returns the logger. Its records become the worker's, which adds the activity to them. */
    public static Logger getLogger() {
        return LOGGER;
    }
}
