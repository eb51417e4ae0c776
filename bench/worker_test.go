package bench

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"

	"github.com/wasmworker/wasmworker/bench/order"
	"github.com/wasmworker/wasmworker/internal/testbed"
)

const (
	batchSize = 50        // activities in a workflow, which is an operation of BenchmarkWorker
	batches   = 4         // workflows at once
	workflows = "starter" // their task queue
)

// BenchmarkWorker runs activities through a Temporal server: server and worker are
// processes of their own, and the workflows run in this one. It measures the processor
// time of the worker.
func BenchmarkWorker(b *testing.B) {
	if runtime.GOOS != "linux" {
		b.Skip("reads /proc/PID/stat")
	}
	server := testbed.Shared(b)
	c := server.Client(b)
	w := worker.New(c, workflows, worker.Options{DisableRegistrationAliasing: true})
	w.RegisterWorkflow(batchGreet)
	w.RegisterWorkflow(batchOrder)
	if err := w.Start(); err != nil {
		b.Fatal(err)
	}
	defer w.Stop()
	for _, side := range []struct {
		name    string
		command func(b *testing.B, queue string) *exec.Cmd
	}{
		{"native", func(b *testing.B, queue string) *exec.Cmd { return nativeWorker(b, server, queue) }},
		{"pristine", func(b *testing.B, queue string) *exec.Cmd {
			return wasmWorker(b, server, queue, "--modules", guest(b, "go"))
		}},
		{"rust", func(b *testing.B, queue string) *exec.Cmd {
			return wasmWorker(b, server, queue, "--modules", "guests/rust/order.wasm")
		}},
		{"c", func(b *testing.B, queue string) *exec.Cmd {
			return wasmWorker(b, server, queue, "--modules", "guests/c/order.wasm")
		}},
		{"python", func(b *testing.B, queue string) *exec.Cmd {
			return wasmWorker(b, server, queue, "--modules", pythonGuest(b))
		}},
		{"temporalio", func(b *testing.B, queue string) *exec.Cmd { return temporalioWorker(b, server, queue) }},
	} {
		b.Run(side.name, func(b *testing.B) {
			b.Run("greet", func(b *testing.B) { benchmarkWorker(b, c, side.command, batchGreet) })
			b.Run("order", func(b *testing.B) { benchmarkWorker(b, c, side.command, batchOrder) })
		})
	}
}

// benchmarkWorker measures a worker, which it starts, by running workflows of a kind.
func benchmarkWorker(b *testing.B, c client.Client, command func(b *testing.B, queue string) *exec.Cmd, batch any) {
	queue := uuid.NewString()
	cmd := command(b, queue)
	testbed.Start(b, cmd)
	run := func() error {
		r, err := c.ExecuteWorkflow(b.Context(), client.StartWorkflowOptions{TaskQueue: workflows}, batch, queue)
		if err != nil {
			return err
		}
		return r.Get(b.Context(), nil)
	}
	for range 2 { // connections, caches, and as many instances as are needed
		if err := run(); err != nil {
			b.Fatal(err)
		}
	}
	var group sync.WaitGroup
	slots := make(chan struct{}, batches)
	activities := 0
	before, start := cpuTime(b, cmd.Process.Pid), time.Now()
	for b.Loop() {
		slots <- struct{}{}
		activities += batchSize
		group.Go(func() {
			defer func() { <-slots }()
			if err := run(); err != nil {
				b.Error(err)
			}
		})
	}
	group.Wait()
	took, used := time.Since(start), cpuTime(b, cmd.Process.Pid)-before
	b.ReportMetric(used.Seconds()*1e3/float64(activities), "cpu-ms/activity")
	b.ReportMetric(float64(activities)/took.Seconds(), "activities/s")
	b.ReportMetric(0, "ns/op")
}

// Workflows that execute activities side by side, and look at what they return.

func batchGreet(ctx workflow.Context, queue string) error {
	return batch(ctx, queue, "Greet", order.Person{Name: "Ada"}, order.Greeting{Greeting: "Hello, Ada!"})
}

func batchOrder(ctx workflow.Context, queue string) error {
	want, err := order.Price(context.Background(), order.Sample())
	if err != nil {
		return err
	}
	return batch(ctx, queue, "Price", order.Sample(), want)
}

func batch[Out any](ctx workflow.Context, queue, activity string, in any, want Out) error {
	ctx = workflow.WithActivityOptions(ctx, workflow.ActivityOptions{TaskQueue: queue, StartToCloseTimeout: testbed.Patience})
	var futures []workflow.Future
	for range batchSize {
		futures = append(futures, workflow.ExecuteActivity(ctx, activity, in))
	}
	for _, f := range futures {
		var got Out
		if err := f.Get(ctx, &got); err != nil {
			return err
		}
		if !reflect.DeepEqual(got, want) {
			return fmt.Errorf("%s returned %+v, want %+v", activity, got, want)
		}
	}
	return nil
}

func nativeWorker(b *testing.B, server *testbed.Server, queue string) *exec.Cmd {
	b.Helper()
	cmd := exec.Command(build(b, "nativeworker", "nativeworker", nil), "--address", server.Address, "--task-queue", queue)
	cmd.Env = testbed.CleanEnv()
	return cmd
}

func wasmWorker(b *testing.B, server *testbed.Server, queue string, args ...string) *exec.Cmd {
	b.Helper()
	cmd := exec.Command(build(b, "wasmworker", "../cmd/wasmworker", nil), append([]string{"serve",
		"--address", server.Address, "--task-queue", queue, "--cache-dir", filepath.Join(scratch, "cache"), "--log-level", "warn"}, args...)...)
	cmd.Env = testbed.CleanEnv()
	return cmd
}

// cpuTime returns the processor time that a process has used. It is counted in ticks of
// 10 ms.
func cpuTime(b *testing.B, pid int) time.Duration {
	b.Helper()
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		b.Fatal(err)
	}
	// before that, the program's name may be anything
	_, fields, _ := strings.Cut(string(stat), ") ")
	list := strings.Fields(fields)
	var user, system int64
	if _, err := fmt.Sscan(list[11]+" "+list[12], &user, &system); err != nil {
		b.Fatal(err)
	}
	return time.Duration(user+system) * 10 * time.Millisecond
}

// served is how many BenchmarkStart serves.
const served = 10

// BenchmarkStart measures the time from the start of a worker's process until an activity
// has been executed that has waited for it: so it contains the first poll. All that is
// compiled is in the cache, as when a worker is restarted.
func BenchmarkStart(b *testing.B) {
	server := testbed.Shared(b)
	c := server.Client(b)
	b.Run("native", func(b *testing.B) {
		benchmarkStart(b, c, "Price", func(queue string) *exec.Cmd { return nativeWorker(b, server, queue) })
	})
	b.Run("modules", func(b *testing.B) {
		config := manyModules(b)
		benchmarkStart(b, c, "m0.Price", func(queue string) *exec.Cmd { return wasmWorker(b, server, queue, "--config", config) })
	})
}

func benchmarkStart(b *testing.B, c client.Client, activity string, command func(queue string) *exec.Cmd) {
	start := func() time.Duration {
		queue := uuid.NewString()
		handle, err := c.ExecuteActivity(b.Context(), client.StartActivityOptions{
			ID: uuid.NewString(), TaskQueue: queue, ScheduleToCloseTimeout: testbed.Patience,
		}, activity, order.Sample())
		if err != nil {
			b.Fatal(err)
		}
		cmd := command(queue)
		begin := time.Now()
		process := testbed.Start(b, cmd)
		var out order.Invoice
		ctx, cancel := context.WithTimeout(b.Context(), testbed.Patience)
		defer cancel()
		if err := handle.Get(ctx, &out); err != nil {
			b.Fatal(errors.Join(err, errors.New(process.Stderr())))
		}
		took := time.Since(begin)
		process.Stop()
		return took
	}
	start() // compiles, and fills the cache
	var took []time.Duration
	for b.Loop() {
		took = append(took, start())
	}
	report(b, took)
}

// manyModules makes modules of the Go guest that differ by a custom section, and so by
// their digest, and returns a configuration file that serves them.
func manyModules(b *testing.B) string {
	b.Helper()
	binary, err := os.ReadFile(guest(b, "go"))
	if err != nil {
		b.Fatal(err)
	}
	dir := b.TempDir()
	type module struct {
		Prefix string `json:"prefix"`
	}
	config := struct {
		Modules   []string          `json:"modules"`
		PerModule map[string]module `json:"per_module"`
	}{PerModule: map[string]module{}}
	for i := range served {
		name := fmt.Sprintf("m%d", i)
		file := filepath.Join(dir, name+".wasm")
		// wazero wants one that is not empty at the end
		custom := "\x00\x05\x03own" + string(rune('0'+i))
		if err := os.WriteFile(file, append(bytes.Clone(binary), custom...), 0o600); err != nil {
			b.Fatal(err)
		}
		config.Modules = append(config.Modules, file)
		config.PerModule[name] = module{Prefix: name + "."}
	}
	text, err := json.Marshal(config) // which is YAML, too
	if err != nil {
		b.Fatal(err)
	}
	path := filepath.Join(dir, "config.yaml")
	if err := os.WriteFile(path, text, 0o600); err != nil {
		b.Fatal(err)
	}
	return path
}
