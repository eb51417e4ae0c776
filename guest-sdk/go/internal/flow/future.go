package flow

import (
	"context"
	"slices"

	"github.com/wasmworker/wasmworker/guest-sdk/go/temporal"
)

// Future is what a command will give.
type Future struct {
	run     *Run
	id      int64
	done    chan struct{}
	result  Payload
	value   any // in place of result
	err     error
	stop    func() bool // ends the watch over the context
	withRun bool        // its context ends with that of the run
	start   *Future     // of a child: that it has started
	child   *Execution  // of start: what has started
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
// cancel it. The command has an id, arguments, if there are any, and what write appends.
func (r *Run) Start(ctx context.Context, name string, args []any, write func(w *Writer)) *Future {
	f := NewFuture(r)
	r.start(ctx, f, name, args, write)
	return f
}

func (r *Run) start(ctx context.Context, f *Future, name string, args []any, write func(w *Writer)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.mutable(name)
	done := ctx.Done()
	if done != nil && ctx.Err() != nil {
		f.fail(temporal.NewCanceledError())
		return
	}
	if r.ended {
		return
	}
	before := r.commands
	r.open(name)
	r.commands.Int("id", r.next+1)
	err := r.commands.args(args)
	if err != nil {
		r.commands = before
		f.fail(err)
		return
	}
	write(&r.commands)
	r.close()
	r.next++
	f.id = r.next
	r.futures = append(r.futures, f)
	if done == r.ctx.Done() {
		f.withRun = true // the frequent case, for which a watch would cost too much
	} else if done != nil {
		f.stop = context.AfterFunc(ctx, func() {
			r.mu.Lock()
			defer r.mu.Unlock()
			r.requestCancel(f)
		})
	}
}

// fail resolves a future, and the one of a child's start.
func (f *Future) fail(err error) {
	if f.start != nil {
		f.start.Set(nil, err)
	}
	f.Set(nil, err)
}

// index returns where the future of an id is, or would be. They are in the order of ids.
func (r *Run) index(id int64) (i int, found bool) {
	return slices.BinarySearchFunc(r.futures, id, func(f *Future, id int64) int { return int(f.id - id) })
}

func (r *Run) requestCancel(f *Future) {
	if _, found := r.index(f.id); !found || r.readOnly || r.ended {
		return
	}
	r.open("cancel")
	r.commands.Int("id", f.id)
	r.close()
}

// requestCancels takes that somebody asks to cancel the run.
func (r *Run) requestCancels() {
	r.cancel(temporal.NewCanceledError())
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, f := range r.futures {
		if f.withRun {
			f.withRun = false
			r.requestCancel(f)
		}
	}
}

// StartChild is Start for a child workflow.
func (r *Run) StartChild(ctx context.Context, workflowID string, args []any, write func(w *Writer)) (result, started *Future) {
	result, started = NewFuture(r), NewFuture(r)
	result.start = started
	started.child = &Execution{ID: workflowID}
	r.start(ctx, result, "child", args, write)
	return result, started
}

// resolve takes what the host says of a command.
func (r *Run) resolve(j *job) {
	r.mu.Lock()
	i, found := r.index(j.id)
	if !found {
		r.mu.Unlock()
		return
	}
	f := r.futures[i]
	r.futures = slices.Delete(r.futures, i, i+1)
	r.mu.Unlock()
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
	i, found := r.index(j.id)
	if !found {
		r.mu.Unlock()
		return
	}
	f := r.futures[i]
	r.mu.Unlock()
	if f.start == nil || f.start.IsReady() {
		return
	}
	if j.workflowID != "" {
		f.start.child.ID = j.workflowID
	}
	f.start.child.RunID = j.runID
	f.start.Set(*f.start.child, nil)
}
