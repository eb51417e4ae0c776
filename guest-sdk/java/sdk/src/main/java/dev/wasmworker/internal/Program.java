package dev.wasmworker.internal;

/** TeaVM compiles programs. A module of activities has none, so this one does nothing, and its parts are not even called. */
public final class Program {
    private Program() {
    }

    public static void main(String[] args) {
    }

    /** In the place of TeaVM's own, which reads arguments and starts threads. */
    public static void runWithArgs(String[] args) {
    }

    /** In the place of TeaVM's own, which reads arguments and starts threads. */
    public static void runWithoutArgs() {
    }
}
