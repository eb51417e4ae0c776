//go:build unix

package main_test

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	commonpb "go.temporal.io/api/common/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/converter"
	"go.temporal.io/sdk/temporal"
	"google.golang.org/protobuf/proto"

	"github.com/wasmworker/wasmworker/internal/testbed"
)

// serverLimit is what the development server takes of a payload.
const serverLimit = 2 << 20

// dataOf returns how many bytes a payload has beside its encoding and a label of that
// length, for its list to be of a size that Temporal counts.
func dataOf(size, label int) int {
	p := &commonpb.Payload{Metadata: map[string][]byte{"encoding": []byte("binary/plain")}}
	if label > 0 {
		p.Metadata["label"] = make([]byte, label)
	}
	for data := size; ; { // the fewer bytes, the shorter is their length
		p.Data = make([]byte, data)
		excess := proto.Size(&commonpb.Payloads{Payloads: []*commonpb.Payload{p}}) - size
		if excess == 0 {
			return data
		}
		data -= excess
	}
}

// wantFailure checks that the activity failed in its first attempt, for good, and returns
// the message.
func wantFailure(t *testing.T, handle client.ActivityHandle, kind string) string {
	t.Helper()
	var application *temporal.ApplicationError
	if err := failure(t, handle); !errors.As(err, &application) || application.Type() != kind || !application.NonRetryable() {
		t.Fatalf("got %v, want a failure of type %s that is not retried", err, kind)
	}
	if d := describe(t, handle); d.Attempt != 1 {
		t.Errorf("it took %d attempts", d.Attempt)
	}
	return application.Message()
}

func TestResultsAtTheLimit(t *testing.T) {
	server := testbed.Shared(t)
	c := server.Client(t)
	for limit, maxOutput := range map[string]string{"the module's output limit": "2MiB", "the Temporal server's limit": "16MiB"} {
		q := queue(t)
		server.Serve(t, "--modules", testbed.Guest(t, acts), "--task-queue", q, "--max-output", maxOutput)
		for _, label := range []int{0, 1, 60_000} {
			for _, size := range []int{serverLimit - 1, serverLimit} {
				var got converter.RawValue
				handle := execute(t, c, client.StartActivityOptions{TaskQueue: q}, "Labelled", dataOf(size, label), label)
				if err := handle.Get(t.Context(), &got); err != nil {
					t.Errorf("%s, a label of %d bytes: a result of %d bytes fails: %v", limit, label, size, err)
				} else if n := len(got.Payload().GetData()); n != dataOf(size, label) {
					t.Errorf("%d bytes arrive, want %d", n, dataOf(size, label))
				}
			}
			for _, size := range []int{serverLimit + 1, 3 * serverLimit} {
				handle := execute(t, c, client.StartActivityOptions{TaskQueue: q}, "Labelled", dataOf(size, label), label)
				message := wantFailure(t, handle, "OutputTooLarge")
				if !strings.Contains(message, limit) || !strings.Contains(message, strconv.Itoa(serverLimit)) {
					t.Errorf("the message %q does not say that %s of %d bytes is exceeded", message, limit, serverLimit)
				}
			}
		}
	}
}

// A namespace has a limit of its own, which counts as well for failures: they are
// shortened, and retried as they say.
func TestLimitsOfANamespace(t *testing.T) {
	const limit = 100_000
	server := testbed.NewServer(t, "--dynamic-config-value", fmt.Sprintf("limit.blobSize.error=%d", limit), "--dynamic-config-value", fmt.Sprintf("limit.blobSize.warn=%d", limit))
	c, q := server.Client(t), queue(t)
	server.Serve(t, "--modules", testbed.Guest(t, acts), "--task-queue", q)
	var got converter.RawValue
	if err := execute(t, c, client.StartActivityOptions{TaskQueue: q}, "Labelled", dataOf(limit, 0)-20, 0).Get(t.Context(), &got); err != nil {
		t.Error(err)
	}
	message := wantFailure(t, execute(t, c, client.StartActivityOptions{TaskQueue: q}, "Labelled", dataOf(limit, 1)+1, 1), "OutputTooLarge")
	if !strings.Contains(message, "the Temporal server's limit") || !strings.Contains(message, strconv.Itoa(limit)) {
		t.Errorf("the message is %q", message)
	}
	for n, stays := range map[int]string{
		1_000:  "begin mmm", // as it is
		40_000: "begin mmm", // without its details
		70_000: "begin mmm", // without its cause, and with a part of its message
	} {
		handle := execute(t, c, client.StartActivityOptions{TaskQueue: q, RetryPolicy: &temporal.RetryPolicy{MaximumAttempts: 2}}, "FailAtLength", n)
		var application *temporal.ApplicationError
		if err := failure(t, handle); !errors.As(err, &application) || application.Type() != "Long" || !strings.HasPrefix(application.Message(), stays) {
			t.Fatalf("%d bytes: got %.300v", n, err)
		}
		if d := describe(t, handle); d.Attempt != 2 {
			t.Errorf("%d bytes: it took %d attempts, want 2", n, d.Attempt)
		}
		cause := errors.Unwrap(application)
		if whole := n == 1_000; application.HasDetails() != whole || strings.Contains(application.Message(), "shortened") == whole || (cause != nil) != (n < 70_000) {
			t.Errorf("%d bytes: details %t, cause %.50v, message %.50q", n, application.HasDetails(), cause, application.Message())
		}
	}
}

func TestCancellationDetailsAtTheLimit(t *testing.T) {
	server := testbed.Shared(t)
	c, q := server.Client(t), queue(t)
	server.Serve(t, "--modules", testbed.Guest(t, acts), "--task-queue", q, "--max-output", "16MiB")
	for size, want := range map[int]int{serverLimit: dataOf(serverLimit, 0), serverLimit + 1: 0} {
		handle := execute(t, c, client.StartActivityOptions{TaskQueue: q, HeartbeatTimeout: 3 * time.Second}, "Leave", dataOf(size, 0))
		waitStarted(t, handle)
		if err := handle.Cancel(t.Context(), client.CancelActivityOptions{}); err != nil {
			t.Fatal(err)
		}
		var canceled *temporal.CanceledError
		if err := failure(t, handle); !errors.As(err, &canceled) {
			t.Fatalf("%d bytes: got %v, want a cancellation", size, err)
		}
		var got []byte
		if canceled.HasDetails() {
			if err := canceled.Details(&got); err != nil {
				t.Fatal(err)
			}
		}
		if len(got) != want {
			t.Errorf("%d bytes: details of %d bytes, want %d", size, len(got), want)
		}
	}
}

// The failure of a shutdown has no room for a heartbeat as large as one can be. The
// server keeps that itself.
func TestShutdownWithALargeHeartbeat(t *testing.T) {
	server := testbed.Shared(t)
	c, q := server.Client(t), queue(t)
	guest := testbed.Guest(t, acts)
	w := server.Serve(t, "--modules", guest, "--task-queue", q, "--graceful-shutdown-timeout", "1")
	n := dataOf(serverLimit, 0)
	handle := execute(t, c, client.StartActivityOptions{TaskQueue: q, HeartbeatTimeout: 9 * time.Minute}, "Hoard", n)
	waitHeartbeat(t, handle)
	w.Signal(syscall.SIGTERM)
	if code := w.Wait(t); code != 3 {
		t.Errorf("exit code %d, want 3", code)
	}
	last := describe(t, handle).RawResponse.GetInfo().GetLastFailure()
	if kind := last.GetApplicationFailureInfo().GetType(); kind != "WorkerShutdown" || !strings.Contains(last.GetMessage(), "shortened") {
		t.Errorf("the attempt failed as %q: %.300s", kind, last.GetMessage())
	}
	server.Serve(t, "--modules", guest, "--task-queue", q)
	if got := result[int](t, handle); got != n {
		t.Errorf("the second worker was handed %d bytes, want %d", got, n)
	}
	if d := describe(t, handle); d.Attempt != 2 {
		t.Errorf("it took %d attempts, want 2", d.Attempt)
	}
}
