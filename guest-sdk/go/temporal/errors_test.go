package temporal_test

import (
	"errors"
	"fmt"
	"io"
	"testing"
	"time"

	"github.com/wasmworker/wasmworker/guest-sdk/go/converter"
	"github.com/wasmworker/wasmworker/guest-sdk/go/temporal"
)

func TestApplicationError(t *testing.T) {
	err := temporal.NewApplicationErrorWithOptions("declined", "Card", temporal.ApplicationErrorOptions{
		NonRetryable:   true,
		Cause:          io.EOF,
		Details:        []any{51, "text", nil},
		NextRetryDelay: time.Second,
		Category:       temporal.ApplicationErrorCategoryBenign,
	})
	var e *temporal.ApplicationError
	if !errors.As(err, &e) || !errors.Is(err, io.EOF) || !temporal.IsApplicationError(fmt.Errorf("x: %w", err)) {
		t.Fatal(err)
	}
	if e.Message() != "declined" || e.Type() != "Card" || !e.NonRetryable() || e.NextRetryDelay() != time.Second ||
		e.Category() != temporal.ApplicationErrorCategoryBenign || !e.HasDetails() || e.Unwrap() != io.EOF {
		t.Errorf("%#v", e)
	}
	if got := err.Error(); got != "declined (type: Card, retryable: false): EOF" {
		t.Error(got)
	}
	var code int
	var text string
	var nothing any = 1
	if err := e.Details(&code, &text, &nothing); err != nil || code != 51 || text != "text" || nothing != nil {
		t.Error(code, text, nothing, err)
	}
	for _, bad := range [][]any{{&text}, {&code, &text, &nothing, &code}, {code}} {
		if err := e.Details(bad...); err == nil {
			t.Errorf("%v took the details", bad)
		}
	}

	for _, test := range []struct {
		err       error
		retryable bool
		cause     error
	}{
		{temporal.NewApplicationError("m", "T", 1), true, nil},
		{temporal.NewApplicationErrorWithCause("m", "T", io.EOF, 1), true, io.EOF},
		{temporal.NewNonRetryableApplicationError("m", "T", nil, 1), false, nil},
	} {
		e := test.err.(*temporal.ApplicationError)
		if e.NonRetryable() == test.retryable || e.Unwrap() != test.cause || e.Details(&code) != nil || code != 1 {
			t.Errorf("%#v", e)
		}
	}
	if err := temporal.NewApplicationError("m", ""); err.Error() != "m" || err.(*temporal.ApplicationError).Details(&code) != temporal.ErrNoData {
		t.Error(err)
	}
}

func TestDetailsOfAnotherError(t *testing.T) {
	values := converter.NewValues(&converter.Payload{Metadata: map[string][]byte{"encoding": []byte("json/plain")}, Data: []byte("7")})
	e := temporal.NewApplicationError("m", "T", values).(*temporal.ApplicationError)
	var n int
	if err := e.Details(&n); err != nil || n != 7 {
		t.Error(n, err)
	}
}

func TestCanceledError(t *testing.T) {
	err := temporal.NewCanceledError("half")
	var text string
	if !temporal.IsCanceledError(fmt.Errorf("x: %w", err)) || err.Error() != "canceled" ||
		!err.(*temporal.CanceledError).HasDetails() || err.(*temporal.CanceledError).Details(&text) != nil || text != "half" {
		t.Error(err, text)
	}
	err = temporal.NewCanceledErrorWithOptions(temporal.CanceledErrorOptions{Message: "enough", Cause: io.EOF})
	if err.Error() != "enough" || !errors.Is(err, io.EOF) || err.(*temporal.CanceledError).HasDetails() {
		t.Error(err)
	}
	if temporal.IsCanceledError(io.EOF) || temporal.IsApplicationError(nil) || temporal.IsPanicError(io.EOF) {
		t.Error("an error was taken for another")
	}
}

func ExampleNewNonRetryableApplicationError() {
	err := temporal.NewNonRetryableApplicationError("card declined", "CardDeclined", nil, map[string]int{"code": 51})
	fmt.Println(err)
	// Output: card declined (type: CardDeclined, retryable: false)
}
