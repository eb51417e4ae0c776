package dev.wasmworker.internal;

import org.teavm.interop.Address;
import org.teavm.interop.Import;

/** What {@code System.nanoTime} and {@code Thread.sleep} become: TeaVM has them for browsers only. */
public final class Clock {
    private static final int MONOTONIC = 1;

    private Clock() {
    }

    public static long nanoTime() {
        byte[] time = new byte[8];
        clockTimeGet(MONOTONIC, 1, Address.ofData(time));
        long nanos = 0;
        for (int i = 7; i >= 0; i--) {
            nanos = nanos << 8 | time[i] & 0xff;
        }
        return nanos;
    }

    /** Waits; the host ends that when it interrupts the activity. */
    public static void sleep(long millis) {
        if (millis < 0) {
            throw new IllegalArgumentException("timeout value is negative");
        }
        // One subscription to the monotonic clock, relative: see subscription and event of WASI preview 1.
        byte[] subscription = new byte[48];
        byte[] event = new byte[32];
        byte[] count = new byte[4];
        long nanos = Math.min(millis, Long.MAX_VALUE / 1_000_000) * 1_000_000;
        subscription[16] = MONOTONIC;
        for (int i = 0; i < 8; i++) {
            subscription[24 + i] = (byte) (nanos >> 8 * i);
        }
        pollOneoff(Address.ofData(subscription), Address.ofData(event), 1, Address.ofData(count));
    }

    @Import(module = "wasi_snapshot_preview1", name = "clock_time_get")
    private static native int clockTimeGet(int clock, long precision, Address time);

    @Import(module = "wasi_snapshot_preview1", name = "poll_oneoff")
    private static native int pollOneoff(Address in, Address out, int count, Address events);
}
