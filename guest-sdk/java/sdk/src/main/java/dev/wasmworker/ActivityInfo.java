package dev.wasmworker;

import dev.wasmworker.internal.Times;
import dev.wasmworker.json.Codecs;
import dev.wasmworker.json.Json;
import java.time.Duration;
import java.time.Instant;
import java.util.List;
import java.util.Optional;

/** What is known of one attempt of an activity. */
public final class ActivityInfo {
    private final Json info;

    ActivityInfo(Json info) {
        this.info = info;
    }

    private static String string(Json from, String name) {
        Json field = from.get(name);
        return field.isNull() ? "" : field.asString();
    }

    private static long number(Json from, String name) {
        Json field = from.get(name);
        return field.isNull() ? 0 : field.asLong();
    }

    private static double decimal(Json from, String name) {
        Json field = from.get(name);
        return field.isNull() ? 0 : field.asDouble();
    }

    private Optional<String> optional(String name) {
        String value = string(info, name);
        return value.isEmpty() ? Optional.empty() : Optional.of(value);
    }

    private Optional<Instant> time(String name) {
        return optional(name).map(Times::parse);
    }

    /** Returns the activity's ID within its workflow, or within the namespace if it is standalone. */
    public String getActivityId() {
        return string(info, "activity_id");
    }

    /** Returns the type by which the activity was called. */
    public String getActivityType() {
        return string(info, "activity_type");
    }

    /** Returns which attempt this is, from 1 on. */
    public int getAttempt() {
        return (int) number(info, "attempt");
    }

    /** Returns Temporal's namespace. */
    public String getNamespace() {
        return string(info, "namespace");
    }

    /** Returns the task queue that the attempt came from. */
    public String getTaskQueue() {
        return string(info, "task_queue");
    }

    /** Returns the type of the workflow that called the activity; empty for a standalone activity. */
    public Optional<String> getWorkflowType() {
        return optional("workflow_type");
    }

    /** Returns the ID of the workflow that called the activity; empty for a standalone activity. */
    public Optional<String> getWorkflowId() {
        return optional("workflow_id");
    }

    /** Returns the run of the workflow that called the activity; empty for a standalone activity. */
    public Optional<String> getWorkflowRunId() {
        return optional("workflow_run_id");
    }

    /** Returns the run of a standalone activity; empty for an activity of a workflow. */
    public Optional<String> getActivityRunId() {
        return optional("activity_run_id");
    }

    /** Tells whether the activity runs within the task of its workflow. */
    public boolean isLocal() {
        Json local = info.get("is_local_activity");
        return !local.isNull() && local.asBoolean();
    }

    /** Returns the longest time between two heartbeats; zero for no limit. */
    public Duration getHeartbeatTimeout() {
        return Duration.ofMillis(number(info, "heartbeat_timeout_ms"));
    }

    /** Returns the longest time for one attempt; zero for no limit. */
    public Duration getStartToCloseTimeout() {
        return Duration.ofMillis(number(info, "start_to_close_timeout_ms"));
    }

    /** Returns the longest time for all attempts together; zero for no limit. */
    public Duration getScheduleToCloseTimeout() {
        return Duration.ofMillis(number(info, "schedule_to_close_timeout_ms"));
    }

    /** Returns when the activity was scheduled. */
    public Optional<Instant> getScheduledTime() {
        return time("scheduled_time");
    }

    /** Returns when the attempt was started. */
    public Optional<Instant> getStartedTime() {
        return time("started_time");
    }

    /** Returns when the attempt has to be over. */
    public Optional<Instant> getDeadline() {
        return time("deadline");
    }

    /** Returns how the activity is retried; empty if the server did not say. */
    public Optional<RetryPolicy> getRetryPolicy() {
        Json policy = info.get("retry_policy");
        if (policy.isNull()) {
            return Optional.empty();
        }
        Json types = policy.get("non_retryable_error_types");
        return Optional.of(new RetryPolicy(
                Duration.ofMillis(number(policy, "initial_interval_ms")),
                decimal(policy, "backoff_coefficient"),
                Duration.ofMillis(number(policy, "maximum_interval_ms")),
                (int) number(policy, "maximum_attempts"),
                types.isNull() ? List.of() : types.elements(Codecs.STRING)));
    }

    /** Returns the activity's priority; empty if the server did not say. */
    public Optional<Priority> getPriority() {
        Json priority = info.get("priority");
        if (priority.isNull()) {
            return Optional.empty();
        }
        return Optional.of(new Priority((int) number(priority, "priority_key"), string(priority, "fairness_key"),
                decimal(priority, "fairness_weight")));
    }

    /** Returns all of it as the host gave it, for fields that this class does not know yet. */
    public Json toJson() {
        return info;
    }
}
