package workflow_test

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/wasmworker/wasmworker/guest-sdk/go/enums"
	"github.com/wasmworker/wasmworker/guest-sdk/go/temporal"
	"github.com/wasmworker/wasmworker/guest-sdk/go/workflow"
)

func minute(ctx workflow.Context) workflow.Context {
	return workflow.WithActivityOptions(ctx, workflow.ActivityOptions{StartToCloseTimeout: time.Minute})
}

type order struct {
	Item  string
	Count int
}

func charge() {}

func TestActivities(t *testing.T) {
	start(t, func(ctx workflow.Context, in order, note string) (string, error) {
		ctx = minute(ctx)
		var total int
		if err := workflow.ExecuteActivity(ctx, "price", in.Item, in.Count).Get(ctx, &total); err != nil {
			return "", err
		}
		a := workflow.ExecuteActivity(ctx, charge, total)
		b := workflow.ExecuteLocalActivity(workflow.WithLocalActivityOptions(ctx, workflow.LocalActivityOptions{ScheduleToCloseTimeout: time.Second}), "log")
		if err := b.Get(ctx, nil); err != nil {
			return "", err
		}
		<-a.Done()
		text, err := workflow.Execute[string](ctx, "say", []byte{1, 2})
		return text + note, err
	}, func(f *fake) {
		want(t, f.activate(startJob(order{"x", 2}, "!")),
			`{"command":"activity","id":1,"type":"price","args":["x",2],"options":{"start_to_close_timeout_ms":60000}}`)
		want(t, f.activate(resolve(1, 7)),
			`{"command":"activity","id":2,"type":"charge","args":[7],"options":{"start_to_close_timeout_ms":60000}}`,
			`{"command":"local_activity","id":3,"type":"log","options":{"schedule_to_close_timeout_ms":1000}}`)
		want(t, f.activate(object{"job": "resolve", "id": 2}))
		want(t, f.activate(object{"job": "resolve", "id": 3, "result": object{"encoding": "binary/null"}}),
			`{"command":"activity","id":4,"type":"say","args":["binary/plain \u0001\u0002 \u003cnil\u003e"],"options":{"start_to_close_timeout_ms":60000}}`)
		want(t, f.activate(resolve(4, "hi")), `{"command":"complete","result":"hi!"}`)
	})
}

func TestActivityOptions(t *testing.T) {
	start(t, func(ctx workflow.Context) error {
		ctx = workflow.WithActivityOptions(ctx, workflow.ActivityOptions{
			TaskQueue: "q", ScheduleToCloseTimeout: time.Hour, ScheduleToStartTimeout: time.Second, HeartbeatTimeout: 1,
			WaitForCancellation: true, ActivityID: "a", DisableEagerExecution: true, Summary: "s \"1\" <2>",
			RetryPolicy: &temporal.RetryPolicy{InitialInterval: time.Second, BackoffCoefficient: 1.5, MaximumInterval: time.Minute, MaximumAttempts: 3, NonRetryableErrorTypes: []string{"E"}},
			Priority:    temporal.Priority{PriorityKey: 2, FairnessKey: "k", FairnessWeight: 0.5},
		})
		_, err := workflow.Execute[string](workflow.WithTaskQueue(ctx, "other"), "a")
		return err
	}, func(f *fake) {
		want(t, f.activate(startJob()), `{"command":"activity","id":1,"type":"a","options":{"activity_id":"a","task_queue":"other",
			"schedule_to_close_timeout_ms":3600000,"schedule_to_start_timeout_ms":1000,"heartbeat_timeout_ms":1,
			"retry_policy":{"initial_interval_ms":1000,"backoff_coefficient":1.5,"maximum_interval_ms":60000,"maximum_attempts":3,"non_retryable_error_types":["E"]},
			"cancellation_type":"wait","disable_eager":true,"summary":"s \"1\" <2>","priority":{"priority_key":2,"fairness_key":"k","fairness_weight":0.5}}}`)
		want(t, f.activate(object{"job": "resolve", "id": 1, "failure": object{"kind": "activity", "message": "activity error", "activity_type": "a", "activity_id": "a",
			"retry_state": "maximum_attempts_reached", "cause": object{"kind": "timeout", "message": "late", "timeout_type": "heartbeat", "details": args(3),
				"cause": object{"message": "m", "type": "T", "details": args("d"), "non_retryable": true}}}}),
			`{"command":"fail","failure":{"kind":"activity","message":"activity error","activity_type":"a","activity_id":"a","retry_state":"maximum_attempts_reached",
			"cause":{"kind":"timeout","message":"late","details":[3],"timeout_type":"heartbeat","cause":{"kind":"application","message":"m","type":"T","non_retryable":true,"details":["d"]}}}}`)
	})
}

func TestErrors(t *testing.T) {
	start(t, func(ctx workflow.Context) error {
		_, err := workflow.Execute[string](minute(ctx), "a")
		var a *temporal.ActivityError
		var timeout *temporal.TimeoutError
		var app *temporal.ApplicationError
		var beat int
		var detail string
		if !errors.As(err, &a) || a.ActivityType().GetName() != "a" || a.ActivityID() != "i" || a.RetryState() != enums.RETRY_STATE_TIMEOUT {
			return fmt.Errorf("not as expected: %w", err)
		}
		if !errors.As(err, &timeout) || timeout.TimeoutType() != enums.TIMEOUT_TYPE_HEARTBEAT || timeout.LastHeartbeatDetails(&beat) != nil || beat != 3 {
			return fmt.Errorf("not as expected: %w", err)
		}
		if !errors.As(err, &app) || app.Type() != "T" || app.Details(&detail) != nil || detail != "d" || app.NextRetryDelay() != time.Second {
			return fmt.Errorf("not as expected: %w", err)
		}
		_, err = workflow.Execute[int](ctx, "no timeout")
		if err == nil || !strings.Contains(err.Error(), "StartToCloseTimeout") {
			return fmt.Errorf("not as expected: %w", err)
		}
		return &custom{}
	}, func(f *fake) {
		f.activate(startJob())
		want(t, f.activate(object{"job": "resolve", "id": 1, "failure": object{"kind": "activity", "message": "activity error", "activity_type": "a", "activity_id": "i",
			"retry_state": "timeout", "cause": object{"kind": "timeout", "message": "late", "timeout_type": "heartbeat", "details": args(3),
				"cause": object{"message": "m", "type": "T", "details": args("d"), "next_retry_delay_ms": 1000}}}}),
			`{"command":"fail","failure":{"kind":"application","message":"mine","type":"custom"}}`)
	})
}

type custom struct{}

func (*custom) Error() string { return "mine" }

func TestTimers(t *testing.T) {
	start(t, func(ctx workflow.Context) (string, error) {
		begin := workflow.Now(ctx)
		if err := workflow.Sleep(ctx, 1500*time.Microsecond); err != nil {
			return "", err
		}
		short, cancel := workflow.WithCancel(ctx)
		timer := workflow.NewTimerWithOptions(short, time.Hour, workflow.TimerOptions{Summary: "long"})
		cancel()
		err := timer.Get(ctx, nil)
		if !temporal.IsCanceledError(err) || !errors.Is(err, context.Canceled) {
			return "", fmt.Errorf("timer: %v", err)
		}
		time.Sleep(time.Minute)
		within, stop := context.WithTimeout(ctx, time.Second)
		defer stop()
		select {
		case <-within.Done():
		case <-time.After(time.Hour):
		}
		return time.Since(begin).String(), workflow.Sleep(ctx, 0)
	}, func(f *fake) {
		want(t, f.activate(startJob()), `{"command":"timer","id":1,"ms":2}`)
		time.Sleep(2 * time.Millisecond)
		want(t, f.activate(fired(1)), `{"command":"timer","id":2,"ms":3600000,"summary":"long"}`, `{"command":"cancel","id":2}`)
		want(t, f.activate(object{"job": "resolve", "id": 2, "failure": object{"kind": "canceled", "message": "canceled"}}))
		time.Sleep(time.Minute)
		want(t, f.activate(object{"job": "wake"}))
		time.Sleep(time.Second)
		want(t, f.activate(object{"job": "wake"}), `{"command":"complete","result":"1m1.002s"}`)
		time.Sleep(time.Hour)
	})
}

func TestSignals(t *testing.T) {
	start(t, func(ctx workflow.Context) ([]any, error) {
		var log []any
		workflow.Sleep(ctx, time.Second)
		if names := workflow.GetUnhandledSignalNames(ctx); !reflect.DeepEqual(names, []string{"go", "add"}) {
			return nil, fmt.Errorf("%q", names)
		}
		c := workflow.GetSignalChannelWithOptions(ctx, "add", workflow.SignalChannelOptions{Description: "adds"})
		log = append(log, c.Len(), c.Name())
		for c.Len() > 0 {
			var n int
			c.Receive(ctx, &n)
			log = append(log, n)
		}
		for range 2 {
			log = append(log, <-workflow.Signal[string](ctx, "go"))
		}
		var n int
		ok, more := c.ReceiveWithTimeout(ctx, time.Second, &n)
		log = append(log, ok, more, c.ReceiveAsync(&n))
		return log, nil
	}, func(f *fake) {
		signal := func(name string, v any) object { return object{"job": "signal", "name": name, "args": args(v)} }
		jobs := []object{startJob(), signal("go", "a")}
		for i := range 20 {
			jobs = append(jobs, signal("add", i))
		}
		want(t, f.activate(jobs...), `{"command":"timer","id":1,"ms":1000}`)
		want(t, f.activate(fired(1)),
			`{"command":"describe","signals":[{"name":"go"},{"name":"add","description":"adds"}]}`)
		want(t, f.activate(signal("go", 5), signal("go", "b")), `{"command":"timer","id":2,"ms":1000}`)
		if len(f.logs) != 1 || !strings.Contains(f.logs[0], "dropped") {
			t.Errorf("%q", f.logs)
		}
		want(t, f.activate(fired(2)), `{"command":"complete","result":[20,"add",0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,"a","b",false,true,false]}`)
	})
}

func TestQueries(t *testing.T) {
	start(t, func(ctx workflow.Context) error {
		state := "waits"
		for name, fn := range map[string]any{
			"state":   func() (string, error) { return state, nil },
			"with":    func(a, b int) (int, error) { return a + b, nil },
			"fails":   func() (string, error) { return "", temporal.NewApplicationError("no", "No") },
			"panics":  func() (string, error) { panic("oh") },
			"waits":   func() (string, error) { <-ctx.Done(); return "", nil },
			"changes": func() (string, error) { workflow.ExecuteActivity(minute(ctx), "a"); return "", nil },
		} {
			if err := workflow.SetQueryHandler(ctx, name, fn); err != nil {
				return err
			}
		}
		if err := workflow.SetQueryHandler(ctx, "bad", 5); err == nil {
			return errors.New("5 was taken for a function")
		}
		workflow.GetSignalChannel(ctx, "go").Receive(ctx, nil)
		state = "over"
		return nil
	}, func(f *fake) {
		f.activate(startJob())
		query := func(name string, v ...any) object {
			f.t.Helper()
			c := f.activate(object{"job": "query", "name": name, "args": args(v...)})
			if len(c) != 1 || c[0]["command"] != "answer" {
				t.Fatalf("%s: %v", name, c)
			}
			return c[0]
		}
		if a := query("state"); a["result"] != "waits" {
			t.Error(a)
		}
		if a := query("with", 1, 2); a["result"] != 3.0 {
			t.Error(a)
		}
		for name, text := range map[string]string{"fails": "no", "panics": "oh", "waits": "waits", "changes": "must not change", "none": "there are: "} {
			a := query(name)
			failure, _ := a["failure"].(object)
			if failure == nil || !strings.Contains(fmt.Sprint(failure["message"]), text) {
				t.Errorf("%s: %v", name, a)
			}
			if name == "none" && failure["type"] != "UnknownQuery" || name == "panics" && !strings.Contains(fmt.Sprint(failure["stack_trace"]), "TestQueries") {
				t.Errorf("%s: %v", name, a)
			}
		}
		if a := query("__stack_trace"); !strings.Contains(fmt.Sprint(a["result"]), "TestQueries") {
			t.Error(a)
		}
		want(t, f.activate(object{"job": "cancel"}, object{"job": "signal", "name": "go"}), `{"command":"complete"}`)
	})
}

func TestUpdates(t *testing.T) {
	start(t, func(ctx workflow.Context) (int, error) {
		workflow.Sleep(ctx, time.Second)
		total := 0
		err := workflow.SetUpdateHandlerWithOptions(ctx, "add", func(ctx workflow.Context, n int) (string, error) {
			if err := workflow.Sleep(ctx, time.Second); err != nil {
				return "", err
			}
			total += n
			info := workflow.GetCurrentUpdateInfo(ctx)
			return info.Name + info.ID, nil
		}, workflow.UpdateHandlerOptions{Description: "adds", Validator: func(n int) error {
			if n < 0 {
				return errors.New("negative")
			}
			return nil
		}})
		if err != nil {
			return 0, err
		}
		if err := workflow.SetUpdateHandler(ctx, "fail", func() error { return errors.New("never") }); err != nil {
			return 0, err
		}
		if err := workflow.Await(ctx, func() bool { return total > 0 && workflow.AllHandlersFinished(ctx) }); err != nil {
			return 0, err
		}
		return total, nil
	}, func(f *fake) {
		job := func(kind, name, id string, v ...any) object {
			return object{"job": kind, "name": name, "update_id": id, "args": args(v...)}
		}
		f.activate(startJob())
		want(t, f.activate(job("update", "add", "early", 1)),
			`{"command":"updated","update_id":"early","failure":{"kind":"application","message":"unknown update \"add\"; there are: none","type":"UnknownUpdate","non_retryable":true}}`)
		want(t, f.activate(fired(1), job("update", "add", "1", 3), job("update", "fail", "2")),
			`{"command":"timer","id":2,"ms":1000}`,
			`{"command":"updated","update_id":"2","failure":{"kind":"application","message":"never"}}`,
			`{"command":"describe","updates":[{"name":"add","description":"adds"},{"name":"fail"}]}`)
		want(t, f.activate(job("validate", "add", "3", 1)), `{"command":"answer"}`)
		want(t, f.activate(job("validate", "fail", "3", 1)), `{"command":"answer"}`)
		want(t, f.activate(job("validate", "add", "3", -1)), `{"command":"answer","failure":{"kind":"application","message":"negative"}}`)
		for name, v := range map[string]any{"add": "text", "none": 1} {
			c := f.activate(job("validate", name, "3", v))
			if typ := c[0]["failure"].(object)["type"]; typ != map[string]string{"add": "InvalidInput", "none": "UnknownUpdate"}[name] {
				t.Error(name, c)
			}
		}
		want(t, f.activate(fired(2)), `{"command":"updated","update_id":"1","result":"add1"}`, `{"command":"complete","result":3}`)
	})
}

func TestUpdateBeforeItsHandler(t *testing.T) {
	start(t, func(ctx workflow.Context) error {
		var done atomic.Bool // goroutines of a test run at the same time
		workflow.SetUpdateHandler(ctx, "end", func() error { done.Store(true); return nil })
		return workflow.Await(ctx, done.Load)
	}, func(f *fake) {
		want(t, f.activate(object{"job": "update", "name": "end", "update_id": "u"}, startJob()),
			`{"command":"updated","update_id":"u"}`, `{"command":"describe","updates":[{"name":"end"}]}`, `{"command":"complete"}`)
	})
}

func TestCancel(t *testing.T) {
	start(t, func(ctx workflow.Context) error {
		err := workflow.Sleep(ctx, time.Hour)
		if !temporal.IsCanceledError(err) || !temporal.IsCanceledError(context.Cause(ctx)) || ctx.Err() != workflow.ErrCanceled {
			return errors.New("not canceled")
		}
		if err := workflow.Sleep(ctx, time.Hour); !temporal.IsCanceledError(err) {
			return errors.New("not canceled")
		}
		clean, cancel := workflow.NewDisconnectedContext(ctx)
		defer cancel()
		if _, err := workflow.Execute[string](minute(clean), "clean up"); err != nil {
			return err
		}
		return temporal.NewCanceledError("done", 1)
	}, func(f *fake) {
		f.activate(startJob())
		want(t, f.activate(object{"job": "cancel"}), `{"command":"cancel","id":1}`)
		want(t, f.activate(object{"job": "resolve", "id": 1, "failure": object{"kind": "canceled"}}),
			`{"command":"activity","id":2,"type":"clean up","options":{"start_to_close_timeout_ms":60000}}`)
		want(t, f.activate(resolve(2, "")), `{"command":"canceled","details":["done",1]}`)
	})
	start(t, func(ctx workflow.Context) error { <-ctx.Done(); return ctx.Err() }, func(f *fake) {
		f.activate(startJob())
		want(t, f.activate(object{"job": "cancel"}), `{"command":"canceled"}`)
	})
}

func again(ctx workflow.Context, n int) error {
	return workflow.NewContinueAsNewErrorWithOptions(workflow.WithWorkflowTaskQueue(ctx, "q"), workflow.ContinueAsNewErrorOptions{RetryPolicy: &temporal.RetryPolicy{MaximumAttempts: 2}}, again, n+1)
}

func TestContinueAsNew(t *testing.T) {
	start(t, again, func(f *fake) {
		want(t, f.activate(startJob(1)), `{"command":"continue_as_new","args":[2],"options":{"task_queue":"q","retry_policy":{"maximum_attempts":2}}}`)
	})
	start(t, func(ctx workflow.Context) error {
		info := workflow.GetInfo(ctx)
		if !info.GetContinueAsNewSuggested() || info.GetCurrentHistoryLength() != 5 || info.GetCurrentHistorySize() != 7 {
			return errors.New("history")
		}
		return fmt.Errorf("wrapped: %w", workflow.NewContinueAsNewError(ctx, "Other"))
	}, func(f *fake) {
		c, _ := f.activation(object{"history": object{"length": 5, "size": 7, "continue_as_new_suggested": true}, "jobs": []object{startJob()}})
		want(t, c, `{"command":"continue_as_new","type":"Other"}`)
	})
}

func TestTaskFailures(t *testing.T) {
	fails := func(name, text, stack string, fn any, jobs ...object) {
		t.Helper()
		start(t, fn, func(f *fake) {
			c, status := f.activation(object{"jobs": jobs})
			if status != 1 || len(c) != 1 || c[0]["command"] != "fail_task" {
				t.Fatalf("%s: %d %v", name, status, c)
			}
			failure := c[0]["failure"].(object)
			if !strings.Contains(fmt.Sprint(failure["message"]), text) || !strings.Contains(fmt.Sprint(failure["stack_trace"]), stack) {
				t.Errorf("%s: %v", name, failure)
			}
			time.Sleep(time.Minute)
		})
	}
	fails("panic", "oh", "TestTaskFailures", func(ctx workflow.Context) error { workflow.Sleep(ctx, 0); panic("oh") }, startJob())
	fails("goroutine", "oh", "TestTaskFailures", func(ctx workflow.Context) error {
		workflow.Go(ctx, func(workflow.Context) { panic("oh") })
		workflow.Sleep(ctx, 0)
		return nil
	}, startJob())
	fails("condition", "oh", "TestTaskFailures", func(ctx workflow.Context) error {
		n := 0
		ctx, cancel := workflow.WithCancel(ctx)
		go func() {
			time.Sleep(time.Second)
			cancel()
		}()
		return workflow.Await(ctx, func() bool {
			if n++; n > 1 {
				panic("oh")
			}
			return false
		})
	}, startJob())
	fails("not a function", "a workflow is a function", "", 5, startJob())
	fails("version", "supports 2 to 3", "TestTaskFailures", func(ctx workflow.Context) error { workflow.GetVersion(ctx, "x", 2, 3); return nil }, startJob())
	start(t, func() error { return nil }, func(f *fake) {
		f.refuse = "too many"
		c, status := f.activation(object{"jobs": []object{startJob()}})
		if status != 1 || len(c) != 1 || !strings.Contains(fmt.Sprint(c), "commands: too many") {
			t.Error(status, c)
		}
	})
}

func TestInput(t *testing.T) {
	start(t, func(ctx workflow.Context, n int) error { return nil }, func(f *fake) {
		c := f.activate(startJob("text"))
		if failure := c[0]["failure"].(object); c[0]["command"] != "fail" || failure["type"] != "InvalidInput" {
			t.Error(c)
		}
	})
	start(t, func() (func(), error) { return func() {}, nil }, func(f *fake) {
		c := f.activate(startJob())
		if failure := c[0]["failure"].(object); c[0]["command"] != "fail" || failure["type"] != "InvalidOutput" {
			t.Error(c)
		}
	})
}
