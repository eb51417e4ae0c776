package host

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	failurepb "go.temporal.io/api/failure/v1"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/converter"
	"go.temporal.io/sdk/temporal"

	"github.com/wasmworker/wasmworker/abi"
	"github.com/wasmworker/wasmworker/host/sandbox"
)

const (
	// defaultPayloadLimit is the default of the server's setting limit.blobSize.error, in
	// bytes.
	defaultPayloadLimit = 2 << 20
	// markerAllowance is how many bytes of the limit a local activity leaves free. Its
	// result is stored in a marker, and the rest of the marker needs them.
	markerAllowance = 4 << 10
	// maxCutMessage is how many bytes are kept of the message of a failure that stays too
	// large without details and causes.
	maxCutMessage = 16 << 10

	describeTimeout = 5 * time.Second
	describeAgain   = 30 * time.Second // after it failed
)

// serverLimits holds the most bytes that the server accepts for a list of payloads or for
// a failure.
type serverLimits struct {
	server bool         // there is a server to ask
	bytes  atomic.Int64 // 0: not known yet

	asking sync.Mutex
	asked  time.Time
}

// known returns the limit, or the server's default while the limit is not known.
func (l *serverLimits) known() int {
	if n := l.bytes.Load(); n > 0 {
		return int(n)
	}
	return defaultPayloadLimit
}

// payload returns the limit of the activity's namespace, in bytes. The first activity
// asks the server for it, as the SDK does when a worker starts. The others wait for the
// answer. If the server cannot be asked, the default holds, and it is asked again after
// describeAgain.
func (l *serverLimits) payload(ctx context.Context, namespace string) int {
	if l.server && l.bytes.Load() == 0 {
		l.asking.Lock()
		defer l.asking.Unlock()
		if l.bytes.Load() == 0 && time.Since(l.asked) > describeAgain {
			l.asked = time.Now()
			l.bytes.Store(describeLimit(ctx, namespace))
		}
	}
	return l.known()
}

// describeLimit asks the server for a namespace's limit. It returns 0 if there is no
// answer.
func describeLimit(ctx context.Context, namespace string) int64 {
	ctx, cancel := context.WithTimeout(ctx, describeTimeout)
	defer cancel()
	response, err := activity.GetClient(ctx).WorkflowService().DescribeNamespace(ctx, &workflowservice.DescribeNamespaceRequest{Namespace: namespace})
	if err != nil {
		activity.GetLogger(ctx).Warn("payload limit of the server unknown; using its default", "error", err)
		return 0
	}
	if limit := response.GetNamespaceInfo().GetLimits().GetBlobSizeLimitError(); limit > 0 {
		return limit
	}
	return defaultPayloadLimit // the server is too old to report its limit
}

// FailureConverter returns the failure converter for the client of the plugin's worker;
// put it into client.Options.FailureConverter. A [Host] that makes its own client does
// so. The parent does the conversion. A nil parent means the SDK's default with the data
// converter, which is client.Options.DataConverter, or nil if there is none. The
// converter adds these rules:
//
//   - If a result, heartbeat or detail of a cancellation is too large for the server only
//     because of the data converter's codec, the activity fails with
//     [abi.TypeOutputTooLarge], not retryable. The SDK's own error for that is retried.
//   - The server does not retry an activity whose failure is too large. Such a failure is
//     sent without its details, and if need be without its causes and with a shorter
//     message.
//   - An activity's failure that cannot be encoded, because the codec fails, is reported
//     as [abi.TypeCodecFailed], and retried.
func (p *Plugin) FailureConverter(parent converter.FailureConverter, data converter.DataConverter) converter.FailureConverter {
	if parent == nil {
		parent = temporal.NewDefaultFailureConverter(temporal.DefaultFailureConverterOptions{DataConverter: data})
	}
	return &failureConverter{parent: parent, limits: &p.limits}
}

type failureConverter struct {
	parent   converter.FailureConverter
	limits   *serverLimits
	activity bool
}

var _ converter.FailureConverterWithSerializationContext = (*failureConverter)(nil)

// WithSerializationContext implements
// [converter.FailureConverterWithSerializationContext].
func (c *failureConverter) WithSerializationContext(ctx converter.SerializationContext) converter.FailureConverter {
	_, isActivity := ctx.(converter.ActivitySerializationContext)
	return &failureConverter{parent: converter.WithFailureConverterSerializationContext(c.parent, ctx), limits: c.limits, activity: isActivity}
}

// sdkSizeError occurs in the text of the SDK's error for payloads above the limit. The
// error has no exported type.
const sdkSizeError = "[TMPRL1103]"

// ErrorToFailure implements [converter.FailureConverter].
func (c *failureConverter) ErrorToFailure(err error) (failure *failurepb.Failure) {
	if err == nil {
		return nil
	}
	if _, ours := errors.AsType[*temporal.ApplicationError](err); !ours && strings.Contains(err.Error(), sdkSizeError) {
		err = temporal.NewNonRetryableApplicationError(fmt.Sprintf(
			"an output of the activity is larger than the Temporal server's limit of %d bytes once the data converter or payload codec has encoded it; return less, for example a reference to stored data, or raise that of the server (limit.blobSize.error)",
			c.limits.known()), abi.TypeOutputTooLarge, nil)
	}
	if c.activity {
		// For a workflow's failure the panic must go on: the SDK then retries the
		// workflow task.
		defer func() {
			if cause := recover(); cause != nil {
				failure = unencodable(err, cause)
			}
		}()
	}
	failure, _ = fitting(c.parent, c.limits.known(), err)
	return failure
}

// FailureToError implements [converter.FailureConverter].
func (c *failureConverter) FailureToError(failure *failurepb.Failure) error {
	return c.parent.FailureToError(failure)
}

// unencodable returns the failure that is reported in place of one that cannot be
// encoded. It holds nothing of the original but the retry delay, because the original may
// be secret.
func unencodable(err error, cause any) *failurepb.Failure {
	var options temporal.ApplicationErrorOptions
	if original, ok := errors.AsType[*temporal.ApplicationError](err); ok {
		options.NextRetryDelay = original.NextRetryDelay()
	}
	text := fmt.Sprint(cause)
	if failed, ok := cause.(*temporal.ApplicationError); ok {
		text = failed.Message()
	}
	message := "what the attempt ended with cannot be encoded: " + text
	return temporal.GetDefaultFailureConverter().ErrorToFailure(
		temporal.NewApplicationErrorWithOptions(cutText(message, maxCutMessage), abi.TypeCodecFailed, options))
}

// fitting converts an error to a failure within the limit. It also returns the error that
// the failure stands for: err itself, or as much of err as there is room for.
func fitting(c converter.FailureConverter, limit int, err error) (*failurepb.Failure, error) {
	all := c.ErrorToFailure(err)
	if all.Size() <= limit {
		return all, err
	}
	note := fmt.Sprintf(" (this is shortened: with its details and causes it has %d bytes, and the Temporal server's limit for a failure is %d)", all.Size(), limit)
	withCauses := shortened(err, all, true, 0, note)
	if failure := c.ErrorToFailure(withCauses); failure.Size() <= limit {
		return failure, withCauses
	}
	alone := shortened(err, all, false, min(limit/4, maxCutMessage), note)
	return c.ErrorToFailure(alone), alone
}

// shortened returns a copy of an error without details and stack traces, made from its
// failure. Without causes, the copy also lacks its causes, and its message and type are
// cut to maxMessage bytes. The note is appended to the message.
func shortened(err error, failure *failurepb.Failure, causes bool, maxMessage int, note string) error {
	info := failure.GetApplicationFailureInfo()
	options := temporal.ApplicationErrorOptions{
		NonRetryable:   info.GetNonRetryable(),
		NextRetryDelay: info.GetNextRetryDelay().AsDuration(),
		Category:       temporal.ApplicationErrorCategory(info.GetCategory()),
	}
	message, kind := err.Error(), info.GetType()
	if application, ok := err.(*temporal.ApplicationError); ok {
		message = application.Message()
	}
	if causes {
		if cause := errors.Unwrap(err); cause != nil {
			options.Cause = shortened(cause, failure.GetCause(), true, maxMessage, "")
		}
	} else {
		message, kind = cutText(message, maxMessage), cutText(kind, maxMessage)
	}
	return temporal.NewApplicationErrorWithOptions(message+note, kind, options)
}

// cutText cuts a text that is longer than most bytes. It cuts at a character boundary and
// appends "…".
func cutText(text string, most int) string {
	if len(text) <= most {
		return text
	}
	return strings.ToValidUTF8(text[:most], "") + "…"
}

// outputTooLarge returns the failure for a result that an interceptor made too large, or
// nil if the result is within the limit.
func (a *attempt) outputTooLarge(activityType string, result sandbox.Payload) error {
	if size := sandbox.Size(result); size > a.payloadLimit {
		return applicationError(sandbox.OutputTooLarge(activityType, size, a.payloadLimit, sandbox.ServerLimit))
	}
	return nil
}
