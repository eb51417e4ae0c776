// Activities for the tests of the host, in the way a user would write them.
package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/wasmworker/wasmworker/guest-sdk/go/activity"
	"github.com/wasmworker/wasmworker/guest-sdk/go/converter"
	"github.com/wasmworker/wasmworker/guest-sdk/go/temporal"
)

func main() {}

// Span is when an activity ran, in nanoseconds of the host's clock.
type Span struct {
	Start, End int64
	Calls      int // calls of this instance so far
}

var calls int

//go:wasmexport Work
func work() int32 { return activity.Run(Work) }

// Work takes the given time and ignores whatever it is asked meanwhile. If it takes
// long, it first says by a heartbeat that it is running.
func Work(ctx context.Context, ms int) (Span, error) {
	calls++
	if ms >= 1000 {
		activity.RecordHeartbeat(ctx, "running")
	}
	span := Span{Start: time.Now().UnixNano(), Calls: calls}
	time.Sleep(time.Duration(ms) * time.Millisecond)
	span.End = time.Now().UnixNano()
	return span, nil
}

//go:wasmexport Stubborn
func stubborn() int32 { return activity.Run(Stubborn) }

// Stubborn heartbeats its progress, and computes for good in its first attempt. Later
// attempts return the progress that they were handed.
func Stubborn(ctx context.Context) (int, error) {
	if activity.HasHeartbeatDetails(ctx) {
		var progress int
		err := activity.GetHeartbeatDetails(ctx, &progress)
		return progress, err
	}
	for i := 1; ; i++ {
		if i <= 42 {
			activity.RecordHeartbeat(ctx, i)
		}
	}
}

//go:wasmexport Sleeper
func sleeper() int32 { return activity.Run(Sleeper) }

// Sleeper never heartbeats and sleeps until it is asked to stop.
func Sleeper(ctx context.Context) error {
	<-ctx.Done()
	return ctx.Err()
}

//go:wasmexport Deaf
func deaf() int32 { return activity.Run(Deaf) }

// Deaf computes for good, whatever it is asked.
func Deaf() error {
	//lint:ignore SA5002 that is what it is for
	for {
	}
}

//go:wasmexport Steps
func steps() int32 { return activity.Run(Steps) }

// Steps takes n steps of 50 ms and heartbeats each. It resumes where the last attempt
// was, and returns where it began.
func Steps(ctx context.Context, n int) (int, error) {
	begin := 0
	if activity.HasHeartbeatDetails(ctx) {
		if err := activity.GetHeartbeatDetails(ctx, &begin); err != nil {
			return 0, err
		}
	}
	for i := begin; i < n; i++ {
		time.Sleep(50 * time.Millisecond)
		activity.RecordHeartbeat(ctx, i+1)
	}
	return begin, nil
}

//go:wasmexport Cleanup
func cleanup() int32 { return activity.Run(Cleanup) }

// Cleanup heartbeats until it is cancelled and then reports what it cleaned up.
func Cleanup(ctx context.Context) error {
	for ctx.Err() == nil {
		activity.RecordHeartbeat(ctx)
		time.Sleep(20 * time.Millisecond)
	}
	return temporal.NewCanceledError("cleaned up")
}

//go:wasmexport FailLater
func failLater() int32 { return activity.Run(FailLater) }

// FailLater fails for good after the given time.
func FailLater(ctx context.Context, ms int) error {
	activity.RecordHeartbeat(ctx, "running")
	time.Sleep(time.Duration(ms) * time.Millisecond)
	return temporal.NewNonRetryableApplicationError("it is too late", "TooLate", nil)
}

//go:wasmexport Farewell
func farewell() int32 { return activity.Run(Farewell) }

// Farewell takes its time to clean up once it is cancelled, and says when it begins.
func Farewell(ctx context.Context, ms int) error {
	for ctx.Err() == nil {
		activity.RecordHeartbeat(ctx, "running")
		time.Sleep(20 * time.Millisecond)
	}
	activity.GetLogger(ctx).Info("cleaning up")
	time.Sleep(time.Duration(ms) * time.Millisecond)
	return temporal.NewCanceledError("farewell")
}

//go:wasmexport Fail
func fail() int32 { return activity.Run(Fail) }

// Fail fails in the way it is asked to.
func Fail(kind string) error {
	cause := fmt.Errorf("outer: %w", temporal.NewApplicationError("the root", "Root"))
	switch kind {
	case "plain":
		return errors.New("plain text")
	case "typed":
		return temporal.NewApplicationError("declined", "CardDeclined", map[string]int{"code": 51}, "second")
	case "final":
		return temporal.NewNonRetryableApplicationError("no such card", "NoCard", cause)
	case "later":
		return temporal.NewApplicationErrorWithOptions("try later", "Busy", temporal.ApplicationErrorOptions{NextRetryDelay: 123 * time.Second})
	case "benign":
		return temporal.NewApplicationErrorWithOptions("nothing to see", "Benign", temporal.ApplicationErrorOptions{Category: temporal.ApplicationErrorCategoryBenign})
	case "panic":
		panic("oh no")
	case "exit":
		fmt.Fprintln(os.Stderr, "last words")
		os.Exit(9)
	case "memory":
		var hoard [][]byte
		for {
			//lint:ignore SA4010 it takes memory, and nothing else
			hoard = append(hoard, bytes.Repeat([]byte{1}, 8<<20))
		}
	}
	return nil
}

//go:wasmexport Echo
func echo() int32 { return activity.Run(Echo) }

// Echo returns its first argument untouched.
func Echo(args ...converter.RawValue) (converter.RawValue, error) {
	if len(args) == 0 {
		return converter.RawValue{}, errors.New("nothing to echo")
	}
	return args[0], nil
}

//go:wasmexport Describe
func describe() int32 { return activity.Run(Describe) }

// Describe says what it was given, as a guest sees it.
func Describe(args ...converter.RawValue) ([]string, error) {
	described := []string{}
	for _, a := range args {
		p := a.Payload()
		described = append(described, fmt.Sprintf("%s:%s", p.Metadata["encoding"], p.Data))
	}
	return described, nil
}

//go:wasmexport Nothing
func nothing() int32 { return activity.Run(Nothing) }

// Nothing has no result.
func Nothing() error { return nil }

//go:wasmexport Bytes
func bytesOf() int32 { return activity.Run(Bytes) }

// Bytes returns n bytes.
func Bytes(n int) ([]byte, error) { return make([]byte, n), nil }

//go:wasmexport Labelled
func labelled() int32 { return activity.Run(Labelled) }

// Labelled returns bytes with a metadata entry "label", both of the given lengths.
func Labelled(data, label int) (converter.RawValue, error) {
	metadata := map[string][]byte{"encoding": []byte("binary/plain")}
	if label > 0 {
		metadata["label"] = bytes.Repeat([]byte("l"), label)
	}
	return converter.NewRawValue(&converter.Payload{Metadata: metadata, Data: make([]byte, data)}), nil
}

//go:wasmexport Hoard
func hoard() int32 { return activity.Run(Hoard) }

// Hoard heartbeats n bytes, and computes for good in its first attempt. Later attempts
// return how many bytes they were handed.
func Hoard(ctx context.Context, n int) (int, error) {
	if activity.HasHeartbeatDetails(ctx) {
		var progress []byte
		err := activity.GetHeartbeatDetails(ctx, &progress)
		return len(progress), err
	}
	activity.RecordHeartbeat(ctx, make([]byte, n))
	//lint:ignore SA5002 that is what it is for
	for {
	}
}

//go:wasmexport Leave
func leave() int32 { return activity.Run(Leave) }

// Leave heartbeats until it is cancelled and then leaves n bytes behind.
func Leave(ctx context.Context, n int) error {
	for ctx.Err() == nil {
		activity.RecordHeartbeat(ctx)
		time.Sleep(20 * time.Millisecond)
	}
	return temporal.NewCanceledError(make([]byte, n))
}

//go:wasmexport FailAtLength
func failAtLength() int32 { return activity.Run(FailAtLength) }

// FailAtLength fails with a message, a detail, and a cause, each of n bytes.
func FailAtLength(n int) error {
	text := string(bytes.Repeat([]byte("m"), n))
	return temporal.NewApplicationErrorWithOptions("begin "+text, "Long", temporal.ApplicationErrorOptions{
		Details: []any{text}, Cause: temporal.NewApplicationError("cause "+text, "Root"), NextRetryDelay: time.Millisecond,
	})
}

//go:wasmexport Deceive
func deceive() int32 { return activity.Run(Deceive) }

// Deceive puts a text wherever a guest can put one that people read, and fails.
func Deceive(ctx context.Context, text string) error {
	activity.GetLogger(ctx).Warn(text, text, text)
	activity.RecordHeartbeat(ctx, text)
	fmt.Println(text)
	fmt.Fprintln(os.Stderr, text)
	return temporal.NewApplicationErrorWithOptions("message "+text, "Type"+text, temporal.ApplicationErrorOptions{
		Details: []any{text}, Cause: temporal.NewApplicationError("cause "+text, "Root"+text), NonRetryable: true,
	})
}

//go:wasmexport Text
func text() int32 { return activity.Run(Text) }

// Text returns a text as bytes.
func Text(text string) ([]byte, error) { return []byte(text), nil }

//go:wasmexport Info
func info() int32 { return activity.Run(Info) }

// Info returns what it is told about itself.
func Info(ctx context.Context) (activity.Info, error) { return activity.GetInfo(ctx), nil }

//go:wasmexport Getenv
func getenv() int32 { return activity.Run(Getenv) }

// Getenv returns an environment variable.
func Getenv(name string) (string, error) { return os.Getenv(name), nil }

//go:wasmexport Log
func log() int32 { return activity.Run(Log) }

// Log logs.
func Log(ctx context.Context, text string) error {
	activity.GetLogger(ctx).Warn(text, "answer", 42)
	fmt.Println("printed", text)
	return nil
}
