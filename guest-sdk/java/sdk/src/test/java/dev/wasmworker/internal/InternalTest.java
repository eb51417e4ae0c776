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
        byte[] longType = Guest.failure(ApplicationFailure.newNonRetryableFailure("m", longText), false);
        assertEquals("x".repeat(256), Json.parse(longType).get("type").asString());
    }

    private static String message(Throwable e) {
        return Json.parse(Guest.failure(e, true)).get("message").asString();
    }

    private static <T extends Throwable> T suppressing(T e, Throwable... suppressed) {
        for (Throwable other : suppressed) {
            e.addSuppressed(other);
        }
        return e;
    }

    @Test
    void suppressedExceptions() {
        Throwable body = new IllegalStateException("body");
        AutoCloseable resource = () -> {
            throw new java.io.IOException("close");
        };
        Throwable caught = org.junit.jupiter.api.Assertions.assertThrows(IllegalStateException.class, () -> {
            try (resource) {
                throw body;
            }
        });
        assertEquals("body (also: java.io.IOException: close)", message(caught));
        assertEquals("body", Json.parse(Guest.failure(caught, false)).get("message").asString());
        Throwable typed = ApplicationFailure.newFailureWithCause("outer", "T", caught);
        suppressing(typed, ApplicationFailure.newFailure("late", "Late"), new RuntimeException());
        Json failure = Json.parse(Guest.failure(typed, true));
        assertEquals("outer (also: Late: late; java.lang.RuntimeException)", failure.get("message").asString());
        assertEquals("body (also: java.io.IOException: close)", failure.get("cause").get("message").asString());
        assertEquals("java.lang.RuntimeException (also: java.lang.Error: x)", message(suppressing(new RuntimeException(), new Error("x"))));
    }

    @Test
    void suppressedExceptionsHaveLimits() {
        Throwable many = new Exception("m");
        for (int i = 0; i < 1000; i++) {
            many.addSuppressed(ApplicationFailure.newFailure(String.valueOf(i), ""));
        }
        assertEquals("m (also: 0; 1; 2; 3; 4; 5; 6; 7; 8; 9; and 990 more)", message(many));
        assertEquals("m (also: " + "x".repeat(511) + ")", message(suppressing(new Exception("m"), ApplicationFailure.newFailure("x".repeat(511) + "🚀".repeat(9000), ""))));
        Throwable nested = null;
        for (int i = 0; i < 30; i++) {
            nested = new Exception("", nested);
            for (int k = 0; k < 20; k++) {
                nested.addSuppressed(new Exception("é".repeat(1000)));
            }
        }
        int size = 0;
        int depth = 0;
        for (Json f = Json.parse(Guest.failure(nested, true)); !f.isNull(); f = f.get("cause")) {
            size += f.get("message").asString().length();
            depth++;
        }
        assertEquals(17, depth);
        assertTrue(size < 5000, size + " characters");
    }
}
