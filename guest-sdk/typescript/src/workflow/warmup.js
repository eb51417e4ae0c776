// Runs a workflow of its own while the module is initialized. What the engine makes when something is used for the first
// time is in the image then, whose pages all runs share, and not in each of them.

import { proxyActivities } from "./activities.js";
import { CancellationScope } from "./scope.js";
import { defineQuery, defineSignal, defineUpdate, setHandler } from "./handlers.js";
import { waitFor } from "./operations.js";
import { sleep } from "./timers.js";

export const INFO = { workflow_id: "w", run_id: "r", workflow_type: "t", task_queue: "q", namespace: "n", start_time: "2026-01-01T00:00:00Z" };
export const NULL = { bytes: [0, 4] };
export const BODY = Uint8Array.of(0x6e, 0x75, 0x6c, 0x6c);

export async function workflow(...args) {
  let gone = false;
  const { first, second } = proxyActivities({ startToCloseTimeout: "1 minute", retry: { maximumAttempts: 2 } });
  setHandler(defineSignal("s"), () => { gone = true; });
  setHandler(defineQuery("q"), () => gone);
  setHandler(defineUpdate("u"), async (x) => x, { validator: () => {} });
  await waitFor(() => gone);
  await Promise.all([first(args), second(new Date().toISOString())]);
  await CancellationScope.cancellable(async () => {
    await Promise.race([sleep("1 second"), first(Math.random())]).catch(() => {});
    CancellationScope.current().cancel();
  });
  return args;
}

/** Lets everything go on that can. */
export async function settle() {
  for (let i = 0; i < 100; i++) await null;
}
