package dev.wasmworker.json;

import dev.wasmworker.internal.Utf8;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/** Reads JSON (RFC 8259) from UTF-8, strictly. */
final class JsonParser {
    /**
     * Deeper values are refused: TeaVM does not check its stack of references, so that endless nesting would overwrite the heap
     * instead of being reported.
     */
    private static final int MAX_DEPTH = 512;

    private final byte[] text;
    private int at;

    JsonParser(byte[] text) {
        this.text = text;
    }

    Json parse() {
        Json value = value(0);
        skipSpace();
        if (at != text.length) {
            throw unexpected("the end");
        }
        return value;
    }

    private Json value(int depth) {
        if (depth > MAX_DEPTH) {
            throw new JsonException("JSON is nested deeper than " + MAX_DEPTH + " levels");
        }
        skipSpace();
        int c = peek();
        switch (c) {
            case '{':
                return new Json(object(depth));
            case '[':
                return new Json(array(depth));
            case '"':
                return new Json(string());
            case 't':
                word("true");
                return new Json(Boolean.TRUE);
            case 'f':
                word("false");
                return new Json(Boolean.FALSE);
            case 'n':
                word("null");
                return Json.NULL;
            default:
                if (c == '-' || isDigit(c)) {
                    return new Json(number());
                }
                throw unexpected("a value");
        }
    }

    private Map<String, Json> object(int depth) {
        Map<String, Json> fields = new LinkedHashMap<>();
        at++;
        skipSpace();
        if (peek() == '}') {
            at++;
            return fields;
        }
        while (true) {
            skipSpace();
            if (peek() != '"') {
                throw unexpected("a name in quotes");
            }
            String name = string();
            skipSpace();
            if (peek() != ':') {
                throw unexpected("a colon");
            }
            at++;
            fields.put(name, value(depth + 1));
            skipSpace();
            int c = peek();
            if (c == ',') {
                at++;
            } else if (c == '}') {
                at++;
                return fields;
            } else {
                throw unexpected("a comma or a brace");
            }
        }
    }

    private List<Json> array(int depth) {
        List<Json> elements = new ArrayList<>();
        at++;
        skipSpace();
        if (peek() == ']') {
            at++;
            return elements;
        }
        while (true) {
            elements.add(value(depth + 1));
            skipSpace();
            int c = peek();
            if (c == ',') {
                at++;
            } else if (c == ']') {
                at++;
                return elements;
            } else {
                throw unexpected("a comma or a bracket");
            }
        }
    }

    private Json.NumberText number() {
        int begin = at;
        if (peek() == '-') {
            at++;
        }
        if (peek() == '0') {
            at++;
        } else {
            digits();
        }
        if (peek() == '.') {
            at++;
            digits();
        }
        if (peek() == 'e' || peek() == 'E') {
            at++;
            if (peek() == '+' || peek() == '-') {
                at++;
            }
            digits();
        }
        return new Json.NumberText(Utf8.decode(text, begin, at));
    }

    private void digits() {
        if (!isDigit(peek())) {
            throw unexpected("a digit");
        }
        while (isDigit(peek())) {
            at++;
        }
    }

    private String string() {
        int begin = ++at;
        // Most strings have no escapes: one scan, one copy.
        while (true) {
            int c = peek();
            if (c == '"') {
                return utf8(begin, at++);
            } else if (c == '\\') {
                return escapedString(begin);
            } else if (c < ' ') {
                throw unexpected("the end of the string");
            }
            at++;
        }
    }

    private String escapedString(int begin) {
        StringBuilder string = new StringBuilder();
        while (true) {
            int c = peek();
            if (c == '"') {
                return string.append(utf8(begin, at++)).toString();
            } else if (c == '\\') {
                string.append(utf8(begin, at++));
                string.append(escape());
                begin = at;
            } else if (c < ' ') {
                throw unexpected("the end of the string");
            } else {
                at++;
            }
        }
    }

    private char escape() {
        int c = peek();
        at++;
        switch (c) {
            case '"':
            case '\\':
            case '/':
                return (char) c;
            case 'b':
                return '\b';
            case 'f':
                return '\f';
            case 'n':
                return '\n';
            case 'r':
                return '\r';
            case 't':
                return '\t';
            case 'u':
                int unit = 0;
                for (int i = 0; i < 4; i++) {
                    int digit = Character.digit(peek(), 16);
                    if (digit < 0) {
                        throw unexpected("four hexadecimal digits");
                    }
                    unit = unit << 4 | digit;
                    at++;
                }
                return (char) unit;
            default:
                at--;
                throw unexpected("an escape sequence");
        }
    }

    private String utf8(int begin, int end) {
        String string = Utf8.decode(text, begin, end);
        if (string == null) {
            throw new JsonException("malformed JSON: a string is not UTF-8");
        }
        return string;
    }

    private void word(String word) {
        for (int i = 0; i < word.length(); i++) {
            if (peek() != word.charAt(i)) {
                throw unexpected(word);
            }
            at++;
        }
    }

    private void skipSpace() {
        while (at < text.length) {
            int c = text[at];
            if (c != ' ' && c != '\n' && c != '\r' && c != '\t') {
                return;
            }
            at++;
        }
    }

    /** The next byte without sign, or -1 at the end. */
    private int peek() {
        return at < text.length ? text[at] & 0xff : -1;
    }

    private static boolean isDigit(int c) {
        return c >= '0' && c <= '9';
    }

    private JsonException unexpected(String wanted) {
        String found = at < text.length ? "at byte " + at : "at its end";
        return new JsonException("malformed JSON " + found + ": expected " + wanted);
    }
}
