package workflow

import (
	"sync"
	"time"

	"github.com/wasmworker/wasmworker/guest-sdk/go/temporal"
)

// Await waits until the condition holds. It is asked whenever everything else in the
// workflow waits, and so must not wait itself. If ctx ends before, Await returns a
// *temporal.CanceledError.
func Await(ctx Context, condition func() bool) error {
	if ctx.Err() != nil {
		return temporal.NewCanceledError()
	}
	if condition() {
		return nil
	}
	ready, stop := runOf(ctx).Await(condition)
	select {
	case <-ready:
		return nil
	case <-ctx.Done():
		stop()
		return temporal.NewCanceledError()
	}
}

// AwaitOptions are options of [AwaitWithOptions].
type AwaitOptions struct {
	// Timeout is the longest time to wait.
	Timeout time.Duration
	// TimerOptions are options of the timer for it.
	TimerOptions TimerOptions
}

// AwaitWithTimeout is Await, but for at most so long. ok tells whether the condition holds.
func AwaitWithTimeout(ctx Context, timeout time.Duration, condition func() bool) (ok bool, err error) {
	return AwaitWithOptions(ctx, AwaitOptions{Timeout: timeout}, condition)
}

// AwaitWithOptions is AwaitWithTimeout with options.
func AwaitWithOptions(ctx Context, options AwaitOptions, condition func() bool) (ok bool, err error) {
	if ctx.Err() != nil {
		return false, temporal.NewCanceledError()
	}
	if condition() {
		return true, nil
	}
	timed, cancel := WithCancel(ctx)
	defer cancel()
	timer := NewTimerWithOptions(timed, options.Timeout, options.TimerOptions)
	ready, stop := runOf(ctx).Await(condition)
	select {
	case <-ready:
		return true, nil
	case <-ctx.Done():
		stop()
		return false, temporal.NewCanceledError()
	case <-timer.Done():
		stop()
		if ctx.Err() != nil {
			return false, temporal.NewCanceledError()
		}
		return condition(), nil
	}
}

// WaitGroup waits for several goroutines.
type WaitGroup interface {
	Add(delta int)
	Done()
	// Go runs f in a goroutine that the group waits for.
	Go(ctx Context, f func(ctx Context))
	Wait(ctx Context)
}

// NewWaitGroup returns a wait group.
func NewWaitGroup(ctx Context) WaitGroup { return &waitGroup{} }

type waitGroup struct{ wg sync.WaitGroup }

func (g *waitGroup) Add(delta int)    { g.wg.Add(delta) }
func (g *waitGroup) Done()            { g.wg.Done() }
func (g *waitGroup) Wait(ctx Context) { g.wg.Wait() }
func (g *waitGroup) Go(ctx Context, f func(ctx Context)) {
	g.wg.Add(1)
	Go(ctx, func(ctx Context) {
		defer g.wg.Done()
		f(ctx)
	})
}

// Mutex is a lock that one can stop to wait for.
type Mutex interface {
	// Lock waits for the lock. If ctx ends before, it returns a *temporal.CanceledError.
	Lock(ctx Context) error
	// TryLock locks if that does not mean to wait.
	TryLock(ctx Context) bool
	// Unlock unlocks. It panics if nobody has locked.
	Unlock()
	// IsLocked tells whether somebody has locked.
	IsLocked() bool
}

// NewMutex returns a mutex that is not locked.
func NewMutex(ctx Context) Mutex { return make(mutex, 1) }

type mutex chan struct{}

func (m mutex) Lock(ctx Context) error {
	if ctx.Err() != nil {
		return temporal.NewCanceledError()
	}
	if m.TryLock(ctx) {
		return nil
	}
	select {
	case m <- struct{}{}:
		return nil
	case <-ctx.Done():
		return temporal.NewCanceledError()
	}
}

func (m mutex) TryLock(ctx Context) bool {
	select {
	case m <- struct{}{}:
		return true
	default:
		return false
	}
}

func (m mutex) Unlock() {
	select {
	case <-m:
	default:
		panic("workflow: Unlock of a mutex that is not locked")
	}
}

func (m mutex) IsLocked() bool { return len(m) > 0 }

// Semaphore is a number of permits, which are given out in the order of those who ask.
type Semaphore interface {
	// Acquire waits for n permits. If ctx ends before, it returns a *temporal.CanceledError.
	Acquire(ctx Context, n int64) error
	// TryAcquire takes n permits if that does not mean to wait.
	TryAcquire(ctx Context, n int64) bool
	// Release gives n permits back. It panics if there are more then than at the beginning.
	Release(n int64)
}

// NewSemaphore returns a semaphore of n permits.
func NewSemaphore(ctx Context, n int64) Semaphore { return &semaphore{size: n} }

type semaphore struct {
	mu      sync.Mutex
	size    int64
	used    int64
	waiting []*permit
}

type permit struct {
	n     int64
	given chan struct{}
}

func (s *semaphore) Acquire(ctx Context, n int64) error {
	if ctx.Err() != nil {
		return temporal.NewCanceledError()
	}
	if s.TryAcquire(ctx, n) {
		return nil
	}
	p := &permit{n, make(chan struct{})}
	s.mu.Lock()
	s.waiting = append(s.waiting, p)
	s.mu.Unlock()
	select {
	case <-p.given:
		return nil
	case <-ctx.Done():
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := range s.waiting {
		if s.waiting[i] == p {
			s.waiting = append(s.waiting[:i:i], s.waiting[i+1:]...)
			s.give() // to those who wanted less
			return temporal.NewCanceledError()
		}
	}
	return nil // it was given at the same time
}

func (s *semaphore) TryAcquire(ctx Context, n int64) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.waiting) > 0 || s.used+n > s.size {
		return false
	}
	s.used += n
	return true
}

func (s *semaphore) Release(n int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.used -= n
	if s.used < 0 {
		panic("workflow: more permits are released than were acquired")
	}
	s.give()
}

func (s *semaphore) give() {
	for len(s.waiting) > 0 && s.used+s.waiting[0].n <= s.size {
		s.used += s.waiting[0].n
		close(s.waiting[0].given)
		s.waiting = s.waiting[1:]
	}
}
