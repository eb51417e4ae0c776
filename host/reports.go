package host

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/client"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// MetricUndelivered is a counter of the Temporal client's metrics handler: how activities
// ended that Temporal could not be told, by activity type.
const MetricUndelivered = "wasmworker_activity_undelivered"

const (
	// reportAttempt bounds one attempt to tell Temporal how an activity ended. It is the
	// SDK's own limit. A report that comes after the graceful timeout has as long in all.
	reportAttempt = 10 * time.Second
	// reportPause is the longest pause between two attempts.
	reportPause = 2 * time.Second
)

// reports delivers how activities ended. The SDK gives a report up after 10 seconds, with
// a line in its log that does not say whose it was. The activity is done, and only its
// report is missing, so it is worth more than that.
//
// A report is sent again and again until the activity's own deadline. From then on the server
// has given the attempt up. While the worker stops, the end is the graceful timeout,
// and [reportAttempt] more for those who were interrupted by it.
//
// It works inside the client's gRPC connection, as an interceptor, because the SDK has no
// other place for it. An activity registers itself there by its task token.
type reports struct {
	logger *slog.Logger
	forced context.Context // ends when the graceful timeout is over

	installed   atomic.Bool // the client's connection goes through intercept
	undelivered atomic.Int64
	polls       polls
	redialed    atomic.Int64 // when the connection was last told to try again, in Unix milliseconds

	mu      sync.Mutex
	pending map[string]*report // by task token
}

// report is what is known of an activity whose end Temporal has not been told yet.
type report struct {
	info     activity.Info
	metrics  client.MetricsHandler
	deadline time.Time
}

func newReports(logger *slog.Logger, forced context.Context) *reports {
	return &reports{logger: logger, forced: forced, pending: map[string]*report{}}
}

// expect remembers an activity until its report has been delivered, or has been given up.
func (r *reports) expect(ctx context.Context) {
	info := activity.GetInfo(ctx)
	if info.IsLocalActivity || !r.installed.Load() {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.pending[string(info.TaskToken)] = &report{info: info, metrics: activity.GetMetricsHandler(ctx), deadline: info.Deadline}
}

// returned is told what an activity has returned. Some ends are not reported.
func (r *reports) returned(ctx context.Context, err error) {
	if ctx.Err() == context.DeadlineExceeded || errors.Is(err, activity.ErrResultPending) {
		r.take(activity.GetInfo(ctx).TaskToken)
	}
}

// take returns the report of a task, nil for none, and forgets it.
func (r *reports) take(token []byte) *report {
	r.mu.Lock()
	defer r.mu.Unlock()
	rep := r.pending[string(token)]
	delete(r.pending, string(token))
	return rep
}

// intercept is a unary interceptor of gRPC clients.
func (r *reports) intercept(ctx context.Context, method string, req, reply any, cc *grpc.ClientConn, invoker grpc.UnaryInvoker, opts ...grpc.CallOption) error {
	var token []byte
	switch req := req.(type) {
	case *workflowservice.RespondActivityTaskCompletedRequest:
		token = req.GetTaskToken()
	case *workflowservice.RespondActivityTaskFailedRequest:
		token = req.GetTaskToken()
	case *workflowservice.RespondActivityTaskCanceledRequest:
		token = req.GetTaskToken()
	case *workflowservice.PollActivityTaskQueueRequest, *workflowservice.PollWorkflowTaskQueueRequest:
		return r.polls.watch(ctx, func() error { return invoker(ctx, method, req, reply, cc, opts...) })
	}
	var rep *report
	if token != nil {
		rep = r.take(token)
	}
	if rep == nil {
		return invoker(ctx, method, req, reply, cc, opts...)
	}
	err := invoker(ctx, method, req, reply, cc, opts...)
	if err == nil || final(err) {
		return r.end(rep, err)
	}
	return r.insist(ctx, rep, err, cc, func(ctx context.Context) error { return invoker(ctx, method, req, reply, cc, opts...) })
}

// insist makes further attempts after the first one has failed with err.
func (r *reports) insist(ctx context.Context, rep *report, err error, cc *grpc.ClientConn, attempt func(context.Context) error) error {
	begin := time.Now()
	end := rep.deadline
	if earliest := begin.Add(reportAttempt); end.Before(earliest) {
		end = earliest
	}
	ctx, cancel := context.WithDeadline(context.WithoutCancel(ctx), end) // the SDK's own ends after 10 s
	defer cancel()
	defer context.AfterFunc(r.forced, func() {
		select {
		case <-ctx.Done():
		case <-time.After(reportAttempt):
			cancel()
		}
	})()
	pause, told := reportPause/16, time.Duration(-1)
	for {
		if elapsed := time.Since(begin); elapsed > 2*told {
			r.logger.Warn("Temporal could not be told how an activity ended; it is tried again",
				append(rep.attributes(), "until", end.UTC().Format(time.RFC3339), "elapsed", elapsed.Round(time.Millisecond).String(), "error", err.Error())...)
			told = max(elapsed, reportAttempt/2)
		}
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return r.end(rep, status.Error(codes.DeadlineExceeded, fmt.Sprintf("it was tried for %s; the last error: %v", time.Since(begin).Round(time.Millisecond), err)))
		}
		pause = min(2*pause, reportPause)
		r.redial(cc)
		once, done := context.WithTimeout(ctx, reportAttempt)
		err = attempt(once)
		done()
		if err == nil {
			r.logger.Info("Temporal has been told how the activity ended", append(rep.attributes(), "elapsed", time.Since(begin).Round(time.Millisecond).String())...)
			return nil
		}
		if final(err) {
			return r.end(rep, err)
		}
	}
}

// end logs and counts a report that Temporal did not take, and returns the error.
func (r *reports) end(rep *report, err error) error {
	switch {
	case err == nil:
	case status.Code(err) == codes.NotFound:
		r.logger.Warn("Temporal does not wait for the activity's end any more: it has timed out, or was ended otherwise", append(rep.attributes(), "error", err.Error())...)
	default:
		r.undelivered.Add(1)
		rep.metrics.Counter(MetricUndelivered).Inc(1)
		r.logger.Error("Temporal could not be told how an activity ended, so its attempt will time out", append(rep.attributes(), "error", err.Error())...)
	}
	return err
}

// redial makes a broken connection try again now, once a second at most. By itself, it
// would do so after up to 10 seconds.
func (r *reports) redial(cc *grpc.ClientConn) {
	now := time.Now().UnixMilli()
	if last := r.redialed.Load(); now-last >= 1000 && r.redialed.CompareAndSwap(last, now) {
		cc.ResetConnectBackoff()
	}
}

// attributes identify the activity in a log.
func (r *report) attributes() []any {
	attributes := []any{"activity_type", r.info.ActivityType.Name, "activity_id", r.info.ActivityID, "attempt", r.info.Attempt}
	if r.info.WorkflowExecution.ID != "" {
		return append(attributes, "workflow_id", r.info.WorkflowExecution.ID, "run_id", r.info.WorkflowExecution.RunID)
	}
	return append(attributes, "run_id", r.info.ActivityRunID)
}

// final tells whether the server, or gRPC, has decided on a report: it would decide so again.
// Missing permissions are none of these, since they come and go with restarts and rotations,
// and neither is a failed precondition, which is a namespace that moves to another cluster.
func final(err error) bool {
	s := status.Convert(err)
	switch s.Code() {
	case codes.InvalidArgument, codes.NotFound, codes.AlreadyExists, codes.OutOfRange, codes.Unimplemented, codes.DataLoss:
		return true
	case codes.ResourceExhausted: // a rate limit, or a message that gRPC finds too large
		return strings.Contains(s.Message(), "larger than max") || strings.HasPrefix(s.Message(), "grpc: message too large")
	}
	return false
}
