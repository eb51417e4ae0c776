//go:build unix

package main_test

import (
	"context"
	"errors"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/google/uuid"
	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/client"

	"github.com/wasmworker/wasmworker/internal/testbed"
)

// A worker that is killed while a workflow waits is followed by another, which goes on
// where the history ends. It replays the whole run, and nothing differs.
func TestWorkflowsAreTakenOverAfterAKill(t *testing.T) {
	server := testbed.Shared(t)
	c, q := server.Client(t), queue(t)
	modules := []string{"--modules", testbed.Guest(t, "testdata/guests/flows"), "--modules", filepath.Join(testbed.Root(t), "testdata/workflows/script.wasm"), "--task-queue", q}
	w := server.Serve(t, modules...)
	r, err := c.ExecuteWorkflow(t.Context(), client.StartWorkflowOptions{ID: "w-" + uuid.NewString(), TaskQueue: q}, "Messages")
	if err != nil {
		t.Fatal(err)
	}
	tasks := func() (completed, failed int) {
		for i := c.GetWorkflowHistory(t.Context(), r.GetID(), "", false, enumspb.HISTORY_EVENT_FILTER_TYPE_ALL_EVENT); i.HasNext(); {
			e, err := i.Next()
			if err != nil {
				t.Fatal(err)
			}
			if e.GetWorkflowTaskCompletedEventAttributes() != nil {
				completed++
			}
			if e.GetWorkflowTaskFailedEventAttributes() != nil {
				failed++
			}
		}
		return completed, failed
	}
	testbed.Eventually(t, "the workflow waits", func() error {
		if n, _ := tasks(); n == 0 {
			return errors.New("it has not begun")
		}
		return nil
	})
	w.Signal(syscall.SIGKILL)
	w.Wait(t)
	server.Serve(t, modules...)
	if err := c.SignalWorkflow(t.Context(), r.GetID(), "", "end", nil); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), testbed.Patience)
	defer cancel()
	if err := r.Get(ctx, nil); err != nil {
		t.Fatal(err)
	}
	if completed, failed := tasks(); completed < 2 || failed > 0 {
		t.Errorf("%d workflow tasks were completed, %d failed", completed, failed)
	}
}
