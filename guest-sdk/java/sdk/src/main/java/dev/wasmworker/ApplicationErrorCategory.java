package dev.wasmworker;

/** How Temporal treats an {@link ApplicationFailure}. */
public enum ApplicationErrorCategory {
    /** As any failure. */
    UNSPECIFIED,
    /** An expected failure: it is not counted or logged as an error. */
    BENIGN
}
