package dev.wasmworker.json;

import java.util.Collection;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.function.Function;
import java.util.function.IntFunction;

/** The codecs of the types that need no generated one. */
public final class Codecs {
    /** Strings. */
    public static final Codec<String> STRING = of(Json::asString, JsonWriter::string);
    /** {@code boolean}. */
    public static final Codec<Boolean> BOOLEAN = of(Json::asBoolean, JsonWriter::value);
    /** {@code int}. */
    public static final Codec<Integer> INTEGER = of(Json::asInt, (w, v) -> w.number(v.longValue()));
    /** {@code long}. */
    public static final Codec<Long> LONG = of(Json::asLong, (w, v) -> w.number(v.longValue()));
    /** {@code short}. */
    public static final Codec<Short> SHORT = of(json -> (short) ranged(json, Short.MIN_VALUE, Short.MAX_VALUE), JsonWriter::value);
    /** {@code byte}. */
    public static final Codec<Byte> BYTE = of(json -> (byte) ranged(json, Byte.MIN_VALUE, Byte.MAX_VALUE), JsonWriter::value);
    /** {@code double}. */
    public static final Codec<Double> DOUBLE = of(Json::asDouble, (w, v) -> w.number(v.doubleValue()));
    /** {@code float}. */
    public static final Codec<Float> FLOAT = of(json -> (float) json.asDouble(), JsonWriter::value);
    /** Bytes as a string in Base64. */
    public static final Codec<byte[]> BYTES = of(Json::asBytes, JsonWriter::value);
    /** Any JSON. */
    public static final Codec<Json> JSON = of(json -> json, JsonWriter::value);

    private static final Map<Class<?>, Codec<?>> REGISTERED = new HashMap<>();
    /** Asked for classes that are not registered. Null in WebAssembly; tests in a JVM look generated codecs up by name. */
    private static Function<Class<?>, Codec<?>> fallback;

    static {
        register(String.class, STRING);
        register(Boolean.class, BOOLEAN);
        register(Integer.class, INTEGER);
        register(Long.class, LONG);
        register(Short.class, SHORT);
        register(Byte.class, BYTE);
        register(Double.class, DOUBLE);
        register(Float.class, FLOAT);
        register(byte[].class, BYTES);
        register(Json.class, JSON);
    }

    private Codecs() {
    }

    /** Makes {@link #find} and {@link Json#of} know a class. Generated codecs do that themselves. */
    public static <T> void register(Class<T> type, Codec<T> codec) {
        REGISTERED.put(type, codec);
    }

    /** Sets who is asked for the codecs of classes that are not registered. For tests. */
    public static void setFallback(Function<Class<?>, Codec<?>> fallback) {
        Codecs.fallback = fallback;
    }

    /** Returns the codec of a class, or null. */
    @SuppressWarnings("unchecked")
    public static <T> Codec<T> find(Class<T> type) {
        Codec<?> codec = REGISTERED.get(type);
        if (codec == null && fallback != null) {
            codec = fallback.apply(type);
        }
        return (Codec<T>) codec;
    }

    /** Makes a codec of its two halves. */
    public static <T> Codec<T> of(Function<Json, T> read, java.util.function.BiConsumer<JsonWriter, T> write) {
        return new Codec<T>() {
            @Override
            public T read(Json json) {
                return read.apply(json);
            }

            @Override
            public void write(JsonWriter writer, T value) {
                if (value == null) {
                    writer.value(null);
                } else {
                    write.accept(writer, value);
                }
            }
        };
    }

    /** An array as a list. */
    public static <T> Codec<List<T>> list(Codec<T> item) {
        return of(json -> json.elements(item), (writer, list) -> writeAll(writer, list, item));
    }

    /** An array as a Java array. */
    public static <T> Codec<T[]> array(Codec<T> item, IntFunction<T[]> make) {
        return of(json -> json.elements(item).toArray(make.apply(0)), (writer, array) -> writeAll(writer, List.of(array), item));
    }

    /** An array of {@code int}. */
    public static final Codec<int[]> INTS = of(json -> {
        List<Json> from = json.asList();
        int[] to = new int[from.size()];
        for (int i = 0; i < to.length; i++) {
            to[i] = at(from, i, INTEGER);
        }
        return to;
    }, JsonWriter::value);

    /** An array of {@code long}. */
    public static final Codec<long[]> LONGS = of(json -> {
        List<Json> from = json.asList();
        long[] to = new long[from.size()];
        for (int i = 0; i < to.length; i++) {
            to[i] = at(from, i, LONG);
        }
        return to;
    }, JsonWriter::value);

    /** An array of {@code double}. */
    public static final Codec<double[]> DOUBLES = of(json -> {
        List<Json> from = json.asList();
        double[] to = new double[from.size()];
        for (int i = 0; i < to.length; i++) {
            to[i] = at(from, i, DOUBLE);
        }
        return to;
    }, JsonWriter::value);

    private static <T> T at(List<Json> list, int index, Codec<T> codec) {
        try {
            return codec.read(list.get(index));
        } catch (JsonException e) {
            throw e.inElement(index);
        }
    }

    private static <T> void writeAll(JsonWriter writer, Collection<T> items, Codec<T> codec) {
        writer.beginArray();
        for (T item : items) {
            writer.element();
            codec.write(writer, item);
        }
        writer.endArray();
    }

    /** An object as a map. */
    public static <T> Codec<Map<String, T>> map(Codec<T> value) {
        return of(json -> json.entries(value), (writer, map) -> {
            writer.beginObject();
            for (Map.Entry<String, T> entry : map.entrySet()) {
                writer.name(entry.getKey());
                value.write(writer, entry.getValue());
            }
            writer.endObject();
        });
    }

    /** An enum by the names of its constants. */
    public static <T extends Enum<T>> Codec<T> enumeration(T[] constants) {
        return of(json -> {
            String name = json.asString();
            StringBuilder names = new StringBuilder();
            for (T constant : constants) {
                if (constant.name().equals(name)) {
                    return constant;
                }
                names.append(names.length() == 0 ? "" : ", ").append(constant.name());
            }
            throw new JsonException("expected one of " + names);
        }, (writer, constant) -> writer.string(constant.name()));
    }

    /** A value that may be missing or {@code null}; it is left out of an object when it is empty. */
    public static <T> Codec<Optional<T>> optional(Codec<T> codec) {
        return new Codec<Optional<T>>() {
            @Override
            public Optional<T> read(Json json) {
                return json.isNull() ? Optional.empty() : Optional.of(codec.read(json));
            }

            @Override
            public void write(JsonWriter writer, Optional<T> value) {
                if (value.isPresent()) {
                    codec.write(writer, value.get());
                } else {
                    writer.value(null);
                }
            }

            @Override
            public Optional<T> absent() {
                return Optional.empty();
            }

            @Override
            public boolean isAbsent(Optional<T> value) {
                return value.isEmpty();
            }
        };
    }

    /** A value that may be missing or {@code null}, which is null in Java; it is left out of an object when it is null. */
    public static <T> Codec<T> nullable(Codec<T> codec) {
        return new Codec<T>() {
            @Override
            public T read(Json json) {
                return json.isNull() ? null : codec.read(json);
            }

            @Override
            public void write(JsonWriter writer, T value) {
                if (value == null) {
                    writer.value(null);
                } else {
                    codec.write(writer, value);
                }
            }

            @Override
            public T absent() {
                return null;
            }

            @Override
            public boolean isAbsent(T value) {
                return value == null;
            }
        };
    }

    private static int ranged(Json json, int min, int max) {
        int number = json.asInt();
        if (number < min || number > max) {
            throw new JsonException("expected an integer from " + min + " to " + max);
        }
        return number;
    }
}
