package dev.wasmworker.http;

import dev.wasmworker.Frame;
import dev.wasmworker.internal.Abi;
import dev.wasmworker.internal.Host;
import dev.wasmworker.internal.Imports;
import dev.wasmworker.internal.Utf8;
import java.time.Duration;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * A request that the worker sends, if the operator's policy allows it.
 *
 * <pre>{@code
 * HttpResponse response = new HttpRequest("https://api.example.com/v1/orders").setMethod("POST")
 *         .addHeader("Content-Type", "application/json")
 *         .addHeader("Authorization", "Bearer {{secret:api-token}}")   // the worker puts the value there
 *         .setBody(Json.stringify(order))
 *         .send();
 * }</pre>
 */
public final class HttpRequest {
    private final String url;
    private String method = "GET";
    private final Map<String, List<String>> headers = new LinkedHashMap<>();
    private byte[] body = new byte[0];
    private Duration timeout;

    /**
     * Begins a {@code GET} request.
     *
     * @param url of {@code http} or {@code https}, in ASCII: hosts as {@code xn--…}, paths and queries percent-encoded; 8 KiB at most
     */
    public HttpRequest(String url) {
        this.url = url;
    }

    /** Sets the method, which is case-sensitive. By default it is {@code GET}. */
    public HttpRequest setMethod(String method) {
        this.method = method;
        return this;
    }

    /**
     * Adds a header; a name may have several values. <code>{{secret:NAME}}</code> in a value stands for that secret, if the policy lets
     * the URL's origin have it. The worker sets {@code Host}, {@code Content-Length} and what else is about the connection, and
     * refuses a request that has them.
     */
    public HttpRequest addHeader(String name, String value) {
        String known = name;
        for (String other : headers.keySet()) {
            if (other.equalsIgnoreCase(name)) {
                known = other;
            }
        }
        headers.computeIfAbsent(known, n -> new ArrayList<>()).add(value);
        return this;
    }

    /** Sets the body, which is not copied. The policy allows 8 MiB by default. Without it, the body is empty. */
    public HttpRequest setBody(byte[] body) {
        this.body = body;
        return this;
    }

    /** Sets the body to text in UTF-8. */
    public HttpRequest setBody(String body) {
        return setBody(Utf8.encode(body));
    }

    /**
     * Limits the time of the request as a whole, in whole milliseconds of 1 at least. By default that is what the policy allows, and it
     * cannot be more.
     *
     * @throws IllegalArgumentException if it is less than a millisecond
     */
    public HttpRequest setTimeout(Duration timeout) {
        if (timeout.toMillis() < 1) {
            throw new IllegalArgumentException("the timeout is less than a millisecond");
        }
        this.timeout = timeout;
        return this;
    }

    /**
     * Sends the request and waits for the whole response. A status of 400 or more is a response like any other, and so is a redirect,
     * unless the operator lets the worker follow it.
     *
     * @throws dev.wasmworker.PassthroughException {@code EACCES} if the policy denies it, {@code EINVAL} if the URL, the method or a header
     *     is not valid, {@code EMSGSIZE} if the headers are above 64 KiB, or a body above the policy's limit, {@code ETIMEDOUT},
     *     {@code ECANCELED} if the activity was interrupted, or {@code EIO} if the server cannot be reached, or does not answer as it
     *     should. A request that failed with one of the last four may have been carried out.
     */
    public HttpResponse send() {
        Map<String, Object> head = new LinkedHashMap<>();
        head.put("method", method);
        head.put("url", url);
        head.put("headers", headers);
        if (timeout != null) {
            head.put("timeout_ms", timeout.toMillis());
        }
        byte[] request = Frame.encode(head, body);
        return new HttpResponse(Frame.decode(Host.get().passthrough(Abi.MODULE_HTTP, "send", Imports::httpSend, request)));
    }
}
