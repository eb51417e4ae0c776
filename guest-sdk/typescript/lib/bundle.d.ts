/** An error of the sources. Its message is all there is to say: places and what is wrong there. */
export declare class BundleError extends Error {}

export interface BundleOptions {
  /** The path of the entry module. Each function that it exports becomes an activity, or a workflow if the sources import `wasmworker-sdk/workflow`. */
  entry: string;
  /** Refuse sources with type errors. Default `true`. */
  check?: boolean;
  /** Make the script smaller; stack traces then name no useful lines. Default `false`. */
  minify?: boolean;
  /** Run the module's initialization once, to find errors at the top level of the sources. Default `true`. */
  tryOut?: boolean;
}

export interface BundleResult {
  wasm: Uint8Array;
  /** The names of the activities. */
  activities: string[];
  /** The names of the workflows. A module has either. */
  workflows: string[];
  /** The host modules that an operator has to grant. */
  imports: string[];
  warnings: string[];
}

/** Builds a module for wasmworker. The command `wasmworker-bundle` does this, too. */
export declare function bundle(options: BundleOptions): Promise<BundleResult>;
