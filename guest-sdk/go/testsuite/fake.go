package testsuite

import (
	"context"
	"encoding/json"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/wasmworker/wasmworker/guest-sdk/go/activity"
	"github.com/wasmworker/wasmworker/guest-sdk/go/converter"
	"github.com/wasmworker/wasmworker/guest-sdk/go/internal/abi"
	"github.com/wasmworker/wasmworker/guest-sdk/go/internal/bridge"
	"github.com/wasmworker/wasmworker/guest-sdk/go/temporal"
)

const maxOutput = 2 << 20 // the default limit of wasmworker

// fake is the host of one activity in a test.
type fake struct {
	env      *TestActivityEnvironment
	info     activity.Info
	args     []*converter.Payload
	details  []*converter.Payload // of the attempt before
	listener func(*activity.Info, converter.EncodedValues)
	logger   *slog.Logger

	mu        sync.Mutex
	output    []byte
	metadata  map[string][]byte
	failure   *abi.Failure
	beat      []*converter.Payload // of the next heartbeat
	beatSize  int
	lastError string
}

// payload is the output; nil if nothing was pushed. It is called with f.mu held.
func (f *fake) payload() *converter.Payload {
	metadata := f.metadata
	if metadata == nil {
		if len(f.output) == 0 {
			return nil
		}
		metadata = map[string][]byte{abi.MetadataEncoding: []byte(abi.EncodingJSON)}
	}
	return &converter.Payload{Metadata: metadata, Data: f.output}
}

// fill is how all reading functions answer.
func fill(dst, value []byte) int64 {
	if len(value) <= len(dst) {
		copy(dst, value)
	}
	return int64(len(value))
}

func (f *fake) refuse(errno int64, message string) int64 {
	f.lastError = message
	return -errno
}

func (f *fake) item(list []*converter.Payload, index int32, dst []byte, part func(*converter.Payload) []byte) int64 {
	if index < 0 || int(index) >= len(list) {
		f.mu.Lock()
		defer f.mu.Unlock()
		return f.refuse(abi.EINVAL, "no such index")
	}
	return fill(dst, part(list[index]))
}

func data(p *converter.Payload) []byte     { return p.Data }
func encoding(p *converter.Payload) []byte { return p.Metadata[abi.MetadataEncoding] }
func metadata(p *converter.Payload) []byte { return abi.MarshalMetadata(p.Metadata) }

func (f *fake) ArgCount() int32                          { return int32(len(f.args)) }
func (f *fake) ArgRead(i int32, dst []byte) int64        { return f.item(f.args, i, dst, data) }
func (f *fake) ArgEncoding(i int32, dst []byte) int64    { return f.item(f.args, i, dst, encoding) }
func (f *fake) ArgMetadata(i int32, dst []byte) int64    { return f.item(f.args, i, dst, metadata) }
func (f *fake) DetailCount() int32                       { return int32(len(f.details)) }
func (f *fake) DetailRead(i int32, d []byte) int64       { return f.item(f.details, i, d, data) }
func (f *fake) DetailEncoding(i int32, dst []byte) int64 { return f.item(f.details, i, dst, encoding) }

func (f *fake) OutputWrite(b []byte) int64 {
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.output)+len(b) > maxOutput {
		return f.refuse(abi.EMSGSIZE, "the output is longer than 2 MiB")
	}
	f.output = append(f.output, b...)
	return int64(len(f.output))
}

func (f *fake) OutputEncoding(encoding string) int64 {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.metadata == nil {
		f.metadata = map[string][]byte{}
	}
	f.metadata[abi.MetadataEncoding] = []byte(encoding)
	return 0
}

func (f *fake) OutputMetadata(b []byte) int64 {
	f.mu.Lock()
	defer f.mu.Unlock()
	metadata, err := abi.UnmarshalMetadata(b)
	if err != nil {
		return f.refuse(abi.EINVAL, err.Error())
	}
	f.metadata = metadata
	return 0
}

func (f *fake) Fail(b []byte) int64 {
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(b) > abi.MaxFailureSize {
		return f.refuse(abi.EMSGSIZE, "the failure is longer than 256 KiB")
	}
	var failure abi.Failure
	if err := json.Unmarshal(b, &failure); err != nil {
		return f.refuse(abi.EINVAL, err.Error())
	}
	f.failure = &failure
	return 0
}

func (f *fake) Info(dst []byte) int64 {
	i := f.info
	info := abi.Info{
		ActivityID:             i.ActivityID,
		ActivityType:           i.ActivityType.Name,
		ActivityRunID:          i.ActivityRunID,
		Attempt:                i.Attempt,
		Namespace:              i.Namespace,
		TaskQueue:              i.TaskQueue,
		WorkflowID:             i.WorkflowExecution.ID,
		WorkflowRunID:          i.WorkflowExecution.RunID,
		IsLocalActivity:        i.IsLocalActivity,
		HeartbeatTimeout:       abi.Milliseconds(i.HeartbeatTimeout),
		StartToCloseTimeout:    abi.Milliseconds(i.StartToCloseTimeout),
		ScheduleToCloseTimeout: abi.Milliseconds(i.ScheduleToCloseTimeout),
		ScheduledTime:          i.ScheduledTime,
		StartedTime:            i.StartedTime,
		Deadline:               i.Deadline,
	}
	if i.WorkflowType != nil {
		info.WorkflowType = i.WorkflowType.Name
	}
	if i.Priority != (temporal.Priority{}) {
		p := abi.Priority(i.Priority)
		info.Priority = &p
	}
	if p := i.RetryPolicy; p != nil {
		info.RetryPolicy = &abi.RetryPolicy{
			InitialInterval:        abi.Milliseconds(p.InitialInterval),
			BackoffCoefficient:     p.BackoffCoefficient,
			MaximumInterval:        abi.Milliseconds(p.MaximumInterval),
			MaximumAttempts:        p.MaximumAttempts,
			NonRetryableErrorTypes: p.NonRetryableErrorTypes,
		}
	}
	b, err := json.Marshal(info)
	if err != nil { // a time beyond the year 9999
		f.mu.Lock()
		defer f.mu.Unlock()
		return f.refuse(abi.EIO, err.Error())
	}
	return fill(dst, b)
}

func (f *fake) Status() uint32 { return uint32(f.env.status()) }

func (f *fake) HeartbeatDetail(b []byte, encoding string) int64 {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.beatSize+len(b) > maxOutput {
		return f.refuse(abi.EMSGSIZE, "the heartbeat details are longer than 2 MiB")
	}
	f.beatSize += len(b)
	f.beat = append(f.beat, &converter.Payload{
		Metadata: map[string][]byte{abi.MetadataEncoding: []byte(encoding)},
		Data:     append([]byte(nil), b...),
	})
	return int64(len(f.beat))
}

func (f *fake) Heartbeat() int64 {
	f.mu.Lock()
	beat := f.beat
	f.beat, f.beatSize = nil, 0
	f.mu.Unlock()
	if f.listener != nil {
		info := f.info
		f.listener(&info, converter.NewValues(beat...))
	}
	return int64(f.env.status())
}

func (f *fake) LastError(dst []byte) int64 {
	f.mu.Lock()
	defer f.mu.Unlock()
	return fill(dst, []byte(f.lastError))
}

func (f *fake) Log(level int32, message string, attrs []byte) int64 {
	var object map[string]any
	if len(attrs) > 0 {
		if err := json.Unmarshal(attrs, &object); err != nil {
			f.mu.Lock()
			defer f.mu.Unlock()
			return f.refuse(abi.EINVAL, err.Error())
		}
	}
	logger := f.logger
	if logger == nil {
		logger = slog.Default()
	}
	ctx := context.Background()
	if logger.Enabled(ctx, slog.Level(level)) {
		r := slog.NewRecord(time.Now(), slog.Level(level), message, 0)
		r.AddAttrs(attributes(object)...)
		_ = logger.Handler().Handle(ctx, r)
	}
	return 0
}

// errorOf makes of a failure the error that a workflow would see as its cause.
func errorOf(f *abi.Failure) error {
	if f == nil {
		return nil
	}
	if f.Type == "PanicError" {
		return bridge.NewPanicError(f.Message, f.StackTrace)
	}
	options := temporal.ApplicationErrorOptions{
		NonRetryable:   f.NonRetryable,
		Cause:          errorOf(f.Cause),
		NextRetryDelay: time.Duration(f.NextRetryDelay),
	}
	if f.Category == abi.CategoryBenign {
		options.Category = temporal.ApplicationErrorCategoryBenign
	}
	var details []*converter.Payload
	for _, detail := range f.Details {
		details = append(details, &converter.Payload{
			Metadata: map[string][]byte{abi.MetadataEncoding: []byte(abi.EncodingJSON)},
			Data:     detail,
		})
	}
	options.Details = []any{converter.NewValues(details...)}
	return temporal.NewApplicationErrorWithOptions(f.Message, f.Type, options)
}

// attributes makes slog attributes of a JSON object, groups of objects in it,
// ordered by name.
func attributes(object map[string]any) []slog.Attr {
	var attrs []slog.Attr
	for _, key := range slices.Sorted(maps.Keys(object)) {
		if group, ok := object[key].(map[string]any); ok {
			attrs = append(attrs, slog.Attr{Key: key, Value: slog.GroupValue(attributes(group)...)})
		} else {
			attrs = append(attrs, slog.Any(key, object[key]))
		}
	}
	return attrs
}
