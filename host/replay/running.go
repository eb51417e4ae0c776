package replay

import (
	"context"
	"errors"
	"log/slog"

	"github.com/wasmworker/wasmworker/abi"
	"github.com/wasmworker/wasmworker/host/passthrough"
	"github.com/wasmworker/wasmworker/host/sandbox"
)

// running is an attempt while it runs. Only the guest's goroutine uses it.
type running struct {
	Activity
	seen *Run
	room int // bytes that may still be recorded
}

type runningKey struct{}

func (r *running) ended(output *sandbox.Payload, err error, usage *sandbox.Usage) {
	if canceled, ok := errors.AsType[*sandbox.CanceledError](err); ok {
		output = canceled.Details
	}
	r.seen.Output, r.seen.Err = output, err
	r.seen.Fuel, r.seen.Memory = usage.Fuel, usage.Memory
}

func (r *running) heartbeat(ctx context.Context, details []sandbox.Payload) error {
	r.seen.Heartbeats = append(r.seen.Heartbeats, details)
	if r.Heartbeat != nil {
		return r.Heartbeat(ctx, details)
	}
	return nil
}

func (r *running) flags(ctx context.Context) abi.Flags {
	w := r.Cancel
	if w.Heartbeats > 0 && len(r.seen.Heartbeats) >= w.Heartbeats || w.Calls > 0 && len(r.seen.Calls) >= w.Calls || w.Fuel > 0 && FuelUsed(ctx) >= w.Fuel {
		if r.Flags == 0 {
			return abi.FlagCancelRequested
		}
		return r.Flags
	}
	return 0
}

func (r *running) log(_ context.Context, level slog.Level, message string, attrs []slog.Attr) {
	record := LogRecord{Level: level.String(), Message: message}
	for _, group := range attrs { // the guest's attributes are one group
		if group.Value.Kind() != slog.KindGroup {
			continue
		}
		record.Attrs = attributes(group.Value)
	}
	r.seen.Logs = append(r.seen.Logs, record)
}

func attributes(group slog.Value) map[string]any {
	all := map[string]any{}
	for _, a := range group.Group() {
		if a.Value.Kind() == slog.KindGroup {
			all[a.Key] = attributes(a.Value)
		} else {
			all[a.Key] = a.Value.Any()
		}
	}
	return all
}

// record wraps a passthrough function. It injects faults, lets the test answer, and
// records the call.
func record(m passthrough.Module, function string, f passthrough.Func) passthrough.Func {
	return func(ctx context.Context, caller *passthrough.Call, req []byte) ([]byte, error) {
		r, ok := ctx.Value(runningKey{}).(*running)
		if !ok {
			return f(ctx, caller, req)
		}
		f := func(ctx context.Context, req []byte) ([]byte, error) { return f(ctx, caller, req) }
		call := Call{Module: m.ImportName(), Function: function, Request: req}
		number := len(r.seen.Calls) + 1
		var err error
		for _, fault := range r.Faults {
			if fault.Call != 0 && fault.Call != number {
				continue
			}
			Advance(ctx, fault.Delay)
			switch {
			case fault.Err != nil:
				if fault.Lost {
					r.answer(ctx, call, f) //nolint:errcheck // the answer is lost
				}
				err = fault.Err
			case fault.Response != nil:
				r.answer(ctx, call, f) //nolint:errcheck // the answer is replaced
				call.Response = fault.Response
			}
		}
		if err == nil && call.Response == nil {
			call.Response, err = r.answer(ctx, call, f)
		}
		if err != nil {
			errno, message := abi.ErrnoOf(err)
			call.Response, call.Err = nil, &CallError{Errno: errno, Message: message}
		}
		r.keep(call)
		return call.Response, err
	}
}

func (r *running) answer(ctx context.Context, call Call, f func(context.Context, []byte) ([]byte, error)) ([]byte, error) {
	if r.Answer != nil {
		response, err := r.Answer(ctx, call)
		if !errors.Is(err, ErrUnanswered) {
			return response, err
		}
	}
	return f(ctx, call.Request)
}
