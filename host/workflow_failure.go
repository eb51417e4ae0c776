package host

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	commonpb "go.temporal.io/api/common/v1"
	enumspb "go.temporal.io/api/enums/v1"
	failurepb "go.temporal.io/api/failure/v1"
	"go.temporal.io/sdk/converter"
	bindings "go.temporal.io/sdk/internalbindings"
	"go.temporal.io/sdk/temporal"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/wasmworker/wasmworker/abi"
)

// Kinds of failures.
const (
	kindApplication = "application"
	kindCanceled    = "canceled"
	kindTimeout     = "timeout"
	kindActivity    = "activity"
	kindChild       = "child"
	kindTerminated  = "terminated"
	kindServer      = "server"
	kindNexus       = "nexus"
)

// info is what a run is told of itself.
func (f *frameWriter) info(env bindings.WorkflowEnvironment, namespace string) (*abi.WorkflowInfo, error) {
	in := env.WorkflowInfo()
	out := &abi.WorkflowInfo{
		WorkflowID:       in.WorkflowExecution.ID,
		RunID:            in.WorkflowExecution.RunID,
		FirstRunID:       in.FirstRunID,
		OriginalRunID:    in.OriginalRunID,
		WorkflowType:     in.WorkflowType.Name,
		TaskQueue:        in.TaskQueueName,
		Namespace:        namespace,
		Attempt:          in.Attempt,
		StartTime:        in.WorkflowStartTime.UTC(),
		ExecutionTimeout: abi.Milliseconds(in.WorkflowExecutionTimeout),
		RunTimeout:       abi.Milliseconds(in.WorkflowRunTimeout),
		TaskTimeout:      abi.Milliseconds(in.WorkflowTaskTimeout),
		CronSchedule:     in.CronSchedule,
		ContinuedRunID:   in.ContinuedExecutionRunID,
	}
	if p := in.ParentWorkflowExecution; p != nil {
		out.Parent = &abi.WorkflowExecution{WorkflowID: p.ID, RunID: p.RunID, Namespace: in.ParentWorkflowNamespace}
	}
	if p := in.RootWorkflowExecution; p != nil {
		out.Root = &abi.WorkflowExecution{WorkflowID: p.ID, RunID: p.RunID}
	}
	out.RetryPolicy, out.Priority = guestRetryPolicy(in.RetryPolicy), guestPriority(in.Priority)
	if fields := in.Memo.GetFields(); len(fields) > 0 {
		out.Memo = map[string]*abi.WorkflowPayload{}
		for _, name := range slices.Sorted(maps.Keys(fields)) {
			var err error
			if out.Memo[name], err = f.payload(fields[name]); err != nil {
				return nil, fmt.Errorf("memo %q: %w", name, err)
			}
		}
	}
	//lint:ignore SA1019 the guest gets all of them, also those of types that the SDK does not know
	if fields := in.SearchAttributes.GetIndexedFields(); len(fields) > 0 {
		out.SearchAttributes = map[string]*abi.WorkflowSearchAttribute{}
		for _, name := range slices.Sorted(maps.Keys(fields)) {
			p := proto.CloneOf(fields[name])
			attribute := &abi.WorkflowSearchAttribute{Type: string(p.Metadata["type"])}
			delete(p.Metadata, "type")
			attribute.Value = f.add(p)
			out.SearchAttributes[name] = attribute
		}
	}
	if last := first(bindings.GetLastCompletionResult(env)); last != nil {
		var err error
		if out.LastResult, err = f.payload(last); err != nil {
			return nil, fmt.Errorf("the last result: %w", err)
		}
	}
	return out, nil
}

// failure adds a failure of Temporal's.
func (f *frameWriter) failure(in *failurepb.Failure) (*abi.WorkflowFailure, error) {
	if in.GetEncodedAttributes() != nil {
		in = proto.CloneOf(in)
		converter.DecodeCommonFailureAttributes(f.converter, in)
	}
	out := &abi.WorkflowFailure{Kind: kindApplication, Message: in.GetMessage(), StackTrace: in.GetStackTrace()}
	var details *commonpb.Payloads
	switch {
	case in.GetApplicationFailureInfo() != nil:
		info := in.GetApplicationFailureInfo()
		out.Type, out.NonRetryable, details = info.GetType(), info.GetNonRetryable(), info.GetDetails()
		out.NextRetryDelay = abi.Milliseconds(info.GetNextRetryDelay().AsDuration())
		if info.GetCategory() == enumspb.APPLICATION_ERROR_CATEGORY_BENIGN {
			out.Category = abi.CategoryBenign
		}
	case in.GetCanceledFailureInfo() != nil:
		out.Kind, details = kindCanceled, in.GetCanceledFailureInfo().GetDetails()
	case in.GetTimeoutFailureInfo() != nil:
		info := in.GetTimeoutFailureInfo()
		out.Kind, out.TimeoutType, details = kindTimeout, timeoutTypes[info.GetTimeoutType()], info.GetLastHeartbeatDetails()
	case in.GetTerminatedFailureInfo() != nil:
		out.Kind = kindTerminated
	case in.GetServerFailureInfo() != nil:
		out.Kind, out.NonRetryable = kindServer, in.GetServerFailureInfo().GetNonRetryable()
	case in.GetResetWorkflowFailureInfo() != nil:
		out.Kind, details = kindServer, in.GetResetWorkflowFailureInfo().GetLastHeartbeatDetails()
	case in.GetActivityFailureInfo() != nil:
		info := in.GetActivityFailureInfo()
		out.Kind, out.ActivityType, out.ActivityID, out.RetryState = kindActivity, info.GetActivityType().GetName(), info.GetActivityId(), retryStates[info.GetRetryState()]
	case in.GetChildWorkflowExecutionFailureInfo() != nil:
		info := in.GetChildWorkflowExecutionFailureInfo()
		out.Kind, out.WorkflowType, out.RetryState = kindChild, info.GetWorkflowType().GetName(), retryStates[info.GetRetryState()]
		out.WorkflowID, out.RunID = info.GetWorkflowExecution().GetWorkflowId(), info.GetWorkflowExecution().GetRunId()
	case in.GetNexusOperationExecutionFailureInfo() != nil, in.GetNexusHandlerFailureInfo() != nil:
		out.Kind = kindNexus
	}
	var err error
	if out.Details, err = f.payloads(details); err != nil {
		return nil, err
	}
	if in.GetCause() != nil {
		if out.Cause, err = f.failure(in.GetCause()); err != nil {
			return nil, err
		}
	}
	return out, nil
}

var timeoutTypes = map[enumspb.TimeoutType]string{
	enumspb.TIMEOUT_TYPE_START_TO_CLOSE: "start_to_close", enumspb.TIMEOUT_TYPE_SCHEDULE_TO_START: "schedule_to_start",
	enumspb.TIMEOUT_TYPE_SCHEDULE_TO_CLOSE: "schedule_to_close", enumspb.TIMEOUT_TYPE_HEARTBEAT: "heartbeat",
}

var retryStates = map[enumspb.RetryState]string{
	enumspb.RETRY_STATE_IN_PROGRESS: "in_progress", enumspb.RETRY_STATE_NON_RETRYABLE_FAILURE: "non_retryable_failure",
	enumspb.RETRY_STATE_TIMEOUT: "timeout", enumspb.RETRY_STATE_MAXIMUM_ATTEMPTS_REACHED: "maximum_attempts_reached",
	enumspb.RETRY_STATE_RETRY_POLICY_NOT_SET: "retry_policy_not_set", enumspb.RETRY_STATE_INTERNAL_SERVER_ERROR: "internal_server_error",
	enumspb.RETRY_STATE_CANCEL_REQUESTED: "cancel_requested",
}

// key returns the key of a value.
func key[K comparable](m map[K]string, value string) (zero K) {
	for k, v := range m {
		if v == value {
			return k
		}
	}
	return zero
}

// errorOf makes an error of a guest's failure, with which the SDK reports it as it is. A
// failure that cannot be made becomes one about that.
func (r *workflowRun) errorOf(f *abi.WorkflowFailure, body []byte) error {
	failure, err := r.failurepb(f, body, 0)
	if err != nil {
		return temporal.NewNonRetryableApplicationError(fmt.Sprintf("workflow %s failed, and the failure cannot be reported: %v", r.workflow.Type, err), abi.TypeProtocolError, err)
	}
	return r.env.GetFailureConverter().FailureToError(failure)
}

func (r *workflowRun) failurepb(f *abi.WorkflowFailure, body []byte, depth int) (*failurepb.Failure, error) {
	if depth > abi.MaxCauseDepth {
		return nil, nil
	}
	if f.Category != "" && f.Category != abi.CategoryBenign {
		return nil, fmt.Errorf("the category %q is neither empty nor %q", f.Category, abi.CategoryBenign)
	}
	if f.NextRetryDelay < 0 {
		return nil, errors.New("next_retry_delay_ms is negative")
	}
	details, err := r.encodeAll(f.Details, body)
	if err != nil {
		return nil, err
	}
	out := &failurepb.Failure{Message: f.Message, StackTrace: f.StackTrace}
	switch f.Kind {
	case "", kindApplication:
		info := &failurepb.ApplicationFailureInfo{Type: f.Type, NonRetryable: f.NonRetryable, Details: details}
		if f.NextRetryDelay > 0 {
			info.NextRetryDelay = durationpb.New(time.Duration(f.NextRetryDelay))
		}
		if f.Category == abi.CategoryBenign {
			info.Category = enumspb.APPLICATION_ERROR_CATEGORY_BENIGN
		}
		out.FailureInfo = &failurepb.Failure_ApplicationFailureInfo{ApplicationFailureInfo: info}
	case kindCanceled:
		out.FailureInfo = &failurepb.Failure_CanceledFailureInfo{CanceledFailureInfo: &failurepb.CanceledFailureInfo{Details: details}}
	case kindTimeout:
		out.FailureInfo = &failurepb.Failure_TimeoutFailureInfo{TimeoutFailureInfo: &failurepb.TimeoutFailureInfo{TimeoutType: key(timeoutTypes, f.TimeoutType), LastHeartbeatDetails: details}}
	case kindTerminated:
		out.FailureInfo = &failurepb.Failure_TerminatedFailureInfo{TerminatedFailureInfo: &failurepb.TerminatedFailureInfo{}}
	case kindServer:
		out.FailureInfo = &failurepb.Failure_ServerFailureInfo{ServerFailureInfo: &failurepb.ServerFailureInfo{NonRetryable: f.NonRetryable}}
	case kindActivity:
		out.FailureInfo = &failurepb.Failure_ActivityFailureInfo{ActivityFailureInfo: &failurepb.ActivityFailureInfo{
			ActivityType: &commonpb.ActivityType{Name: f.ActivityType}, ActivityId: f.ActivityID, RetryState: key(retryStates, f.RetryState),
		}}
	case kindChild:
		out.FailureInfo = &failurepb.Failure_ChildWorkflowExecutionFailureInfo{ChildWorkflowExecutionFailureInfo: &failurepb.ChildWorkflowExecutionFailureInfo{
			Namespace: r.env.WorkflowInfo().Namespace, WorkflowType: &commonpb.WorkflowType{Name: f.WorkflowType},
			WorkflowExecution: &commonpb.WorkflowExecution{WorkflowId: f.WorkflowID, RunId: f.RunID}, RetryState: key(retryStates, f.RetryState),
		}}
	case kindNexus:
		out.FailureInfo = &failurepb.Failure_ApplicationFailureInfo{ApplicationFailureInfo: &failurepb.ApplicationFailureInfo{Type: "NexusFailure"}}
	default:
		return nil, fmt.Errorf("the kind %q of failure is unknown", f.Kind)
	}
	if f.Cause != nil {
		if out.Cause, err = r.failurepb(f.Cause, body, depth+1); err != nil {
			return nil, err
		}
	}
	return out, nil
}
