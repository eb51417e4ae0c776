package dev.wasmworker.internal;

import dev.wasmworker.Errno;
import dev.wasmworker.PassthroughException;
import java.util.Arrays;
import org.teavm.interop.Address;

/** The host's functions. An array does not move while one runs, since the collector runs only when something is allocated. */
final class WasmHost extends Host {
    /** Holds most arguments at the first call. */
    private static final int LIKELY_SIZE = 512;

    private interface Reader {
        long read(Address dst, int cap);
    }

    @Override
    public int argCount() {
        return Imports.activityArgCount();
    }

    @Override
    public byte[] arg(int index) {
        return bytes("arg_read", (dst, cap) -> Imports.activityArgRead(index, dst, cap));
    }

    @Override
    public String argEncoding(int index) {
        return text("arg_encoding", (dst, cap) -> Imports.activityArgEncoding(index, dst, cap));
    }

    @Override
    public byte[] argMetadata(int index) {
        return bytes("arg_metadata", (dst, cap) -> Imports.activityArgMetadata(index, dst, cap));
    }

    @Override
    public boolean outputWrite(byte[] data) {
        return fits("output_write", Imports.activityOutputWrite(Address.ofData(data), data.length));
    }

    @Override
    public void outputEncoding(String encoding) {
        byte[] bytes = Utf8.encode(encoding);
        check("output_encoding", Imports.activityOutputEncoding(Address.ofData(bytes), bytes.length));
    }

    @Override
    public void outputMetadata(byte[] json) {
        check("output_metadata", Imports.activityOutputMetadata(Address.ofData(json), json.length));
    }

    @Override
    public boolean fail(byte[] json) {
        return fits("fail", Imports.activityFail(Address.ofData(json), json.length));
    }

    @Override
    public byte[] info() {
        return bytes("info", Imports::activityInfo);
    }

    @Override
    public int status() {
        return Imports.activityStatus();
    }

    @Override
    public boolean heartbeatDetail(byte[] data, String encoding) {
        byte[] name = Utf8.encode(encoding);
        return fits("heartbeat_detail", Imports.activityHeartbeatDetail(Address.ofData(data), data.length, Address.ofData(name), name.length));
    }

    @Override
    public int heartbeat() {
        return (int) check("heartbeat", Imports.activityHeartbeat());
    }

    @Override
    public int detailCount() {
        return Imports.activityDetailCount();
    }

    @Override
    public byte[] detail(int index) {
        return bytes("detail_read", (dst, cap) -> Imports.activityDetailRead(index, dst, cap));
    }

    @Override
    public String detailEncoding(int index) {
        return text("detail_encoding", (dst, cap) -> Imports.activityDetailEncoding(index, dst, cap));
    }

    @Override
    public void log(int level, byte[] message, byte[] attributes) {
        // A record that cannot be logged is no reason to fail.
        Imports.logWrite(level, Address.ofData(message), message.length, Address.ofData(attributes), attributes.length);
    }

    @Override
    public byte[] passthrough(String module, String function, Function imported, byte[] request) {
        return response(imported.call(Address.ofData(request), request.length));
    }

    /** Fetches the response of a passthrough function. */
    static byte[] response(long result) {
        if (result < 0) {
            throw new PassthroughException((int) -result, lastError());
        }
        int handle = (int) (result >>> 32);
        byte[] response = new byte[(int) result];
        if (handle == 0) {
            return response;
        }
        try {
            int at = 0;
            while (at < response.length) {
                long n = Imports.activityRead(handle, at, Address.ofData(response).add(at), response.length - at);
                if (check("read", n) == 0) {
                    throw new IllegalStateException("read: the response is shorter than its size");
                }
                at += (int) n;
            }
            return response;
        } finally {
            Imports.activityClose(handle);
        }
    }

    private static byte[] bytes(String function, Reader reader) {
        byte[] buffer = new byte[LIKELY_SIZE];
        int size = (int) check(function, reader.read(Address.ofData(buffer), buffer.length));
        if (size > buffer.length) {
            buffer = new byte[size];
            size = (int) check(function, reader.read(Address.ofData(buffer), size));
        }
        return size == buffer.length ? buffer : Arrays.copyOf(buffer, size);
    }

    private static String text(String function, Reader reader) {
        return Utf8.decodeLoosely(bytes(function, reader));
    }

    private static boolean fits(String function, long result) {
        if (result == -Errno.EMSGSIZE) {
            return false;
        }
        check(function, result);
        return true;
    }

    private static long check(String function, long result) {
        if (result < 0) {
            throw new IllegalStateException(function + ": " + lastError() + " (errno " + -result + ")");
        }
        return result;
    }

    private static String lastError() {
        byte[] buffer = new byte[LIKELY_SIZE];
        int size = (int) Imports.activityLastError(Address.ofData(buffer), buffer.length);
        if (size > buffer.length) {
            buffer = new byte[size];
            size = (int) Imports.activityLastError(Address.ofData(buffer), size);
        }
        return Utf8.decodeLoosely(Arrays.copyOf(buffer, size));
    }
}
