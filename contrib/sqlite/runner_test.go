package sqlite

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"

	"github.com/wasmworker/wasmworker/host/passthrough/sqlmod"
)

// endingContext is a context that has ended once somebody has seen that it had not.
type endingContext struct {
	context.Context
	seen atomic.Bool
}

func (c *endingContext) Done() <-chan struct{} {
	done := make(chan struct{})
	close(done)
	return done
}

func (c *endingContext) Err() error {
	if c.seen.Swap(true) {
		return context.DeadlineExceeded
	}
	return nil
}

// A call whose time is over in the moment in which it has its rows has them, or fails. It
// does not interrupt a later call for the rest of them, nor what the session does then.
func TestInterruptIsForOneCall(t *testing.T) {
	c := connection(t)
	defer c.Close()
	failed := 0
	for range 200 {
		rows, err := c.Query(t.Context(), &sqlmod.Statement{SQL: "SELECT value FROM json_each('[1,2,3]')", MaxRow: 1 << 20})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := rows.Next(t.Context()); err != nil {
			t.Fatal(err)
		}
		switch _, err := rows.Next(&endingContext{Context: t.Context()}); {
		case err == nil:
			if _, err := rows.Next(t.Context()); err != nil {
				t.Fatalf("a later call: %v", err)
			}
		case errors.Is(err, context.DeadlineExceeded):
			failed++
		default:
			t.Fatal(err)
		}
		if err := rows.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if failed == 0 {
		t.Error("no call was interrupted")
	}
}
