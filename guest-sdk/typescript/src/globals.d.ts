// The globals of an activity, for projects that do not use the types of a browser ("lib": ["DOM"]) or of
// Node.js: in tsconfig.json, "types": ["wasmworker-sdk/globals"]. Everything else is ECMAScript 2023.

interface Console {
  log(...data: unknown[]): void;
  info(...data: unknown[]): void;
  debug(...data: unknown[]): void;
  warn(...data: unknown[]): void;
  error(...data: unknown[]): void;
  trace(...data: unknown[]): void;
  assert(condition?: boolean, ...data: unknown[]): void;
}
/** Each call is one record of the host's log, at the level of its name; `log` is info. */
declare var console: Console;

declare function setTimeout(callback: (...args: any[]) => void, ms?: number, ...args: any[]): number;
declare function setInterval(callback: (...args: any[]) => void, ms?: number, ...args: any[]): number;
declare function clearTimeout(id: number | undefined): void;
declare function clearInterval(id: number | undefined): void;
declare function queueMicrotask(callback: () => void): void;
declare function atob(data: string): string;
declare function btoa(data: string): string;

/** UTF-8. */
interface TextEncoder {
  readonly encoding: string;
  encode(input?: string): Uint8Array;
  encodeInto(input: string, target: Uint8Array): { read: number; written: number };
}
declare var TextEncoder: { new (): TextEncoder };

/** UTF-8 only, and no streams. */
interface TextDecoder {
  readonly encoding: string;
  readonly fatal: boolean;
  readonly ignoreBOM: boolean;
  decode(input?: ArrayBufferView | ArrayBuffer): string;
}
declare var TextDecoder: { new (label?: "utf-8" | "utf8", options?: { fatal?: boolean; ignoreBOM?: boolean }): TextDecoder };

interface AbortSignal {
  readonly aborted: boolean;
  readonly reason: any;
  onabort: ((event: any) => any) | null;
  addEventListener(type: "abort", listener: (event: any) => void, options?: { once?: boolean } | boolean): void;
  removeEventListener(type: "abort", listener: (event: any) => void): void;
  throwIfAborted(): void;
}
declare var AbortSignal: { abort(reason?: any): AbortSignal; timeout(ms: number): AbortSignal; any(signals: AbortSignal[]): AbortSignal };
interface AbortController {
  readonly signal: AbortSignal;
  abort(reason?: any): void;
}
declare var AbortController: { new (): AbortController };

declare var performance: { now(): number; readonly timeOrigin: number };
declare var crypto: { getRandomValues<T extends ArrayBufferView>(view: T): T; randomUUID(): string };
