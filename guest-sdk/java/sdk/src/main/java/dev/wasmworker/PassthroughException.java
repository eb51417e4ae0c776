package dev.wasmworker;

/**
 * A call of a {@linkplain PassthroughModule passthrough function} was refused.
 *
 * <p>Not caught, it fails the activity with the type {@code PassthroughError} and the error number as detail. That is retried, also if
 * the call was denied: the operator may allow it meanwhile.
 */
public final class PassthroughException extends RuntimeException {
    private static final long serialVersionUID = 1;

    private final int errno;

    /** Makes an exception, as a test's own implementation of a passthrough module may want to. */
    public PassthroughException(int errno, String message) {
        super(message);
        this.errno = errno;
    }

    /** Returns the error number, one of WASI preview 1, such as {@link Errno#EACCES}. */
    public int getErrno() {
        return errno;
    }

    /** Tells whether the operator's policy denied the call. */
    public boolean isDenied() {
        return errno == Errno.EACCES;
    }
}
