// See http.d.ts.

import { send } from "wasmworker:http/v1";
import { milliseconds } from "./errors.js";
import { bytesOf, exchange } from "./internal/frame.js";

// The Fetch standard lets these be written in small letters, and no others.
const METHODS = /^(DELETE|GET|HEAD|OPTIONS|POST|PUT)$/i;

/** Not the global fetch, which a module does not have: it is named so because it is used in the same way. */
export async function fetch(url, { method = "GET", headers, body, timeout } = {}) {
  const request = { method: METHODS.test(method) ? method.toUpperCase() : method, url: String(url), headers: values(headers) };
  if (timeout !== undefined) request.timeout_ms = milliseconds(timeout);
  const response = exchange(send, request, body === undefined || body === null ? "" : bytesOf(body, "a request's body"));
  return new Response(response.head, response.body);
}

// name -> all its values. Without a prototype, since any name may come.
function values(headers = {}) {
  const all = Object.create(null);
  for (const [name, value] of typeof headers[Symbol.iterator] === "function" ? headers : Object.entries(headers)) {
    (all[name] ??= []).push(...[value].flat().map(String));
  }
  return all;
}

class Response {
  #body;

  constructor({ status, headers = {} }, body) {
    this.status = status;
    this.ok = status >= 200 && status < 300;
    this.headers = new Headers(headers);
    this.#body = body;
  }

  async bytes() { return this.#body; }

  async arrayBuffer() { return this.#body.slice().buffer; }

  async text() { return new TextDecoder().decode(this.#body); }

  async json() { return JSON.parse(await this.text()); }
}

class Headers {
  #values;

  constructor(headers) { this.#values = new Map(Object.entries(headers).map(([name, list]) => [name.toLowerCase(), list])); }

  get(name) { return this.#values.get(name.toLowerCase())?.join(", ") ?? null; }

  getSetCookie() { return [...(this.#values.get("set-cookie") ?? [])]; }

  has(name) { return this.#values.has(name.toLowerCase()); }

  * [Symbol.iterator]() {
    for (const [name, list] of this.#values) yield [name, list.join(", ")];
  }
}
