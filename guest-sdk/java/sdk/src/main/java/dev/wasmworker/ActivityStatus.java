package dev.wasmworker;

/** What Temporal and the worker want of a running activity. What is set stays set. */
public final class ActivityStatus {
    private static final int CANCEL_REQUESTED = 1;
    private static final int WORKER_STOPPING = 2;
    private static final int PAUSED = 4;
    private static final int RESET = 8;
    private static final int GONE = 16;

    private final int flags;

    /** Makes a status of the flags of the guest contract. */
    public ActivityStatus(int flags) {
        this.flags = flags;
    }

    /** Tells whether somebody asked to cancel the activity. */
    public boolean isCancelRequested() {
        return (flags & CANCEL_REQUESTED) != 0;
    }

    /**
     * Tells whether the worker is shutting down. The attempt may finish within the worker's graceful timeout: finish soon, or heartbeat
     * the progress and throw, so that another worker goes on.
     */
    public boolean isWorkerStopping() {
        return (flags & WORKER_STOPPING) != 0;
    }

    /** Tells whether an operator paused the activity. */
    public boolean isPaused() {
        return (flags & PAUSED) != 0;
    }

    /** Tells whether an operator reset the activity; its next attempt begins anew. */
    public boolean isReset() {
        return (flags & RESET) != 0;
    }

    /** Tells whether Temporal does not wait for this attempt any more; its result would be dropped. */
    public boolean isGone() {
        return (flags & GONE) != 0;
    }

    /** Tells whether the activity has to end: it was cancelled, paused or reset, or it is gone. */
    public boolean isStopRequested() {
        return (flags & (CANCEL_REQUESTED | PAUSED | RESET | GONE)) != 0;
    }

    @Override
    public String toString() {
        StringBuilder text = new StringBuilder();
        String[] names = {"cancel requested", "worker stopping", "paused", "reset", "gone"};
        for (int i = 0; i < names.length; i++) {
            if ((flags >> i & 1) != 0) {
                text.append(text.length() == 0 ? "" : ", ").append(names[i]);
            }
        }
        return text.length() == 0 ? "running" : text.toString();
    }
}
