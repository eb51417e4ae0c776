package sandbox

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/wasmworker/wasmworker/host/internal/image"
)

// Executor hands out instances to activities. The default is a [Pool]; an embedder
// replaces it to schedule otherwise: by tenant, by priority, by memory.
//
// Experimental: the interface, and [Module.NewInstance] and the methods of [Instance]
// that are there for it, may change in any release.
//
// Implementations make instances with [Module.NewInstance], and close the ones that
// they do not keep with [Instance.Close]. Methods are called concurrently.
type Executor interface {
	// Acquire returns an instance of the module that is in nobody else's hands. It blocks
	// until it may, and returns ctx's cause when ctx ends first. Errors of NewInstance
	// are returned as they are, but for [ErrMemoryLimit], which an executor may wait out:
	// closing instances helps, and whatever is released.
	Acquire(ctx context.Context, m *Module) (*Instance, error)
	// Release takes an acquired instance back, exactly once. It keeps it only if
	// [Instance.Reusable] says so, and closes it otherwise. It does not block for long.
	Release(*Instance)
	// Evict closes the idle instances of the module, which has been unloaded: so that its
	// code can be freed. Those in use are not [Instance.Reusable] any more.
	Evict(m *Module)
	// Close closes the instances that are kept. It is called once, after the last
	// Release.
	Close(ctx context.Context) error
}

// Pool is the default [Executor].
//
// At most its limit of instances exist at any time: those in use, those being made, and
// idle ones kept for reuse. When the limit is reached and an instance of another module
// is needed, the one that has been idle for longest makes room. Whoever has to wait is
// served in the order of arrival, except that a module at its own MaxInstances does not
// hold up the others. Idle instances also make room when the memory limit of all
// instances is reached. If that does not suffice, whoever needs an instance waits until
// there is memory for it, in the order of arrival too: nobody takes an instance before
// one who waits for memory. It fails with [ErrMemoryLimit] if no other instance is in
// use, which means that there will never be enough. From then on, activities of the same
// module are tried in their turn, and fail if there is not enough then: nobody waits behind
// them. So fails also who runs out of memory during the initialization, as the only one
// that may take any, where the module's first instance needed less. An instance that stays
// idle gives the memory that it does not share back to the operating system.
type Pool struct {
	limit  int       // 0: none
	capped func(int) // see Config.Capped; nil: nobody wants to know
	// reclaim unloads a module that has no instance, other than the given one, and
	// returns false if there is none. Nil: modules stay loaded.
	reclaim func(except *Module) bool

	mu sync.Mutex
	// hopeless are modules for which all memory together was not enough.
	hopeless map[*Module]bool
	inUse    int // slots: handed out, being made for somebody, or starved
	perMod   map[*Module]int
	idle     []idle     // longest idle first
	waiters  []*waiter  // for a slot, in order of arrival
	starved  []*starved // have a slot and wait for memory, in order of arrival
	// who has memory at the moment that is no slot's: starved ones, of an instance that they
	// close or try, and modules that are loaded or unloaded
	busy     int
	arrivals uint64
	trimmed  int // how many of idle, from its begin, have been trimmed
	trimmer  *time.Timer
}

type idle struct {
	*Instance
	since time.Time
}

// trimAfter is how long an instance is idle before it gives memory back. What it gives
// back it has to take again, a page fault of 2 us for each page: in a busy pool that
// would be paid again and again. A variable for the tests.
var trimAfter = 10 * time.Second

type waiter struct {
	m      *Module
	ready  chan struct{} // closed when a slot was reserved
	capped bool          // it waits because of its module's own limit
}

// starved is who waits for memory.
type starved struct {
	m       *Module
	arrival uint64
	again   chan struct{} // something has changed since its last attempt, and it is the first
	// its initialization ran out of memory: nobody else may take any meanwhile
	alone bool
	loads bool // its attempt loads the module, at the moment
}

// NewPool makes a pool of at most limit instances; 0 means no limit.
func NewPool(limit int) *Pool {
	return &Pool{limit: max(limit, 0), perMod: map[*Module]int{}, hopeless: map[*Module]bool{}}
}

// Stats is what a pool holds at one moment.
type Stats struct {
	Limit   int // 0: none
	InUse   int // instances in use or being made
	Idle    int // instances kept for reuse
	Waiting int // activities that wait for an instance, or for memory for one
}

// Stats returns what the pool holds now.
func (p *Pool) Stats() Stats {
	p.mu.Lock()
	defer p.mu.Unlock()
	return Stats{Limit: p.limit, InUse: p.inUse - len(p.starved), Idle: len(p.idle), Waiting: len(p.waiters) + len(p.starved)}
}

// Acquire implements [Executor].
func (p *Pool) Acquire(ctx context.Context, m *Module) (*Instance, error) {
	if err := ctx.Err(); err != nil {
		return nil, context.Cause(ctx)
	}
	p.mu.Lock()
	arrival := p.arrivals
	p.arrivals++
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
	var instance *Instance
	err := ErrMemoryLimit
	if len(p.starved) == 0 {
		var evicted *Instance
		if instance, evicted = p.fill(m); instance != nil {
			p.mu.Unlock()
			return instance, nil
		}
		p.mu.Unlock()
		if evicted != nil {
			evicted.Close()
		}
		instance, err = m.NewInstance(ctx)
		// Who ran out of memory during the initialization may have taken all that there
		// was: others keep theirs until it was tried alone.
		for errors.Is(err, ErrMemoryLimit) && !initializing(err) && p.evict(m) {
			instance, err = m.NewInstance(ctx)
		}
		p.mu.Lock()
	}
	if errors.Is(err, ErrMemoryLimit) {
		instance, err = p.await(ctx, &starved{m: m, arrival: arrival, again: make(chan struct{}, 1)})
	}
	if err != nil {
		p.unreserve(m)
	}
	p.mu.Unlock()
	return instance, err
}

// fill finds what fills a slot of m's: an idle instance of its own, or else the one that
// has been idle for longest and has to be closed so that no more than the limit exist, or
// neither.
func (p *Pool) fill(m *Module) (instance, evicted *Instance) {
	for i := len(p.idle) - 1; i >= 0; i-- {
		if p.idle[i].module == m {
			return p.takeIdle(i), nil
		}
	}
	if p.limit > 0 && len(p.idle) > 0 && p.inUse+len(p.idle) > p.limit {
		return nil, p.takeIdle(0)
	}
	return nil, nil
}

// await waits for memory until there is an instance for w, which has a slot. It is called
// with the lock, and returns with it.
func (p *Pool) await(ctx context.Context, w *starved) (*Instance, error) {
	p.starve(w)
	for {
		p.mu.Unlock()
		select {
		case <-w.again:
			p.mu.Lock()
		case <-ctx.Done():
			p.mu.Lock()
			p.unstarve(w)
			return nil, context.Cause(ctx)
		}
		instance, evicted := p.fill(w.m)
		if instance != nil {
			p.unstarve(w)
			return instance, nil
		}
		if evicted == nil {
			// All of this is under the lock, so that who sees nobody else with memory is
			// right.
			last := p.inUse == len(p.starved) && p.busy == 0 && len(p.idle) == 0
			// what fails now must not have failed because of another one's attempt
			w.alone = w.alone || last
			instance, greedy, err := p.try(ctx, w)
			if err == nil {
				delete(p.hopeless, w.m)
			}
			if greedy || !errors.Is(err, ErrMemoryLimit) {
				p.unstarve(w)
				return instance, err
			}
			if len(p.idle) > 0 {
				evicted = p.takeIdle(0)
			} else if !p.unload(w.m) {
				if last || p.hopeless[w.m] {
					p.hopeless[w.m] = true
					p.unstarve(w)
					return nil, err
				}
				continue // until somebody gives memory back
			}
		}
		if evicted != nil {
			p.busy++
			p.mu.Unlock()
			evicted.Close()
			p.mu.Lock()
			p.busy--
		}
		p.wake()
	}
}

// try makes an instance for w, as initialize does. It is greedy if its initialization ran
// out of memory though it had all that the first instance needed, and nobody else could
// take any meanwhile.
func (p *Pool) try(ctx context.Context, w *starved) (instance *Instance, greedy bool, err error) {
	program, memory, err := w.m.newMemory()
	if err != nil {
		return nil, false, err
	}
	alone, known := w.alone, program != nil && program.initialized > 0
	instance, err = p.initialize(ctx, w, program, memory)
	return instance, alone && known && initializing(err) && errors.Is(err, ErrMemoryLimit), err
}

// initializing tells whether the initialization of an instance has failed, and not what
// comes before it.
func initializing(err error) bool {
	_, failed := errors.AsType[*initializationError](err)
	return failed
}

// occupy keeps those who wait for memory from giving up while a module is loaded, or
// another one is unloaded (nil), which takes memory that is no instance's. The function
// that it returns is called when that is over, and lets them try again: but not who has
// made that load himself.
func (p *Pool) occupy(loads *Module) (done func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.busy++
	return func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.busy--
		if len(p.starved) == 0 || !p.starved[0].loads || p.starved[0].m != loads {
			p.wake()
		}
	}
}

// unload unloads a module other than m that has no instance, without the lock. It
// returns false if there is none.
func (p *Pool) unload(m *Module) bool {
	if p.reclaim == nil {
		return false
	}
	p.busy++
	p.mu.Unlock()
	ok := p.reclaim(m)
	p.mu.Lock()
	p.busy--
	return ok
}

// initialize makes an instance of w's memory, without the lock. Others may get theirs
// meanwhile, unless the initialization took more than there was: then it is tried again,
// and nobody but who has an instance already can take anything from it.
func (p *Pool) initialize(ctx context.Context, w *starved, program *program, memory *image.Memory) (instance *Instance, err error) {
	if w.alone {
		p.busy++
	} else {
		p.unstarve(w)
	}
	w.loads = program == nil
	p.mu.Unlock()
	if program == nil {
		instance, err = w.m.NewInstance(ctx) // it has to be loaded first
	} else {
		instance, err = program.instantiate(ctx, memory)
		w.m.letGo(program)
	}
	p.mu.Lock()
	w.loads = false
	switch {
	case w.alone:
		p.busy--
	case errors.Is(err, ErrMemoryLimit):
		w.alone = true
		p.starve(w)
	}
	return instance, err
}

// starve puts w in its place among those who wait for memory.
func (p *Pool) starve(w *starved) {
	i := len(p.starved)
	for i > 0 && p.starved[i-1].arrival > w.arrival {
		i--
	}
	p.starved = slices.Insert(p.starved, i, w)
	p.wake()
}

// unstarve takes w out again, if it is there.
func (p *Pool) unstarve(w *starved) {
	if i := slices.Index(p.starved, w); i >= 0 {
		p.starved = slices.Delete(p.starved, i, i+1)
		p.wake()
	}
}

// wake lets the first of those who wait for memory try again. It is called after
// everything that may have given memory back, or that makes it the first or the last.
func (p *Pool) wake() {
	if len(p.starved) == 0 {
		return
	}
	select {
	case p.starved[0].again <- struct{}{}:
	default: // it will
	}
}

// Release implements [Executor].
func (p *Pool) Release(instance *Instance) {
	keep := instance.Reusable()
	if !keep { // before the slot is given on, so that no more than the limit exist
		instance.Close()
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if keep && !instance.Reusable() { // its module was unloaded in this moment
		instance.Close()
		keep = false
	}
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

// Evict implements [Executor].
func (p *Pool) Evict(m *Module) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for i := len(p.idle) - 1; i >= 0; i-- {
		if p.idle[i].module == m {
			p.takeIdle(i).Close()
		}
	}
	p.wake()
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

// evict gives memory back for an instance of m: that of the instance that has been idle
// for longest, or else of a module that has no instance. It returns false if there is
// neither.
func (p *Pool) evict(m *Module) bool {
	p.mu.Lock()
	if len(p.idle) == 0 {
		p.mu.Unlock()
		return p.reclaim != nil && p.reclaim(m)
	}
	instance := p.takeIdle(0)
	p.mu.Unlock()
	instance.Close()
	return true
}

// trim makes the instances give memory back that have been idle for long enough, and
// comes back for the others. It runs in a goroutine of its own.
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
	if p.capped == nil || w.capped || w.m.options.MaxInstances == 0 || p.perMod[w.m] < w.m.options.MaxInstances {
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
	return (p.limit == 0 || p.inUse < p.limit) && (m.options.MaxInstances == 0 || p.perMod[m] < m.options.MaxInstances)
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
	p.wake()
}
