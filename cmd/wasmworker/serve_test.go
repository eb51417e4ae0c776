//go:build unix

package main_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/uuid"
	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/temporal"

	"github.com/wasmworker/wasmworker/internal/testbed"
)

func TestMain(m *testing.M) { os.Exit(testbed.Main(m.Run)) }

const acts = "testdata/guests/acts"

// span is what the guest's Work returns.
type span struct {
	Start, End int64
	Calls      int
}

// queue returns a task queue of the test's own.
func queue(t *testing.T) string { return t.Name() + "-" + uuid.NewString()[:8] }

func execute(t *testing.T, c client.Client, o client.StartActivityOptions, name string, args ...any) client.ActivityHandle {
	t.Helper()
	if o.ID == "" {
		o.ID = uuid.NewString()
	}
	if o.ScheduleToCloseTimeout == 0 {
		o.ScheduleToCloseTimeout = 10 * time.Minute
	}
	handle, err := c.ExecuteActivity(t.Context(), o, name, args...)
	if err != nil {
		t.Fatal(err)
	}
	return handle
}

func result[T any](t *testing.T, handle client.ActivityHandle) T {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), testbed.Patience)
	defer cancel()
	var value T
	if err := handle.Get(ctx, &value); err != nil {
		t.Fatalf("activity %s: %v", handle.GetID(), err)
	}
	return value
}

func failure(t *testing.T, handle client.ActivityHandle) error {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), testbed.Patience)
	defer cancel()
	err := handle.Get(ctx, nil)
	if err == nil || ctx.Err() != nil {
		t.Fatalf("activity %s: got %v, want a failure", handle.GetID(), err)
	}
	return err
}

func describe(t *testing.T, handle client.ActivityHandle) *client.ActivityExecutionDescription {
	t.Helper()
	d, err := handle.Describe(t.Context(), client.DescribeActivityOptions{IncludeHeartbeatDetails: true, IncludeLastFailure: true})
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// waitStarted waits until the server has handed the activities out. Their guests may not
// be running yet: to know that, see waitHeartbeat.
func waitStarted(t *testing.T, handles ...client.ActivityHandle) {
	t.Helper()
	for _, h := range handles {
		testbed.Eventually(t, "the activity is running", func() error {
			if d := describe(t, h); d.RunState != enumspb.PENDING_ACTIVITY_STATE_STARTED {
				return fmt.Errorf("it is %s", d.RunState)
			}
			return nil
		})
	}
}

// waitHeartbeat waits until the server knows of a heartbeat's details: the guest is
// running.
func waitHeartbeat(t *testing.T, handle client.ActivityHandle) {
	t.Helper()
	testbed.Eventually(t, "the activity has heartbeat details", func() error {
		if !describe(t, handle).HasHeartbeatDetails() {
			return errors.New("it has none")
		}
		return nil
	})
}

// waitDraining waits until the worker has stopped polling, and says so by its readiness.
func waitDraining(t *testing.T, w *testbed.Worker) {
	t.Helper()
	testbed.Eventually(t, "the worker is draining", func() error {
		status, body, err := w.Get("/readyz")
		if err == nil && (status != http.StatusServiceUnavailable || body != "draining") {
			err = fmt.Errorf("status %d, %q", status, body)
		}
		return err
	})
}

func TestShutdownDrains(t *testing.T) {
	server := testbed.Shared(t)
	c, q := server.Client(t), queue(t)
	w := server.Serve(t, "--modules", testbed.Guest(t, acts), "--task-queue", q)
	var handles []client.ActivityHandle
	for range 20 {
		handles = append(handles, execute(t, c, client.StartActivityOptions{TaskQueue: q}, "Work", 2000))
	}
	for _, h := range handles {
		waitHeartbeat(t, h)
	}
	w.Signal(syscall.SIGTERM)
	waitDraining(t, w)
	late := execute(t, c, client.StartActivityOptions{TaskQueue: q}, "Work", 1)
	if code := w.Wait(t); code != 0 {
		t.Errorf("exit code %d, want 0", code)
	}
	exit := time.Now()
	for _, h := range handles {
		if s := result[span](t, h); time.Unix(0, s.End).After(exit) {
			t.Errorf("an activity ended at %s, after the process at %s", time.Unix(0, s.End), exit)
		}
		if d := describe(t, h); d.Attempt != 1 {
			t.Errorf("an activity took %d attempts", d.Attempt)
		}
	}
	if d := describe(t, late); d.RunState != enumspb.PENDING_ACTIVITY_STATE_SCHEDULED || d.Attempt != 1 {
		t.Errorf("the activity that came after the signal is %s in attempt %d, want it untouched", d.RunState, d.Attempt)
	}
}

func TestShutdownInterruptsAndHandsOver(t *testing.T) {
	server := testbed.Shared(t)
	c, q := server.Client(t), queue(t)
	guest := testbed.Guest(t, acts)
	w := server.Serve(t, "--modules", guest, "--task-queue", q, "--graceful-shutdown-timeout", "1")
	// The timeouts are far beyond the test's patience: only a hand-over can end it in
	// time.
	handle := execute(t, c, client.StartActivityOptions{TaskQueue: q, HeartbeatTimeout: 9 * time.Minute}, "Stubborn")
	waitHeartbeat(t, handle)
	w.Signal(syscall.SIGTERM)
	if code := w.Wait(t); code != 3 {
		t.Errorf("exit code %d, want 3", code)
	}
	d := describe(t, handle)
	failure := d.RawResponse.GetInfo().GetLastFailure()
	if kind := failure.GetApplicationFailureInfo().GetType(); kind != "WorkerShutdown" {
		t.Errorf("the attempt failed as %q (%s), want WorkerShutdown", kind, failure.GetMessage())
	}
	if details := failure.GetApplicationFailureInfo().GetDetails().GetPayloads(); len(details) != 1 || string(details[0].GetData()) != "42" {
		t.Errorf("the failure's details are %v, want the last heartbeat's: 42", details)
	}
	server.Serve(t, "--modules", guest, "--task-queue", q)
	if progress := result[int](t, handle); progress != 42 {
		t.Errorf("the second worker was handed progress %d, want 42, the last heartbeat", progress)
	}
	if d := describe(t, handle); d.Attempt != 2 {
		t.Errorf("it took %d attempts, want 2", d.Attempt)
	}
}

func TestSecondSignalInterrupts(t *testing.T) {
	server := testbed.Shared(t)
	c, q := server.Client(t), queue(t)
	w := server.Serve(t, "--modules", testbed.Guest(t, acts), "--task-queue", q, "--graceful-shutdown-timeout", "9m")
	handle := execute(t, c, client.StartActivityOptions{TaskQueue: q}, "Stubborn")
	waitHeartbeat(t, handle)
	w.Signal(syscall.SIGINT)
	waitDraining(t, w)
	w.Signal(syscall.SIGINT)
	if code := w.Wait(t); code != 3 {
		t.Errorf("exit code %d, want 3", code)
	}
	if d := describe(t, handle); d.RawResponse.GetInfo().GetLastFailure().GetApplicationFailureInfo().GetType() != "WorkerShutdown" {
		t.Errorf("the attempt was not reported as WorkerShutdown: %v", d.RawResponse.GetInfo().GetLastFailure())
	}
}

func TestThirdSignalExitsAtOnce(t *testing.T) {
	server := testbed.NewServer(t)
	c, q := server.Client(t), queue(t)
	w := server.Serve(t, "--modules", testbed.Guest(t, acts), "--task-queue", q, "--graceful-shutdown-timeout", "9m")
	handle := execute(t, c, client.StartActivityOptions{TaskQueue: q}, "Stubborn")
	waitHeartbeat(t, handle)
	// A server that does not answer keeps the worker waiting for its results to be taken.
	server.Freeze()
	defer server.Thaw()
	for i, s := range []syscall.Signal{syscall.SIGTERM, syscall.SIGINT, syscall.SIGTERM} {
		w.Signal(s)
		if i == 2 {
			break
		}
		testbed.Eventually(t, "the signal has been taken", func() error {
			if n := strings.Count(w.Stderr(), `"signal":`); n != i+1 {
				return fmt.Errorf("%d of %d", n, i+1)
			}
			return nil
		})
	}
	if code := w.Wait(t); code != 128+int(syscall.SIGTERM) {
		t.Errorf("exit code %d, want 143", code)
	}
}

func TestShutdownWhileIdle(t *testing.T) {
	server := testbed.Shared(t)
	w := server.Serve(t, "--modules", testbed.Guest(t, acts), "--task-queue", queue(t))
	begin := time.Now()
	w.Signal(syscall.SIGTERM)
	if code := w.Wait(t); code != 0 {
		t.Errorf("exit code %d, want 0", code)
	}
	t.Logf("an idle worker stopped in %s", time.Since(begin).Round(time.Millisecond))
}

func TestShutdownWhileCompiling(t *testing.T) {
	server := testbed.Shared(t)
	binary, err := os.ReadFile(testbed.Guest(t, acts))
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	prefixes := &strings.Builder{}
	prefixes.WriteString("per_module:\n")
	for i := range 8 { // minutes of work, if nobody stopped it
		name := fmt.Sprintf("m%d", i)
		// A custom section makes each a different module.
		if err := os.WriteFile(filepath.Join(dir, name+".wasm"), append(slices.Clone(binary), 0, 3, 1, 'n', byte(i)), 0o600); err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(prefixes, "  %s: {prefix: %s.}\n", name, name)
	}
	config := filepath.Join(t.TempDir(), "wasmworker.yaml")
	if err := os.WriteFile(config, []byte(prefixes.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	w := server.StartServe(t, "--modules", dir, "--config", config, "--task-queue", queue(t), "--cache-dir", "none")
	testbed.Eventually(t, "the worker answers", func() error {
		status, body, err := w.Get("/readyz")
		if err == nil && (status != http.StatusServiceUnavailable || body != "starting") {
			t.Fatalf("it is %q before it could have compiled", body)
		}
		return err
	})
	w.Signal(syscall.SIGTERM)
	if code := w.Wait(t); code != 0 {
		t.Errorf("exit code %d, want 0", code)
	}
}

func TestServerRestartsUnderLoad(t *testing.T) {
	server := testbed.NewServer(t)
	c, q := server.Client(t), queue(t)
	w := server.Serve(t, "--modules", testbed.Guest(t, acts), "--task-queue", q, "--max-concurrent-activities", "4")
	var handles []client.ActivityHandle
	for range 40 {
		handles = append(handles, execute(t, c, client.StartActivityOptions{TaskQueue: q, StartToCloseTimeout: 5 * time.Second}, "Work", 100))
	}
	result[span](t, handles[0]) // it is under way
	server.Kill()
	if status, _, err := w.Get("/readyz"); err != nil || status != http.StatusServiceUnavailable {
		t.Errorf("without a server readiness is %d, %v", status, err)
	}
	server.Restart(t)
	for _, h := range handles {
		result[span](t, h)
	}
	w.Signal(syscall.SIGTERM)
	if code := w.Wait(t); code != 0 {
		t.Errorf("exit code %d, want 0", code)
	}
}

func TestLimitIsReachedAndKept(t *testing.T) {
	server := testbed.Shared(t)
	c, q := server.Client(t), queue(t)
	server.Serve(t, "--modules", testbed.Guest(t, acts), "--task-queue", q, "--max-concurrent-activities", "8")
	var handles []client.ActivityHandle
	for i := range 200 {
		ms := 50
		if i < 8 { // however slow the machine: these meet
			ms = 5000
		}
		handles = append(handles, execute(t, c, client.StartActivityOptions{TaskQueue: q}, "Work", ms))
	}
	type edge struct {
		at    int64
		delta int
	}
	var edges []edge
	for _, h := range handles {
		s := result[span](t, h)
		if s.Calls != 1 {
			t.Errorf("an instance saw %d calls under the isolation fresh", s.Calls)
		}
		edges = append(edges, edge{s.Start, 1}, edge{s.End, -1})
	}
	slices.SortFunc(edges, func(a, b edge) int { return int(a.at - b.at) })
	running, peak := 0, 0
	for _, e := range edges {
		running += e.delta
		peak = max(peak, running)
	}
	if peak != 8 {
		t.Errorf("at the peak %d guests ran at once, want exactly 8", peak)
	}
}

func TestResumeAfterKill(t *testing.T) {
	server := testbed.Shared(t)
	c, q := server.Client(t), queue(t)
	guest := testbed.Guest(t, acts)
	w := server.Serve(t, "--modules", guest, "--task-queue", q)
	handle := execute(t, c, client.StartActivityOptions{TaskQueue: q, HeartbeatTimeout: 5 * time.Second}, "Steps", 60)
	waitHeartbeat(t, handle)
	w.Signal(syscall.SIGKILL)
	w.Wait(t)
	server.Serve(t, "--modules", guest, "--task-queue", q)
	if begin := result[int](t, handle); begin == 0 {
		t.Error("the second worker began at 0, want it to resume from the heartbeat")
	}
}

func TestCancellation(t *testing.T) {
	server := testbed.Shared(t)
	c, q := server.Client(t), queue(t)
	server.Serve(t, "--modules", testbed.Guest(t, acts), "--task-queue", q, "--cancel-grace", "1s")
	for name, details := range map[string]string{
		"Sleeper": "",           // never heartbeats: the host does
		"Cleanup": "cleaned up", // says what it did
		"Deaf":    "",           // goes on: it is interrupted
	} {
		t.Run(name, func(t *testing.T) {
			handle := execute(t, c, client.StartActivityOptions{TaskQueue: q, HeartbeatTimeout: 3 * time.Second}, name)
			waitStarted(t, handle)
			if err := handle.Cancel(t.Context(), client.CancelActivityOptions{}); err != nil {
				t.Fatal(err)
			}
			err := failure(t, handle)
			var canceled *temporal.CanceledError
			if !errors.As(err, &canceled) {
				t.Fatalf("got %v, want a cancellation", err)
			}
			var got string
			if canceled.HasDetails() {
				if err := canceled.Details(&got); err != nil {
					t.Fatal(err)
				}
			}
			if got != details {
				t.Errorf("details %q, want %q", got, details)
			}
		})
	}
}

func TestStartToCloseInterruptsTheGuest(t *testing.T) {
	server := testbed.Shared(t)
	c, q := server.Client(t), queue(t)
	// One slot: if the guest went on, nothing else could run.
	server.Serve(t, "--modules", testbed.Guest(t, acts), "--task-queue", q, "--max-concurrent-activities", "1")
	handle := execute(t, c, client.StartActivityOptions{TaskQueue: q, StartToCloseTimeout: time.Second, RetryPolicy: &temporal.RetryPolicy{MaximumAttempts: 1}}, "Deaf")
	var timeout *temporal.TimeoutError
	if err := failure(t, handle); !errors.As(err, &timeout) || timeout.TimeoutType() != enumspb.TIMEOUT_TYPE_START_TO_CLOSE {
		t.Errorf("got %v, want a StartToClose timeout", err)
	}
	result[span](t, execute(t, c, client.StartActivityOptions{TaskQueue: q}, "Work", 1))
}

func TestReusePolicyAndEnvironment(t *testing.T) {
	server := testbed.Shared(t)
	c, q := server.Client(t), queue(t)
	config := filepath.Join(t.TempDir(), "wasmworker.yaml")
	yaml := fmt.Sprintf(`
modules: %s
task_queue: from-file
isolation: reuse
max_concurrent_activities: 1
per_module:
  acts:
    env: [GRANTED]
    prefix: acts.
    max_calls: 2
`, testbed.Guest(t, acts))
	if err := os.WriteFile(config, []byte(yaml), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("GRANTED", "yes")
	t.Setenv("DENIED", "secret")
	server.Serve(t, "--config", config, "--task-queue", q) // the flag wins over the file
	for i, want := range []int{1, 2, 1, 2} {
		if s := result[span](t, execute(t, c, client.StartActivityOptions{TaskQueue: q}, "acts.Work", 1)); s.Calls != want {
			t.Errorf("call %d was the instance's call %d, want %d", i+1, s.Calls, want)
		}
	}
	for name, want := range map[string]string{"GRANTED": "yes", "DENIED": "", "PATH": ""} {
		if got := result[string](t, execute(t, c, client.StartActivityOptions{TaskQueue: q}, "acts.Getenv", name)); got != want {
			t.Errorf("the guest sees %s=%q, want %q", name, got, want)
		}
	}
}

func TestSkipRefusedServesTheRest(t *testing.T) {
	server := testbed.Shared(t)
	c, q := server.Client(t), queue(t)
	dir := testbed.Directory(t, testbed.Guest(t, acts), filepath.Join(testbed.Root(t), "testdata/wat/passthrough.wasm"))
	if err := os.WriteFile(filepath.Join(dir, "text.wasm"), []byte("not wasm at all"), 0o600); err != nil {
		t.Fatal(err)
	}
	w := server.Serve(t, "--modules", dir, "--task-queue", q, "--skip-refused")
	result[span](t, execute(t, c, client.StartActivityOptions{TaskQueue: q}, "Work", 1))
	for _, name := range []string{"passthrough.wasm", "text.wasm"} {
		if !bytes.Contains([]byte(w.Stderr()), []byte(name)) {
			t.Errorf("nothing says that %s was left out", name)
		}
	}
}
