//go:build wasip1

// The Go guest of the benchmarks.
package main

import (
	"context"

	"github.com/wasmworker/wasmworker/bench/order"
	"github.com/wasmworker/wasmworker/guest-sdk/go/activity"
	"github.com/wasmworker/wasmworker/guest-sdk/go/converter"
)

func main() {}

func init() { activity.Prepare(order.Price, order.Greet) }

//go:wasmexport Greet
func greet() int32 { return activity.Run(order.Greet) }

//go:wasmexport Price
func price() int32 { return activity.Run(order.Price) }

//go:wasmexport Hold
func hold() int32 { return activity.Run(Hold) }

// Hold is Price after a heartbeat, in which the host can hold it up.
func Hold(ctx context.Context, o order.Order) (order.Invoice, error) {
	activity.RecordHeartbeat(ctx)
	return order.Price(ctx, o)
}

//go:wasmexport Echo
func echo() int32 {
	return activity.Run(func(v converter.RawValue) (converter.RawValue, error) { return v, nil })
}
