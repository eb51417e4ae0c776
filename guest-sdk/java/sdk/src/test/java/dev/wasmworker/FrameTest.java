package dev.wasmworker;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import dev.wasmworker.json.JsonException;
import java.nio.charset.StandardCharsets;
import java.util.Map;
import java.util.Random;
import org.junit.jupiter.api.Test;

class FrameTest {
    @Test
    void roundTrip() {
        byte[] bytes = Frame.encode(Map.of("key", "é"), new byte[] {0, -1}, new byte[0], new byte[] {7});
        assertArrayEquals("\u000c\0\0\0{\"key\":\"é\"}".getBytes(StandardCharsets.UTF_8), java.util.Arrays.copyOf(bytes, 16));
        Frame frame = Frame.decode(bytes);
        assertEquals("é", frame.getHead().get("key").asString());
        assertArrayEquals(new byte[] {0, -1, 7}, frame.getBody());
        assertArrayEquals(new byte[] {-1, 7}, frame.getBody(1, 2));
        assertArrayEquals(new byte[0], frame.getBody(3, 0));
        for (int[] outside : new int[][] {{0, 4}, {4, 0}, {-1, 1}, {1, -1}, {2, Integer.MAX_VALUE}, {Integer.MAX_VALUE, 1}}) {
            assertThrows(JsonException.class, () -> frame.getBody(outside[0], outside[1]));
        }
        assertEquals(300, Frame.decode(Frame.encode(Map.of("k", "x".repeat(300)))).getHead().get("k").asString().length());
    }

    @Test
    void noFrames() {
        for (byte[] bytes : new byte[][] {{}, {0, 0, 0}, {3, 0, 0, 0, '{', '}'}, {-1, -1, -1, -1, '{', '}'}, {0, 0, 0, 0}, {1, 0, 0, 0, '{'}}) {
            assertThrows(JsonException.class, () -> Frame.decode(bytes));
        }
        Random random = new Random(1);
        byte[] good = Frame.encode(Map.of("a", 1), new byte[5]);
        for (int i = 0; i < 5000; i++) {
            byte[] bytes = java.util.Arrays.copyOf(good, random.nextInt(good.length + 1));
            for (int k = 0; k < 2 && bytes.length > 0; k++) {
                bytes[random.nextInt(bytes.length)] = (byte) random.nextInt();
            }
            try {
                Frame.decode(bytes).getBody();
            } catch (JsonException e) {
                // The only way to fail.
            }
        }
    }
}
