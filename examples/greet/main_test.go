package main

import (
	"errors"
	"runtime"
	"testing"

	"github.com/wasmworker/wasmworker/guest-sdk/go/activity"
	"github.com/wasmworker/wasmworker/guest-sdk/go/temporal"
	"github.com/wasmworker/wasmworker/guest-sdk/go/testsuite"
)

func TestGreet(t *testing.T) {
	env := testsuite.NewTestActivityEnvironment().SetInfo(func(info *activity.Info) { info.Attempt = 2 })
	value, err := env.ExecuteActivity(Greet, Input{Name: "Ada"})
	if err != nil {
		t.Fatal(err)
	}
	var out Output
	if err := value.Get(&out); err != nil {
		t.Fatal(err)
	}
	if want := (Output{"Hello, Ada!", 2, runtime.GOOS + "/" + runtime.GOARCH}); out != want {
		t.Errorf("got %+v, want %+v", out, want)
	}
}

func TestEmptyName(t *testing.T) {
	for _, args := range [][]any{{Input{}}, {nil}, {}} {
		_, err := testsuite.NewTestActivityEnvironment().ExecuteActivity(Greet, args...)
		var e *temporal.ApplicationError
		if !errors.As(err, &e) || e.Type() != "EmptyName" || !e.NonRetryable() {
			t.Errorf("%v gave %v", args, err)
		}
	}
}
