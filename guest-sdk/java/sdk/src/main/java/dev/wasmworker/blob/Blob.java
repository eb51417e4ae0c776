package dev.wasmworker.blob;

import dev.wasmworker.Frame;
import dev.wasmworker.PassthroughException;
import dev.wasmworker.internal.Host;
import java.util.LinkedHashMap;
import java.util.Map;
import org.teavm.interop.Address;
import org.teavm.interop.Import;

/** The functions of the module. */
final class Blob {
    private static final String MODULE = "wasmworker:blob/v1";

    private Blob() {
    }

    static Frame get(Map<String, Object> head) {
        return Frame.decode(call("get", Blob::get0, head));
    }

    static void put(Map<String, Object> head, byte[] data) {
        call("put", Blob::put0, head, data);
    }

    static Frame stat(Map<String, Object> head) {
        return Frame.decode(call("stat", Blob::stat0, head));
    }

    static void delete(Map<String, Object> head) {
        call("delete", Blob::delete0, head);
    }

    static Frame list(Map<String, Object> head) {
        return Frame.decode(call("list", Blob::list0, head));
    }

    static Frame open(Map<String, Object> head) {
        return Frame.decode(call("open", Blob::open0, head));
    }

    static Frame read(long reader, int max) {
        Map<String, Object> head = new LinkedHashMap<>();
        head.put("reader", reader);
        head.put("max", max);
        return Frame.decode(call("read", Blob::read0, head));
    }

    static Frame create(Map<String, Object> head) {
        return Frame.decode(call("create", Blob::create0, head));
    }

    static void write(long writer, byte[] data) {
        call("write", Blob::write0, Map.of("writer", writer), data);
    }

    static void commit(long writer) {
        call("commit", Blob::commit0, Map.of("writer", writer));
    }

    /** Ends a reader or a writer. What this cannot end, the host ends with the activity, and what the reason was matters more. */
    static void closeQuietly(String kind, long number) {
        try {
            call("close", Blob::close0, Map.of(kind, number));
        } catch (PassthroughException e) {
            // As said above.
        }
    }

    private static byte[] call(String function, Host.Function imported, Object head, byte[]... body) {
        return Host.get().passthrough(MODULE, function, imported, Frame.encode(head, body));
    }

    @Import(module = MODULE, name = "get")
    private static native long get0(Address request, int size);

    @Import(module = MODULE, name = "put")
    private static native long put0(Address request, int size);

    @Import(module = MODULE, name = "stat")
    private static native long stat0(Address request, int size);

    @Import(module = MODULE, name = "delete")
    private static native long delete0(Address request, int size);

    @Import(module = MODULE, name = "list")
    private static native long list0(Address request, int size);

    @Import(module = MODULE, name = "open")
    private static native long open0(Address request, int size);

    @Import(module = MODULE, name = "read")
    private static native long read0(Address request, int size);

    @Import(module = MODULE, name = "create")
    private static native long create0(Address request, int size);

    @Import(module = MODULE, name = "write")
    private static native long write0(Address request, int size);

    @Import(module = MODULE, name = "commit")
    private static native long commit0(Address request, int size);

    @Import(module = MODULE, name = "close")
    private static native long close0(Address request, int size);
}
