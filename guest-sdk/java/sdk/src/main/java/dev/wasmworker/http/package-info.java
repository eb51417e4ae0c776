/** HTTP requests by the worker: {@code wasmworker:http/v1}. */
package dev.wasmworker.http;
