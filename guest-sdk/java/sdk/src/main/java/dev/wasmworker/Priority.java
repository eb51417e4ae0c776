package dev.wasmworker;

/**
 * How Temporal orders an activity among others.
 *
 * @param priorityKey 1 is the most urgent; 0 for the default
 * @param fairnessKey on whose behalf it runs; may be empty
 * @param fairnessWeight the share of that key; 0 for the default
 */
public record Priority(int priorityKey, String fairnessKey, double fairnessWeight) {
}
