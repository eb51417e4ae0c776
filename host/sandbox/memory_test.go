package sandbox_test

import (
	"context"
	"errors"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/wasmworker/wasmworker/abi"
	"github.com/wasmworker/wasmworker/host/passthrough/fsmod"
	"github.com/wasmworker/wasmworker/host/sandbox"
)

// The data segments, which the host writes itself, are there as the specification says:
// in every instance of every policy, before the module's code runs, and again after a
// call changed them.
func TestDataSegments(t *testing.T) {
	want := make([]byte, 320)
	copy(want[100:], "aaaaaaaaaa")
	copy(want[95:], "bbbbbbbb")
	copy(want[110:], "c\x00d")
	copy(want[10:], "0123456789")
	copy(want[300:], "e")
	for _, policy := range []sandbox.Isolation{sandbox.IsolationFresh, sandbox.IsolationPristine} {
		s := startOne(t, "dirty", sandbox.Options{Isolation: policy})
		for range 3 {
			equal(t, "data of policy "+string(policy), text(run(t, s, "Read")), string(want))
			run(t, s, "Dirty")
		}
	}
}

// An instance that has grown to the maximum that its module declares is reset like any
// other.
func TestPristineAtTheMaximum(t *testing.T) {
	s := startOne(t, "dirty", sandbox.Options{Isolation: sandbox.IsolationPristine})
	for range 3 {
		equal(t, "pages before", text(run(t, s, "Grow")), string(rune(48+32)))
		equal(t, "live instances", live(s), 1)
	}
	_, err := s.Run(t.Context(), sandbox.Task{Activity: "TooMuch"})
	if f := failure(t, err, abi.TypeOutOfMemory); !strings.Contains(f.Message, "the maximum of 3 MiB that it declares") {
		t.Error(f.Message)
	}
}

// An idle instance gives back what it does not share, and then does its work as before.
func TestIdleInstancesGiveMemoryBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cfg := copies(t, "dirty", sandbox.Options{Isolation: sandbox.IsolationPristine}, "a", "b")
		s := start(t, cfg)
		pool := s.Executor().(*sandbox.Pool)
		before := text(run(t, s, "a.Read"))
		for range 3 {
			run(t, s, "a.Dirty")
			time.Sleep(sandbox.TrimAfter / 2)
			run(t, s, "b.Dirty")
			both := pool.Private()
			time.Sleep(sandbox.TrimAfter/2 + 1)
			synctest.Wait()
			one := pool.Private()
			time.Sleep(sandbox.TrimAfter)
			synctest.Wait()
			if none := pool.Private(); both < 2<<20 || one >= both || one < 1<<20 || none != 0 {
				t.Errorf("idle instances have %d bytes for themselves, %d when the first has been idle for long, %d in the end", both, one, none)
			}
			equal(t, "data", text(run(t, s, "a.Read")), before)
			equal(t, "live instances", live(s), 2)
		}
	})
}

// The limit of all instances together closes idle ones first, then refuses to make more,
// and what is refused may be tried again later.
func TestTotalMemoryLimit(t *testing.T) {
	// Two modules of 2 MiB: an image of each, and instances of which one more fits at a
	// time.
	cfg := copies(t, "dirty", sandbox.Options{Isolation: sandbox.IsolationPristine}, "a", "b")
	cfg.MemoryLimit = 4<<20 + 2<<20 + 1<<20
	s := start(t, cfg)
	for range 2 {
		run(t, s, "a.Read")
		run(t, s, "b.Read")
		equal(t, "live instances", live(s), 1)
	}
	// A guest that asks for more is told that it is not its own limit which it has
	// reached.
	_, err := s.Run(t.Context(), sandbox.Task{Activity: "a.TooMuch"})
	// its own comes first
	if f := failure(t, err, abi.TypeOutOfMemory); !strings.Contains(f.Message, "declares") {
		t.Error(f.Message)
	}
	run(t, s, "a.Grow") // it is refused one MiB, and traps
}

// A limit that has no room for the images of all modules refuses to start.
func TestTotalMemoryLimitTooSmall(t *testing.T) {
	cfg := copies(t, "dirty", sandbox.Options{}, "a", "b")
	cfg.MemoryLimit = 5 << 20
	s, err := sandbox.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close(context.Background())
	if err := s.Compile(t.Context()); !errors.Is(err, sandbox.ErrMemoryLimit) {
		t.Errorf("Compile: %v", err)
	}
}

// tight makes modules of 2 MiB and one instance's images, and lets so many instances of
// them exist at a time.
func tight(t *testing.T, instances int, options sandbox.Options, names ...string) *sandbox.Sandbox {
	t.Helper()
	options.Isolation = sandbox.IsolationPristine
	cfg := copies(t, "dirty", options, names...)
	cfg.MemoryLimit = uint64(len(names)+instances)<<21 + 1<<20
	return start(t, cfg)
}

// While the memory is in use, an activity of another module waits for it, and is served
// before whoever comes later, also before those who could have the instance that was
// released.
func TestTotalMemoryLimitInUse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := tight(t, 1, sandbox.Options{}, "a", "b")
		a, b := s.Modules()[0], s.Modules()[1]
		q := newQueue(t, 0)
		q.acquire(t.Context(), "a1", a)
		q.acquire(t.Context(), "b1", b)
		q.acquire(t.Context(), "a2", a)
		q.acquire(t.Context(), "b2", b)
		q.expect("all but one wait", sandbox.Stats{InUse: 1, Waiting: 3}, "a1")
		q.release("a1")
		q.expect("b has its turn", sandbox.Stats{InUse: 1, Waiting: 2}, "a1", "b1")
		equal(t, "live instances", [2]int{a.Live(), b.Live()}, [2]int{0, 1})
		q.release("b1")
		q.expect("and then a", sandbox.Stats{InUse: 1, Waiting: 1}, "a1", "b1", "a2")
		q.release("a2")
		q.expect("and b", sandbox.Stats{InUse: 1}, "a1", "b1", "a2", "b2")
		q.acquire(t.Context(), "b3", b)
		q.release("b2")
		q.expect("who takes over an instance", sandbox.Stats{InUse: 1}, "a1", "b1", "a2", "b2", "b3")
		q.release("b3")
		q.expect("in the end", sandbox.Stats{Idle: 1}, "a1", "b1", "a2", "b2", "b3")
		if err := q.pool.Close(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

// Two instances are released in the same moment: both of those whose turn it is are
// served, with and without a limit of the pool's own.
func TestTotalMemoryLimitWakesAll(t *testing.T) {
	for _, limit := range []int{0, 2} {
		synctest.Test(t, func(t *testing.T) {
			s := tight(t, 2, sandbox.Options{}, "a", "b")
			a, b := s.Modules()[0], s.Modules()[1]
			q := newQueue(t, limit)
			q.acquire(t.Context(), "a1", a)
			q.acquire(t.Context(), "a2", a)
			q.acquire(t.Context(), "b1", b)
			q.acquire(t.Context(), "b2", b)
			q.acquire(t.Context(), "b3", b)
			q.expect("three wait", sandbox.Stats{Limit: limit, InUse: 2, Waiting: 3}, "a1", "a2")
			q.release("a1", func() { q.release("a2") })
			slices.Sort(q.served) // these two may be in either order
			q.expect("two are served", sandbox.Stats{Limit: limit, InUse: 2, Waiting: 1}, "a1", "a2", "b1", "b2")
			equal(t, "live instances", [2]int{a.Live(), b.Live()}, [2]int{0, 2})
			q.release("b1")
			q.release("b2")
			q.release("b3")
			if err := q.pool.Close(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
}

// Who gives up leaves the others their places, be he the first or not, and also in the
// moment of his turn.
func TestTotalMemoryLimitWaitIsCanceled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := tight(t, 1, sandbox.Options{}, "a", "b")
		a, b := s.Modules()[0], s.Modules()[1]
		for i := range 100 {
			q := newQueue(t, 0)
			q.acquire(t.Context(), "a1", a)
			ctx, cancel := context.WithCancelCause(t.Context())
			defer cancel(nil)
			q.acquire(ctx, "b1", b)
			q.acquire(t.Context(), "b2", b)
			q.acquire(ctx, "a2", a)
			q.expect("all wait", sandbox.Stats{InUse: 1, Waiting: 3}, "a1")
			switch i % 3 {
			case 0:
				cancel(errStop)
				q.release("a1")
			case 1:
				q.release("a1", func() { cancel(errStop) })
			case 2:
				cancel(errStop)
				synctest.Wait()
				equal(t, "one is left", q.pool.Stats(), sandbox.Stats{InUse: 1, Waiting: 1})
				q.release("a1")
			}
			if q.have["b1"] != nil { // it was faster than the cancellation
				q.release("b1")
			}
			if q.have["b2"] == nil {
				t.Fatalf("round %d: served %v, and %+v", i, q.served, q.pool.Stats())
			}
			q.release("b2")
			if err := q.pool.Close(t.Context()); err != nil {
				t.Fatal(err)
			}
			equal(t, "in the end", q.pool.Stats(), sandbox.Stats{})
			equal(t, "live instances", live(s), 0)
		}
	})
}

// By way of Run: the time that an activity has ends the wait as it ends everything else,
// and Usage tells how long it was.
func TestRunWaitsForMemory(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := tight(t, 1, sandbox.Options{}, "a", "b")
		instance, err := s.Executor().Acquire(t.Context(), s.Modules()[0])
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
		defer cancel()
		var usage sandbox.Usage
		_, err = s.Run(ctx, sandbox.Task{Activity: "b.Read", Usage: &usage})
		interrupted(t, err, context.DeadlineExceeded)
		equal(t, "wait", usage, sandbox.Usage{Wait: 3 * time.Second})
		time.AfterFunc(time.Second, func() { s.Executor().Release(instance) })
		if _, err = s.Run(t.Context(), sandbox.Task{Activity: "b.Read", Usage: &usage}); err != nil {
			t.Error(err)
		}
		equal(t, "wait", usage.Wait, time.Second)
	})
}

// What can never fit is not waited for: the memory is nobody's who will release it to the
// pool.
func TestTotalMemoryLimitNeverFits(t *testing.T) {
	s := tight(t, 1, sandbox.Options{}, "a", "b")
	instance, err := s.Modules()[0].NewInstance(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for range 3 {
		_, err = s.Run(t.Context(), sandbox.Task{Activity: "b.Read"})
		f := failure(t, err, abi.TypeNoInstance)
		if f.NonRetryable || !strings.Contains(f.Message, "6 MiB of 7 MiB are taken (a: 2 MiB memory, 2 MiB images; b: 2 MiB images); raise total_memory_limit (or auto), or lower max_concurrent_activities") {
			t.Errorf("%+v", f)
		}
		equal(t, "stats", stats(s), sandbox.Stats{})
	}
	instance.Close()
	run(t, s, "b.Read")
}

// All of it at once: modules of each policy, with memory, slots and instances of their
// own limited, guests that break, and activities that are canceled. Nobody is lost, and
// nobody fails for want of memory.
func TestTotalMemoryLimitRaces(t *testing.T) {
	const goroutines, rounds = 12, 60
	cfg := copies(t, "dirty", sandbox.Options{}, "a", "b", "c", "d")
	for name, change := range map[string]func(*sandbox.Options){
		"a": func(o *sandbox.Options) { o.Isolation = sandbox.IsolationPristine },
		"b": func(o *sandbox.Options) { o.Isolation = sandbox.IsolationFresh },
		"c": func(o *sandbox.Options) { o.Isolation, o.MaxCalls = sandbox.IsolationReuse, 3 },
		"d": func(o *sandbox.Options) { o.Isolation, o.MaxInstances = sandbox.IsolationPristine, 1 },
	} {
		o := cfg.PerModule[name]
		change(&o)
		cfg.PerModule[name] = o
	}
	cfg.Limit = 8
	cfg.MemoryLimit = 2*2<<20 + 3*2<<20 // the images of a and d, and three instances
	s := start(t, cfg)
	var wg sync.WaitGroup
	for i := range goroutines {
		wg.Go(func() {
			for j := range rounds {
				ctx, cancel := context.WithCancelCause(t.Context())
				n := i + j
				if n%5 == 0 {
					go cancel(errStop)
				}
				activity := string("abcd"[n%4]) + "." + []string{"Read", "Dirty", "TooMuch"}[n%3]
				_, err := s.Run(ctx, sandbox.Task{Activity: activity})
				f, failed := errors.AsType[*abi.Failure](err)
				switch {
				case err == nil, n%5 == 0 && errors.Is(err, errStop), failed && f.Type == abi.TypeOutOfMemory && n%3 == 2:
				default:
					t.Errorf("%s: %v", activity, err)
				}
				cancel(nil)
			}
		})
	}
	wg.Wait()
	st := stats(s)
	equal(t, "in use and waiting", [2]int{st.InUse, st.Waiting}, [2]int{})
	equal(t, "live instances", live(s), st.Idle)
	run(t, s, "a.Read")
}

// Memory that is taken during the initialization is waited for, too: what an instance had
// after it is known from the first one, and where that is not enough, one at a time is
// tried again.
func TestTotalMemoryLimitDuringInitialisation(t *testing.T) {
	for _, known := range []bool{true, false} {
		s := start(t, sandbox.Config{Modules: files(t, "growinit"), MemoryLimit: 2*17<<16 + 1<<18})
		if !known {
			s.Modules()[0].ForgetInitialised()
		}
		var wg sync.WaitGroup
		for range 8 {
			wg.Go(func() {
				for range 50 {
					if _, err := s.Run(t.Context(), sandbox.Task{Activity: "Idle"}); err != nil {
						t.Errorf("known: %t: %v", known, err)
					}
				}
			})
		}
		wg.Wait()
		equal(t, "stats", stats(s), sandbox.Stats{})
	}
	// It never fits: the one who takes the rest is not of the pool.
	s := start(t, sandbox.Config{Modules: files(t, "growinit"), MemoryLimit: 17<<16 + 1<<18})
	s.Modules()[0].ForgetInitialised()
	instance, err := s.Modules()[0].NewInstance(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer instance.Close()
	_, err = s.Run(t.Context(), sandbox.Task{Activity: "Idle"})
	if f := failure(t, err, abi.TypeNoInstance); !strings.Contains(f.Message, "its initialization ended for want of more") {
		t.Error(f.Message)
	}
}

// A module that takes all memory while it is initialized, and dies, neither waits for more
// at the head of the queue nor takes from others what is idle.
func TestTotalMemoryLimitOfGreedyInitialization(t *testing.T) {
	data := t.TempDir()
	mounts := map[string]any{fsmod.Name: &fsmod.Policy{Mounts: map[string]fsmod.Mount{"/data": {Directory: data}}}}
	cfg := copies(t, "dirty", sandbox.Options{Isolation: sandbox.IsolationFresh}, "a", "b")
	cfg.Modules, cfg.Passthrough = append(cfg.Modules, fixture(t, "greedyinit")), wasiModules(t)
	cfg.PerModule["greedyinit"] = sandbox.Options{Isolation: sandbox.IsolationFresh, Passthrough: []string{fsmod.Name}, Policies: mounts}
	cfg.MemoryLimit = 16 << 20
	s := start(t, cfg)
	run(t, s, "Idle")
	if err := os.Chtimes(data, time.Unix(0, 0), time.Unix(0, 0)); err != nil {
		t.Fatal(err)
	}
	instance, err := s.Executor().Acquire(t.Context(), s.Modules()[0]) // for as long as the test
	if err != nil {
		t.Fatal(err)
	}
	defer s.Executor().Release(instance)
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	for range 3 {
		_, err := s.Run(ctx, sandbox.Task{Activity: "Idle"})
		if f := failure(t, err, abi.TypeNoInstance); f.NonRetryable || !strings.Contains(f.Message, "its initialization ended for want of more") {
			t.Errorf("%+v", f)
		}
		run(t, s, "b.Read")
	}
}

// What all memory together was not enough for is not waited for again.
func TestTotalMemoryLimitIsNeverEnough(t *testing.T) {
	data := t.TempDir()
	if err := os.Chtimes(data, time.Unix(0, 0), time.Unix(0, 0)); err != nil {
		t.Fatal(err)
	}
	mounts := map[string]any{fsmod.Name: &fsmod.Policy{Mounts: map[string]fsmod.Mount{"/data": {Directory: data}}}}
	cfg := copies(t, "dirty", sandbox.Options{Isolation: sandbox.IsolationFresh}, "a", "b")
	cfg.Modules, cfg.Passthrough = append(cfg.Modules, fixture(t, "greedyinit")), wasiModules(t)
	cfg.PerModule["greedyinit"] = sandbox.Options{Passthrough: []string{fsmod.Name}, Policies: mounts}
	cfg.MemoryLimit, cfg.Preload = 16<<20, sandbox.PreloadNone
	s := start(t, cfg)
	idle := func() {
		t.Helper()
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		_, err := s.Run(ctx, sandbox.Task{Activity: "Idle"})
		if f := failure(t, err, abi.TypeNoInstance); !strings.Contains(f.Message, "its initialization ended for want of more") {
			t.Error(f.Message)
		}
	}
	idle() // nobody else has memory, so that this is certain
	instance, err := s.Executor().Acquire(t.Context(), s.Modules()[0])
	if err != nil {
		t.Fatal(err)
	}
	defer s.Executor().Release(instance)
	for range 3 {
		idle()
		run(t, s, "b.Read")
	}
}
