package dev.wasmworker.json;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class JsonTest {
    @ParameterizedTest
    @ValueSource(strings = {"null", "true", "false", "0", "-0", "1.5", "-1.25e-3", "12345678901234567890", "\"\"", "\"a\\\"b\\\\\\n\\u0001\"",
            "\"Zoë 世界 👩‍🚀\"", "[]", "[1,[2,{}]]", "{}", "{\"a\":{\"b\":[null]},\"c\":\"d\"}"})
    void roundTrip(String text) {
        assertEquals(text, Json.parse(text).toString());
    }

    @ParameterizedTest
    @ValueSource(strings = {"", " ", "nul", "tru", "01", "1.", ".5", "+1", "1e", "-", "NaN", "\"", "\"a", "\"\\x\"", "\"\\u12g4\"", "\"\n\"", "[",
            "[1", "[1,", "[1,]", "[,1]", "{", "{\"a\"", "{\"a\":", "{\"a\":1", "{\"a\":1,}", "{a:1}", "{1:1}", "1 2", "[1] x", "'a'"})
    void malformed(String text) {
        assertThrows(JsonException.class, () -> Json.parse(text));
    }

    @Test
    void malformedUtf8() {
        assertThrows(JsonException.class, () -> Json.parse(new byte[] {'"', (byte) 0xc0, (byte) 0x80, '"'}));
        assertThrows(JsonException.class, () -> Json.parse(new byte[] {'"', (byte) 0xff, '"'}));
        assertThrows(JsonException.class, () -> Json.parse(new byte[] {(byte) 0xff}));
    }

    @Test
    void escapes() {
        assertEquals("Zë🚀/\"\\\b\f\n\r\t", Json.parse("\"\\u005a\\u00eb\\ud83d\\uDE80\\/\\\"\\\\\\b\\f\\n\\r\\t\"").asString());
    }

    @Test
    void depthIsLimited() {
        Json.parse("[".repeat(500) + "]".repeat(500));
        assertThrows(JsonException.class, () -> Json.parse("[".repeat(100_000)));
    }

    @Test
    void integers() {
        assertEquals(Long.MIN_VALUE, Json.parse("-9223372036854775808").asLong());
        assertEquals(1500, Json.parse("1.5e3").asInt());
        assertThrows(JsonException.class, () -> Json.parse("9223372036854775808").asLong());
        assertThrows(JsonException.class, () -> Json.parse("2147483648").asInt());
        assertThrows(JsonException.class, () -> Json.parse("0.5").asInt());
    }

    @Test
    void pathsInMessages() {
        Codec<List<Integer>> codec = Codecs.list(Codecs.INTEGER);
        JsonException e = assertThrows(JsonException.class, () -> Json.parse("{\"a\":[1,\"2\"]}").field("a", codec));
        assertEquals("a[1]: expected an integer of 32 bits, got a string", e.getMessage());
        e = assertThrows(JsonException.class, () -> Json.parse("{}").field("a", codec));
        assertEquals("a: is missing", e.getMessage());
    }

    @Test
    void optionalAndNullable() {
        Codec<Optional<String>> optional = Codecs.optional(Codecs.STRING);
        assertTrue(Json.parse("{}").field("a", optional).isEmpty());
        assertTrue(Json.parse("{\"a\":null}").field("a", optional).isEmpty());
        assertEquals("b", Json.parse("{\"a\":\"b\"}").field("a", Codecs.nullable(Codecs.STRING)));
        assertThrows(JsonException.class, () -> Json.parse("{\"a\":null}").field("a", Codecs.STRING));
    }

    @Test
    void javaValues() {
        assertEquals("[1,2.5,0.1,3,\"x\",true,null,[1,2],\"AQI=\",{\"k\":[]}]",
                Json.stringify(java.util.Arrays.asList(1, 2.5, 0.1f, 3.0, 'x', true, null, new int[] {1, 2}, new byte[] {1, 2}, Map.of("k", List.of()))));
        assertThrows(JsonException.class, () -> Json.stringify(Double.NaN));
        assertThrows(JsonException.class, () -> Json.stringify(new Object()));
        assertFalse(Json.of(null).isString());
    }
}
