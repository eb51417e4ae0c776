package sandbox

import (
	"bytes"
	"log/slog"
	"reflect"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/wasmworker/wasmworker/host/passthrough"
)

// A module that is denied in a loop does not fill the log, nor silence others.
func TestDenialsAreNotAFlood(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var logged bytes.Buffer
		logger := slog.New(slog.NewTextHandler(&logged, nil))
		deny := func(d *denials, n int) int {
			for range n {
				d.log(logger, "http", "Charge", &passthrough.Denial{Target: "GET http://example.com/", Reason: "no rule has it"})
			}
			text := logged.String()
			logged.Reset()
			if strings.Count(text, "not logged for a minute") != n/100 {
				t.Errorf("of %d denials: %s", n, text)
			}
			for line := range strings.Lines(text) {
				for _, part := range []string{"level=WARN", "capability=http", "activity=Charge", `target="GET http://example.com/"`, `reason="no rule has it"`} {
					if !strings.Contains(line, part) {
						t.Fatalf("logged %s", line)
					}
				}
			}
			return strings.Count(text, "\n")
		}
		var orders, other denials
		got := []int{deny(&orders, 150), deny(&other, 1), deny(&orders, 1)}
		time.Sleep(time.Minute)
		if got = append(got, deny(&orders, 1)); !reflect.DeepEqual(got, []int{100, 1, 0, 1}) {
			t.Errorf("logged %v", got)
		}
	})
}
