package host

import "go.temporal.io/sdk/temporal"

// seal hides the causes of a failure, if there is a cancellation among them: the SDK would
// make the run a canceled one then, and the guest says that it has failed. What is hidden
// is still in the failure that the server gets.
func (r *workflowRun) seal(failure error) error {
	if !temporal.IsCanceledError(failure) {
		return failure
	}
	if _, itself := failure.(*temporal.CanceledError); itself {
		converter := r.env.GetFailureConverter()
		failure = converter.FailureToError(converter.ErrorToFailure(temporal.NewApplicationErrorWithCause(failure.Error(), "CanceledError", failure)))
	}
	switch e := failure.(type) {
	case *temporal.ApplicationError:
		return sealedApplication{e}
	case *temporal.ActivityError:
		return sealedActivity{e}
	case *temporal.ChildWorkflowExecutionError:
		return sealedChild{e}
	case *temporal.TimeoutError:
		return sealedTimeout{e}
	case *temporal.ServerError:
		return sealedServer{e}
	}
	return failure
}

// The SDK finds in each of them the failure that it was made of.
type (
	sealedApplication struct{ *temporal.ApplicationError }
	sealedActivity    struct{ *temporal.ActivityError }
	sealedChild       struct {
		*temporal.ChildWorkflowExecutionError
	}
	sealedTimeout struct{ *temporal.TimeoutError }
	sealedServer  struct{ *temporal.ServerError }
)

func (sealedApplication) Unwrap() error { return nil }
func (sealedActivity) Unwrap() error    { return nil }
func (sealedChild) Unwrap() error       { return nil }
func (sealedTimeout) Unwrap() error     { return nil }
func (sealedServer) Unwrap() error      { return nil }

// As finds the application error itself, for the SDK's metrics and for [WorkflowEnd].
func (s sealedApplication) As(target any) bool {
	e, ok := target.(**temporal.ApplicationError)
	if ok {
		*e = s.ApplicationError
	}
	return ok
}
