package dev.wasmworker;

/**
 * Ends an activity as cancelled.
 *
 * <p>{@link ActivityExecutionContext#heartbeat} throws it when the activity has to end. Catch it to clean up, and throw it again,
 * or another one with details:
 *
 * <pre>{@code
 * try {
 *     context.heartbeat(row);
 * } catch (CanceledFailure e) {
 *     dropTable();
 *     throw new CanceledFailure("dropped after row " + row);
 * }
 * }</pre>
 *
 * <p>Thrown when nobody asked, it fails the activity with the type {@code UnexpectedCancel}, retryable; when the worker is stopping,
 * another worker goes on.
 */
public final class CanceledFailure extends RuntimeException {
    private static final long serialVersionUID = 1;

    private final transient Object details;

    /** Ends the activity as cancelled, without details. */
    public CanceledFailure() {
        this(null);
    }

    /** Ends the activity as cancelled. The details are a {@link Payload} or a value that {@link dev.wasmworker.json.Json#of} takes. */
    public CanceledFailure(Object details) {
        super("the activity was cancelled");
        this.details = details;
    }

    /** Returns the details, or null. */
    public Object getDetails() {
        return details;
    }
}
