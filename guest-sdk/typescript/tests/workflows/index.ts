// The sources of the module that workflow.test.js builds.
import {
  ActivityCancellationType, ApplicationFailure, CancellationScope, condition, defineQuery, defineSearchAttributeKey, defineSignal, defineUpdate, getExternalWorkflowHandle, isCancellation,
  log, makeContinueAsNewFunc, ParentClosePolicy, patched, proxyActivities, RawPayload, SearchAttributeType, setDefaultQueryHandler, setHandler, sleep, startChild,
  upsertSearchAttributes, uuid4, workflowInfo,
} from "wasmworker-sdk/workflow";

interface Activities { charge(item: string, amount: number): Promise<{ id: string }> }
const { charge } = proxyActivities<Activities>({
  startToCloseTimeout: "1 minute", heartbeatTimeout: 1500, retry: { maximumAttempts: 3, initialInterval: "2s" }, cancellationType: ActivityCancellationType.WAIT_CANCELLATION_COMPLETED,
});

export async function order(item: string, options: { amount: number }): Promise<string> {
  const { id } = await charge(item, options.amount);
  await sleep("1 minute", { summary: "settle" });
  log.info("charged", { id });
  return `${id} ${workflowInfo().memo.k}`;
}

export const go = defineSignal<[unknown, unknown?]>("go");
export async function everything() {
  const region = defineSearchAttributeKey("Region", SearchAttributeType.KEYWORD);
  const seen: unknown[] = [];
  setHandler(go, (a, b) => { seen.push(a instanceof RawPayload ? a.encoding : a, b instanceof Uint8Array ? [...b] : typeof b); }, { description: "goes on" });
  setHandler(defineQuery<unknown[]>("seen"), () => seen);
  setDefaultQueryHandler((name, ...args) => [name, ...args]);
  setHandler(defineUpdate<string, [string]>("name"), async (name) => {
    await condition(() => seen.length > 0);
    return name.toUpperCase();
  }, { validator: (name) => { if (name === "") throw ApplicationFailure.nonRetryable("a name is missing", "NoName"); } });
  upsertSearchAttributes([{ key: region, value: "eu" }]);
  const child = startChild("python", { args: [1], workflowId: "c", parentClosePolicy: ParentClosePolicy.ABANDON, memo: { a: null }, typedSearchAttributes: [{ key: region, value: "us" }] });
  await (await child).signal("stop", "now");
  await getExternalWorkflowHandle("x", "run").cancel();
  await condition(() => seen.length >= 4);
  return [uuid4().length, patched("p"), workflowInfo().typedSearchAttributes.get(region), await (await child).result()];
}

export async function race(): Promise<string> {
  try {
    return await CancellationScope.withTimeout("5s", async () => (await charge("slow", 1)).id);
  } catch (e) {
    if (!isCancellation(e)) throw e;
    return "in time";
  }
}

export async function next(n: number) { await makeContinueAsNewFunc<typeof next>({ taskQueue: "other", memo: { n } })(n + 1); }
export async function throws(what: "error" | "undefined" | "cycle") {
  if (what === "cycle") return condition(() => { throw ApplicationFailure.retryable("in a condition", "Cond"); });
  throw what === "error" ? new RangeError("a fault") : undefined;
}
export async function bytes(b: Uint8Array, p: RawPayload) { return new RawPayload(b, p.encoding, { ...p.metadata, more: "m" }); }
export type Unused = Activities;
