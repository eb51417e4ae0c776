package dev.wasmworker;

import java.time.Duration;
import java.util.Arrays;
import java.util.Collections;
import java.util.List;

/**
 * A failure of an activity, with all that Temporal knows of one.
 *
 * <p>Details are values that {@link dev.wasmworker.json.Json#of} takes; the workflow that called the activity can read them.
 */
public final class ApplicationFailure extends RuntimeException {
    private static final long serialVersionUID = 1;

    private final String type;
    private final boolean nonRetryable;
    private final transient Duration nextRetryDelay;
    private final ApplicationErrorCategory category;
    private final transient List<Object> details;

    private ApplicationFailure(Builder builder) {
        super(builder.message, builder.cause);
        this.type = builder.type;
        this.nonRetryable = builder.nonRetryable;
        this.nextRetryDelay = builder.nextRetryDelay;
        this.category = builder.category;
        this.details = builder.details;
    }

    /** Makes a failure that Temporal retries as the activity's retry policy says. */
    public static ApplicationFailure newFailure(String message, String type, Object... details) {
        return newBuilder().setMessage(message).setType(type).setDetails(details).build();
    }

    /** Makes a failure with a cause, which Temporal retries as the activity's retry policy says. */
    public static ApplicationFailure newFailureWithCause(String message, String type, Throwable cause, Object... details) {
        return newBuilder().setMessage(message).setType(type).setCause(cause).setDetails(details).build();
    }

    /** Makes a failure that Temporal does not retry. */
    public static ApplicationFailure newNonRetryableFailure(String message, String type, Object... details) {
        return newBuilder().setMessage(message).setType(type).setNonRetryable(true).setDetails(details).build();
    }

    /** Makes a failure with a cause, which Temporal does not retry. */
    public static ApplicationFailure newNonRetryableFailureWithCause(String message, String type, Throwable cause, Object... details) {
        return newBuilder().setMessage(message).setType(type).setCause(cause).setNonRetryable(true).setDetails(details).build();
    }

    /** Begins a failure of which more is to be said. */
    public static Builder newBuilder() {
        return new Builder();
    }

    /** Returns the type, by which retry policies and workflows tell failures apart. */
    public String getType() {
        return type;
    }

    /** Tells whether Temporal does not retry the activity after this. */
    public boolean isNonRetryable() {
        return nonRetryable;
    }

    /** Returns the time until the next attempt, or null for what the retry policy says. */
    public Duration getNextRetryDelay() {
        return nextRetryDelay;
    }

    /** Returns the category. */
    public ApplicationErrorCategory getCategory() {
        return category;
    }

    /** Returns the details; they cannot be changed. */
    public List<Object> getDetails() {
        return details;
    }

    /** Collects what a failure says. Only the message and the type are usually needed. */
    public static final class Builder {
        private String message = "";
        private String type = "";
        private boolean nonRetryable;
        private Duration nextRetryDelay;
        private ApplicationErrorCategory category = ApplicationErrorCategory.UNSPECIFIED;
        private Throwable cause;
        private List<Object> details = Collections.emptyList();

        private Builder() {
        }

        /** Sets the message. */
        public Builder setMessage(String message) {
            this.message = message;
            return this;
        }

        /** Sets the type. */
        public Builder setType(String type) {
            this.type = type;
            return this;
        }

        /** Sets whether Temporal does not retry. By default it does. */
        public Builder setNonRetryable(boolean nonRetryable) {
            this.nonRetryable = nonRetryable;
            return this;
        }

        /** Sets the time until the next attempt, instead of what the retry policy says; in whole milliseconds. */
        public Builder setNextRetryDelay(Duration nextRetryDelay) {
            this.nextRetryDelay = nextRetryDelay;
            return this;
        }

        /** Sets the category. */
        public Builder setCategory(ApplicationErrorCategory category) {
            this.category = category;
            return this;
        }

        /** Sets the cause, which is reported too. */
        public Builder setCause(Throwable cause) {
            this.cause = cause;
            return this;
        }

        /** Sets the details. */
        public Builder setDetails(Object... details) {
            this.details = Collections.unmodifiableList(Arrays.asList(details.clone()));
            return this;
        }

        /** Makes the failure. */
        public ApplicationFailure build() {
            return new ApplicationFailure(this);
        }
    }
}
