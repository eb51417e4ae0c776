package dev.wasmworker.maven;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.Set;
import java.util.TreeSet;

/**
 * Makes a module of activities of what TeaVM writes, which is a program: exports only the memory and the activities (the worker would
 * take TeaVM's own {@code () -> i32} exports for activities, and refuse {@code _start}), and drops sections that nothing runs.
 */
final class ModuleEditor {
    private static final int HEADER = 8;
    private static final int CUSTOM = 0;
    private static final int IMPORT = 2;
    private static final int EXPORT = 7;
    private static final int FUNCTION_KIND = 0;
    private static final int MEMORY_KIND = 2;

    private final byte[] module;
    private int at;

    ModuleEditor(byte[] module) {
        this.module = module;
    }

    byte[] reactor(Set<String> activities) throws IOException {
        ByteArrayOutputStream out = new ByteArrayOutputStream(module.length);
        out.write(module, 0, HEADER);
        at = HEADER;
        while (at < module.length) {
            int id = module[at++];
            int size = number();
            int end = at + size;
            if (id == IMPORT) {
                checkImports();
            }
            if (id == EXPORT) {
                section(out, EXPORT, exports(activities));
            } else if (id != CUSTOM) {
                section(out, id, Arrays.copyOfRange(module, at, end));
            }
            at = end;
        }
        return out.toByteArray();
    }

    /** Refuses what the worker would refuse, but says what it comes from. */
    private void checkImports() throws IOException {
        int begin = at;
        Set<String> foreign = new TreeSet<>();
        int count = number();
        for (int i = 0; i < count; i++) {
            String host = name();
            String function = name();
            at++;
            number();
            if (!host.equals("wasi_snapshot_preview1") && !host.startsWith("wasmworker:")) {
                foreign.add(host + "." + function);
            }
        }
        if (!foreign.isEmpty()) {
            throw new IOException("the activities, or libraries of theirs, use parts of the Java class library that modules do not have "
                    + "(such as threads and java.util.Date; java.time is fine): they would import " + String.join(", ", foreign));
        }
        at = begin;
    }

    private String name() {
        int length = number();
        at += length;
        return new String(module, at - length, length, StandardCharsets.UTF_8);
    }

    private byte[] exports(Set<String> activities) throws IOException {
        ByteArrayOutputStream kept = new ByteArrayOutputStream();
        int found = 0;
        int keptCount = 0;
        int count = number();
        for (int i = 0; i < count; i++) {
            int begin = at;
            String name = name();
            int kind = module[at++];
            number();
            boolean activity = kind == FUNCTION_KIND && activities.contains(name);
            if (activity || kind == MEMORY_KIND) {
                kept.write(module, begin, at - begin);
                keptCount++;
            }
            found += activity ? 1 : 0;
        }
        if (found != activities.size()) {
            throw new IOException("TeaVM exported " + found + " of " + activities.size() + " activities");
        }
        ByteArrayOutputStream out = new ByteArrayOutputStream();
        number(out, keptCount);
        kept.writeTo(out);
        return out.toByteArray();
    }

    private static void section(ByteArrayOutputStream out, int id, byte[] content) {
        out.write(id);
        number(out, content.length);
        out.write(content, 0, content.length);
    }

    /** Reads an unsigned number of LEB128. */
    private int number() {
        int value = 0;
        int shift = 0;
        while (true) {
            int b = module[at++];
            value |= (b & 0x7f) << shift;
            if (b >= 0) {
                return value;
            }
            shift += 7;
        }
    }

    private static void number(ByteArrayOutputStream out, int value) {
        while (value >>> 7 != 0) {
            out.write(value & 0x7f | 0x80);
            value >>>= 7;
        }
        out.write(value);
    }
}
