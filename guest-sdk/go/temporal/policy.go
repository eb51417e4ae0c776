package temporal

import "time"

// RetryPolicy is how Temporal retries an activity. In a guest it is information only.
type RetryPolicy struct {
	// InitialInterval is the delay before the second attempt.
	InitialInterval time.Duration
	// BackoffCoefficient multiplies the delay for each further attempt.
	BackoffCoefficient float64
	// MaximumInterval is the longest delay.
	MaximumInterval time.Duration
	// MaximumAttempts is the number of attempts; zero means no limit.
	MaximumAttempts int32
	// NonRetryableErrorTypes are the failure types after which there is no further
	// attempt.
	NonRetryableErrorTypes []string
}

// Priority is the order in which Temporal hands out tasks that wait in a queue. In
// a guest it is information only.
type Priority struct {
	// PriorityKey is smaller for tasks that are handed out earlier; zero means the
	// default.
	PriorityKey int
	// FairnessKey names the group, such as a tenant, that the task is counted to.
	FairnessKey string
	// FairnessWeight is the group's share; zero means the default.
	FairnessWeight float32
}
