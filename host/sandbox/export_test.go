package sandbox

import (
	"testing"
	"time"
)

// SetTrialTimeout shortens, for one test, how long a module may take to initialise.
func SetTrialTimeout(t *testing.T, d time.Duration) {
	before := trialTimeout
	trialTimeout = d
	t.Cleanup(func() { trialTimeout = before })
}
