//go:build unix

package main_test

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/uuid"
	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/client"

	"github.com/wasmworker/wasmworker/internal/testbed"
)

// Runs end with the version of the worker that they began with, unless their type is one that
// goes on with the newest. The version is a digest of the modules.
func TestVersions(t *testing.T) {
	server := testbed.Shared(t)
	c, q, deployment := server.Client(t), queue(t), "d-"+uuid.NewString()
	module := filepath.Join(testbed.Root(t), "testdata/workflows/rust/workflows.wasm")
	binary, err := os.ReadFile(module)
	if err != nil {
		t.Fatal(err)
	}
	changed := filepath.Join(t.TempDir(), "workflows.wasm")
	if err := os.WriteFile(changed, append(bytes.Clone(binary), "\x00\x05\x03newX"...), 0o600); err != nil {
		t.Fatal(err)
	}
	handle := c.WorkerDeploymentClient().GetHandle(deployment)
	var versions []string
	// serve starts another version, and has new runs begin with it.
	serve := func(module string, args ...string) *testbed.Worker {
		w := server.Serve(t, append([]string{"--modules", module, "--task-queue", q, "--versioning", "--deployment-name", deployment, "--auto-upgrade", "RustCancelled"}, args...)...)
		testbed.Eventually(t, "Temporal knows the version", func() error {
			d, err := handle.Describe(t.Context(), client.WorkerDeploymentDescribeOptions{})
			if err != nil {
				return err
			}
			for _, v := range d.Info.VersionSummaries {
				if id := v.Version.BuildID; !slices.Contains(versions, id) {
					if _, err := handle.SetCurrentVersion(t.Context(), client.WorkerDeploymentSetCurrentVersionOptions{BuildID: id}); err != nil {
						return err
					}
					versions = append(versions, id)
					return nil
				}
			}
			return fmt.Errorf("there is none beside %q", versions)
		})
		return w
	}
	by := func(r client.WorkflowRun) (ids []string) {
		for i := c.GetWorkflowHistory(t.Context(), r.GetID(), "", false, enumspb.HISTORY_EVENT_FILTER_TYPE_ALL_EVENT); i.HasNext(); {
			e, err := i.Next()
			if err != nil {
				t.Fatal(err)
			}
			if a := e.GetWorkflowTaskCompletedEventAttributes(); a != nil {
				ids = append(ids, a.GetDeploymentVersion().GetBuildId())
			}
		}
		return ids
	}
	start := func(workflowType string, args ...any) client.WorkflowRun {
		r, err := c.ExecuteWorkflow(t.Context(), client.StartWorkflowOptions{ID: "w-" + uuid.NewString(), TaskQueue: q}, workflowType, args...)
		if err != nil {
			t.Fatal(err)
		}
		testbed.Eventually(t, workflowType+" waits", func() error {
			if len(by(r)) == 0 {
				return fmt.Errorf("it has not begun")
			}
			return nil
		})
		return r
	}

	first := serve(module)
	pinned, upgraded := start("RustCounter", 1), start("RustCancelled")
	serve(changed)
	if versions[0] == versions[1] || len(versions[0]) != 16 {
		t.Fatalf("the versions are %q", versions)
	}
	if err := c.SignalWorkflow(t.Context(), pinned.GetID(), "", "end", nil); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), testbed.Patience)
	defer cancel()
	if err := pinned.Get(ctx, nil); err != nil {
		t.Fatal(err)
	}
	if ids := by(pinned); slices.Contains(ids, versions[1]) {
		t.Errorf("a pinned run was continued by %q, and began with %q", ids, versions[0])
	}
	if err := c.SignalWorkflow(t.Context(), upgraded.GetID(), "", "any", nil); err != nil {
		t.Fatal(err)
	}
	testbed.Eventually(t, "the newest version goes on", func() error {
		if ids := by(upgraded); ids[len(ids)-1] != versions[1] {
			return fmt.Errorf("the tasks were done by %q", ids)
		}
		return nil
	})
	if logs := fmt.Sprint(first.Logs()); !strings.Contains(logs, versions[0]) {
		t.Errorf("the log does not name the version %s", versions[0])
	}
	if err := c.TerminateWorkflow(t.Context(), upgraded.GetID(), "", "the test is over"); err != nil {
		t.Fatal(err)
	}
}
