package flow

import (
	"context"

	"github.com/wasmworker/wasmworker/guest-sdk/go/temporal"
)

// Future is what a command will give.
type Future struct {
	run    *Run
	id     int64
	done   chan struct{}
	result Payload
	value  any // in place of result
	err    error
	stop   func() bool // ends the watch over the context
	start  *Future     // of a child: that it has started
	child  *Execution  // of start: what has started
}

// Execution identifies a run of a workflow.
type Execution struct{ ID, RunID string }

// NewFuture returns a future that [Future.Set] resolves.
func NewFuture(r *Run) *Future { return &Future{run: r, done: make(chan struct{})} }

// Failed returns a future that has failed.
func Failed(r *Run, err error) *Future {
	f := NewFuture(r)
	f.Set(nil, err)
	return f
}

// Set resolves a future.
func (f *Future) Set(value any, err error) {
	f.value, f.err = value, err
	close(f.done)
}

// Done returns a channel that is closed when the future is resolved.
func (f *Future) Done() <-chan struct{} { return f.done }

// IsReady tells whether the future is resolved.
func (f *Future) IsReady() bool {
	select {
	case <-f.done:
		return true
	default:
		return false
	}
}

// Get waits, and stores the result into what ptr points to.
func (f *Future) Get(_ context.Context, ptr any) error {
	<-f.done
	if f.err != nil {
		return f.err
	}
	if f.value != nil {
		return Assign(f.value, ptr)
	}
	return f.result.Decode(ptr)
}

// Start gives the host a command that will be resolved. If ctx ends, the host is asked to
// cancel it. The command has an id, and what write appends.
func (r *Run) Start(ctx context.Context, name string, write func(w *Writer)) *Future {
	f := NewFuture(r)
	if ctx.Err() != nil {
		f.Set(nil, temporal.NewCanceledError())
		return f
	}
	r.start(ctx, f, name, write)
	return f
}

func (r *Run) start(ctx context.Context, f *Future, name string, write func(w *Writer)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.mutable(name)
	if r.ended {
		return
	}
	r.next++
	f.id = r.next
	r.futures[f.id] = f
	r.write(func(w *Writer) {
		w.begin(name)
		w.Int("id", f.id)
		write(w)
	})
	if ctx.Done() != nil {
		f.stop = context.AfterFunc(ctx, f.requestCancel)
	}
}

func (f *Future) requestCancel() {
	r := f.run
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.futures[f.id] != f || r.readOnly || r.ended {
		return
	}
	r.write(func(w *Writer) {
		w.begin("cancel")
		w.Int("id", f.id)
	})
}

// StartChild is Start for a child workflow.
func (r *Run) StartChild(ctx context.Context, workflowID string, write func(w *Writer)) (result, started *Future) {
	result, started = NewFuture(r), NewFuture(r)
	result.start = started
	started.child = &Execution{ID: workflowID}
	if ctx.Err() != nil {
		started.Set(nil, temporal.NewCanceledError())
		result.Set(nil, temporal.NewCanceledError())
		return result, started
	}
	r.start(ctx, result, "child", write)
	return result, started
}

// resolve takes what the host says of a command.
func (r *Run) resolve(j *job) {
	r.mu.Lock()
	f := r.futures[j.id]
	delete(r.futures, j.id)
	r.mu.Unlock()
	if f == nil {
		return
	}
	if f.stop != nil {
		f.stop()
	}
	if f.start != nil && !f.start.IsReady() {
		if j.failure != nil {
			f.start.Set(nil, j.failure)
		} else { // nobody said that it had started
			f.start.Set(*f.start.child, nil)
		}
	}
	f.result, f.err = j.result, j.failure
	close(f.done)
}

// started takes that a child has started.
func (r *Run) started(j *job) {
	r.mu.Lock()
	f := r.futures[j.id]
	r.mu.Unlock()
	if f == nil || f.start == nil || f.start.IsReady() {
		return
	}
	if j.workflowID != "" {
		f.start.child.ID = j.workflowID
	}
	f.start.child.RunID = j.runID
	f.start.Set(*f.start.child, nil)
}
