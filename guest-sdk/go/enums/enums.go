// Package enums has the enumerations of go.temporal.io/api/enums/v1 that workflows use,
// under the same names.
package enums

// ParentClosePolicy is what happens to a child workflow when its parent ends.
type ParentClosePolicy int32

// The policies. Unspecified is terminate.
const (
	PARENT_CLOSE_POLICY_UNSPECIFIED ParentClosePolicy = iota
	PARENT_CLOSE_POLICY_TERMINATE
	PARENT_CLOSE_POLICY_ABANDON
	PARENT_CLOSE_POLICY_REQUEST_CANCEL
)

// String returns the policy's name.
func (p ParentClosePolicy) String() string {
	return name(int32(p), "Unspecified", "Terminate", "Abandon", "RequestCancel")
}

// WorkflowIdReusePolicy tells whether a workflow ID may be used again after a workflow of
// that ID has ended.
type WorkflowIdReusePolicy int32

// The policies. Unspecified is allow-duplicate.
const (
	WORKFLOW_ID_REUSE_POLICY_UNSPECIFIED WorkflowIdReusePolicy = iota
	WORKFLOW_ID_REUSE_POLICY_ALLOW_DUPLICATE
	WORKFLOW_ID_REUSE_POLICY_ALLOW_DUPLICATE_FAILED_ONLY
	WORKFLOW_ID_REUSE_POLICY_REJECT_DUPLICATE
)

// String returns the policy's name.
func (p WorkflowIdReusePolicy) String() string {
	return name(int32(p), "Unspecified", "AllowDuplicate", "AllowDuplicateFailedOnly", "RejectDuplicate")
}

// TimeoutType is which timeout has passed.
type TimeoutType int32

// The timeouts.
const (
	TIMEOUT_TYPE_UNSPECIFIED TimeoutType = iota
	TIMEOUT_TYPE_START_TO_CLOSE
	TIMEOUT_TYPE_SCHEDULE_TO_START
	TIMEOUT_TYPE_SCHEDULE_TO_CLOSE
	TIMEOUT_TYPE_HEARTBEAT
)

// String returns the timeout's name.
func (t TimeoutType) String() string {
	return name(int32(t), "Unspecified", "StartToClose", "ScheduleToStart", "ScheduleToClose", "Heartbeat")
}

// RetryState is why there is no further attempt.
type RetryState int32

// The reasons.
const (
	RETRY_STATE_UNSPECIFIED RetryState = iota
	RETRY_STATE_IN_PROGRESS
	RETRY_STATE_NON_RETRYABLE_FAILURE
	RETRY_STATE_TIMEOUT
	RETRY_STATE_MAXIMUM_ATTEMPTS_REACHED
	RETRY_STATE_RETRY_POLICY_NOT_SET
	RETRY_STATE_INTERNAL_SERVER_ERROR
	RETRY_STATE_CANCEL_REQUESTED
)

// String returns the reason's name.
func (s RetryState) String() string {
	return name(int32(s), "Unspecified", "InProgress", "NonRetryableFailure", "Timeout",
		"MaximumAttemptsReached", "RetryPolicyNotSet", "InternalServerError", "CancelRequested")
}

func name(i int32, names ...string) string {
	if i < 0 || int(i) >= len(names) {
		return "Unknown"
	}
	return names[i]
}
