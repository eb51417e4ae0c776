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

	"go.temporal.io/api/serviceerror"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/client"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// MetricUndelivered is a counter of the Temporal client's metrics handler: reports of
// ended activities that could not be delivered, by activity type.
const MetricUndelivered = "wasmworker_activity_undelivered"

const (
	// reportAttempt bounds one attempt to report, like the SDK's own RPC timeout. After
	// the graceful timeout it bounds all attempts together.
	reportAttempt = 10 * time.Second
	// reportPause is the longest pause between two attempts.
	reportPause = 2 * time.Second
)

// reports delivers the results, failures and cancellations of activities to Temporal.
//
// The SDK gives a report up after 10 seconds and does not log whose it was. Reports here
// are retried until the activity's deadline, after which the server has timed the attempt
// out. While the worker stops, they are retried until the graceful timeout, and for
// another [reportAttempt] so that interrupted attempts are reported too.
//
// The retries are a gRPC interceptor, because the SDK offers no hook around a report. The
// interceptor finds an activity by its task token, which the activity registers.
type reports struct {
	logger *slog.Logger
	forced context.Context // ends when the graceful timeout is over

	installed                    atomic.Bool // the client's connection calls intercept
	undelivered                  atomic.Int64
	activityPolls, workflowPolls polls
	// redialed is when the connection was last told to try again, in Unix milliseconds.
	redialed atomic.Int64

	mu       sync.Mutex
	pending  map[string]*report // by task token
	inFlight int                // reports that are being sent
	ended    *sync.Cond         // a report has ended
}

// report belongs to an activity that runs, or whose end has not been reported yet.
type report struct {
	info     activity.Info
	metrics  client.MetricsHandler
	deadline time.Time
}

func newReports(logger *slog.Logger, forced context.Context) *reports {
	r := &reports{logger: logger, forced: forced, pending: map[string]*report{}}
	r.ended = sync.NewCond(&r.mu)
	return r
}

// expect registers an activity until its report is delivered or given up.
func (r *reports) expect(ctx context.Context) {
	info := activity.GetInfo(ctx)
	if info.IsLocalActivity || !r.installed.Load() {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.pending[string(info.TaskToken)] = &report{info: info, metrics: activity.GetMetricsHandler(ctx), deadline: info.Deadline}
}

// returned unregisters an activity whose end the SDK does not report.
func (r *reports) returned(ctx context.Context, err error) {
	if ctx.Err() == context.DeadlineExceeded || errors.Is(err, activity.ErrResultPending) {
		r.take(activity.GetInfo(ctx).TaskToken)
	}
}

// take unregisters a task.
func (r *reports) take(token []byte) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.pending, string(token))
	r.ended.Broadcast()
}

// send unregisters a task and returns its report, or nil. The report is in flight until
// done.
func (r *reports) send(token []byte) *report {
	r.mu.Lock()
	defer r.mu.Unlock()
	rep := r.pending[string(token)]
	if rep != nil {
		delete(r.pending, string(token))
		r.inFlight++
	}
	return rep
}

// done ends a report that was in flight.
func (r *reports) done() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.inFlight--
	r.ended.Broadcast()
}

// settle waits until every report has ended, or until ctx ends. What is left then is lost
// with the process, so it counts as undelivered. A task whose deadline has passed is not
// waited for: the SDK may drop its report, and the server has timed the attempt out.
func (r *reports) settle(ctx context.Context) {
	wake := func() {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.ended.Broadcast()
	}
	defer context.AfterFunc(ctx, wake)()
	r.mu.Lock()
	for ctx.Err() == nil {
		next := r.expire()
		if len(r.pending)+r.inFlight == 0 {
			break
		}
		timer := time.AfterFunc(time.Until(next), wake)
		r.ended.Wait()
		timer.Stop()
	}
	r.expire()
	left := r.pending
	r.pending = map[string]*report{}
	r.mu.Unlock()
	for _, rep := range left {
		r.end(rep, status.Error(codes.Canceled, "the worker stopped before the activity was reported")) //nolint:errcheck // end logs the error
	}
}

// expire unregisters the tasks whose deadline has passed, and returns the next deadline,
// or a time far ahead. The caller holds the lock.
func (r *reports) expire() time.Time {
	now := time.Now()
	next := now.Add(time.Hour)
	for token, rep := range r.pending {
		if !rep.deadline.After(now) {
			delete(r.pending, token)
		} else if rep.deadline.Before(next) {
			next = rep.deadline
		}
	}
	return next
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
	case *workflowservice.PollActivityTaskQueueRequest:
		return r.activityPolls.watch(ctx, func() error { return invoker(ctx, method, req, reply, cc, opts...) })
	case *workflowservice.PollWorkflowTaskQueueRequest:
		return r.workflowPolls.watch(ctx, func() error { return invoker(ctx, method, req, reply, cc, opts...) })
	}
	var rep *report
	if token != nil {
		rep = r.send(token)
	}
	if rep == nil {
		return invoker(ctx, method, req, reply, cc, opts...)
	}
	defer r.done()
	begin := time.Now()
	err := invoker(ctx, method, req, reply, cc, opts...)
	if err == nil || final(err) {
		return r.end(rep, err)
	}
	return r.insist(ctx, rep, begin, err, cc, func(ctx context.Context) error { return invoker(ctx, method, req, reply, cc, opts...) })
}

// insist retries a report whose first attempt began at begin and has failed with err.
func (r *reports) insist(ctx context.Context, rep *report, begin time.Time, err error, cc *grpc.ClientConn, attempt func(context.Context) error) error {
	end, earliest := rep.deadline, begin.Add(reportAttempt)
	if end.Before(earliest) || r.forced.Err() != nil {
		end = earliest
	}
	// The SDK's own context ends after 10 s.
	ctx, cancel := context.WithDeadline(context.WithoutCancel(ctx), end)
	defer cancel()
	defer context.AfterFunc(r.forced, func() { // at once if forced has ended; end is earlier then
		select {
		case <-ctx.Done():
		case <-time.After(reportAttempt):
			cancel()
		}
	})()
	pause, told := reportPause/16, time.Duration(-1)
	for {
		if elapsed := time.Since(begin); elapsed > 2*told {
			r.logger.Warn("activity report failed; retrying",
				append(rep.attributes(), "deadline", rep.deadline.UTC().Format(time.RFC3339), "elapsed", elapsed.Round(time.Millisecond).String(), "error", err.Error())...)
			told = max(elapsed, reportAttempt/2)
		}
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return r.end(rep, status.Error(codes.DeadlineExceeded, fmt.Sprintf("gave up after %s: %v", time.Since(begin).Round(time.Millisecond), err)))
		}
		pause = min(2*pause, reportPause)
		r.redial(cc)
		once, done := context.WithTimeout(ctx, reportAttempt)
		failure := attempt(once)
		done()
		if failure == nil || ctx.Err() == nil { // the error of an attempt that ctx ended tells nothing
			err = failure
		}
		if err == nil {
			r.logger.Info("activity report delivered", append(rep.attributes(), "elapsed", time.Since(begin).Round(time.Millisecond).String())...)
			return nil
		}
		if final(err) {
			return r.end(rep, err)
		}
	}
}

// end logs and counts a report that was not delivered, and returns err.
func (r *reports) end(rep *report, err error) error {
	switch {
	case err == nil:
	case status.Code(err) == codes.NotFound: // the server has ended the attempt already, so nothing is lost
		r.logger.Warn("activity report refused: Temporal does not wait for this attempt any more", append(rep.attributes(), "error", err.Error())...)
	default:
		r.undelivered.Add(1)
		rep.metrics.Counter(MetricUndelivered).Inc(1)
		r.logger.Error("activity report undelivered: the attempt will time out", append(rep.attributes(), "error", err.Error())...)
	}
	return err
}

// redial ends the backoff of a broken connection, at most once a second. The backoff
// grows to 10 seconds otherwise.
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

// final tells whether a retry cannot change the outcome. Permission errors are not final,
// because they pass when credentials are rotated. FailedPrecondition is not final,
// because a namespace answers with it while it fails over to another cluster.
// Unimplemented is not final, because gRPC makes it of a proxy's 404. A missing namespace
// is as temporary as for polls.
func final(err error) bool {
	s := status.Convert(err)
	switch s.Code() {
	case codes.NotFound:
		_, missing := serviceerror.FromStatus(s).(*serviceerror.NamespaceNotFound)
		return !missing
	case codes.InvalidArgument, codes.AlreadyExists, codes.OutOfRange, codes.DataLoss:
		return true
	case codes.ResourceExhausted: // either a rate limit, or a message that exceeds gRPC's limit
		return strings.Contains(s.Message(), "larger than max") || strings.HasPrefix(s.Message(), "grpc: message too large")
	}
	return false
}
