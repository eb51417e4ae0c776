package dev.wasmworker;

import dev.wasmworker.internal.Abi;

/** What Temporal and the worker want of a running activity. What is set stays set. */
public final class ActivityStatus {
    private final int flags;

    /** Makes a status of the flags of the guest contract. */
    public ActivityStatus(int flags) {
        this.flags = flags;
    }

    /** Tells whether somebody asked to cancel the activity. */
    public boolean isCancelRequested() {
        return (flags & Abi.CANCEL_REQUESTED) != 0;
    }

    /**
     * Tells whether the worker is shutting down. The attempt may finish within the worker's graceful timeout: finish soon, or heartbeat
     * the progress and throw, so that another worker goes on.
     */
    public boolean isWorkerStopping() {
        return (flags & Abi.WORKER_STOPPING) != 0;
    }

    /** Tells whether an operator paused the activity. */
    public boolean isPaused() {
        return (flags & Abi.PAUSED) != 0;
    }

    /** Tells whether an operator reset the activity; its next attempt begins anew. */
    public boolean isReset() {
        return (flags & Abi.RESET) != 0;
    }

    /** Tells whether Temporal does not wait for this attempt any more; its result would be dropped. */
    public boolean isGone() {
        return (flags & Abi.GONE) != 0;
    }

    /** Tells whether the activity has to end: it was cancelled, paused or reset, or it is gone. */
    public boolean isStopRequested() {
        return (flags & Abi.FLAGS_END) != 0;
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
