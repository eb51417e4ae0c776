package dev.wasmworker;

import java.time.Duration;
import java.util.List;

/**
 * How Temporal retries an activity.
 *
 * @param initialInterval the time before the second attempt
 * @param backoffCoefficient by how much that time grows with each attempt
 * @param maximumInterval the longest time between two attempts; zero for no limit
 * @param maximumAttempts the number of attempts; 0 for no limit
 * @param nonRetryableErrorTypes types of failures after which there is no other attempt
 */
public record RetryPolicy(Duration initialInterval, double backoffCoefficient, Duration maximumInterval, int maximumAttempts,
        List<String> nonRetryableErrorTypes) {
}
