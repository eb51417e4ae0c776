package dev.wasmworker.internal;

import dev.wasmworker.ActivityExecutionContext;
import dev.wasmworker.ApplicationErrorCategory;
import dev.wasmworker.ApplicationFailure;
import dev.wasmworker.CanceledFailure;
import dev.wasmworker.PassthroughException;
import dev.wasmworker.json.Codec;
import dev.wasmworker.json.Json;
import dev.wasmworker.json.JsonException;
import dev.wasmworker.json.JsonWriter;
import java.util.List;

/** What generated code calls: runs activities and reports how they end. */
public final class Guest {
    private static final int MAX_SHORT_MESSAGE = 8192;
    private static final int MAX_SHORT_TYPE = 256;
    // What the messages of a failure may say of suppressed exceptions, of which its chain of causes has none, in characters.
    private static final int MAX_LISTED = 10;
    private static final int MAX_LISTED_SIZE = 512;
    private static final int MAX_LISTED_ALL = 4096;

    /** The body of an activity. */
    public interface Body {
        void run(Call call) throws Throwable;
    }

    private Guest() {
    }

    /**
     * Runs the static initialisers of what reads and writes numbers, of which TeaVM's are long, when the instance is created: later, every
     * activity that needs them would pay.
     */
    public static void prepare() {
        Json.stringify(Json.parse("[1.5]").get(0).asDouble());
    }

    /** Runs code when the instance is created. */
    public static void initialize(Body code) throws Throwable {
        Host.set(new WasmHost());
        code.run(null);
    }

    /** Runs an activity and returns its status. */
    public static int run(Body body) {
        Host host = Host.orNull();
        if (host == null) {
            host = new WasmHost();
            Host.set(host);
        }
        host.context = new ActivityExecutionContext(host);
        Randomness.forget();
        try {
            Call call = new Call(host);
            try {
                body.run(call);
                return Abi.STATUS_COMPLETED;
            } catch (CanceledFailure e) {
                if (e.getDetails() != null) {
                    call.result(Payloads.of(e.getDetails()));
                }
                return Abi.STATUS_CANCELED;
            }
        } catch (Throwable e) {
            fail(host, e);
            return Abi.STATUS_FAILED;
        } finally {
            host.context = null;
        }
    }

    /** Fetches the response of a passthrough function. */
    public static byte[] response(long result) {
        return WasmHost.response(result);
    }

    /** Reads a response as text. */
    public static String text(byte[] response) {
        return Utf8.decodeLoosely(response);
    }

    /** Writes a request as JSON. */
    public static <T> byte[] json(T request, Codec<T> codec) {
        JsonWriter writer = new JsonWriter();
        codec.write(writer, request);
        return Utf8.encode(writer.toString());
    }

    private static void fail(Host host, Throwable e) {
        if (!host.fail(failure(e, true))) {
            host.fail(failure(e, false));
        }
    }

    /** Writes a Failure of the guest contract; a short one has no details, no causes and no long message. */
    static byte[] failure(Throwable e, boolean whole) {
        JsonWriter writer = new JsonWriter();
        write(writer, e, 0, whole ? new int[] {MAX_LISTED_ALL} : null);
        return Utf8.encode(writer.toString());
    }

    /** Room is what is left for suppressed exceptions, null for a short failure. */
    private static void write(JsonWriter writer, Throwable e, int depth, int[] room) {
        boolean whole = room != null;
        writer.beginObject();
        if (e instanceof ApplicationFailure) {
            ApplicationFailure failure = (ApplicationFailure) e;
            writer.name("type").string(whole ? orEmpty(failure.getType()) : cut(orEmpty(failure.getType()), MAX_SHORT_TYPE));
            message(writer, e, orEmpty(e.getMessage()), room);
            if (failure.isNonRetryable()) {
                writer.name("non_retryable").value(true);
            }
            if (failure.getNextRetryDelay() != null) {
                writer.name("next_retry_delay_ms").number(failure.getNextRetryDelay().toMillis());
            }
            if (failure.getCategory() == ApplicationErrorCategory.BENIGN) {
                writer.name("category").string(Abi.CATEGORY_BENIGN);
            }
            if (whole) {
                details(writer, failure.getDetails());
            }
        } else if (e instanceof PassthroughException) {
            PassthroughException refused = (PassthroughException) e;
            writer.name("type").string("PassthroughError");
            message(writer, e, orEmpty(e.getMessage()), room);
            details(writer, List.of(refused.getErrno()));
        } else {
            String type = e.getClass().getName();
            writer.name("type").string(type);
            message(writer, e, e.getMessage() == null ? type : e.getMessage(), room);
            if (whole) {
                stack(writer, e);
            }
        }
        if (whole && e.getCause() != null && depth < Abi.MAX_CAUSE_DEPTH) {
            writer.name("cause");
            write(writer, e.getCause(), depth + 1, room);
        }
        writer.endObject();
    }

    private static void message(JsonWriter writer, Throwable e, String message, int[] room) {
        if (room != null) {
            message += suppressed(e.getSuppressed(), room);
        } else if (message.length() > MAX_SHORT_MESSAGE) {
            message = cut(message, MAX_SHORT_MESSAGE) + "…";
        }
        writer.name("message").string(message);
    }

    /** Lists what try-with-resources and its like have kept beside an exception; empty if nothing. */
    private static String suppressed(Throwable[] suppressed, int[] room) {
        if (suppressed.length == 0) {
            return "";
        }
        StringBuilder list = new StringBuilder(" (also: ");
        int listed = 0;
        for (Throwable e : suppressed) {
            String type = e instanceof ApplicationFailure ? orEmpty(((ApplicationFailure) e).getType()) : e.getClass().getName();
            String message = orEmpty(e.getMessage());
            String text = cut(type.isEmpty() || message.isEmpty() ? type + message : type + ": " + message, MAX_LISTED_SIZE);
            if (listed == MAX_LISTED || text.length() > room[0]) {
                break;
            }
            room[0] -= text.length();
            list.append(listed++ == 0 ? "" : "; ").append(text);
        }
        if (listed < suppressed.length) {
            list.append(listed == 0 ? "" : "; ").append("and ").append(suppressed.length - listed).append(" more");
        }
        return list.append(')').toString();
    }

    /** At most so many characters of a text, not half a pair of surrogates. */
    private static String cut(String text, int most) {
        if (text.length() <= most) {
            return text;
        }
        return text.substring(0, Character.isHighSurrogate(text.charAt(most - 1)) ? most - 1 : most);
    }

    private static void details(JsonWriter writer, List<Object> details) {
        if (details.isEmpty()) {
            return;
        }
        writer.name("details").beginArray();
        for (Object detail : details) {
            String json;
            try {
                json = Json.stringify(detail);
            } catch (JsonException e) {
                // The failure itself matters more than a detail that has no JSON.
                json = Json.stringify(e.getMessage());
            }
            writer.element().raw(json);
        }
        writer.endArray();
    }

    private static void stack(JsonWriter writer, Throwable e) {
        StringBuilder text = new StringBuilder();
        for (StackTraceElement element : e.getStackTrace()) {
            String method = element.getMethodName();
            boolean making = text.length() == 0 && (method.equals("fillInStackTrace") || method.equals("<init>"));
            // A minified module knows no names.
            if (!making && !element.getClassName().isEmpty() && !element.getClassName().equals("Obfuscated")) {
                text.append("\tat ").append(element).append('\n');
            }
        }
        if (text.length() > 0) {
            writer.name("stack_trace").string(text.toString());
        }
    }

    private static String orEmpty(String text) {
        return text == null ? "" : text;
    }
}
