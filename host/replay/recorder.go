package replay

import (
	"context"

	"github.com/wasmworker/wasmworker/abi"
	"github.com/wasmworker/wasmworker/host/passthrough"
	"github.com/wasmworker/wasmworker/host/sandbox"
)

// Recorder records what activities do in a worker, in the form in which [Env.Run] returns
// it. Cases can be made of real tasks that way. It implements host.Interceptor.
//
// It keeps the arguments and calls of an attempt in memory until the attempt ends.
type Recorder struct {
	// MaxSize is how many bytes of arguments, details, requests and responses are kept of
	// an attempt. An attempt with more is not recorded. The default 0 records only
	// attempts without any.
	MaxSize int
	// Ended is called with each attempt that ended. Args, Info, Details, Cancel and Flags
	// are set as they were. It runs in the attempt's goroutine; Temporal gets the result
	// after it returns. The clock, random numbers, heartbeats and logs are not recorded.
	Ended func(a Activity, run *Run)
}

// Execute implements host.Interceptor.
func (r *Recorder) Execute(ctx context.Context, task sandbox.Task, next func(context.Context, sandbox.Task) (*sandbox.Payload, error)) (*sandbox.Payload, error) {
	running := &running{
		Activity: Activity{Type: task.Activity, Info: &task.Info, Args: values(task.Args), Details: values(task.Details)},
		seen:     &Run{},
		room:     r.MaxSize - size(task.Args) - size(task.Details),
	}
	heartbeat, flags := task.Heartbeat, task.Flags
	beats := 0
	looked := true // the guest looked since the last heartbeat and found no flag
	task.Heartbeat = func(ctx context.Context, details []sandbox.Payload) error {
		beats++
		looked = false
		if heartbeat == nil {
			return nil
		}
		return heartbeat(ctx, details)
	}
	task.Flags = func(ctx context.Context) abi.Flags {
		if flags == nil {
			return 0
		}
		now := flags(ctx)
		switch {
		case now == 0:
			looked = true
		case running.Activity.Flags != 0:
		case looked: // a case cannot tell how often the guest had looked before
			running.Cancel.Fuel = FuelUsed(ctx)
			running.Activity.Flags = now
		default:
			running.Cancel.Heartbeats = beats
			running.Activity.Flags = now
		}
		return now
	}
	if task.Usage == nil {
		task.Usage = new(sandbox.Usage)
	}
	output, err := next(context.WithValue(ctx, runningKey{}, running), task)
	if running.room >= 0 && task.Usage.Instance != "" && r.Ended != nil {
		running.ended(output, err, task.Usage)
		r.Ended(running.Activity, running.seen)
	}
	return output, err
}

// Passthrough implements host.Interceptor.
func (r *Recorder) Passthrough(m passthrough.Module, function string, f passthrough.Func) passthrough.Func {
	return record(m, function, f)
}

func values(payloads []sandbox.Payload) (all []any) {
	for _, p := range payloads {
		all = append(all, p)
	}
	return all
}

func size(payloads []sandbox.Payload) (n int) {
	for _, p := range payloads {
		n += len(p.Data)
		for key, value := range p.Metadata {
			n += len(key) + len(value)
		}
	}
	return n
}

// keep adds a call to the recorded calls. If there is no room, all recorded calls are
// dropped.
func (r *running) keep(call Call) {
	const bookkeeping = 100
	if r.room -= bookkeeping + len(call.Request) + len(call.Response); r.room < 0 {
		r.seen.Calls = nil
		return
	}
	r.seen.Calls = append(r.seen.Calls, call)
}
