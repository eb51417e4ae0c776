#!/bin/sh
# The workflow replayer of the Temporal Go SDK does not look at a workflow's result.
#
# Date:      2026-11-30
# Versions:  go.temporal.io/sdk 1.50.0, Go 1.26
# Expected:  A test that replays histories of production fails for code that would have ended the workflow in another way:
#            with another result, another error, or a result where there was an error. The last event of the history has
#            all of it, and the replayer's own message for a mismatch speaks of "the same result as the last event".
# Seen:      ReplayWorkflowHistory returns nil for any result where there was one, even of another type. Where the history
#            ends with a failure it returns nil for whatever the code does in the end. It notices only an error where
#            there was a result. Results have to be compared by the caller, with GetWorkflowResult of the replayer.
set -eu
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
trap 'exit 130' INT TERM
cd "$dir"

cat >main.go <<'GO'
package main

import (
	"errors"
	"fmt"
	"os"
	"strings"

	commonpb "go.temporal.io/api/common/v1"
	enumspb "go.temporal.io/api/enums/v1"
	failurepb "go.temporal.io/api/failure/v1"
	historypb "go.temporal.io/api/history/v1"
	taskqueuepb "go.temporal.io/api/taskqueue/v1"
	"go.temporal.io/sdk/converter"
	"go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"
)

// history is that of a workflow that ended in its first task.
func history(last *historypb.HistoryEvent) *historypb.History {
	queue := &taskqueuepb.TaskQueue{Name: "queue"}
	events := []*historypb.HistoryEvent{
		{EventType: enumspb.EVENT_TYPE_WORKFLOW_EXECUTION_STARTED, Attributes: &historypb.HistoryEvent_WorkflowExecutionStartedEventAttributes{
			WorkflowExecutionStartedEventAttributes: &historypb.WorkflowExecutionStartedEventAttributes{
				WorkflowType: &commonpb.WorkflowType{Name: "price"}, TaskQueue: queue, OriginalExecutionRunId: "run", FirstExecutionRunId: "run", Attempt: 1,
			}}},
		{EventType: enumspb.EVENT_TYPE_WORKFLOW_TASK_SCHEDULED, Attributes: &historypb.HistoryEvent_WorkflowTaskScheduledEventAttributes{
			WorkflowTaskScheduledEventAttributes: &historypb.WorkflowTaskScheduledEventAttributes{TaskQueue: queue, Attempt: 1}}},
		{EventType: enumspb.EVENT_TYPE_WORKFLOW_TASK_STARTED, Attributes: &historypb.HistoryEvent_WorkflowTaskStartedEventAttributes{
			WorkflowTaskStartedEventAttributes: &historypb.WorkflowTaskStartedEventAttributes{ScheduledEventId: 2}}},
		{EventType: enumspb.EVENT_TYPE_WORKFLOW_TASK_COMPLETED, Attributes: &historypb.HistoryEvent_WorkflowTaskCompletedEventAttributes{
			WorkflowTaskCompletedEventAttributes: &historypb.WorkflowTaskCompletedEventAttributes{ScheduledEventId: 2, StartedEventId: 3}}},
		last,
	}
	for i, e := range events {
		e.EventId = int64(i + 1)
	}
	return &historypb.History{Events: events}
}

func completed(result any) *historypb.History {
	payloads, err := converter.GetDefaultDataConverter().ToPayloads(result)
	if err != nil {
		panic(err)
	}
	return history(&historypb.HistoryEvent{EventType: enumspb.EVENT_TYPE_WORKFLOW_EXECUTION_COMPLETED, Attributes: &historypb.HistoryEvent_WorkflowExecutionCompletedEventAttributes{
		WorkflowExecutionCompletedEventAttributes: &historypb.WorkflowExecutionCompletedEventAttributes{Result: payloads, WorkflowTaskCompletedEventId: 4}}})
}

func failed(message string) *historypb.History {
	return history(&historypb.HistoryEvent{EventType: enumspb.EVENT_TYPE_WORKFLOW_EXECUTION_FAILED, Attributes: &historypb.HistoryEvent_WorkflowExecutionFailedEventAttributes{
		WorkflowExecutionFailedEventAttributes: &historypb.WorkflowExecutionFailedEventAttributes{WorkflowTaskCompletedEventId: 4,
			Failure: &failurepb.Failure{Message: message, FailureInfo: &failurepb.Failure_ApplicationFailureInfo{ApplicationFailureInfo: &failurepb.ApplicationFailureInfo{}}}}}})
}

// replay runs a workflow that ends like this against a history.
func replay(h *historypb.History, result int, err error) error {
	replayer := worker.NewWorkflowReplayer()
	replayer.RegisterWorkflowWithOptions(func(workflow.Context) (int, error) { return result, err }, workflow.RegisterOptions{Name: "price"})
	return replayer.ReplayWorkflowHistory(silent{}, h)
}

type silent struct{}

func (silent) Debug(string, ...any) {}
func (silent) Info(string, ...any)  {}
func (silent) Warn(string, ...any)  {}
func (silent) Error(string, ...any) {}

func main() {
	same := true
	for _, c := range []struct {
		name    string
		err     error
		noticed bool
	}{
		{"the result 100, and the code returns 100", replay(completed(100), 100, nil), false},
		{"the result 100, and the code returns -5", replay(completed(100), -5, nil), false},
		{"the result \"a text\", and the code returns 100", replay(completed("a text"), 100, nil), false},
		{"the result 100, and the code fails", replay(completed(100), 0, errors.New("no money")), true},
		{"the failure \"no stock\", and the code fails with \"no money\"", replay(failed("no stock"), 0, errors.New("no money")), false},
		{"the failure \"no stock\", and the code returns 100", replay(failed("no stock"), 100, nil), false},
	} {
		text, _, _ := strings.Cut(fmt.Sprint(c.err), ", resp:")
		fmt.Printf("history has %s: %s\n", c.name, text)
		same = same && (c.err != nil) == c.noticed
	}
	if !same {
		fmt.Println("not as it was seen: only a failure in place of a result is noticed")
		os.Exit(1)
	}
}
GO
GOWORK=off GOFLAGS=
export GOWORK GOFLAGS
go mod init example.com/finding >/dev/null 2>&1
go get go.temporal.io/sdk@v1.50.0 go.temporal.io/api@v1.63.5 >get.log 2>&1 || { cat get.log; exit 1; }
go mod tidy >get.log 2>&1 || { cat get.log; exit 1; }
go build -o finding . && ./finding
