package dev.wasmworker.internal;

import java.time.Instant;

/** RFC 3339 times in UTC, without the weight of {@code DateTimeFormatter}, which is more than all the rest of a small module. */
public final class Times {
    private Times() {
    }

    /** Reads {@code 2026-01-02T15:04:05.123Z}. */
    public static Instant parse(String text) {
        int end = text.length() - 1;
        if (end < 19 || text.charAt(end) != 'Z' || end > 19 && text.charAt(19) != '.') {
            throw new IllegalArgumentException("not a time in UTC: " + text);
        }
        long year = digits(text, 0, 4);
        int month = digits(text, 5, 7);
        // Days since 1970 in a calendar whose years begin in March, so that the leap day is a year's last.
        long y = month <= 2 ? year - 1 : year;
        int m = (month + 9) % 12;
        long days = 365 * y + y / 4 - y / 100 + y / 400 + (153 * m + 2) / 5 + digits(text, 8, 10) - 1 - 719468;
        long seconds = ((days * 24 + digits(text, 11, 13)) * 60 + digits(text, 14, 16)) * 60 + digits(text, 17, 19);
        int nanos = 0;
        if (end > 20) {
            int fraction = Math.min(end, 29);
            nanos = digits(text, 20, fraction);
            for (int i = fraction; i < 29; i++) {
                nanos *= 10;
            }
        }
        return Instant.ofEpochSecond(seconds, nanos);
    }

    private static int digits(String text, int begin, int end) {
        return Integer.parseInt(text.substring(begin, end));
    }
}
