//go:build unix

package main_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.temporal.io/api/operatorservice/v1"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/temporal"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/wasmworker/wasmworker/internal/testbed"
)

// logged returns the log records of the worker that have a text in their message.
func logged(w *testbed.Worker, text string) (records []map[string]any) {
	for _, record := range w.Logs() {
		if message, _ := record["msg"].(string); strings.Contains(message, text) {
			records = append(records, record)
		}
	}
	return records
}

// However activities end while Temporal is away, for longer than the SDK would try it:
// Temporal is told when it is back, whether the worker goes on or is being stopped.
func TestReportsOutliveAnOutage(t *testing.T) {
	t.Parallel() // it waits
	for _, stopping := range []bool{false, true} {
		t.Run(fmt.Sprintf("stopping=%t", stopping), func(t *testing.T) {
			t.Parallel()
			server := testbed.NewServer(t)
			c, q := server.Client(t), queue(t)
			w := server.Serve(t, "--modules", testbed.Guest(t, acts), "--task-queue", q, "--cancel-grace", "60s", "--graceful-shutdown-timeout", "120s")
			o := client.StartActivityOptions{TaskQueue: q, StartToCloseTimeout: 5 * time.Minute}
			canceled := execute(t, c, o, "Farewell", 5000)
			waitHeartbeat(t, canceled)
			if err := canceled.Cancel(t.Context(), client.CancelActivityOptions{}); err != nil {
				t.Fatal(err)
			}
			testbed.Eventually(t, "the guest is cleaning up", func() error {
				if len(logged(w, "cleaning up")) == 0 {
					return errors.New("it is not")
				}
				return nil
			})
			completed, failed := execute(t, c, o, "Work", 4000), execute(t, c, o, "FailLater", 4000)
			waitHeartbeat(t, completed)
			waitHeartbeat(t, failed)
			server.Kill()
			if stopping {
				w.Signal(syscall.SIGTERM)
			}
			testbed.Eventually(t, "the SDK would have given up", func() error {
				given := map[any]bool{}
				for _, record := range logged(w, "activity report failed") {
					if elapsed, err := time.ParseDuration(record["elapsed"].(string)); err == nil && elapsed >= 10*time.Second {
						given[record["activity_id"]] = true
					}
				}
				if len(given) < 3 {
					return fmt.Errorf("%d of 3 reports", len(given))
				}
				return nil
			})
			server.Restart(t)
			result[span](t, completed)
			var application *temporal.ApplicationError
			if err := failure(t, failed); !errors.As(err, &application) || application.Type() != "TooLate" {
				t.Errorf("the failed activity ended with %v", err)
			}
			var farewell *temporal.CanceledError
			if err := failure(t, canceled); !errors.As(err, &farewell) || !farewell.HasDetails() {
				t.Errorf("the canceled activity ended with %v", err)
			}
			for _, h := range []client.ActivityHandle{completed, failed, canceled} {
				if d := describe(t, h); d.Attempt != 1 {
					t.Errorf("%s took %d attempts", h.GetID(), d.Attempt)
				}
			}
			if !stopping {
				w.Signal(syscall.SIGTERM)
			}
			if code := w.Wait(t); code != 0 {
				t.Errorf("exit code %d, want 0", code)
			}
		})
	}
}

// What cannot be delivered is said, with the name of whose it is, and by the exit code.
func TestUndeliveredIsTold(t *testing.T) {
	t.Parallel() // it waits
	server := testbed.NewServer(t)
	c, q := server.Client(t), queue(t)
	w := server.Serve(t, "--modules", testbed.Guest(t, acts), "--task-queue", q, "--graceful-shutdown-timeout", "10")
	handle := execute(t, c, client.StartActivityOptions{TaskQueue: q}, "Work", 3000)
	waitHeartbeat(t, handle)
	server.Kill()
	w.Signal(syscall.SIGTERM)
	if code := w.Wait(t); code != 3 {
		t.Errorf("exit code %d, want 3", code)
	}
	lost := logged(w, "activity report undelivered")
	if len(lost) != 1 || lost[0]["level"] != "ERROR" || lost[0]["activity_id"] != handle.GetID() || lost[0]["activity_type"] != "Work" {
		t.Errorf("the log says %v", lost)
	}
	if stopped := logged(w, "stopped"); len(stopped) != 1 || stopped[0]["undelivered"] != 1.0 || stopped[0]["interrupted"] != 0.0 {
		t.Errorf("the log ends with %v", stopped)
	}
	if !strings.Contains(w.Stderr(), "results could not be delivered to Temporal: 1") {
		t.Error("the last words do not say that a result was lost")
	}
}

// An activity that may not be attempted again is not said to be retried.
func TestInterruptedLastAttempt(t *testing.T) {
	server := testbed.Shared(t)
	c, q := server.Client(t), queue(t)
	w := server.Serve(t, "--modules", testbed.Guest(t, acts), "--task-queue", q, "--graceful-shutdown-timeout", "0")
	last := execute(t, c, client.StartActivityOptions{TaskQueue: q, RetryPolicy: &temporal.RetryPolicy{MaximumAttempts: 1}}, "Stubborn")
	other := execute(t, c, client.StartActivityOptions{TaskQueue: q}, "Stubborn")
	waitHeartbeat(t, last)
	waitHeartbeat(t, other)
	w.Signal(syscall.SIGTERM)
	if code := w.Wait(t); code != 3 {
		t.Errorf("exit code %d, want 3", code)
	}
	if want := "interrupted: 2; Temporal has them back, and retries them except for 1 whose"; !strings.Contains(w.Stderr(), want) {
		t.Errorf("the last words do not have %q", want)
	}
}

// A log that nobody reads any more ends nothing: not the worker, nor its activities.
func TestClosedOutput(t *testing.T) {
	server := testbed.Shared(t)
	c, q := server.Client(t), queue(t)
	read, write, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	w := server.StartServeTo(t, write, "--modules", testbed.Guest(t, acts), "--task-queue", q)
	write.Close()
	w.WaitReady(t)
	read.Close() // as tee does at Ctrl-C
	failure(t, execute(t, c, client.StartActivityOptions{TaskQueue: q}, "Fail", "final"))
	handle := execute(t, c, client.StartActivityOptions{TaskQueue: q}, "Work", 2000)
	waitHeartbeat(t, handle)
	w.Signal(syscall.SIGINT)
	if code := w.Wait(t); code != 0 {
		t.Errorf("exit code %d, want 0", code)
	}
	if d := describe(t, handle); d.Attempt != 1 {
		t.Errorf("the activity took %d attempts", d.Attempt)
	}
	result[span](t, handle)
}

// dev and its server go on without an output, too.
func TestDevWithClosedOutput(t *testing.T) {
	read, write, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	server := &testbed.Server{Address: fmt.Sprintf("127.0.0.1:%d", testbed.FreePort(t))}
	_, port, _ := strings.Cut(server.Address, ":")
	health := fmt.Sprintf("127.0.0.1:%d", testbed.FreePort(t))
	cmd := exec.Command(testbed.Program(t), "dev", "--modules", testbed.Guest(t, acts), "--port", port, "--ui-port", "0", "--health-address", health)
	path := t.TempDir()
	if err := os.Symlink(testbed.DevServer(t), filepath.Join(path, "wasmworker-devserver")); err != nil {
		t.Fatal(err)
	}
	cmd.Env = append(testbed.CleanEnv(), "PATH="+path, "XDG_CACHE_HOME="+filepath.Join(filepath.Dir(cmd.Path), "cache"))
	cmd.Stdout, cmd.Stderr = write, write
	p := testbed.Start(t, cmd)
	write.Close()
	read.Close() // before anything was said
	testbed.Eventually(t, "dev is ready", func() error {
		if exited, code := p.Exited(); exited {
			t.Fatalf("dev ended with code %d", code)
		}
		response, err := http.Get("http://" + health + "/readyz")
		if err != nil {
			return err
		}
		defer response.Body.Close()
		if response.StatusCode != http.StatusOK {
			return errors.New(response.Status)
		}
		return nil
	})
	failure(t, execute(t, server.Client(t), client.StartActivityOptions{TaskQueue: "wasmworker"}, "Fail", "final"))
	p.Signal(syscall.SIGINT)
	if code := p.Wait(t); code != 0 {
		t.Errorf("exit code %d, want 0", code)
	}
}

// A closed terminal sends SIGHUP, and often twice. It drains, and it is never the second
// signal that interrupts.
func TestHangupDrains(t *testing.T) {
	c := make(chan os.Signal, 1)
	// children would inherit that it is ignored, if the test runs under nohup
	signal.Notify(c, syscall.SIGHUP)
	defer signal.Stop(c)
	server := testbed.Shared(t)
	q := queue(t)
	w := server.Serve(t, "--modules", testbed.Guest(t, acts), "--task-queue", q)
	handle := execute(t, server.Client(t), client.StartActivityOptions{TaskQueue: q}, "Work", 2000)
	waitHeartbeat(t, handle)
	w.Signal(syscall.SIGHUP)
	waitDraining(t, w)
	w.Signal(syscall.SIGHUP)
	w.Signal(syscall.SIGHUP)
	if code := w.Wait(t); code != 0 {
		t.Errorf("exit code %d, want 0", code)
	}
	result[span](t, handle)
	if d := describe(t, handle); d.Attempt != 1 {
		t.Errorf("the activity took %d attempts", d.Attempt)
	}
}

// What nohup asks for is respected.
func TestIgnoredHangup(t *testing.T) {
	server := testbed.Shared(t)
	c, q := server.Client(t), queue(t)
	health := fmt.Sprintf("127.0.0.1:%d", testbed.FreePort(t))
	cmd := exec.Command("/bin/sh", "-c", `trap "" HUP; exec "$@"`, "sh", testbed.Program(t), "serve", "--modules", testbed.Guest(t, acts),
		"--address", server.Address, "--task-queue", q, "--health-address", health, "--log-format", "json")
	cmd.Env = append(testbed.CleanEnv(), "XDG_CACHE_HOME="+filepath.Join(filepath.Dir(testbed.Program(t)), "cache"))
	p := testbed.Start(t, cmd)
	result[span](t, execute(t, c, client.StartActivityOptions{TaskQueue: q}, "Work", 1))
	p.Signal(syscall.SIGHUP)
	result[span](t, execute(t, c, client.StartActivityOptions{TaskQueue: q}, "Work", 1))
	if strings.Contains(p.Stderr(), `"signal"`) {
		t.Error("it took the signal")
	}
}

// Readiness tells of polls that are refused, though the server itself is well.
func TestReadinessSeesFailingPolls(t *testing.T) {
	server := testbed.NewServer(t)
	c := server.Client(t)
	namespace := "goes-away"
	if _, err := c.WorkflowService().RegisterNamespace(t.Context(), &workflowservice.RegisterNamespaceRequest{
		Namespace: namespace, WorkflowExecutionRetentionPeriod: durationpb.New(24 * time.Hour)}); err != nil {
		t.Fatal(err)
	}
	testbed.Eventually(t, "the namespace is known", func() error {
		_, err := c.WorkflowService().DescribeNamespace(t.Context(), &workflowservice.DescribeNamespaceRequest{Namespace: namespace})
		return err
	})
	w := server.Serve(t, "--modules", testbed.Guest(t, acts), "--task-queue", queue(t), "--namespace", namespace)
	if _, err := c.OperatorService().DeleteNamespace(t.Context(), &operatorservice.DeleteNamespaceRequest{Namespace: namespace}); err != nil {
		t.Fatal(err)
	}
	server.Kill() // which ends the polls under way
	server.Restart(t)
	testbed.Eventually(t, "readiness tells of it", func() error {
		status, body, err := w.Get("/readyz")
		if err == nil && (status != http.StatusServiceUnavailable || !strings.Contains(body, "polling for activities fails") || !strings.Contains(body, namespace)) {
			err = fmt.Errorf("status %d, %q", status, body)
		}
		return err
	})
}

// Activities of a module at its own limit wait, and those of another module do not wait
// for them.
func TestModuleAtItsLimitDelaysNobodyElse(t *testing.T) {
	server := testbed.Shared(t)
	c, q := server.Client(t), queue(t)
	binary, err := os.ReadFile(testbed.Guest(t, acts))
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	for _, name := range []string{"hungry", "quick"} {
		if err := os.WriteFile(filepath.Join(dir, name+".wasm"), binary, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	config := filepath.Join(dir, "wasmworker.yaml")
	yaml := "per_module:\n  hungry: {prefix: hungry., max_instances: 1}\n  quick: {prefix: quick.}\n"
	if err := os.WriteFile(config, []byte(yaml), 0o600); err != nil {
		t.Fatal(err)
	}
	w := server.Serve(t, "--modules", dir, "--config", config, "--task-queue", q, "--max-concurrent-activities", "3", "--graceful-shutdown-timeout", "0")
	var hungry []client.ActivityHandle
	for range 3 { // as many as there are slots
		hungry = append(hungry, execute(t, c, client.StartActivityOptions{TaskQueue: q}, "hungry.Deaf"))
	}
	waitStarted(t, hungry...)
	for range 20 {
		result[span](t, execute(t, c, client.StartActivityOptions{TaskQueue: q}, "quick.Work", 1))
	}
	ctx, cancel := context.WithTimeout(t.Context(), testbed.Patience)
	defer cancel()
	for _, h := range hungry {
		if err := h.Terminate(ctx, client.TerminateActivityOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	w.Signal(syscall.SIGTERM)
	w.Wait(t)
}

// A server that hangs, and does not refuse connections, keeps nobody from telling what is
// lost.
func TestUndeliveredToAHungServerIsTold(t *testing.T) {
	t.Parallel() // it waits
	server := testbed.NewServer(t)
	c, q := server.Client(t), queue(t)
	w := server.Serve(t, "--modules", testbed.Guest(t, acts), "--task-queue", q, "--graceful-shutdown-timeout", "3")
	// until after the SDK has stopped to poll
	handle := execute(t, c, client.StartActivityOptions{TaskQueue: q}, "Work", 11000)
	waitHeartbeat(t, handle)
	server.Freeze()
	defer server.Thaw()
	w.Signal(syscall.SIGTERM)
	if code := w.Wait(t); code != 3 {
		t.Errorf("exit code %d, want 3", code)
	}
	if lost := logged(w, "activity report undelivered"); len(lost) != 1 || lost[0]["activity_id"] != handle.GetID() {
		t.Errorf("the log says %v", lost)
	}
}
