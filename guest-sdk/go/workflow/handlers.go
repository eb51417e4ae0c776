package workflow

import (
	"fmt"

	"github.com/wasmworker/wasmworker/guest-sdk/go/internal/flow"
)

// QueryHandlerOptions are options of the handler of a query.
type QueryHandlerOptions struct {
	// Description is a text for those who look at the workflow.
	Description string
}

// SetQueryHandler sets what answers a query: a function of any arguments that returns
// (T, error). It must not wait. Whatever it changes is undone after it.
func SetQueryHandler(ctx Context, queryType string, handler any) error {
	return SetQueryHandlerWithOptions(ctx, queryType, handler, QueryHandlerOptions{})
}

// SetQueryHandlerWithOptions is SetQueryHandler with options.
func SetQueryHandlerWithOptions(ctx Context, queryType string, handler any, options QueryHandlerOptions) error {
	if err := runOf(ctx).SetQuery(queryType, options.Description, handler); err != nil {
		return fmt.Errorf("workflow.SetQueryHandler: %s: %w", queryType, err)
	}
	return nil
}

// HandlerUnfinishedPolicy is what happens when a workflow ends before an update of it.
type HandlerUnfinishedPolicy int

const (
	// HandlerUnfinishedPolicyWarnAndAbandon writes a warning to the log.
	HandlerUnfinishedPolicyWarnAndAbandon HandlerUnfinishedPolicy = iota
	// HandlerUnfinishedPolicyAbandon says nothing.
	HandlerUnfinishedPolicyAbandon
)

// UpdateHandlerOptions are options of the handler of an update.
type UpdateHandlerOptions struct {
	// Validator refuses updates before they are in the history: a function of the
	// arguments of the handler that returns an error, or nil to accept. It must not wait,
	// and whatever it changes is undone after it. Nil accepts all updates whose arguments
	// can be decoded.
	Validator any
	// UnfinishedPolicy is what happens when the workflow ends before the update.
	UnfinishedPolicy HandlerUnfinishedPolicy
	// Description is a text for those who look at the workflow.
	Description string
}

// SetUpdateHandler sets what handles an update: a function of an optional context and
// any arguments that returns error or (T, error). It may do what a workflow may, and runs
// in a goroutine of its own for each update. A panic in it fails the workflow task.
func SetUpdateHandler(ctx Context, updateName string, handler any) error {
	return SetUpdateHandlerWithOptions(ctx, updateName, handler, UpdateHandlerOptions{})
}

// SetUpdateHandlerWithOptions is SetUpdateHandler with options.
func SetUpdateHandlerWithOptions(ctx Context, updateName string, handler any, options UpdateHandlerOptions) error {
	abandon := options.UnfinishedPolicy == HandlerUnfinishedPolicyAbandon
	if err := runOf(ctx).SetUpdate(updateName, options.Description, handler, options.Validator, abandon); err != nil {
		return fmt.Errorf("workflow.SetUpdateHandler: %s: %w", updateName, err)
	}
	return nil
}

// UpdateInfo identifies an update.
type UpdateInfo struct {
	ID   string
	Name string
}

// GetCurrentUpdateInfo returns which update the context belongs to; nil for none.
func GetCurrentUpdateInfo(ctx Context) *UpdateInfo { return (*UpdateInfo)(flow.Update(ctx)) }

// AllHandlersFinished tells whether no update is being handled. A workflow that has updates
// waits for it at its end:
//
//	workflow.Await(ctx, func() bool { return workflow.AllHandlersFinished(ctx) })
func AllHandlersFinished(ctx Context) bool { return runOf(ctx).AllHandlersFinished() }
