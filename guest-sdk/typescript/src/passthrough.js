import { Errno } from "./internal/abi.js";
import { host } from "./internal/host.js";

const names = Object.fromEntries(Object.entries(Errno).map(([name, number]) => [number, name]));

export class PassthroughError extends Error {
  constructor(errno, message) {
    super(message);
    this.name = "PassthroughError";
    this.errno = errno;
    this.code = names[errno] ?? `errno ${errno}`;
  }
}

/** What `import { name } from "wasmworker:…"` gives; the bundler calls this. */
export function passthroughFunction(module, name, index) {
  const f = (request = "") => {
    if (host === undefined) throw new Error(`${name} of ${module} can be called by an activity only`);
    const bytes = typeof request === "string" ? (request.isWellFormed() ? request : request.toWellFormed()) : request;
    if (typeof bytes !== "string" && !(bytes instanceof Uint8Array)) throw new TypeError(`${name} of ${module}: a request is text or an Uint8Array`);
    const response = host.passthrough(index, bytes, module, name); // tests go by the names
    if (typeof response === "number") throw new PassthroughError(-response, host.lastError());
    return response;
  };
  Object.defineProperty(f, "name", { value: name });
  return f;
}

export function callJSON(f, request) {
  const response = f(request === undefined ? "" : JSON.stringify(request));
  return response.length === 0 ? undefined : JSON.parse(new TextDecoder().decode(response));
}
