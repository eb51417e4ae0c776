/** JSON: values of any shape, and the codecs that turn records into JSON and back. */
package dev.wasmworker.json;
