package dev.wasmworker.json;

import dev.wasmworker.internal.Utf8;
import java.util.ArrayList;
import java.util.Base64;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * A JSON value of any shape. It cannot be changed.
 *
 * <p>Records are the usual way to read and write JSON; this class is for values whose shape is not known when the program is
 * compiled. A parameter, a result or a record component may have this type.
 *
 * <pre>{@code
 * Json order = Json.parse("{\"items\": [{\"price\": 5}]}");
 * int price = order.get("items").get(0).get("price").asInt();
 * }</pre>
 *
 * <p>The {@code as…} methods throw a {@link JsonException} when the value is of another type. What is thrown out of an activity's
 * method that way fails the activity as any exception does; only what the SDK itself reads for a method's parameters is
 * {@code InvalidInput}.
 */
public final class Json {
    /** JSON's {@code null}. */
    public static final Json NULL = new Json(null);

    /** One of: null, Boolean, String, {@link NumberText}, {@code List<Json>}, {@code Map<String, Json>}. */
    private final Object value;

    Json(Object value) {
        this.value = value;
    }

    /** The text of a number, so that nothing is lost of large integers and decimal fractions. */
    static final class NumberText {
        final String text;

        NumberText(String text) {
            this.text = text;
        }
    }

    /**
     * Reads JSON text.
     *
     * @throws JsonException if it is not exactly one JSON value
     */
    public static Json parse(String text) {
        return parse(Utf8.encode(text));
    }

    /**
     * Reads JSON text in UTF-8.
     *
     * @throws JsonException if it is not exactly one JSON value
     */
    public static Json parse(byte[] text) {
        return new JsonParser(text).parse();
    }

    /**
     * Makes JSON of a Java value: null, a boolean, number, string, enum constant, {@code Json}, {@code Optional}, array of objects or of
     * {@code int}, {@code long} or {@code double}, collection, a map whose keys are strings, numbers or enum constants, or a record that
     * has a codec (see {@link dev.wasmworker.JsonType}). An array of bytes becomes a string in Base64.
     *
     * @throws JsonException if the value is of another type, or a number that JSON does not have
     */
    public static Json of(Object value) {
        if (value == null) {
            return NULL;
        }
        if (value instanceof Json) {
            return (Json) value;
        }
        return parse(stringify(value));
    }

    /** Writes a Java value as JSON text. Takes what {@link #of(Object)} takes. */
    public static String stringify(Object value) {
        JsonWriter writer = new JsonWriter();
        writer.value(value);
        return writer.toString();
    }

    /** Tells whether this is {@code null}. */
    public boolean isNull() {
        return value == null;
    }

    /** Tells whether this is a string. */
    public boolean isString() {
        return value instanceof String;
    }

    /** Tells whether this is a number. */
    public boolean isNumber() {
        return value instanceof NumberText;
    }

    /** Tells whether this is {@code true} or {@code false}. */
    public boolean isBoolean() {
        return value instanceof Boolean;
    }

    /** Tells whether this is an array. */
    public boolean isArray() {
        return value instanceof List;
    }

    /** Tells whether this is an object. */
    public boolean isObject() {
        return value instanceof Map;
    }

    /** Returns the string. */
    public String asString() {
        if (!(value instanceof String)) {
            throw expected("a string");
        }
        return (String) value;
    }

    /** Returns the boolean. */
    public boolean asBoolean() {
        if (!(value instanceof Boolean)) {
            throw expected("a boolean");
        }
        return (Boolean) value;
    }

    /** Returns the number as the nearest {@code double}. */
    public double asDouble() {
        return Double.parseDouble(asNumberText());
    }

    /** Returns the number, which has to be an integer of 32 bits. {@code 5.0} and {@code 5e0} are the integer 5. */
    public int asInt() {
        long number = integer("an integer of 32 bits");
        if (number != (int) number) {
            throw expected("an integer of 32 bits");
        }
        return (int) number;
    }

    /** Returns the number, which has to be an integer of 64 bits. */
    public long asLong() {
        return integer("an integer of 64 bits");
    }

    /** Returns the number as it was written: {@code new BigDecimal(value.asNumberText())} loses nothing. */
    public String asNumberText() {
        if (!(value instanceof NumberText)) {
            throw expected("a number");
        }
        return ((NumberText) value).text;
    }

    private long integer(String what) {
        if (!(value instanceof NumberText)) {
            throw expected(what);
        }
        String text = ((NumberText) value).text;
        try {
            return Long.parseLong(text);
        } catch (NumberFormatException e) {
            double number = Double.parseDouble(text);
            // Beyond 2^53 a double does not tell which integer was meant.
            if (Math.floor(number) != number || Math.abs(number) > 9007199254740992.0) {
                throw expected(what);
            }
            return (long) number;
        }
    }

    /** Returns the bytes that the string holds in Base64. */
    public byte[] asBytes() {
        try {
            return Base64.getDecoder().decode(asString());
        } catch (IllegalArgumentException e) {
            throw new JsonException("expected a string in Base64");
        }
    }

    /** Returns the elements of the array. */
    @SuppressWarnings("unchecked")
    public List<Json> asList() {
        if (!(value instanceof List)) {
            throw expected("an array");
        }
        return Collections.unmodifiableList((List<Json>) value);
    }

    /** Returns the fields of the object, in the order of the text. */
    public Map<String, Json> asMap() {
        return Collections.unmodifiableMap(fields());
    }

    @SuppressWarnings("unchecked")
    private Map<String, Json> fields() {
        if (!(value instanceof Map)) {
            throw expected("an object");
        }
        return (Map<String, Json>) value;
    }

    /** Returns a field of the object. {@link #NULL} if it has none of that name. */
    public Json get(String name) {
        Json field = fields().get(name);
        return field == null ? NULL : field;
    }

    /** Tells whether the object has a field of that name. */
    public boolean has(String name) {
        return fields().containsKey(name);
    }

    /** Returns an element of the array. {@link #NULL} if it is shorter. */
    public Json get(int index) {
        List<Json> list = asList();
        return index >= 0 && index < list.size() ? list.get(index) : NULL;
    }

    /** Reads a field with a codec; what is wrong with it is reported with its name. */
    public <T> T field(String name, Codec<T> codec) {
        Json field = fields().get(name);
        try {
            return field == null ? codec.absent() : codec.read(field);
        } catch (JsonException e) {
            throw e.inField(name);
        }
    }

    /** Reads all elements of the array with a codec. */
    public <T> List<T> elements(Codec<T> codec) {
        List<Json> from = asList();
        List<T> to = new ArrayList<>(from.size());
        for (int i = 0; i < from.size(); i++) {
            try {
                to.add(codec.read(from.get(i)));
            } catch (JsonException e) {
                throw e.inElement(i);
            }
        }
        return to;
    }

    /** Reads all values of the object with a codec. */
    public <T> Map<String, T> entries(Codec<T> codec) {
        Map<String, T> to = new LinkedHashMap<>();
        for (Map.Entry<String, Json> entry : fields().entrySet()) {
            try {
                to.put(entry.getKey(), codec.read(entry.getValue()));
            } catch (JsonException e) {
                throw e.inField(entry.getKey());
            }
        }
        return to;
    }

    private JsonException expected(String what) {
        return new JsonException("expected " + what + ", got " + kind());
    }

    private String kind() {
        if (value == null) {
            return "null";
        } else if (value instanceof String) {
            return "a string";
        } else if (value instanceof NumberText) {
            String text = ((NumberText) value).text;
            return text.length() <= 32 ? "the number " + text : "a number";
        } else if (value instanceof Boolean) {
            return (Boolean) value ? "true" : "false";
        }
        return value instanceof List ? "an array" : "an object";
    }

    void write(JsonWriter writer) {
        if (value instanceof NumberText) {
            writer.raw(((NumberText) value).text);
        } else {
            writer.value(value);
        }
    }

    /** Returns the JSON text. */
    @Override
    public String toString() {
        return stringify(this);
    }
}
