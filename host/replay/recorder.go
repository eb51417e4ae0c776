package replay

import (
	"context"

	"github.com/wasmworker/wasmworker/abi"
	"github.com/wasmworker/wasmworker/host/passthrough"
	"github.com/wasmworker/wasmworker/host/sandbox"
)

// Recorder sees what activities do in a worker as [Env.Run] sees it in a test, for cases
// made of real tasks. It is a host.Interceptor.
//
// It keeps what an attempt was given and answered in memory until the attempt ends.
type Recorder struct {
	// MaxSize is the most bytes of arguments, details, requests and responses that are
	// kept of an attempt. One with more is not recorded.
	MaxSize int
	// Ended gets each attempt that ended, with Args, Info, Details, Cancel and Flags as
	// they were, from the goroutine that ran it: Temporal gets the result when it
	// returns. The clock, random numbers, heartbeats and logs are not recorded.
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
	looked := true // since the last heartbeat, to no avail
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
		case looked: // for how often it had looked before is not known to a case
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

// keep adds a call to what was seen, if there is room. Once there is not, all that was
// seen is let go.
func (r *running) keep(call Call) {
	const bookkeeping = 100
	if r.room -= bookkeeping + len(call.Request) + len(call.Response); r.room < 0 {
		r.seen.Calls = nil
		return
	}
	r.seen.Calls = append(r.seen.Calls, call)
}
