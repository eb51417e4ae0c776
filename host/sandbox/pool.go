package sandbox

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"
)

// Executor hands out instances to activities. The default is a [Pool]; an embedder
// replaces it to schedule otherwise: by tenant, by priority, by memory.
//
// Implementations make instances with [Module.NewInstance], and close the ones that
// they do not keep with [Instance.Close]. Methods are called concurrently.
type Executor interface {
	// Acquire returns an instance of the module that is in nobody else's hands. It
	// blocks until it may, and returns ctx's cause when ctx ends first. Errors of
	// NewInstance are returned as they are.
	Acquire(ctx context.Context, m *Module) (*Instance, error)
	// Release takes an acquired instance back, exactly once. It keeps it only if
	// [Instance.Reusable] says so, and closes it otherwise. It does not block for long.
	Release(*Instance)
	// Close closes the instances that are kept. It is called once, after the last Release.
	Close(ctx context.Context) error
}

// Pool is the default [Executor].
//
// At most its limit of instances exist at any time: those in use, those being made,
// and idle ones kept for reuse. When the limit is reached and an instance of another
// module is needed, the one that has been idle for longest makes room. Whoever has
// to wait is served in the order of arrival, except that a module at its own
// MaxInstances does not hold up the others. Idle instances also make room when the memory
// limit of all instances is reached, and an instance that stays idle gives the memory that it
// does not share back to the operating system.
type Pool struct {
	limit  int       // 0: none
	capped func(int) // see Config.Capped; nil: nobody wants to know

	mu      sync.Mutex
	inUse   int // handed out, or being made for somebody
	perMod  map[*Module]int
	idle    []idle    // longest idle first
	waiters []*waiter // in order of arrival
	trimmed int       // how many of idle, from its begin, have been trimmed
	trimmer *time.Timer
}

type idle struct {
	*Instance
	since time.Time
}

// trimAfter is how long an instance is idle before it gives memory back. What it gives back it
// has to take again, a page fault of 2 us for each page: in a busy pool that would be
// paid again and again. A variable for the tests.
var trimAfter = 10 * time.Second

type waiter struct {
	m      *Module
	ready  chan struct{} // closed when a slot was reserved
	capped bool          // it waits because of its module's own limit
}

// NewPool makes a pool of at most limit instances; 0 means no limit.
func NewPool(limit int) *Pool {
	return &Pool{limit: max(limit, 0), perMod: map[*Module]int{}}
}

// Stats is what a pool holds at one moment.
type Stats struct {
	Limit   int // 0: none
	InUse   int // instances in use or being made
	Idle    int // instances kept for reuse
	Waiting int // activities that wait for an instance
}

// Stats returns what the pool holds now.
func (p *Pool) Stats() Stats {
	p.mu.Lock()
	defer p.mu.Unlock()
	return Stats{Limit: p.limit, InUse: p.inUse, Idle: len(p.idle), Waiting: len(p.waiters)}
}

// Acquire implements [Executor].
func (p *Pool) Acquire(ctx context.Context, m *Module) (*Instance, error) {
	if err := ctx.Err(); err != nil {
		return nil, context.Cause(ctx)
	}
	p.mu.Lock()
	if p.free(m) {
		p.reserve(m)
	} else {
		w := &waiter{m: m, ready: make(chan struct{})}
		p.waiters = append(p.waiters, w)
		p.cap(w)
		p.mu.Unlock()
		select {
		case <-w.ready:
			p.mu.Lock()
		case <-ctx.Done():
			p.mu.Lock()
			if i := slices.Index(p.waiters, w); i >= 0 {
				p.forget(i)
			} else { // the slot came at the same moment
				p.unreserve(m)
			}
			p.mu.Unlock()
			return nil, context.Cause(ctx)
		}
	}
	// The slot is ours; find what fills it.
	for i := len(p.idle) - 1; i >= 0; i-- {
		if p.idle[i].module == m {
			instance := p.takeIdle(i)
			p.mu.Unlock()
			return instance, nil
		}
	}
	var evicted *Instance
	if p.limit > 0 && p.inUse+len(p.idle) > p.limit {
		evicted = p.takeIdle(0)
	}
	p.mu.Unlock()
	if evicted != nil {
		evicted.Close()
	}
	instance, err := m.NewInstance(ctx)
	for errors.Is(err, ErrMemoryLimit) && p.evict() {
		instance, err = m.NewInstance(ctx)
	}
	if err != nil {
		p.mu.Lock()
		p.unreserve(m)
		p.mu.Unlock()
	}
	return instance, err
}

// Release implements [Executor].
func (p *Pool) Release(instance *Instance) {
	keep := instance.Reusable()
	if !keep { // before the slot is given on, so that no more than the limit exist
		instance.Close()
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if keep {
		p.idle = append(p.idle, idle{instance, time.Now()})
		if p.trimmer == nil {
			p.trimmer = time.AfterFunc(trimAfter, p.trim)
		}
	}
	p.unreserve(instance.module)
}

// Close implements [Executor].
func (p *Pool) Close(context.Context) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.inUse > 0 {
		return errors.New("the pool cannot be closed: instances are in use")
	}
	for _, instance := range p.idle {
		instance.Close()
	}
	p.idle, p.trimmed = nil, 0
	if p.trimmer != nil {
		p.trimmer.Stop()
	}
	return nil
}

// takeIdle takes the idle instance with an index out of the pool.
func (p *Pool) takeIdle(i int) *Instance {
	instance := p.idle[i].Instance
	p.idle = slices.Delete(p.idle, i, i+1)
	if i < p.trimmed {
		p.trimmed--
	}
	return instance
}

// evict closes the instance that has been idle for longest. It returns false if none is idle.
func (p *Pool) evict() bool {
	p.mu.Lock()
	if len(p.idle) == 0 {
		p.mu.Unlock()
		return false
	}
	instance := p.takeIdle(0)
	p.mu.Unlock()
	instance.Close()
	return true
}

// trim makes the instances give memory back that have been idle for long enough, and comes back
// for the others. It runs in a goroutine of its own.
func (p *Pool) trim() {
	for {
		p.mu.Lock()
		if p.trimmed == len(p.idle) {
			p.trimmer = nil // Release makes another
			p.mu.Unlock()
			return
		}
		next := p.idle[p.trimmed]
		if wait := time.Until(next.since.Add(trimAfter)); wait > 0 {
			p.trimmer.Reset(wait)
			p.mu.Unlock()
			return
		}
		p.trimmed++
		next.trim() // under the lock, so that nobody acquires it meanwhile; some 10 us
		p.mu.Unlock()
	}
}

// cap notes that a waiter waits because of its module's own limit, if it does.
func (p *Pool) cap(w *waiter) {
	if p.capped == nil || w.capped || w.m.Options.MaxInstances == 0 || p.perMod[w.m] < w.m.Options.MaxInstances {
		return
	}
	w.capped = true
	p.capped(1)
}

// forget takes the waiter with an index off the list.
func (p *Pool) forget(i int) {
	if p.waiters[i].capped {
		p.capped(-1)
	}
	p.waiters = slices.Delete(p.waiters, i, i+1)
}

// free tells whether m may have one more instance in use.
func (p *Pool) free(m *Module) bool {
	return (p.limit == 0 || p.inUse < p.limit) && (m.Options.MaxInstances == 0 || p.perMod[m] < m.Options.MaxInstances)
}

func (p *Pool) reserve(m *Module) {
	p.inUse++
	p.perMod[m]++
}

// unreserve gives a slot back and hands it to the first who can take it.
func (p *Pool) unreserve(m *Module) {
	p.inUse--
	p.perMod[m]--
	for i := 0; i < len(p.waiters); {
		w := p.waiters[i]
		if p.free(w.m) {
			p.reserve(w.m)
			close(w.ready)
			p.forget(i)
			continue
		}
		p.cap(w)
		i++
	}
}
