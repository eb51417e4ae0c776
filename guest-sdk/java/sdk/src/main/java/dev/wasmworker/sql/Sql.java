package dev.wasmworker.sql;

import dev.wasmworker.Frame;
import dev.wasmworker.PassthroughException;
import dev.wasmworker.internal.Host;
import java.util.List;
import java.util.Map;
import org.teavm.interop.Address;
import org.teavm.interop.Import;

/** The functions of the module. */
final class Sql {
    private static final String MODULE = "wasmworker:sql/v1";
    private static final byte[][] NO_BODY = {};

    private Sql() {
    }

    static Frame query(Map<String, Object> head, List<byte[]> body) {
        return Frame.decode(call("query", Sql::query0, head, body.toArray(NO_BODY)));
    }

    static Frame exec(Map<String, Object> head, List<byte[]> body) {
        return Frame.decode(call("exec", Sql::exec0, head, body.toArray(NO_BODY)));
    }

    static Frame fetch(Map<String, Object> head) {
        return Frame.decode(call("fetch", Sql::fetch0, head));
    }

    static Frame begin(Map<String, Object> head) {
        return Frame.decode(call("begin", Sql::begin0, head));
    }

    static void commit(long transaction) {
        call("commit", Sql::commit0, Map.of("transaction", transaction));
    }

    static void rollback(long transaction) {
        call("rollback", Sql::rollback0, Map.of("transaction", transaction));
    }

    static void close(long cursor) {
        call("close", Sql::close0, Map.of("cursor", cursor));
    }

    /** Ends something on the way out. What this cannot end, the host ends with the activity, and what the reason was matters more. */
    static void quietly(Runnable end) {
        try {
            end.run();
        } catch (PassthroughException e) {
            // As said above.
        }
    }

    private static byte[] call(String function, Host.Function imported, Object head, byte[]... body) {
        return Host.get().passthrough(MODULE, function, imported, Frame.encode(head, body));
    }

    @Import(module = MODULE, name = "query")
    private static native long query0(Address request, int size);

    @Import(module = MODULE, name = "fetch")
    private static native long fetch0(Address request, int size);

    @Import(module = MODULE, name = "exec")
    private static native long exec0(Address request, int size);

    @Import(module = MODULE, name = "begin")
    private static native long begin0(Address request, int size);

    @Import(module = MODULE, name = "commit")
    private static native long commit0(Address request, int size);

    @Import(module = MODULE, name = "rollback")
    private static native long rollback0(Address request, int size);

    @Import(module = MODULE, name = "close")
    private static native long close0(Address request, int size);
}
