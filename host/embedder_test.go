package host_test

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.temporal.io/sdk/client"

	"github.com/wasmworker/wasmworker/host"
	"github.com/wasmworker/wasmworker/host/passthrough"
	"github.com/wasmworker/wasmworker/host/sandbox"
)

// The module of the example and of docs/passthrough.md works, and operators see its use.
func TestPassthroughModuleOfAnEmbedder(t *testing.T) {
	var closed []string
	closing := func(name string) func(context.Context) error {
		return func(context.Context) error { closed = append(closed, name); return nil }
	}
	// the guest sends JSON
	trimmed := func(ctx context.Context, call *passthrough.Call, req []byte) ([]byte, error) {
		response, err := greet(ctx, call, bytes.Trim(req, `"`))
		return fmt.Appendf(nil, "%q", response), err
	}
	o := options(t, wat(t, "passthrough"))
	o.Passthrough = []host.PassthroughModule{
		{Name: "first", Functions: map[string]passthrough.Func{"f": trimmed}, Close: closing("first")},
		{Name: "greeter", Functions: map[string]passthrough.Func{"hello": trimmed}, Policy: &GreeterPolicy{}, Close: closing("greeter")},
	}
	if _, err := host.New(o); err == nil || !strings.Contains(err.Error(), `it is not granted "greeter"`) {
		t.Fatalf("without a grant: %v, want a refusal that names the flag", err)
	}
	o.PerModule = map[string]host.ModuleOptions{"passthrough": {
		Passthrough: []string{"greeter"}, Policies: map[string]any{"greeter": &GreeterPolicy{Names: []string{"Ada"}}},
	}}
	measured := &metrics{counted: map[string]int64{}}
	o.ClientOptions.MetricsHandler = measured
	t.Run("serve", func(t *testing.T) {
		h := run(t, o)
		if got := h.PassthroughModules(); len(got) != 2 || got[1].Name != "greeter" {
			t.Errorf("passthrough modules: %v", got)
		}
		var s string
		if err := get(t, execute(t, h, "Ask", "Ada"), &s); err != nil || s != "hello, Ada" {
			t.Errorf("Ask: %q, %v", s, err)
		}
		// the guest returns the sentence, which is no JSON
		if err := get(t, execute(t, h, "Ask", "Eve"), &s); err == nil {
			t.Errorf("what is denied: %q", s)
		}
	})
	if !slices.Equal(closed, []string{"greeter", "first"}) {
		t.Errorf("closed in the order %v", closed)
	}
	for name, want := range map[string]int64{
		host.MetricDenied + " capability=greeter module=passthrough":                        1,
		host.MetricPassthroughLatency + " capability=greeter function=hello outcome=ok":     1,
		host.MetricPassthroughLatency + " capability=greeter function=hello outcome=denied": 1,
	} {
		if got := measured.of(name); got != want {
			t.Errorf("%s is %d, want %d; there are %v", name, got, want, measured.counted)
		}
	}
}

// metrics counts the calls of a metrics handler, by name and by tags that are not the
// SDK's.
type metrics struct {
	client.MetricsHandler // nil, so any other call panics
	tags                  map[string]string
	mu                    sync.Mutex
	counted               map[string]int64
	parent                *metrics
}

func (m *metrics) WithTags(tags map[string]string) client.MetricsHandler {
	all := maps.Clone(m.tags)
	if all == nil {
		all = map[string]string{}
	}
	maps.Copy(all, tags)
	root := m
	if m.parent != nil {
		root = m.parent
	}
	return &metrics{tags: all, parent: root}
}

func (m *metrics) add(name string, n int64) {
	for _, key := range slices.Sorted(maps.Keys(m.tags)) {
		if slices.Contains([]string{"capability", "function", "outcome", "module"}, key) {
			name += " " + key + "=" + m.tags[key]
		}
	}
	root := m
	if m.parent != nil {
		root = m.parent
	}
	root.mu.Lock()
	defer root.mu.Unlock()
	root.counted[name] += n
}

func (m *metrics) of(name string) int64 {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.counted[name]
}

func (m *metrics) Counter(name string) client.MetricsCounter { return counter{m, name} }

func (m *metrics) Gauge(string) client.MetricsGauge { return nothing{} }

func (m *metrics) Timer(name string) client.MetricsTimer { return timer{m, name} }

type counter struct {
	m    *metrics
	name string
}

func (c counter) Inc(n int64) { c.m.add(c.name, n) }

type timer struct {
	m    *metrics
	name string
}

func (c timer) Record(d time.Duration) {
	c.m.add(c.name, 1)
	c.m.add(c.name+" in all", int64(d))
}

type nothing struct{}

func (nothing) Update(float64) {}

// countingExecutor is an embedder's executor.
type countingExecutor struct {
	sandbox.Pool
	acquired, released atomic.Int32
}

func (e *countingExecutor) Acquire(ctx context.Context, m *sandbox.Module) (*sandbox.Instance, error) {
	e.acquired.Add(1)
	return m.NewInstance(ctx)
}

func (e *countingExecutor) Release(i *sandbox.Instance) {
	e.released.Add(1)
	i.Close()
}

func TestExecutorOfAnEmbedder(t *testing.T) {
	e := &countingExecutor{}
	o := options(t, wat(t, "echo"))
	o.Executor = e
	h := run(t, o)
	if h.Executor() != host.Executor(e) {
		t.Error("Executor returns another")
	}
	if err := get(t, execute(t, h, "Echo", 1), nil); err != nil {
		t.Error(err)
	}
	if e.acquired.Load() != 1 || e.released.Load() != 1 {
		t.Errorf("acquired %d, released %d", e.acquired.Load(), e.released.Load())
	}
}

// counting counts attempts, and leaves everything else to the base.
type counting struct {
	host.InterceptorBase
	attempts atomic.Int64
}

func (c *counting) Execute(ctx context.Context, task sandbox.Task, next host.Execute) (*sandbox.Payload, error) {
	c.attempts.Add(1)
	return next(ctx, task)
}

func TestInterceptorBaseChangesNothing(t *testing.T) {
	o := options(t, wat(t, "echo"))
	counter := &counting{}
	o.Interceptor = counter
	h := run(t, o)
	var s string
	if err := get(t, execute(t, h, "Echo", "hello"), &s); err != nil || s != "hello" || counter.attempts.Load() != 1 {
		t.Errorf("%q, %v, after %d attempts", s, err, counter.attempts.Load())
	}
}
