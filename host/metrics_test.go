package host_test

import (
	"testing"
	"time"

	"go.temporal.io/sdk/client"

	"github.com/wasmworker/wasmworker/host"
	"github.com/wasmworker/wasmworker/internal/testbed"
)

// How long activities waited for an instance is a metric. Here one waits for the other.
func TestInstanceWaitIsMeasured(t *testing.T) {
	o := options(t, testbed.Guest(t, acts))
	o.Defaults.MaxInstances = 1
	measured := &metrics{counted: map[string]int64{}}
	o.ClientOptions.MetricsHandler = measured
	h := run(t, o)
	for _, handle := range []client.ActivityHandle{execute(t, h, "Work", 1000), execute(t, h, "Work", 1000)} {
		if err := get(t, handle, nil); err != nil {
			t.Fatal(err)
		}
	}
	n, waited := measured.of(host.MetricInstanceWait), time.Duration(measured.of(host.MetricInstanceWait+" in all"))
	if n != 2 || waited < 100*time.Millisecond {
		t.Errorf("%d activities waited for %s, want two, one of them for the other", n, waited)
	}
}
