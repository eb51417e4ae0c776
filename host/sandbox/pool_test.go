package sandbox_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"github.com/wasmworker/wasmworker/abi"
	"github.com/wasmworker/wasmworker/host/modules"
	"github.com/wasmworker/wasmworker/host/passthrough"
	"github.com/wasmworker/wasmworker/host/sandbox"
)

// copies makes modules of one fixture, each with its own name and prefix.
func copies(t *testing.T, name string, options sandbox.Options, names ...string) sandbox.Config {
	t.Helper()
	cfg := sandbox.Config{PerModule: map[string]sandbox.Options{}}
	for _, n := range names {
		m, err := modules.Parse(n, fixture(t, name).Binary)
		if err != nil {
			t.Fatal(err)
		}
		cfg.Modules = append(cfg.Modules, m)
		o := options
		o.Prefix = n + "."
		cfg.PerModule[n] = o
	}
	return cfg
}

// Many more activities than the limit, of modules with either policy. Each meets all the
// others that run at the same time inside a host function: they must be as many as the
// limit says, and exactly so many instances must exist then.
func TestPoolLimit(t *testing.T) {
	const limit, goroutines, rounds = 4, 16, 20
	cfg := copies(t, "passthrough", sandbox.Options{Passthrough: []string{"greeter"}}, "a", "b", "c")
	for _, name := range []string{"b", "c"} {
		o := cfg.PerModule[name]
		o.Isolation, o.MaxCalls = sandbox.IsolationReuse, 7
		cfg.PerModule[name] = o
	}
	var s *sandbox.Sandbox
	meet := newMeeting(limit, func() {
		if n := live(s); n != limit {
			t.Errorf("%d activities run, and there are %d instances", limit, n)
		}
	})
	cfg.Limit = limit
	cfg.Passthrough = greeter(t, func(context.Context, *passthrough.Call, []byte) ([]byte, error) {
		meet.wait()
		return []byte("ok"), nil
	})
	s = start(t, cfg)
	var wg sync.WaitGroup
	var next atomic.Int64 // one for all: the last group must find enough goroutines with work
	for range goroutines {
		wg.Go(func() {
			for {
				i := next.Add(1) - 1
				if i >= goroutines*rounds*limit {
					return
				}
				activity := string("abc"[i%3]) + ".Ask"
				p, err := s.Run(t.Context(), sandbox.Task{Activity: activity, Args: []sandbox.Payload{raw("x")}})
				if err != nil || text(p) != "ok" {
					t.Errorf("%s: got %s, error %v", activity, text(p), err)
				}
			}
		})
	}
	wg.Wait()
	st := stats(s)
	if st.InUse != 0 || st.Waiting != 0 || st.Idle != live(s) || st.Idle > limit {
		t.Errorf("in the end there are %+v, and %d live instances", st, live(s))
	}
	equal(t, "activities that met", meet.met, goroutines*rounds*limit)
}

// meeting lets callers go in groups of a size, after all of a group have arrived.
type meeting struct {
	size     int
	complete func() // called while a whole group is there

	mu      sync.Mutex
	waiting int
	met     int
	gate    chan struct{}
}

func newMeeting(size int, complete func()) *meeting {
	return &meeting{size: size, complete: complete, gate: make(chan struct{})}
}

func (m *meeting) wait() {
	m.mu.Lock()
	m.waiting++
	m.met++
	gate := m.gate
	if m.waiting == m.size {
		m.complete()
		m.waiting, m.gate = 0, make(chan struct{})
		close(gate)
	}
	m.mu.Unlock()
	<-gate
}

// Of one module the instances can be counted at any time. Its own limit counts as the
// sandbox's does.
func TestPoolLimitOfOneModule(t *testing.T) {
	const limit, goroutines, rounds = 3, 12, 60
	for _, tt := range []struct {
		policy             sandbox.Isolation
		limit, ofTheModule int
	}{
		{sandbox.IsolationFresh, limit, 0},
		{sandbox.IsolationReuse, limit, 0},
		{sandbox.IsolationFresh, 10, limit},
		{sandbox.IsolationReuse, 0, limit},
	} {
		var s *sandbox.Sandbox
		var running atomic.Int64
		s = start(t, sandbox.Config{
			Modules:  files(t, "passthrough"),
			Defaults: sandbox.Options{Passthrough: []string{"greeter"}, Isolation: tt.policy, MaxCalls: 5, MaxInstances: tt.ofTheModule},
			Limit:    tt.limit,
			Passthrough: greeter(t, func(context.Context, *passthrough.Call, []byte) ([]byte, error) {
				if n, m := running.Add(1), int64(s.Modules()[0].Live()); n > limit || m > limit {
					t.Errorf("%d activities run in %d instances, more than %d", n, m, limit)
				}
				running.Add(-1)
				return nil, nil
			}),
		})
		var wg sync.WaitGroup
		for range goroutines {
			wg.Go(func() {
				for range rounds {
					if _, err := s.Run(t.Context(), sandbox.Task{Activity: "Ask", Args: []sandbox.Payload{raw("x")}}); err != nil {
						t.Error(err)
					}
				}
			})
		}
		wg.Wait()
		equal(t, "instances in use in the end", stats(s).InUse, 0)
	}
}

// queue starts goroutines that acquire an instance of a module each, in the order of the
// calls, and notes in which order they are served.
type queue struct {
	t      *testing.T
	pool   *sandbox.Pool
	mu     sync.Mutex
	served []string
	have   map[string]*sandbox.Instance
}

func newQueue(t *testing.T, limit int) *queue {
	return &queue{t: t, pool: sandbox.NewPool(limit), have: map[string]*sandbox.Instance{}}
}

// acquire asks for an instance, and returns when it was got or the pool lets the caller
// wait.
func (q *queue) acquire(ctx context.Context, who string, m *sandbox.Module) {
	go func() {
		instance, err := q.pool.Acquire(ctx, m)
		if err != nil {
			who += ": " + err.Error()
		}
		q.mu.Lock()
		defer q.mu.Unlock()
		q.served = append(q.served, who)
		q.have[who] = instance
	}()
	synctest.Wait()
}

// release gives an instance back, and does something else before anybody can notice.
func (q *queue) release(who string, then ...func()) {
	q.mu.Lock()
	instance := q.have[who]
	delete(q.have, who)
	q.mu.Unlock()
	if instance == nil {
		q.t.Fatalf("%s has no instance to release; served: %v", who, q.served)
	}
	q.pool.Release(instance)
	for _, f := range then {
		f()
	}
	synctest.Wait()
}

func (q *queue) expect(what string, stats sandbox.Stats, served ...string) {
	q.t.Helper()
	q.mu.Lock()
	defer q.mu.Unlock()
	if !slices.Equal(q.served, served) {
		q.t.Errorf("%s: served %q, want %q", what, q.served, served)
	}
	equal(q.t, what, q.pool.Stats(), stats)
}

// two makes the modules A and B.
func two(t *testing.T, options sandbox.Options) (a, b *sandbox.Module) {
	s := start(t, copies(t, "misbehave", options, "a", "b"))
	return s.Modules()[0], s.Modules()[1]
}

func TestPoolServesInOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := two(t, sandbox.Options{})
		q := newQueue(t, 2)
		for _, who := range []string{"a1", "b1", "a2", "b2", "a3"} {
			m := a
			if strings.HasPrefix(who, "b") {
				m = b
			}
			q.acquire(t.Context(), who, m)
		}
		q.expect("at the limit", sandbox.Stats{Limit: 2, InUse: 2, Waiting: 3}, "a1", "b1")
		q.release("b1")
		q.expect("after a release", sandbox.Stats{Limit: 2, InUse: 2, Waiting: 2}, "a1", "b1", "a2")
		q.release("a1")
		q.release("a2")
		q.expect("after three", sandbox.Stats{Limit: 2, InUse: 2}, "a1", "b1", "a2", "b2", "a3")
		q.release("b2")
		q.release("a3")
		q.expect("in the end", sandbox.Stats{Limit: 2}, "a1", "b1", "a2", "b2", "a3")
		equal(t, "live instances", a.Live()+b.Live(), 0)
	})
}

// A module at its own limit waits alone.
func TestPoolMaxInstances(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cfg := copies(t, "misbehave", sandbox.Options{}, "a", "b")
		o := cfg.PerModule["a"]
		o.MaxInstances = 1
		cfg.PerModule["a"] = o
		s := start(t, cfg)
		a, b := s.Modules()[0], s.Modules()[1]
		q := newQueue(t, 3)
		q.acquire(t.Context(), "a1", a)
		q.acquire(t.Context(), "a2", a)
		q.acquire(t.Context(), "a3", a)
		q.acquire(t.Context(), "b1", b)
		q.acquire(t.Context(), "b2", b)
		q.expect("b passes a", sandbox.Stats{Limit: 3, InUse: 3, Waiting: 2}, "a1", "b1", "b2")
		q.acquire(t.Context(), "b3", b)
		q.release("b1")
		q.expect("b again, since a may not", sandbox.Stats{Limit: 3, InUse: 3, Waiting: 2}, "a1", "b1", "b2", "b3")
		q.release("a1")
		q.expect("a", sandbox.Stats{Limit: 3, InUse: 3, Waiting: 1}, "a1", "b1", "b2", "b3", "a2")
		equal(t, "live instances of a", a.Live(), 1)
		q.release("a2")
		q.release("a3")
		q.release("b2")
		q.release("b3")
		q.expect("in the end", sandbox.Stats{Limit: 3}, "a1", "b1", "b2", "b3", "a2", "a3")
	})
}

// At the limit an idle instance of another module makes room, the one that has been idle
// for longest.
func TestPoolEviction(t *testing.T) { synctest.Test(t, testPoolEviction) }

func testPoolEviction(t *testing.T) {
	cfg := copies(t, "misbehave", sandbox.Options{Isolation: sandbox.IsolationReuse}, "a", "b", "c")
	cfg.Limit = 2
	s := start(t, cfg)
	count := func(name, want string, liveWant ...int) {
		t.Helper()
		equal(t, "count of "+name, text(run(t, s, name+".Count")), want)
		var got []int
		for _, m := range s.Modules() {
			got = append(got, m.Live())
		}
		equal(t, "live instances after "+name, got, liveWant)
		equal(t, "stats", stats(s), sandbox.Stats{Limit: 2, Idle: got[0] + got[1] + got[2]})
	}
	count("a", "0", 1, 0, 0)
	count("b", "0", 1, 1, 0)
	count("a", "1", 1, 1, 0) // used again: now b has been idle for longest
	count("c", "0", 1, 0, 1)
	count("a", "2", 1, 0, 1)
	count("b", "0", 1, 1, 0)
	count("c", "0", 0, 1, 1)
}

// Instances that wait for reuse do not keep a slot from who needs one.
func TestPoolIdleInstancesAreNoLimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := two(t, sandbox.Options{Isolation: sandbox.IsolationReuse})
		q := newQueue(t, 2)
		q.acquire(t.Context(), "a1", a)
		q.acquire(t.Context(), "a2", a)
		q.acquire(t.Context(), "b1", b)
		q.acquire(t.Context(), "a3", a)
		q.release("a1") // for b1: what a leaves is idle for a moment, and is closed for b
		q.expect("b", sandbox.Stats{Limit: 2, InUse: 2, Waiting: 1}, "a1", "a2", "b1")
		equal(t, "live instances", [2]int{a.Live(), b.Live()}, [2]int{1, 1})
		q.release("a2") // for a3, which takes it over
		q.expect("a", sandbox.Stats{Limit: 2, InUse: 2}, "a1", "a2", "b1", "a3")
		equal(t, "live instances", [2]int{a.Live(), b.Live()}, [2]int{1, 1})
		q.release("a3")
		q.release("b1")
		q.expect("idle", sandbox.Stats{Limit: 2, Idle: 2}, "a1", "a2", "b1", "a3")
		if err := q.pool.Close(t.Context()); err != nil {
			t.Error(err)
		}
		equal(t, "live instances of a closed pool", a.Live()+b.Live(), 0)
	})
}

func TestPoolWaitIsCanceled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := two(t, sandbox.Options{})
		q := newQueue(t, 1)
		q.acquire(t.Context(), "a1", a)
		ctx, cancel := context.WithCancelCause(t.Context())
		q.acquire(ctx, "b1", b)
		q.acquire(t.Context(), "b2", b)
		q.expect("both wait", sandbox.Stats{Limit: 1, InUse: 1, Waiting: 2}, "a1")
		cancel(errStop)
		synctest.Wait()
		gaveUp := "b1: " + errStop.Error()
		q.expect("one gave up", sandbox.Stats{Limit: 1, InUse: 1, Waiting: 1}, "a1", gaveUp)
		q.acquire(ctx, "b3", b) // does not even wait
		q.release("a1")
		q.expect("the other is served", sandbox.Stats{Limit: 1, InUse: 1}, "a1", gaveUp, "b3: "+errStop.Error(), "b2")
		if err := q.pool.Close(t.Context()); err == nil {
			t.Error("a pool with an instance in use was closed")
		}
		q.release("b2")
	})
}

// Cancellation and a free slot may come in the same moment, before the one who waits can
// do anything. Whichever came first decides, and the slot is not lost.
func TestPoolWaitIsCanceledAndServed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, _ := two(t, sandbox.Options{})
		q := newQueue(t, 1)
		for i := range 100 {
			q.acquire(t.Context(), "first", a)
			ctx, cancel := context.WithCancelCause(t.Context())
			q.acquire(ctx, "second", a)
			equal(t, "waiting", q.pool.Stats(), sandbox.Stats{Limit: 1, InUse: 1, Waiting: 1})
			if i%2 == 0 {
				cancel(errStop)
				q.release("first")
			} else {
				// the slot is there, and mostly no instance is made any more
				q.release("first", func() { cancel(errStop) })
				if q.have["second"] != nil {
					q.release("second")
				}
			}
			equal(t, "in the end", q.pool.Stats(), sandbox.Stats{Limit: 1})
		}
	})
}

// The same by way of Run, which says why.
func TestRunIsCanceledWhileItWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		s := start(t, sandbox.Config{
			Modules: files(t, "passthrough", "misbehave"), Limit: 1,
			PerModule:   map[string]sandbox.Options{"passthrough": {Passthrough: []string{"greeter"}}},
			Passthrough: greeter(t, func(context.Context, *passthrough.Call, []byte) ([]byte, error) { <-release; return nil, nil }),
		})
		done := make(chan struct{})
		go func() {
			defer close(done)
			run(t, s, "Ask", raw("x"))
		}()
		synctest.Wait()
		ctx, cancel := context.WithCancelCause(t.Context())
		errs := make(chan error)
		go func() {
			_, err := s.Run(ctx, sandbox.Task{Activity: "Count"})
			errs <- err
		}()
		synctest.Wait()
		equal(t, "stats", stats(s), sandbox.Stats{Limit: 1, InUse: 1, Waiting: 1})
		cancel(errStop)
		interrupted(t, <-errs, errStop)
		equal(t, "stats", stats(s), sandbox.Stats{Limit: 1, InUse: 1})
		close(release)
		<-done
		equal(t, "count", text(run(t, s, "Count")), "0")
	})
}

// The same with real concurrency, and with instances that break.
func TestPoolCancellationRaces(t *testing.T) {
	const limit, goroutines, rounds = 2, 8, 60
	cfg := copies(t, "misbehave", sandbox.Options{}, "a", "b")
	cfg.Limit = limit
	s := start(t, cfg)
	var wg sync.WaitGroup
	for i := range goroutines {
		wg.Go(func() {
			for j := range rounds {
				ctx, cancel := context.WithCancelCause(t.Context())
				go cancel(errStop)
				activity := []string{"a.Count", "b.Count", "a.Trap", "b.WaitForFlags"}[(i+j)%4]
				if _, err := s.Run(ctx, sandbox.Task{Activity: activity}); err == nil && activity != "a.Count" && activity != "b.Count" {
					t.Errorf("%s succeeded", activity)
				}
			}
		})
	}
	wg.Wait()
	equal(t, "stats", stats(s), sandbox.Stats{Limit: limit})
	equal(t, "live instances", live(s), 0)
}

// An instance that cannot be made takes no slot with it.
func TestPoolFailedInstantiation(t *testing.T) { synctest.Test(t, testPoolFailedInstantiation) }

func testPoolFailedInstantiation(t *testing.T) {
	var fail atomic.Bool
	logged := &recorder{}
	s := start(t, sandbox.Config{Modules: files(t, "initialize"), Limit: 2, Logger: logged.logger()})
	ctx, cancel := context.WithCancelCause(t.Context())
	defer cancel(nil)
	for _, tt := range []struct {
		name  string
		onLog func(string) // called from _initialize
		check func(error)
	}{
		{"a trap", func(string) {
			if fail.Load() {
				panic("no logging today")
			}
		}, func(err error) {
			if f := failure(t, err, abi.TypeWasmTrap); !strings.HasPrefix(f.Message, "no instance could be made: ") {
				t.Errorf("message %q", f.Message)
			}
		}},
		{"an interruption", func(string) { cancel(errStop) }, func(err error) { interrupted(t, err, errStop) }},
	} {
		logged.onLog = tt.onLog
		fail.Store(true)
		for range 5 {
			_, err := s.Run(ctx, sandbox.Task{Activity: "Check"})
			tt.check(err)
			equal(t, "stats after "+tt.name, stats(s), sandbox.Stats{Limit: 2})
			equal(t, "live instances", live(s), 0)
		}
		fail.Store(false)
		equal(t, "result after "+tt.name, text(run(t, s, "Check")), "1")
	}
}

func TestPoolWithoutLimit(t *testing.T) {
	a, _ := two(t, sandbox.Options{})
	for _, limit := range []int{0, -1} {
		pool := sandbox.NewPool(limit)
		var instances []*sandbox.Instance
		for range 20 {
			instance, err := pool.Acquire(t.Context(), a)
			if err != nil {
				t.Fatal(err)
			}
			instances = append(instances, instance)
		}
		equal(t, fmt.Sprint("stats of a pool with the limit ", limit), pool.Stats(), sandbox.Stats{InUse: 20})
		for _, instance := range instances {
			pool.Release(instance)
		}
		equal(t, "stats", pool.Stats(), sandbox.Stats{})
	}
}
