// The conformance module as an Extism plugin in AssemblyScript: see testdata/conformance/README.md.

import { Config, Host, LogLevel, Memory, Var } from "@extism/as-pdk";
// What the kit declares and has no class for.
import { error_set, free, http_request, length } from "@extism/as-pdk/lib/env";
import { quote, Reader } from "./json";

// What it does not declare.
// @ts-ignore: decorator
@external("extism:host/env", "http_status_code")
declare function http_status_code(): i32;
// @ts-ignore: decorator
@external("extism:host/env", "http_headers")
declare function http_headers(): u64;

/** Where assertions and exceptions end: asconfig.json names it. After it the plugin traps. */
function onAbort(message: string | null, file: string | null, line: u32, column: u32): void {
  setError((message ? message : "abort") + " at " + (file ? file : "?") + ":" + line.toString() + ":" + column.toString());
}

/** What seeds Math.random, named by asconfig.json as well: the compiler would import it from "env", which a host need not have. */
function seed(): f64 {
  random_get(SEED, 8);
  return load<f64>(SEED);
}

const SEED: usize = memory.data(8, 8);

// @ts-ignore: decorator
@external("wasi_snapshot_preview1", "random_get")
declare function random_get(buffer: usize, size: i32): i32;

function setError(text: string): void {
  error_set(Memory.allocateString(text).offset);
}

/** Host.outputString(text) takes the number of UTF-16 units for that of bytes, and cuts off the end of all text that is not ASCII. */
function outputText(text: string): void {
  Host.output(Uint8Array.wrap(String.UTF8.encode(text)));
}

/** The text of a block that the host made, which is given back. */
function take(offset: u64): string {
  const text = new Memory(offset, length(offset)).toString();
  free(offset);
  return text;
}

export function greet(): i32 {
  const person = new Reader(Host.inputString()).strings();
  outputText('{"greeting":' + quote("Hello, " + person.get("name") + "!") + "}");
  return 0;
}

export function nothing(): i32 {
  return 0;
}

export function echo(): i32 {
  Host.output(Host.input());
  return 0;
}

export function fail(): i32 {
  setError("plain text");
  return 1;
}

export function crash(): i32 {
  throw new Error("oh no");
}

export function logs(): i32 {
  Host.log(LogLevel.Warn, new Reader(Host.inputString()).string());
  return 0;
}

let calls = 0;

export function state(): i32 {
  calls++;
  outputText(calls.toString());
  return 0;
}

export function draw(): i32 {
  outputText(quote(Math.random().toString()));
  return 0;
}

export function spin(): i32 {
  while (true) {}
}

// What follows is for the tests of what only plugins have.

/** Returns the value of the name that is the input. */
export function config(): i32 {
  const value = Config.get(Host.inputString());
  outputText(value !== null ? value : "none");
  return 0;
}

/** Returns what it finds in a variable, and sets it to the input. */
export function vars(): i32 {
  const before = Var.getString("v");
  Var.set("v", Host.input());
  const after = Var.getString("v");
  Var.remove("v");
  const removed = Var.getString("v");
  Var.set("v", Host.input());
  outputText((before || "") + "|" + (after || "") + "|" + (removed || ""));
  return 0;
}

/** Sends the input to the URL in the first line of it, and returns status, a header, and body. */
export function http(): i32 {
  const input = Host.inputString();
  const newline = input.indexOf("\n");
  const request = Memory.allocateString('{"method":"POST","url":' + quote(input.substring(0, newline)) + ',"headers":{"X-From":"plugin"}}');
  const body = http_request(request.offset, Memory.allocateString(input.substring(newline + 1)).offset);
  const headers = new Reader(take(http_headers())).strings();
  const header = headers.has("x-to") ? headers.get("x-to") : "";
  outputText('{"body":' + quote(take(body)) + ',"header":' + quote(header) + ',"status":' + http_status_code().toString() + "}");
  return 0;
}
