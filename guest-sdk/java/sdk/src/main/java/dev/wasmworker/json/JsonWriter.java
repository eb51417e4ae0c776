package dev.wasmworker.json;

import java.util.Arrays;
import java.util.Base64;
import java.util.Collection;
import java.util.Map;
import java.util.Optional;

/** Writes JSON text piece by piece. Made for the code that the annotation processor generates; {@link Json#stringify} is simpler. */
public final class JsonWriter {
    private final StringBuilder out = new StringBuilder();
    /** Whether the next element or name is the first of its array or object. */
    private boolean first = true;

    /** Opens an object; {@link #name} and a value follow for each field. */
    public JsonWriter beginObject() {
        out.append('{');
        first = true;
        return this;
    }

    /** Closes the object. */
    public JsonWriter endObject() {
        out.append('}');
        first = false;
        return this;
    }

    /** Opens an array; {@link #element} and a value follow for each element. */
    public JsonWriter beginArray() {
        out.append('[');
        first = true;
        return this;
    }

    /** Closes the array. */
    public JsonWriter endArray() {
        out.append(']');
        first = false;
        return this;
    }

    /** Begins the next element of an array. */
    public JsonWriter element() {
        if (!first) {
            out.append(',');
        }
        first = false;
        return this;
    }

    /** Begins the next field of an object. */
    public JsonWriter name(String name) {
        element();
        string(name);
        out.append(':');
        return this;
    }

    /** Writes a field of an object with a codec, unless the codec {@linkplain Codec#isAbsent leaves it out}. */
    public <T> void field(String name, T value, Codec<T> codec) {
        if (codec.isAbsent(value)) {
            return;
        }
        name(name);
        try {
            codec.write(this, value);
        } catch (JsonException e) {
            throw e.inField(name);
        }
    }

    /** Writes a string. */
    public void string(String value) {
        out.append('"');
        int begin = 0;
        for (int i = 0; i < value.length(); i++) {
            char c = value.charAt(i);
            if (c >= ' ' && c != '"' && c != '\\') {
                continue;
            }
            out.append(value, begin, i);
            begin = i + 1;
            switch (c) {
                case '"':
                    out.append("\\\"");
                    break;
                case '\\':
                    out.append("\\\\");
                    break;
                case '\n':
                    out.append("\\n");
                    break;
                case '\r':
                    out.append("\\r");
                    break;
                case '\t':
                    out.append("\\t");
                    break;
                default:
                    out.append("\\u00").append(Character.forDigit(c >> 4, 16)).append(Character.forDigit(c & 15, 16));
            }
        }
        out.append(value, begin, value.length()).append('"');
    }

    /** Writes an integer. */
    public void number(long value) {
        out.append(value);
    }

    /**
     * Writes a number.
     *
     * @throws JsonException if it is infinite or not a number
     */
    public void number(double value) {
        if (Double.isNaN(value) || Double.isInfinite(value)) {
            throw new JsonException("JSON has no number " + value);
        }
        if (value == Math.floor(value) && Math.abs(value) < 1e15) {
            out.append((long) value);
        } else {
            out.append(value);
        }
    }

    /** Writes what is JSON text already. */
    public void raw(String json) {
        out.append(json);
    }

    /** Writes any value that {@link Json#of(Object)} takes. */
    public void value(Object value) {
        if (value == null) {
            out.append("null");
        } else if (value instanceof CharSequence) {
            // Every call is made on the class that it is for: TeaVM would keep the toString() of all classes for value.toString().
            string(((CharSequence) value).toString());
        } else if (value instanceof Character) {
            string(((Character) value).toString());
        } else if (value instanceof Float) {
            // Through its own text: the double nearest to 0.1f is 0.10000000149011612.
            number(Double.parseDouble(((Float) value).toString()));
        } else if (value instanceof Double) {
            number((Double) value);
        } else if (value instanceof Boolean) {
            out.append(((Boolean) value).booleanValue());
        } else if (value instanceof Number) {
            out.append(((Number) value).toString());
        } else if (value instanceof Json) {
            ((Json) value).write(this);
        } else if (value instanceof Map) {
            beginObject();
            for (Map.Entry<?, ?> entry : ((Map<?, ?>) value).entrySet()) {
                name(key(entry.getKey()));
                value(entry.getValue());
            }
            endObject();
        } else if (value instanceof Collection) {
            beginArray();
            for (Object item : (Collection<?>) value) {
                element();
                value(item);
            }
            endArray();
        } else if (value instanceof Optional) {
            value(((Optional<?>) value).orElse(null));
        } else if (value instanceof byte[]) {
            string(Base64.getEncoder().encodeToString((byte[]) value));
        } else if (value instanceof Enum) {
            string(((Enum<?>) value).name());
        } else if (value instanceof Object[]) {
            value(Arrays.asList((Object[]) value));
        } else if (value instanceof int[] || value instanceof long[] || value instanceof double[]) {
            numbers(value);
        } else {
            registered(value);
        }
    }

    private void numbers(Object array) {
        beginArray();
        if (array instanceof int[]) {
            for (int number : (int[]) array) {
                element().number(number);
            }
        } else if (array instanceof long[]) {
            for (long number : (long[]) array) {
                element().number(number);
            }
        } else {
            for (double number : (double[]) array) {
                element().number(number);
            }
        }
        endArray();
    }

    private static String key(Object key) {
        if (key instanceof Enum) {
            return ((Enum<?>) key).name();
        } else if (key instanceof Number) {
            return ((Number) key).toString();
        } else if (key instanceof CharSequence) {
            return ((CharSequence) key).toString();
        }
        throw new JsonException("the keys of a map have to be strings, numbers or enum constants");
    }

    @SuppressWarnings("unchecked")
    private void registered(Object value) {
        Codec<Object> codec = (Codec<Object>) Codecs.find(value.getClass());
        if (codec == null) {
            throw new JsonException("cannot write a " + value.getClass().getName() + " as JSON: make it a record with @JsonType");
        }
        codec.write(this, value);
    }

    /** Returns the text written so far. */
    @Override
    public String toString() {
        return out.toString();
    }
}
