/**
 * Temporal activities in AssemblyScript, for wasmworker. README.md has the whole of it by example.
 *
 * @packageDocumentation
 */

import * as blob from "./blob";
import * as config from "./config";
import * as http from "./http";
import * as secret from "./secret";
import * as sql from "./sql";

// The host modules that come with wasmworker. What is not used is not imported by the module.
export { blob, config, http, secret, sql };

export { argument, argumentCount, argumentMetadata, Arguments } from "./arguments";
export { end, endWithError, endWithValue } from "./end";
export { now } from "./env";
export { ApplicationFailure, CancelledFailure } from "./errors";
export {
  addHeartbeatDetail, Flag, heartbeat, heartbeatWith, lastHeartbeat, lastHeartbeatCount, sleep, status, stopRequested,
} from "./heartbeat";
export { info, Info, Priority, RetryPolicy } from "./info";
export { JSON } from "./json/index";
export { Kind as JsonKind, Value as JsonValue } from "./json/value";
export { Attributes, log } from "./log";
export { call, callJson, callText, Errno, HostError, HostFunction } from "./passthrough";
export { Payload } from "./payload";
export { fail, ok, Result } from "./result";

// What the transform's code uses.
export { Reader as __Reader } from "./json/reader";
export { Writer as __Writer } from "./json/writer";
