// Package main has activities that call passthrough modules, for the tests of records.
package main

import (
	"context"
	"os"

	"github.com/wasmworker/wasmworker/guest-sdk/go/activity"
	"github.com/wasmworker/wasmworker/guest-sdk/go/passthrough/http"
	"github.com/wasmworker/wasmworker/guest-sdk/go/passthrough/secret"
	"github.com/wasmworker/wasmworker/guest-sdk/go/temporal"
)

func main() {}

//go:wasmexport Fetch
func fetch() int32 { return activity.Run(Fetch) }

// Fetch returns what a service says. The worker puts a secret into the request.
func Fetch(ctx context.Context, url string) (string, error) {
	response, err := http.Do(ctx, http.Request{URL: url})
	if err != nil {
		return "", err
	}
	return string(response.Body), nil
}

//go:wasmexport Sign
func sign() int32 { return activity.Run(Sign) }

// Sign sends a secret that it was told, with what is in its environment.
func Sign(ctx context.Context, url, name string) (string, error) {
	key, err := secret.Reveal(name)
	if err != nil {
		return "", err
	}
	response, err := http.Do(ctx, http.Request{Method: "POST", URL: url, Body: []byte(key + "\n" + os.Getenv("REGION"))})
	if err != nil {
		return "", err
	}
	return string(response.Body), nil
}

//go:wasmexport Fail
func fail() int32 { return activity.Run(Fail) }

// Fail fails with a type.
func Fail(kind string) error { return temporal.NewApplicationError("it failed", kind) }

//go:wasmexport Count
func count() int32 { return activity.Run(Count) }

// Count heartbeats as it counts.
func Count(ctx context.Context, n int) (int, error) {
	for i := range n {
		activity.RecordHeartbeat(ctx, i+1)
	}
	return n, nil
}

//go:wasmexport Wait
func wait() int32 { return activity.Run(Wait) }

// Wait heartbeats until it is asked to end.
func Wait(ctx context.Context) error {
	for ctx.Err() == nil {
		activity.RecordHeartbeat(ctx, "waiting")
	}
	return temporal.NewCanceledError("cleaned up")
}
