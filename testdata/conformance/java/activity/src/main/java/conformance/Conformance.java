package conformance;

import dev.wasmworker.PassthroughModule;

/** The passthrough module of the test suite. */
@PassthroughModule(name = "conformance", version = 1)
interface Conformance {
    String upper(String text);

    byte[] deny();
}
