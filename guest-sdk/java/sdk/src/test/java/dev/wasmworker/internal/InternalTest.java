package dev.wasmworker.internal;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.wasmworker.ApplicationFailure;
import dev.wasmworker.json.Json;
import java.nio.charset.StandardCharsets;
import java.time.Instant;
import java.util.Random;
import java.util.function.DoubleUnaryOperator;
import org.junit.jupiter.api.Test;

class InternalTest {
    @Test
    void utf8() {
        for (String text : new String[] {"", "abc", "Zoë", "世界", "👩‍🚀", "\u07ff\u0800\uffff", "x".repeat(1000) + "☃".repeat(1000)}) {
            byte[] bytes = text.getBytes(StandardCharsets.UTF_8);
            assertArrayEquals(bytes, Utf8.encode(text));
            assertEquals(text, Utf8.decode(bytes, 0, bytes.length));
        }
        assertEquals("a\ufffdb", new String(Utf8.encode("a\ud800b"), StandardCharsets.UTF_8));
        assertNull(Utf8.decode(new byte[] {(byte) 0xed, (byte) 0xa0, (byte) 0x80}, 0, 3));
        assertEquals("a\ufffdé", Utf8.decodeLoosely(new byte[] {'a', (byte) 0xff, (byte) 0xc3, (byte) 0xa9}));
    }

    @Test
    void times() {
        for (String text : new String[] {"1970-01-01T00:00:00Z", "2026-01-02T15:04:05.123Z", "2024-02-29T23:59:59.999999999Z",
            "2100-03-01T00:00:00.5Z", "1969-12-31T23:59:59Z"}) {
            assertEquals(Instant.parse(text), Times.parse(text));
        }
    }

    @Test
    void functions() {
        check("exp", Functions::exp, StrictMath::exp, -700, 700);
        check("log", Functions::log, StrictMath::log, 0, 10);
        check("log", Functions::log, StrictMath::log, 0, 1e300);
        check("sin", Functions::sin, StrictMath::sin, -10, 10);
        check("cos", Functions::cos, StrictMath::cos, -1000, 1000);
        check("tan", Functions::tan, StrictMath::tan, -1.5, 1.5);
        check("asin", Functions::asin, StrictMath::asin, -1, 1);
        check("acos", Functions::acos, StrictMath::acos, -1, 1);
        check("atan", Functions::atan, StrictMath::atan, -100, 100);
        double[] special = {0.0, -0.0, 1, -1, 5, -5, Double.POSITIVE_INFINITY, Double.NEGATIVE_INFINITY, Double.NaN, Double.MIN_VALUE, 1e-300};
        for (double a : special) {
            for (double b : special) {
                assertEquals(StrictMath.atan2(a, b), Functions.atan2(a, b), 1e-15, a + ", " + b);
            }
            assertEquals(StrictMath.exp(a), Functions.exp(a), 1e-13);
            assertEquals(StrictMath.log(a), Functions.log(a), 1e-12);
            assertEquals(StrictMath.sin(a), Functions.sin(a), 1e-15);
            assertEquals(StrictMath.atan(a), Functions.atan(a), 1e-15);
            assertEquals(StrictMath.asin(a), Functions.asin(a), 1e-15);
        }
    }

    private static void check(String name, DoubleUnaryOperator actual, DoubleUnaryOperator expected, double min, double max) {
        Random random = new Random(1);
        for (int i = 0; i < 20000; i++) {
            double x = min + random.nextDouble() * (max - min);
            double want = expected.applyAsDouble(x);
            double error = Math.abs(actual.applyAsDouble(x) - want) / Math.ulp(want);
            assertTrue(error <= 4, () -> name + "(" + x + ") is off by " + error + " ulp");
        }
    }

    @Test
    void failures() {
        Throwable root = new IllegalStateException("root");
        Throwable failure = ApplicationFailure.newNonRetryableFailureWithCause("no", "Declined", root, 51, new Object());
        Json json = Json.parse(Guest.failure(failure, true));
        assertEquals("Declined", json.get("type").asString());
        assertTrue(json.get("non_retryable").asBoolean());
        assertEquals(51, json.get("details").get(0).asInt());
        assertEquals("java.lang.IllegalStateException", json.get("cause").get("type").asString());
        String longText = "x".repeat(300_000);
        assertTrue(Guest.failure(new Exception(longText, root), false).length < 10_000);
    }
}
