package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync/atomic"
	"time"

	"go.temporal.io/api/serviceerror"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/temporal"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// waiter waits for an activity's result, however long that takes, and while the server is
// away too.
type waiter struct {
	output   io.Writer
	activity string // its id
	lost     atomic.Bool
}

// watch is a gRPC interceptor. It tells the waiter at once that the connection is lost.
// The SDK retries for a minute before it returns an error.
func (w *waiter) watch(ctx context.Context, method string, request, reply any, conn *grpc.ClientConn, invoke grpc.UnaryInvoker, options ...grpc.CallOption) error {
	err := invoke(ctx, method, request, reply, conn, options...)
	switch {
	case !strings.HasSuffix(method, "/PollActivityExecution"):
	case err == nil:
		w.lost.Store(false)
	case status.Code(err) == codes.Unavailable && ctx.Err() == nil:
		w.tell()
	}
	return err
}

func (w *waiter) tell() {
	if !w.lost.Swap(true) {
		fmt.Fprintf(w.output, "wasmworker: the connection to the Temporal server is lost: waiting for it, and for activity %s; Ctrl-C twice stops waiting\n", w.activity)
	}
}

// wait blocks until the result or the reason for its absence is known, or ctx ends.
func (w *waiter) wait(ctx context.Context, handle client.ActivityHandle, result any) error {
	return w.retry(ctx, func() error { return handle.Get(ctx, result) })
}

// cancel blocks until the activity's cancellation has been requested or refused, or ctx
// ends.
func (w *waiter) cancel(ctx context.Context, handle client.ActivityHandle) error {
	return w.retry(ctx, func() error {
		attempt, stop := context.WithTimeout(ctx, 10*time.Second)
		defer stop()
		return handle.Cancel(attempt, client.CancelActivityOptions{Reason: "wasmworker execute was told to stop"})
	})
}

// retry calls the server until it answers, or ctx ends.
func (w *waiter) retry(ctx context.Context, call func() error) error {
	for {
		err := call()
		if err == nil || ctx.Err() != nil || !isConnectionError(err) {
			return err
		}
		w.tell()
		select {
		case <-ctx.Done():
			return err
		case <-time.After(time.Second):
		}
	}
}

// isConnectionError reports whether an error comes from the connection, or from a server
// that is stopping or starting. Any other error is the activity's outcome, or would be
// the server's answer again.
func isConnectionError(err error) bool {
	if service, ok := errors.AsType[serviceerror.ServiceError](err); ok {
		switch service.Status().Code() {
		case codes.Unavailable, codes.DeadlineExceeded, codes.ResourceExhausted, codes.Aborted, codes.Internal, codes.Unknown, codes.Canceled:
			return true
		}
		return false
	}
	return errors.Is(err, context.DeadlineExceeded) && !temporal.IsTimeoutError(err)
}
