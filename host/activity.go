package host

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	commonpb "go.temporal.io/api/common/v1"
	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/converter"
	"go.temporal.io/sdk/log"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/worker"

	"github.com/wasmworker/wasmworker/abi"
	"github.com/wasmworker/wasmworker/host/passthrough"
	"github.com/wasmworker/wasmworker/host/sandbox"
)

// idleHeartbeat is the longest interval at which the host heartbeats for a guest that
// does not heartbeat itself.
const idleHeartbeat = 5 * time.Second

// MetricFuel is a counter of the Temporal client's metrics handler: the units of
// computation that guests used, by activity type. It includes the initialization of
// instances for them. See [sandbox.Usage].
const MetricFuel = "wasmworker_activity_fuel"

// MetricInstances is a counter of the Temporal client's metrics handler: activities that
// got an instance, by activity type. The tag "instance" says where the instance came
// from; see [sandbox.Origin]. Activities of modules that cannot be reset cost more; they
// count as "fallback".
const MetricInstances = "wasmworker_activity_instances"

// MetricInstanceWait is a timer of the Temporal client's metrics handler: how long
// activities waited for an instance, by activity type. It shows what max_instances and
// total_memory_limit cost. See [sandbox.Usage].
const MetricInstanceWait = "wasmworker_activity_instance_wait"

// MetricPassthroughLatency is a timer of the Temporal client's metrics handler: how long
// guests' calls of passthrough modules took, by activity type. The tags are "capability",
// "function" and "outcome" (ok, denied or error).
const MetricPassthroughLatency = "wasmworker_passthrough_latency"

// MetricDenied is a counter of the Temporal client's metrics handler: what policies
// denied, by activity type. The tags are "module" and "capability". The target of a
// denial is only in the log, because guests can name any number of targets.
const MetricDenied = "wasmworker_passthrough_denied"

// measured measures the calls of a passthrough function.
func measured(m passthrough.Module, function string, f passthrough.Func) passthrough.Func {
	return func(ctx context.Context, call *passthrough.Call, req []byte) ([]byte, error) {
		start := time.Now()
		response, err := f(ctx, call, req)
		outcome := "ok"
		if _, denied := errors.AsType[*passthrough.Denial](err); denied {
			outcome = "denied"
		} else if err != nil {
			outcome = "error"
		}
		activity.GetMetricsHandler(ctx).WithTags(map[string]string{"capability": m.Name, "function": function, "outcome": outcome}).
			Timer(MetricPassthroughLatency).Record(time.Since(start))
		return response, err
	}
}

// execute is the dynamic activity behind every wasm activity.
//
// Payloads go through the client's data converter as raw values. A codec, such as one
// that encrypts or compresses, is undone and applied; nothing else is converted.
//
// With an error, execute returns nil as the result. The SDK would encode even an empty
// result, and a codec may refuse it.
func (p *Plugin) execute(ctx context.Context, args converter.EncodedValues) (any, error) {
	info := activity.GetInfo(ctx)
	payloads, err := rawPayloads(args.HasValues(), args.Get)
	if err != nil {
		return nil, undecodable("the arguments", err)
	}
	details, err := rawPayloads(activity.HasHeartbeatDetails(ctx), func(ptrs ...any) error { return activity.GetHeartbeatDetails(ctx, ptrs...) })
	if err != nil {
		return nil, undecodable("the heartbeat details", err)
	}
	a := &attempt{plugin: p, details: details, detailsBefore: details, payloadLimit: p.limits.payload(ctx, info.Namespace)}
	failureLimit := a.payloadLimit
	if info.IsLocalActivity {
		a.payloadLimit -= min(markerAllowance, a.payloadLimit/2)
	}
	result, err := a.run(ctx, info, payloads)
	if err == nil && result == nil {
		null := sandbox.NewPayload(abi.EncodingNull, nil)
		result = &null
	}
	if err == nil {
		err = a.outputTooLarge(info.ActivityType.Name, *result)
	} else {
		err = a.temporalError(ctx, info, err)
	}
	switch {
	case err == nil:
		return rawValue(*result), nil
	case temporal.IsCanceledError(err):
		return nil, err // a cancellation is not a failure
	default: // only the client's failure converter knows what a codec adds
		_, err = fitting(temporal.GetDefaultFailureConverter(), failureLimit, err)
		return nil, err
	}
}

// undecodable returns the error for payloads that the client's data converter or its
// codec cannot decode. The error is retryable, because a codec can be unreachable or lack
// a key for a while.
func undecodable(what string, err error) error {
	message := err.Error()
	if application, ok := errors.AsType[*temporal.ApplicationError](err); ok {
		message = application.Message()
	}
	return temporal.NewApplicationError(fmt.Sprintf("%s cannot be decoded: %s", what, message), abi.TypeCodecFailed)
}

// attempt is one attempt of a wasm activity while it runs.
type attempt struct {
	plugin        *Plugin
	detailsBefore []sandbox.Payload // of the attempt before
	payloadLimit  int               // the server's

	flags atomic.Uint32

	mu         sync.Mutex
	details    []sandbox.Payload // of the last heartbeat, of this attempt or the one before
	guestBeats bool              // the guest heartbeats itself
}

// run runs the guest and watches it. The guest's context ends only when the guest must be
// interrupted.
//
// The SDK's context ends as soon as a cancellation arrives. A guest is told first, and
// then has CancelGrace to clean up.
func (a *attempt) run(ctx context.Context, info activity.Info, args []sandbox.Payload) (*sandbox.Payload, error) {
	guest, interrupt := context.WithCancelCause(context.WithoutCancel(ctx))
	defer interrupt(nil)
	if !info.Deadline.IsZero() {
		var cancel context.CancelFunc
		guest, cancel = context.WithDeadline(guest, info.Deadline)
		defer cancel()
	}
	grace := a.plugin.options.CancelGrace
	if act, ok := a.plugin.sandbox.Lookup(info.ActivityType.Name); ok && !act.Module.HeedsFlags() {
		grace = 0 // the guest cannot be told
	}

	// A watcher becomes a goroutine only once it has something to do. Most activities are
	// over before that, and waking and joining two goroutines costs more than many
	// guests.
	done := make(chan struct{})
	var watchers sync.WaitGroup
	defer watchers.Wait()
	defer close(done)
	watchers.Add(1)
	stopWatching := context.AfterFunc(ctx, func() {
		defer watchers.Done()
		a.watch(ctx, grace, interrupt, done)
	})
	defer func() {
		if stopWatching() {
			watchers.Done()
		}
	}()
	if !info.IsLocalActivity {
		beating, stop := context.WithCancel(guest)
		defer stop()
		interval := idleHeartbeat
		if info.HeartbeatTimeout > 0 {
			interval = min(interval, info.HeartbeatTimeout/3)
		}
		watchers.Add(1)
		first := time.AfterFunc(interval, func() {
			defer watchers.Done()
			a.beat(beating, interval, done)
		})
		defer func() {
			if first.Stop() {
				watchers.Done()
			}
		}()
	}
	var usage sandbox.Usage
	var module string
	if known, ok := a.plugin.sandbox.Lookup(info.ActivityType.Name); ok {
		module = known.Module.File().Name
	}
	metrics := activity.GetMetricsHandler(ctx)
	task := sandbox.Task{
		Activity:     info.ActivityType.Name,
		Args:         args,
		Info:         guestInfo(info),
		Details:      a.detailsBefore,
		PayloadLimit: a.payloadLimit,
		Heartbeat:    a.heartbeat,
		Flags:        a.currentFlags,
		Usage:        &usage,
		Log:          logTo(ctx),
		Denied: func(capability string, _ *passthrough.Denial) {
			metrics.WithTags(map[string]string{"module": module, "capability": capability}).Counter(MetricDenied).Inc(1)
		},
	}
	run := a.plugin.sandbox.Run
	if i := a.plugin.options.Interceptor; i != nil {
		run = func(ctx context.Context, task sandbox.Task) (*sandbox.Payload, error) {
			return i.Execute(ctx, task, a.plugin.sandbox.Run)
		}
	}
	result, err := run(guest, task)
	metrics.Counter(MetricFuel).Inc(usage.Fuel + usage.InitializeFuel)
	if usage.Wait > 0 { // 0 if it asked for no instance
		metrics.Timer(MetricInstanceWait).Record(usage.Wait)
	}
	if usage.Instance != "" {
		metrics.WithTags(map[string]string{"instance": string(usage.Instance)}).Counter(MetricInstances).Inc(1)
	}
	activity.GetLogger(ctx).Debug("guest returned", "fuel", usage.Fuel, "initialize_fuel", usage.InitializeFuel, "instance", string(usage.Instance))
	return result, err
}

func (a *attempt) currentFlags(context.Context) abi.Flags {
	flags := abi.Flags(a.flags.Load())
	if a.plugin.stopping.Load() {
		flags |= abi.FlagWorkerStopping
	}
	return flags
}

// watch is called when the SDK's context has ended. It sets the flag that tells the guest
// why. It interrupts the guest when the grace is over or the plugin interrupts all
// activities. On a shutdown or a passed deadline it interrupts at once.
func (a *attempt) watch(ctx context.Context, grace time.Duration, interrupt context.CancelCauseFunc, done <-chan struct{}) {
	cause := context.Cause(ctx)
	switch {
	case errors.Is(cause, worker.ErrWorkerShutdown), errors.Is(cause, context.DeadlineExceeded):
		interrupt(cause)
		return
	case temporal.IsCanceledError(cause):
		a.flags.Or(uint32(abi.FlagCancelRequested))
	case errors.Is(cause, activity.ErrActivityPaused):
		a.flags.Or(uint32(abi.FlagPaused))
	case errors.Is(cause, activity.ErrActivityReset):
		a.flags.Or(uint32(abi.FlagReset))
	default: // not found, or no heartbeat reached the server before its timeout
		a.flags.Or(uint32(abi.FlagGone))
	}
	timer := time.NewTimer(grace)
	defer timer.Stop()
	select {
	case <-done:
	case <-a.plugin.interruptCtx.Done():
		interrupt(worker.ErrWorkerShutdown)
	case <-timer.C:
		interrupt(cause)
	}
}

// beat heartbeats for a guest, now and at intervals, until the guest heartbeats itself.
// Temporal's answer says whether the activity was canceled, paused or reset. The
// heartbeat repeats the details of the last attempt, because they would otherwise be lost
// if this attempt is cut off early.
func (a *attempt) beat(ctx context.Context, interval time.Duration, done <-chan struct{}) {
	ticker := time.NewTicker(interval)
	defer ticker.Stop()
	for {
		a.mu.Lock()
		details, guestBeats := a.details, a.guestBeats
		a.mu.Unlock()
		if guestBeats {
			return
		}
		if err := recordHeartbeat(ctx, details); err != nil {
			activity.GetLogger(ctx).Warn("heartbeat for a guest failed", "error", err)
		}
		select {
		case <-done:
			return
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
	}
}

// heartbeat records a heartbeat of the guest. From then on the host does not heartbeat
// for it.
func (a *attempt) heartbeat(ctx context.Context, details []sandbox.Payload) error {
	a.mu.Lock()
	a.details, a.guestBeats = details, true
	a.mu.Unlock()
	return recordHeartbeat(ctx, details)
}

// recordHeartbeat hands a heartbeat to the SDK. It blocks for one RPC if the SDK's
// throttling lets it through.
func recordHeartbeat(ctx context.Context, details []sandbox.Payload) (err error) {
	defer func() {
		// The SDK panics when the data converter's codec fails.
		if p := recover(); p != nil {
			err = fmt.Errorf("the heartbeat details cannot be encoded: %v", p)
		}
	}()
	activity.RecordHeartbeat(ctx, rawValues(details)...)
	return nil
}

// temporalError converts the error of a run to the error that makes the SDK send the
// right report.
func (a *attempt) temporalError(ctx context.Context, info activity.Info, err error) error {
	activityType := info.ActivityType.Name
	var (
		failure     *abi.Failure
		canceled    *sandbox.CanceledError
		interrupted *sandbox.InterruptedError
		unknown     *sandbox.UnknownActivityError
	)
	switch {
	case errors.As(err, &failure):
		if err := failure.Check(); err != nil { // it came from an interceptor or an executor
			failure = &abi.Failure{Type: abi.TypeProtocolError, Message: fmt.Sprintf("activity %s failed, and the failure cannot be reported: %v", activityType, err), NonRetryable: true}
		}
		if failure.Type == abi.TypeWorkerShutdown && failure.NextRetryDelay == 0 {
			failure.NextRetryDelay = abi.Milliseconds(handOver)
		}
		return applicationError(failure)
	case errors.As(err, &canceled):
		return a.canceled(ctx, activityType, canceled.Details)
	case errors.As(err, &interrupted):
		if errors.Is(interrupted.Cause, worker.ErrWorkerShutdown) {
			return a.plugin.interruptedError(info, a.lastDetails()...)
		}
		if errors.Is(interrupted.Cause, context.DeadlineExceeded) {
			// The server has timed the attempt out, and the SDK reports nothing.
			return interrupted.Cause
		}
		return a.canceled(ctx, activityType, nil)
	case errors.As(err, &unknown):
		return temporal.NewApplicationError(unknown.Error(), "ActivityNotRegisteredError")
	}
	return err
}

// canceled returns the error of an attempt that stopped, or was stopped, because it was
// asked to. The flags say who asked.
func (a *attempt) canceled(ctx context.Context, activityType string, details *sandbox.Payload) error {
	var values []any
	if details != nil {
		values = []any{rawValue(*details)}
	}
	switch flags := a.currentFlags(ctx); {
	case flags&abi.FlagCancelRequested != 0:
		return temporal.NewCanceledError(values...)
	case flags&(abi.FlagPaused|abi.FlagReset|abi.FlagGone) != 0:
		return context.Cause(ctx)
	default: // the worker is stopping
		if values == nil {
			values = a.lastDetails()
		}
		return shutdownError(activityType, values...)
	}
}

// lastDetails returns the details of the last heartbeat, of this attempt or of an earlier
// one.
func (a *attempt) lastDetails() []any {
	a.mu.Lock()
	defer a.mu.Unlock()
	return rawValues(a.details)
}

// applicationError converts a failure to Temporal's error.
func applicationError(f *abi.Failure) error {
	options := temporal.ApplicationErrorOptions{
		NonRetryable:   f.NonRetryable,
		NextRetryDelay: time.Duration(f.NextRetryDelay),
	}
	if f.Category == abi.CategoryBenign {
		options.Category = temporal.ApplicationErrorCategoryBenign
	}
	if f.Cause != nil {
		options.Cause = applicationError(f.Cause)
	}
	for _, detail := range f.Details {
		options.Details = append(options.Details, rawValue(sandbox.NewPayload(abi.EncodingJSON, detail)))
	}
	if f.StackTrace != "" { // the SDK has no field for it
		options.Details = append(options.Details, map[string]string{"stack_trace": f.StackTrace})
	}
	return temporal.NewApplicationErrorWithOptions(f.Message, f.Type, options)
}

// rawPayloads returns all payloads behind a Get of the SDK. Such a Get fills the pointers
// that it is given and does not say how many payloads there are.
func rawPayloads(has bool, get func(...any) error) ([]sandbox.Payload, error) {
	if !has {
		return nil, nil
	}
	for n := 4; ; n *= 4 {
		values := make([]converter.RawValue, n)
		ptrs := make([]any, n)
		for i := range values {
			ptrs[i] = &values[i]
		}
		if err := get(ptrs...); err != nil {
			return nil, err
		}
		if values[n-1].Payload() != nil {
			continue // there may be more
		}
		var payloads []sandbox.Payload
		for _, v := range values {
			if p := v.Payload(); p != nil {
				payloads = append(payloads, sandbox.Payload{Metadata: p.GetMetadata(), Data: p.GetData()})
			}
		}
		return payloads, nil
	}
}

func rawValue(p sandbox.Payload) converter.RawValue {
	return converter.NewRawValue(&commonpb.Payload{Metadata: p.Metadata, Data: p.Data})
}

func rawValues(payloads []sandbox.Payload) []any {
	values := make([]any, len(payloads))
	for i, p := range payloads {
		values[i] = rawValue(p)
	}
	return values
}

// guestInfo returns the information that a guest gets about its activity. The task token
// stays with the host, because with it anybody could complete the activity.
func guestInfo(info activity.Info) abi.Info {
	g := abi.Info{
		ActivityID:             info.ActivityID,
		ActivityType:           info.ActivityType.Name,
		ActivityRunID:          info.ActivityRunID,
		Attempt:                info.Attempt,
		Namespace:              info.Namespace,
		TaskQueue:              info.TaskQueue,
		WorkflowID:             info.WorkflowExecution.ID,
		WorkflowRunID:          info.WorkflowExecution.RunID,
		IsLocalActivity:        info.IsLocalActivity,
		HeartbeatTimeout:       abi.Milliseconds(info.HeartbeatTimeout),
		StartToCloseTimeout:    abi.Milliseconds(info.StartToCloseTimeout),
		ScheduleToCloseTimeout: abi.Milliseconds(info.ScheduleToCloseTimeout),
		ScheduledTime:          info.ScheduledTime.UTC(),
		StartedTime:            info.StartedTime.UTC(),
		Deadline:               info.Deadline.UTC(),
	}
	if info.WorkflowType != nil {
		g.WorkflowType = info.WorkflowType.Name
	}
	g.RetryPolicy, g.Priority = guestRetryPolicy(info.RetryPolicy), guestPriority(info.Priority)
	return g
}

// guestRetryPolicy returns a retry policy as guests get it; nil for none.
func guestRetryPolicy(r *temporal.RetryPolicy) *abi.RetryPolicy {
	if r == nil {
		return nil
	}
	return &abi.RetryPolicy{
		InitialInterval:        abi.Milliseconds(r.InitialInterval),
		BackoffCoefficient:     r.BackoffCoefficient,
		MaximumInterval:        abi.Milliseconds(r.MaximumInterval),
		MaximumAttempts:        r.MaximumAttempts,
		NonRetryableErrorTypes: r.NonRetryableErrorTypes,
	}
}

// guestPriority returns a priority as guests get it; nil for none.
func guestPriority(p temporal.Priority) *abi.Priority {
	if p == (temporal.Priority{}) {
		return nil
	}
	return &abi.Priority{PriorityKey: p.PriorityKey, FairnessKey: p.FairnessKey, FairnessWeight: p.FairnessWeight}
}

// logTo returns a function that writes a guest's records to the activity's logger. The
// logger adds the activity to them. A guest's attributes keep a prefix, so that none of
// them passes for an attribute of the host.
func logTo(ctx context.Context) func(context.Context, slog.Level, string, []slog.Attr) {
	return func(_ context.Context, level slog.Level, message string, attrs []slog.Attr) {
		logGuest(activity.GetLogger(ctx), level, message, attrs)
	}
}

// logGuest writes a guest's record to a logger of the SDK.
func logGuest(logger log.Logger, level slog.Level, message string, attrs []slog.Attr) {
	var keyvals []any
	for _, group := range attrs {
		for _, a := range group.Value.Group() {
			keyvals = append(keyvals, group.Key+"."+a.Key, a.Value.Any())
		}
	}
	switch {
	case level < slog.LevelInfo:
		logger.Debug(message, keyvals...)
	case level < slog.LevelWarn:
		logger.Info(message, keyvals...)
	case level < slog.LevelError:
		logger.Warn(message, keyvals...)
	default:
		logger.Error(message, keyvals...)
	}
}
