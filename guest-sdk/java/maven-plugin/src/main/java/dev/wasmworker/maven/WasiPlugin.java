package dev.wasmworker.maven;

import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.teavm.ast.InvocationExpr;
import org.teavm.backend.wasm.TeaVMWasmHost;
import org.teavm.backend.wasm.intrinsics.WasmIntrinsic;
import org.teavm.backend.wasm.intrinsics.WasmIntrinsicManager;
import org.teavm.backend.wasm.model.expression.WasmExpression;
import org.teavm.backend.wasm.model.expression.WasmFloatType;
import org.teavm.backend.wasm.model.expression.WasmFloatUnary;
import org.teavm.backend.wasm.model.expression.WasmFloatUnaryOperation;
import org.teavm.model.AnnotationReader;
import org.teavm.model.BasicBlock;
import org.teavm.model.ClassHolder;
import org.teavm.model.ClassHolderTransformer;
import org.teavm.model.ClassHolderTransformerContext;
import org.teavm.model.ElementModifier;
import org.teavm.model.FieldReference;
import org.teavm.model.MethodDescriptor;
import org.teavm.model.MethodHolder;
import org.teavm.model.MethodReference;
import org.teavm.model.Program;
import org.teavm.model.ValueType;
import org.teavm.model.Variable;
import org.teavm.model.emit.ProgramEmitter;
import org.teavm.model.emit.ValueEmitter;
import org.teavm.model.instructions.BinaryInstruction;
import org.teavm.model.instructions.BinaryOperation;
import org.teavm.model.instructions.ConstructArrayInstruction;
import org.teavm.model.instructions.IntegerConstantInstruction;
import org.teavm.model.instructions.NumericOperandType;
import org.teavm.model.instructions.PutFieldInstruction;
import org.teavm.model.util.InstructionVariableMapper;
import org.teavm.vm.spi.TeaVMHost;
import org.teavm.vm.spi.TeaVMPlugin;

/**
 * Fills gaps of TeaVM's class library, which expects a browser's mathematics, clock and event loop even where it compiles for WASI:
 * square roots and rounding become instructions of WebAssembly, the rest methods of the SDK.
 */
public final class WasiPlugin implements TeaVMPlugin {
    private static final String FUNCTIONS = "dev.wasmworker.internal.Functions";
    private static final String PROGRAM = "dev.wasmworker.internal.Program";
    private static final String CLOCK = "dev.wasmworker.internal.Clock";
    private static final String RANDOMNESS = "dev.wasmworker.internal.Randomness";

    /** The methods that are replaced, and by which class's method of the same name and type. */
    private static final Map<String, Map<String, String>> REPLACED = Map.of(
            "org.teavm.backend.wasm.runtime.WasmSupport", Map.of("runWithArgs", PROGRAM, "runWithoutArgs", PROGRAM),
            "java.lang.Math", Map.of("sin", FUNCTIONS, "cos", FUNCTIONS, "tan", FUNCTIONS, "asin", FUNCTIONS, "acos", FUNCTIONS,
                    "atan", FUNCTIONS, "atan2", FUNCTIONS, "exp", FUNCTIONS, "log", FUNCTIONS, "random", RANDOMNESS),
            "java.lang.System", Map.of("nanoTime", CLOCK),
            "java.lang.Thread", Map.of("sleep", CLOCK));

    @Override
    public void install(TeaVMHost host) {
        TeaVMWasmHost wasm = host.getExtension(TeaVMWasmHost.class);
        if (wasm != null) {
            wasm.add(context -> new Rounding());
            host.add(new Replacement());
        }
    }

    private static final class Replacement implements ClassHolderTransformer {
        @Override
        public void transformClass(ClassHolder type, ClassHolderTransformerContext context) {
            if (type.getName().equals("org.teavm.runtime.GC")) {
                askForMore(type.getMethod(new MethodDescriptor("computeMinRequestedSize", int.class, long.class)));
            }
            if (type.getName().equals("java.lang.Throwable")) {
                type.getMethods().stream().filter(method -> method.getName().equals("<init>") && method.getProgram() != null)
                        .forEach(Replacement::allowSuppressed);
            }
            Map<String, String> methods = REPLACED.getOrDefault(type.getName(), Map.of());
            for (MethodHolder method : type.getMethods()) {
                String owner = methods.get(method.getName());
                MethodReference target = owner == null ? null : new MethodReference(owner, method.getDescriptor());
                if (target != null && context.getHierarchy().getClassSource().resolve(target) != null) {
                    delegate(method, target, context);
                }
            }
        }

        /**
         * When a large array needs a larger heap, TeaVM grows it by exactly that array, rounded up to 8 bytes, and then finds that it
         * cannot use a gap a little larger than the array: "Out of memory". So it is made to grow by a bit more.
         */
        private static void askForMore(MethodHolder method) {
            Program program = method.getProgram();
            Variable size = program.variableAt(1);
            Variable more = program.createVariable();
            Variable larger = program.createVariable();
            InstructionVariableMapper mapper = new InstructionVariableMapper(variable -> variable == size ? larger : variable);
            for (BasicBlock block : program.getBasicBlocks()) {
                mapper.apply(block);
            }
            IntegerConstantInstruction constant = new IntegerConstantInstruction();
            constant.setConstant(256);
            constant.setReceiver(more);
            BinaryInstruction sum = new BinaryInstruction(BinaryOperation.ADD, NumericOperandType.INT);
            sum.setFirstOperand(size);
            sum.setSecondOperand(more);
            sum.setReceiver(larger);
            program.basicBlockAt(0).addFirst(sum);
            program.basicBlockAt(0).addFirst(constant);
        }

        /**
         * TeaVM's Throwable has an array of suppressed exceptions that none of its constructors makes, so that addSuppressed, which
         * try-with-resources calls, ends the program.
         */
        private static void allowSuppressed(MethodHolder constructor) {
            Program program = constructor.getProgram();
            ValueType item = ValueType.object("java.lang.Throwable");
            IntegerConstantInstruction none = new IntegerConstantInstruction();
            none.setReceiver(program.createVariable());
            ConstructArrayInstruction array = new ConstructArrayInstruction();
            array.setItemType(item);
            array.setSize(none.getReceiver());
            array.setReceiver(program.createVariable());
            PutFieldInstruction field = new PutFieldInstruction();
            field.setInstance(program.variableAt(0));
            field.setField(new FieldReference("java.lang.Throwable", "suppressed"));
            field.setFieldType(ValueType.arrayOf(item));
            field.setValue(array.getReceiver());
            program.basicBlockAt(0).addFirstAll(List.of(none, array, field));
        }

        private static void delegate(MethodHolder method, MethodReference target, ClassHolderTransformerContext context) {
            method.getModifiers().remove(ElementModifier.NATIVE);
            List<AnnotationReader> annotations = new ArrayList<>();
            method.getAnnotations().all().forEach(annotations::add);
            for (AnnotationReader annotation : annotations) {
                method.getAnnotations().remove(annotation.getType());
            }
            ProgramEmitter program = ProgramEmitter.create(method, context.getHierarchy());
            ValueEmitter[] arguments = new ValueEmitter[method.parameterCount()];
            for (int i = 0; i < arguments.length; i++) {
                arguments[i] = program.var(i + 1, method.parameterType(i));
            }
            ValueEmitter result = program.invoke(target, arguments);
            if (method.getResultType() == ValueType.VOID) {
                program.exit();
            } else {
                result.returnValue();
            }
        }
    }

    private static final class Rounding implements WasmIntrinsic {
        private static final Map<String, WasmFloatUnaryOperation> INSTRUCTIONS = Map.of("sqrt", WasmFloatUnaryOperation.SQRT,
                "floor", WasmFloatUnaryOperation.FLOOR, "ceil", WasmFloatUnaryOperation.CEIL, "rint", WasmFloatUnaryOperation.NEAREST);

        @Override
        public boolean isApplicable(MethodReference method) {
            return method.getClassName().equals("java.lang.Math") && INSTRUCTIONS.containsKey(method.getName());
        }

        @Override
        public WasmExpression apply(InvocationExpr invocation, WasmIntrinsicManager manager) {
            WasmFloatUnaryOperation operation = INSTRUCTIONS.get(invocation.getMethod().getName());
            return new WasmFloatUnary(WasmFloatType.FLOAT64, operation, manager.generate(invocation.getArguments().get(0)));
        }
    }
}
