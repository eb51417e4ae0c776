//go:build unix

package host_test

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"github.com/wasmworker/wasmworker/abi"
	"github.com/wasmworker/wasmworker/host"
	"github.com/wasmworker/wasmworker/host/sandbox"
	"github.com/wasmworker/wasmworker/internal/testbed"
)

// An invalid delay is refused with its reason, and the failure's own message is not lost.
func TestDelaysThatCannotBe(t *testing.T) {
	h := run(t, options(t, wat(t, "misbehave")))
	for failure, want := range map[string]string{
		`{"type": "Busy", "message": "try later", "next_retry_delay_ms": -5}`:                    `next_retry_delay_ms of the failure "Busy: try later" is negative, -5`,
		`{"message": "x", "cause": {"message": "the root", "next_retry_delay_ms": -1}}`:          `next_retry_delay_ms of the failure "the root" is negative, -1`,
		`{"type": "Busy", "message": "try later", "next_retry_delay_ms": 9223372036855}`:         "9223372036855 ms are out of range",
		`{"type": "Busy", "message": "try later", "next_retry_delay_ms": 1e30}`:                  "not a JSON object as abi/SPEC.md describes it",
		`{"type": "Busy", "message": "try later", "next_retry_delay_ms": -92233720368547758080}`: "not a JSON object as abi/SPEC.md describes it",
	} {
		handle := executeWith(t, h.Client(), client.StartActivityOptions{
			TaskQueue: h.TaskQueue(), RetryPolicy: &temporal.RetryPolicy{MaximumAttempts: 1},
		}, "FailWith", json.RawMessage(failure))
		o := outcome(get(t, handle, nil))
		if o.Type != abi.TypeActivityFailed || !strings.Contains(o.Message, want) || o.Delay != 0 {
			t.Errorf("%s ends as %+v", failure, o)
		}
	}
}

// delaying ends each attempt with a failure that no guest can make.
type delaying struct {
	host.InterceptorBase
	attempts atomic.Int64
}

func (d *delaying) Execute(context.Context, sandbox.Task, host.Execute) (*sandbox.Payload, error) {
	if d.attempts.Add(1) > 3 {
		return nil, nil
	}
	return nil, &abi.Failure{Type: "Busy", Message: "try later", NextRetryDelay: -abi.Milliseconds(time.Hour)}
}

func callPatiently(ctx workflow.Context) error {
	ctx = workflow.WithActivityOptions(ctx, workflow.ActivityOptions{
		StartToCloseTimeout: time.Minute, RetryPolicy: &temporal.RetryPolicy{InitialInterval: time.Hour},
	})
	return workflow.ExecuteActivity(ctx, "Echo").Get(ctx, nil)
}

// Temporal tries at once after a negative delay, in spite of the retry policy.
func TestNegativeDelayOfAnInterceptor(t *testing.T) {
	o := options(t, wat(t, "echo"))
	d := &delaying{}
	o.Interceptor = d
	h := run(t, o, func(h *host.Host) { h.RegisterWorkflow(callPatiently) })
	workflow, err := h.Client().ExecuteWorkflow(t.Context(), client.StartWorkflowOptions{TaskQueue: h.TaskQueue()}, callPatiently)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), testbed.Patience)
	defer cancel()
	err = workflow.Get(ctx, nil)
	app, ok := errors.AsType[*temporal.ApplicationError](err)
	if !ok || app.Type() != abi.TypeProtocolError || !strings.Contains(app.Message(), `the failure "Busy: try later" is negative, -3600000`) || d.attempts.Load() != 1 {
		t.Errorf("after %d attempts: %v", d.attempts.Load(), err)
	}
}
