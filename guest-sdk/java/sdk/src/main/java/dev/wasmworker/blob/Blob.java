package dev.wasmworker.blob;

import dev.wasmworker.Frame;
import dev.wasmworker.PassthroughException;
import dev.wasmworker.internal.Abi;
import dev.wasmworker.internal.Host;
import dev.wasmworker.internal.Imports;
import java.util.LinkedHashMap;
import java.util.Map;

/** The functions of the module. */
final class Blob {
    private static final String MODULE = Abi.MODULE_BLOB;

    private Blob() {
    }

    static Frame get(Map<String, Object> head) {
        return Frame.decode(call("get", Imports::blobGet, head));
    }

    static void put(Map<String, Object> head, byte[] data) {
        call("put", Imports::blobPut, head, data);
    }

    static Frame stat(Map<String, Object> head) {
        return Frame.decode(call("stat", Imports::blobStat, head));
    }

    static void delete(Map<String, Object> head) {
        call("delete", Imports::blobDelete, head);
    }

    static Frame list(Map<String, Object> head) {
        return Frame.decode(call("list", Imports::blobList, head));
    }

    static Frame open(Map<String, Object> head) {
        return Frame.decode(call("open", Imports::blobOpen, head));
    }

    static Frame read(long reader, int max) {
        Map<String, Object> head = new LinkedHashMap<>();
        head.put("reader", reader);
        head.put("max", max);
        return Frame.decode(call("read", Imports::blobRead, head));
    }

    static Frame create(Map<String, Object> head) {
        return Frame.decode(call("create", Imports::blobCreate, head));
    }

    static void write(long writer, byte[] data) {
        call("write", Imports::blobWrite, Map.of("writer", writer), data);
    }

    static void commit(long writer) {
        call("commit", Imports::blobCommit, Map.of("writer", writer));
    }

    /** Ends a reader or a writer. What this cannot end, the host ends with the activity, and what the reason was matters more. */
    static void closeQuietly(String kind, long number) {
        try {
            call("close", Imports::blobClose, Map.of(kind, number));
        } catch (PassthroughException e) {
            // As said above.
        }
    }

    private static byte[] call(String function, Host.Function imported, Object head, byte[]... body) {
        return Host.get().passthrough(MODULE, function, imported, Frame.encode(head, body));
    }
}
