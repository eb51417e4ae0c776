package dev.wasmworker.internal;

import org.teavm.interop.Address;
import org.teavm.interop.Import;

/**
 * What {@code Math.random} becomes, and with it {@code Random}, {@code SecureRandom} and {@code UUID.randomUUID}: TeaVM has a generator of 48
 * bits, which would be in the image that all activities begin with once something has drawn from it.
 */
public final class Randomness {
    private static byte[] pool = new byte[256];
    /** How much of the pool was used. */
    private static int used = pool.length;

    private Randomness() {
    }

    public static double random() {
        if (used == pool.length) {
            randomGet(Address.ofData(pool), pool.length);
            used = 0;
        }
        long bits = 0;
        for (int i = 0; i < 8; i++) {
            bits = bits << 8 | pool[used++] & 0xff;
        }
        return (bits >>> 11) * 0x1.0p-53;
    }

    /** Forgets what must not be the same in several activities, nor be in the image. */
    static void forget() {
        used = pool.length;
    }

    @Import(module = "wasi_snapshot_preview1", name = "random_get")
    private static native int randomGet(Address bytes, int size);
}
