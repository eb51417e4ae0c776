package dev.wasmworker.http;

import dev.wasmworker.Frame;
import dev.wasmworker.internal.Utf8;
import dev.wasmworker.json.Codecs;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/** What a server answered. */
public final class HttpResponse {
    private final int status;
    private final Map<String, List<String>> headers;
    private final byte[] body;

    HttpResponse(Frame frame) {
        status = frame.getHead().field("status", Codecs.INTEGER);
        Map<String, List<String>> given = frame.getHead().field("headers", Codecs.nullable(Codecs.map(Codecs.list(Codecs.STRING))));
        headers = given == null ? Collections.emptyMap() : Collections.unmodifiableMap(given);
        body = frame.getBody();
    }

    /** Returns the status, such as 200. */
    public int getStatus() {
        return status;
    }

    /** Returns the first header of a name, in whatever case, if there is one. */
    public Optional<String> getHeader(String name) {
        for (Map.Entry<String, List<String>> entry : headers.entrySet()) {
            if (entry.getKey().equalsIgnoreCase(name) && !entry.getValue().isEmpty()) {
                return Optional.of(entry.getValue().get(0));
            }
        }
        return Optional.empty();
    }

    /** Returns all headers. Their names are in canonical form, such as {@code Content-Type}. */
    public Map<String, List<String>> getHeaders() {
        return headers;
    }

    /** Returns the body, which is not copied. */
    public byte[] getBody() {
        return body;
    }

    /** Returns the body as text; what is not UTF-8 becomes U+FFFD. */
    public String getText() {
        return Utf8.decodeLoosely(body);
    }
}
