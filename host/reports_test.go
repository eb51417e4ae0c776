package host

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"go.temporal.io/api/serviceerror"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/client"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"
)

// connection returns a connection to an address without a listener.
func connection(t *testing.T) *grpc.ClientConn {
	t.Helper()
	cc, err := grpc.NewClient("passthrough:///127.0.0.1:1", grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cc.Close() })
	return cc
}

// deliver hands a report with the token "token" to the interceptor, as the SDK does.
func (r *reports) deliver(t *testing.T, cc *grpc.ClientConn, answer func(context.Context) error) error {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	return r.intercept(ctx, "method", &workflowservice.RespondActivityTaskCompletedRequest{TaskToken: []byte("token")}, nil, cc,
		func(ctx context.Context, _ string, _, _ any, _ *grpc.ClientConn, _ ...grpc.CallOption) error {
			if ctx.Err() != nil {
				return status.FromContextError(ctx.Err()).Err()
			}
			return answer(ctx)
		})
}

func TestReports(t *testing.T) {
	away := status.Error(codes.Unavailable, "away")
	namespaceAway := serviceerror.ToStatus(serviceerror.NewNamespaceNotFound("away")).Err()
	tests := []struct {
		name        string
		deadline    time.Duration // of the activity
		forced      time.Duration // when the graceful timeout is over; 0: never
		back        time.Duration // when the server answers; 0: at once
		hangs       bool          // until then it does not answer at all
		away        error         // what it answers until then; nil: that it is unavailable
		answer      error
		within      time.Duration // how long it may take
		undelivered int64
		log         string // a part of the last record
	}{
		{name: "at once"},
		{name: "the server comes back", deadline: time.Hour, back: 50 * time.Minute, within: 50*time.Minute + reportPause, log: "activity report delivered"},
		{name: "it comes back after the deadline", deadline: time.Hour, back: 2 * time.Hour, within: time.Hour, undelivered: 1, log: "level=ERROR"},
		{name: "past its deadline, as the SDK would", deadline: -time.Second, back: 5 * time.Second, within: 5*time.Second + reportPause, log: "activity report delivered"},
		{name: "back before the graceful timeout", deadline: time.Hour, forced: 30 * time.Second, back: 29 * time.Second, within: 29*time.Second + reportPause, log: "activity report delivered"},
		{name: "not back after the graceful timeout", deadline: time.Hour, forced: 30 * time.Second, back: time.Hour, within: 30*time.Second + reportAttempt, undelivered: 1, log: "level=ERROR"},
		{name: "the server hangs past the graceful timeout", deadline: time.Hour, forced: 3 * time.Second, back: time.Hour, hangs: true, within: 3*time.Second + reportAttempt, undelivered: 1, log: "level=ERROR"},
		{name: "it hangs, and begins after the graceful timeout", deadline: time.Hour, forced: time.Nanosecond, back: time.Hour, hangs: true, within: reportAttempt + time.Second, undelivered: 1, log: "level=ERROR"},
		{name: "its namespace is away for a while", deadline: time.Hour, back: time.Minute, away: namespaceAway, within: time.Minute + reportPause, log: "delivered"},
		{name: "nobody waits for it", answer: status.Error(codes.NotFound, "gone"), log: "level=WARN"},
		{name: "refused", answer: status.Error(codes.InvalidArgument, "no"), undelivered: 1, log: "level=ERROR"},
		{name: "refused when it is back", deadline: time.Hour, back: time.Minute, answer: status.Error(codes.InvalidArgument, "no"), within: time.Minute + reportPause, undelivered: 1, log: "level=ERROR"},
		{name: "too large for gRPC", answer: status.Error(codes.ResourceExhausted, "grpc: trying to send message larger than max"), undelivered: 1, log: "level=ERROR"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			cc := connection(t)
			synctest.Test(t, func(t *testing.T) {
				forced, force := context.WithCancel(t.Context())
				defer force()
				if test.forced > 0 {
					defer time.AfterFunc(test.forced, force).Stop()
				}
				var log bytes.Buffer
				r := newReports(slog.New(slog.NewTextHandler(&log, nil)), forced)
				begin := time.Now()
				r.pending["token"] = &report{info: activity.Info{ActivityID: "the-id"}, metrics: client.MetricsNopHandler, deadline: begin.Add(test.deadline)}
				err := r.deliver(t, cc, func(ctx context.Context) error {
					switch {
					case time.Since(begin) >= test.back:
						return test.answer
					case test.hangs:
						<-ctx.Done()
						return status.FromContextError(ctx.Err()).Err()
					}
					return cmp.Or(test.away, away)
				})
				if delivered := test.answer == nil && test.undelivered == 0; delivered != (err == nil) {
					t.Errorf("the SDK is told %v", err)
				}
				if took := time.Since(begin); took > test.within {
					t.Errorf("it took %s, want at most %s", took, test.within)
				}
				if n := r.undelivered.Load(); n != test.undelivered {
					t.Errorf("%d are counted as undelivered, want %d", n, test.undelivered)
				}
				if lines := strings.Split(strings.TrimSpace(log.String()), "\n"); !strings.Contains(lines[len(lines)-1], test.log) || test.log != "" && !strings.Contains(log.String(), "the-id") || len(lines) > 20 {
					t.Errorf("the log is\n%s", log.String())
				}
				if len(r.pending) > 0 || r.inFlight > 0 {
					t.Error("the report is still expected")
				}
			})
		})
	}
}

// A stop waits for reports that are being sent, and counts those that will not be sent.
func TestReportsSettle(t *testing.T) {
	cc := connection(t)
	synctest.Test(t, func(t *testing.T) {
		r := newReports(slog.New(slog.DiscardHandler), t.Context())
		for _, token := range []string{"token", "never sent"} {
			r.pending[token] = &report{metrics: client.MetricsNopHandler, deadline: time.Now().Add(time.Hour)}
		}
		begin := time.Now()
		go r.deliver(t, cc, func(context.Context) error { time.Sleep(3 * time.Second); return nil }) //nolint:errcheck // it is nil
		synctest.Wait()
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		r.settle(ctx)
		if took := time.Since(begin); took != 5*time.Second || r.undelivered.Load() != 1 {
			t.Errorf("after %s, %d are undelivered", took, r.undelivered.Load())
		}
		r.settle(t.Context())
		if n := r.undelivered.Load(); n != 1 {
			t.Errorf("%d are undelivered after that", n)
		}
		// The SDK drops the report of an activity that ends at its deadline.
		r.pending["past"] = &report{metrics: client.MetricsNopHandler, deadline: time.Now()}
		r.pending["soon"] = &report{metrics: client.MetricsNopHandler, deadline: time.Now().Add(2 * time.Second)}
		begin = time.Now()
		r.settle(t.Context())
		if took := time.Since(begin); took != 2*time.Second || r.undelivered.Load() != 1 {
			t.Errorf("deadlines that pass: after %s, %d are undelivered", took, r.undelivered.Load())
		}
	})
}

// The SDK goes on trying for the rest of its 10 s after the interceptor has given up.
// That must not count as another report.
func TestUnexpectedReportsPass(t *testing.T) {
	r := newReports(slog.New(slog.DiscardHandler), t.Context())
	want := errors.New("as it is")
	if err := r.deliver(t, connection(t), func(context.Context) error { return want }); err != want {
		t.Errorf("got %v", err)
	}
	if n := r.undelivered.Load(); n != 0 {
		t.Errorf("%d are counted", n)
	}
}

func TestPolls(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		refused := errors.New("no such namespace")
		var p polls
		poll := func(takes time.Duration, err error) error {
			return p.watch(t.Context(), func() error { time.Sleep(takes); return err })
		}
		poll(time.Minute, nil) //nolint:errcheck // what it returns is looked at below
		if err := p.failure(); err != nil {
			t.Errorf("after a good poll: %v", err)
		}
		if err := poll(time.Millisecond, refused); err != refused {
			t.Errorf("the poller got %v", err)
		}
		if err := p.failure(); err != refused {
			t.Errorf("after a refused poll: %v", err)
		}
		done := make(chan struct{})
		go func() { defer close(done); poll(time.Minute, nil) }() //nolint:errcheck // likewise
		time.Sleep(pollSettles / 2)
		if err := p.failure(); err != refused {
			t.Errorf("with a new poll that may be refused yet: %v", err)
		}
		time.Sleep(pollSettles)
		if err := p.failure(); err != nil {
			t.Errorf("with a new poll that lasts: %v", err)
		}
		<-done
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		p.watch(ctx, func() error { return ctx.Err() }) //nolint:errcheck // likewise
		if err := p.failure(); err != nil {
			t.Errorf("after a poll that the worker has ended: %v", err)
		}
	})
}

func TestSlots(t *testing.T) {
	s, taken := newSlots(2), 0
	for s.TryReserveSlot(nil) != nil {
		taken++
	}
	if taken != 2 {
		t.Errorf("%d slots were taken, want 2", taken)
	}
	synctest.Test(t, func(t *testing.T) {
		s := newSlots(1)
		if _, err := s.ReserveSlot(t.Context(), nil); err != nil {
			t.Fatal(err)
		}
		reserved := make(chan error, 1)
		go func() { _, err := s.ReserveSlot(t.Context(), nil); reserved <- err }()
		synctest.Wait()
		s.wait(1) // the first one waits for its module
		if err := <-reserved; err != nil {
			t.Error(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		go func() { _, err := s.ReserveSlot(ctx, nil); reserved <- err }()
		s.wait(1) // so does the second one, but twice the limit is all there is
		synctest.Wait()
		cancel()
		if err := <-reserved; err != context.Canceled {
			t.Errorf("a third slot: %v", err)
		}
		s.wait(-2)
		s.ReleaseSlot(nil)
		if s.TryReserveSlot(nil) != nil {
			t.Error("the slot that was lent is there for a second one")
		}
		s.ReleaseSlot(nil)
		if s.TryReserveSlot(nil) == nil {
			t.Error("the slots have not come back")
		}
	})
}
