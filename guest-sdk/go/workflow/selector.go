package workflow

import (
	"reflect"
)

// Selector waits for the first of several things, and then calls the function that belongs
// to it. Of several that are ready it takes the one that was added first.
type Selector interface {
	// AddReceive adds a channel. f receives from c itself, and must.
	AddReceive(c ReceiveChannel, f func(c ReceiveChannel, more bool)) Selector
	// AddSend adds the sending of a value.
	AddSend(c SendChannel, v any, f func()) Selector
	// AddFuture adds a future. It counts once.
	AddFuture(future Future, f func(f Future)) Selector
	// AddDefault adds what is done if nothing is ready.
	AddDefault(f func())
	// Select waits and calls one of the functions.
	Select(ctx Context)
	// HasPending tells whether Select would not wait, defaults left aside. Of the channels
	// that are sent to only those with a buffer count.
	HasPending() bool
}

// NewSelector returns a selector.
func NewSelector(ctx Context) Selector { return &selector{} }

// NewNamedSelector is NewSelector. The name is not used.
func NewNamedSelector(ctx Context, name string) Selector { return NewSelector(ctx) }

type selector struct {
	cases     []*selection
	otherwise func()
}

// selection is one of receive, send and future.
type selection struct {
	receive  *channel
	received func(c ReceiveChannel, more bool)
	send     *channel
	value    any
	sent     func()
	future   Future
	resolved func(f Future)
	over     bool
}

func (s *selector) AddReceive(c ReceiveChannel, f func(c ReceiveChannel, more bool)) Selector {
	s.cases = append(s.cases, &selection{receive: c.(*channel), received: f})
	return s
}

func (s *selector) AddSend(c SendChannel, v any, f func()) Selector {
	s.cases = append(s.cases, &selection{send: c.(*channel), value: v, sent: f})
	return s
}

func (s *selector) AddFuture(future Future, f func(f Future)) Selector {
	s.cases = append(s.cases, &selection{future: future, resolved: f})
	return s
}

func (s *selector) AddDefault(f func()) { s.otherwise = f }

func (s *selector) HasPending() bool {
	for _, c := range s.cases {
		switch {
		case c.over:
		case c.receive != nil && c.receive.ready(),
			c.send != nil && len(c.send.c) < cap(c.send.c),
			c.future != nil && c.future.IsReady():
			return true
		}
	}
	return false
}

func (s *selector) Select(ctx Context) {
	for _, c := range s.cases {
		switch {
		case c.over:
		case c.receive != nil && c.receive.ready():
			c.call()
			return
		case c.send != nil && c.send.SendAsync(c.value):
			c.call()
			return
		case c.future != nil && c.future.IsReady():
			c.call()
			return
		}
	}
	if s.otherwise != nil {
		s.otherwise()
		return
	}
	s.wait().call()
}

// wait waits for one of the cases, none of which is ready.
func (s *selector) wait() *selection {
	var cases []reflect.SelectCase
	var of []*selection
	for _, c := range s.cases {
		if c.over {
			continue
		}
		of = append(of, c)
		switch {
		case c.receive != nil:
			cases = append(cases, reflect.SelectCase{Dir: reflect.SelectRecv, Chan: reflect.ValueOf(c.receive.c)})
		case c.send != nil:
			value := reflect.New(reflect.TypeFor[any]()).Elem()
			if c.value != nil {
				value.Set(reflect.ValueOf(c.value))
			}
			cases = append(cases, reflect.SelectCase{Dir: reflect.SelectSend, Chan: reflect.ValueOf(c.send.c), Send: value})
		default:
			cases = append(cases, reflect.SelectCase{Dir: reflect.SelectRecv, Chan: reflect.ValueOf(c.future.Done())})
		}
	}
	i, v, more := reflect.Select(cases)
	if c := of[i].receive; c != nil {
		c.took(more)
		if more {
			c.peeked = append(c.peeked, v.Interface())
		}
	}
	return of[i]
}

func (c *selection) call() {
	switch {
	case c.receive != nil:
		if c.received != nil {
			c.received(c.receive, len(c.receive.peeked) > 0)
		}
	case c.send != nil:
		if c.sent != nil {
			c.sent()
		}
	default:
		c.over = true
		if c.resolved != nil {
			c.resolved(c.future)
		}
	}
}
