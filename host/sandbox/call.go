package sandbox

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/tetratelabs/wazero/sys"
	"google.golang.org/protobuf/encoding/protowire"

	"github.com/wasmworker/wasmworker/abi"
	"github.com/wasmworker/wasmworker/host/internal/image"
	"github.com/wasmworker/wasmworker/host/internal/wasip1"
	"github.com/wasmworker/wasmworker/host/internal/wazerotext"
	"github.com/wasmworker/wasmworker/host/passthrough"
)

// Payload is a value as Temporal carries it: bytes, and metadata that say what they are.
type Payload struct {
	Metadata map[string][]byte
	Data     []byte
}

// Size returns how many bytes Temporal counts a list of payloads as, against its limits: those of the
// protobuf message, which has the metadata in it too.
func Size(payloads ...Payload) (size int) {
	for _, p := range payloads {
		size += payloadSize(metadataSize(p.Metadata), len(p.Data))
	}
	return size
}

// fieldSize is the size of a field of bytes in a protobuf message, whose number is below 16.
func fieldSize(length int) int { return 1 + protowire.SizeBytes(length) }

func metadataSize(metadata map[string][]byte) (size int) {
	for name, value := range metadata {
		size += fieldSize(fieldSize(len(name)) + fieldSize(len(value)))
	}
	return size
}

// payloadSize is the size of a payload in a list of them, from those of its parts.
func payloadSize(metadata, data int) int {
	if data > 0 {
		metadata += fieldSize(data)
	}
	return fieldSize(metadata)
}

// NewPayload makes a payload of an encoding.
func NewPayload(encoding string, data []byte) Payload {
	return Payload{Metadata: map[string][]byte{abi.MetadataEncoding: []byte(encoding)}, Data: data}
}

// Encoding returns the payload's encoding, which may be empty.
func (p Payload) Encoding() string { return string(p.Metadata[abi.MetadataEncoding]) }

// Task is one activity to run.
type Task struct {
	// Activity is the activity type.
	Activity string
	// Args are the arguments. They are not changed.
	Args []Payload
	// Info is what the guest is told about the attempt.
	Info abi.Info
	// Details are the payloads of the last heartbeat of the attempt before.
	Details []Payload
	// Heartbeat sends a heartbeat. The slice is the callee's. It may block, but not
	// for long after the context that Run was given ended. Nil: heartbeats go nowhere.
	Heartbeat func(ctx context.Context, details []Payload) error
	// MaxFuel is the most units of fuel that this attempt may use, where it is to be less or more than the module's
	// [Options.MaxFuel]. 0: the module's.
	MaxFuel int64
	// RefuseMemory is for tests: from which request of the guest for more memory on it gets none, as if the machine had none left.
	// 0: it gets what it may have.
	RefuseMemory int
	// Directories are for tests: what is mounted in place of the module's own directories, at the same paths. A module that has none does not
	// get these. Run does not close them. Nil: the module's.
	Mounts *wasip1.Mounts
	// FilesChanged is for tests: it is told of each change of a file or a directory, from the guest's goroutine, with a context for [FuelUsed], if the
	// policy of the directories was told [fsmod.Policy.StartAt]. Nil: nobody wants to know.
	FilesChanged func(context.Context)
	// Flags returns what has been asked of the guest so far. It is called often,
	// from the guest's goroutine, with a context for [FuelUsed]. Nil: nothing ever is.
	Flags func(context.Context) abi.Flags
	// PayloadLimit is the most bytes that the Temporal server takes of a result or a heartbeat's details, as [Size] counts them. It
	// counts where it is less than the module's [Options.MaxOutput]. 0: that alone counts.
	PayloadLimit int
	// Usage is filled in by Run with what the activity has used. Nil: nobody wants to know.
	Usage *Usage
	// Denied is told what a policy denied the guest, from the guest's goroutine, and after it was logged. Nil: nobody wants to know.
	Denied func(capability string, denial *passthrough.Denial)
	// Log gets what the guest logs. Nil: nothing is logged.
	Log func(ctx context.Context, level slog.Level, message string, attrs []slog.Attr)
}

// Usage is what an activity has used.
type Usage struct {
	// Units of computation, about an instruction each: the same work takes the same number on every
	// machine. What the host does for the guest is not counted.
	Fuel int64
	// Memory in bytes that the instance had in the end, which is when it has most.
	Memory uint64
	// Instance is where the instance came from. Empty if there was none.
	Instance Origin
	// Wait is how long the activity waited for its instance, or for none: for a slot, for memory, and until it was made.
	Wait time.Duration
}

// logTo makes a Task.Log of a logger.
func logTo(logger *slog.Logger) func(context.Context, slog.Level, string, []slog.Attr) {
	return func(ctx context.Context, level slog.Level, message string, attrs []slog.Attr) {
		logger.LogAttrs(ctx, level, message, attrs...)
	}
}

// CanceledError is returned by [Sandbox.Run] when a guest stopped because it was asked to.
type CanceledError struct {
	// Details is what the guest had written as output, nil for nothing.
	Details *Payload
}

// Error implements error.
func (e *CanceledError) Error() string { return "the activity was canceled" }

// InterruptedError is returned by [Sandbox.Run] when its context ended before the guest did.
type InterruptedError struct {
	// Cause is the context's cause.
	Cause error
}

// Error says why.
func (e *InterruptedError) Error() string {
	return fmt.Sprintf("the activity was interrupted: %v", e.Cause)
}

// Unwrap returns the context's cause.
func (e *InterruptedError) Unwrap() error { return e.Cause }

// call is what the host knows of one activity while its guest runs. Only the
// goroutine that runs the guest touches it.
type call struct {
	ctx      context.Context // ends when the guest must be interrupted
	module   *Module
	activity Activity // its Module is nil while an instance is being made
	task     *Task
	guest    guest

	output       []byte
	metadata     map[string][]byte // of the output; nil: none was set
	metadataSize int
	tooLarge     int // the size of an output that did not fit; 0: all did

	handles     map[uint32][]byte
	handlesSize int    // of all responses together
	handle      uint32 // the last one given out
	lastError   string
	resources   passthrough.Resources // what the guest has open beyond a call
	wasi        wasip1.Process
	streams     *streams     // of the instance
	used        func() int64 // units so far

	logRecords  int
	logVolume   int // bytes of text
	logsDropped bool

	waited time.Duration // for the instance

	work   int // bytes that the host has worked on since it last let others run
	stderr tail
}

// newCall makes a call. Of the activity no more than the module is set while an instance is being made.
func newCall(ctx context.Context, m *Module, activity Activity, task *Task) *call {
	c := &call{module: m, activity: activity, task: task, metadataSize: guessedMetadata}
	c.guest = m.contract.begin(c)
	return c.in(ctx)
}

// in gives the call its context, from which host functions get the call back, and those of the task and of passthrough modules what
// they may ask. Host functions run concurrently for different instances of one runtime, so the call cannot be kept beside the functions.
func (c *call) in(ctx context.Context) *call {
	c.ctx = context.WithValue(ctx, callKey{}, c)
	return c
}

// release gives back what the call has, beside its instance.
func (c *call) release() {
	c.guest.release()
	if err := errors.Join(c.resources.Close(), c.wasi.Close()); err != nil {
		c.module.logger.Debug("what an activity had open was closed with an error", "activity", c.activity.Type, "error", err)
	}
}

type callKey struct{}

func callFrom(ctx context.Context) *call { return ctx.Value(callKey{}).(*call) }

func (c *call) outputTooLarge() *abi.Failure {
	most, limit := c.limit()
	return OutputTooLarge(c.activity.Type, c.tooLarge, most, limit)
}

// limit returns the most bytes of a result or a heartbeat's details, and what limits them.
func (c *call) limit() (most int, limit Limit) {
	if most = c.module.options.MaxOutput; c.task.PayloadLimit > 0 && c.task.PayloadLimit < most {
		return c.task.PayloadLimit, ServerLimit
	}
	return most, MaxOutputLimit
}

// Limit is what limits the size of an output.
type Limit string

// The limits of an output.
const (
	MaxOutputLimit Limit = "the module's output limit"   // Options.MaxOutput
	ServerLimit    Limit = "the Temporal server's limit" // Task.PayloadLimit
)

// OutputTooLarge is the failure of an activity whose output has more bytes than it may have. The size is what [Size] counts, or as
// much as was counted until it was refused.
func OutputTooLarge(activity string, size, most int, limit Limit) *abi.Failure {
	advice := "raise it, as far as the Temporal server's own limit allows"
	if limit == ServerLimit {
		advice = "raise that of the server (limit.blobSize.error)"
	}
	return &abi.Failure{
		Type: abi.TypeOutputTooLarge,
		Message: fmt.Sprintf("activity %s has an output of %d bytes or more with its metadata: more than %d bytes, which is %s; return less, for example a reference to stored data, or %s",
			activity, size, most, limit, advice),
		NonRetryable: true,
	}
}

// result returns the pushed output, nil for none.
func (c *call) result() *Payload {
	if c.metadata == nil && len(c.output) == 0 {
		return nil
	}
	p := &Payload{Metadata: c.metadata, Data: c.output}
	if p.Metadata == nil {
		p.Metadata = NewPayload(abi.EncodingJSON, nil).Metadata
	}
	return p
}

func (c *call) flags() abi.Flags {
	if c.task.Flags == nil {
		return 0
	}
	return c.task.Flags(c.ctx)
}

// guessedMetadata is the size of the metadata of an output that has none of its own.
var guessedMetadata = metadataSize(NewPayload(abi.EncodingJSON, nil).Metadata)

// write appends to the output within the limit.
func (c *call) write(data []byte) error {
	if err := c.check(c.metadataSize, len(c.output)+len(data)); err != nil {
		return err
	}
	c.output = append(c.output, data...)
	return nil
}

// describe sets the metadata of the output within the limit.
func (c *call) describe(metadata map[string][]byte) error {
	size := metadataSize(metadata)
	if err := c.check(size, len(c.output)); err != nil {
		return err
	}
	c.metadata, c.metadataSize = metadata, size
	return nil
}

// check refuses an output that would be larger than the limit.
func (c *call) check(metadata, data int) error {
	size := payloadSize(metadata, data)
	if most, limit := c.limit(); size > most {
		c.tooLarge = size
		return fmt.Errorf("%w: the output would be %d bytes with its metadata, and %s is %d", abi.EMSGSIZE, size, limit, most)
	}
	return nil
}

// instantiationError says why there is no instance for the call.
func (c *call) instantiationError(err error) error {
	if c.ctx.Err() != nil {
		return &InterruptedError{Cause: context.Cause(c.ctx)}
	}
	_, exited := errors.AsType[*sys.ExitError](err)
	_, faulted := errors.AsType[*guestFault](err)
	if !exited && !faulted && !wazerotext.IsFromGuest(err.Error()) { // not the guest's doing
		return &abi.Failure{Type: abi.TypeNoInstance, Message: "no instance could be made: " + err.Error()}
	}
	f := c.abnormalEnd(err, image.NoGrowFailure)
	f.Message = "no instance could be made: " + f.Message
	return f
}

// details renders one value as a failure's details.
func details(value any) []json.RawMessage {
	data, err := json.Marshal(value)
	if err != nil { // maps of strings and numbers always marshal
		panic(err)
	}
	return []json.RawMessage{data}
}

// Units returns how many units of fuel the activity has used so far, from the context of a function of its [Task] or of a
// passthrough module, while that runs.
func FuelUsed(ctx context.Context) int64 {
	c, ok := ctx.Value(callKey{}).(*call)
	if !ok || c.used == nil {
		return 0
	}
	return c.used()
}

// Advance advances the activity's clock, if it is a virtual one, as if the function had taken so long. The context is as for [FuelUsed].
func Advance(ctx context.Context, d time.Duration) {
	if c, ok := ctx.Value(callKey{}).(*call); ok && c.wasi.Clock != nil {
		c.wasi.Clock.Sleep(d)
	}
}
