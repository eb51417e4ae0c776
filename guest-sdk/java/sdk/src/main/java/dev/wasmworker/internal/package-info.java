/** For the SDK and generated code; may change at any time. */
package dev.wasmworker.internal;
