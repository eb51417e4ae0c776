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
	// defaultPayloadLimit is the server's limit.blobSize.error where nobody has changed
	// it.
	defaultPayloadLimit = 2 << 20
	// markerAllowance is what a local activity leaves of the limit for the rest of the
	// marker with its result.
	markerAllowance = 4 << 10
	// maxCutMessage is what stays of a message of a failure that is too large without it.
	maxCutMessage = 16 << 10

	describeTimeout = 5 * time.Second
	describeAgain   = 30 * time.Second // after it failed
)

// serverLimits knows how large a list of payloads, or a failure, the server takes at
// most.
type serverLimits struct {
	server bool         // there is one to ask
	bytes  atomic.Int64 // 0: not known yet

	asking sync.Mutex
	asked  time.Time
}

// known returns the limit as far as it is known.
func (l *serverLimits) known() int {
	if n := l.bytes.Load(); n > 0 {
		return int(n)
	}
	return defaultPayloadLimit
}

// payload returns the limit of the activity's namespace. The first activity asks the
// server for it, as the SDK does when a worker starts, and the others wait for that.
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

// describeLimit asks the server. 0: it does not say.
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
	return defaultPayloadLimit // a server that is too old to say
}

// FailureConverter makes the failure converter for the client of the plugin's worker, for
// client.Options.FailureConverter, which a [Host] with a client of its own sets by
// itself. The parent does the conversion; nil is that of the SDK with the data converter,
// which is client.Options.DataConverter, or nil if there is none. The converter adds to
// it:
//
//   - A result, heartbeat or detail of a cancellation that only the data converter's
//     codec makes too large for the server ends the activity with
//     [abi.TypeOutputTooLarge], not retryable. The SDK's own error for that is retried.
//   - A failure that is too large for the server, which would not retry the activity
//     then, is sent without its details, and if need be without its causes and with a
//     shorter message.
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

// sdkSizeError is in the text of the SDK's error for payloads above the limit, which has
// no exported type.
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
		// A workflow's failure that cannot be encoded has to remain a panic: that is how
		// the SDK tries its task again.
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

// unencodable is reported in place of a failure that cannot be encoded. Nothing of that
// is in it, since it may have to be secret.
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

// fitting returns the failure that an error is converted to, within the limit, and the
// error for it: the given one, or as much of that as there is room for.
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

// shortened is an error as its failure says, without details and stack traces, and
// without its causes and most of a long message if those are not to stay.
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

// cutText shortens a text, at the border of a character.
func cutText(text string, most int) string {
	if len(text) <= most {
		return text
	}
	return strings.ToValidUTF8(text[:most], "") + "…"
}

// outputTooLarge is the failure of a result that an interceptor has made too large, nil
// if it is not.
func (a *attempt) outputTooLarge(activityType string, result sandbox.Payload) error {
	if size := sandbox.Size(result); size > a.payloadLimit {
		return applicationError(sandbox.OutputTooLarge(activityType, size, a.payloadLimit, sandbox.ServerLimit))
	}
	return nil
}
