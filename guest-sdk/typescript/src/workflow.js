// The API of workflows. Its documentation is in workflow.d.ts.

import { CancellationScope } from "./workflow/scope.js";
import { waitFor } from "./workflow/operations.js";
import { run } from "./workflow/state.js";
import { sleep } from "./workflow/timers.js";

export { RawPayload } from "./payload.js";
export { logger as log } from "./internal/log.js";
export {
  ActivityCancellationType, proxyActivities, proxyLocalActivities, scheduleActivity, scheduleLocalActivity,
} from "./workflow/activities.js";
export {
  ChildWorkflowCancellationType, continueAsNew, executeChild, getExternalWorkflowHandle, makeContinueAsNewFunc, ParentClosePolicy, startChild, uuid4, WorkflowIdReusePolicy,
} from "./workflow/children.js";
export {
  ActivityFailure, ApplicationFailure, ApplicationFailureCategory, CancelledFailure, ChildWorkflowFailure, ContinueAsNew, isCancellation, rootCause, ServerFailure,
  TemporalFailure, TerminatedFailure, TimeoutFailure,
} from "./workflow/failures.js";
export {
  allHandlersFinished, currentUpdateInfo, defineQuery, defineSignal, defineUpdate, HandlerUnfinishedPolicy, setDefaultQueryHandler, setDefaultSignalHandler,
  setDefaultUpdateHandler, setHandler,
} from "./workflow/handlers.js";
export {
  defineSearchAttributeKey, deprecatePatch, getCurrentDetails, patched, SearchAttributeType, setCurrentDetails, TypedSearchAttributes, upsertMemo,
  upsertSearchAttributes, workflowInfo,
} from "./workflow/info.js";
export { Trigger } from "./workflow/trigger.js";
export { CancellationScope, sleep };

export const inWorkflowContext = () => run !== undefined;

export function condition(f, timeout) {
  if (timeout === undefined) return waitFor(f);
  return CancellationScope.cancellable(async () => {
    try {
      return await Promise.race([waitFor(f).then(() => true), sleep(timeout).then(() => false)]);
    } finally {
      CancellationScope.current().cancel(); // whichever of both is left
    }
  });
}
