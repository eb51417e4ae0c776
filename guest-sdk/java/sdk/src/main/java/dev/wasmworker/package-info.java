/**
 * Temporal activities in WebAssembly, for wasmworker. An activity is a static method with {@link dev.wasmworker.ActivityMethod};
 * {@link dev.wasmworker.Activity} is its way to the surroundings.
 */
package dev.wasmworker;
