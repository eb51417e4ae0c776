package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	enumspb "go.temporal.io/api/enums/v1"
	"google.golang.org/protobuf/proto"

	"github.com/wasmworker/wasmworker/host"
	"github.com/wasmworker/wasmworker/host/replay/cases"
	"github.com/wasmworker/wasmworker/host/replay/workflows"
)

const (
	// historySuffix is the end of the names of histories that are recorded.
	historySuffix = ".history.json"
	// maxHistory is how many bytes a history may have to be recorded.
	maxHistory = 8 << 20
	// historyPatience is how long the server may take to close a run, and to give its history.
	historyPatience = time.Minute
)

// workflowEnded is called with each run of a workflow that ends. It does not block: the
// history is fetched once the server has closed the run.
func (r *recorder) workflowEnded(end host.WorkflowEnd) {
	kind := cmp.Or(end.Outcome, "failed")
	number := r.next("workflow "+end.Workflow.Type, kind)
	if number == 0 {
		return
	}
	r.writing.Go(func() {
		ctx, cancel := context.WithTimeout(context.Background(), historyPatience)
		defer cancel()
		path, err := r.writeHistory(ctx, end, kind, number)
		if err != nil {
			r.logger.Warn("a workflow's history was not recorded", "workflow", end.Workflow.Type, "workflow_id", end.WorkflowID, "run_id", end.RunID, "error", err)
		} else if path != "" {
			r.logger.Info("recorded a workflow's history", "workflow", end.Workflow.Type, "file", path)
		}
	})
}

// writeHistory writes the history of a run and returns the file's path. It returns "" if
// the file exists, which then is from an earlier run of the worker.
func (r *recorder) writeHistory(ctx context.Context, end host.WorkflowEnd, kind string, number int) (string, error) {
	secrets, err := known(r.secrets)
	if err != nil {
		return "", err
	}
	file := end.Workflow.Module.File()
	path := filepath.Join(r.directory, fmt.Sprintf("%s.%s.%.8s.%d%s", safeInName(end.Workflow.Type), safeInName(secrets.Redact(kind)), file.Digest, number, historySuffix))
	if _, err := os.Lstat(path); err == nil {
		return "", nil
	}
	history := &workflows.History{Recording: &workflows.Recording{
		Namespace: end.Namespace, WorkflowID: end.WorkflowID, RunID: end.RunID, Module: file.Name, Digest: file.Digest, States: end.States,
	}}
	temporal := r.client()
	// The close event comes when the server has the end, which the worker reports only now.
	closed := temporal.GetWorkflowHistory(ctx, end.WorkflowID, end.RunID, true, enumspb.HISTORY_EVENT_FILTER_TYPE_CLOSE_EVENT)
	if !closed.HasNext() {
		return "", errors.New("the server has not closed the run")
	}
	if _, err := closed.Next(); err != nil {
		return "", err
	}
	size := 0
	for all := temporal.GetWorkflowHistory(ctx, end.WorkflowID, end.RunID, false, enumspb.HISTORY_EVENT_FILTER_TYPE_ALL_EVENT); all.HasNext(); {
		event, err := all.Next()
		if err != nil {
			return "", err
		}
		if size += proto.Size(event); size > maxHistory {
			return "", fmt.Errorf("it has more than %d bytes", maxHistory)
		}
		history.Events = append(history.Events, event)
	}
	return path, keepHistory(path, history, secrets)
}

// keepHistory writes a history to a file, without secrets.
func keepHistory(path string, history *workflows.History, secrets cases.Secrets) error {
	text, err := history.JSON()
	if err != nil {
		return err
	}
	// The payloads are base64, which Redact looks into.
	if redacted := secrets.Redact(string(text)); redacted != string(text) {
		history.Recording.States = nil // the guest gets something else in the replay
		if text, err = history.JSON(); err != nil {
			return err
		}
	}
	temporary, err := os.CreateTemp(filepath.Dir(path), ".history-*")
	if err != nil {
		return err
	}
	_, err = temporary.WriteString(secrets.Redact(string(text)))
	if err = errors.Join(err, temporary.Close()); err == nil {
		err = os.Rename(temporary.Name(), path)
	}
	if err != nil {
		os.Remove(temporary.Name()) //nolint:errcheck // err is the error to report
	}
	return err
}
