package sandbox

import (
	"context"
	"errors"
	"fmt"

	"github.com/wasmworker/wasmworker/abi"
)

// errTimedOut ends the context of a call that takes longer than [Options.Timeout].
var errTimedOut = errors.New("the module's timeout")

// limitTime bounds the rest of the call by its module's timeout. The function that it
// returns is to be called when the call has ended.
func (c *call) limitTime() func() {
	limit := c.module.options.Timeout
	if limit <= 0 {
		return func() {}
	}
	ctx, cancel := context.WithTimeoutCause(c.ctx, limit, errTimedOut)
	c.in(ctx)
	return cancel
}

// timedOut makes a failure of an interruption by the module's timeout, and leaves other
// errors as they are.
func (c *call) timedOut(err error) error {
	i, interrupted := errors.AsType[*InterruptedError](err)
	if !interrupted || !errors.Is(i.Cause, errTimedOut) {
		return err
	}
	return &abi.Failure{
		Type: abi.TypeTimedOut,
		Message: fmt.Sprintf("activity %s took longer than %s, the timeout of module %s",
			c.activity.Type, c.module.options.Timeout, c.module.file.Name),
	}
}
