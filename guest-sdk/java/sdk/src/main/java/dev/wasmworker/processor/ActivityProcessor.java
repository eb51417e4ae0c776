package dev.wasmworker.processor;

import dev.wasmworker.ActivityMethod;
import dev.wasmworker.Initializer;
import dev.wasmworker.JsonName;
import dev.wasmworker.JsonType;
import dev.wasmworker.PassthroughFunction;
import dev.wasmworker.PassthroughModule;
import java.io.IOException;
import java.io.Writer;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import javax.annotation.processing.AbstractProcessor;
import javax.annotation.processing.RoundEnvironment;
import javax.annotation.processing.SupportedAnnotationTypes;
import javax.lang.model.SourceVersion;
import javax.lang.model.element.AnnotationMirror;
import javax.lang.model.element.Element;
import javax.lang.model.element.ElementKind;
import javax.lang.model.element.ExecutableElement;
import javax.lang.model.element.Modifier;
import javax.lang.model.element.PackageElement;
import javax.lang.model.element.RecordComponentElement;
import javax.lang.model.element.TypeElement;
import javax.lang.model.element.VariableElement;
import javax.lang.model.type.ArrayType;
import javax.lang.model.type.DeclaredType;
import javax.lang.model.type.TypeKind;
import javax.lang.model.type.TypeMirror;
import javax.tools.Diagnostic;
import javax.tools.StandardLocation;

/**
 * Generates what TeaVM, which has no reflection, needs: an export for each activity, a codec for each record, and a class for each
 * passthrough module. A file in {@code META-INF/wasmworker} tells the Maven plugin of them.
 */
@SupportedAnnotationTypes("dev.wasmworker.*")
public final class ActivityProcessor extends AbstractProcessor {
    private static final String INDEX = "META-INF/wasmworker/index.txt";
    private static final String JSON = "dev.wasmworker.json.";
    private static final String CALL = "dev.wasmworker.internal.Call";
    private static final String GUEST = "dev.wasmworker.internal.Guest";

    /** Lines of the index. */
    private final Set<String> index = new TreeSet<>();
    /** Who has an activity's name. */
    private final Map<String, ExecutableElement> names = new TreeMap<>();
    /** Records that need a codec, and those that have one. */
    private final Deque<TypeElement> wanted = new ArrayDeque<>();
    private final Set<String> known = new HashSet<>();

    /** A type that has no JSON. */
    private static final class UnsupportedType extends Exception {
        private static final long serialVersionUID = 1;

        UnsupportedType(String message) {
            super(message);
        }
    }

    @Override
    public SourceVersion getSupportedSourceVersion() {
        return SourceVersion.latestSupported();
    }

    @Override
    public boolean process(Set<? extends TypeElement> annotations, RoundEnvironment round) {
        Map<TypeElement, List<ExecutableElement>> classes = new LinkedHashMap<>();
        for (Class<? extends java.lang.annotation.Annotation> annotation : List.of(ActivityMethod.class, Initializer.class)) {
            for (Element method : round.getElementsAnnotatedWith(annotation)) {
                classes.computeIfAbsent((TypeElement) method.getEnclosingElement(), c -> new ArrayList<>()).add((ExecutableElement) method);
            }
        }
        for (Map.Entry<TypeElement, List<ExecutableElement>> entry : classes.entrySet()) {
            activities(entry.getKey(), entry.getValue());
        }
        for (Element type : round.getElementsAnnotatedWith(JsonType.class)) {
            if (type.getKind() == ElementKind.RECORD) {
                want((TypeElement) type);
            } else {
                error(type, "@JsonType is for records");
            }
        }
        for (Element type : round.getElementsAnnotatedWith(PassthroughModule.class)) {
            if (type.getKind() == ElementKind.INTERFACE) {
                passthrough((TypeElement) type);
            } else {
                error(type, "@PassthroughModule is for interfaces");
            }
        }
        while (!wanted.isEmpty()) {
            codec(wanted.remove());
        }
        if (round.processingOver() && !index.isEmpty()) {
            writeIndex();
        }
        return false;
    }

    // Activities

    private void activities(TypeElement type, List<ExecutableElement> methods) {
        Source out = new Source(type, "_Activities");
        out.line("@org.teavm.interop.StaticInit");
        out.line("final class " + out.name + " {");
        StringBuilder exports = new StringBuilder();
        Source fields = new Source(type, "");
        Source body = new Source(type, "");
        Source initializers = new Source(type, "");
        for (ExecutableElement method : methods) {
            if (!method.getModifiers().contains(Modifier.STATIC) || method.getModifiers().contains(Modifier.PRIVATE)) {
                error(method, "an activity or initializer has to be static and not private");
                continue;
            }
            if (method.getAnnotation(Initializer.class) != null) {
                if (!method.getParameters().isEmpty()) {
                    error(method, "an initializer has no parameters");
                }
                initializers.line("        " + GUEST + ".initialize(call -> " + type.getQualifiedName() + "." + method.getSimpleName() + "());");
            }
            if (method.getAnnotation(ActivityMethod.class) != null) {
                String name = activityName(method);
                if (name != null && activity(fields, body, type, method, name)) {
                    exports.append(' ').append(name);
                }
            }
        }
        out.text.append(fields.text);
        out.line("");
        out.line("    static {");
        out.line("        " + GUEST + ".prepare();");
        out.line("    }");
        if (initializers.text.length() > 0) {
            out.line("");
            out.line("    static {");
            out.line("        try {");
            out.text.append(initializers.text.toString().replace("        dev", "            dev"));
            out.line("        } catch (Throwable e) {");
            out.line("            dev.wasmworker.Activity.getLogger().error(\"the initializer failed\", e);");
            out.line("            throw new IllegalStateException(\"the initializer failed: \" + e);");
            out.line("        }");
            out.line("    }");
        }
        out.text.append(body.text);
        out.line("}");
        out.write(type);
        index.add(out.qualifiedName() + exports);
    }

    private String activityName(ExecutableElement method) {
        String name = method.getAnnotation(ActivityMethod.class).name();
        if (name.isEmpty()) {
            name = method.getSimpleName().toString();
        }
        ExecutableElement other = names.putIfAbsent(name, method);
        if (other != null) {
            error(method, "the activity " + name + " exists already, in " + other.getEnclosingElement());
        } else if (name.startsWith("_") || name.startsWith("asyncify_") || name.startsWith("cabi_")
                || Set.of("memory", "malloc", "free", "realloc", "calloc", "go_scheduler").contains(name)) {
            error(method, "the worker takes no activity of the name " + name);
        } else if (name.chars().anyMatch(c -> c <= ' ')) {
            // The index is separated by spaces.
            error(method, "an activity's name has no white space");
        } else {
            return name;
        }
        return null;
    }

    private boolean activity(Source fields, Source out, TypeElement type, ExecutableElement method, String name) {
        String prefix = method.getSimpleName() + "_" + names.size();
        List<String> arguments = new ArrayList<>();
        List<? extends VariableElement> parameters = method.getParameters();
        for (int i = 0; i < parameters.size(); i++) {
            VariableElement parameter = parameters.get(i);
            TypeMirror mirror = parameter.asType();
            boolean nullable = isNullable(parameter);
            String at = i + ", \"" + parameter.getSimpleName() + "\"";
            if (isBytes(mirror)) {
                arguments.add("call.bytes(" + at + ", " + nullable + ")");
            } else if (isClass(mirror, "dev.wasmworker.Payload")) {
                arguments.add("call.payload(" + at + ", " + nullable + ")");
            } else if (mirror.getKind() == TypeKind.ARRAY && isClass(((ArrayType) mirror).getComponentType(), "dev.wasmworker.Payload")) {
                if (i < parameters.size() - 1) {
                    error(parameter, "Payload... takes all arguments that are left and has to be the last parameter");
                }
                arguments.add("call.payloads(" + i + ")");
            } else {
                String field = prefix + "_" + i;
                if (!codecField(fields, field, mirror, nullable, parameter)) {
                    return false;
                }
                arguments.add("call.json(" + at + ", " + field + ")");
            }
        }
        String invocation = type.getQualifiedName() + "." + method.getSimpleName() + "(" + String.join(", ", arguments) + ")";
        TypeMirror result = method.getReturnType();
        if (result.getKind() != TypeKind.VOID) {
            if (isBytes(result) || isClass(result, "dev.wasmworker.Payload")) {
                invocation = "call.result(" + invocation + ")";
            } else {
                String field = prefix + "_result";
                if (!codecField(fields, field, result, false, method)) {
                    return false;
                }
                invocation = "call.result(" + invocation + ", " + field + ")";
            }
        }
        out.line("");
        out.line("    @org.teavm.interop.Export(name = " + quote(name) + ")");
        out.line("    static int " + prefix + "() {");
        out.line("        return " + GUEST + ".run(call -> " + invocation + ");");
        out.line("    }");
        return true;
    }

    private boolean codecField(Source out, String field, TypeMirror type, boolean nullable, Element where) {
        try {
            String codec = codecOf(type);
            out.line("    private static final " + JSON + "Codec<" + boxed(type) + "> " + field + " = "
                    + (nullable ? JSON + "Codecs.nullable(" + codec + ")" : codec) + ";");
            return true;
        } catch (UnsupportedType e) {
            error(where, e.getMessage());
            return false;
        }
    }

    // Passthrough modules

    private void passthrough(TypeElement type) {
        PassthroughModule annotation = type.getAnnotation(PassthroughModule.class);
        String module = "wasmworker:" + annotation.name() + "/v" + annotation.version();
        Source out = new Source(type, "Client");
        String access = type.getModifiers().contains(Modifier.PUBLIC) ? "public " : "";
        out.line("/** Calls the functions of {@code " + module + "}. */");
        out.line(access + "final class " + out.name + " implements " + type.getQualifiedName() + " {");
        int number = 0;
        for (Element member : type.getEnclosedElements()) {
            if (member.getKind() != ElementKind.METHOD || !member.getModifiers().contains(Modifier.ABSTRACT)) {
                continue;
            }
            passthroughFunction(out, module, (ExecutableElement) member, "import" + number++);
        }
        out.line("}");
        out.write(type);
    }

    private void passthroughFunction(Source out, String module, ExecutableElement method, String imported) {
        List<? extends VariableElement> parameters = method.getParameters();
        if (parameters.size() > 1) {
            error(method, "a passthrough function has one parameter or none");
            return;
        }
        PassthroughFunction annotation = method.getAnnotation(PassthroughFunction.class);
        String name = annotation != null ? annotation.name() : method.getSimpleName().toString();
        String request = "new byte[0]";
        String declaration = "";
        if (!parameters.isEmpty()) {
            TypeMirror type = parameters.get(0).asType();
            declaration = type + " request";
            if (isBytes(type)) {
                request = "request";
            } else if (isClass(type, "java.lang.String")) {
                request = "dev.wasmworker.internal.Utf8.encode(request)";
            } else {
                String field = imported + "Request";
                if (!codecField(out, field, type, isNullable(parameters.get(0)), method)) {
                    return;
                }
                request = GUEST + ".json(request, " + field + ")";
            }
        }
        TypeMirror result = method.getReturnType();
        String response = GUEST + ".response(" + imported + "(org.teavm.interop.Address.ofData(bytes), bytes.length))";
        if (isClass(result, "java.lang.String")) {
            response = GUEST + ".text(" + response + ")";
        } else if (result.getKind() != TypeKind.VOID && !isBytes(result)) {
            String field = imported + "Response";
            if (!codecField(out, field, result, isNullable(method), method)) {
                return;
            }
            response = field + ".read(" + JSON + "Json.parse(" + response + "))";
        }
        out.line("");
        out.line("    @org.teavm.interop.Import(module = " + quote(module) + ", name = " + quote(name) + ")");
        out.line("    private static native long " + imported + "(org.teavm.interop.Address request, int size);");
        out.line("");
        out.line("    @Override");
        out.line("    public " + result + " " + method.getSimpleName() + "(" + declaration + ") {");
        out.line("        byte[] bytes = " + request + ";");
        out.line("        " + (result.getKind() == TypeKind.VOID ? "" : "return ") + response + ";");
        out.line("    }");
    }

    // Codecs

    private void want(TypeElement record) {
        if (known.add(record.getQualifiedName().toString())) {
            wanted.add(record);
        }
    }

    private void codec(TypeElement record) {
        if (!record.getTypeParameters().isEmpty()) {
            error(record, "a record with type parameters cannot be JSON");
            return;
        }
        String type = record.getQualifiedName().toString();
        Source out = new Source(record, "_Codec");
        String access = record.getModifiers().contains(Modifier.PUBLIC) ? "public " : "";
        out.line("/** Reads and writes {@link " + type + "}. */");
        out.line(access + "final class " + out.name + " implements " + JSON + "Codec<" + type + "> {");
        out.line("    /** The only one. */");
        // Before the codecs of its components, which may need this one.
        out.line("    public static final " + out.name + " INSTANCE = new " + out.name + "();");
        Source read = new Source(record, "");
        Source write = new Source(record, "");
        int i = 0;
        for (RecordComponentElement component : record.getRecordComponents()) {
            JsonName annotation = component.getAnnotation(JsonName.class);
            String name = quote(annotation != null ? annotation.value() : component.getSimpleName().toString());
            String field = "C" + i;
            if (!codecField(out, field, component.asType(), isNullable(component), component)) {
                return;
            }
            read.line("                json.field(" + name + ", " + field + ")" + (++i < record.getRecordComponents().size() ? "," : ""));
            write.line("        writer.field(" + name + ", value." + component.getSimpleName() + "(), " + field + ");");
        }
        out.line("");
        out.line("    static {");
        out.line("        " + JSON + "Codecs.register(" + type + ".class, INSTANCE);");
        out.line("    }");
        out.line("");
        out.line("    @Override");
        out.line("    public " + type + " read(" + JSON + "Json json) {");
        if (record.getRecordComponents().isEmpty()) {
            out.line("        json.asMap();");
        }
        out.line("        return new " + type + "(");
        out.text.append(read.text);
        out.line("        );");
        out.line("    }");
        out.line("");
        out.line("    @Override");
        out.line("    public void write(" + JSON + "JsonWriter writer, " + type + " value) {");
        out.line("        if (value == null) {");
        out.line("            writer.value(null);");
        out.line("            return;");
        out.line("        }");
        out.line("        writer.beginObject();");
        out.text.append(write.text);
        out.line("        writer.endObject();");
        out.line("    }");
        out.line("}");
        out.write(record);
        if (record.getAnnotation(JsonType.class) != null) {
            registration(record, out.qualifiedName());
        }
    }

    /** A class that makes the codec known before the first activity, since nothing else refers to it. */
    private void registration(TypeElement record, String codec) {
        Source out = new Source(record, "_Registration");
        out.line("@org.teavm.interop.StaticInit");
        out.line("final class " + out.name + " {");
        out.line("    static {");
        out.line("        " + JSON + "Codecs.register(" + record.getQualifiedName() + ".class, " + codec + ".INSTANCE);");
        out.line("    }");
        out.line("}");
        out.write(record);
        index.add(out.qualifiedName());
    }

    /** Returns an expression for the codec of a type. */
    private String codecOf(TypeMirror type) throws UnsupportedType {
        switch (type.getKind()) {
            case BOOLEAN:
            case BYTE:
            case SHORT:
            case INT:
            case LONG:
            case FLOAT:
            case DOUBLE:
                return codecOf(processingEnv.getTypeUtils().boxedClass(processingEnv.getTypeUtils().getPrimitiveType(type.getKind())).asType());
            case ARRAY:
                return arrayCodec(((ArrayType) type).getComponentType());
            case DECLARED:
                return declaredCodec((DeclaredType) type);
            default:
                throw new UnsupportedType("the type " + type + " cannot be JSON");
        }
    }

    private String arrayCodec(TypeMirror component) throws UnsupportedType {
        switch (component.getKind()) {
            case BYTE:
                return JSON + "Codecs.BYTES";
            case INT:
                return JSON + "Codecs.INTS";
            case LONG:
                return JSON + "Codecs.LONGS";
            case DOUBLE:
                return JSON + "Codecs.DOUBLES";
            case DECLARED:
                if (((DeclaredType) component).getTypeArguments().isEmpty()) {
                    return JSON + "Codecs.array(" + codecOf(component) + ", " + plain(component) + "[]::new)";
                }
                break;
            default:
        }
        throw new UnsupportedType("an array of " + component + " cannot be JSON: use a List");
    }

    private String declaredCodec(DeclaredType type) throws UnsupportedType {
        TypeElement element = (TypeElement) type.asElement();
        List<? extends TypeMirror> arguments = type.getTypeArguments();
        switch (element.getQualifiedName().toString()) {
            case "java.lang.String":
            case "java.lang.Boolean":
            case "java.lang.Byte":
            case "java.lang.Short":
            case "java.lang.Integer":
            case "java.lang.Long":
            case "java.lang.Float":
            case "java.lang.Double":
                return JSON + "Codecs." + element.getSimpleName().toString().toUpperCase(java.util.Locale.ROOT);
            case "dev.wasmworker.json.Json":
                return JSON + "Codecs.JSON";
            case "java.util.List":
            case "java.util.Optional":
                if (arguments.size() == 1) {
                    String maker = element.getSimpleName().contentEquals("List") ? "list" : "optional";
                    return JSON + "Codecs." + maker + "(" + codecOf(arguments.get(0)) + ")";
                }
                break;
            case "java.util.Map":
                if (arguments.size() == 2 && isClass(arguments.get(0), "java.lang.String")) {
                    return JSON + "Codecs.map(" + codecOf(arguments.get(1)) + ")";
                }
                break;
            default:
                if (element.getKind() == ElementKind.ENUM) {
                    return JSON + "Codecs.enumeration(" + element.getQualifiedName() + ".values())";
                } else if (element.getKind() == ElementKind.RECORD) {
                    want(element);
                    return new Source(element, "_Codec").qualifiedName() + ".INSTANCE";
                }
        }
        throw new UnsupportedType("the type " + type + " cannot be JSON: use records, enums, List, Map<String, …>, Optional, String, "
                + "primitive types or their wrappers, byte[] or Json");
    }

    // Small things

    private String boxed(TypeMirror type) {
        if (type.getKind().isPrimitive()) {
            return processingEnv.getTypeUtils().boxedClass(processingEnv.getTypeUtils().getPrimitiveType(type.getKind())).toString();
        }
        return plain(type);
    }

    /** The type's name without its annotations, which {@code toString} has. */
    private static String plain(TypeMirror type) {
        switch (type.getKind()) {
            case ARRAY:
                return plain(((ArrayType) type).getComponentType()) + "[]";
            case DECLARED:
                StringBuilder name = new StringBuilder(((TypeElement) ((DeclaredType) type).asElement()).getQualifiedName());
                List<? extends TypeMirror> arguments = ((DeclaredType) type).getTypeArguments();
                for (int i = 0; i < arguments.size(); i++) {
                    name.append(i == 0 ? "<" : ", ").append(plain(arguments.get(i)));
                }
                return name.append(arguments.isEmpty() ? "" : ">").toString();
            default:
                return type.getKind().isPrimitive() ? type.getKind().name().toLowerCase(java.util.Locale.ROOT) : type.toString();
        }
    }

    private static boolean isBytes(TypeMirror type) {
        return type.getKind() == TypeKind.ARRAY && ((ArrayType) type).getComponentType().getKind() == TypeKind.BYTE;
    }

    private static boolean isClass(TypeMirror type, String name) {
        return type.getKind() == TypeKind.DECLARED && ((TypeElement) ((DeclaredType) type).asElement()).getQualifiedName().contentEquals(name);
    }

    private static boolean isNullable(Element element) {
        List<AnnotationMirror> annotations = new ArrayList<>(element.getAnnotationMirrors());
        annotations.addAll(element.asType().getAnnotationMirrors());
        return annotations.stream().anyMatch(a -> a.getAnnotationType().asElement().getSimpleName().contentEquals("Nullable"));
    }

    private static String quote(String text) {
        return "\"" + text.replace("\\", "\\\\").replace("\"", "\\\"") + "\"";
    }

    private void error(Element where, String message) {
        processingEnv.getMessager().printMessage(Diagnostic.Kind.ERROR, message, where);
    }

    private void writeIndex() {
        try (Writer writer = processingEnv.getFiler().createResource(StandardLocation.CLASS_OUTPUT, "", INDEX).openWriter()) {
            for (String line : index) {
                writer.write(line + "\n");
            }
        } catch (IOException e) {
            processingEnv.getMessager().printMessage(Diagnostic.Kind.ERROR, "cannot write " + INDEX + ": " + e);
        }
    }

    /** A class that is being generated beside another one. */
    private final class Source {
        final StringBuilder text = new StringBuilder();
        final String packageName;
        final String name;

        Source(TypeElement owner, String suffix) {
            PackageElement enclosing = processingEnv.getElementUtils().getPackageOf(owner);
            packageName = enclosing.getQualifiedName().toString();
            String binary = processingEnv.getElementUtils().getBinaryName(owner).toString();
            name = (packageName.isEmpty() ? binary : binary.substring(packageName.length() + 1)).replace('$', '_') + suffix;
        }

        String qualifiedName() {
            return packageName.isEmpty() ? name : packageName + "." + name;
        }

        void line(String line) {
            text.append(line).append('\n');
        }

        void write(TypeElement owner) {
            try (Writer writer = processingEnv.getFiler().createSourceFile(qualifiedName(), owner).openWriter()) {
                if (!packageName.isEmpty()) {
                    writer.write("package " + packageName + ";\n\n");
                }
                writer.write(text.toString());
            } catch (IOException e) {
                error(owner, "cannot write " + qualifiedName() + ": " + e);
            }
        }
    }
}
