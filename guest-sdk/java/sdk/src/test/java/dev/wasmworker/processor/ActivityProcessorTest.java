package dev.wasmworker.processor;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.StringWriter;
import java.net.URI;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import javax.tools.Diagnostic;
import javax.tools.DiagnosticCollector;
import javax.tools.JavaCompiler;
import javax.tools.JavaFileObject;
import javax.tools.SimpleJavaFileObject;
import javax.tools.ToolProvider;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class ActivityProcessorTest {
    @TempDir
    private Path folder;

    /** Compiles members of a class and returns the errors. */
    private String compile(String members) {
        String source = "package p; import dev.wasmworker.*; import dev.wasmworker.json.*; import java.util.*;\n"
                + "class C { @interface Nullable {}\n" + members + "\n}";
        DiagnosticCollector<JavaFileObject> diagnostics = new DiagnosticCollector<>();
        JavaCompiler.CompilationTask task = ToolProvider.getSystemJavaCompiler().getTask(new StringWriter(), null, diagnostics,
                List.of("-d", folder.toString()), null, List.of(new SimpleJavaFileObject(URI.create("string:///p/C.java"), JavaFileObject.Kind.SOURCE) {
                    @Override
                    public CharSequence getCharContent(boolean ignoreEncodingErrors) {
                        return source;
                    }
                }));
        task.setProcessors(List.of(new ActivityProcessor()));
        task.call();
        StringBuilder errors = new StringBuilder();
        for (Diagnostic<?> diagnostic : diagnostics.getDiagnostics()) {
            if (diagnostic.getKind() == Diagnostic.Kind.ERROR) {
                errors.append(diagnostic.getMessage(null)).append('\n');
            }
        }
        return errors.toString();
    }

    @Test
    void allKindsOfTypes() throws Exception {
        assertEquals("", compile("enum E { A }"
                + "record R(String s, int i, @Nullable Long l, Optional<R> next, List<Map<String, R>> all, E e, E[] es, byte[] b, double[] d, Json j,"
                + "  @JsonName(\"is\\\"\") boolean z) {}"
                + "record Empty() {}"
                + "@JsonType record Alone(int i) {}"
                + "@ActivityMethod static R one(R r, String s, @Nullable byte[] b, Payload p, Payload... rest) throws Exception { return r; }"
                + "@ActivityMethod(name = \"Two\") static Empty two() { return null; }"
                + "@Initializer static void init() {}"
                + "@PassthroughModule(name = \"m\", version = 2) interface M { R json(R r); String text(String s); void nothing();"
                + "  @PassthroughFunction(name = \"a-b\") byte[] bytes(byte[] b); int[] numbers(List<Integer> i); }"));
        assertEquals(List.of("p.C_Activities one Two", "p.C_Alone_Registration"),
                Files.readAllLines(folder.resolve("META-INF/wasmworker/index.txt")));
    }

    @Test
    void mistakes() {
        assertTrue(compile("@ActivityMethod void a() {}").contains("static"));
        assertTrue(compile("@ActivityMethod static void a(Object o) {}").contains("the type java.lang.Object cannot be JSON"));
        assertTrue(compile("record R<T>(T t) {} @ActivityMethod static void a(R<String> r) {}").contains("type parameters"));
        assertTrue(compile("@ActivityMethod static void a() {} @ActivityMethod(name = \"a\") static void b() {}").contains("exists already"));
        assertTrue(compile("@ActivityMethod static void malloc() {}").contains("takes no activity of the name malloc"));
        assertTrue(compile("@PassthroughModule(name = \"m\") interface M { void f(int a, int b); }").contains("one parameter or none"));
    }
}
