// Greet is the smallest useful activity: JSON in, JSON out, one kind of failure.
package main

import (
	"context"
	"runtime"

	"github.com/wasmworker/wasmworker/guest-sdk/go/activity"
	"github.com/wasmworker/wasmworker/guest-sdk/go/temporal"
)

// Input is the activity's argument.
type Input struct {
	Name string `json:"name"`
}

// Output is the activity's result.
type Output struct {
	Greeting string `json:"greeting"`
	Attempt  int32  `json:"attempt"`
	RunsOn   string `json:"runs_on"`
}

// Greet greets somebody by name.
func Greet(ctx context.Context, in Input) (Output, error) {
	if in.Name == "" {
		return Output{}, temporal.NewNonRetryableApplicationError("whom shall I greet? the name is empty", "EmptyName", nil)
	}
	activity.GetLogger(ctx).Info("greeting", "name", in.Name)
	return Output{
		Greeting: "Hello, " + in.Name + "!",
		Attempt:  activity.GetInfo(ctx).Attempt,
		RunsOn:   runtime.GOOS + "/" + runtime.GOARCH,
	}, nil
}

//go:wasmexport Greet
func greet() int32 { return activity.Run(Greet) }

func init() { activity.Prepare(Greet) }

func main() {}
