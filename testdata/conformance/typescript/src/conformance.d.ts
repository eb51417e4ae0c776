declare module "wasmworker:conformance/v1" {
  import type { PassthroughFunction } from "wasmworker-sdk";
  export const upper: PassthroughFunction;
  export const deny: PassthroughFunction;
}
