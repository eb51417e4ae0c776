// The API of activities. Its documentation is in index.d.ts.

import { current, task } from "./internal/current.js";
import { host } from "./internal/host.js";

export { ApplicationFailure, ApplicationFailureCategory, CancelledFailure } from "./errors.js";
export { RawPayload } from "./payload.js";
export { PassthroughError, callJSON } from "./passthrough.js";
export { Errno } from "./internal/abi.js";
export { logger as log } from "./internal/log.js";

export const Context = Object.freeze({ current });

export const inActivityContext = () => task !== undefined;
export const activityInfo = () => current().info;
export const heartbeat = (...details) => current().heartbeat(...details);
export const lastHeartbeat = () => current().details;
export const sleep = (duration) => current().sleep(duration);
export const cancelled = () => current().cancelled;
export const cancellationSignal = () => current().cancellationSignal;
export const isCancelled = () => current().isCancelled;
export const throwIfCancelled = () => current().throwIfCancelled();
export const isWorkerStopping = () => current().isWorkerStopping;

export function env(name) {
  // Not kept: the environment belongs to the instance, and the image of all instances is made of one.
  for (const line of new TextDecoder().decode(host.environ()).split("\0")) {
    if (line.startsWith(`${name}=`)) return line.slice(name.length + 1);
  }
  return undefined;
}
