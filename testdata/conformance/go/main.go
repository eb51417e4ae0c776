// The conformance module in Go: see testdata/conformance/README.md.
package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strconv"
	"time"

	"github.com/wasmworker/wasmworker/guest-sdk/go/activity"
	"github.com/wasmworker/wasmworker/guest-sdk/go/converter"
	"github.com/wasmworker/wasmworker/guest-sdk/go/temporal"
)

func main() {}

func init() { activity.Prepare(Greet, Add, Info) }

type Person struct {
	Name string `json:"name"`
}

type Greeting struct {
	Greeting string `json:"greeting"`
}

//go:wasmexport greet
func greet() int32 { return activity.Run(Greet) }

func Greet(p Person) (Greeting, error) {
	if p.Name == "" {
		return Greeting{}, temporal.NewNonRetryableApplicationError("the name is empty", "EmptyName", nil)
	}
	return Greeting{"Hello, " + p.Name + "!"}, nil
}

//go:wasmexport add
func add() int32 { return activity.Run(Add) }

func Add(a, b float64) (float64, error) { return a + b, nil }

//go:wasmexport arguments
func arguments() int32 { return activity.Run(Arguments) }

func Arguments(args ...converter.RawValue) ([]string, error) {
	described := []string{}
	for _, a := range args {
		p := a.Payload()
		described = append(described, fmt.Sprintf("%s:%s", p.Encoding(), p.Data))
	}
	return described, nil
}

//go:wasmexport echo
func echo() int32 { return activity.Run(Echo) }

func Echo(v converter.RawValue) (converter.RawValue, error) { return v, nil }

//go:wasmexport nothing
func nothing() int32 { return activity.Run(func() error { return nil }) }

//go:wasmexport bytes
func bytes() int32 { return activity.Run(Bytes) }

func Bytes(n int) ([]byte, error) {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(i)
	}
	return b, nil
}

//go:wasmexport info
func info() int32 { return activity.Run(Info) }

func Info(ctx context.Context) (map[string]any, error) {
	i := activity.GetInfo(ctx)
	return map[string]any{
		"activity_id":          i.ActivityID,
		"activity_type":        i.ActivityType.Name,
		"attempt":              i.Attempt,
		"namespace":            i.Namespace,
		"task_queue":           i.TaskQueue,
		"workflow_id":          i.WorkflowExecution.ID,
		"workflow_type":        i.WorkflowType.Name,
		"heartbeat_timeout_ms": i.HeartbeatTimeout.Milliseconds(),
	}, nil
}

//go:wasmexport fail
func fail() int32 { return activity.Run(Fail) }

func Fail(kind string) error {
	switch kind {
	case "typed":
		return temporal.NewApplicationError("declined", "CardDeclined", map[string]int{"code": 51}, "second")
	case "final":
		return temporal.NewNonRetryableApplicationError("no such card", "NoCard", nil)
	case "later":
		return temporal.NewApplicationErrorWithOptions("try later", "Busy", temporal.ApplicationErrorOptions{NextRetryDelay: 123 * time.Second})
	case "benign":
		return temporal.NewApplicationErrorWithOptions("nothing to see", "Benign", temporal.ApplicationErrorOptions{Category: temporal.ApplicationErrorCategoryBenign})
	case "cause":
		return temporal.NewApplicationErrorWithCause("outer", "Outer", temporal.NewApplicationError("the root", "Root"))
	case "several":
		return errors.Join(errors.New("the first"), temporal.NewApplicationError("the second", "Second"))
	}
	return errors.New("plain text")
}

//go:wasmexport crash
func crash() int32 { return activity.Run(func() error { panic("oh no") }) }

//go:wasmexport steps
func steps() int32 { return activity.Run(Steps) }

func Steps(ctx context.Context, n int) (int, error) {
	begin := 0
	if activity.HasHeartbeatDetails(ctx) {
		if err := activity.GetHeartbeatDetails(ctx, &begin); err != nil {
			return 0, err
		}
	}
	for i := begin + 1; i <= n; i++ {
		activity.RecordHeartbeat(ctx, i)
	}
	return begin, nil
}

//go:wasmexport cancel
func cancel() int32 { return activity.Run(Cancel) }

func Cancel(ctx context.Context) error {
	for ctx.Err() == nil {
		activity.RecordHeartbeat(ctx)
	}
	return temporal.NewCanceledError("cleaned up")
}

//go:wasmexport stopping
func stopping() int32 { return activity.Run(Stopping) }

func Stopping(ctx context.Context) (string, error) {
	for {
		select {
		case <-activity.GetWorkerStopChannel(ctx):
			return "stopping", nil
		default:
			activity.RecordHeartbeat(ctx)
		}
	}
}

//go:wasmexport logs
func logs() int32 { return activity.Run(Logs) }

func Logs(ctx context.Context, text string) error {
	log := activity.GetLogger(ctx)
	log.Warn(text, "answer", 42)
	log.Debug("the end")
	return nil
}

var calls int

//go:wasmexport state
func state() int32 {
	return activity.Run(func() (int, error) {
		calls++
		return calls, nil
	})
}

var _ = rand.Uint64()

//go:wasmexport draw
func draw() int32 {
	return activity.Run(func() (string, error) { return strconv.FormatUint(rand.Uint64(), 10), nil })
}

//go:wasmexport spin
func spin() int32 {
	return activity.Run(func() error {
		//lint:ignore SA5002 that is what it is for
		for {
		}
	})
}
