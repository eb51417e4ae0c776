// Workflows for the tests of the host: one for each thing that a workflow can do. The activities that they call are `echo`, which returns
// its argument (`Echo` of a module does so as a local one), `fail`, which fails with type `Declined` and is not retried, and `hang`, which ends when it is cancelled.

import {
  allHandlersFinished, ApplicationFailure, ActivityFailure, CancellationScope, condition, continueAsNew, currentUpdateInfo, defineQuery, defineSignal, defineUpdate,
  executeChild, getExternalWorkflowHandle, isCancellation, log, patched, proxyActivities, proxyLocalActivities, setCurrentDetails, setDefaultSignalHandler, setHandler,
  sleep, startChild, Trigger, upsertMemo, uuid4, workflowInfo,
} from "wasmworker-sdk/workflow";

interface Activities {
  echo<T>(value: T): T;
  fail(): void;
  hang(): Promise<void>;
}

const { fail, hang } = proxyActivities<Activities>({ startToCloseTimeout: "10s" });
const echo = <T>(value: T): Promise<T> => proxyActivities<Activities>({ startToCloseTimeout: "10s" }).echo(value) as Promise<T>;
const local = proxyLocalActivities<{ Echo(value: string): string }>({ startToCloseTimeout: "5s" });

export const approve = defineSignal<[string]>("approve");
export const step = defineQuery<string>("step");

/** Everything together: activities one after the other and at once, a race with a timer, a signal, a query and random numbers. */
export async function TypeScriptOrder(order: { item: string; amount: number }) {
  let now = "charging";
  const approved = new Trigger<string>();
  setHandler(step, () => now);
  setHandler(approve, (by) => approved.resolve(by));

  const item = await echo(order.item);
  const half = Math.floor(order.amount / 2);
  const charged = await Promise.all([echo(half), echo(order.amount - half)]);
  const first = await CancellationScope.cancellable(async () => {
    const winner = await Promise.race([echo("activity"), sleep("1 minute").then(() => "timer")]);
    CancellationScope.current().cancel();
    return winner;
  });
  await sleep(10);
  now = "waiting for approval";
  const approvedBy = await approved;
  now = "done";
  log.info("the order is approved", { by: approvedBy });
  return { item, charged, first, approved_by: approvedBy, id: uuid4(), dice: Math.random(), at: new Date().toISOString() };
}
