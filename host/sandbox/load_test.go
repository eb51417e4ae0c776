package sandbox_test

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/wasmworker/wasmworker/abi"
	"github.com/wasmworker/wasmworker/host/sandbox"
)

// loads counts how often modules were loaded, and how often from the cache.
func loads(r *recorder) (all, cached int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, record := range r.records {
		if record.message == "module loaded" {
			all++
			if strings.Contains(record.attrs, "cached=true") {
				cached++
			}
		}
	}
	return all, cached
}

// eventually waits until something holds, which it does soon.
func eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	for deadline := time.Now().Add(30 * time.Second); !holds(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%s: still not so after 30 s", what)
		}
	}
}

// A module is loaded once, when it is needed, however many need it at once, and the
// others are not.
func TestOnDemand(t *testing.T) {
	cfg := copies(t, "misbehave", sandbox.Options{}, "a", "b")
	logged := &recorder{}
	cfg.Preload, cfg.Logger = sandbox.PreloadNone, logged.logger()
	s := start(t, cfg)
	a, b := s.Modules()[0], s.Modules()[1]
	equal(t, "loaded at the start", [2]bool{a.Loaded(), b.Loaded()}, [2]bool{})
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			if p, err := s.Run(t.Context(), sandbox.Task{Activity: "a.Count"}); err != nil || text(p) != "0" {
				t.Errorf("got %s, error %v", text(p), err)
			}
		})
	}
	wg.Wait()
	equal(t, "loaded", [2]bool{a.Loaded(), b.Loaded()}, [2]bool{true, false})
	all, _ := loads(logged)
	equal(t, "loads", all, 1)
}

// Files with the same code are compiled once.
func TestSameCodeIsCompiledOnce(t *testing.T) {
	cfg := copies(t, "misbehave", sandbox.Options{}, "a", "b", "c", "d", "e", "f")
	logged := &recorder{}
	cfg.Logger, cfg.CacheDir = logged.logger(), filepath.Join(t.TempDir(), "cache")
	start(t, cfg)
	all, cached := loads(logged)
	equal(t, "loads, and those from the cache", [2]int{all, cached}, [2]int{6, 5})
}

// What was used before is loaded ahead, the last one first, and the others are not.
func TestPreloadUsed(t *testing.T) {
	cfg := sandbox.Config{Modules: files(t, "echo", "misbehave", "memory"), CacheDir: filepath.Join(t.TempDir(), "cache"), Preload: sandbox.PreloadUsed}
	cfg.PerModule = map[string]sandbox.Options{"misbehave": {Prefix: "m."}}
	loaded := func(s *sandbox.Sandbox) (names string) {
		for _, m := range s.Modules() {
			if m.Loaded() {
				names += m.File().Name + " "
			}
		}
		return names
	}
	s := start(t, cfg)
	equal(t, "loaded at the first start", loaded(s), "")
	run(t, s, "m.Count")
	run(t, s, "Echo")
	s = start(t, cfg)
	equal(t, "loaded at the second start", loaded(s), "echo misbehave ")
	cfg.CacheDir = filepath.Join(t.TempDir(), "another")
	equal(t, "loaded with another cache", loaded(start(t, cfg)), "")
}

// What turns out to be broken late is told as it is at the start, and costs nobody else
// anything.
func TestOnDemandRefuses(t *testing.T) {
	logged := &recorder{}
	s := start(t, sandbox.Config{Modules: files(t, "inittrap", "echo"), Preload: sandbox.PreloadNone, SkipRefused: true, Logger: logged.logger()})
	equal(t, "refused at the start", len(s.Refused()), 0)
	for range 2 {
		_, err := s.Run(t.Context(), sandbox.Task{Activity: "Never"})
		f := failure(t, err, abi.TypeModuleRefused)
		if want := "inittrap.wasm: the module cannot be instantiated: _initialize: wasm error: unreachable"; f.NonRetryable || !strings.Contains(f.Message, want) {
			t.Errorf("failure %+v, want %s", f, want)
		}
	}
	equal(t, "refused", fmt.Sprint(s.Refused()), fmt.Sprint([]error{s.Refused()[0]}))
	equal(t, "activities", types(s), []string{"Args", "Echo", "Info"})
	equal(t, "result", text(run(t, s, "Echo", raw("x"))), "x")
	if n := strings.Count(fmt.Sprint(logged.records), "module left out"); n != 1 {
		t.Errorf("it was told %d times", n)
	}
}

// The good modules are served while another one does not come to an end.
func TestSkipRefusedDoesNotWait(t *testing.T) {
	sandbox.SetPatience(t, time.Millisecond)
	sandbox.SetTrialTimeout(t, 2*time.Second)
	s := start(t, sandbox.Config{Modules: files(t, "startloop", "echo"), SkipRefused: true})
	equal(t, "result", text(run(t, s, "Echo", raw("x"))), "x")
	if startloop := s.Modules()[0]; startloop.Loaded() || startloop.Refusal() != nil {
		t.Error("the other module has ended already")
	}
	activity := s.Modules()[0].File().Exports[0]
	// It waits for that one's end, as long as its own time allows.
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(errStop)
	_, err := s.Run(ctx, sandbox.Task{Activity: activity})
	interrupted(t, err, errStop)
	_, err = s.Run(t.Context(), sandbox.Task{Activity: activity})
	failure(t, err, abi.TypeModuleRefused)
	equal(t, "number of refused modules", len(s.Refused()), 1)
	equal(t, "number of modules", len(s.Modules()), 1)
}

// The sandbox is closed while modules are still being loaded.
func TestCloseWhileLoading(t *testing.T) {
	sandbox.SetPatience(t, time.Millisecond)
	sandbox.SetTrialTimeout(t, time.Hour)
	s := start(t, sandbox.Config{Modules: files(t, "startloop", "echo"), SkipRefused: true})
	if err := s.Close(t.Context()); err != nil {
		t.Error(err)
	}
	equal(t, "live instances", live(s), 0)
	_, err := s.Modules()[0].NewInstance(t.Context())
	if err != sandbox.ErrClosed {
		t.Errorf("an instance after Close: %v", err)
	}
}

// An idle module is unloaded, its idle instances with it, and comes back from the cache
// as it was.
func TestIdleTimeout(t *testing.T) {
	for _, isolation := range []sandbox.Isolation{sandbox.IsolationPristine, sandbox.IsolationFresh, sandbox.IsolationReuse} {
		cfg := copies(t, "misbehave", sandbox.Options{Isolation: isolation}, "a")
		logged := &recorder{}
		cfg.ModuleIdleTimeout, cfg.Logger, cfg.CacheDir = time.Millisecond, logged.logger(), filepath.Join(t.TempDir(), "cache")
		s := start(t, cfg)
		m := s.Modules()[0]
		for i := range 3 {
			eventually(t, "it is unloaded", func() bool { return !m.Loaded() && live(s) == 0 })
			equal(t, fmt.Sprintf("%s: count in round %d", isolation, i), text(run(t, s, "a.Count")), "0")
		}
		all, cached := loads(logged)
		equal(t, "loads", [2]int{all, cached}, [2]int{4, 3})
	}
}

// A module without code in the cache is not unloaded: it would have to be compiled anew.
func TestIdleTimeoutWithoutCache(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSandbox(t, sandbox.Config{Modules: files(t, "echo"), ModuleIdleTimeout: time.Millisecond})
		if err := s.Compile(t.Context()); err != nil {
			t.Fatal(err)
		}
		run(t, s, "Echo")
		time.Sleep(time.Hour)
		equal(t, "loaded", s.Modules()[0].Loaded(), true)
	})
}

// A module is not unloaded while an activity runs, however long. What an embedder keeps
// is used up then, and nothing is freed before that is closed.
func TestUnloadedWhileInUse(t *testing.T) {
	cfg := copies(t, "misbehave", sandbox.Options{Isolation: sandbox.IsolationPristine}, "a")
	cfg.ModuleIdleTimeout = time.Millisecond
	s := start(t, cfg)
	m := s.Modules()[0]
	kept, err := m.NewInstance(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	eventually(t, "it is unloaded", func() bool { return !m.Loaded() })
	equal(t, "reusable", kept.Reusable(), false)
	equal(t, "count", text(run(t, s, "a.Count")), "0") // with another program
	s.Executor().Release(kept)
	eventually(t, "all is gone", func() bool { return !m.Loaded() && live(s) == 0 })
}

// Modules whose images do not fit beside each other take turns.
func TestTotalMemoryLimitUnloads(t *testing.T) {
	cfg := copies(t, "dirty", sandbox.Options{Isolation: sandbox.IsolationPristine}, "a", "b", "c")
	cfg.MemoryLimit = 5 << 20 // one image of 2 MiB, and one instance
	cfg.Preload = sandbox.PreloadNone
	s := start(t, cfg)
	for range 3 {
		for i, name := range []string{"a", "b", "c"} {
			run(t, s, name+".Read")
			for j, m := range s.Modules() {
				equal(t, fmt.Sprintf("%s is loaded after %s", m.File().Name, name), m.Loaded(), i == j)
			}
		}
	}
	// All at once, too: those who wait have their turn when the others are done.
	var wg sync.WaitGroup
	for i := range 24 {
		wg.Go(func() {
			if _, err := s.Run(t.Context(), sandbox.Task{Activity: string("abc"[i%3]) + ".Read"}); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
}

// While a module is being loaded, who has no memory waits for that, and has a turn when it
// has ended: also if nobody needs that module any more, and while others go on.
func TestLoadingHasMemory(t *testing.T) {
	for _, others := range []bool{false, true} {
		cfg := copies(t, "dirty", sandbox.Options{}, "a")
		cfg.Modules = append(cfg.Modules, files(t, "initialize", "misbehave")...)
		cfg.Preload, cfg.MemoryLimit = sandbox.PreloadNone, 2<<20+32<<10 // a, and half a page
		if others {
			cfg.MemoryLimit += 64 << 10
		}
		begun, goOn := make(chan struct{}), make(chan struct{})
		logged := &recorder{onLog: func(message string) {
			if message == "made" {
				close(begun)
				<-goOn
			}
		}}
		cfg.Logger = logged.logger()
		s := start(t, cfg)
		run(t, s, "a.Read") // it is loaded
		if others {
			other, err := s.Executor().Acquire(t.Context(), s.Modules()[2])
			if err != nil {
				t.Fatal(err)
			}
			defer s.Executor().Release(other)
		}
		ctx, cancel := context.WithCancelCause(t.Context())
		var wg sync.WaitGroup
		wg.Go(func() {
			_, err := s.Run(ctx, sandbox.Task{Activity: "Check"})
			interrupted(t, err, errStop)
		})
		<-begun
		ended := make(chan error, 1)
		wg.Go(func() {
			_, err := s.Run(t.Context(), sandbox.Task{Activity: "a.Read"})
			ended <- err
		})
		eventually(t, "it waits", func() bool { return stats(s).Waiting == 1 || len(ended) > 0 })
		cancel(errStop)
		close(goOn)
		eventually(t, "its turn", func() bool { return len(ended) > 0 })
		if err := <-ended; err != nil {
			t.Errorf("with others %t: %v", others, err)
		}
		wg.Wait()
	}
}

// Who has to load a module, and has no memory for that, tries again when there is some, and
// not because of the own attempt.
func TestLoadingWaitsForMemory(t *testing.T) {
	cfg := copies(t, "dirty", sandbox.Options{}, "a")
	cfg.Modules = append(cfg.Modules, files(t, "initialize")...)
	cfg.CacheDir = filepath.Join(t.TempDir(), "cache")
	start(t, cfg) // from now on nothing is compiled
	synctest.Test(t, func(t *testing.T) {
		cfg.Preload, cfg.MemoryLimit = sandbox.PreloadNone, 2<<20+32<<10 // a, and half a page
		cfg.Defaults.Isolation = sandbox.IsolationFresh
		s := newSandbox(t, cfg)
		a, err := s.Executor().Acquire(t.Context(), s.Modules()[0])
		if err != nil {
			t.Fatal(err)
		}
		ended := make(chan error, 1)
		go func() {
			_, err := s.Run(t.Context(), sandbox.Task{Activity: "Check"})
			ended <- err
		}()
		synctest.Wait() // which returns when nobody does anything
		equal(t, "waiting", stats(s), sandbox.Stats{InUse: 1, Waiting: 1})
		s.Executor().Release(a)
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
}

// slowEvictor takes its time to evict.
type slowEvictor struct {
	*sandbox.Pool
	t           *testing.T
	begun, goOn chan struct{}
	ended       bool
}

func (e *slowEvictor) Evict(m *sandbox.Module) {
	close(e.begun)
	<-e.goOn
	e.Pool.Evict(m)
	e.ended = true
}

func (e *slowEvictor) Close(ctx context.Context) error {
	if !e.ended {
		e.t.Error("the executor is closed while a module is evicted")
	}
	return e.Pool.Close(ctx)
}

// Close waits for a module that is being unloaded.
func TestCloseWhileUnloading(t *testing.T) {
	cfg := sandbox.Config{Modules: files(t, "echo"), CacheDir: filepath.Join(t.TempDir(), "cache")}
	start(t, cfg) // from now on nothing is compiled
	synctest.Test(t, func(t *testing.T) {
		executor := &slowEvictor{Pool: sandbox.NewPool(0), t: t, begun: make(chan struct{}), goOn: make(chan struct{})}
		cfg.Executor, cfg.ModuleIdleTimeout = executor, time.Millisecond
		s := newSandbox(t, cfg)
		if err := s.Compile(t.Context()); err != nil {
			t.Fatal(err)
		}
		<-executor.begun
		ended := make(chan error, 1)
		go func() { ended <- s.Close(t.Context()) }()
		synctest.Wait()
		equal(t, "Close has returned", len(ended), 0)
		close(executor.goOn)
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
}

// A module that takes its time to begin holds up no other one, though both are to fit into
// one limit.
func TestSlowInitializationHoldsUpNobody(t *testing.T) {
	began := make(chan struct{})
	logged := &recorder{onLog: func(message string) {
		if message == "started" {
			close(began)
		}
	}}
	s := start(t, sandbox.Config{
		Modules: files(t, "startlog", "echo"), Preload: sandbox.PreloadNone, Logger: logged.logger(), MemoryLimit: 256 << 20,
		Defaults: sandbox.Options{InitializeTimeout: time.Hour, MaxInitializeFuel: 1 << 60},
	})
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	wg.Go(func() {
		if _, err := s.Run(ctx, sandbox.Task{Activity: "Never"}); err == nil {
			t.Error("it was loaded")
		}
	})
	<-began
	equal(t, "output", text(run(t, s, "Echo", raw("x"))), "x")
	cancel()
	wg.Wait()
}
