// HTTP requests, to the origins that the operator allows: wasmworker:http/v1.

import { exchange } from "./frame";
import { http_send } from "./imports";
import { Reader } from "./json/reader";
import { Value } from "./json/value";
import { Writer } from "./json/writer";
import { fail, ok, Result } from "./result";

/**
 * A request.
 *
 *     const response = new http.Request("https://api.example.com/v1/orders", "POST")
 *       .withHeader("Content-Type", "application/json")
 *       .withHeader("Authorization", "Bearer {{secret:orders}}")
 *       .withText(JSON.stringify(order))
 *       .send();
 */
export class Request {
  private headers: Map<string, Array<string>> = new Map();
  private body: Uint8Array = new Uint8Array(0);
  private timeout: i64 = 0;

  constructor(
    /** `http` or `https`, in ASCII: paths and queries are percent-encoded. At most 8 KiB. */
    readonly url: string,
    /** Case-sensitive. */
    readonly method: string = "GET",
  ) {}

  /**
   * Adds a header, or another value of one. `{{secret:NAME}}` in the value stands for a secret of the operator, which the module itself never
   * sees. The host adds `User-Agent` if it is missing, and what the connection needs; no `Content-Type`.
   */
  withHeader(name: string, value: string): Request {
    if (!this.headers.has(name)) this.headers.set(name, []);
    this.headers.get(name).push(value);
    return this;
  }

  /** Sets the body. At most 8 MiB unless the operator says otherwise. */
  withBody(body: Uint8Array): Request {
    this.body = body;
    return this;
  }

  /** Sets the body to text, in UTF-8. */
  withText(text: string): Request { return this.withBody(Uint8Array.wrap(String.UTF8.encode(text))); }

  /** Limits the time for all of the request. It can shorten what the operator's policy allows, which is the default, and not lengthen it. */
  withTimeout(milliseconds: i64): Request {
    this.timeout = milliseconds;
    return this;
  }

  /**
   * Sends the request and waits for the response. A status of 400 or more is a response like any other. The error is a `HostError`:
   * `EACCES` (the policy denies it; the message says what would allow it), `EINVAL` (the URL, the method or a header), `EMSGSIZE` (URL and headers are above 64 KiB, or a
   * body is above the policy's limit), `ETIMEDOUT`, `ECANCELED` (the activity was interrupted), `EIO` (the server cannot be reached, or does not answer as HTTP has
   * it). After one of the last three the request may have been carried out.
   */
  send(): Result<Response> {
    const w = new Writer();
    w.beginObject();
    w.member("method", this.method);
    w.member("url", this.url);
    w.member("headers", this.headers);
    if (this.timeout > 0) w.member("timeout_ms", this.timeout);
    w.endObject();
    const frame = exchange(http_send, w, this.body);
    const error = frame.error;
    return error ? fail<Response>(error) : ok(new Response(frame.value.head, frame.value.body));
  }
}

/** Sends a request with the method `GET` and without headers. See `Request.send` for the error. */
export function get(url: string): Result<Response> { return new Request(url).send(); }

/** A response, which has arrived as a whole. */
export class Response {
  /** A redirect arrives as the response that it is, unless the operator lets the host follow it. */
  readonly status: i32;

  /** @internal */
  constructor(private head: Value, readonly body: Uint8Array) {
    this.status = <i32>head.get("status").asInteger();
  }

  /** Whether the status is 200 to 299. */
  get ok(): bool { return this.status >= 200 && this.status < 300; }

  /** The value of a header, in any case; the first of several, and empty if there is none. */
  header(name: string): string {
    const values = this.headerValues(name);
    return values.length > 0 ? values[0] : "";
  }

  /** All values of a header, such as `Set-Cookie`. */
  headerValues(name: string): Array<string> {
    const values: Array<string> = [];
    const headers = this.head.get("headers");
    const names = headers.keys();
    const wanted = name.toLowerCase();
    for (let i = 0; i < names.length; i++) {
      if (names[i].toLowerCase() != wanted) continue;
      const list = headers.at(i);
      for (let v = 0; v < list.length; v++) values.push(list.at(v).asString());
    }
    return values;
  }

  /** The body as text, if it is text in UTF-8. */
  get text(): string { return String.UTF8.decodeUnsafe(this.body.dataStart, this.body.length); }

  /** The body as JSON, of any type that JSON has a form for. */
  json<T>(): Result<T> {
    const reader = new Reader(this.body);
    const value = reader.whole<T>();
    return reader.failed ? fail<T>(new Error("the response " + reader.message)) : ok<T>(value);
  }
}
