// Workflows for the tests of the host, in the way a user would write them: one for each
// feature of package workflow.
package main

import (
	"context"
	crand "crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"github.com/wasmworker/wasmworker/guest-sdk/go/enums"
	"github.com/wasmworker/wasmworker/guest-sdk/go/temporal"
	"github.com/wasmworker/wasmworker/guest-sdk/go/workflow"
)

func main() {}

func options(ctx workflow.Context) workflow.Context {
	once := &temporal.RetryPolicy{MaximumAttempts: 1}
	ctx = workflow.WithActivityOptions(ctx, workflow.ActivityOptions{StartToCloseTimeout: time.Minute, RetryPolicy: once, Summary: "of a test"})
	return workflow.WithLocalActivityOptions(ctx, workflow.LocalActivityOptions{StartToCloseTimeout: time.Minute, RetryPolicy: once})
}

// Echo is an activity of another module.
func Echo() {}

//go:wasmexport Plain
func plain() int32 { return workflow.Run(Plain) }

// Plain is ordinary Go: goroutines, channels, select, sync, package time, maps and random
// numbers.
func Plain(ctx context.Context, names []string) ([]string, error) {
	ctx = options(ctx)
	var mu sync.Mutex
	var log []string
	note := func(format string, args ...any) {
		mu.Lock()
		defer mu.Unlock()
		log = append(log, fmt.Sprintf(format, args...))
	}
	var wg sync.WaitGroup
	for _, name := range names {
		wg.Go(func() {
			got, err := workflow.Execute[string](ctx, Echo, name)
			note("%s %v", got, err)
		})
	}
	wg.Wait()
	slices.Sort(log)

	f := workflow.ExecuteActivity(ctx, "Echo", "late")
	select {
	case <-f.Done():
		note("activity")
	case <-time.After(time.Hour):
		note("timer")
	}
	begin := time.Now()
	time.Sleep(30 * time.Millisecond)
	within, stop := context.WithTimeout(ctx, 20*time.Millisecond)
	defer stop()
	<-within.Done()
	note("%v %v", time.Since(begin) >= 50*time.Millisecond, within.Err())

	order := ""
	for k := range map[int]bool{1: true, 2: true, 3: true, 4: true, 5: true, 6: true, 7: true, 8: true} {
		order += fmt.Sprint(k)
	}
	var b [8]byte
	crand.Read(b[:])
	note("%s %s %d", order, hex.EncodeToString(b[:]), rand.Uint64())
	return log, nil
}

//go:wasmexport Messages
func messages() int32 { return workflow.Run(Messages) }

// Messages has signals, queries and updates, until the signal "end" comes.
func Messages(ctx workflow.Context) (map[string]any, error) {
	state, total := "waits", 0
	var signals []string
	if err := workflow.SetQueryHandlerWithOptions(ctx, "state", func(suffix string) (string, error) {
		was := state + suffix
		state = "changed by a query"
		return was, nil
	}, workflow.QueryHandlerOptions{Description: "what it does"}); err != nil {
		return nil, err
	}
	if err := workflow.SetQueryHandler(ctx, "fails", func() (string, error) { return "", errors.New("not today") }); err != nil {
		return nil, err
	}
	err := workflow.SetUpdateHandlerWithOptions(ctx, "add", func(ctx workflow.Context, n int) (int, error) {
		got, err := workflow.Execute[int](options(ctx), "Echo", n)
		if err != nil {
			return 0, err
		}
		if err := workflow.Sleep(ctx, time.Millisecond); err != nil {
			return 0, err
		}
		total += got
		return total, nil
	}, workflow.UpdateHandlerOptions{Description: "adds", Validator: func(ctx workflow.Context, n int) error {
		state = "changed by a validator"
		if n < 0 {
			return temporal.NewApplicationError("only numbers from 0 on", "Negative")
		}
		return nil
	}})
	if err != nil {
		return nil, err
	}
	if err := workflow.SetUpdateHandler(ctx, "fail", func(ctx workflow.Context) error {
		return temporal.NewApplicationError("an update failed", "Failed", 7)
	}); err != nil {
		return nil, err
	}
	workflow.SetCurrentDetails(ctx, "waits for signals")
	end := workflow.GetSignalChannel(ctx, "end")
	for over := false; !over; {
		selector := workflow.NewSelector(ctx)
		selector.AddReceive(end, func(c workflow.ReceiveChannel, more bool) {
			c.Receive(ctx, nil)
			over = true
		})
		selector.AddReceive(workflow.GetSignalChannel(ctx, "note"), func(c workflow.ReceiveChannel, more bool) {
			var text string
			c.Receive(ctx, &text)
			signals = append(signals, text)
		})
		selector.Select(ctx)
	}
	if err := workflow.Await(ctx, func() bool { return workflow.AllHandlersFinished(ctx) }); err != nil {
		return nil, err
	}
	return map[string]any{"state": state, "total": total, "signals": signals}, nil
}

//go:wasmexport Parent
func parent() int32 { return workflow.Run(Parent) }

// Parent has a child, to which it sends a signal, another one that it cancels, and one that fails.
func Parent(ctx workflow.Context) ([]string, error) {
	var log []string
	child := workflow.ExecuteChildWorkflow(workflow.WithChildOptions(ctx, workflow.ChildWorkflowOptions{
		ParentClosePolicy: enums.PARENT_CLOSE_POLICY_REQUEST_CANCEL, Memo: map[string]any{"a": 1}, StaticSummary: "first",
	}), Child, "note")
	if err := child.SignalChildWorkflow(ctx, "note", "from its parent").Get(ctx, nil); err != nil {
		return nil, err
	}
	var e workflow.Execution
	if err := child.GetChildWorkflowExecution().Get(ctx, &e); err != nil || e.ID == "" || e.RunID == "" {
		return nil, fmt.Errorf("execution %v: %w", e, err)
	}
	var got string
	if err := child.Get(ctx, &got); err != nil {
		return nil, err
	}
	log = append(log, got)

	second, cancel := workflow.WithCancel(workflow.WithChildOptions(ctx, workflow.ChildWorkflowOptions{WaitForCancellation: true}))
	child = workflow.ExecuteChildWorkflow(second, Child, "never")
	if err := child.GetChildWorkflowExecution().Get(ctx, &e); err != nil {
		return nil, err
	}
	cancel()
	err := child.Get(ctx, nil)
	var failed *temporal.ChildWorkflowExecutionError
	log = append(log, fmt.Sprint(errors.As(err, &failed), temporal.IsCanceledError(err)))

	err = workflow.ExecuteChildWorkflow(ctx, "Fails", "T").Get(ctx, nil)
	var app *temporal.ApplicationError
	if !errors.As(err, &failed) || !errors.As(err, &app) {
		return nil, err
	}
	log = append(log, failed.WorkflowType()+" "+app.Type())

	err = workflow.SignalExternalWorkflow(ctx, "there is none", "", "go", nil).Get(ctx, nil)
	log = append(log, fmt.Sprint(err != nil))
	err = workflow.RequestCancelExternalWorkflow(ctx, "there is none", "").Get(ctx, nil)
	log = append(log, fmt.Sprint(err != nil))
	return log, nil
}

//go:wasmexport Child
func child() int32 { return workflow.Run(Child) }

// Child waits for a signal.
func Child(ctx workflow.Context, signal string) (string, error) {
	select {
	case text := <-workflow.Signal[string](ctx, signal):
		return text + " of " + workflow.GetInfo(ctx).ParentWorkflowExecution.ID[:1], nil
	case <-ctx.Done():
		return "", ctx.Err()
	}
}

//go:wasmexport Fails
func fails() int32 { return workflow.Run(Fails) }

// Fails fails with an error of that type.
func Fails(ctx workflow.Context, typ string) error {
	return fmt.Errorf("outer: %w", temporal.NewNonRetryableApplicationError("inner", typ, errors.New("cause"), 51, "text"))
}

//go:wasmexport Errors
func failures() int32 { return workflow.Run(Errors) }

// Errors looks at the errors of activities.
func Errors(ctx workflow.Context) ([]string, error) {
	ctx = options(ctx)
	var log []string
	for _, f := range []workflow.Future{
		workflow.ExecuteActivity(ctx, "Fail", "final"),
		workflow.ExecuteLocalActivity(ctx, "Fail", "final"),
		workflow.ExecuteActivity(workflow.WithScheduleToStartTimeout(workflow.WithTaskQueue(ctx, "nobody's"), time.Millisecond), "Echo"),
	} {
		err := f.Get(ctx, nil)
		var a *temporal.ActivityError
		var app *temporal.ApplicationError
		var timeout *temporal.TimeoutError
		text := fmt.Sprint(errors.As(err, &a))
		if errors.As(err, &app) {
			text += " " + app.Type()
		}
		if errors.As(err, &timeout) {
			text += " " + timeout.TimeoutType().String()
		}
		log = append(log, text)
	}
	var local string
	if err := workflow.ExecuteLocalActivity(ctx, Echo, "here").Get(ctx, &local); err != nil {
		return nil, err
	}
	return append(log, local), nil
}

//go:wasmexport Cleanup
func cleanup() int32 { return workflow.Run(Cleanup) }

// Cleanup waits to be canceled, and cleans up then.
func Cleanup(ctx workflow.Context) error {
	err := workflow.Sleep(ctx, time.Hour)
	if !temporal.IsCanceledError(err) || !temporal.IsCanceledError(context.Cause(ctx)) {
		return fmt.Errorf("not canceled: %v", err)
	}
	clean, cancel := workflow.NewDisconnectedContext(options(ctx))
	defer cancel()
	text, err := workflow.Execute[string](clean, "Echo", "cleaned up")
	if err != nil {
		return err
	}
	return temporal.NewCanceledError(text)
}

//go:wasmexport Again
func again() int32 { return workflow.Run(Again) }

// Again continues as new until n is 0, and tells what it knows of itself.
func Again(ctx workflow.Context, n int, first string) (string, error) {
	info := workflow.GetInfo(ctx)
	if n > 0 {
		if first == "" {
			first = info.WorkflowExecution.RunID
		}
		return "", workflow.NewContinueAsNewError(ctx, Again, n-1, first)
	}
	if info.FirstRunID != first || info.ContinuedExecutionRunID == "" || info.WorkflowType.Name != "Again" || info.Attempt != 1 || info.GetCurrentHistoryLength() == 0 {
		return "", fmt.Errorf("%+v", info)
	}
	return info.Namespace, nil
}

//go:wasmexport Porting
func porting() int32 { return workflow.Run(Porting) }

// Porting uses what there is for workflows of Temporal's SDK, and patches.
func Porting(ctx workflow.Context) ([]string, error) {
	var log []string
	c := workflow.NewBufferedChannel(ctx, 2)
	wg := workflow.NewWaitGroup(ctx)
	mutex := workflow.NewMutex(ctx)
	for i := range 3 {
		wg.Go(ctx, func(ctx workflow.Context) {
			if mutex.Lock(ctx) == nil {
				defer mutex.Unlock()
				workflow.Sleep(ctx, time.Millisecond)
				c.Send(ctx, i)
			}
		})
	}
	workflow.Go(ctx, func(ctx workflow.Context) {
		wg.Wait(ctx)
		c.Close()
	})
	sum := 0
	for n := 0; c.Receive(ctx, &n); {
		sum += n
	}
	log = append(log, fmt.Sprint("sum ", sum))
	log = append(log, fmt.Sprint("version ", workflow.GetVersion(ctx, "change", workflow.DefaultVersion, 2), workflow.Patched(ctx, "patch")))
	var n int
	if err := workflow.SideEffect(ctx, func(workflow.Context) any { return 5 }).Get(&n); err != nil {
		return nil, err
	}
	if err := workflow.UpsertMemo(ctx, map[string]any{"note": "x"}); err != nil {
		return nil, err
	}
	key := temporal.NewSearchAttributeKeyKeyword("FlowsRegion")
	if err := workflow.UpsertTypedSearchAttributes(ctx, key.ValueSet("found")); err != nil {
		return nil, err
	}
	found, _ := workflow.GetTypedSearchAttributes(ctx).GetKeyword(key)
	log = append(log, found)
	ok, err := workflow.AwaitWithTimeout(ctx, time.Millisecond, func() bool { return false })
	log = append(log, fmt.Sprint(n, ok, err))
	workflow.GetLogger(ctx).Info("ported", "n", n)
	return log, nil
}

//go:wasmexport Panics
func panics() int32 { return workflow.Run(Panics) }

// Panics panics.
func Panics(ctx workflow.Context) error {
	workflow.Sleep(ctx, time.Millisecond)
	panic("a fault of the program")
}
