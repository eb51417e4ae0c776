/** Activities in a JVM, for tests. */
package dev.wasmworker.testing;
