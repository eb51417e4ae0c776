/** SQL on connections that the worker's operator has defined: {@code wasmworker:sql/v1}. */
package dev.wasmworker.sql;
