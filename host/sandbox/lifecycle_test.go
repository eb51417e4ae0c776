package sandbox_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/wasmworker/wasmworker/abi"
	"github.com/wasmworker/wasmworker/host/passthrough"
	"github.com/wasmworker/wasmworker/host/sandbox"
)

var errStop = errors.New("the test has seen enough")

// A guest that computes, one that asks for its flags all the time and one that sleeps are
// interrupted alike. The clock of these tests is a fake one, which a guest that sleeps
// lets run.
func TestInterrupt(t *testing.T) {
	tests := []struct {
		name, module, activity string
		// task arranges for stop to be called while the guest runs.
		task func(task *sandbox.Task, stop func())
	}{
		{"computing", "probe", "Busy", func(task *sandbox.Task, stop func()) {
			task.Flags = func(context.Context) abi.Flags { stop(); return 0 }
		}},
		{"calling the host", "misbehave", "WaitForFlags", func(task *sandbox.Task, stop func()) {
			asked := 0
			task.Flags = func(context.Context) abi.Flags {
				if asked++; asked == 100 {
					stop()
				}
				return 0
			}
		}},
		{"heartbeating", "probe", "Heartbeat", func(task *sandbox.Task, stop func()) {
			task.Args = []sandbox.Payload{jsonPayload("1")}
			task.Heartbeat = func(ctx context.Context, _ []sandbox.Payload) error {
				stop()
				<-ctx.Done()
				return context.Cause(ctx)
			}
		}},
		{"sleeping", "misbehave", "Sleep", func(_ *sandbox.Task, stop func()) {
			time.AfterFunc(time.Minute, stop)
		}},
		// What it returns in that moment may be the work of half a sleep.
		{"returning", "misbehave", "WaitForFlags", func(task *sandbox.Task, stop func()) {
			task.Flags = func(context.Context) abi.Flags { stop(); return abi.FlagCancelRequested }
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := startOne(t, tt.module, sandbox.Options{Isolation: sandbox.IsolationReuse})
				ctx, cancel := context.WithCancelCause(t.Context())
				defer cancel(nil)
				task := sandbox.Task{Activity: tt.activity}
				tt.task(&task, func() { cancel(errStop) })
				p, err := s.Run(ctx, task)
				interrupted(t, err, errStop)
				if p != nil {
					t.Errorf("got %s beside the error", text(p))
				}
				equal(t, "live instances", live(s), 0)
				equal(t, "stats", stats(s), sandbox.Stats{})
			})
		})
	}
}

func TestSleep(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := startOne(t, "misbehave", sandbox.Options{})
		begin := time.Now()
		run(t, s, "Sleep")
		equal(t, "the guest slept", time.Since(begin), time.Hour)

		begin = time.Now()
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		_, err := s.Run(ctx, sandbox.Task{Activity: "Sleep"})
		interrupted(t, err, context.DeadlineExceeded)
		equal(t, "the guest slept until the deadline", time.Since(begin), time.Minute)
	})
}

func TestRunWithEndedContext(t *testing.T) {
	s := startOne(t, "echo", sandbox.Options{})
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(errStop)
	_, err := s.Run(ctx, sandbox.Task{Activity: "Echo"})
	interrupted(t, err, errStop)
	equal(t, "stats", stats(s), sandbox.Stats{})
}

// Close waits for calls, and closes nothing under them when it may not wait for longer.
func TestClose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{}) // one value lets one call go
		s := start(t, sandbox.Config{
			Modules:  files(t, "passthrough", "misbehave"),
			Defaults: sandbox.Options{Isolation: sandbox.IsolationReuse},
			PerModule: map[string]sandbox.Options{
				"passthrough": {Passthrough: []string{"greeter"}},
			},
			Passthrough: greeter(t, func(context.Context, *passthrough.Call, []byte) ([]byte, error) {
				<-release
				return []byte("still here"), nil
			}),
		})
		run(t, s, "Count") // leaves an idle instance
		returned := make(chan *sandbox.Payload)
		for range 2 {
			go func() {
				p, err := s.Run(t.Context(), sandbox.Task{Activity: "Ask", Args: []sandbox.Payload{raw("x")}})
				if err != nil {
					t.Error(err)
				}
				returned <- p
			}()
		}
		synctest.Wait()

		ctx, cancel := context.WithCancelCause(t.Context())
		first := make(chan error, 1)
		go func() { first <- s.Close(ctx) }()
		second := make(chan error, 1)
		go func() { second <- s.Close(t.Context()) }()
		synctest.Wait()
		if len(first) > 0 || len(second) > 0 {
			t.Fatal("Close did not wait for the call")
		}
		// Nothing new begins meanwhile.
		if _, err := s.Run(t.Context(), sandbox.Task{Activity: "Count"}); !errors.Is(err, sandbox.ErrClosed) {
			t.Errorf("Run while it closes: error %v", err)
		}
		cancel(errStop)
		synctest.Wait()
		select {
		case err := <-first:
			if !errors.Is(err, errStop) {
				t.Errorf("Close: error %v, want the context's", err)
			}
		default:
			t.Fatal("Close still waits after its context ended")
		}
		if live(s) != 3 {
			t.Errorf("%d instances are left of the two in use and the idle one", live(s))
		}

		release <- struct{}{}
		// its runtime was not closed under it
		equal(t, "result of one call", text(<-returned), "still here")
		synctest.Wait()
		if live(s) != 3 || len(second) > 0 {
			t.Errorf("Close did not wait for the other call: %d instances are left", live(s))
		}
		release <- struct{}{}
		equal(t, "result of the other call", text(<-returned), "still here")
		if err := <-second; err != nil {
			t.Errorf("the other Close: %v", err)
		}
		equal(t, "live instances", live(s), 0)
		for range 20 { // an ended context is no obstacle where there is nothing to wait for
			if err := s.Close(ctx); err != nil {
				t.Errorf("Close of what is closed: %v", err)
			}
		}
		if _, err := s.Run(t.Context(), sandbox.Task{Activity: "Count"}); !errors.Is(err, sandbox.ErrClosed) {
			t.Errorf("Run after Close: error %v", err)
		}
	})
}

func TestCloseWithoutCompile(t *testing.T) {
	s, err := sandbox.New(sandbox.Config{Modules: files(t, "echo")})
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := s.Close(t.Context()); err != nil {
			t.Error(err)
		}
	}
}

// What the embedder hands in may panic. The instance and its slot must not be lost with
// it.
func TestPanicOfTask(t *testing.T) {
	s := start(t, sandbox.Config{Modules: files(t, "probe"), Defaults: sandbox.Options{Isolation: sandbox.IsolationReuse}, Limit: 1})
	for _, task := range []sandbox.Task{
		{Activity: "Busy", Flags: func(context.Context) abi.Flags { panic("flags") }},
		{Activity: "Heartbeat", Args: []sandbox.Payload{raw("x")}, Heartbeat: func(context.Context, []sandbox.Payload) error { panic("heartbeat") }},
		{Activity: "Stdio", Args: []sandbox.Payload{raw("a line without an end"), raw("")}, Log: (&recorder{onLog: func(string) { panic("log") }}).log},
	} {
		func() {
			// whether it gets here, or ends as a trap, is not promised
			defer func() { _ = recover() }()
			if _, err := s.Run(t.Context(), task); err == nil {
				t.Errorf("%s succeeded", task.Activity)
			}
		}()
		equal(t, "stats after "+task.Activity, stats(s), sandbox.Stats{Limit: 1})
		equal(t, "live instances", live(s), 0)
	}
	run(t, s, "Plain")
}

// custom is an executor that keeps nothing, and counts.
type custom struct {
	acquired, released, closed int
	instances                  map[*sandbox.Instance]bool // in use
	err                        error
	asked                      []*sandbox.Module
}

func (c *custom) Acquire(ctx context.Context, m *sandbox.Module) (*sandbox.Instance, error) {
	c.acquired++
	c.asked = append(c.asked, m)
	if c.err != nil {
		return nil, c.err
	}
	instance, err := m.NewInstance(ctx)
	if err == nil {
		c.instances[instance] = true
	}
	return instance, err
}

func (c *custom) Release(i *sandbox.Instance) {
	c.released++
	delete(c.instances, i)
	i.Close()
	i.Close() // does nothing
}

func (c *custom) Evict(*sandbox.Module) {}

func (c *custom) Close(context.Context) error { c.closed++; return nil }

func TestCustomExecutor(t *testing.T) {
	executor := &custom{instances: map[*sandbox.Instance]bool{}}
	s := start(t, sandbox.Config{Modules: files(t, "misbehave", "echo"), Executor: executor, Defaults: sandbox.Options{Isolation: sandbox.IsolationReuse}})
	if s.Executor() != sandbox.Executor(executor) {
		t.Error("Executor returns another one")
	}
	equal(t, "instances that compilation asked the executor for", executor.acquired, 0)
	equal(t, "count", text(run(t, s, "Count")), "0")
	equal(t, "count", text(run(t, s, "Count")), "0") // its own policy, which is to keep none
	_, err := s.Run(t.Context(), sandbox.Task{Activity: "Trap"})
	failure(t, err, abi.TypeWasmTrap)
	run(t, s, "Echo")
	misbehave, _ := s.Lookup("Count")
	echo, _ := s.Lookup("Echo")
	equal(t, "modules asked for", executor.asked, []*sandbox.Module{misbehave.Module, misbehave.Module, misbehave.Module, echo.Module})
	equal(t, "acquired and released", [2]int{executor.acquired, executor.released}, [2]int{4, 4})
	equal(t, "instances in use", len(executor.instances), 0)

	// No instance, no release.
	executor.err = errors.New("the tenant is over its quota")
	_, err = s.Run(t.Context(), sandbox.Task{Activity: "Count"})
	failure(t, err, abi.TypeNoInstance)
	equal(t, "acquired and released", [2]int{executor.acquired, executor.released}, [2]int{5, 4})

	// It is closed once, however often the sandbox is.
	for range 2 {
		if err := s.Close(t.Context()); err != nil {
			t.Error(err)
		}
	}
	equal(t, "closed", executor.closed, 1)
}

// An executor decides by what it is told about an instance.
func TestInstance(t *testing.T) {
	s := start(t, sandbox.Config{
		Modules:   append(files(t, "misbehave", "echo"), tool(t)),
		Defaults:  sandbox.Options{Isolation: sandbox.IsolationReuse},
		PerModule: map[string]sandbox.Options{"echo": {Isolation: sandbox.IsolationFresh}},
	})
	for activity, reusable := range map[string]bool{"Count": true, "Echo": false, "tool": false} {
		a, ok := s.Lookup(activity)
		if !ok {
			t.Fatalf("there is no %s", activity)
		}
		instance, err := a.Module.NewInstance(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		equal(t, "module", instance.Module(), a.Module)
		equal(t, "reusable instance of "+activity, instance.Reusable(), reusable)
		equal(t, "live instances", a.Module.Live(), 1)
		instance.Close()
		instance.Close()
		equal(t, "live instances", a.Module.Live(), 0)
	}
}
