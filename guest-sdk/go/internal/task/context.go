package task

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/wasmworker/wasmworker/guest-sdk/go/internal/abi"
	"github.com/wasmworker/wasmworker/guest-sdk/go/temporal"
)

// Why a context ended, besides its deadline and a cancellation (which is a
// *temporal.CanceledError). Package activity exports them.
var (
	ErrPaused         = errors.New("activity paused")
	ErrReset          = errors.New("activity reset")
	ErrGone           = errors.New("activity gone: Temporal no longer waits for this attempt")
	ErrWorkerShutdown = errors.New("worker is shutting down")
)

// watchInterval is how often the watcher asks the host, and so how late a
// goroutine that waits can learn of a request.
const watchInterval = 20 * time.Millisecond

func causeOf(flags abi.Flags) error {
	switch {
	case flags&abi.FlagCancelRequested != 0:
		return temporal.NewCanceledError()
	case flags&abi.FlagPaused != 0:
		return ErrPaused
	case flags&abi.FlagReset != 0:
		return ErrReset
	case flags&abi.FlagGone != 0:
		return ErrGone
	case flags&abi.FlagWorkerStopping != 0:
		return ErrWorkerShutdown
	}
	return nil
}

// activityContext is the context that an activity gets: a cancellable context of
// the standard library, with Done and Err that first ask the host.
//
// Nothing runs in the background of a computing goroutine in WebAssembly, so a
// request is found where somebody looks: in Err and Done themselves, and for
// goroutines that wait, by a watcher which Done starts. Since Done returns the
// channel of the embedded context and Value leads to it too, contexts derived from
// this one are linked to the embedded one directly, without goroutines.
type activityContext struct {
	context.Context
	task *Task
}

type taskKey struct{}

// FromContext returns the task that a context belongs to, nil if none.
func FromContext(ctx context.Context) *Task {
	t, _ := ctx.Value(taskKey{}).(*Task)
	return t
}

// context makes the activity's context.
func (t *Task) context() context.Context {
	t.expiry.Context = context.Background()
	t.expiry.done = make(chan struct{})
	inner, cancel := context.WithCancelCause(&t.expiry)
	t.cancel = cancel
	t.ctx = activityContext{inner, t}
	return &t.ctx
}

func (c *activityContext) Deadline() (time.Time, bool) {
	d := c.task.Info().Deadline
	return d, !d.IsZero()
}

func (c *activityContext) Done() <-chan struct{} {
	c.task.check()
	c.task.watch(needDone)
	return c.Context.Done()
}

func (c *activityContext) Err() error {
	if err := c.Context.Err(); err != nil {
		return err
	}
	c.task.check()
	return c.Context.Err()
}

func (c *activityContext) Value(key any) any {
	if key == (taskKey{}) {
		return c.task
	}
	return c.Context.Value(key)
}

// check asks the host, and ends the context if there is a reason to.
func (t *Task) check() {
	if t.over.Load() {
		return
	}
	t.apply(abi.Flags(t.host.Status()))
	if left, limited := t.left(); limited && left <= 0 {
		t.expiry.expire()
	}
}

// left returns how much time there is until the deadline, if there is one. It asks
// for the monotonic clock alone, which is one call of the host.
func (t *Task) left() (left time.Duration, limited bool) {
	if t.Info().Deadline.IsZero() {
		return 0, false
	}
	return t.allowed - time.Since(t.asked), true
}

// apply does what flags ask for.
func (t *Task) apply(flags abi.Flags) {
	if flags == 0 {
		return
	}
	if flags&abi.FlagWorkerStopping != 0 {
		t.mu.Lock()
		if !t.stopping {
			t.stopping = true
			if t.stopped != nil {
				close(t.stopped)
			}
		}
		t.mu.Unlock()
	}
	if cause := causeOf(flags); cause != nil && t.cancel != nil {
		t.cancel(cause) // the first cause stays
	}
}

// WorkerStop returns a channel that is closed when the worker stops.
func (t *Task) WorkerStop() <-chan struct{} {
	t.mu.Lock()
	if t.stopped == nil {
		t.stopped = make(chan struct{})
		if t.stopping {
			close(t.stopped)
		}
	}
	t.mu.Unlock()
	t.check()
	t.watch(needStop)
	return t.stopped
}

type needs uint8

const (
	needDone needs = 1 << iota
	needStop
)

// watch makes sure that there is a watcher as long as somebody may wait.
func (t *Task) watch(n needs) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.needs |= n
	if t.watching || !t.waiting() {
		return
	}
	t.watching = true
	t.watcher = make(chan struct{})
	if t.quit == nil {
		t.quit = make(chan struct{})
	}
	go t.watchLoop(t.watcher)
}

// waiting tells whether somebody may wait for something that has not happened yet.
func (t *Task) waiting() bool {
	return !t.over.Load() &&
		(t.needs&needDone != 0 && t.ctx.Context.Err() == nil || t.needs&needStop != 0 && !t.stopping)
}

func (t *Task) watchLoop(ended chan<- struct{}) {
	defer close(ended)
	timer := time.NewTimer(t.interval())
	defer timer.Stop()
	for {
		select {
		case <-t.quit:
			return
		case <-timer.C:
		}
		t.check()
		t.mu.Lock()
		t.watching = t.waiting()
		watching := t.watching
		t.mu.Unlock()
		if !watching {
			return
		}
		timer.Reset(t.interval())
	}
}

func (t *Task) interval() time.Duration {
	if left, limited := t.left(); limited && left > 0 {
		return min(watchInterval, left)
	}
	return watchInterval
}

// end is called when the activity's function has returned: it ends the context and
// the watcher. Goroutines that the activity left behind may still run, later, and
// find an attempt that is over.
func (t *Task) end() {
	t.mu.Lock()
	t.over.Store(true)
	watcher := t.watcher
	if t.quit != nil {
		close(t.quit)
	}
	t.mu.Unlock()
	if t.cancel != nil {
		t.cancel(nil)
	}
	if watcher != nil {
		<-watcher
	}
}

// expiry is the parent of an activity's context, and ends when the deadline has
// passed. It differs from context.WithDeadline in that whoever looks at the clock
// can end it: timers do not fire while a goroutine computes in WebAssembly.
type expiry struct {
	context.Context
	mu   sync.Mutex
	done chan struct{}
	over bool
	then func()
}

func (e *expiry) Done() <-chan struct{} { return e.done }

func (e *expiry) Err() error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.over {
		return context.DeadlineExceeded
	}
	return nil
}

// AfterFunc lets package context attach the one child without a goroutine.
func (e *expiry) AfterFunc(f func()) (stop func() bool) {
	e.then = f
	return func() bool { return false }
}

func (e *expiry) expire() {
	e.mu.Lock()
	if e.over {
		e.mu.Unlock()
		return
	}
	e.over = true
	close(e.done)
	e.mu.Unlock()
	e.then()
}
