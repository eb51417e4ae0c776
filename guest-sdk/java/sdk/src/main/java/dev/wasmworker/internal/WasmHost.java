package dev.wasmworker.internal;

import dev.wasmworker.Errno;
import dev.wasmworker.PassthroughException;
import java.util.Arrays;
import org.teavm.interop.Address;
import org.teavm.interop.Import;

/** The host's functions. An array does not move while one runs, since the collector runs only when something is allocated. */
final class WasmHost extends Host {
    private static final String ACTIVITY = "wasmworker:activity/v1";
    /** Holds most arguments at the first call. */
    private static final int LIKELY_SIZE = 512;

    private interface Reader {
        long read(Address dst, int cap);
    }

    @Override
    public int argCount() {
        return argCount0();
    }

    @Override
    public byte[] arg(int index) {
        return bytes("arg_read", (dst, cap) -> argRead0(index, dst, cap));
    }

    @Override
    public String argEncoding(int index) {
        return text("arg_encoding", (dst, cap) -> argEncoding0(index, dst, cap));
    }

    @Override
    public byte[] argMetadata(int index) {
        return bytes("arg_metadata", (dst, cap) -> argMetadata0(index, dst, cap));
    }

    @Override
    public boolean outputWrite(byte[] data) {
        return fits("output_write", outputWrite0(Address.ofData(data), data.length));
    }

    @Override
    public void outputEncoding(String encoding) {
        byte[] bytes = Utf8.encode(encoding);
        check("output_encoding", outputEncoding0(Address.ofData(bytes), bytes.length));
    }

    @Override
    public void outputMetadata(byte[] json) {
        check("output_metadata", outputMetadata0(Address.ofData(json), json.length));
    }

    @Override
    public boolean fail(byte[] json) {
        return fits("fail", fail0(Address.ofData(json), json.length));
    }

    @Override
    public byte[] info() {
        return bytes("info", WasmHost::info0);
    }

    @Override
    public int status() {
        return status0();
    }

    @Override
    public boolean heartbeatDetail(byte[] data, String encoding) {
        byte[] name = Utf8.encode(encoding);
        return fits("heartbeat_detail", heartbeatDetail0(Address.ofData(data), data.length, Address.ofData(name), name.length));
    }

    @Override
    public int heartbeat() {
        return (int) check("heartbeat", heartbeat0());
    }

    @Override
    public int detailCount() {
        return detailCount0();
    }

    @Override
    public byte[] detail(int index) {
        return bytes("detail_read", (dst, cap) -> detailRead0(index, dst, cap));
    }

    @Override
    public String detailEncoding(int index) {
        return text("detail_encoding", (dst, cap) -> detailEncoding0(index, dst, cap));
    }

    @Override
    public void log(int level, byte[] message, byte[] attributes) {
        // A record that cannot be logged is no reason to fail.
        write0(level, Address.ofData(message), message.length, Address.ofData(attributes), attributes.length);
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
                long n = read0(handle, at, Address.ofData(response).add(at), response.length - at);
                if (check("read", n) == 0) {
                    throw new IllegalStateException("read: the response is shorter than its size");
                }
                at += (int) n;
            }
            return response;
        } finally {
            close0(handle);
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
        int size = (int) lastError0(Address.ofData(buffer), buffer.length);
        if (size > buffer.length) {
            buffer = new byte[size];
            size = (int) lastError0(Address.ofData(buffer), size);
        }
        return Utf8.decodeLoosely(Arrays.copyOf(buffer, size));
    }

    @Import(module = ACTIVITY, name = "arg_count")
    private static native int argCount0();

    @Import(module = ACTIVITY, name = "arg_read")
    private static native long argRead0(int index, Address dst, int cap);

    @Import(module = ACTIVITY, name = "arg_encoding")
    private static native long argEncoding0(int index, Address dst, int cap);

    @Import(module = ACTIVITY, name = "arg_metadata")
    private static native long argMetadata0(int index, Address dst, int cap);

    @Import(module = ACTIVITY, name = "output_write")
    private static native long outputWrite0(Address ptr, int len);

    @Import(module = ACTIVITY, name = "output_encoding")
    private static native long outputEncoding0(Address ptr, int len);

    @Import(module = ACTIVITY, name = "output_metadata")
    private static native long outputMetadata0(Address ptr, int len);

    @Import(module = ACTIVITY, name = "fail")
    private static native long fail0(Address ptr, int len);

    @Import(module = ACTIVITY, name = "info")
    private static native long info0(Address dst, int cap);

    @Import(module = ACTIVITY, name = "status")
    private static native int status0();

    @Import(module = ACTIVITY, name = "heartbeat_detail")
    private static native long heartbeatDetail0(Address ptr, int len, Address encoding, int encodingLen);

    @Import(module = ACTIVITY, name = "heartbeat")
    private static native long heartbeat0();

    @Import(module = ACTIVITY, name = "detail_count")
    private static native int detailCount0();

    @Import(module = ACTIVITY, name = "detail_read")
    private static native long detailRead0(int index, Address dst, int cap);

    @Import(module = ACTIVITY, name = "detail_encoding")
    private static native long detailEncoding0(int index, Address dst, int cap);

    @Import(module = ACTIVITY, name = "read")
    private static native long read0(int handle, int offset, Address dst, int cap);

    @Import(module = ACTIVITY, name = "close")
    private static native long close0(int handle);

    @Import(module = ACTIVITY, name = "last_error")
    private static native long lastError0(Address dst, int cap);

    @Import(module = "wasmworker:log/v1", name = "write")
    private static native long write0(int level, Address message, int messageLen, Address attributes, int attributesLen);
}
