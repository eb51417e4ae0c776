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

const { fail } = proxyActivities<Activities>({ startToCloseTimeout: "10s" });
const { hang } = proxyActivities<Activities>({ startToCloseTimeout: "3s" }); // nobody tells it that it was cancelled
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

/** Calls an activity so often, one call after the other. */
export async function TypeScriptLoop(times: number) {
  let sum = 0;
  for (let n = 0; n < times; n++) sum += await echo(n);
  return sum;
}

export const add = defineUpdate<number, [number]>("add");
export const addSignal = defineSignal<[number]>("add");
export const end = defineSignal("end");
export const total = defineQuery<number>("total");

/** A counter, by updates with a validator and by signals, that ends when it is told to. */
export async function TypeScriptCounter(start: number) {
  let sum = start;
  let done = false;
  const updates: string[] = [];
  setHandler(add, async (n) => {
    n = await echo(n);
    updates.push(currentUpdateInfo()!.name); // known after it has waited, too
    if (n === 13) throw ApplicationFailure.nonRetryable("13 is not added", "Unlucky");
    return (sum += n);
  }, {
    description: "adds a number",
    validator: (n) => { if (n < 0) throw ApplicationFailure.nonRetryable("only what is positive can be added", "Negative"); },
  });
  setHandler(total, () => {
    sum = sum + 0; // a write that is undone
    return sum;
  });
  setHandler(defineQuery<unknown>("begins"), () => echo(1));
  setHandler(addSignal, (n) => { sum += n; });
  setHandler(end, () => { done = true; });
  await condition(() => done && allHandlersFinished());
  if (updates.some((name) => name !== "add")) throw new Error(`updates: ${updates}`);
  return sum;
}

/** Cleans up after it was cancelled. */
export async function TypeScriptCancelled() {
  let cleaned = "";
  setHandler(defineQuery<string>("cleaned"), () => cleaned);
  try {
    await hang();
  } catch (e) {
    if (!isCancellation(e)) throw e;
    cleaned = await CancellationScope.nonCancellable(() => echo("cleaned up"));
    throw e;
  }
}

/** Scopes in each other: what each of them was told. */
export async function TypeScriptScopes() {
  const told: string[] = [];
  const note = (name: string) => (e: unknown) => { told.push(`${name}: ${isCancellation(e)}`); };
  await CancellationScope.withTimeout(20, async () => { await hang(); }).catch(note("timeout"));
  const outer = new CancellationScope();
  const waiting = outer.run(async () => {
    await echo("inside");
    const inner = CancellationScope.cancellable(() => sleep("1 hour")).catch(note("inner"));
    const shielded = CancellationScope.nonCancellable(async () => {
      await sleep(30);
      told.push("shielded");
    });
    await Promise.all([inner, shielded, condition(() => false).catch(note("condition"))]);
    await echo("too late");
  });
  await sleep(10);
  outer.cancel();
  await waiting.catch(note("outer"));
  told.push(`root: ${CancellationScope.current().consideredCancelled}`, `condition: ${await condition(() => false, 10)}`, `now: ${await condition(() => true, 10)}`);
  for await (const n of numbers()) told.push(`number ${n}`);
  return told;
}

async function* numbers() {
  for (let n = 0; n < 2; n++) {
    await new Promise((resolve) => setTimeout(resolve, 5));
    yield n;
  }
}

/** Timers of JavaScript. */
export async function TypeScriptTimers() {
  const seen: string[] = [];
  const from = Date.now();
  setTimeout((x: string) => seen.push(x), 200, "b");
  setTimeout(() => seen.push("a"), 20);
  clearTimeout(setTimeout(() => seen.push("never"), 40));
  await new Promise<void>((resolve) => {
    const every = setInterval(() => {
      seen.push(".");
      if (seen.filter((s) => s === ".").length < 2) return;
      clearInterval(every);
      resolve();
    }, 50);
  });
  await condition(() => seen.includes("b"));
  return [seen.join(""), Date.now() - from >= 200];
}

/** Fails as it is told. */
export async function TypeScriptFails(how: "activity" | "application" | "wrapped" | "error" | "unhandled") {
  switch (how) {
    case "activity": return fail();
    case "application": throw ApplicationFailure.create({ message: "it is bad", type: "Bad", nonRetryable: true, details: [1, { two: 2 }] });
    case "wrapped":
      try {
        return await fail();
      } catch (e) {
        const { cause } = e as ActivityFailure;
        throw ApplicationFailure.create({ message: "an activity failed", type: `Wrapped${(cause as ApplicationFailure).type}${(cause as ApplicationFailure).details![0]}`, cause: e as Error });
      }
    case "unhandled":
      void Promise.reject(new RangeError("nobody waits"));
      return sleep("1 hour");
    default: throw new TypeError("out of order");
  }
}

/** Has a child, signals it, and gives back what the child returns. */
export async function TypeScriptParent(start: number) {
  const child = await startChild(TypeScriptCounter, { args: [start] });
  log.info("the child has started", { id: child.workflowId, run: child.firstExecutionRunId });
  await child.signal(addSignal, 2);
  await child.signal("end");
  const failed = await executeChild(TypeScriptFails, { args: ["application"] }).catch((e) => e.cause.type);
  return [await child.result(), failed, await executeChild(TypeScriptPatched)];
}

/** Goes on in new runs. */
export async function TypeScriptContinues(left: number, sum: number): Promise<number> {
  if (left === 0) return sum;
  await sleep(1);
  return continueAsNew<typeof TypeScriptContinues>(left - 1, sum + left);
}

/** Shows something of itself, and signals another workflow. */
export async function TypeScriptShown(other: string) {
  upsertMemo({ tenant: "acme" });
  setCurrentDetails("halfway");
  const text = await local.Echo("local");
  await getExternalWorkflowHandle(other).signal(addSignal, 1);
  const { workflowType, taskQueue, memo, attempt, startTime } = workflowInfo();
  return [text, workflowType, taskQueue !== "", memo.tenant, attempt, Math.abs(Date.now() - startTime.getTime()) < 3_600_000];
}

/** Takes whatever signal comes, before and after it listens. */
export async function TypeScriptDefault() {
  const got: unknown[] = [];
  await sleep(100);
  setDefaultSignalHandler(async (name, ...args) => { got.push(name, ...args); });
  await condition(() => got.length >= 4);
  return got;
}

/** Code that was changed. */
export async function TypeScriptPatched() {
  return patched("second") ? "new" : "old";
}
