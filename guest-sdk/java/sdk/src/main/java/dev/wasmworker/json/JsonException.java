package dev.wasmworker.json;

/**
 * A value is not JSON, or not of the shape that was asked for.
 *
 * <p>The message begins with the path to the value, if it is inside another one: {@code items[2].price: expected a number, got a string}.
 */
public final class JsonException extends RuntimeException {
    private static final long serialVersionUID = 1;

    private final String path;
    private final String problem;

    /** Makes an exception about the value that is being looked at. */
    public JsonException(String problem) {
        this("", problem);
    }

    private JsonException(String path, String problem) {
        super(path.isEmpty() ? problem : path + ": " + problem);
        this.path = path;
        this.problem = problem;
    }

    /** Returns the same exception, seen from the object whose field {@code name} has the problem. */
    public JsonException inField(String name) {
        return new JsonException(join(name), problem);
    }

    /** Returns the same exception, seen from the array whose element {@code index} has the problem. */
    public JsonException inElement(int index) {
        return new JsonException(join("[" + index + "]"), problem);
    }

    private String join(String outer) {
        if (path.isEmpty()) {
            return outer;
        }
        return path.charAt(0) == '[' ? outer + path : outer + "." + path;
    }
}
