//go:build unix

package main_test

import (
	"context"
	"fmt"
	"testing"

	"go.temporal.io/sdk/client"

	"github.com/wasmworker/wasmworker/host/modules"
	"github.com/wasmworker/wasmworker/host/sandbox"
	"github.com/wasmworker/wasmworker/internal/testbed"
)

// There is memory for two instances, and there are six activities: they wait for each
// other, and none fails.
func TestActivitiesWaitForMemory(t *testing.T) {
	server := testbed.Shared(t)
	c := server.Client(t)
	guest := testbed.Guest(t, acts)
	memory := memoryOf(t, guest)
	for policy, images := range map[sandbox.Isolation]uint64{sandbox.IsolationPristine: 1, sandbox.IsolationFresh: 0} {
		t.Run(string(policy), func(t *testing.T) {
			q := queue(t)
			// A fresh instance takes memory while it is initialized, too: more than it
			// declares.
			total := images*memory + 2*memory + memory/2
			server.Serve(t, "--modules", guest, "--task-queue", q, "--isolation", string(policy), "--total-memory-limit", fmt.Sprint(total))
			var handles []client.ActivityHandle
			for range 6 {
				handles = append(handles, execute(t, c, client.StartActivityOptions{TaskQueue: q}, "Work", 1000))
			}
			var first, last int64
			for _, h := range handles {
				s := result[span](t, h)
				if first == 0 || s.Start < first {
					first = s.Start
				}
				last = max(last, s.End)
				if d := describe(t, h); d.Attempt != 1 {
					t.Errorf("an activity took %d attempts: %v", d.Attempt, d.RawResponse.GetInfo().GetLastFailure())
				}
			}
			if took := last - first; took < 2e9 { // three at a time at the most
				t.Errorf("six activities of a second took %d ms, so they did not wait for each other", took/1e6)
			}
		})
	}
}

// memoryOf is how much memory an instance of the guest has after an activity.
func memoryOf(t *testing.T, guest string) uint64 {
	t.Helper()
	module, err := modules.Read(guest)
	if err != nil {
		t.Fatal(err)
	}
	box, err := sandbox.New(sandbox.Config{Modules: []*modules.File{module}})
	if err != nil {
		t.Fatal(err)
	}
	defer box.Close(context.Background()) //nolint:errcheck // it is of no account here
	if err := box.Compile(t.Context()); err != nil {
		t.Fatal(err)
	}
	var usage sandbox.Usage
	if _, err := box.Run(t.Context(), sandbox.Task{Activity: "Getenv", Args: []sandbox.Payload{sandbox.NewPayload("json/plain", []byte(`"X"`))}, Usage: &usage}); err != nil {
		t.Fatal(err)
	}
	return usage.Memory
}
