package sqlite

import (
	"context"
	"time"

	sqlite3 "modernc.org/sqlite/lib"

	"github.com/wasmworker/wasmworker/host/passthrough/sqlmod"
)

// SQLite looks whether it is interrupted between the steps of a statement, and a step may
// be the call of a function on long texts. So SQLite runs on a goroutine of the
// connection's own, and who waits for it does not wait for long once the context is done.
const (
	interruptAgain = 5 * time.Millisecond  // since SQLite forgets an interrupt that comes right before a statement begins
	refuseAfter    = 20 * time.Millisecond // allocations, which ends what does not look for interrupts
	abandonAfter   = 60 * time.Millisecond
)

// errLost is the error of a connection that was left to itself.
var errLost = &sqlmod.Error{Message: "the session is still busy with what was canceled; its transaction is rolled back"}

// runner runs functions one after the other.
type runner struct {
	calls chan func()
	done  chan any // what the function panicked with
	lost  bool     // a function still runs, or has panicked
	// interrupted tells that the last function was to end. SQLite may not have noticed: then
	// it interrupts the next step of the statements that are open.
	interrupted bool
}

func startRunner() *runner {
	r := &runner{calls: make(chan func()), done: make(chan any, 1)}
	go func() {
		for f := range r.calls {
			r.done <- caught(f)
		}
	}()
	return r
}

func caught(f func()) (panicked any) {
	defer func() { panicked = recover() }()
	f()
	return nil
}

// do runs f, which uses SQLite. It returns an error if f has not ended: then f's results
// must not be looked at, and the connection is of no use any more.
func (c *conn) do(ctx context.Context, f func()) error {
	if c.lost {
		return errLost
	}
	c.interrupted = false
	c.calls <- f
	select {
	case panicked := <-c.done:
		c.passOn(panicked)
		return nil
	case <-ctx.Done():
		return c.interrupt(ctx)
	}
}

// passOn panics again where the panic is expected.
func (c *conn) passOn(panicked any) {
	if panicked != nil {
		c.lost = true
		c.done <- nil // for Close
		panic(panicked)
	}
}

// interrupt makes SQLite end what it does, or leaves it to itself.
func (c *conn) interrupt(ctx context.Context) error {
	c.interrupted = true
	for begin := time.Now(); ; {
		sqlite3.Xsqlite3_interrupt(c.aside, c.db)
		if time.Since(begin) > refuseAfter {
			c.memory.refuses.Store(true)
		}
		select {
		case panicked := <-c.done:
			c.memory.refuses.Store(false)
			c.passOn(panicked)
			return nil
		case <-time.After(interruptAgain):
		}
		if time.Since(begin) > abandonAfter {
			c.lost = true
			return ctx.Err()
		}
	}
}

// stop ends the goroutine, and waits for what it does.
func (r *runner) stop() {
	if r.lost {
		<-r.done
	}
	close(r.calls)
}
