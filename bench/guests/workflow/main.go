//go:build wasip1

// The workflows in Go that are measured beside those in Rust of testdata/workflows/rust.
package main

import (
	"time"

	"github.com/wasmworker/wasmworker/guest-sdk/go/workflow"
)

//go:wasmexport Loop
func loop() int32 { return workflow.Run(Loop) }

// Loop calls an activity so often, one call after the other.
func Loop(ctx workflow.Context, times uint64) (uint64, error) {
	ctx = workflow.WithActivityOptions(ctx, workflow.ActivityOptions{StartToCloseTimeout: time.Minute})
	sum := uint64(0)
	for n := range times {
		var got uint64
		if err := workflow.ExecuteActivity(ctx, "echo", n).Get(ctx, &got); err != nil {
			return 0, err
		}
		sum += got
	}
	return sum, nil
}

//go:wasmexport Counter
func counter() int32 { return workflow.Run(Counter) }

// Counter adds what signals say, and answers queries for it.
func Counter(ctx workflow.Context, total int64) (int64, error) {
	err := workflow.SetQueryHandler(ctx, "total", func() (int64, error) { return total, nil })
	for err == nil {
		var n int64
		workflow.GetSignalChannel(ctx, "add").Receive(ctx, &n)
		total += n
	}
	return total, err
}

func main() {}
