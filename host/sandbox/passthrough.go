package sandbox

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"sync"
	"time"

	"github.com/tetratelabs/wazero/api"

	"github.com/wasmworker/wasmworker/abi"
	"github.com/wasmworker/wasmworker/host/internal/image"
	"github.com/wasmworker/wasmworker/host/passthrough"
)

// linkPassthrough links a granted passthrough module. Built-in ones and an embedder's
// come through this one door.
func (p *program) linkPassthrough(ctx context.Context, granted passthrough.Module) error {
	functions := map[string]hostFunc{}
	for name := range granted.Functions {
		what := granted.ImportName() + " " + name
		functions[name] = func(c *call, mod api.Module, params []uint64) (int64, error) {
			if length := uint32(params[1]); length > abi.MaxRequestSize {
				return 0, fmt.Errorf("%w: the request has %d bytes, and at most %d are allowed", abi.EMSGSIZE, length, abi.MaxRequestSize)
			}
			if len(c.handles) >= abi.MaxHandles {
				return 0, fmt.Errorf("%w: %d responses are open: close those that were read", abi.EMFILE, len(c.handles))
			}
			view := c.view(mod, what, params[0], params[1])
			if err := c.hold(image.Requests, len(view)); err != nil {
				return 0, err
			}
			request := bytes.Clone(view)
			response, err := c.passthrough(granted, name, request)
			c.letGo(image.Requests, len(request))
			if err != nil {
				return 0, err
			}
			if len(response) == 0 {
				return 0, nil
			}
			if len(response) > math.MaxInt32 {
				return 0, fmt.Errorf("%w: the response has %d bytes", abi.EMSGSIZE, len(response))
			}
			if err := c.hold(image.Responses, len(response)); err != nil {
				return 0, fmt.Errorf("%w: close the responses that were read", err)
			}
			if c.handles == nil {
				c.handles = map[uint32][]byte{}
			}
			// The handle stays below 2^31: the result must not be negative.
			c.handle++
			c.handles[c.handle] = response
			return int64(c.handle)<<32 | int64(len(response)), nil
		}
	}
	return build(ctx, p.runtime, granted.ImportName(), functions, func(string) string { return abi.PassthroughType })
}

// passthrough calls a host's or an embedder's function, keeps its panic from the guest,
// and tells the operator what was denied.
func (c *call) passthrough(granted passthrough.Module, function string, request []byte) (response []byte, err error) {
	what := granted.ImportName() + " " + function
	defer func() {
		if p := recover(); p != nil {
			c.module.logger.Error("a passthrough function panicked", "function", what, "activity", c.activity.Type, "panic", fmt.Sprint(p))
			response, err = nil, fmt.Errorf("%w: %s failed inside the host", abi.EIO, what)
		}
	}()
	response, err = granted.Functions[function](c.ctx, &passthrough.Call{
		Module: c.module.file.Name, Activity: c.activity.Type, Policy: c.module.options.Policies[granted.Name], Resources: &c.resources,
	}, request)
	if denial, ok := errors.AsType[*passthrough.Denial](err); ok {
		c.denied(granted.Name, denial)
	}
	return response, err
}

// denied tells the operator that a policy denied something.
func (c *call) denied(capability string, denial *passthrough.Denial) {
	c.module.denials.log(c.module.logger, capability, c.activity.Type, denial)
	if c.task.Denied != nil {
		c.task.Denied(capability, denial)
	}
}

// denials keeps a module that does nothing but being denied from flooding the log.
type denials struct {
	mu    sync.Mutex
	start time.Time // of the window
	n     int       // in the window
}

const (
	maxDenials     = 100 // logged in a window, for each module
	denialInterval = time.Minute
)

func (d *denials) log(logger *slog.Logger, capability, activity string, denial *passthrough.Denial) {
	d.mu.Lock()
	if now := time.Now(); now.Sub(d.start) >= denialInterval {
		d.start, d.n = now, 0
	}
	d.n++
	n := d.n
	d.mu.Unlock()
	if n > maxDenials {
		return
	}
	attrs := []any{"capability", capability, "activity", activity, "target", cut([]byte(denial.Target)), "reason", cut([]byte(denial.Reason))}
	if n == maxDenials {
		attrs = append(attrs, "note", "further denials of this module are not logged for a minute")
	}
	logger.Warn("denied by the policy", attrs...)
}
