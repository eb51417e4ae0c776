package workflow

import (
	"time"

	"github.com/wasmworker/wasmworker/guest-sdk/go/internal/flow"
)

// ReceiveChannel is the end of a channel that values come out of.
type ReceiveChannel interface {
	// Receive waits for a value and stores it into what valuePtr points to, unless that is
	// nil. It returns false when the channel is closed and empty.
	Receive(ctx Context, valuePtr any) (more bool)
	// ReceiveWithTimeout is Receive, but for at most so long. ok tells whether a value came.
	ReceiveWithTimeout(ctx Context, timeout time.Duration, valuePtr any) (ok, more bool)
	// ReceiveAsync takes a value that is there.
	ReceiveAsync(valuePtr any) (ok bool)
	// ReceiveAsyncWithMoreFlag is ReceiveAsync; more is false when the channel is closed
	// and empty.
	ReceiveAsyncWithMoreFlag(valuePtr any) (ok, more bool)
	// Len returns the number of values that are there.
	Len() int
	// Name returns the channel's name; that of the signal, if it is one of a signal.
	Name() string
}

// SendChannel is the end of a channel that values go into.
type SendChannel interface {
	// Send waits until the value was taken or has room in the buffer.
	Send(ctx Context, v any)
	// SendAsync is Send if that would not wait.
	SendAsync(v any) (ok bool)
	// Close ends the channel.
	Close()
	// Name returns the channel's name.
	Name() string
}

// Channel is a channel of any values.
type Channel interface {
	Receive(ctx Context, valuePtr any) (more bool)
	ReceiveWithTimeout(ctx Context, timeout time.Duration, valuePtr any) (ok, more bool)
	ReceiveAsync(valuePtr any) (ok bool)
	ReceiveAsyncWithMoreFlag(valuePtr any) (ok, more bool)
	Len() int
	Name() string
	Send(ctx Context, v any)
	SendAsync(v any) (ok bool)
	Close()
}

// NewChannel returns a channel without a buffer.
func NewChannel(ctx Context) Channel { return NewNamedBufferedChannel(ctx, "", 0) }

// NewNamedChannel is NewChannel with a name.
func NewNamedChannel(ctx Context, name string) Channel {
	return NewNamedBufferedChannel(ctx, name, 0)
}

// NewBufferedChannel returns a channel with a buffer of so many values.
func NewBufferedChannel(ctx Context, size int) Channel {
	return NewNamedBufferedChannel(ctx, "", size)
}

// NewNamedBufferedChannel is NewBufferedChannel with a name.
func NewNamedBufferedChannel(ctx Context, name string, size int) Channel {
	return &channel{run: runOf(ctx), name: name, c: make(chan any, size)}
}

// channel is a channel of Go with what a [Selector] needs: a value can be looked at before
// it is taken.
type channel struct {
	run    *flow.Run
	name   string
	c      chan any
	peeked []any // taken out of c, and not received yet: one or none
	closed bool  // seen to be
	signal *flow.Signal
}

// signalArgs is a signal in a channel.
type signalArgs []flow.Payload

func (c *channel) Name() string { return c.name }

func (c *channel) Len() int {
	n := len(c.peeked) + len(c.c)
	if c.signal != nil {
		n += c.signal.Pending()
	}
	return n
}

// take takes a value that is there.
func (c *channel) take() (v any, ok bool) {
	if len(c.peeked) > 0 {
		v, c.peeked = c.peeked[0], nil
		return v, true
	}
	select {
	case v, more := <-c.c:
		c.took(more)
		return v, more
	default:
		return nil, false
	}
}

func (c *channel) took(more bool) {
	if !more {
		c.closed = true
	}
	if c.signal != nil {
		c.signal.Refill()
	}
}

// ready tells whether a receive would not wait.
func (c *channel) ready() bool {
	if len(c.peeked) > 0 || c.closed {
		return true
	}
	v, ok := c.take()
	if ok {
		c.peeked = []any{v}
	}
	return ok || c.closed
}

func (c *channel) Receive(ctx Context, valuePtr any) (more bool) {
	for {
		v, ok := c.take()
		if !ok {
			if c.closed {
				return false
			}
			var more bool
			v, more = <-c.c
			c.took(more)
			if !more {
				return false
			}
		}
		if c.assign(v, valuePtr) {
			return true
		}
	}
}

func (c *channel) ReceiveWithTimeout(ctx Context, timeout time.Duration, valuePtr any) (ok, more bool) {
	if ok, more := c.ReceiveAsyncWithMoreFlag(valuePtr); ok || !more {
		return ok, more
	}
	timed, cancel := WithCancel(ctx)
	defer cancel()
	timer := NewTimer(timed, timeout)
	for {
		select {
		case v, more := <-c.c:
			c.took(more)
			if !more {
				return false, false
			}
			if c.assign(v, valuePtr) {
				return true, true
			}
		case <-timer.Done():
			return false, true
		}
	}
}

func (c *channel) ReceiveAsync(valuePtr any) (ok bool) {
	ok, _ = c.ReceiveAsyncWithMoreFlag(valuePtr)
	return ok
}

func (c *channel) ReceiveAsyncWithMoreFlag(valuePtr any) (ok, more bool) {
	for {
		v, ok := c.take()
		if !ok {
			return false, !c.closed
		}
		if c.assign(v, valuePtr) {
			return true, true
		}
	}
}

// assign stores a received value. A signal that cannot be decoded is dropped, with a
// record in the log; any other value that does not fit is a panic.
func (c *channel) assign(v, valuePtr any) bool {
	args, ok := v.(signalArgs)
	if !ok {
		if err := flow.Assign(v, valuePtr); err != nil {
			panic("workflow: a value of a channel: " + err.Error())
		}
		return true
	}
	if len(args) == 0 {
		return true
	}
	if err := args[0].Decode(valuePtr); err != nil {
		corrupt(c.run, c.name, err)
		return false
	}
	return true
}

func corrupt(r *flow.Run, name string, err error) {
	r.Logger().Error("A signal was dropped, because it could not be decoded.", "SignalName", name, "Error", err.Error())
}

func (c *channel) Send(ctx Context, v any) { c.c <- v }
func (c *channel) Close()                  { close(c.c) }
func (c *channel) SendAsync(v any) (ok bool) {
	select {
	case c.c <- v:
		return true
	default:
		return false
	}
}

// SignalChannelOptions are options of a signal.
type SignalChannelOptions struct {
	// Description is a text for those who look at the workflow.
	Description string
}

// GetSignalChannel returns the channel of a signal. Signals are kept from the start of the
// run on, in their order, until somebody takes them; a name has one channel. A signal that
// cannot be decoded into what receives it is dropped, and the log says so.
func GetSignalChannel(ctx Context, signalName string) ReceiveChannel {
	return GetSignalChannelWithOptions(ctx, signalName, SignalChannelOptions{})
}

// GetSignalChannelWithOptions is GetSignalChannel with options.
func GetSignalChannelWithOptions(ctx Context, signalName string, options SignalChannelOptions) ReceiveChannel {
	r := runOf(ctx)
	taker, signal := r.TakeSignal(signalName, options.Description, func() (any, func([]flow.Payload) bool) {
		c := &channel{run: r, name: signalName, c: make(chan any, 16)}
		return c, func(args []flow.Payload) bool { return c.SendAsync(signalArgs(args)) }
	})
	c, ok := taker.(*channel)
	if !ok {
		panic("workflow.GetSignalChannel: workflow.Signal takes the signal " + signalName + " already")
	}
	c.signal = signal
	return c
}

// Signal returns the channel of a signal as an ordinary channel, which is never closed. It
// has room for 64 signals; more of them come into it as soon as the workflow waits. A name
// has one channel, and so one T: anything else is a panic.
func Signal[T any](ctx Context, name string) <-chan T {
	r := runOf(ctx)
	taker, _ := r.TakeSignal(name, "", func() (any, func([]flow.Payload) bool) {
		c := make(chan T, 64)
		return c, func(args []flow.Payload) bool {
			if len(c) == cap(c) {
				return false
			}
			var v T
			if len(args) > 0 {
				if err := args[0].Decode(&v); err != nil {
					corrupt(r, name, err)
					return true
				}
			}
			c <- v
			return true
		}
	})
	c, ok := taker.(chan T)
	if !ok {
		panic("workflow.Signal: the signal " + name + " is taken in another way already")
	}
	return c
}

// GetUnhandledSignalNames returns the names of signals that have come and that nobody has
// asked for.
func GetUnhandledSignalNames(ctx Context) []string { return runOf(ctx).Unhandled() }
