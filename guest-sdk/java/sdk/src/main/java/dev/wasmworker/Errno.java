package dev.wasmworker;

/** Error numbers of the host, which are those of WASI preview 1. */
public final class Errno {
    /** A list is too long. */
    public static final int E2BIG = 1;
    /** The operator's policy denied it. */
    public static final int EACCES = 2;
    /** Not now: try again. */
    public static final int EAGAIN = 6;
    /** There is no such handle. */
    public static final int EBADF = 8;
    /** Somebody else uses it. */
    public static final int EBUSY = 10;
    /** It was cancelled. */
    public static final int ECANCELED = 11;
    /** It exists already. */
    public static final int EEXIST = 20;
    /** It was interrupted. */
    public static final int EINTR = 27;
    /** An argument is wrong. */
    public static final int EINVAL = 28;
    /** Reading or writing failed. */
    public static final int EIO = 29;
    /** Too many handles are open. */
    public static final int EMFILE = 33;
    /** It is too long. */
    public static final int EMSGSIZE = 35;
    /** There is no such thing. */
    public static final int ENOENT = 44;
    /** There is no such function. */
    public static final int ENOSYS = 52;
    /** It is not supported. */
    public static final int ENOTSUP = 58;
    /** It is not permitted. */
    public static final int EPERM = 63;
    /** It took too long. */
    public static final int ETIMEDOUT = 73;
    /** A capability is missing. */
    public static final int ENOTCAPABLE = 76;

    private Errno() {
    }
}
