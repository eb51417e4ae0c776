package dev.wasmworker.sql;

import dev.wasmworker.Frame;
import dev.wasmworker.PassthroughException;
import dev.wasmworker.internal.Abi;
import dev.wasmworker.internal.Host;
import dev.wasmworker.internal.Imports;
import java.util.List;
import java.util.Map;

/** The functions of the module. */
final class Sql {
    private static final String MODULE = Abi.MODULE_SQL;
    private static final byte[][] NO_BODY = {};

    private Sql() {
    }

    static Frame query(Map<String, Object> head, List<byte[]> body) {
        return Frame.decode(call("query", Imports::sqlQuery, head, body.toArray(NO_BODY)));
    }

    static Frame exec(Map<String, Object> head, List<byte[]> body) {
        return Frame.decode(call("exec", Imports::sqlExec, head, body.toArray(NO_BODY)));
    }

    static Frame fetch(Map<String, Object> head) {
        return Frame.decode(call("fetch", Imports::sqlFetch, head));
    }

    static Frame begin(Map<String, Object> head) {
        return Frame.decode(call("begin", Imports::sqlBegin, head));
    }

    static void commit(long transaction) {
        call("commit", Imports::sqlCommit, Map.of("transaction", transaction));
    }

    static void rollback(long transaction) {
        call("rollback", Imports::sqlRollback, Map.of("transaction", transaction));
    }

    static void close(long cursor) {
        call("close", Imports::sqlClose, Map.of("cursor", cursor));
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
}
