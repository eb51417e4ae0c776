package activity_test

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/wasmworker/wasmworker/guest-sdk/go/activity"
	"github.com/wasmworker/wasmworker/guest-sdk/go/temporal"
	"github.com/wasmworker/wasmworker/guest-sdk/go/testsuite"
)

type Order struct {
	ID    string `json:"id"`
	Items []int  `json:"items"`
}

// In package main of a module, this is all that makes Charge an activity:
//
//	//go:wasmexport Charge
//	func charge() int32 { return activity.Run(Charge) }
func Charge(ctx context.Context, order Order) (int, error) {
	if order.ID == "" {
		return 0, temporal.NewNonRetryableApplicationError("an order needs an ID", "BadOrder", nil)
	}
	activity.GetLogger(ctx).Debug("charging", "order", order.ID, "attempt", activity.GetInfo(ctx).Attempt)
	sum := 0
	for _, price := range order.Items {
		sum += price
	}
	return sum, nil
}

func Example() {
	env := testsuite.NewTestActivityEnvironment()
	value, err := env.ExecuteActivity(Charge, Order{ID: "17", Items: []int{10, 20}})
	if err != nil {
		panic(err)
	}
	var sum int
	if err := value.Get(&sum); err != nil {
		panic(err)
	}
	fmt.Println(sum)

	_, err = env.ExecuteActivity(Charge, Order{})
	fmt.Println(err)
	// Output:
	// 30
	// an order needs an ID (type: BadOrder, retryable: false)
}

// An activity that goes on where the attempt before has stopped, and stops when it
// is asked to.
func ExampleRecordHeartbeat() {
	count := func(ctx context.Context, to int) (int, error) {
		at := 0
		if err := activity.GetHeartbeatDetails(ctx, &at); err != nil && err != temporal.ErrNoData {
			return 0, err
		}
		for ; at < to; at++ {
			activity.RecordHeartbeat(ctx, at)
			if err := ctx.Err(); err != nil {
				return 0, err
			}
		}
		return at, nil
	}

	env := testsuite.NewTestActivityEnvironment()
	env.SetHeartbeatDetails(7)
	value, _ := env.ExecuteActivity(count, 10)
	var n int
	_ = value.Get(&n)
	fmt.Println(n)

	env.RequestCancel()
	_, err := env.ExecuteActivity(count, 10)
	fmt.Println(temporal.IsCanceledError(err))
	// Output:
	// 10
	// true
}

// An activity that tells apart why it has to stop.
func ExampleErrWorkerShutdown() {
	wait := func(ctx context.Context) (string, error) {
		select {
		case <-time.After(time.Hour):
			return "waited", nil
		case <-ctx.Done():
			switch cause := context.Cause(ctx); {
			case temporal.IsCanceledError(cause):
				return "", temporal.NewCanceledError("not done yet")
			case cause == activity.ErrWorkerShutdown:
				// becomes a WorkerShutdown failure, for another worker to retry
				return "", ctx.Err()
			default:
				return "", ctx.Err()
			}
		}
	}

	env := testsuite.NewTestActivityEnvironment()
	time.AfterFunc(time.Millisecond, env.StopWorker)
	_, err := env.ExecuteActivity(wait)
	var e *temporal.ApplicationError
	if errors.As(err, &e) {
		fmt.Println(e.Type(), e.NonRetryable())
	}
	// Output: WorkerShutdown false
}
