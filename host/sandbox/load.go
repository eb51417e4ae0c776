package sandbox

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// loader loads the modules of a sandbox, each when it is asked for.
type loader struct {
	cacheDir string
	// cacheLimit is how many bytes may be there. 0: any number.
	cacheLimit uint64
	logger     *slog.Logger
	skip       bool // modules that cannot be loaded are left out
	// idle is how long a module stays loaded that no activity needs. 0: for ever.
	idle  time.Duration
	evict func(*Module) // closes its idle instances
	// busy is called before a module is loaded, or nil is unloaded, and what it returns when
	// that is over: see [Pool.occupy].
	busy func(loads *Module) (done func())

	compiling compileLimits

	prepared    sync.Once
	cache       *codeCache
	interpreter bool // see engine.Interpret; or because the compiler cannot work here

	ctx    context.Context // of every load
	cancel context.CancelCauseFunc

	mu      sync.Mutex
	closed  bool
	running sync.WaitGroup
}

func newLoader(cfg *Config, executor Executor, logger *slog.Logger) *loader {
	l := &loader{cacheDir: cfg.CacheDir, cacheLimit: cfg.CacheLimit, logger: logger, skip: cfg.SkipRefused, idle: cfg.ModuleIdleTimeout, evict: executor.Evict, interpreter: cfg.interpreter}
	l.busy = func(*Module) func() { return func() {} }
	l.compiling.timeout, l.compiling.memory = cfg.CompileTimeout, cfg.CompileMemoryLimit
	l.ctx, l.cancel = context.WithCancelCause(context.Background())
	return l
}

// prepare opens the cache and finds out whether the compiler works.
func (l *loader) prepare() {
	l.prepared.Do(func() {
		l.cache = openCache(l.cacheDir, l.cacheLimit, l.logger)
		if l.interpreter {
			return
		}
		if err := executableMemory(); err != nil {
			l.logger.Warn("this system refuses executable memory, so the interpreter is used, some ten times slower; allow it with "+
				"MemoryDenyWriteExecute=no in the systemd unit, with execmem in the SELinux policy, or by not setting PR_SET_MDWE", "error", err)
			l.interpreter = true
		}
	})
}

// context returns one with ctx's values that ends when the loader is stopped: what one
// asked for is there for others, too.
func (l *loader) context(ctx context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancelCause(context.WithoutCancel(ctx))
	stop := context.AfterFunc(l.ctx, func() { cancel(context.Cause(l.ctx)) })
	return ctx, func() {
		stop()
		cancel(nil)
	}
}

// run runs f in a goroutine of its own, unless the loader is closed.
func (l *loader) run(f func()) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return false
	}
	l.running.Go(f)
	return true
}

// close ends the loads under way, and waits for that.
func (l *loader) close() {
	l.mu.Lock()
	l.closed = true
	l.mu.Unlock()
	l.cancel(ErrClosed)
	l.running.Wait()
}

// loading is a load under way.
type loading struct {
	waiters int64         // who are to hold the program
	done    chan struct{} // closed when it has ended
	program *program      // then, or nil
	err     error
}

// acquire returns the module's program, of which the caller has to let go. It loads the
// module if need be, and blocks until that is done. It returns ctx's cause when ctx ends
// first, and the load goes on for others.
func (m *Module) acquire(ctx context.Context) (*program, error) {
	m.mu.Lock()
	if m.program != nil {
		defer m.mu.Unlock()
		return m.program.hold(), nil
	}
	if m.refused != nil {
		defer m.mu.Unlock()
		return nil, m.refused
	}
	if m.loading == nil && !m.startLoading(ctx) {
		m.mu.Unlock()
		return nil, ErrClosed
	}
	l := m.loading
	l.waiters++
	m.mu.Unlock()
	select {
	case <-l.done:
		return l.program, l.err
	case <-ctx.Done():
	}
	m.mu.Lock()
	l.waiters--
	p := l.program
	m.mu.Unlock()
	if p != nil { // it came in the same moment
		m.letGo(p)
	}
	return nil, context.Cause(ctx)
}

// startLoading is called with the lock.
func (m *Module) startLoading(ctx context.Context) bool {
	l := &loading{done: make(chan struct{})}
	started := m.loader.run(func() {
		done := m.loader.busy(m)
		ctx, cancel := m.loader.context(ctx)
		defer cancel()
		m.loader.prepare()
		start := time.Now()
		p, err := newProgram(ctx, m, m.loader.cache)
		m.loader.cache.trim()
		if err == nil {
			m.logger.Debug("module loaded", "kind", string(m.file.Kind), "digest", m.file.Digest[:12], "cached", p.cached, "duration", time.Since(start).Round(time.Millisecond))
		}
		m.mu.Lock()
		m.program, m.loading = p, nil
		if _, its := errors.AsType[*moduleError](err); its && !errors.Is(err, ErrMemoryLimit) && !errors.Is(err, errSystemMemory) && ctx.Err() == nil {
			m.refused = err
			if m.loader.skip {
				m.logger.Warn("module left out", "error", err)
			}
		}
		m.touch()
		if l.program, l.err = p, err; p != nil {
			p.holders.Add(l.waiters)
		}
		m.mu.Unlock()
		done() // first: who waits there must not take it for news of somebody else's
		close(l.done)
	})
	if started {
		m.loading = l
	}
	return started
}

// begin is called before an activity of the module, which is not idle until end is. It
// tells whether the module is loaded.
func (m *Module) begin() (loaded bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.users++
	return m.program != nil
}

// end is called after an activity of the module.
func (m *Module) end() {
	m.mu.Lock()
	m.users--
	first := !m.marked && m.program != nil
	m.marked = m.marked || first
	m.touch()
	m.mu.Unlock()
	if first {
		m.loader.cache.mark(m)
	}
}

// touch notes that the module was of use until now. It is called with the lock.
func (m *Module) touch() {
	if m.loader.idle == 0 && m.budget == nil { // nothing will ask
		return
	}
	m.used = time.Now()
	if m.users == 0 && m.loader.idle > 0 && m.idleTimer == nil && m.program != nil && m.program.kept {
		m.idleTimer = time.AfterFunc(m.loader.idle, func() { m.loader.run(m.unloadIdle) })
	}
}

// unloadIdle unloads the module if it has not been of use for long enough, and comes back
// otherwise. It runs in a goroutine of its own.
func (m *Module) unloadIdle() {
	m.mu.Lock()
	if m.users > 0 || m.program == nil {
		m.idleTimer = nil // touch makes another
		m.mu.Unlock()
		return
	}
	if wait := time.Until(m.used.Add(m.loader.idle)); wait > 0 {
		m.idleTimer.Reset(wait)
		m.mu.Unlock()
		return
	}
	m.idleTimer = nil
	p := m.take()
	m.mu.Unlock()
	m.drop(p)
	m.logger.Debug("module unloaded", "reason", "no activity needed it", "idle_timeout", m.loader.idle)
}

// unload lets go of the module's program, if it is loaded. Instances that are in use keep
// theirs until they are closed, which is after their call.
func (m *Module) unload(ctx context.Context) error {
	m.mu.Lock()
	p := m.take()
	if m.idleTimer != nil {
		m.idleTimer.Stop()
	}
	m.mu.Unlock()
	if p == nil {
		return nil
	}
	return p.release(ctx)
}

// take takes the program from the module, which is then not loaded. It is called with the
// lock.
func (m *Module) take() *program {
	p := m.program
	if p != nil {
		p.unloaded.Store(true)
	}
	m.program, m.marked = nil, false
	return p
}

// drop closes the idle instances of a program that was taken, and lets go of it.
func (m *Module) drop(p *program) {
	defer m.loader.busy(nil)()
	m.loader.evict(m)
	m.letGo(p)
}

// letGo lets go of a program where nobody wants to know of an error.
func (m *Module) letGo(p *program) {
	if err := p.release(context.Background()); err != nil {
		m.logger.Warn("a module that is not loaded any more could not be freed", "error", err)
	}
}

// reclaim has a workflow run sleep, or unloads a module with an image that has no instance,
// other than the given one:
// first the one that has not been of use for longest, and one whose activities wait for
// memory or a slot only if there is no other. It returns false if there is none.
func (s *Sandbox) reclaim(except *Module) bool {
	s.mu.Lock()
	slept := s.sleepOldest(nil)
	s.mu.Unlock()
	if slept {
		return true
	}
	type candidate struct {
		*Module
		waiting bool
		used    time.Time
	}
	var list []candidate
	for _, m := range s.modules {
		if m == except {
			continue
		}
		m.mu.Lock()
		if m.program != nil && m.program.image != nil && m.program.holders.Load() == 1 {
			list = append(list, candidate{m, m.users > 0, m.used})
		}
		m.mu.Unlock()
	}
	slices.SortFunc(list, func(a, b candidate) int {
		if a.waiting != b.waiting {
			if a.waiting {
				return 1
			}
			return -1
		}
		return a.used.Compare(b.used)
	})
	for _, m := range list {
		m.mu.Lock()
		if m.program == nil || m.program.holders.Load() > 1 { // in this moment
			m.mu.Unlock()
			continue
		}
		p := m.take()
		m.mu.Unlock()
		m.drop(p)
		m.logger.Debug("module unloaded", "reason", "others need its memory")
		return true
	}
	return false
}

// Loaded tells whether the module's code is in memory.
func (m *Module) Loaded() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.program != nil
}

// Refusal returns why the module cannot be loaded, once that was tried in vain: it is
// invalid, or its initialization fails. Nil otherwise.
func (m *Module) Refusal() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.refused
}

// patience is how long Compile waits for the last modules where it can do without them.
// A variable for the tests.
var patience = 5 * time.Second

// Compile loads all modules, several at a time, unless
// Config.Preload says otherwise: it compiles them, and instantiates each
// once to see that it links and initializes. It blocks until all are done, or returns
// soon after ctx ends. With Config.SkipRefused it does not wait for longer than 5 seconds
// once a module is loaded: the others follow, and their activities wait for that. On an
// error the sandbox must still be closed.
func (s *Sandbox) Compile(ctx context.Context) error {
	stop := context.AfterFunc(ctx, func() { s.loader.cancel(context.Cause(ctx)) })
	defer stop()
	modules := s.ahead()
	if len(modules) == 0 {
		return nil
	}
	results := s.preload(ctx, modules)
	errs := make([]error, len(modules))
	enough := time.NewTimer(patience)
	defer enough.Stop()
	for loaded, left := 0, len(errs); left > 0; {
		var late <-chan time.Time
		if s.skip && loaded > 0 {
			late = enough.C
		}
		select {
		case r := <-results:
			left--
			if errs[r.index] = r.err; r.err == nil {
				loaded++
			}
		case <-late:
			s.logger.Info("the worker begins before all modules are loaded; activities of the others wait for them", "loaded", loaded, "loading", left)
			return nil
		}
	}
	if ctx.Err() != nil {
		s.loader.close()
		return fmt.Errorf("interrupted while modules were being compiled: %w", context.Cause(ctx))
	}
	if !s.skip || len(s.Modules()) == 0 {
		return errors.Join(errs...)
	}
	for i, err := range errs {
		if err != nil && modules[i].Refusal() == nil {
			s.logger.Warn("a module could not be loaded now, and is tried again for its next activity", "error", err)
		}
	}
	return nil
}

// loadResult is how it ended with one of the modules.
type loadResult struct {
	index int
	err   error
}

// ahead returns the modules that are to be loaded before they are needed, in this order.
func (s *Sandbox) ahead() []*Module {
	switch s.preloads {
	case PreloadNone:
		return nil
	case PreloadUsed:
		s.loader.prepare()
		used := map[*Module]time.Time{}
		for _, m := range s.modules {
			if at := s.loader.cache.usedAt(m); !at.IsZero() {
				used[m] = at
			}
		}
		return slices.SortedStableFunc(maps.Keys(used), func(a, b *Module) int { return used[b].Compare(used[a]) })
	}
	return s.modules
}

// preload begins to load modules, each when it is its turn.
func (s *Sandbox) preload(ctx context.Context, modules []*Module) <-chan loadResult {
	results := make(chan loadResult, len(modules))
	turns := make(chan int, len(modules))
	for i := range modules {
		turns <- i
	}
	close(turns)
	ctx, cancel := s.loader.context(ctx)
	var left atomic.Int64
	left.Store(int64(len(modules)))
	work := func() {
		for i := range turns {
			err := context.Cause(ctx)
			if err == nil {
				var p *program
				if p, err = modules[i].acquire(ctx); err == nil {
					modules[i].letGo(p)
				}
			}
			results <- loadResult{i, err}
			if left.Add(-1) == 0 {
				cancel()
			}
		}
	}
	for range min(len(modules), runtime.GOMAXPROCS(0)) {
		if !s.loader.run(work) { // it is closed, and loads nothing
			work()
		}
	}
	return results
}
