/** Objects in buckets that the worker's operator has defined: {@code wasmworker:blob/v1}. */
package dev.wasmworker.blob;
