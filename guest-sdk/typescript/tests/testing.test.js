import assert from "node:assert/strict";
import test from "node:test";
import * as sdk from "../src/index.js";
import { passthroughFunction } from "../src/passthrough.js";
import { MockActivityEnvironment } from "../src/testing.js";

test("information, logs and environment", async () => {
  const env = new MockActivityEnvironment({ attempt: 3, activityType: "t", workflowExecution: { workflowId: "w", runId: "r" }, env: { A: "1=2" } });
  const result = await env.run((x) => {
    sdk.log.warn("w", { x, big: 1n });
    const { attempt, activityType, inWorkflow, workflowExecution, heartbeatDetails } = sdk.activityInfo();
    return { attempt, activityType, inWorkflow, workflowExecution, heartbeatDetails, a: sdk.env("A"), b: sdk.env("B") };
  }, 7);
  assert.deepEqual(result, { attempt: 3, activityType: "t", inWorkflow: true, workflowExecution: { workflowId: "w", runId: "r" }, heartbeatDetails: undefined, a: "1=2", b: undefined });
  assert.deepEqual(env.logs, [{ level: "WARN", message: "w", meta: { x: 7, big: "1" } }]);
});

test("heartbeats and resuming", async () => {
  const env = new MockActivityEnvironment({ heartbeatDetails: [5, "b", new Uint8Array([1])] });
  const seen = [];
  env.on("heartbeat", (...details) => seen.push(details));
  assert.deepEqual(await env.run(() => {
    sdk.heartbeat();
    sdk.heartbeat({ at: 6 }, undefined);
    return [sdk.activityInfo().heartbeatDetails, ...sdk.lastHeartbeat()];
  }), [5, 5, "b", new Uint8Array([1])]);
  assert.deepEqual(seen, [[], [{ at: 6 }, undefined]]);
  assert.deepEqual(env.heartbeats, seen);
});

test("details of several encodings", async () => {
  const last = (...heartbeatDetails) => new MockActivityEnvironment({ heartbeatDetails }).run(() => sdk.lastHeartbeat());
  const raw = (data, encoding, metadata) => new sdk.RawPayload(data, encoding, metadata);
  assert.deepEqual(await last(raw('{"at":6}', "json/protobuf", { messageType: "acme.At" }), raw("7", ""), raw("x")), [{ at: 6 }, 7, new Uint8Array([120])]);
  for (const encoding of ["binary/encrypted", "binary/protobuf", "json/plain+zlib"]) {
    await assert.rejects(last(1, raw("7", encoding)),
      { type: "InvalidInput", nonRetryable: true, message: `detail 2 of the last heartbeat has the encoding "${encoding}", which cannot be decoded` });
  }
});

test("cancellation", async () => {
  for (const reason of ["CANCELLED", "PAUSED", "RESET", "GONE", "WORKER_SHUTDOWN"]) {
    const env = new MockActivityEnvironment();
    const started = Date.now();
    setTimeout(() => env.cancel(reason), 5);
    let signalled;
    await assert.rejects(env.run(async () => {
      sdk.cancellationSignal().addEventListener("abort", (e) => { signalled = e.target.reason.message; });
      assert.equal(sdk.isCancelled(), false);
      sdk.throwIfCancelled();
      await sdk.sleep("1 minute");
    }), { name: "CancelledFailure", message: reason });
    assert.equal(signalled, reason);
    assert.ok(Date.now() - started < 10_000);
    await env.run(async () => {
      assert.equal(sdk.isCancelled(), true);
      assert.equal(sdk.isWorkerStopping(), reason === "WORKER_SHUTDOWN");
      assert.throws(() => sdk.throwIfCancelled(), { message: reason });
      await assert.rejects(sdk.cancelled(), { message: reason });
      assert.equal(sdk.cancellationSignal().aborted, true);
    });
  }
});

test("passthrough", async () => {
  const upper = passthroughFunction("wasmworker:test/v1", "upper", 0);
  const deny = passthroughFunction("wasmworker:test/v1", "deny", 1);
  const none = passthroughFunction("wasmworker:test/v1", "none", 2);
  const env = new MockActivityEnvironment({ passthrough: { "wasmworker:test/v1": {
    upper: (request) => new TextDecoder().decode(request).toUpperCase(),
    deny: () => { throw new sdk.PassthroughError(sdk.Errno.EACCES, "the policy says no"); },
  } } });
  await env.run(() => {
    assert.equal(new TextDecoder().decode(upper("größe")), "GRÖSSE");
    assert.equal(upper().length, 0);
    assert.deepEqual(sdk.callJSON(upper, { a: 1 }), { A: 1 });
    assert.throws(() => deny(), { name: "PassthroughError", errno: 2, code: "EACCES", message: "the policy says no" });
    assert.throws(() => none(), { code: "ENOSYS" });
    assert.throws(() => upper(7), TypeError);
  });
  assert.throws(() => upper("x"), /by an activity only/);
});

test("outside an activity", async () => {
  assert.equal(sdk.inActivityContext(), false);
  assert.throws(() => sdk.activityInfo(), /no activity/);
  let context;
  await new MockActivityEnvironment().run(() => { context = sdk.Context.current(); });
  assert.throws(() => context.heartbeat(), /has ended/);
});
