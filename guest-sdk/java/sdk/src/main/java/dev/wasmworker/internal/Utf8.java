package dev.wasmworker.internal;

import java.util.Arrays;

/** UTF-8, strictly, and without the weight of the class library's charsets. */
public final class Utf8 {
    private Utf8() {
    }

    /** Encodes a string; half of a surrogate pair becomes U+FFFD. */
    public static byte[] encode(String string) {
        int length = string.length();
        byte[] out = new byte[length + length / 2 + 4];
        int n = 0;
        for (int i = 0; i < length; i++) {
            int c = string.charAt(i);
            if (n + 4 > out.length) {
                out = Arrays.copyOf(out, out.length * 2);
            }
            if (c < 0x80) {
                out[n++] = (byte) c;
                continue;
            }
            if (c < 0x800) {
                out[n++] = (byte) (0xc0 | c >> 6);
                out[n++] = (byte) (0x80 | c & 0x3f);
                continue;
            }
            if (c >= 0xd800 && c <= 0xdfff) {
                char low = c <= 0xdbff && i + 1 < length ? string.charAt(i + 1) : 0;
                if (low >= 0xdc00 && low <= 0xdfff) {
                    i++;
                    int point = 0x10000 + ((c - 0xd800) << 10) + (low - 0xdc00);
                    out[n++] = (byte) (0xf0 | point >> 18);
                    out[n++] = (byte) (0x80 | point >> 12 & 0x3f);
                    out[n++] = (byte) (0x80 | point >> 6 & 0x3f);
                    out[n++] = (byte) (0x80 | point & 0x3f);
                    continue;
                }
                c = 0xfffd;
            }
            out[n++] = (byte) (0xe0 | c >> 12);
            out[n++] = (byte) (0x80 | c >> 6 & 0x3f);
            out[n++] = (byte) (0x80 | c & 0x3f);
        }
        return n == out.length ? out : Arrays.copyOf(out, n);
    }

    /** Decodes all bytes. Malformed ones become U+FFFD: for text that people read. */
    public static String decodeLoosely(byte[] bytes) {
        String strict = decode(bytes, 0, bytes.length);
        if (strict != null) {
            return strict;
        }
        StringBuilder out = new StringBuilder();
        for (int i = 0; i < bytes.length;) {
            int size = 1;
            while (size <= 4 && i + size <= bytes.length && decode(bytes, i, i + size) == null) {
                size++;
            }
            if (size <= 4 && i + size <= bytes.length) {
                out.append(decode(bytes, i, i + size));
                i += size;
            } else {
                out.append('\ufffd');
                i++;
            }
        }
        return out.toString();
    }

    /** Decodes the bytes from begin up to end; returns null if they are not UTF-8. */
    public static String decode(byte[] bytes, int begin, int end) {
        char[] out = new char[end - begin];
        int n = 0;
        int i = begin;
        while (i < end) {
            int b = bytes[i++];
            if (b >= 0) {
                out[n++] = (char) b;
                continue;
            }
            b &= 0xff;
            int more = b >= 0xf0 ? 3 : b >= 0xe0 ? 2 : 1;
            if (b < 0xc2 || b > 0xf4 || end - i < more) {
                return null;
            }
            int point = b & (0x3f >> more);
            for (int k = 0; k < more; k++) {
                int next = bytes[i++];
                if ((next & 0xc0) != 0x80) {
                    return null;
                }
                point = point << 6 | next & 0x3f;
            }
            if (more == 1) {
                out[n++] = (char) point;
            } else if (more == 2) {
                if (point < 0x800 || point >= 0xd800 && point <= 0xdfff) {
                    return null;
                }
                out[n++] = (char) point;
            } else {
                if (point < 0x10000 || point > 0x10ffff) {
                    return null;
                }
                out[n++] = (char) (0xd800 + (point - 0x10000 >> 10));
                out[n++] = (char) (0xdc00 + (point & 0x3ff));
            }
        }
        return new String(out, 0, n);
    }
}
