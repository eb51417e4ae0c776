package dev.wasmworker.json;

/**
 * Reads and writes values of one type as JSON. The annotation processor generates one for each record; {@link Codecs} has the others.
 *
 * @param <T> the type of the values
 */
public interface Codec<T> {
    /**
     * Makes a value of JSON.
     *
     * @throws JsonException if the JSON does not fit
     */
    T read(Json json);

    /**
     * Writes a value.
     *
     * @throws JsonException if the value has no JSON
     */
    void write(JsonWriter writer, T value);

    /**
     * Returns the value of a field or an argument that is not there.
     *
     * @throws JsonException as this implementation does, if it has to be there
     */
    default T absent() {
        throw new JsonException("is missing");
    }

    /** Tells whether a field with this value is left out of its object. */
    default boolean isAbsent(T value) {
        return false;
    }
}
